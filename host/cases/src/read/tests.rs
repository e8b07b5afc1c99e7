//! What a file of cases may say, and what is said of one that is wrong.

use std::path::Path;

use super::*;
use crate::case::{Event, PluginRef};

const HEAD: &str = "[[case]]\nname = \"n\"\nfunction = \"f\"\n";

/// A file that is refused, with this error.
fn check_refused(text: &str, expected: &str) {
    let error = read("cases.toml", text, Path::new("")).err().unwrap_or_else(|| panic!("{text} was read"));
    assert_eq!(error.to_string(), expected, "of {text}");
}

/// A case with these lines is refused with this error.
fn check_case(lines: &str, expected: &str) {
    check_refused(&format!("{HEAD}{lines}"), expected);
}

#[test]
fn a_case_may_say_everything_there_is() {
    let text = r#"
[[case]]
name = "all of it"
function = "count"
config = { greeting = "hi", times = 3 }
parallelism = 2
on-error = "fail"
batch = 7
input = [
  { key = "a", value = 1, timestamp = 5 },
  { watermark = 1000 }, { time = 2000 }, { checkpoint = true }, { restore-at = 3 }, { new-instance = true },
  { swap = "other.wasm", function = "count-2" }, { swap = "next" }, { swap = "self", function = "g" },
  { checkpoint = true, function = "sum-2", plugin = "a/b.wasm" },
  { repeat = 3, key = "key-{i}", value = { hex = "00 fF" } },
  { value = { text = "ab", times = 2 }, port = "left" },
]
output = [ { value = { json = "null" } } ]
state = { a = [ { key = "k", value = 1 } ], b = [ { key = "k", items = [1, { u64 = 2 }] } ], c = [ { repeat = 2, key = "{i}", entries = [ { key = "x", value = 1 } ] } ] }
failures = [ { record = 1, message = "bad" } ]
counters = { greeted = 3 }
fails = "no"
"#;
    let cases = read("cases.toml", text, Path::new("folder")).unwrap();
    let case = &cases[0];
    assert_eq!((case.line, case.parallelism.get(), case.fail, case.batch, case.records()), (2, 2, true, 7, 5));
    assert_eq!(case.config, [("greeting".to_owned(), "hi".to_owned()), ("times".to_owned(), "3".to_owned())]);
    let plugins: Vec<PluginRef> = case.plugins().cloned().collect();
    let named = PluginRef::Named("next".to_owned());
    assert_eq!(plugins, [PluginRef::File("folder/other.wasm".into()), named, PluginRef::Tested, PluginRef::File("folder/a/b.wasm".into())]);
    let restored = case.input.iter().filter_map(|event| if let Event::Restore(restore) = event { Some(restore) } else { None });
    let restored: Vec<_> = restored.map(|restore| (restore.parallelism.map(Parallelism::get), restore.version.is_some())).collect();
    assert_eq!(restored, [(None, false), (Some(3), false), (None, true)]);
    assert_eq!((case.expect.state.len(), case.expect.failures.len(), case.expect.fails.as_deref()), (3, 1, Some("no")));
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    let file = "cases.toml";
    check_case("outptu = []", &format!("{file}:4: [case] outptu: there is no key `outptu` in [case] (did you mean `output`?)"));
    let why = "there is no key `timestmap` in [case.input] (did you mean `timestamp`?)";
    check_case("input = [\n  { value = 1, timestmap = 2 },\n]", &format!("{file}:5: [case.input] timestmap: {why}"));
    let why = "there is no key `keys` in [case.output] (did you mean `key`?)";
    check_case("output = [{ value = 1, keys = 2 }]", &format!("{file}:4: [case.output] keys: {why}"));
    let why = "there is no key `vaule` in [case.state.s] (did you mean `value`?)";
    check_case("state = { s = [ { key = 1, value = 1, vaule = 2 } ] }", &format!("{file}:4: [case.state.s] vaule: {why}"));
    check_refused("[[cases]]\n", &format!("{file}:1: there is nothing called `cases` outside of the cases (did you mean `case`?)"));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_line() {
    let place = "cases.toml:4: [case]";
    check_case("batch = 0", &format!("{place} batch: a batch has records (write a whole number from 1 on)"));
    check_case("parallelism = 129", &format!("{place} parallelism: 129 is not in 1 to 128 (write a whole number from 1 to 128)"));
    check_case(
        "input = [1]",
        &format!("{place} input: `1` stands where a table is expected (write a list of tables, such as `input = [ {{ key = \"a\", value = 1 }} ]`)"),
    );
    check_case(
        "input = [{ checkpoint = false }]",
        "cases.toml:4: [case.input] checkpoint: `false` says nothing (write `checkpoint = true`, or leave it out)",
    );
    check_case(
        "input = [{ value = { hex = \"0\" } }]",
        "cases.toml:4: [case.input] value: it isn't hexadecimal (write two digits a byte, such as { hex = \"00ff\" })",
    );
    let remedy = "write `value` for a value state, `items` for a list state, `entries` for a map state";
    check_case(
        "state = { s = [ { key = 1 } ] }",
        &format!("cases.toml:4: [case.state.s]: one of `value`, `items` and `entries` must say what is kept ({remedy})"),
    );
    check_case("counters = { a = -1 }", &format!("{place} counters: `-1` is no count (write `counters = {{ greeted = 3 }}`)"));
    check_case("on-error = \"skip\"", &format!("{place} on-error: `skip` is not one of its values (use one of: `dead-letter`, `fail`)"));
    check_refused("", "cases.toml: there is no case in it (begin each case with a line `[[case]]`)");
    check_refused("[case]\n", "cases.toml:1: `case` is not a list of cases (begin each case with a line `[[case]]`, in double brackets)");
    check_refused(
        "[[case]]\nfunction = \"f\"\n",
        "cases.toml:1: [case]: `name` is missing (add a line such as `name = \"a count goes on after a restore\"`)",
    );
    let twice = format!("{HEAD}{HEAD}");
    check_refused(&twice, "cases.toml:4: [case] name: the case in line 1 has the same name: \"n\" (give each case a name of its own)");
}
