//! What lies under each key: values and maps, by the number of the key's entry.

use weir_model::describe::{StateDescriptor, StateKind};
use weir_model::key_group::KeyGroup;

use crate::expiry::Expiry;
use crate::index::EntryId;
use crate::prefetch::prefetch;
use crate::row::StateRow;
use crate::small_bytes::SmallBytes;
use crate::sub_keys::{SubKeys, SubMap};

/// A key and the value of the function's first value state: 64 bytes, so that counting a word touches one cache line.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Entry {
    pub(crate) hash: u64,
    pub(crate) key: SmallBytes,
    /// Its slot in the batch at hand; true only if the table says the same of that slot.
    pub(crate) slot: u32,
    /// When `first` was written.
    pub(crate) written_s: u32,
    pub(crate) first: Option<SmallBytes>,
}

const _: () = assert!(size_of::<Entry>() == 64);

/// What an entry takes in the index, which is half full on average.
const INDEX_BYTES: usize = 2 * size_of::<u64>();

/// The slot number of an entry on the free list.
pub(crate) const FREED: u32 = u32::MAX - 1;

/// The slot number of an entry that has not been in a batch.
const NO_SLOT: u32 = u32::MAX;

impl Entry {
    pub(crate) fn new(hash: u64, key: &[u8]) -> Self {
        Self { hash, key: key.into(), slot: NO_SLOT, written_s: 0, first: None }
    }

    #[inline]
    pub(crate) fn is(&self, hash: u64, key: &[u8]) -> bool {
        self.hash == hash && *self.key == *key
    }

    pub(crate) fn is_free(&self) -> bool {
        self.slot == FREED
    }
}

/// A value of one of the other value states.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    value: Option<SmallBytes>,
    written_s: u32,
}

/// Where a state's data lies, by the state's number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// In the entry itself.
    First,
    /// In a column of its own.
    Column(usize),
    /// Among the maps and lists.
    SubKeys(usize),
}

/// The data of all keys.
#[derive(Debug)]
pub(crate) struct Cells {
    places: Vec<Place>,
    pub(crate) entries: Vec<Entry>,
    columns: Vec<Vec<Cell>>,
    sub_keys: Vec<SubKeys>,
    /// The bytes of all values that lie outside of their cells.
    pub(crate) large_value_bytes: usize,
    /// The bytes of all keys that lie outside of their entries.
    pub(crate) large_key_bytes: usize,
}

impl Cells {
    pub(crate) fn new(descriptors: &[StateDescriptor]) -> Self {
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
            entries: Vec::new(),
            columns: std::iter::repeat_with(Vec::new).take(usize::saturating_sub(values, 1)).collect(),
            sub_keys: std::iter::repeat_with(SubKeys::default).take(sub_keys).collect(),
            large_value_bytes: 0,
            large_key_bytes: 0,
        }
    }

    pub(crate) fn state_count(&self) -> usize {
        self.places.len()
    }

    /// Where each state's data lies, by the state's number.
    pub(crate) fn places(&self) -> impl Iterator<Item = (usize, Place)> + use<'_> {
        self.places.iter().copied().enumerate()
    }

    pub(crate) fn place(&self, state: usize) -> Option<Place> {
        self.places.get(state).copied()
    }

    pub(crate) fn reserve(&mut self, entries: usize) {
        self.entries.reserve(entries);
        self.columns.iter_mut().for_each(|column| column.reserve(entries));
    }

    /// Adds an entry without any data.
    pub(crate) fn push(&mut self, entry: Entry) -> EntryId {
        let id = EntryId(self.entries.len() as u32);
        self.entries.push(entry);
        self.columns.iter_mut().for_each(|column| column.push(Cell::default()));
        id
    }

    #[inline]
    pub(crate) fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(id.as_usize())
    }

    /// Asks the processor to bring an entry.
    #[inline]
    pub(crate) fn prefetch(&self, id: EntryId) {
        if let Some(entry) = self.entry(id) {
            prefetch(entry);
        }
    }

    /// The value at a place, unless it was written before `live_from_s`; `None` for a map or list.
    #[inline]
    pub(crate) fn value(&self, place: Place, id: EntryId, live_from_s: u32) -> Option<(&SmallBytes, u32)> {
        let (value, written_s) = match place {
            Place::First => self.entries.get(id.as_usize()).map(|entry| (&entry.first, entry.written_s))?,
            Place::Column(column) => self.columns.get(column)?.get(id.as_usize()).map(|cell| (&cell.value, cell.written_s))?,
            Place::SubKeys(_) => return None,
        };
        value.as_ref().filter(|_| written_s >= live_from_s).map(|value| (value, written_s))
    }

    /// Sets or deletes the value of an entry in a value state; nothing happens for other kinds of state.
    #[inline]
    pub(crate) fn set_value(&mut self, state: usize, id: EntryId, value: Option<&[u8]>, time_s: u32) {
        let cell = match self.places.get(state) {
            Some(Place::First) => self.entries.get_mut(id.as_usize()).map(|entry| (&mut entry.first, &mut entry.written_s)),
            Some(Place::Column(column)) => {
                self.columns.get_mut(*column).and_then(|column| column.get_mut(id.as_usize())).map(|cell| (&mut cell.value, &mut cell.written_s))
            }
            Some(Place::SubKeys(_)) | None => None,
        };
        let Some((cell, written_s)) = cell else { return };
        let heap_bytes = |cell: &Option<SmallBytes>| cell.as_ref().map_or(0, SmallBytes::heap_bytes);
        self.large_value_bytes -= heap_bytes(cell);
        *cell = value.map(Into::into);
        *written_s = time_s;
        self.large_value_bytes += heap_bytes(cell);
    }

    /// The maps or lists of a state.
    pub(crate) fn sub_keys(&self, state: usize) -> Option<&SubKeys> {
        match self.places.get(state) {
            Some(Place::SubKeys(place)) => self.sub_keys.get(*place),
            _ => None,
        }
    }

    pub(crate) fn sub_keys_mut(&mut self, state: usize) -> Option<&mut SubKeys> {
        match self.places.get(state) {
            Some(Place::SubKeys(place)) => self.sub_keys.get_mut(*place),
            _ => None,
        }
    }

    /// Deletes everything under a key.
    pub(crate) fn clear(&mut self, id: EntryId) {
        for state in 0..self.state_count() {
            self.set_value(state, id, None, 0);
            if let Some(sub_keys) = self.sub_keys_mut(state) {
                sub_keys.clear(id);
            }
        }
    }

    /// About what so many entries and what lies under them take, with their part of the index.
    pub(crate) fn bytes(&self, entries: usize) -> usize {
        let columns = self.columns.len() * size_of::<Cell>() + self.sub_keys.len() * size_of::<SubMap>();
        let sub_keys: usize = self.sub_keys.iter().map(|sub_keys| sub_keys.bytes).sum();
        entries * (size_of::<Entry>() + INDEX_BYTES + columns) + self.large_value_bytes + self.large_key_bytes + sub_keys
    }

    /// Whether nothing lies under a key.
    pub(crate) fn is_vacant(&self, id: EntryId) -> bool {
        let at = id.as_usize();
        self.entries.get(at).is_some_and(|entry| entry.first.is_none())
            && self.columns.iter().all(|column| column.get(at).is_none_or(|cell| cell.value.is_none()))
            && self.sub_keys.iter().all(|sub_keys| sub_keys.is_empty(id))
    }

    /// Everything under a key that isn't expired, a row each.
    pub(crate) fn rows_of(&self, id: EntryId, key_group: KeyGroup, expiry: &Expiry, mut each: impl FnMut(StateRow<'_>)) {
        let Some(entry) = self.entry(id) else { return };
        for (state, place) in self.places() {
            let live_from_s = expiry.live_from_s(state);
            let row = |sub_key, value, written_s| StateRow { state, key_group, key: &entry.key, sub_key, value: Some(value), written_s };
            if let Some((value, written_s)) = self.value(place, id, live_from_s) {
                each(row(None, value, written_s));
            }
            let cells = self.sub_keys(state).into_iter().flat_map(|sub_keys| sub_keys.range(id, None));
            for (sub_key, cell) in cells.filter(|(_, cell)| cell.written_s >= live_from_s) {
                each(row(Some(sub_key), &cell.value, cell.written_s));
            }
        }
    }
}
