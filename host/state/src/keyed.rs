//! Keyed state in memory: one entry a key, found once a batch and then addressed by its slot.

use weir_model::describe::StateDescriptor;
use weir_model::rows::Batch;

use crate::backing::Backing;
use crate::cells::{Cells, Entry, FREED};
use crate::column::{LENGTH_BYTES, MISSING, StateError};
use crate::expiry::Expiry;
use crate::index::{EntryId, KeyIndex, Probe};
use crate::layout::Place;
use crate::load::Waiting;
use crate::migration::Pass;
use crate::small_bytes::SmallBytes;
use crate::snapshot::Sweep;
use crate::tracker::Tracker;
use crate::undo::Undo;

/// The state of all keys of one subtask.
#[derive(Debug)]
pub struct KeyedState {
    pub(crate) index: KeyIndex,
    pub(crate) cells: Cells,
    pub(crate) free: Vec<EntryId>,
    pub(crate) expiry: Expiry,
    /// For a job with checkpoints.
    pub(crate) tracker: Option<Box<Tracker>>,
    pub(crate) sweep: Sweep,
    pub(crate) waiting: Waiting,
    /// For state that is larger than memory.
    pub(crate) backing: Option<Box<Backing>>,
    /// While all changes may have to be taken back.
    pub(crate) undo: Option<Box<Undo>>,
    /// How far the look for values of older versions has come.
    pub(crate) pass: Pass,
    /// How far the clearing of states that were given up has come, if any were.
    pub(crate) clearing: Option<usize>,
    /// The files so far hold what was given up: the next must stand alone.
    pub(crate) needs_full: bool,
    /// Of state that follows another one: as what the rows of the other are put here, by their stored state.
    pub(crate) copied_as: Vec<Option<usize>>,
    /// [`ENTRIES_MAX`], but in tests.
    pub(crate) entries_max: usize,
}

/// The distinct keys of one batch, numbered in order of appearance.
#[derive(Debug, Default)]
pub struct KeyTable {
    entries: Vec<EntryId>,
    created: Vec<EntryId>,
}

impl KeyTable {
    /// The number of distinct keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no key has been numbered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn entry(&self, slot: u32) -> Option<EntryId> {
        self.entries.get(slot as usize).copied()
    }

    /// The keys that were met for the first time.
    pub(crate) fn created(&self) -> impl Iterator<Item = EntryId> {
        self.created.iter().copied()
    }
}

/// How many keys are looked up side by side: enough to hide a cache miss, few enough for the processor's miss buffers.
pub(crate) const WINDOW: usize = 64;

/// How many entries there can be: the index has 32 bits for an entry's number plus one.
const ENTRIES_MAX: usize = u32::MAX as usize - 1;

impl KeyedState {
    /// Empty state for a function with these states. `seed` keeps chosen keys from colliding in the table; results don't depend on it.
    #[must_use]
    pub fn new(descriptors: &[StateDescriptor], seed: u64) -> Self {
        Self {
            index: KeyIndex::new(seed),
            cells: Cells::new(descriptors),
            free: Vec::new(),
            expiry: Expiry::new(descriptors),
            tracker: None,
            sweep: Sweep::default(),
            waiting: Waiting::default(),
            backing: None,
            undo: None,
            pass: Pass::default(),
            clearing: None,
            needs_full: false,
            copied_as: Vec::new(),
            entries_max: ENTRIES_MAX,
        }
    }

    /// Sets the time of the reads and writes that follow, in milliseconds since 1970: what expires by it is no longer seen.
    pub fn set_time(&mut self, now_ms: i64) {
        self.expiry.set_time(now_ms);
    }

    /// The number of keys that have any state.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.entries.len() - self.free.len() + self.backing.as_ref().map_or(0, |backing| backing.away())
    }

    /// Whether no key has any state.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers the distinct keys of `batch`, which carries the hashes of its keys, into `table`, and each record's key into `slots`.
    ///
    /// A key that is new gets an entry at once; [`crate::Staged::apply`] or [`Self::discard`] takes it away again if nothing was put.
    ///
    /// # Errors
    /// [`StateError::Full`] when there are more new keys than entries left, [`StateError::Disk`] when the disk fails. Then nothing is numbered and
    /// no key is new.
    pub fn number(&mut self, batch: &Batch, table: &mut KeyTable, slots: &mut Vec<u32>) -> Result<(), StateError> {
        slots.clear();
        table.entries.clear();
        table.created.clear();
        self.make_room()?;
        if self.clearing.is_some() {
            self.clear_some();
        }
        let full = StateError::Full { entries_max: self.entries_max };
        let numbered = self.number_rows(batch, table, slots).ok_or(full).and_then(|()| self.bring(&table.created));
        if let Some(backing) = &mut self.backing {
            backing.used(&table.entries);
        }
        if numbered.is_err() {
            self.discard(table);
            slots.clear();
            table.entries.clear();
            table.created.clear();
        }
        numbered
    }

    /// [`Self::number`]; `None` when there is no entry left for a key.
    fn number_rows(&mut self, batch: &Batch, table: &mut KeyTable, slots: &mut Vec<u32>) -> Option<()> {
        debug_assert_eq!(batch.hashes().len(), batch.len(), "a keyed operator's input was hashed by the exchange");
        slots.reserve(batch.len());
        self.index.reserve(batch.len());
        let mut rows = batch.iter();
        for hashes in batch.hashes().chunks(WINDOW) {
            let mut probes = [Probe::default(); WINDOW];
            let mut candidates = [None; WINDOW];
            // Three passes, so that the cache misses of a window overlap: towards the index, towards the entries, the work.
            // Under attack, when keys are placed by their bytes, the third does it all.
            if self.index.is_by_hash() {
                for (probe, hash) in probes.iter_mut().zip(hashes) {
                    *probe = self.index.probe_hash(*hash);
                    self.index.prefetch(*probe);
                }
                for (candidate, probe) in candidates.iter_mut().zip(&probes).take(hashes.len()) {
                    *candidate = self.index.candidate(*probe);
                    if let Some(id) = candidate {
                        self.cells.prefetch(*id);
                    }
                }
            }
            for ((candidate, hash), row) in candidates.iter().zip(hashes).zip(&mut rows) {
                let key = row.key.unwrap_or_default();
                let is_it = |id: &EntryId| self.cells.entry(*id).is_some_and(|entry| entry.is(*hash, key));
                let id = match candidate.filter(is_it) {
                    Some(id) => id,
                    None => {
                        let (id, is_new) = self.find_or_create(*hash, key)?;
                        if is_new {
                            table.created.push(id);
                        }
                        id
                    }
                };
                let slot = self.slot_of(id, table);
                slots.push(slot);
            }
        }
        Some(())
    }

    /// The slot of an entry in the batch at hand, a new one if it has none yet.
    #[inline]
    fn slot_of(&mut self, id: EntryId, table: &mut KeyTable) -> u32 {
        let Some(entry) = self.cells.entries.get_mut(id.as_usize()) else { return 0 };
        // A sparse set (Briggs and Torczon 1993): an old slot number is recognised because the table has another entry there.
        if table.entries.get(entry.slot as usize) != Some(&id) {
            entry.slot = table.entries.len() as u32;
            table.entries.push(id);
        }
        entry.slot
    }

    /// The entry of a key, if it has one.
    pub(crate) fn find(&self, hash: u64, key: &[u8]) -> Option<EntryId> {
        let is_it = |id| self.cells.entry(id).is_some_and(|entry: &Entry| entry.is(hash, key));
        self.index.find(self.index.probe(hash, key), is_it).entry
    }

    /// The entry of a key, a new one if it has none, and whether it is new; `None` when there is no entry left.
    // Never inlined: in the loop of `number_rows` it would cost every known key a few percent.
    #[inline(never)]
    pub(crate) fn find_or_create(&mut self, hash: u64, key: &[u8]) -> Option<(EntryId, bool)> {
        // Computed here, not taken from the first pass: a key before this one may have changed how keys are placed.
        let probe = self.index.probe(hash, key);
        let search = self.index.find(probe, |id| self.cells.entry(id).is_some_and(|entry| entry.is(hash, key)));
        if search.crowded {
            let live = self.cells.entries.iter().enumerate().filter(|(_, entry)| !entry.is_free());
            self.index.place_by_key(live.map(|(at, entry)| (EntryId(at as u32), &*entry.key)));
        }
        if let Some(id) = search.entry {
            return Some((id, false));
        }
        if self.free.is_empty() && self.cells.entries.len() >= self.entries_max {
            return None;
        }
        let entry = Entry::new(hash, key);
        self.cells.large_key_bytes += entry.key.heap_bytes();
        let free = self.free.pop();
        let id = match free.and_then(|id| self.cells.entries.get_mut(id.as_usize()).map(|slot| (id, slot))) {
            Some((id, slot)) => {
                *slot = entry;
                id
            }
            None => self.cells.push(entry),
        };
        let probe = if search.crowded { self.index.probe(hash, key) } else { probe };
        self.index.insert(probe, id);
        if let Some(tracker) = &mut self.tracker {
            tracker.created(id);
        }
        if let Some(undo) = &mut self.undo {
            undo.created(id);
        }
        Some((id, true))
    }

    /// Appends the current value of value state `state` for each slot of `table`: its length ([`crate::MISSING`]: none) and its bytes.
    ///
    /// A map or list state has no such values: nothing is appended. Values of older schema versions must have been migrated: see [`Self::stale`].
    pub fn values(&self, table: &KeyTable, state: usize, lengths: &mut Vec<u32>, data: &mut Vec<u8>) {
        let mut push = |value: Option<&SmallBytes>| match value {
            None => lengths.push(MISSING),
            Some(value) => {
                lengths.push(value.len() as u32);
                data.extend_from_slice(value);
            }
        };
        let live_from_s = self.expiry.live_from_s(state);
        let value = |place, id: &EntryId| {
            let value = self.cells.value(place, *id, live_from_s).map(|(value, _)| value);
            debug_assert!(
                value.is_none() || self.cells.marks(place).is_none_or(|marks| !marks.is_old(id.as_usize())),
                "a value that is not migrated"
            );
            value
        };
        // A loop for each place, so that none asks again for every key.
        match self.cells.place(state) {
            Some(place @ Place::First) => table.entries.iter().for_each(|id| push(value(place, id))),
            Some(place @ Place::Column(_)) => table.entries.iter().for_each(|id| push(value(place, id))),
            Some(Place::SubKeys(_)) | None => {}
        }
    }

    /// The bytes of all values longer than 22 bytes, of all keys: kept up to date as they change, so asking costs nothing.
    ///
    /// All values of a table's keys together take no more than this plus 26 bytes a key and value state. When that is below a bound,
    /// [`Self::values_bytes`] need not be asked.
    #[must_use]
    pub fn large_value_bytes(&self) -> usize {
        self.cells.large_value_bytes
    }

    /// The memory that the keys and their values take, in bytes, about.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.cells.bytes(self.cells.entries.len())
    }

    /// The bytes that [`Self::values`] would append for the keys of `table`, all value states together: four for each length, and the
    /// data. Visits each key, but copies nothing.
    #[must_use]
    pub fn values_bytes(&self, table: &KeyTable) -> usize {
        let length = |value: Option<(&SmallBytes, u32)>| LENGTH_BYTES + value.map_or(0, |(value, _)| value.len());
        let bytes_of = |(state, place)| -> usize {
            let live_from_s = self.expiry.live_from_s(state);
            match place {
                Place::SubKeys(_) => 0,
                place => table.entries.iter().map(|id| length(self.cells.value(place, *id, live_from_s))).sum(),
            }
        };
        self.cells.places().map(bytes_of).sum()
    }

    /// Forgets the keys that [`Self::number`] met for the first time, because the call that would have used them failed.
    pub fn discard(&mut self, table: &KeyTable) {
        self.remove_vacant(table.created());
    }

    /// Forgets those of `ids` that have no state.
    pub(crate) fn remove_vacant(&mut self, ids: impl Iterator<Item = EntryId>) {
        for id in ids {
            // A freed entry is vacant too, and must not be freed twice.
            let Some(entry) = self.cells.entry(id).filter(|entry| !entry.is_free() && self.cells.is_vacant(id)) else { continue };
            if let Some(tracker) = &mut self.tracker {
                tracker.removed(&self.cells, id, entry.hash, &entry.key);
            }
            self.free_entry(id);
        }
    }

    /// Takes a key without any state out of the table.
    pub(crate) fn free_entry(&mut self, id: EntryId) {
        if self.clearing.is_some() {
            self.cells.clear(id);
        }
        let Some(entry) = self.cells.entries.get_mut(id.as_usize()) else { return };
        let probe = self.index.probe(entry.hash, &entry.key);
        if let Some(backing) = &mut self.backing {
            backing.freed(id, entry.hash, &entry.key);
        }
        self.cells.large_key_bytes -= entry.key.heap_bytes();
        entry.slot = FREED;
        entry.key = SmallBytes::from(&[][..]);
        self.index.remove(probe, id);
        self.free.push(id);
    }

    /// The kind of data that state `state` holds.
    pub(crate) fn is_value(&self, state: usize) -> Option<bool> {
        self.cells.place(state).map(|place| !matches!(place, Place::SubKeys(_)))
    }

    pub(crate) fn state_count(&self) -> usize {
        self.cells.state_count()
    }

    /// What is under a sub-key of a map or list state.
    pub(crate) fn sub_value(&self, state: usize, id: EntryId, sub_key: &[u8]) -> Option<&[u8]> {
        let cell = self.cells.sub_keys(state)?.get(id, sub_key)?;
        (cell.written_s >= self.expiry.live_from_s(state)).then_some(&cell.value)
    }

    /// What is under the sub-keys behind `after` of a map or list state, in order.
    pub(crate) fn sub_range<'a>(&'a self, state: usize, id: EntryId, after: Option<&[u8]>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let live_from_s = self.expiry.live_from_s(state);
        let cells = self.cells.sub_keys(state).map(|sub_keys| sub_keys.range(id, after)).into_iter().flatten();
        cells.filter(move |(_, cell)| cell.written_s >= live_from_s).map(|(sub_key, cell)| (sub_key, &*cell.value))
    }
}

#[cfg(test)]
mod tests;
