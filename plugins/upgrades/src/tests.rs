//! Each function does what its line says, and goes on with the state of those before it.

use std::fmt::Write;

use weir_guest::native::{FunctionKind, StateKind};
use weir_guest::testing::{Harness, Snapshot};
use weir_guest::{Export, Postcard, Utf8};

use super::*;

/// What `T` emits for numbers of a word.
fn run(harness: &mut Harness, numbers: &[u64]) -> Vec<u64> {
    for n in numbers {
        harness.push("word", *n);
    }
    harness.forget_output().process_at_every_batch_size();
    harness.records::<(Utf8, u64)>().into_iter().map(|(word, n)| if word == "word" { n } else { u64::MAX }).collect()
}

/// The state of `T` after numbers of a word.
fn state<T: Export>(numbers: &[u64]) -> Snapshot {
    let mut harness = Harness::new::<T>();
    run(&mut harness, numbers);
    harness.snapshot()
}

/// `Old` sees 3 and 4, then `New` sees 5 and 6 and emits what is expected.
fn upgrade<Old: Export, New: Export>(expect: &[u64]) -> Harness {
    let mut harness = Harness::new::<New>();
    harness.restore(&state::<Old>(&[3, 4]));
    assert_eq!(run(&mut harness, &[5, 6]), expect);
    harness
}

#[test]
fn each_version_goes_on_with_the_counts_of_those_before_it() {
    let second = WithRecords { count: 18, records: 2 };
    let third = WithLargest { largest: Some(6), records: 2, count: 18 };
    assert_eq!(upgrade::<Count<First>, Count<Second>>(&[12, 18]).value::<Postcard<WithRecords>>("count", "word"), Some(second));
    assert_eq!(upgrade::<Count<First>, Count<Third>>(&[12, 18]).value::<Postcard<WithLargest>>("count", "word"), Some(third.clone()));
    let by_second = upgrade::<Count<Second>, Count<Third>>(&[12, 18]).value::<Postcard<WithLargest>>("count", "word");
    assert_eq!(by_second, Some(WithLargest { records: 4, ..third }));
    upgrade::<Count<Second>, Count<Unmigrated>>(&[12, 18]);
    upgrade::<Count<Second>, Count<Picky>>(&[12, 18]);
    upgrade::<Count<AsJson>, Count<AsJson>>(&[12, 18]);
}

#[test]
#[should_panic(expected = "no migration from schema version 1: this function keeps version 2")]
fn without_a_migration_there_is_no_way_from_version_1() {
    upgrade::<Count<First>, Count<Unmigrated>>(&[]);
}

#[test]
fn the_picky_migration_takes_even_counts() {
    let mut picky = Harness::new::<Count<Picky>>();
    picky.restore(&state::<Count<First>>(&[3, 5]));
    assert_eq!(run(&mut picky, &[1]), [9]);
}

#[test]
#[should_panic(expected = "state `count` of key `word`, schema version 1: 7 is odd")]
fn the_picky_migration_refuses_odd_counts() {
    upgrade::<Count<First>, Count<Picky>>(&[]);
}

#[test]
#[should_panic(expected = "state `count` is u64-le in it and json here")]
fn another_codec_is_no_upgrade() {
    upgrade::<Count<First>, Count<AsJson>>(&[]);
}

#[test]
#[should_panic(expected = "state `count` is another kind of state in it")]
fn another_kind_is_no_upgrade() {
    upgrade::<Count<First>, CountMap>(&[]);
}

#[test]
fn maps_and_lists_are_migrated_entry_by_entry() {
    let map = upgrade::<ByLength<First>, ByLength<Second>>(&[12, 18]);
    assert_eq!(map.map_entries::<u64, Postcard<WithRecords>>("by-length", "word"), [(4, WithRecords { count: 18, records: 2 })]);
    let list = upgrade::<Increments<First>, Increments<Second>>(&[3, 4]);
    let items = [(3, 0), (4, 0), (5, 1), (6, 1)].map(|(count, records)| WithRecords { count, records });
    assert_eq!(list.list_items::<Postcard<WithRecords>>("increments", "word"), items);
    upgrade::<CountMap, CountMap>(&[12, 18]);
    upgrade::<ByLength<Brief>, ByLength<Brief>>(&[12, 18]);
}

#[test]
fn a_state_more_or_less_leaves_the_others_alone() {
    let both = upgrade::<Count<First>, CountAndLast>(&[12, 18]);
    assert_eq!(both.value::<u64>("last", "word"), Some(6));
    upgrade::<CountAndLast, Count<First>>(&[12, 18]);
    upgrade::<CountAndLast, LastOnly>(&[4, 5]);
    upgrade::<Count<First>, LastOnly>(&[0, 5]);
}

#[test]
fn faults_strike_when_they_are_told_to() {
    upgrade::<Count<First>, At<Trap>>(&[12, 18]);
    upgrade::<Count<First>, Slow>(&[12, 18]);
    let wrong: &[(&str, &str)] = &[("at", "10")];
    assert_eq!(run(&mut Harness::with_config::<At<Wrong>>(wrong), &[9, 1, 2]), [9, 1010, 1012]);
    let mut refuse = Harness::with_config::<At<Refuse>>(wrong);
    assert_eq!(run(&mut refuse, &[8, 2, 1]), [8, 9]);
    assert_eq!(refuse.failures()[0].message, "the count would be 10, and it was told to refuse");
    assert_eq!(run(&mut Harness::with_config::<Slow>(&[("spins", "1000")]), &[1, 2]), [1, 3]);
    let mut text = Harness::new::<OtherOutput>();
    text.push("word", 7u64).process(1);
    assert_eq!(text.records::<(Utf8, Utf8)>(), [("word", "7")]);
    assert_eq!(run(&mut Harness::new::<Stateless>(), &[7, 8]), [1, 1]);
}

#[test]
#[should_panic(expected = "the count is 10, and it was told to trap")]
fn the_trap_springs_at_its_count() {
    run(&mut Harness::with_config::<At<Trap>>(&[("at", "10")]), &[9, 1]);
}

#[test]
fn each_function_has_the_states_that_tests_of_upgrades_count_on() {
    let mut found = String::new();
    for function in plugin().describe().functions {
        assert_eq!(function.kind == FunctionKind::Stateless, function.states.is_empty());
        write!(found, "{} -> {}:", function.name, function.outputs[0].value_codec).unwrap();
        for state in function.states {
            let kind =
                ["value", "list", "map"][[StateKind::Value, StateKind::List, StateKind::Map].iter().position(|kind| *kind == state.kind).unwrap()];
            let codec = state.value_codec.split('/').next().unwrap();
            write!(found, " {kind} {} {codec} {}", state.name, state.schema_version).unwrap();
        }
        found.push('\n');
    }
    let expected = "\
count-1 -> u64-le: value count u64-le 1
count-2 -> u64-le: value count postcard:WithRecords 2
count-3 -> u64-le: value count postcard:WithLargest 3
count-2-no-migration -> u64-le: value count postcard:WithRecords 2
count-2-picky -> u64-le: value count postcard:WithRecords 2
count-json -> u64-le: value count json 1
count-map -> u64-le: map count u64-le 1
count-and-last -> u64-le: value count u64-le 1 value last u64-le 1
last-only -> u64-le: value last u64-le 1
map-1 -> u64-le: map by-length u64-le 1
map-2 -> u64-le: map by-length postcard:WithRecords 2
map-brief -> u64-le: map by-length u64-le 1
list-1 -> u64-le: list increments u64-le 1
list-2 -> u64-le: list increments postcard:WithRecords 2
trap-at -> u64-le: value count u64-le 1
refuse-at -> u64-le: value count u64-le 1
wrong-at -> u64-le: value count u64-le 1
slow -> u64-le: value count u64-le 1
stateless-count -> u64-le:
other-output -> utf8: value count u64-le 1
";
    assert_eq!(found, expected);
}
