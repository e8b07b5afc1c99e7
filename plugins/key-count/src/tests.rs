//! Keys come as the order says, and counts are what it foretells.

use std::collections::BTreeMap;

use weir_guest::Export;
use weir_guest::testing::Harness;

use super::*;

fn check(keys: u64, hits: u64, records: u64) {
    let mut spread = Harness::with_config::<Spread>(&[("keys", &keys.to_string()), ("hits", &hits.to_string())]);
    for number in 0..records {
        spread.push_value(number);
    }
    spread.process(1024);
    let mut count = Harness::new::<Count>();
    for (key, n) in spread.records::<(u64, u64)>() {
        count.push(key, n);
    }
    count.process(1024);
    let sweep = Sweep::new(keys, hits).unwrap();
    let expected: Vec<_> = (0..records).map(|number| sweep.record(number)).collect();
    assert_eq!(count.records::<(u64, u64)>(), expected, "{keys} keys, {hits} hits");
}

#[test]
fn the_count_of_a_record_is_known_from_its_number() {
    check(1, 1, 5);
    check(7, 3, 100);
    check(1000, 16, 20_000);
}

/// `Old` sees three records, then `New` goes on with its sums.
fn upgrade<Old: Export, New: Export>(expected: [(u64, u64); 3]) {
    let (mut old, mut new) = (Harness::new::<Old>(), Harness::new::<New>());
    old.push(1u64, 10u64).push(2u64, 1u64).push(1u64, 5u64).process(1024);
    new.restore(&old.snapshot()).push(1u64, 1u64).push(1u64, 1u64).push(3u64, 7u64).process_at_every_batch_size();
    assert_eq!(new.records::<(u64, u64)>(), [(1, 16), (1, 17), (3, 7)]);
    let sums = [1u64, 2, 3].map(|key| new.value::<Postcard<Sum>>("count", key).unwrap());
    assert_eq!(sums, expected.map(|(sum, records)| Sum { sum, records }));
}

#[test]
fn each_version_goes_on_with_the_sums_of_those_before() {
    upgrade::<Count, Later<2>>([(17, 2), (1, 0), (7, 1)]);
    upgrade::<Count, Later<5>>([(17, 2), (1, 0), (7, 1)]);
    upgrade::<Later<2>, Later<3>>([(17, 4), (1, 1), (7, 1)]);
    upgrade::<Later<3>, Later<5>>([(17, 4), (1, 1), (7, 1)]);
}

#[test]
#[should_panic(expected = "key 14 is one of those that it was told to trap on")]
fn it_traps_on_the_keys_that_it_is_told_to() {
    let mut count = Harness::with_config::<CountOrTrap>(&[("trap-one-in", "7")]);
    count.push(13u64, 1u64).push(13u64, 1u64).process(1024);
    assert_eq!(count.records::<(u64, u64)>(), [(13, 1), (13, 2)]);
    count.push(14u64, 1u64).process(1024);
}

#[test]
fn sums_may_be_ignored() {
    let mut ignore = Harness::new::<Ignore>();
    ignore.push(1u64, 10u64).process(1024);
    assert!(ignore.records::<(u64, u64)>().is_empty());
}

#[test]
fn every_key_comes_once_before_any_comes_again() {
    let keys = 1000;
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    (0..keys).for_each(|number| *seen.entry(Sweep::new(keys, 4).unwrap().record(number).0).or_default() += 1);
    assert_eq!((seen.len(), seen.values().sum()), (1000, 1000));
}

#[test]
fn neighbours_come_far_apart_in_the_fill() {
    for keys in [1_000_000, 10_000_000] {
        let near = (0..1000).filter(|number| place_in_fill(*number, keys).abs_diff(place_in_fill(number + 1, keys)) < 1000);
        assert_eq!(near.count(), 0, "{keys}");
    }
}

#[test]
fn a_sweep_over_nothing_is_refused() {
    assert_eq!(Sweep::new(0, 1), None);
    assert_eq!(Sweep::new(1, 0), None);
    assert_eq!(Sweep::new(1 << 31, 1), None);
    assert!(Sweep::new((1 << 31) - 2, 1).is_some());
}
