//! It throws now and then, at other records each time, and counts what it lets through.

use weir_guest::testing::Harness;

use super::*;

#[test]
fn it_throws_about_as_often_as_it_is_told_to() {
    let failures = |time_ms: i64, one_in: &str| {
        let mut harness = Harness::with_config::<Count>(&[("one-in", one_in)]);
        harness.processing_time(time_ms);
        for _ in 0..2000 {
            harness.push("word", 1_u64);
        }
        harness.process(1);
        let passed = harness.records::<(Utf8, u64)>().len();
        assert_eq!(passed + harness.failures().len(), 2000);
        harness.failures().len()
    };
    assert!((100..300).contains(&failures(1, "10")));
    assert_eq!(failures(1, "1"), 2000);
    assert_eq!(failures(1, "1000000000000"), 0);
}
