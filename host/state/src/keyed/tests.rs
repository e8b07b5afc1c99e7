//! Keyed state against a plain map, and what a failed call must not leave behind.

use std::collections::BTreeMap;

use proptest::prelude::*;
use weir_model::codec::Codec;
use weir_model::describe::{StateDescriptor, StateKind};
use weir_model::key_group::hash_key;
use weir_model::rows::{Batch, BatchBuilder};

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
    state.number(batch, table, &mut slots);
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
    let got = staged.get_sub(Scope { state: &state, table: &table }, 0, &[0, 0, 0], column(&[Some("a"), Some("b"), Some("d")]).as_column()).unwrap();
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
        staged.get_sub(Scope { state: &state, table: &table }, 0, &[0], one.as_column()),
        Err(StateError::WrongKind { state: 0, is_value: true })
    );
    assert_eq!(staged.scan(Scope { state: &state, table: &table }, 1, 7, None, 1, 1), Err(StateError::UnknownSlot { slot: 7, slots: 1 }));
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
