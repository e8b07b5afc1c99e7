//! The recount itself must be able to fail.

use super::*;

fn check(parts: &[&str], copy: &str, promise: Promise, why: Option<&str>) {
    let folder = JobFolder::new();
    for (number, part) in parts.iter().enumerate() {
        folder.write(&format!("out/counts/part-0-{number}.txt"), part);
    }
    folder.write("out/copy/part-0-0.txt", copy);
    let found = Expected::of("a b\na\n", promise).check(&folder);
    match why {
        None => assert_eq!(found, Ok(())),
        Some(why) => assert!(found.as_ref().is_err_and(|found| found.contains(why)), "{why:?} isn't in {found:?}"),
    }
}

#[test]
fn what_is_lost_doubled_or_out_of_order_is_found() {
    let (once, least) = (Promise::ExactlyOnce, Promise::AtLeastOnce);
    let (counts, lines) = ("a\t1\nb\t1\na\t2\n", "a b\na\n");
    check(&[counts], lines, once, None);
    check(&["a\t2\n", "b\t1\na\t1\n"], lines, once, None);
    check(&["a\t1\nb\t1\n"], lines, once, Some("lost 1 counts, [2]"));
    check(&[counts, "a\t2\n"], lines, once, Some("doubled 1 counts, [2]"));
    check(&[counts, "c\t1\n"], lines, once, Some("\"c\" doesn't occur"));
    check(&["a\t2\nb\t1\na\t1\n"], lines, once, Some("not in order"));
    check(&["a"], lines, once, Some("no word with its count"));
    check(&[counts], "a b\n", once, Some("\"a\" is there 0 times"));
    check(&[counts], "a b\na\na\n", once, Some("\"a\" is there 2 times"));
    check(&[counts], "a b\na\nc\n", once, Some("\"c\" doesn't occur"));
    check(&[counts, "a\t2\na\t3\n"], "a b\na\na\n", least, None);
    check(&["a\t1\nb\t1\na\t3\n"], lines, least, Some("lost 1 counts, [2]"));
    check(&[counts], "a\na\n", least, Some("\"a b\" is there 0 times"));
}

#[test]
fn a_part_that_is_not_finished_is_found() {
    let folder = JobFolder::new();
    folder.write("out/counts/part-0-0.txt.inprogress", "");
    assert!(Expected::of("", Promise::ExactlyOnce).check(&folder).is_err_and(|why| why.contains("left behind")));
}
