//! Outcomes that are as expected, and outcomes that aren't.

use std::path::Path;

use weir_model::describe::{FunctionDescription, FunctionKind, Port, StateKind};
use weir_model::rows::NO_TIMESTAMP;

use super::*;
use crate::outcome::{Cell, Emitted, Kept, State};
use crate::read::read;
use weir_model::codec::Codec;

fn function() -> FunctionDescription {
    let port = |name: &str| Port { name: name.to_owned(), key: Codec::Utf8, value: Codec::from_name("u64-le") };
    FunctionDescription {
        name: "f".to_owned(),
        doc: String::new(),
        kind: FunctionKind::Keyed,
        inputs: vec![port("in")],
        outputs: vec![port("out")],
        states: Vec::new(),
    }
}

/// Records such as `a=1 b=2`, emitted in this order.
fn outcome(emitted: &str) -> Outcome {
    let records = emitted.split_whitespace().map(|record| {
        let (key, value) = record.split_once('=').unwrap();
        let value = value.parse::<u64>().unwrap().to_le_bytes().to_vec();
        Emitted { function: 0, port: 0, key: Some(key.into()), value, timestamp: NO_TIMESTAMP }
    });
    Outcome { functions: vec![function()], emitted: records.collect(), in_order: true, ..Outcome::default() }
}

fn case(lines: &str) -> Case {
    let text = format!("[[case]]\nname = \"n\"\nfunction = \"f\"\n{lines}");
    read("cases.toml", &text, Path::new("")).unwrap().remove(0)
}

/// Each difference as `what | expected | found`.
fn told(differences: &[Difference]) -> Vec<String> {
    differences.iter().map(|Difference { what, expected, found }| format!("{what} | {expected} | {found}")).collect()
}

fn check(lines: &str, outcome: &Outcome, expected: &[&str]) {
    assert_eq!(told(&compare(&case(lines), outcome, Mode::Written)), expected, "{lines}");
}

#[test]
fn output_is_compared_record_by_record() {
    let lines = "output = [ { key = \"a\", value = 1 }, { key = \"b\", value = 2 } ]";
    check(lines, &outcome("a=1 b=2"), &[]);
    check(lines, &outcome("a=1 b=3"), &["output, record 1 | key \"b\"  value 2 | key \"b\"  value 3"]);
    check(
        lines,
        &outcome("b=2 a=1"),
        &["output, record 0 | key \"a\"  value 1 | key \"b\"  value 2", "output, record 1 | key \"b\"  value 2 | key \"a\"  value 1"],
    );
    check(lines, &Outcome { in_order: false, ..outcome("b=2 a=1") }, &[]);
    check(lines, &outcome("a=1"), &["output, record 1, where 2 are expected and 1 came | key \"b\"  value 2 | nothing"]);
    check("output = []", &outcome("a=1"), &["output, record 0, where 0 are expected and 1 came | nothing | key \"a\"  value 1"]);
    check("", &outcome("a=1"), &[]);
    check("output = [ { value = 1 } ]", &outcome("a=1"), &["output, record 0 | value 1 | key \"a\"  value 1"]);
    let timed = "output = [ { key = \"a\", value = 1, timestamp = 7 } ]";
    check(timed, &outcome("a=1"), &["output, record 0 | key \"a\"  value 1  timestamp 7 | key \"a\"  value 1"]);
    let many = "output = [ { repeat = 9, key = \"a\", value = \"{i}\" } ]";
    let found = compare(&case(many), &outcome("a=0 a=9 a=9 a=9 a=9 a=9 a=9 a=9 a=9"), Mode::Written);
    assert_eq!((found.len(), found[2].what.as_str()), (3, "output, record 3 (and 5 more differences in the output)"));
}

#[test]
fn the_end_of_a_run_is_what_is_expected() {
    let ended = |end: End| Outcome { end, ..outcome("") };
    let failed = || End::Failed("on the record \"x\": bad record".to_owned());
    check("fails = \"bad record\"", &ended(failed()), &[]);
    check("", &ended(failed()), &["the run | it runs to the end of its input | it failed: on the record \"x\": bad record"]);
    check("fails = \"bad\"", &ended(End::Done), &["the run | it fails: …bad… | it ran to the end of its input"]);
    check("refuses-open = \"greeting\"", &ended(End::RefusedOpen("greeting is missing".to_owned())), &[]);
    check(
        "refuses-open = \"greeting\"",
        &ended(failed()),
        &["the run | it refuses to open: …greeting… | it failed: on the record \"x\": bad record"],
    );
    check("", &ended(End::Unfit("no function".to_owned())), &["the run | it runs to the end of its input | no function"]);
}

#[test]
fn before_a_failure_a_batch_may_be_missing() {
    let case = case("fails = \"bad\"\noutput = [ { key = \"a\", value = 1 }, { key = \"a\", value = 2 } ]");
    let failed = |emitted: &str| Outcome { end: End::Failed("bad".to_owned()), ..outcome(emitted) };
    let check =
        |emitted: &str, mode: Mode, is_fine: bool| assert_eq!(compare(&case, &failed(emitted), mode).is_empty(), is_fine, "{emitted} {mode:?}");
    check("", Mode::BatchOfAll, true);
    check("a=1", Mode::BatchOfAll, true);
    check("a=2", Mode::BatchOfAll, false);
    check("a=1 a=2 a=3", Mode::BatchOfAll, false);
    check("a=1", Mode::BatchOfOne, false);
    check("a=1 a=2", Mode::BatchOfOne, true);
}

#[test]
fn refused_records_are_known_by_their_number_or_when_batched_by_what_they_say() {
    let refused = |record: usize, is_exact: bool| Outcome {
        records: vec![10, 20, 20, 30],
        refused: vec![Refused { record, is_exact, message: "bad record: x".to_owned() }],
        ..outcome("")
    };
    let lines = "failures = [ { record = 2, message = \"bad record\" } ]";
    check(lines, &refused(2, true), &[]);
    check(lines, &refused(1, false), &[]);
    check(lines, &refused(1, true), &["failures, number 0 | record 2 is refused: …bad record… | record 1 is refused: bad record: x"]);
    check(lines, &refused(3, false), &["failures, number 0 | record 2 is refused: …bad record… | record 3 is refused: bad record: x"]);
    check(lines, &outcome(""), &["failures, number 0 | record 2 is refused: …bad record… | nothing"]);
    check("", &refused(0, true), &["failures, number 0 | nothing | record 0 is refused: bad record: x"]);
}

#[test]
fn counters_and_states_are_compared() {
    let cell = |number: u64| Cell { bytes: number.to_le_bytes().to_vec(), codec: Codec::from_name("u64-le") };
    let state = |kind: StateKind, kept: Kept| State { kind, keys: BTreeMap::from([(b"a".to_vec(), kept)]) };
    let below = |cells: &[(&[u8], u64)]| Kept { value: None, below: cells.iter().map(|(key, number)| (key.to_vec(), cell(*number))).collect() };
    let found = Outcome {
        counters: BTreeMap::from([("n".to_owned(), 2)]),
        states: BTreeMap::from([
            ("value".to_owned(), state(StateKind::Value, Kept { value: Some(cell(3)), below: BTreeMap::new() })),
            ("list".to_owned(), state(StateKind::List, below(&[(b"", 2), (&0u64.to_be_bytes(), 7), (&1u64.to_be_bytes(), 8)]))),
            ("torn".to_owned(), state(StateKind::List, below(&[(b"", 2), (&0u64.to_be_bytes(), 7)]))),
            ("map".to_owned(), state(StateKind::Map, below(&[(b"x", 1), (b"y", 2)]))),
        ]),
        ..outcome("")
    };
    let check = |lines: &str, expected: &[&str]| check(lines, &found, expected);
    check("counters = { n = 2 }", &[]);
    check("counters = { n = 2, m = 1 }", &["counter m | 1 | 0"]);
    check("state = { value = [ { key = \"a\", value = 3 } ] }", &[]);
    check("state = { value = [ { key = \"a\", value = 4 } ] }", &["state value, key \"a\" | 4 | 3"]);
    check("state = { value = [] }", &["state value, key \"a\" | nothing | 3"]);
    check("state = { value = [ { key = \"a\", value = 3 }, { key = \"b\", value = 1 } ] }", &["state value, key \"b\" | 1 | nothing"]);
    check("state = { list = [ { key = \"a\", items = [7, 8] } ] }", &[]);
    check("state = { list = [ { key = \"a\", items = [7] } ] }", &["state list, key \"a\" | [7] | [7, 8]"]);
    check(
        "state = { torn = [ { key = \"a\", items = [7] } ] }",
        &["state torn, key \"a\" | [7] | what is no list: {\"\" = 2, \"\\0\\0\\0\\0\\0\\0\\0\\0\" = 7}"],
    );
    check("state = { map = [ { key = \"a\", entries = [ { key = \"y\", value = 2 }, { key = \"x\", value = 1 } ] } ] }", &[]);
    check(
        "state = { map = [ { key = \"a\", entries = [ { key = \"x\", value = 1 } ] } ] }",
        &["state map, key \"a\" | {\"x\" = 1} | {\"x\" = 1, \"y\" = 2}"],
    );
    check("state = { other = [] }", &["state other | a state of that name | the function has none"]);
}

#[test]
fn modes_must_agree_on_what_no_case_says() {
    let with = |emitted: &str, count: u64| Outcome { counters: BTreeMap::from([("n".to_owned(), count)]), ..outcome(emitted) };
    let check = |other: &Outcome, expected: &[&str]| assert_eq!(told(&agree(&with("a=1", 1), other)), expected);
    check(&with("a=1", 1), &[]);
    check(&with("a=2", 1), &["output, record 0 (against the case as written) | key \"a\"  value 1 | key \"a\"  value 2"]);
    check(&with("a=1", 2), &["counters | n = 1 | n = 2"]);
}
