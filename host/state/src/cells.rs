//! What lies under each key: values and maps, by the number of the key's entry.

use std::sync::Arc;

use weir_model::describe::StateDescriptor;
use weir_model::key_group::KeyGroup;

use crate::expiry::Expiry;
use crate::index::EntryId;
use crate::layout::{Family, Layout, Place};
use crate::marks::Marks;
use crate::paged::Paged;
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

/// The values of one of the other value states.
#[derive(Debug, Default)]
struct Column {
    cells: Paged<Cell>,
    marks: Marks,
}

impl Column {
    #[inline]
    fn set(&mut self, at: usize, value: Option<&[u8]>, time_s: u32, version: u8, large_value_bytes: &mut usize) {
        let cell = if value.is_some() { self.cells.make(at) } else { self.cells.get_mut(at) };
        let Some(Cell { value: cell, written_s }) = cell else { return };
        put(cell, value, large_value_bytes);
        *written_s = time_s;
        self.marks.set(at, version);
    }
}

/// Puts a value in the place of another, and keeps the count of the bytes that lie outside.
#[inline]
fn put(cell: &mut Option<SmallBytes>, value: Option<&[u8]>, large_value_bytes: &mut usize) {
    let heap_bytes = |cell: &Option<SmallBytes>| cell.as_ref().map_or(0, SmallBytes::heap_bytes);
    *large_value_bytes -= heap_bytes(cell);
    *cell = value.map(Into::into);
    *large_value_bytes += heap_bytes(cell);
}

/// The data of all keys.
#[derive(Debug)]
pub(crate) struct Cells {
    /// Which states there are, in which versions.
    pub(crate) layout: Arc<Layout>,
    /// Where the data of the function's states lies, by their number.
    places: Vec<Place>,
    pub(crate) entries: Vec<Entry>,
    /// The versions of the entries' own values.
    first_marks: Marks,
    columns: Vec<Column>,
    sub_keys: Vec<SubKeys>,
    /// The bytes of all values that lie outside of their cells.
    pub(crate) large_value_bytes: usize,
    /// The bytes of all keys that lie outside of their entries.
    pub(crate) large_key_bytes: usize,
}

impl Cells {
    pub(crate) fn new(descriptors: &[StateDescriptor]) -> Self {
        let mut cells = Self {
            layout: Arc::default(),
            places: Vec::new(),
            entries: Vec::new(),
            first_marks: Marks::default(),
            columns: Vec::new(),
            sub_keys: Vec::new(),
            large_value_bytes: 0,
            large_key_bytes: 0,
        };
        cells.follow(Layout::new(descriptors));
        cells
    }

    /// Makes `layout` the one by which places and versions are understood.
    pub(crate) fn follow(&mut self, layout: Layout) {
        for family in &layout.families {
            let (has_older, current) = (family.has_older(), family.current);
            match family.place {
                Place::First => self.first_marks.follow(has_older, current),
                Place::Column(at) => {
                    if at >= self.columns.len() {
                        self.columns.resize_with(at + 1, Column::default);
                    }
                    if let Some(column) = self.columns.get_mut(at) {
                        column.marks.follow(has_older, current);
                    }
                }
                Place::SubKeys(at) => {
                    if at >= self.sub_keys.len() {
                        self.sub_keys.resize_with(at + 1, SubKeys::default);
                    }
                    if let Some(sub_keys) = self.sub_keys.get_mut(at) {
                        sub_keys.follow(family.current_number(), has_older);
                    }
                }
            }
        }
        let mut places: Vec<_> = layout.live().map(|(state, family)| (state, family.place)).collect();
        places.sort_unstable_by_key(|(state, _)| *state);
        self.places = places.into_iter().map(|(_, place)| place).collect();
        self.layout = Arc::new(layout);
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
    }

    /// Adds an entry without any data.
    pub(crate) fn push(&mut self, entry: Entry) -> EntryId {
        let id = EntryId(self.entries.len() as u32);
        self.entries.push(entry);
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
            Place::Column(column) => self.columns.get(column)?.cells.get(id.as_usize()).map(|cell| (&cell.value, cell.written_s))?,
            Place::SubKeys(_) => return None,
        };
        value.as_ref().filter(|_| written_s >= live_from_s).map(|value| (value, written_s))
    }

    /// Sets the value of an entry in a value state, in the version that is written, or deletes it; nothing happens for other kinds of state.
    #[inline]
    pub(crate) fn set_value(&mut self, state: usize, id: EntryId, value: Option<&[u8]>, time_s: u32) {
        let at = id.as_usize();
        match self.places.get(state) {
            Some(Place::First) => {
                let Some(Entry { first, written_s, .. }) = self.entries.get_mut(at) else { return };
                put(first, value, &mut self.large_value_bytes);
                *written_s = time_s;
                self.first_marks.set(at, self.first_marks.current);
            }
            Some(Place::Column(column)) => {
                if let Some(column) = self.columns.get_mut(*column) {
                    column.set(at, value, time_s, column.marks.current, &mut self.large_value_bytes);
                }
            }
            Some(Place::SubKeys(_)) | None => {}
        }
    }

    /// Sets the value at a place in some version, or deletes it; nothing happens at places for maps and lists.
    pub(crate) fn set_at(&mut self, place: Place, id: EntryId, value: Option<&[u8]>, time_s: u32, version: u8) {
        let at = id.as_usize();
        match place {
            Place::First => {
                let Some(Entry { first, written_s, .. }) = self.entries.get_mut(at) else { return };
                put(first, value, &mut self.large_value_bytes);
                *written_s = time_s;
                self.first_marks.set(at, version);
            }
            Place::Column(column) => {
                if let Some(column) = self.columns.get_mut(column) {
                    column.set(at, value, time_s, version, &mut self.large_value_bytes);
                }
            }
            Place::SubKeys(_) => {}
        }
    }

    /// The versions of the values at a place.
    pub(crate) fn marks(&self, place: Place) -> Option<&Marks> {
        match place {
            Place::First => Some(&self.first_marks),
            Place::Column(column) => self.columns.get(column).map(|column| &column.marks),
            Place::SubKeys(_) => None,
        }
    }

    /// Notes that an entry without a value at a place has none of an older version.
    pub(crate) fn mark_current(&mut self, place: Place, id: EntryId) {
        let marks = match place {
            Place::First => Some(&mut self.first_marks),
            Place::Column(column) => self.columns.get_mut(column).map(|column| &mut column.marks),
            Place::SubKeys(_) => None,
        };
        if let Some(marks) = marks {
            marks.set(id.as_usize(), marks.current);
        }
    }

    /// The maps or lists of a state.
    pub(crate) fn sub_keys(&self, state: usize) -> Option<&SubKeys> {
        self.sub_keys_at(self.place(state)?)
    }

    /// The maps or lists at a place.
    pub(crate) fn sub_keys_at(&self, place: Place) -> Option<&SubKeys> {
        if let Place::SubKeys(at) = place { self.sub_keys.get(at) } else { None }
    }

    pub(crate) fn sub_keys_at_mut(&mut self, place: Place) -> Option<&mut SubKeys> {
        if let Place::SubKeys(at) = place { self.sub_keys.get_mut(at) } else { None }
    }

    /// Puts what is of a stored state, or deletes; all sub-keys in a map or list state without a sub-key. Nothing happens when the table has no such state.
    pub(crate) fn put_row(&mut self, id: EntryId, row: &StateRow<'_>) {
        let Some((place, version)) = self.layout.family_of(row.state).map(|(family, version)| (family.place, version)) else { return };
        match (self.sub_keys_at_mut(place), row.sub_key) {
            (Some(sub_keys), Some(sub_key)) => sub_keys.put(id, sub_key, row.value, row.written_s, row.state),
            (Some(sub_keys), None) => sub_keys.clear(id),
            (None, _) => self.set_at(place, id, row.value, row.written_s, version),
        }
    }

    /// Deletes what lies under a key at one place.
    pub(crate) fn clear_at(&mut self, place: Place, id: EntryId) {
        match self.sub_keys_at_mut(place) {
            Some(sub_keys) => sub_keys.clear(id),
            None => self.set_at(place, id, None, 0, 0),
        }
    }

    /// Deletes everything under a key, also at places that no state has.
    pub(crate) fn clear(&mut self, id: EntryId) {
        self.clear_at(Place::First, id);
        (0..self.columns.len()).for_each(|column| self.clear_at(Place::Column(column), id));
        self.sub_keys.iter_mut().for_each(|sub_keys| sub_keys.clear(id));
    }

    /// About what so many entries and what lies under them take, with their part of the index.
    pub(crate) fn bytes(&self, entries: usize) -> usize {
        let columns = self.columns.len() * size_of::<Cell>() + self.sub_keys.len() * size_of::<SubMap>();
        let sub_keys: usize = self.sub_keys.iter().map(|sub_keys| sub_keys.bytes).sum();
        entries * (size_of::<Entry>() + INDEX_BYTES + columns) + self.large_value_bytes + self.large_key_bytes + sub_keys
    }

    /// Whether nothing lies under a key.
    pub(crate) fn is_vacant(&self, id: EntryId) -> bool {
        // What is being cleared is as good as gone.
        self.layout.families.iter().filter(|family| !family.is_clearing).all(|family| self.is_vacant_at(family.place, id))
    }

    /// Whether nothing lies under a key at one place.
    pub(crate) fn is_vacant_at(&self, place: Place, id: EntryId) -> bool {
        self.sub_keys_at(place).map_or_else(|| self.value(place, id, 0).is_none(), |sub_keys| sub_keys.is_empty(id))
    }

    /// The stored state that the value of an entry is of, if it has one.
    #[inline]
    pub(crate) fn number_of(&self, family: &Family, id: EntryId) -> usize {
        family.number(self.marks(family.place).map_or(0, |marks| marks.get(id.as_usize())))
    }

    /// Everything under a key that isn't expired of what the function had by `layout`, a row each.
    pub(crate) fn rows_of(&self, layout: &Layout, id: EntryId, key_group: KeyGroup, expiry: &Expiry, mut each: impl FnMut(StateRow<'_>)) {
        for (state, family) in layout.live() {
            self.rows_at(family, id, key_group, expiry.live_from_s(state), &mut each);
        }
    }

    /// What lies under a key of one family and was not written before `live_from_s`, a row each.
    pub(crate) fn rows_at(&self, family: &Family, id: EntryId, key_group: KeyGroup, live_from_s: u32, mut each: impl FnMut(StateRow<'_>)) {
        let Some(entry) = self.entry(id) else { return };
        let row = |state, sub_key, value, written_s| StateRow { state, key_group, key: &entry.key, sub_key, value: Some(value), written_s };
        if let Some((value, written_s)) = self.value(family.place, id, live_from_s) {
            each(row(self.number_of(family, id), None, value, written_s));
        }
        let cells = self.sub_keys_at(family.place).into_iter().flat_map(|sub_keys| sub_keys.range(id, None));
        for (sub_key, cell) in cells.filter(|(_, cell)| cell.written_s >= live_from_s) {
            each(row(cell.number(), Some(sub_key), &cell.value, cell.written_s));
        }
    }
}
