//! Keyed state in memory: one entry a key, found once a batch and then addressed by its slot.

use weir_model::describe::{StateDescriptor, StateKind};
use weir_model::rows::Batch;

use crate::column::{LENGTH_BYTES, MISSING, StateError};
use crate::index::{EntryId, KeyIndex, Probe};
use crate::prefetch::prefetch;
use crate::small_bytes::SmallBytes;
use crate::sub_keys::SubKeys;

/// A key and the value of the function's first value state: 64 bytes, so that counting a word touches one cache line.
#[derive(Debug)]
#[repr(C, align(64))]
struct Entry {
    hash: u64,
    key: SmallBytes,
    /// Its slot in the batch at hand; true only if the table says the same of that slot.
    slot: u32,
    first: Option<SmallBytes>,
}

/// Where a state's data lies, by the state's number.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In the entry itself.
    First,
    /// In a column of its own.
    Column(usize),
    /// Among the maps and lists.
    SubKeys(usize),
}

/// The state of all keys of one subtask.
#[derive(Debug)]
pub struct KeyedState {
    places: Vec<Place>,
    index: KeyIndex,
    entries: Vec<Entry>,
    free: Vec<EntryId>,
    columns: Vec<Vec<Option<SmallBytes>>>,
    sub_keys: Vec<SubKeys>,
    /// See [`Self::large_value_bytes`].
    large_value_bytes: usize,
    /// [`ENTRIES_MAX`], but in tests.
    entries_max: usize,
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
const WINDOW: usize = 64;

/// How many entries there can be: the index has 32 bits for an entry's number plus one.
const ENTRIES_MAX: usize = u32::MAX as usize - 1;

impl KeyedState {
    /// Empty state for a function with these states. `seed` keeps chosen keys from colliding in the table; results don't depend on it.
    #[must_use]
    pub fn new(descriptors: &[StateDescriptor], seed: u64) -> Self {
        let (mut values, mut sub_keys) = (0, 0);
        let mut place = |kind| {
            let (place, count) = match kind {
                StateKind::Value if values == 0 => (Place::First, &mut values),
                StateKind::Value => (Place::Column(values - 1), &mut values),
                StateKind::List | StateKind::Map => (Place::SubKeys(sub_keys), &mut sub_keys),
            };
            *count += 1;
            place
        };
        let places: Vec<_> = descriptors.iter().map(|descriptor| place(descriptor.kind)).collect();
        Self {
            places,
            index: KeyIndex::new(seed),
            entries: Vec::new(),
            free: Vec::new(),
            columns: std::iter::repeat_with(Vec::new).take(usize::saturating_sub(values, 1)).collect(),
            sub_keys: std::iter::repeat_with(SubKeys::default).take(sub_keys).collect(),
            large_value_bytes: 0,
            entries_max: ENTRIES_MAX,
        }
    }

    /// The number of keys that have any state.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
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
    /// [`StateError::Full`] when there are more new keys than entries left. Then nothing is numbered and no key is new.
    pub fn number(&mut self, batch: &Batch, table: &mut KeyTable, slots: &mut Vec<u32>) -> Result<(), StateError> {
        let numbered = self.number_rows(batch, table, slots);
        if numbered.is_none() {
            self.discard(table);
            slots.clear();
            table.entries.clear();
            table.created.clear();
        }
        numbered.ok_or(StateError::Full { entries_max: self.entries_max })
    }

    /// [`Self::number`]; `None` when there is no entry left for a key.
    fn number_rows(&mut self, batch: &Batch, table: &mut KeyTable, slots: &mut Vec<u32>) -> Option<()> {
        debug_assert_eq!(batch.hashes().len(), batch.len(), "a keyed operator's input was hashed by the exchange");
        slots.clear();
        table.entries.clear();
        table.created.clear();
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
                    if let Some(entry) = candidate.and_then(|id: EntryId| self.entries.get(id.as_usize())) {
                        prefetch(entry);
                    }
                }
            }
            for ((candidate, hash), row) in candidates.iter().zip(hashes).zip(&mut rows) {
                let key = row.key.unwrap_or_default();
                let is_it = |id: &EntryId| self.entries.get(id.as_usize()).is_some_and(|entry| entry.hash == *hash && *entry.key == *key);
                let id = match candidate.filter(is_it) {
                    Some(id) => id,
                    None => self.find_or_create(*hash, key, table)?,
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
        let Some(entry) = self.entries.get_mut(id.as_usize()) else { return 0 };
        // A sparse set (Briggs and Torczon 1993): an old slot number is recognised because the table has another entry there.
        if table.entries.get(entry.slot as usize) != Some(&id) {
            entry.slot = table.entries.len() as u32;
            table.entries.push(id);
        }
        entry.slot
    }

    /// The entry of a key, a new one if it has none; `None` when there is no entry left.
    // Never inlined: in the loop of `number_rows` it would cost every known key a few percent.
    #[inline(never)]
    fn find_or_create(&mut self, hash: u64, key: &[u8], table: &mut KeyTable) -> Option<EntryId> {
        // Computed here, not taken from the first pass: a key before this one may have changed how keys are placed.
        let probe = self.index.probe(hash, key);
        let is_it = |id: EntryId| self.entries.get(id.as_usize()).is_some_and(|entry| entry.hash == hash && *entry.key == *key);
        let search = self.index.find(probe, is_it);
        if search.crowded {
            let live = self.entries.iter().enumerate().filter(|(_, entry)| entry.slot != FREED);
            self.index.place_by_key(live.map(|(at, entry)| (EntryId(at as u32), &*entry.key)));
        }
        if search.entry.is_some() {
            return search.entry;
        }
        if self.free.is_empty() && self.entries.len() >= self.entries_max {
            return None;
        }
        let entry = Entry { hash, key: key.into(), slot: u32::MAX, first: None };
        let free = self.free.pop();
        let id = match free.and_then(|id| self.entries.get_mut(id.as_usize()).map(|slot| (id, slot))) {
            Some((id, slot)) => {
                *slot = entry;
                id
            }
            None => {
                let id = EntryId(self.entries.len() as u32);
                self.entries.push(entry);
                self.columns.iter_mut().for_each(|column| column.push(None));
                id
            }
        };
        let probe = if search.crowded { self.index.probe(hash, key) } else { probe };
        self.index.insert(probe, id);
        table.created.push(id);
        Some(id)
    }

    /// Appends the current value of value state `state` for each slot of `table`: its length ([`crate::MISSING`]: none) and its bytes.
    ///
    /// A map or list state has no such values: nothing is appended.
    pub fn values(&self, table: &KeyTable, state: usize, lengths: &mut Vec<u32>, data: &mut Vec<u8>) {
        let mut push = |value: Option<&SmallBytes>| match value {
            None => lengths.push(MISSING),
            Some(value) => {
                lengths.push(value.len() as u32);
                data.extend_from_slice(value);
            }
        };
        match self.places.get(state) {
            Some(Place::First) => table.entries.iter().for_each(|id| push(self.entries.get(id.as_usize()).and_then(|entry| entry.first.as_ref()))),
            Some(Place::Column(column)) => {
                let column = self.columns.get(*column);
                table.entries.iter().for_each(|id| push(column.and_then(|column| column.get(id.as_usize())?.as_ref())));
            }
            Some(Place::SubKeys(_)) | None => {}
        }
    }

    /// The bytes of all values longer than 22 bytes, of all keys: kept up to date as they change, so asking costs nothing.
    ///
    /// All values of a table's keys together take no more than this plus 26 bytes a key and value state. When that is below a bound,
    /// [`Self::values_bytes`] need not be asked.
    #[must_use]
    pub fn large_value_bytes(&self) -> usize {
        self.large_value_bytes
    }

    /// The bytes that [`Self::values`] would append for the keys of `table`, all value states together: four for each length, and the
    /// data. Visits each key, but copies nothing.
    #[must_use]
    pub fn values_bytes(&self, table: &KeyTable) -> usize {
        let length = |value: Option<&SmallBytes>| LENGTH_BYTES + value.map_or(0, |value| value.len());
        let bytes_of = |place: &Place| match place {
            Place::First => table.entries.iter().map(|id| length(self.entries.get(id.as_usize()).and_then(|entry| entry.first.as_ref()))).sum(),
            Place::Column(column) => {
                let column = self.columns.get(*column);
                table.entries.iter().map(|id| length(column.and_then(|column| column.get(id.as_usize())?.as_ref()))).sum()
            }
            Place::SubKeys(_) => 0,
        };
        self.places.iter().map(bytes_of).sum()
    }

    /// Sets or deletes the value of an entry in a value state; nothing happens for other kinds of state.
    pub(crate) fn set_value(&mut self, state: u32, id: EntryId, value: Option<&[u8]>) {
        let cell = match self.places.get(state as usize) {
            Some(Place::First) => self.entries.get_mut(id.as_usize()).map(|entry| &mut entry.first),
            Some(Place::Column(column)) => self.columns.get_mut(*column).and_then(|column| column.get_mut(id.as_usize())),
            Some(Place::SubKeys(_)) | None => None,
        };
        let Some(cell) = cell else { return };
        let heap_bytes = |cell: &Option<SmallBytes>| cell.as_ref().map_or(0, SmallBytes::heap_bytes);
        self.large_value_bytes -= heap_bytes(cell);
        *cell = value.map(Into::into);
        self.large_value_bytes += heap_bytes(cell);
    }

    /// Forgets the keys that [`Self::number`] met for the first time, because the call that would have used them failed.
    pub fn discard(&mut self, table: &KeyTable) {
        self.remove_vacant(table.created());
    }

    /// Forgets those of `ids` that have no state.
    pub(crate) fn remove_vacant(&mut self, ids: impl Iterator<Item = EntryId>) {
        for id in ids {
            let at = id.as_usize();
            let vacant = self.entries.get(at).is_some_and(|entry| entry.first.is_none())
                && self.columns.iter().all(|column| column.get(at).is_none_or(Option::is_none))
                && self.sub_keys.iter().all(|sub_keys| sub_keys.is_empty(id));
            // A freed entry is vacant too; its slot number tells it apart, so that no entry is freed twice.
            let Some(entry) = self.entries.get_mut(at).filter(|entry| vacant && entry.slot != FREED) else { continue };
            let probe = self.index.probe(entry.hash, &entry.key);
            entry.slot = FREED;
            entry.key = SmallBytes::from(&[][..]);
            self.index.remove(probe, id);
            self.free.push(id);
        }
    }

    /// The kind of data that state `state` holds.
    pub(crate) fn is_value(&self, state: u32) -> Option<bool> {
        self.places.get(state as usize).map(|place| !matches!(place, Place::SubKeys(_)))
    }

    pub(crate) fn state_count(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn sub_keys_mut(&mut self, state: u32) -> Option<&mut SubKeys> {
        match self.places.get(state as usize) {
            Some(Place::SubKeys(place)) => self.sub_keys.get_mut(*place),
            _ => None,
        }
    }

    pub(crate) fn sub_keys(&self, state: u32) -> Option<&SubKeys> {
        match self.places.get(state as usize) {
            Some(Place::SubKeys(place)) => self.sub_keys.get(*place),
            _ => None,
        }
    }
}

/// The slot number of an entry on the free list.
const FREED: u32 = u32::MAX - 1;

#[cfg(test)]
mod tests;
