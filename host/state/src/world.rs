//! State beside a plain map of it, for tests: whatever is written, frozen, captured, restored, swapped, migrated and taken back, in whatever order.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use weir_model::codec::Codec;
use weir_model::describe::{StateDescriptor, StateKind};
use weir_model::id::{Parallelism, SubtaskIndex};
use weir_model::key_group::{MaxParallelism, hash_key};
use weir_model::rows::{Batch, BatchBuilder};

use crate::{Captured, Column, KeyTable, KeyedState, OwnedColumn, Scope, SnapshotScope, Staged, Stale, StateFile, StateRow};

mod files;

pub(crate) use files::each_row;
use files::load_file;

pub(crate) const GROUPS: u32 = 16;
pub(crate) const KEYS: u16 = 300;
pub(crate) const ROWS: usize = 1 << 20;

/// Room for a few entries: nearly all are on disk.
const MEMORY_BYTES: u64 = 2000;

pub(crate) fn groups() -> MaxParallelism {
    MaxParallelism::new(Parallelism::new(GROUPS).unwrap(), Parallelism::ONE).unwrap()
}

/// A state that a function can have, by its number in the world.
pub(crate) fn descriptor(number: usize, kind: StateKind, schema_version: u32, ttl_ms: u64) -> StateDescriptor {
    let value = if schema_version.is_multiple_of(2) { Codec::Utf8 } else { Codec::Bytes };
    StateDescriptor { name: format!("state {number}"), kind, value, schema_version, ttl_ms }
}

fn number_of(state: &StateDescriptor) -> usize {
    state.name.trim_start_matches("state ").parse().unwrap()
}

/// State (its number in the world), key and sub-key.
type Address = (usize, Vec<u8>, Option<Vec<u8>>);

/// The value, the second it counts as written in, and its schema version.
type Image = BTreeMap<Address, (Vec<u8>, u32, u32)>;

/// What a function reads.
type Seen = BTreeMap<Address, (Vec<u8>, u32)>;

pub(crate) fn key(number: u16) -> Vec<u8> {
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

pub(crate) fn batch(keys: &[Vec<u8>]) -> Batch {
    let mut builder = BatchBuilder::default();
    keys.iter().for_each(|key| builder.push(Some(key), b"", 0).unwrap());
    builder.take().with_hashes(keys.iter().map(|key| hash_key(key)).collect())
}

/// A migration that shows in the value which steps were taken.
pub(crate) fn migrate(value: &[u8], from_version: u32, to_version: u32) -> Vec<u8> {
    assert!(from_version <= to_version);
    value.iter().copied().chain((from_version..to_version).map(|version| version as u8)).collect()
}

/// Applies rows to an image as the words in [`StateRow`] say.
fn apply(image: &mut Image, row: &StateRow<'_>, state: &StateDescriptor) {
    let number = number_of(state);
    let at = (number, row.key.to_vec(), row.sub_key.map(<[u8]>::to_vec));
    match row.value {
        Some(value) => drop(image.insert(at, (value.to_vec(), row.written_s, state.schema_version))),
        None if state.kind != StateKind::Value && row.sub_key.is_none() => {
            image.retain(|(other, key, _), _| (*other, key.as_slice()) != (number, row.key))
        }
        None => drop(image.remove(&at)),
    }
}

fn is_live(now_ms: i64, ttl_ms: u64, written_s: u32) -> bool {
    ttl_ms == 0 || i64::from(written_s) + i64::try_from(ttl_ms.div_ceil(1000)).unwrap() > now_ms / 1000
}

/// What a function with these states reads of an image: what isn't expired, migrated.
fn seen(image: &Image, states: &[StateDescriptor], now_ms: i64) -> Seen {
    let mut seen = Seen::new();
    for (at, (value, written_s, version)) in image {
        let Some(state) = states.iter().find(|state| number_of(state) == at.0) else { continue };
        if is_live(now_ms, state.ttl_ms, *written_s) {
            let is_list_head = state.kind == StateKind::List && at.2.as_ref().is_some_and(Vec::is_empty);
            let value = if is_list_head { value.clone() } else { migrate(value, *version, state.schema_version) };
            seen.insert(at.clone(), (value, *written_s));
        }
    }
    seen
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
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

/// What is different in the function that takes over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    /// A bit for each state, by its number in the world, that gets a newer schema version.
    pub(crate) raised: u8,
    /// Gives up one of the states that there are.
    pub(crate) gives_up: Option<usize>,
    /// Takes one of the world, if it isn't there.
    pub(crate) adds: Option<usize>,
    /// States get other numbers.
    pub(crate) turned: usize,
    /// Gives one a shorter time to live.
    pub(crate) shortens: Option<usize>,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Call {
        ops: Vec<Op>,
        succeeds: bool,
    },
    /// Reads what is under keys from one number on, as a call does.
    Read {
        keys: (u16, u16),
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
        by_its_function: bool,
    },
    /// Freezes, and goes on with another function.
    Swap {
        scope: SnapshotScope,
        change: Change,
        can_undo: bool,
    },
    /// Migrates about so many values, but for every so-manyth, if any.
    Migrate {
        values_max: usize,
        fails: Option<usize>,
    },
    Undo,
    EndUndo,
}

/// A folder for state on disk, and how many have been made in it.
type Disk = (tempfile::TempDir, Cell<usize>);

pub(crate) fn new_state(states: &[StateDescriptor], disk: Option<&Disk>) -> KeyedState {
    let state = KeyedState::new(states, 3).tracked(groups());
    let Some((dir, taken)) = disk else { return state };
    taken.set(taken.get() + 1);
    state.on_disk(&dir.path().join(taken.get().to_string()), MEMORY_BYTES).unwrap()
}

/// A frozen view: what it must hold, and what of it came out.
pub(crate) struct Snapshot {
    scope: SnapshotScope,
    now_ms: i64,
    states: Vec<StateDescriptor>,
    image: Image,
    /// Keys that were written or may have been swept since the view before.
    touched: BTreeSet<Vec<u8>>,
    pub(crate) file: Option<StateFile>,
}

/// What an undo comes back to.
struct Before {
    states: Vec<StateDescriptor>,
    image: Image,
    snapshots: usize,
}

pub(crate) struct World {
    /// Of each state that any function can have, its kind, and its newest version and shortest time to live so far.
    known: Vec<(StateKind, u32, u64)>,
    /// The function's.
    pub(crate) states: Vec<StateDescriptor>,
    disk: Option<Disk>,
    pub(crate) state: KeyedState,
    /// Everything ever put and not deleted or overwritten, expired or not, as it was written.
    image: Image,
    touched: BTreeSet<Vec<u8>>,
    pub(crate) now_ms: i64,
    pub(crate) snapshots: Vec<Snapshot>,
    /// The next freeze is to be a full one, by itself.
    becomes_full: bool,
    before: Option<Before>,
    /// Values that were handed out to be migrated.
    pub(crate) migrated: usize,
}

impl World {
    /// A world in which states have these kinds and times to live, and a function has the first of them.
    pub(crate) fn new(known: &[(StateKind, u64)], first: usize, on_disk: bool) -> Self {
        let known: Vec<_> = known.iter().map(|(kind, ttl_ms)| (*kind, 1, *ttl_ms)).collect();
        let states: Vec<_> =
            known.iter().enumerate().take(first).map(|(number, (kind, version, ttl_ms))| descriptor(number, *kind, *version, *ttl_ms)).collect();
        let disk = on_disk.then(|| (tempfile::tempdir().unwrap(), Cell::new(0)));
        let state = new_state(&states, disk.as_ref());
        Self {
            known,
            states,
            disk,
            state,
            image: Image::new(),
            touched: BTreeSet::new(),
            now_ms: 0,
            snapshots: Vec::new(),
            becomes_full: false,
            before: None,
            migrated: 0,
        }
    }

    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Call { ops, succeeds } => self.call(&ops, succeeds),
            Step::Read { keys: (from, count) } => self.read(&(from..(from + count).min(KEYS)).map(key).collect()),
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
            Step::Restore { back, subtasks, by_its_function } => self.restore(back, subtasks, by_its_function),
            Step::Swap { scope, change, can_undo } => self.swap(scope, &change, can_undo),
            Step::Migrate { values_max, fails } => drop(self.migrate_some(values_max, fails)),
            Step::Undo => self.undo(),
            Step::EndUndo => {
                self.state.end_undo();
                self.before = None;
            }
        }
        self.check_all();
    }

    fn kind(&self, number: usize) -> StateKind {
        self.known[number].0
    }

    /// The number that the function has of one of the world's states.
    fn in_function(&self, number: usize) -> Option<usize> {
        self.states.iter().position(|state| number_of(state) == number)
    }

    /// Numbers keys and migrates what lies under them, as a call does.
    fn number(&mut self, keys: &[Vec<u8>]) -> (KeyTable, Vec<u32>) {
        let (mut table, mut slots) = (KeyTable::default(), Vec::new());
        self.state.number(&batch(keys), &mut table, &mut slots).unwrap();
        let mut stale = Vec::new();
        self.state.stale(&table, &mut stale);
        self.migrate(&stale, None);
        stale.clear();
        self.state.stale(&table, &mut stale);
        assert!(stale.is_empty(), "all is migrated");
        (table, slots)
    }

    /// Puts back what was handed out, migrated, but for every so-manyth value.
    fn migrate(&mut self, stale: &[Stale], fails: Option<usize>) {
        let seen = seen(&self.image, &self.states, self.now_ms);
        for stale in stale {
            let state = &self.states[stale.state];
            let mut migrated = OwnedColumn::default();
            for (item, value) in stale.values.iter().enumerate() {
                assert!(stale.from_version < state.schema_version);
                let value = migrate(value.unwrap(), stale.from_version, state.schema_version);
                let at = (number_of(state), stale.key(&self.state, item).unwrap().to_vec(), stale.sub_key(item).map(<[u8]>::to_vec));
                assert_eq!(Some(&value), seen.get(&at).map(|(value, _)| value), "{at:?}");
                migrated.push(Some(value.as_slice()).filter(|_| fails.is_none_or(|fails| item % fails != 0)));
            }
            assert!(!migrated.lengths.is_empty());
            self.migrated += migrated.lengths.len();
            self.state.migrated(stale, migrated.as_column()).unwrap();
        }
    }

    /// Whether all entries were looked at.
    pub(crate) fn migrate_some(&mut self, values_max: usize, fails: Option<usize>) -> bool {
        let mut stale = Vec::new();
        let ended = self.state.stale_some(values_max, &mut stale);
        self.migrate(&stale, fails);
        ended
    }

    fn call(&mut self, ops: &[Op], succeeds: bool) {
        let keys_of = |op: &Op| match op {
            Op::Put { keys: (from, count), .. } => *from..(*from + *count).min(KEYS),
            Op::PutSub { key, .. } | Op::Clear { key, .. } => *key..*key + 1,
        };
        let keys: Vec<u16> = ops.iter().flat_map(keys_of).collect();
        let (table, slots) = self.number(&keys.iter().map(|number| key(*number)).collect::<Vec<_>>());
        let slot_of: BTreeMap<u16, u32> = keys.iter().copied().zip(slots).collect();
        let scope = Scope { state: &self.state, table: &table };
        let time_s = u32::try_from(self.now_ms.unsigned_abs().div_ceil(1000)).unwrap();
        let (mut image, mut staged) = (self.image.clone(), Staged::default());
        // What a call stages for value states is applied before the rest, which changes nothing: they are different states.
        for op in ops {
            let (Op::Put { state, .. } | Op::PutSub { state, .. } | Op::Clear { state, .. }) = op;
            let Some(own) = self.in_function(*state) else { continue };
            let is_value = self.kind(*state) == StateKind::Value;
            for number in keys_of(op) {
                let (slot, key) = (slot_of[&number], key(number));
                let bytes = |value: &u8| vec![*value; usize::from(*value) % 40];
                let row = |sub_key: Option<&[u8]>, value: Option<&[u8]>, image: &mut Image| {
                    let row = StateRow { state: own, key_group: groups().key_group(0), key: &key, sub_key, value, written_s: time_s };
                    apply(image, &row, &self.states[own]);
                };
                let mut column = OwnedColumn::default();
                match op {
                    Op::Put { value, .. } if is_value => {
                        let value = value.as_ref().map(bytes);
                        column.push(value.as_deref());
                        staged.put(scope, own as u32, vec![slot], column).unwrap();
                        row(None, value.as_deref(), &mut image);
                    }
                    Op::PutSub { sub_key, value, .. } if !is_value => {
                        let (value, sub_key) = (value.as_ref().map(bytes), vec![7; usize::from(*sub_key)]);
                        column.push(value.as_deref());
                        let sub_keys = Column { lengths: &[sub_key.len() as u32], data: &sub_key };
                        staged.put_sub(scope, own as u32, &[slot], sub_keys, column.as_column()).unwrap();
                        row(Some(&sub_key), value.as_deref(), &mut image);
                    }
                    Op::Clear { .. } if !is_value => {
                        staged.clear(scope, own as u32, &[slot]).unwrap();
                        row(None, None, &mut image);
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

    pub(crate) fn freeze(&mut self, scope: SnapshotScope) {
        // Changes are changes to something.
        let scope = if self.snapshots.is_empty() { SnapshotScope::Full } else { scope };
        let expected = if std::mem::take(&mut self.becomes_full) { SnapshotScope::Full } else { scope };
        assert_eq!(self.state.freeze(scope), expected);
        let ttl_ms = |number: usize| self.in_function(number).map_or(0, |own| self.states[own].ttl_ms);
        let expired = self.image.iter().filter(|((number, ..), (_, written_s, _))| !is_live(self.now_ms, ttl_ms(*number), *written_s));
        let expired: BTreeSet<_> = expired.map(|((_, key, _), _)| key.clone()).collect();
        let touched = std::mem::replace(&mut self.touched, expired.clone()).into_iter().chain(expired).collect();
        let (states, image) = (self.states.clone(), self.image.clone());
        self.snapshots.push(Snapshot { scope: expected, now_ms: self.now_ms, states, image, touched, file: None });
        assert!(self.state.is_capturing());
    }

    /// Each view comes out once, in order, and is what was frozen, for the function of that moment.
    fn captured(&mut self, captured: Captured) {
        let number = self.snapshots.iter().position(|snapshot| snapshot.file.is_none()).expect("a view that was frozen");
        assert_eq!(captured.scope(), self.snapshots[number].scope);
        let rows_captured = captured.rows();
        let file = captured.into_file().unwrap();
        assert!(file.info.rows <= rows_captured);
        let snapshot = &self.snapshots[number];
        each_row(&file, |row, state| {
            assert_eq!(row.key_group, groups().key_group(hash_key(row.key)));
            assert!(file.info.key_groups.contains(&row.key_group.0));
            assert!(snapshot.scope == SnapshotScope::Full || snapshot.touched.contains(row.key), "{:?} hasn't changed", row.key);
            assert!(snapshot.states.iter().any(|now| now.name == state.name), "{} is not the function's", state.name);
        });
        self.snapshots[number].file = Some(file);
        let Snapshot { states, now_ms, image, .. } = &self.snapshots[number];
        assert_eq!(seen(&self.image_of_files(number), states, *now_ms), seen(image, states, *now_ms), "snapshot {number}");
    }

    /// The files that make up a snapshot: a full one and those that followed it.
    fn chain(&self, number: usize) -> impl Iterator<Item = &StateFile> {
        let base = self.snapshots[..=number].iter().rposition(|snapshot| snapshot.scope == SnapshotScope::Full).unwrap();
        self.snapshots[base..=number].iter().map(|snapshot| snapshot.file.as_ref().unwrap())
    }

    fn image_of_files(&self, number: usize) -> Image {
        let mut image = Image::new();
        self.chain(number).for_each(|file| each_row(file, |row, state| apply(&mut image, &row, state)));
        image
    }

    pub(crate) fn capture_all(&mut self) {
        while let Some(captured) = self.state.capture(ROWS) {
            self.captured(captured);
        }
        assert!(!self.state.is_capturing());
        assert!(self.snapshots.iter().all(|snapshot| snapshot.file.is_some()));
    }

    pub(crate) fn restore(&mut self, back: usize, subtasks: u32, by_its_function: bool) {
        self.capture_all();
        let Some(number) = self.snapshots.len().checked_sub(1 + back) else { return };
        let snapshot = &self.snapshots[number];
        let states = if by_its_function { snapshot.states.clone() } else { self.states.clone() };
        let saved = seen(&snapshot.image, &snapshot.states, snapshot.now_ms);
        let version_of = |number: usize, states: &[StateDescriptor]| Some(states.iter().find(|state| number_of(state) == number)?.schema_version);
        let saved: Image =
            saved.into_iter().map(|(at, (value, written_s))| (at.clone(), (value, written_s, version_of(at.0, &snapshot.states).unwrap()))).collect();
        let expected = seen(&saved, &states, self.now_ms);
        let mut gives_up = false;
        let mut load = |key_groups: Range<u32>, on_disk: bool| {
            let mut state = new_state(&states, self.disk.as_ref().filter(|_| on_disk));
            state.set_time(self.now_ms);
            for file in self.chain(number) {
                gives_up |= load_file(&mut state, file, &key_groups).unwrap();
            }
            state.loaded();
            state
        };
        let mut found = Image::new();
        let subtasks = Parallelism::new(subtasks).unwrap();
        for subtask in 0..subtasks.get() {
            let range = groups().range(SubtaskIndex(subtask), subtasks);
            // Files are the same in memory and on disk.
            let loaded = load(range.clone(), subtask % 2 == 0);
            let stored = loaded.stored_states();
            let read = loaded.for_each_row(groups(), |row| {
                assert!(range.contains(&row.key_group.0), "a key of another subtask");
                apply(&mut found, &row, &stored[row.state]);
            });
            read.unwrap();
        }
        assert_eq!(seen(&found, &states, self.now_ms), expected, "snapshot {number} restored by {subtasks} subtasks");
        self.state = load(0..GROUPS, back != 2);
        assert_eq!(self.state.len(), expected.keys().map(|(_, key, _)| key).collect::<BTreeSet<_>>().len(), "nothing expired is loaded");
        self.image = saved;
        self.image.retain(|at, _| expected.contains_key(at));
        self.touched.clear();
        self.snapshots.truncate(number + 1);
        // What has expired since is gone without a trace in a file; it stays so, as every reader drops it.
        self.touched.extend(self.snapshots[number].image.keys().map(|(_, key, _)| key.clone()));
        (self.states, self.becomes_full, self.before) = (states, gives_up, None);
    }

    fn swap(&mut self, scope: SnapshotScope, change: &Change, can_undo: bool) {
        self.freeze(scope);
        if can_undo {
            self.state.begin_undo();
            self.before = Some(Before { states: self.states.clone(), image: self.image.clone(), snapshots: self.snapshots.len() });
        }
        let mut states = self.states.clone();
        let gives_up = change.gives_up.filter(|_| states.len() > 1).map(|at| states.remove(at % self.states.len()));
        for (number, (kind, version, ttl_ms)) in self.known.iter_mut().enumerate() {
            if change.shortens == Some(number) {
                *ttl_ms = if *ttl_ms == 0 { 3000 } else { (*ttl_ms * 2 / 3).max(1) };
            }
            let own = states.iter_mut().find(|state| number_of(state) == number);
            match own {
                Some(own) if change.raised >> number & 1 == 1 => {
                    *version += 1;
                    *own = descriptor(number, *kind, *version, *ttl_ms);
                }
                Some(own) => own.ttl_ms = (*ttl_ms).min(if own.ttl_ms == 0 { *ttl_ms } else { own.ttl_ms }),
                None if change.adds == Some(number) && gives_up.as_ref().is_none_or(|gives_up| number_of(gives_up) != number) => {
                    states.push(descriptor(number, *kind, *version, *ttl_ms));
                }
                None => {}
            }
        }
        let turned = change.turned % states.len();
        states.rotate_left(turned);
        let given_up = gives_up.as_ref().map(|state| state.name.clone());
        self.state.adopt(&states, &|name| Some(name) == given_up.as_deref()).unwrap();
        assert_eq!(self.state.states(), states);
        if let Some(gives_up) = gives_up {
            self.image.retain(|(number, ..), _| *number != number_of(&gives_up));
            self.becomes_full = true;
        }
        self.states = states;
    }

    fn undo(&mut self) {
        let Some(Before { states, image, snapshots }) = self.before.take() else { return };
        self.state.undo().unwrap();
        assert!(!self.state.is_capturing());
        assert_eq!(self.state.states(), states);
        (self.states, self.image, self.becomes_full) = (states, image, false);
        self.touched.clear();
        self.snapshots.truncate(snapshots);
        if let Some(lost) = self.snapshots.iter().position(|snapshot| snapshot.file.is_none()) {
            // What isn't captured is given up, and a next one can't build on it.
            self.snapshots.truncate(lost);
            self.freeze(SnapshotScope::Full);
        }
    }

    /// What a walk over everything gives; and what a call would see, while that changes nothing.
    pub(crate) fn check_all(&mut self) {
        let mut found = Image::new();
        let stored = self.state.stored_states();
        self.state.for_each_row(groups(), |row| apply(&mut found, &row, &stored[row.state])).unwrap();
        assert_eq!(seen(&found, &self.states, self.now_ms), seen(&self.image, &self.states, self.now_ms));
        if !self.state.has_stale() {
            self.read_all();
        }
    }

    pub(crate) fn read_all(&mut self) {
        self.read(&self.image.keys().map(|(_, key, _)| key.clone()).collect());
    }

    fn read(&mut self, keys: &BTreeSet<Vec<u8>>) {
        let keys: Vec<_> = keys.iter().cloned().collect();
        let (table, _) = self.number(&keys);
        let staged = Staged::default();
        let (mut found, mut bytes) = (Vec::new(), 0);
        for (own, state) in self.states.iter().enumerate() {
            let number = number_of(state);
            let (mut lengths, mut data) = (Vec::new(), Vec::new());
            self.state.values(&table, own, &mut lengths, &mut data);
            bytes += lengths.len() * 4 + data.len();
            let values = Column { lengths: &lengths, data: &data };
            let values = values.iter().zip(&keys).filter_map(|(value, key)| Some(((number, (*key).clone(), None), value?.to_vec())));
            found.extend(values);
            for (slot, key) in keys.iter().enumerate().filter(|_| state.kind != StateKind::Value) {
                let scope = Scope { state: &self.state, table: &table };
                let page = staged.scan(scope, own as u32, slot as u32, None, 1000, 1 << 20).unwrap();
                let slots = vec![slot as u32; page.sub_keys.lengths.len()];
                assert_eq!(staged.get_sub(scope, own as u32, &slots, page.sub_keys.as_column(), 1 << 20).unwrap(), page.values);
                let cells = page.sub_keys.iter().zip(page.values.iter());
                found.extend(cells.map(|(sub_key, value)| ((number, (*key).clone(), sub_key.map(<[u8]>::to_vec)), value.unwrap().to_vec())));
            }
        }
        assert_eq!(self.state.values_bytes(&table), bytes);
        self.state.discard(&table);
        let expected = seen(&self.image, &self.states, self.now_ms).into_iter().filter(|((_, key, _), _)| keys.contains(key));
        assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), expected.map(|(at, (value, _))| (at, value)).collect());
    }
}
