//! Snapshots against a plain map: whatever is written, frozen, captured and restored in whatever order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use weir_model::codec::Codec;
use weir_model::describe::{StateDescriptor, StateKind};
use weir_model::id::{Parallelism, SubtaskIndex};
use weir_model::key_group::{MaxParallelism, hash_key};
use weir_model::rows::BatchBuilder;

use crate::{
    Captured, Column, KeyTable, KeyedState, OwnedColumn, RestoreError, Scope, SnapshotScope, Staged, StateFile, StateFileIndex, StateRow,
    match_states,
};

const GROUPS: u32 = 16;
const KEYS: u16 = 300;
const ROWS: usize = 1 << 20;

fn groups() -> MaxParallelism {
    MaxParallelism::new(Parallelism::new(GROUPS).unwrap(), Parallelism::ONE).unwrap()
}

fn descriptors(states: &[(StateKind, u64)]) -> Vec<StateDescriptor> {
    let descriptor = |(number, (kind, ttl_ms)): (usize, &(StateKind, u64))| StateDescriptor {
        name: format!("state {number}"),
        kind: *kind,
        value: Codec::Bytes,
        schema_version: 1,
        ttl_ms: *ttl_ms,
    };
    states.iter().enumerate().map(descriptor).collect()
}

/// State, key and sub-key; the value, and the second it counts as written in.
type Image = BTreeMap<(usize, Vec<u8>, Option<Vec<u8>>), (Vec<u8>, u32)>;

fn key(number: u16) -> Vec<u8> {
    // Short and long ones, and one that is empty.
    b"key of some length"
        .iter()
        .copied()
        .cycle()
        .take(usize::from(number) % 40)
        .chain(number.to_be_bytes())
        .skip(if number == 0 { 2 } else { 0 })
        .collect()
}

/// Applies rows to an image as the words in [`StateRow`] say.
fn apply(image: &mut Image, row: &StateRow<'_>, kind: StateKind) {
    let at = (row.state, row.key.to_vec(), row.sub_key.map(<[u8]>::to_vec));
    match row.value {
        Some(value) => drop(image.insert(at, (value.to_vec(), row.written_s))),
        None if kind != StateKind::Value && row.sub_key.is_none() => {
            image.retain(|(state, key, _), _| (*state, key.as_slice()) != (row.state, row.key))
        }
        None => drop(image.remove(&at)),
    }
}

#[derive(Debug, Clone)]
enum Op {
    /// Puts or deletes the same under keys from one number on.
    Put {
        keys: (u16, u16),
        state: usize,
        value: Option<u8>,
    },
    PutSub {
        key: u16,
        state: usize,
        sub_key: u8,
        value: Option<u8>,
    },
    Clear {
        key: u16,
        state: usize,
    },
}

#[derive(Debug, Clone)]
enum Step {
    Call {
        ops: Vec<Op>,
        succeeds: bool,
    },
    Advance {
        ms: u16,
    },
    Freeze {
        scope: SnapshotScope,
    },
    Capture {
        rows_max: usize,
    },
    /// Captures everything, and goes on from the snapshot that is so many before the last one, read by so many subtasks.
    Restore {
        back: usize,
        subtasks: u32,
    },
}

/// Room for a few entries: nearly all are on disk.
const MEMORY_BYTES: u64 = 2000;

fn new_state(states: &[StateDescriptor], disk: Option<&(tempfile::TempDir, std::cell::Cell<usize>)>) -> KeyedState {
    let state = KeyedState::new(states, 3).tracked(groups());
    let Some((dir, taken)) = disk else { return state };
    taken.set(taken.get() + 1);
    state.on_disk(&dir.path().join(taken.get().to_string()), MEMORY_BYTES).unwrap()
}

/// A frozen view: what it must hold, and what of it came out.
struct Snapshot {
    scope: SnapshotScope,
    now_ms: i64,
    image: Image,
    /// Keys that were written or may have been swept since the view before.
    touched: BTreeSet<Vec<u8>>,
    file: Option<StateFile>,
}

struct World {
    states: Vec<StateDescriptor>,
    /// Where state goes that doesn't fit memory, if anywhere, and how many folders have been taken there.
    disk: Option<(tempfile::TempDir, std::cell::Cell<usize>)>,
    state: KeyedState,
    /// Everything ever put and not deleted or overwritten, expired or not.
    image: Image,
    touched: BTreeSet<Vec<u8>>,
    now_ms: i64,
    snapshots: Vec<Snapshot>,
}

impl World {
    fn new(states: Vec<StateDescriptor>, on_disk: bool) -> Self {
        let disk = on_disk.then(|| (tempfile::tempdir().unwrap(), std::cell::Cell::new(0)));
        let state = new_state(&states, disk.as_ref());
        Self { states, disk, state, image: Image::new(), touched: BTreeSet::new(), now_ms: 0, snapshots: Vec::new() }
    }

    fn is_live(&self, now_ms: i64, state: usize, written_s: u32) -> bool {
        let ttl_ms = self.states[state].ttl_ms;
        ttl_ms == 0 || i64::from(written_s) + i64::try_from(ttl_ms.div_ceil(1000)).unwrap() > now_ms / 1000
    }

    fn live(&self, now_ms: i64, image: &Image) -> Image {
        image
            .iter()
            .filter(|((state, ..), (_, written_s))| self.is_live(now_ms, *state, *written_s))
            .map(|(at, cell)| (at.clone(), cell.clone()))
            .collect()
    }

    fn is_value(&self, state: usize) -> bool {
        self.states[state].kind == StateKind::Value
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Call { ops, succeeds } => self.call(&ops, succeeds),
            Step::Advance { ms } => {
                self.now_ms += i64::from(ms);
                self.state.set_time(self.now_ms);
            }
            Step::Freeze { scope } => self.freeze(scope),
            Step::Capture { rows_max } => {
                if let Some(captured) = self.state.capture(rows_max) {
                    self.captured(captured);
                }
            }
            Step::Restore { back, subtasks } => self.restore(back, subtasks),
        }
        self.check_reads();
    }

    fn call(&mut self, ops: &[Op], succeeds: bool) {
        let keys_of = |op: &Op| match op {
            Op::Put { keys: (from, count), .. } => *from..(*from + *count).min(KEYS),
            Op::PutSub { key, .. } | Op::Clear { key, .. } => *key..*key + 1,
        };
        let keys: Vec<u16> = ops.iter().flat_map(keys_of).collect();
        let mut builder = BatchBuilder::default();
        keys.iter().for_each(|number| builder.push(Some(&key(*number)), b"", 0).unwrap());
        let batch = builder.take().with_hashes(keys.iter().map(|number| hash_key(&key(*number))).collect());
        let (mut table, mut slots, mut staged) = (KeyTable::default(), Vec::new(), Staged::default());
        self.state.number(&batch, &mut table, &mut slots).unwrap();
        let slot_of: BTreeMap<u16, u32> = keys.iter().copied().zip(slots).collect();
        let scope = Scope { state: &self.state, table: &table };
        let time_s = u32::try_from(self.now_ms.unsigned_abs().div_ceil(1000)).unwrap();
        let mut image = self.image.clone();
        // What a call stages for value states is applied before the rest, which changes nothing: they are different states.
        for op in ops {
            for number in keys_of(op) {
                let (slot, key) = (slot_of[&number], key(number));
                let bytes = |value: &u8| vec![*value; usize::from(*value) % 40];
                let row = |state: &usize, sub_key: Option<&[u8]>, value: Option<&[u8]>, image: &mut Image| {
                    let row = StateRow { state: *state, key_group: groups().key_group(0), key: &key, sub_key, value, written_s: time_s };
                    apply(image, &row, self.states[*state].kind);
                };
                let mut column = OwnedColumn::default();
                match op {
                    Op::Put { state, value, .. } if self.is_value(*state) => {
                        let value = value.as_ref().map(bytes);
                        column.push(value.as_deref());
                        staged.put(scope, *state as u32, vec![slot], column).unwrap();
                        row(state, None, value.as_deref(), &mut image);
                    }
                    Op::PutSub { state, sub_key, value, .. } if !self.is_value(*state) => {
                        let (value, sub_key) = (value.as_ref().map(bytes), vec![7; usize::from(*sub_key)]);
                        column.push(value.as_deref());
                        let sub_keys = Column { lengths: &[sub_key.len() as u32], data: &sub_key };
                        staged.put_sub(scope, *state as u32, &[slot], sub_keys, column.as_column()).unwrap();
                        row(state, Some(&sub_key), value.as_deref(), &mut image);
                    }
                    Op::Clear { state, .. } if !self.is_value(*state) => {
                        staged.clear(scope, *state as u32, &[slot]).unwrap();
                        row(state, None, None, &mut image);
                    }
                    _ => {}
                }
            }
        }
        if succeeds {
            staged.apply(&mut self.state, &table);
            self.image = image;
            self.touched.extend(keys.into_iter().map(key));
        } else {
            self.state.discard(&table);
        }
    }

    fn freeze(&mut self, scope: SnapshotScope) {
        // Changes are changes to something.
        let scope = if self.snapshots.is_empty() { SnapshotScope::Full } else { scope };
        self.state.freeze(scope);
        let expired = self.image.iter().filter(|((state, ..), (_, written_s))| !self.is_live(self.now_ms, *state, *written_s));
        let expired: BTreeSet<_> = expired.map(|((_, key, _), _)| key.clone()).collect();
        let touched = std::mem::replace(&mut self.touched, expired.clone()).into_iter().chain(expired).collect();
        let image = self.live(self.now_ms, &self.image);
        self.snapshots.push(Snapshot { scope, now_ms: self.now_ms, image, touched, file: None });
        assert!(self.state.is_capturing());
    }

    /// Each view comes out once, in order, and is what was frozen.
    fn captured(&mut self, captured: Captured) {
        let number = self.snapshots.iter().position(|snapshot| snapshot.file.is_none()).expect("a view that was frozen");
        assert_eq!(captured.scope(), self.snapshots[number].scope);
        let rows_captured = captured.rows();
        let file = captured.into_file(&self.states).unwrap();
        assert!(file.info.rows <= rows_captured);
        let snapshot = &self.snapshots[number];
        each_row(&file, &(0..GROUPS), |row| {
            assert_eq!(row.key_group, groups().key_group(hash_key(row.key)));
            assert!(file.info.key_groups.contains(&row.key_group.0));
            assert!(snapshot.scope == SnapshotScope::Full || snapshot.touched.contains(row.key), "{:?} hasn't changed", row.key);
        });
        self.snapshots[number].file = Some(file);
        let found = self.live(self.snapshots[number].now_ms, &self.image_of_files(number));
        assert_eq!(found, self.snapshots[number].image, "snapshot {number}");
    }

    /// The files that make up a snapshot: a full one and those that followed it.
    fn chain(&self, number: usize) -> impl Iterator<Item = &StateFile> {
        let base = self.snapshots[..=number].iter().rposition(|snapshot| snapshot.scope == SnapshotScope::Full).unwrap();
        self.snapshots[base..=number].iter().map(|snapshot| snapshot.file.as_ref().unwrap())
    }

    fn image_of_files(&self, number: usize) -> Image {
        let mut image = Image::new();
        self.chain(number).for_each(|file| each_row(file, &(0..GROUPS), |row| apply(&mut image, &row, self.states[row.state].kind)));
        image
    }

    fn capture_all(&mut self) {
        while let Some(captured) = self.state.capture(ROWS) {
            self.captured(captured);
        }
        assert!(!self.state.is_capturing());
        assert!(self.snapshots.iter().all(|snapshot| snapshot.file.is_some()));
    }

    fn restore(&mut self, back: usize, subtasks: u32) {
        self.capture_all();
        let Some(number) = self.snapshots.len().checked_sub(1 + back) else { return };
        let expected = self.live(self.now_ms, &self.snapshots[number].image);
        let load = |key_groups: std::ops::Range<u32>, on_disk: bool| {
            let mut state = new_state(&self.states, self.disk.as_ref().filter(|_| on_disk));
            state.set_time(self.now_ms);
            self.chain(number).for_each(|file| load_file(&mut state, &self.states, file, &key_groups).unwrap());
            state.loaded();
            state
        };
        let mut found = Image::new();
        let subtasks = Parallelism::new(subtasks).unwrap();
        for subtask in 0..subtasks.get() {
            let range = groups().range(SubtaskIndex(subtask), subtasks);
            // Files are the same in memory and on disk.
            let loaded = load(range.clone(), subtask % 2 == 0);
            let read = loaded.for_each_row(groups(), |row| {
                assert!(range.contains(&row.key_group.0), "a key of another subtask");
                apply(&mut found, &row, self.states[row.state].kind);
            });
            read.unwrap();
        }
        assert_eq!(found, expected, "snapshot {number} restored by {subtasks} subtasks");
        self.state = load(0..GROUPS, back != 2);
        assert_eq!(self.state.len(), expected.keys().map(|(_, key, _)| key).collect::<BTreeSet<_>>().len(), "nothing expired is loaded");
        self.image = expected;
        self.touched.clear();
        self.snapshots.truncate(number + 1);
        // What has expired since is gone without a trace in a file; it stays so, as every reader drops it.
        self.touched.extend(self.snapshots[number].image.keys().map(|(_, key, _)| key.clone()));
    }

    /// What a call would see, and what a walk over everything gives.
    fn check_reads(&mut self) {
        let expected = self.live(self.now_ms, &self.image);
        let mut found = Image::new();
        self.state.for_each_row(groups(), |row| apply(&mut found, &row, self.states[row.state].kind)).unwrap();
        assert_eq!(found, expected);
        let mut builder = BatchBuilder::default();
        let keys: BTreeSet<&Vec<u8>> = self.image.keys().map(|(_, key, _)| key).collect();
        keys.iter().for_each(|key| builder.push(Some(key), b"", 0).unwrap());
        let batch = builder.take().with_hashes(keys.iter().map(|key| hash_key(key)).collect());
        let (mut table, mut slots) = (KeyTable::default(), Vec::new());
        self.state.number(&batch, &mut table, &mut slots).unwrap();
        let staged = Staged::default();
        let (mut found, mut bytes) = (Vec::new(), 0);
        for number in 0..self.states.len() {
            let (mut lengths, mut data) = (Vec::new(), Vec::new());
            self.state.values(&table, number, &mut lengths, &mut data);
            bytes += lengths.len() * 4 + data.len();
            let values = Column { lengths: &lengths, data: &data };
            let values = values.iter().zip(&keys).filter_map(|(value, key)| Some(((number, (*key).clone(), None), value?.to_vec())));
            found.extend(values);
            for (slot, key) in keys.iter().enumerate().filter(|_| !self.is_value(number)) {
                let scope = Scope { state: &self.state, table: &table };
                let page = staged.scan(scope, number as u32, slot as u32, None, 1000, 1 << 20).unwrap();
                let slots = vec![slot as u32; page.sub_keys.lengths.len()];
                assert_eq!(staged.get_sub(scope, number as u32, &slots, page.sub_keys.as_column(), 1 << 20).unwrap(), page.values);
                let cells = page.sub_keys.iter().zip(page.values.iter());
                found.extend(cells.map(|(sub_key, value)| ((number, (*key).clone(), sub_key.map(<[u8]>::to_vec)), value.unwrap().to_vec())));
            }
        }
        assert_eq!(self.state.values_bytes(&table), bytes);
        self.state.discard(&table);
        assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), expected.into_iter().map(|(at, (value, _))| (at, value)).collect());
    }
}

/// The rows of some key groups of a file, read as a restore reads them.
fn each_row(file: &StateFile, key_groups: &std::ops::Range<u32>, mut each: impl FnMut(StateRow<'_>)) {
    let bytes = |range: &std::ops::Range<u64>| &file.bytes[range.start as usize..range.end as usize];
    let index = StateFileIndex::parse(bytes(&StateFileIndex::tail_bytes(file.info.bytes)), &file.info).unwrap();
    for range in index.ranges(key_groups) {
        let read = index.read(&range, bytes(&range), key_groups, |row| -> Result<(), RestoreError> {
            each(row);
            Ok(())
        });
        read.unwrap();
    }
}

fn load_file(state: &mut KeyedState, states: &[StateDescriptor], file: &StateFile, key_groups: &std::ops::Range<u32>) -> Result<(), RestoreError> {
    let bytes = |range: &std::ops::Range<u64>| &file.bytes[range.start as usize..range.end as usize];
    let index = StateFileIndex::parse(bytes(&StateFileIndex::tail_bytes(file.info.bytes)), &file.info)?;
    let numbers = match_states(index.states(), states).unwrap();
    for range in index.ranges(key_groups) {
        index.read(&range, bytes(&range), key_groups, |row| -> Result<(), RestoreError> {
            Ok(state.load(&StateRow { state: numbers[row.state], ..row })?)
        })?;
    }
    Ok(())
}

#[test]
fn expired_keys_that_nobody_touches_leave_the_state_and_the_next_changes_say_so() {
    let mut world = World::new(descriptors(&[(VALUE, 2000), (MAP, 2000)]), false);
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
    let file = world.state.capture(ROWS).unwrap().into_file(&world.states).unwrap();
    let mut deleted = BTreeSet::new();
    each_row(&file, &(0..GROUPS), |row| {
        assert_eq!((row.sub_key, row.value), (None, None));
        deleted.insert((row.key.to_vec(), row.state));
    });
    assert_eq!(deleted, (0..5).chain([7]).flat_map(|number| [(key(number), 0), (key(number), 1)]).collect());
}

const VALUE: StateKind = StateKind::Value;
const MAP: StateKind = StateKind::Map;

fn some_states() -> impl Strategy<Value = Vec<StateDescriptor>> {
    let choices: [&[(StateKind, u64)]; 5] = [
        &[(VALUE, 0)],
        &[(VALUE, 2500)],
        &[(MAP, 0), (VALUE, 3000)],
        &[(VALUE, 0), (StateKind::List, 2000), (MAP, 0), (VALUE, 1)],
        &[(VALUE, 4000), (VALUE, 0), (MAP, 3000)],
    ];
    (0..choices.len()).prop_map(move |choice| descriptors(choices[choice]))
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

fn some_step(states: usize) -> impl Strategy<Value = Step> {
    let scope = prop_oneof![1 => Just(SnapshotScope::Full), 2 => Just(SnapshotScope::Changes)];
    prop_oneof![
        6 => (proptest::collection::vec(some_op(states), 1..6), proptest::bool::weighted(0.85)).prop_map(|(ops, succeeds)| Step::Call { ops, succeeds }),
        2 => (0..2500u16).prop_map(|ms| Step::Advance { ms }),
        2 => scope.prop_map(|scope| Step::Freeze { scope }),
        3 => prop_oneof![4 => 1..4usize, 1 => 1..1000usize].prop_map(|rows_max| Step::Capture { rows_max }),
        1 => (0..3usize, 1..5u32).prop_map(|(back, subtasks)| Step::Restore { back, subtasks }),
    ]
}

fn some_history() -> impl Strategy<Value = (Vec<StateDescriptor>, Vec<Step>)> {
    some_states().prop_flat_map(|states| {
        let steps = proptest::collection::vec(some_step(states.len()), 1..60);
        (Just(states), steps)
    })
}

fn check(states: Vec<StateDescriptor>, steps: Vec<Step>, on_disk: bool) {
    let mut world = World::new(states, on_disk);
    steps.into_iter().for_each(|step| world.step(step));
    world.restore(0, 3);
    world.check_reads();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_snapshot_is_the_state_at_its_freeze_and_a_restore_is_the_snapshot((states, steps) in some_history()) {
        check(states, steps, false);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn so_it_is_when_nearly_all_state_is_on_disk((states, steps) in some_history()) {
        check(states, steps, true);
    }
}
