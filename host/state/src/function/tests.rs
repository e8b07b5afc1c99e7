//! Functions that take over state, case by case. Each step is held against a plain map too.

use std::collections::BTreeMap;

use weir_model::describe::StateKind;

use crate::world::{Change, Op, Step, World, batch, descriptor, each_row, key};
use crate::{Column, Incompatible, KeyTable, KeyedState, OwnedColumn, Scope, SnapshotScope, Staged};

const VALUE: StateKind = StateKind::Value;
const MAP: StateKind = StateKind::Map;
const CHANGES: SnapshotScope = SnapshotScope::Changes;

fn put(world: &mut World, keys: (u16, u16), value: Option<u8>) {
    world.step(Step::Call { ops: vec![Op::Put { keys, state: 0, value }], succeeds: true });
}

fn snapshot(world: &mut World, scope: SnapshotScope) {
    world.freeze(scope);
    world.capture_all();
}

/// Goes on with a function whose states, those with a bit in `raised`, have a newer version.
fn swap(world: &mut World, raised: u8, can_undo: bool) {
    world.step(Step::Swap { scope: CHANGES, change: Change { raised, ..Change::default() }, can_undo });
}

/// A world with values under ten keys in a full snapshot.
fn ten_keys(kinds: &[(StateKind, u64)], on_disk: bool) -> World {
    let mut world = World::new(kinds, kinds.len(), on_disk);
    put(&mut world, (0, 10), Some(9));
    snapshot(&mut world, SnapshotScope::Full);
    world
}

/// The keys in the file of the last snapshot, with the schema versions of their rows and whether they have values.
fn in_last_file(world: &World) -> BTreeMap<Vec<u8>, (u32, bool)> {
    let mut rows = BTreeMap::new();
    let file = world.snapshots.last().unwrap().file.as_ref().unwrap();
    each_row(file, |row, state| {
        rows.insert(row.key.to_vec(), (state.schema_version, row.value.is_some()));
    });
    rows
}

fn check_on_both(check: impl Fn(bool)) {
    check(false);
    check(true);
}

#[test]
fn an_old_value_survives_two_increments_and_a_restore_and_is_migrated_once_when_it_is_read() {
    check_on_both(|on_disk| {
        let mut world = ten_keys(&[(VALUE, 0)], on_disk);
        swap(&mut world, 1, false);
        world.capture_all();
        put(&mut world, (1, 1), Some(3));
        snapshot(&mut world, CHANGES);
        assert_eq!(in_last_file(&world), BTreeMap::from([(key(1), (2, true))]));
        put(&mut world, (2, 1), None);
        snapshot(&mut world, CHANGES);
        assert_eq!(in_last_file(&world), BTreeMap::from([(key(2), (1, false))]), "a deletion is told before any version's values");
        world.restore(0, 1, false);
        assert_eq!(world.state.stale_versions(), [(0, 1)]);
        world.migrated = 0;
        for _ in 0..2 {
            world.step(Step::Read { keys: (0, 10) });
            assert_eq!(world.migrated, 8, "all but the one that was written and the one that was deleted");
        }
        snapshot(&mut world, CHANGES);
        assert_eq!(in_last_file(&world), BTreeMap::new(), "to migrate is not to write");
        world.restore(0, 1, false);
        world.read_all();
    });
}

#[test]
fn three_versions_can_be_there_at_once_and_a_restore_brings_all_to_the_last() {
    check_on_both(|on_disk| {
        let mut world = ten_keys(&[(VALUE, 0)], on_disk);
        swap(&mut world, 1, false);
        put(&mut world, (4, 3), Some(5));
        // Before the first migration has ended.
        swap(&mut world, 1, false);
        put(&mut world, (8, 2), Some(6));
        assert_eq!(world.state.stale_versions(), [(0, 1), (0, 2)]);
        snapshot(&mut world, SnapshotScope::Full);
        let versions: Vec<u32> = (0..10).map(|number| in_last_file(&world)[&key(number)].0).collect();
        assert_eq!(versions, [1, 1, 1, 1, 2, 2, 2, 1, 3, 3]);
        world.restore(0, 2, false);
        world.migrated = 0;
        world.read_all();
        assert_eq!(world.migrated, 8);
    });
}

#[test]
fn what_was_migrated_in_the_background_is_known_to_be_all() {
    let mut world = ten_keys(&[(VALUE, 0), (MAP, 0)], false);
    world.step(Step::Call { ops: vec![Op::PutSub { key: 3, state: 1, sub_key: 2, value: Some(4) }], succeeds: true });
    swap(&mut world, 3, false);
    world.capture_all();
    assert!(world.state.has_stale());
    // A value that can't be migrated stays, and is tried again.
    while !world.migrate_some(3, Some(3)) {}
    while !world.migrate_some(3, Some(3)) {}
    assert!(world.state.has_stale());
    while !world.migrate_some(3, None) {}
    while !world.migrate_some(3, None) {}
    assert!(!world.state.has_stale());
    world.check_all();
}

#[test]
fn a_function_that_takes_over_during_a_capture_leaves_the_view_to_the_one_before() {
    check_on_both(|on_disk| {
        for scope in [SnapshotScope::Full, CHANGES] {
            let mut world = ten_keys(&[(VALUE, 0), (MAP, 0)], on_disk);
            put(&mut world, (5, 5), Some(1));
            let change = Change { raised: 1, gives_up: Some(1), ..Change::default() };
            world.step(Step::Swap { scope, change, can_undo: false });
            put(&mut world, (0, 7), Some(2));
            world.step(Step::Capture { rows_max: 1 });
            world.step(Step::Read { keys: (7, 2) });
            world.restore(0, 2, true);
            assert_eq!(world.states.len(), 2, "the function before");
            world.read_all();
            assert!(!world.state.has_stale());
        }
    });
}

#[test]
fn taken_back_a_function_leaves_nothing_and_the_next_changes_are_those_since() {
    check_on_both(|on_disk| {
        let mut world = ten_keys(&[(VALUE, 0), (MAP, 0)], on_disk);
        put(&mut world, (3, 1), Some(7));
        let change = Change { raised: 1, gives_up: Some(1), ..Change::default() };
        world.step(Step::Swap { scope: CHANGES, change, can_undo: true });
        world.capture_all();
        world.step(Step::Read { keys: (0, 5) });
        put(&mut world, (5, 10), Some(8));
        snapshot(&mut world, CHANGES);
        put(&mut world, (0, 2), None);
        // Deleted and back: it has been two entries.
        put(&mut world, (0, 1), Some(4));
        world.migrate_some(100, None);
        world.freeze(CHANGES);
        world.step(Step::Capture { rows_max: 1 });
        assert!(world.state.undo_bytes() > 0);
        world.step(Step::Undo);
        assert_eq!((world.state.undo_bytes(), world.state.len(), world.state.has_stale()), (0, 10, false));
        put(&mut world, (2, 1), Some(1));
        snapshot(&mut world, CHANGES);
        let rows: Vec<_> = in_last_file(&world).into_keys().collect();
        assert_eq!(rows, [key(2)]);
        world.restore(0, 2, true);
    });
}

#[test]
fn a_function_that_does_not_fit_is_refused_and_nothing_changes() {
    let mut world = ten_keys(&[(VALUE, 0), (MAP, 0)], false);
    swap(&mut world, 1, false);
    let (value, map) = (descriptor(0, VALUE, 2, 0), descriptor(1, MAP, 1, 0));
    let mut check = |states: &[_], expected: &str| {
        assert_eq!(world.state.adopt(states, &|_| false).unwrap_err().to_string(), expected);
        let accepted = world.state.accept(&[descriptor(0, VALUE, 1, 0), descriptor(2, MAP, 1, 0)], &|_| false);
        assert_eq!(accepted, Err(Incompatible::Missing { name: "state 2".to_owned() }));
        assert_eq!(world.state.states(), world.states);
        assert_eq!(world.state.stored_states().len(), 3);
        world.check_all();
    };
    check(std::slice::from_ref(&value), "the function has no state state 1, which was saved: it would be lost");
    check(&[descriptor(0, VALUE, 1, 0), map.clone()], "the values of state state 0 have schema version 2, which is newer than 1, the function's");
    check(&[value, descriptor(1, VALUE, 2, 0)], "state state 1 was a map and is a value now");
    let same_version = weir_model::describe::StateDescriptor { value: weir_model::codec::Codec::Json, ..descriptor(0, VALUE, 2, 0) };
    check(&[same_version, map], "the values of state state 0 were utf8 and are json now, and both have schema version 2");
}

#[test]
fn more_versions_than_can_be_told_apart_are_refused() {
    let mut state = KeyedState::new(&[descriptor(0, VALUE, 1, 0)], 1);
    for version in 2..=256 {
        state.adopt(&[descriptor(0, VALUE, version, 0)], &|_| false).unwrap();
    }
    let refused = state.adopt(&[descriptor(0, VALUE, 257, 0)], &|_| false);
    assert_eq!(refused, Err(Incompatible::TooManyVersions { name: "state 0".to_owned() }));
    assert_eq!(state.states(), [descriptor(0, VALUE, 256, 0)]);
}

fn number(state: &mut KeyedState, keys: &[Vec<u8>]) -> KeyTable {
    let (mut table, mut slots) = (KeyTable::default(), Vec::new());
    state.number(&batch(keys), &mut table, &mut slots).unwrap();
    table
}

fn values(state: &KeyedState, table: &KeyTable) -> Vec<Option<Vec<u8>>> {
    let mut found = OwnedColumn::default();
    state.values(table, 0, &mut found.lengths, &mut found.data);
    found.iter().map(|value| value.map(<[u8]>::to_vec)).collect()
}

#[test]
fn state_beside_another_has_what_that_had_when_a_key_was_first_met() {
    check_on_both(|on_disk| {
        let mut world = ten_keys(&[(VALUE, 0), (MAP, 0)], on_disk);
        let mut beside = world.state.beside(&[descriptor(0, VALUE, 2, 0)], 4, &|name| name == "state 1").unwrap();
        let keys = [key(3), key(200)];
        let meet = |beside: &mut KeyedState, world: &mut World| {
            let table = number(&mut world.state, &keys);
            let own = number(beside, &keys);
            beside.copy_missing(&world.state, &own);
            world.state.discard(&table);
            own
        };
        let table = meet(&mut beside, &mut world);
        let mut stale = Vec::new();
        beside.stale(&table, &mut stale);
        assert_eq!((stale.len(), stale[0].from_version, stale[0].values.lengths.len()), (1, 1, 1));
        beside.migrated(&stale[0], Column { lengths: &[1], data: b"n" }).unwrap();
        assert_eq!(values(&beside, &table), [Some(b"n".to_vec()), None]);
        let mut staged = Staged::default();
        let mut own = OwnedColumn::default();
        own.push(Some(b"own"));
        staged.put(Scope { state: &beside, table: &table }, 0, vec![1], own).unwrap();
        staged.apply(&mut beside, &table);
        // From now on, they go their own ways.
        put(&mut world, (3, 1), Some(5));
        put(&mut world, (200, 1), Some(5));
        let table = meet(&mut beside, &mut world);
        assert_eq!(values(&beside, &table), [Some(b"n".to_vec()), Some(b"own".to_vec())]);
    });
}
