//! Keyed state against a plain map, and what a failed call must not leave behind.

use std::collections::BTreeMap;

use proptest::prelude::*;
use weir_model::codec::Codec;
use weir_model::describe::{StateDescriptor, StateKind};
use weir_model::key_group::hash_key;
use weir_model::rows::{Batch, BatchBuilder};

use crate::index::WALK_MAX;
use crate::{Column, KeyTable, KeyedState, MISSING, OwnedColumn, Scope, Staged, StateError};

fn descriptors(kinds: &[StateKind]) -> Vec<StateDescriptor> {
    let descriptor = |kind: &StateKind| StateDescriptor { name: format!("{kind:?}"), kind: *kind, value: Codec::Bytes, schema_version: 1, ttl_ms: 0 };
    kinds.iter().map(descriptor).collect()
}

fn batch(keys: &[&str]) -> Batch {
    let mut builder = BatchBuilder::default();
    for key in keys {
        builder.push(Some(key.as_bytes()), b"", 0).unwrap();
    }
    builder.take().with_hashes(keys.iter().map(|key| hash_key(key.as_bytes())).collect())
}

fn number_keys(state: &mut KeyedState, batch: &Batch, table: &mut KeyTable) -> Vec<u32> {
    let mut slots = Vec::new();
    state.number(batch, table, &mut slots).unwrap();
    slots
}

fn column(items: &[Option<&str>]) -> OwnedColumn {
    let mut column = OwnedColumn::default();
    items.iter().for_each(|item| column.push(item.map(str::as_bytes)));
    column
}

/// The values of one state for the keys of a batch, by key.
fn values(state: &mut KeyedState, keys: &[&str], number: usize) -> Vec<Option<String>> {
    let mut table = KeyTable::default();
    let slots = number_keys(state, &batch(keys), &mut table);
    let (mut lengths, mut data) = (Vec::new(), Vec::new());
    state.values(&table, number, &mut lengths, &mut data);
    let by_slot: Vec<_> = Column { lengths: &lengths, data: &data }.iter().map(|v| v.map(|v| String::from_utf8(v.to_vec()).unwrap())).collect();
    let found = slots.iter().map(|slot| by_slot[*slot as usize].clone()).collect();
    state.discard(&table);
    found
}

#[test]
fn equal_keys_share_a_slot_in_order_of_appearance() {
    let mut state = KeyedState::new(&descriptors(&[StateKind::Value]), 1);
    let mut table = KeyTable::default();
    let slots = number_keys(&mut state, &batch(&["b", "a", "b", "", "a"]), &mut table);
    assert_eq!((slots.as_slice(), table.len()), (&[0, 1, 0, 2, 1][..], 3));
}

#[test]
fn a_discarded_call_leaves_nothing() {
    let mut state = KeyedState::new(&descriptors(&[StateKind::Value]), 1);
    let mut table = KeyTable::default();
    number_keys(&mut state, &batch(&["a", "b"]), &mut table);
    let mut staged = Staged::default();
    staged.put(Scope { state: &state, table: &table }, 0, vec![0], column(&[Some("1")])).unwrap();
    drop(staged);
    state.discard(&table);
    assert!(state.is_empty());
    assert_eq!(values(&mut state, &["a"], 0), [None]);
    assert!(state.is_empty());
}

#[test]
fn a_key_whose_last_value_is_deleted_is_forgotten() {
    let mut state = KeyedState::new(&descriptors(&[StateKind::Value, StateKind::Value, StateKind::Map]), 1);
    let mut table = KeyTable::default();
    let mut call = |state: &mut KeyedState, number, value: Option<&str>| {
        number_keys(state, &batch(&["k"]), &mut table);
        let mut staged = Staged::default();
        match number {
            2 => staged.put_sub(Scope { state, table: &table }, 2, &[0], column(&[Some("s")]).as_column(), column(&[value]).as_column()).unwrap(),
            _ => staged.put(Scope { state, table: &table }, number, vec![0], column(&[value])).unwrap(),
        }
        staged.apply(state, &table);
        state.len()
    };
    let steps = [(0, Some("x"), 1), (1, Some("y"), 1), (2, Some("z"), 1), (0, None, 1), (2, None, 1), (1, None, 0), (1, None, 0), (0, Some("x"), 1)];
    for (number, value, keys) in steps {
        assert_eq!(call(&mut state, number, value), keys, "after {value:?} into state {number}");
    }
}

#[test]
fn a_call_sees_its_own_writes_to_a_map_and_in_order() {
    let mut state = KeyedState::new(&descriptors(&[StateKind::Map]), 1);
    let mut table = KeyTable::default();
    let put = |staged: &mut Staged, state: &KeyedState, table: &KeyTable, sub_key: &str, value: Option<&str>| {
        staged.put_sub(Scope { state, table }, 0, &[0], column(&[Some(sub_key)]).as_column(), column(&[value]).as_column()).unwrap();
    };
    number_keys(&mut state, &batch(&["k"]), &mut table);
    let mut staged = Staged::default();
    for (sub_key, value) in [("b", "1"), ("d", "2"), ("f", "3")] {
        put(&mut staged, &state, &table, sub_key, Some(value));
    }
    staged.apply(&mut state, &table);

    number_keys(&mut state, &batch(&["k"]), &mut table);
    let mut staged = Staged::default();
    put(&mut staged, &state, &table, "a", Some("4"));
    put(&mut staged, &state, &table, "d", None);
    put(&mut staged, &state, &table, "f", Some("5"));
    let scan = |staged: &Staged, after: Option<&str>, limit| {
        let page = staged.scan(Scope { state: &state, table: &table }, 0, 0, after.map(str::as_bytes), limit, 1 << 20).unwrap();
        let texts: Vec<_> =
            page.sub_keys.iter().zip(page.values.iter()).map(|(k, v)| String::from_utf8([k.unwrap(), v.unwrap()].concat()).unwrap()).collect();
        (texts.join(" "), page.more)
    };
    assert_eq!(scan(&staged, None, 10), ("a4 b1 f5".to_owned(), false));
    assert_eq!(scan(&staged, None, 2), ("a4 b1".to_owned(), true));
    assert_eq!(scan(&staged, Some("b"), 10), ("f5".to_owned(), false));
    let got = staged
        .get_sub(Scope { state: &state, table: &table }, 0, &[0, 0, 0], column(&[Some("a"), Some("b"), Some("d")]).as_column(), 1 << 20)
        .unwrap();
    assert_eq!(got, column(&[Some("4"), Some("1"), None]));
    staged.clear(Scope { state: &state, table: &table }, 0, &[0]).unwrap();
    put(&mut staged, &state, &table, "z", Some("9"));
    assert_eq!(scan(&staged, None, 10), ("z9".to_owned(), false));
}

#[test]
fn what_a_function_did_not_declare_is_refused() {
    let mut state = KeyedState::new(&descriptors(&[StateKind::Value, StateKind::List]), 1);
    let mut table = KeyTable::default();
    number_keys(&mut state, &batch(&["k"]), &mut table);
    let mut staged = Staged::default();
    let one = column(&[Some("x")]);
    let short = OwnedColumn { lengths: vec![2], data: vec![0] };
    assert_eq!(staged.put(Scope { state: &state, table: &table }, 9, vec![0], one.clone()), Err(StateError::UnknownState { state: 9, states: 2 }));
    assert_eq!(staged.put(Scope { state: &state, table: &table }, 1, vec![0], one.clone()), Err(StateError::WrongKind { state: 1, is_value: false }));
    assert_eq!(staged.put(Scope { state: &state, table: &table }, 0, vec![1], one.clone()), Err(StateError::UnknownSlot { slot: 1, slots: 1 }));
    assert!(matches!(staged.put(Scope { state: &state, table: &table }, 0, vec![0], short), Err(StateError::BadColumn { .. })));
    assert!(matches!(staged.put(Scope { state: &state, table: &table }, 0, vec![0, 0], one.clone()), Err(StateError::BadColumn { .. })));
    assert_eq!(
        staged.get_sub(Scope { state: &state, table: &table }, 0, &[0], one.as_column(), 1 << 20),
        Err(StateError::WrongKind { state: 0, is_value: true })
    );
    assert_eq!(staged.scan(Scope { state: &state, table: &table }, 1, 7, None, 1, 1), Err(StateError::UnknownSlot { slot: 7, slots: 1 }));
}

/// Puts `value` into value state `number` for every key of `keys`.
fn put_all(state: &mut KeyedState, keys: &Batch, number: u32, value: Option<&[u8]>) {
    let mut table = KeyTable::default();
    number_keys(state, keys, &mut table);
    let mut values = OwnedColumn::default();
    (0..table.len()).for_each(|_| values.push(value));
    let mut staged = Staged::default();
    staged.put(Scope { state, table: &table }, number, (0..table.len() as u32).collect(), values).unwrap();
    staged.apply(state, &table);
}

/// Keys that were chosen for these hashes must be found with few steps each, keep their values and go away again.
fn check_chosen_keys(seed: u64, hashes: &[u64]) {
    let mut state = KeyedState::new(&descriptors(&[StateKind::Value]), seed);
    // Entries of keys that are gone must stay out of a table that is built again.
    let gone: Vec<String> = (0..20).map(|key| format!("gone {key}")).collect();
    put_all(&mut state, &batch(&gone.iter().map(String::as_str).collect::<Vec<_>>()), 0, None);
    let mut builder = BatchBuilder::default();
    (0..hashes.len()).for_each(|key| builder.push(Some(format!("key {key}").as_bytes()), b"", 0).unwrap());
    let batch = builder.take().with_hashes(hashes.to_vec());
    let in_order: Vec<u32> = (0..hashes.len() as u32).collect();
    let mut table = KeyTable::default();
    let steps_max = hashes.len() * 20;
    // Runs may grow to their bound once, before the keys are placed anew.
    let adding_steps_max = steps_max + WALK_MAX * WALK_MAX;

    assert_eq!(number_keys(&mut state, &batch, &mut table), in_order, "new keys are distinct");
    assert_eq!(state.index.used, hashes.len(), "each key has one slot");
    assert!(state.index.walked.get() < adding_steps_max, "{} steps to add {} keys", state.index.walked.get(), hashes.len());
    let mut staged = Staged::default();
    let mut own = OwnedColumn::default();
    in_order.iter().for_each(|key| own.push(Some(&key.to_le_bytes())));
    staged.put(Scope { state: &state, table: &table }, 0, in_order.clone(), own.clone()).unwrap();
    staged.apply(&mut state, &table);

    state.index.walked.set(0);
    assert_eq!(number_keys(&mut state, &batch, &mut table), in_order, "known keys are distinct");
    assert!(state.index.walked.get() < steps_max, "{} steps to find {} keys", state.index.walked.get(), hashes.len());
    assert_eq!(table.created().count(), 0, "all keys are known");
    let mut found = OwnedColumn::default();
    state.values(&table, 0, &mut found.lengths, &mut found.data);
    assert_eq!(found, own);

    let mut staged = Staged::default();
    let (odd, even): (Vec<u32>, Vec<u32>) = in_order.iter().partition(|key| *key % 2 == 1);
    let mut none = OwnedColumn::default();
    odd.iter().for_each(|_| none.push(None));
    staged.put(Scope { state: &state, table: &table }, 0, odd, none).unwrap();
    staged.apply(&mut state, &table);
    assert_eq!(state.len(), even.len());
    number_keys(&mut state, &batch, &mut table);
    let mut found = OwnedColumn::default();
    state.values(&table, 0, &mut found.lengths, &mut found.data);
    let half: Vec<_> = own.iter().enumerate().map(|(key, value)| value.filter(|_| key % 2 == 0)).collect();
    assert_eq!(found.iter().collect::<Vec<_>>(), half);
    state.discard(&table);
    assert_eq!((state.len(), state.index.used), (even.len(), even.len()), "entries, and slots that lead to one");
}

#[test]
fn keys_with_one_hash_are_found_in_few_steps() {
    check_chosen_keys(5, &[hash_key(b"any"); 50_000]);
}

#[test]
fn keys_in_groups_of_one_hash_are_found_in_few_steps() {
    let hashes: Vec<u64> = (0..50_000u64).map(|key| hash_key(&(key / 500).to_le_bytes())).collect();
    check_chosen_keys(5, &hashes);
}

#[test]
fn keys_that_start_at_one_slot_are_found_in_few_steps() {
    let seed = 5;
    let index = KeyedState::new(&[], seed).index;
    let hashes: Vec<u64> = (0..).map(|number: u64| number << 32).filter(|hash| index.probe_hash(*hash).tag & 0x1fff == 7).take(4000).collect();
    check_chosen_keys(seed, &hashes);
}

#[test]
fn honest_keys_are_placed_by_their_hashes() {
    let mut state = KeyedState::new(&descriptors(&[StateKind::Value]), 5);
    let keys: Vec<String> = (0..200_000).map(|key| format!("key {key}")).collect();
    put_all(&mut state, &batch(&keys.iter().map(String::as_str).collect::<Vec<_>>()), 0, Some(b"1"));
    assert!(state.index.is_by_hash());
}

#[test]
fn an_answer_beyond_its_bound_is_refused_before_it_is_built() {
    let mut state = KeyedState::new(&descriptors(&[StateKind::Map]), 1);
    let mut table = KeyTable::default();
    number_keys(&mut state, &batch(&["k"]), &mut table);
    let value = "v".repeat(100);
    let mut staged = Staged::default();
    let scope = Scope { state: &state, table: &table };
    staged.put_sub(scope, 0, &[0], column(&[Some("s")]).as_column(), column(&[Some(&value)]).as_column()).unwrap();
    // Two lengths with their data, and one length of an item that isn't there.
    let ask = column(&[Some("s"), Some("t"), Some("s")]);
    let get = |bytes_max| staged.get_sub(scope, 0, &[0, 0, 0], ask.as_column(), bytes_max);
    assert_eq!(get(212), Ok(column(&[Some(&value), None, Some(&value)])));
    assert_eq!(get(211), Err(StateError::TooLarge { bytes_max: 211 }));
    assert_eq!(get(0), Err(StateError::TooLarge { bytes_max: 0 }));
    assert_eq!(staged.get_sub(scope, 0, &[], Column::default(), 0), Ok(OwnedColumn::default()));
}

#[test]
fn bytes_of_values_are_known_before_they_are_copied() {
    let mut state = KeyedState::new(&descriptors(&[StateKind::Value, StateKind::List, StateKind::Value]), 1);
    let (a, both) = (batch(&["a"]), batch(&["a", "b"]));
    // Each step puts a value of so many bytes (or deletes it) for one key or both; then the large bytes, and those of both keys.
    let steps: [(&Batch, u32, Option<usize>, usize, usize); 8] = [
        (&a, 0, Some(22), 0, 16 + 22),
        (&both, 0, Some(23), 46, 16 + 46),
        (&a, 2, Some(1000), 1046, 16 + 1046),
        (&a, 0, Some(5), 1023, 16 + 1028),
        (&both, 2, Some(30), 83, 16 + 88),
        (&a, 0, None, 83, 16 + 83),
        (&both, 0, None, 60, 16 + 60),
        (&both, 2, None, 0, 16),
    ];
    for (step, (keys, number, length, large, all)) in steps.into_iter().enumerate() {
        put_all(&mut state, keys, number, length.map(|length| vec![7; length]).as_deref());
        let mut table = KeyTable::default();
        number_keys(&mut state, &both, &mut table);
        assert_eq!((state.large_value_bytes(), state.values_bytes(&table)), (large, all), "after step {step}");
        let mut copied = OwnedColumn::default();
        (0..3).for_each(|number| state.values(&table, number, &mut copied.lengths, &mut copied.data));
        assert_eq!(copied.bytes(), all, "after step {step}");
        state.discard(&table);
    }
}

#[test]
fn a_scan_in_pages_gives_what_one_page_would() {
    let mut state = KeyedState::new(&descriptors(&[StateKind::Map]), 1);
    let mut table = KeyTable::default();
    number_keys(&mut state, &batch(&["k"]), &mut table);
    let put = |staged: &mut Staged, state: &KeyedState, table: &KeyTable, sub_keys: &[Option<&str>], values: &[Option<&str>]| {
        let slots = vec![0; sub_keys.len()];
        staged.put_sub(Scope { state, table }, 0, &slots, column(sub_keys).as_column(), column(values).as_column()).unwrap();
    };
    let mut staged = Staged::default();
    put(&mut staged, &state, &table, &[Some("b"), Some("d"), Some("e"), Some("h")], &[Some("1"); 4]);
    staged.apply(&mut state, &table);
    number_keys(&mut state, &batch(&["k"]), &mut table);
    let mut staged = Staged::default();
    put(&mut staged, &state, &table, &[Some(""), Some("c"), Some("d"), Some("e"), Some("g")], &[Some("2"), Some("2"), None, Some("2"), Some("2")]);
    for limit in 1..8 {
        let (mut found, mut after, mut more) = (String::new(), None::<Vec<u8>>, true);
        while more {
            let page = staged.scan(Scope { state: &state, table: &table }, 0, 0, after.as_deref(), limit, 1 << 20).unwrap();
            for (sub_key, value) in page.sub_keys.iter().zip(page.values.iter()) {
                let text = String::from_utf8([sub_key.unwrap(), value.unwrap()].concat()).unwrap();
                found = format!("{found} {text}");
                after = sub_key.map(Into::into);
            }
            more = page.more;
        }
        assert_eq!(found, " 2 b1 c2 e2 g2 h1", "in pages of {limit}");
    }
}

#[test]
fn keys_beyond_the_last_entry_are_refused_and_leave_nothing() {
    let mut state = KeyedState::new(&descriptors(&[StateKind::Value, StateKind::Value]), 1);
    state.entries_max = 3;
    put_all(&mut state, &batch(&["a", "b"]), 0, Some(b"1"));
    let (mut table, mut slots) = (KeyTable::default(), Vec::new());
    for _ in 0..2 {
        assert_eq!(state.number(&batch(&["a", "c", "d"]), &mut table, &mut slots), Err(StateError::Full { entries_max: 3 }));
        assert_eq!((state.len(), table.len(), table.created().count(), slots.len()), (2, 0, 0, 0));
    }
    assert_eq!(number_keys(&mut state, &batch(&["d", "a", "b"]), &mut table), [0, 1, 2]);
    state.discard(&table);
    put_all(&mut state, &batch(&["a"]), 0, None);
    assert_eq!(number_keys(&mut state, &batch(&["c", "d"]), &mut table), [0, 1], "an entry that was given back is used again");
}

proptest! {
    #[test]
    fn counting_agrees_with_a_map(calls in proptest::collection::vec((proptest::collection::vec(0u32..300, 0..100), any::<bool>()), 0..40), seed: u64) {
        let mut state = KeyedState::new(&descriptors(&[StateKind::Value]), seed);
        let mut table = KeyTable::default();
        let mut model: BTreeMap<String, u64> = BTreeMap::new();
        for (keys, succeeds) in calls {
            let keys: Vec<String> = keys.iter().map(|key| format!("key-{}-{key}", "x".repeat(*key as usize % 30))).collect();
            let slots = number_keys(&mut state, &batch(&keys.iter().map(String::as_str).collect::<Vec<_>>()), &mut table);
            let (mut lengths, mut data) = (Vec::new(), Vec::new());
            state.values(&table, 0, &mut lengths, &mut data);
            let mut counts: Vec<u64> = Column { lengths: &lengths, data: &data }.iter().map(|v| v.map_or(0, |v| u64::from_le_bytes(v.try_into().unwrap()))).collect();
            for (key, slot) in keys.iter().zip(&slots) {
                prop_assert!(lengths[*slot as usize] == MISSING || succeeds || model.contains_key(key));
                counts[*slot as usize] += 1;
            }
            let mut staged = Staged::default();
            let mut new = OwnedColumn::default();
            counts.iter().for_each(|count| new.push(Some(&count.to_le_bytes())));
            staged.put(Scope { state: &state, table: &table }, 0, (0..counts.len() as u32).collect(), new).unwrap();
            if succeeds {
                staged.apply(&mut state, &table);
                keys.into_iter().for_each(|key| *model.entry(key).or_default() += 1);
            } else {
                state.discard(&table);
            }
            prop_assert_eq!(state.len(), model.len());
        }
        let keys: Vec<&str> = model.keys().map(String::as_str).collect();
        let mut table = KeyTable::default();
        number_keys(&mut state, &batch(&keys), &mut table);
        let (mut lengths, mut data) = (Vec::new(), Vec::new());
        state.values(&table, 0, &mut lengths, &mut data);
        let found: Vec<u64> = Column { lengths: &lengths, data: &data }.iter().map(|v| u64::from_le_bytes(v.unwrap().try_into().unwrap())).collect();
        prop_assert_eq!(found, model.values().copied().collect::<Vec<_>>());
    }
}

#[test]
fn what_is_too_much_to_be_taken_back_is_not_kept() {
    let keys: Vec<String> = (0..100_000).map(|key| format!("key {key}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    for (bytes_max, is_kept) in [(64 << 20, true), (1 << 20, false)] {
        let mut state = KeyedState::new(&descriptors(&[StateKind::Value]), 1);
        put_all(&mut state, &batch(&keys), 0, Some(b"old"));
        state.begin_undo_within(bytes_max);
        put_all(&mut state, &batch(&keys), 0, Some(b"new"));
        assert_eq!(state.undo_bytes() > 0, is_kept);
        assert_eq!(state.undo(), if is_kept { Ok(()) } else { Err(StateError::NotKept { bytes_max }) });
        if is_kept {
            assert_eq!(values(&mut state, &["key 0", "key 99999"], 0), [Some("old".to_owned()), Some("old".to_owned())]);
        }
    }
}
