//! Snapshots against a plain map: whatever is written, frozen, captured and restored in whatever order.

use std::collections::BTreeSet;

use proptest::prelude::*;
use weir_model::describe::StateKind;

use crate::SnapshotScope;
use crate::world::{Change, KEYS, Op, ROWS, Step, World, each_row, key};

const VALUE: StateKind = StateKind::Value;
const LIST: StateKind = StateKind::List;
const MAP: StateKind = StateKind::Map;

#[test]
fn expired_keys_that_nobody_touches_leave_the_state_and_the_next_changes_say_so() {
    let mut world = World::new(&[(VALUE, 2000), (MAP, 2000)], 2, false);
    let put = |keys, state| Op::Put { keys, state, value: Some(1) };
    let map = Op::PutSub { key: 7, state: 1, sub_key: 1, value: Some(1) };
    world.step(Step::Call { ops: vec![put((0, 5), 0), map], succeeds: true });
    world.freeze(SnapshotScope::Full);
    world.capture_all();
    world.state.set_time(5000);
    assert_eq!(world.state.len(), 6, "expired, and nobody has looked");
    world.state.freeze(SnapshotScope::Changes);
    let captured = world.state.capture(ROWS).unwrap();
    assert_eq!(world.state.len(), 0, "the look that goes with a snapshot has freed them");
    assert!(captured.is_empty(), "they were there when the view was frozen, unchanged");
    world.state.freeze(SnapshotScope::Changes);
    let file = world.state.capture(ROWS).unwrap().into_file().unwrap();
    let mut deleted = BTreeSet::new();
    each_row(&file, |row, _| {
        assert_eq!((row.sub_key, row.value), (None, None));
        deleted.insert((row.key.to_vec(), row.state));
    });
    assert_eq!(deleted, (0..5).chain([7]).flat_map(|number| [(key(number), 0), (key(number), 1)]).collect());
}

/// What states there can be in a world, and how many of them its first function has.
type Known = (&'static [(StateKind, u64)], usize);

fn some_known() -> impl Strategy<Value = Known> {
    let choices: [Known; 5] = [
        (&[(VALUE, 0), (VALUE, 0), (MAP, 0)], 1),
        (&[(VALUE, 2500)], 1),
        (&[(MAP, 0), (VALUE, 3000), (LIST, 4000)], 2),
        (&[(VALUE, 0), (LIST, 2000), (MAP, 0), (VALUE, 1)], 4),
        (&[(VALUE, 4000), (VALUE, 0), (MAP, 3000), (LIST, 0), (VALUE, 0)], 3),
    ];
    (0..choices.len()).prop_map(move |choice| choices[choice])
}

fn some_op(states: usize) -> impl Strategy<Value = Op> {
    let value = || proptest::option::of(any::<u8>());
    // A few keys that much happens to, and all of them now and then.
    let key = || prop_oneof![3 => 0..6u16, 1 => 0..KEYS];
    let keys = prop_oneof![4 => (key(), Just(1u16)), 1 => (0..KEYS, 0..KEYS)];
    prop_oneof![
        3 => (keys, 0..states, value()).prop_map(|(keys, state, value)| Op::Put { keys, state, value }),
        3 => (key(), 0..states, 0..6u8, value()).prop_map(|(key, state, sub_key, value)| Op::PutSub { key, state, sub_key, value }),
        1 => (key(), 0..states).prop_map(|(key, state)| Op::Clear { key, state }),
    ]
}

fn some_scope() -> impl Strategy<Value = SnapshotScope> {
    prop_oneof![1 => Just(SnapshotScope::Full), 2 => Just(SnapshotScope::Changes)]
}

fn some_change(states: usize) -> impl Strategy<Value = Change> {
    let one = |weight| prop_oneof![4 => Just(None), weight => (0..states).prop_map(Some)];
    (any::<u8>(), one(1), one(4), 0..states, one(1)).prop_map(|(raised, gives_up, adds, turned, shortens)| Change {
        raised,
        gives_up,
        adds,
        turned,
        shortens,
    })
}

/// What happens under one function.
fn some_step(states: usize) -> impl Strategy<Value = Step> {
    let rows_max = prop_oneof![4 => 1..4usize, 1 => 1..1000usize];
    prop_oneof![
        6 => (proptest::collection::vec(some_op(states), 1..6), proptest::bool::weighted(0.85)).prop_map(|(ops, succeeds)| Step::Call { ops, succeeds }),
        2 => (0..2500u16).prop_map(|ms| Step::Advance { ms }),
        2 => some_scope().prop_map(|scope| Step::Freeze { scope }),
        3 => rows_max.prop_map(|rows_max| Step::Capture { rows_max }),
        1 => (0..3usize, 1..5u32, any::<bool>())
            .prop_map(|(back, subtasks, by_its_function)| Step::Restore { back, subtasks, by_its_function }),
    ]
}

/// The same, and functions come and go.
fn some_step_of_many(states: usize) -> impl Strategy<Value = Step> {
    let values_max = prop_oneof![3 => 1..4usize, 1 => 1..500usize];
    prop_oneof![
        14 => some_step(states),
        3 => (some_scope(), some_change(states), any::<bool>()).prop_map(|(scope, change, can_undo)| Step::Swap { scope, change, can_undo }),
        2 => (values_max, proptest::option::of(1..4usize)).prop_map(|(values_max, fails)| Step::Migrate { values_max, fails }),
        2 => (0..8u16, 1..20u16).prop_map(|keys| Step::Read { keys }),
        2 => Just(Step::Undo),
        1 => Just(Step::EndUndo),
    ]
}

fn some_history<S: Strategy<Value = Step>>(some_step: fn(usize) -> S) -> impl Strategy<Value = (Known, Vec<Step>)> {
    some_known().prop_flat_map(move |known| (Just(known), proptest::collection::vec(some_step(known.0.len()), 1..60)))
}

fn check((known, first): Known, steps: Vec<Step>, on_disk: bool) {
    let mut world = World::new(known, first, on_disk);
    steps.into_iter().for_each(|step| world.step(step));
    world.restore(0, 3, true);
    world.check_all();
    // When all keys have been in memory and nothing hinders, everything is migrated in the end, and it is known.
    world.read_all();
    world.freeze(SnapshotScope::Full);
    world.capture_all();
    for _ in 0..2 {
        while !world.migrate_some(100, None) {}
    }
    assert!(!world.state.has_stale());
    world.check_all();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_snapshot_is_the_state_at_its_freeze_and_a_restore_is_the_snapshot((known, steps) in some_history(some_step)) {
        check(known, steps, false);
    }

    #[test]
    fn so_it_is_when_functions_change_over_it_and_are_taken_back((known, steps) in some_history(some_step_of_many)) {
        check(known, steps, false);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn so_it_is_when_nearly_all_state_is_on_disk((known, steps) in some_history(some_step)) {
        check(known, steps, true);
    }

    #[test]
    fn so_it_is_when_functions_change_over_state_on_disk((known, steps) in some_history(some_step_of_many)) {
        check(known, steps, true);
    }
}
