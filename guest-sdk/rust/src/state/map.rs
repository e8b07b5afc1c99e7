//! A map a key.

use std::marker::PhantomData;
use std::rc::Rc;

use super::StateCells;
use super::sub_keys::SubKeys;
use crate::codec::StateCodec;
use crate::error::Result;
use crate::native::{Column, OwnedColumn, Services};
use crate::shared::Shared;

/// Entries are asked for in pages of this many.
const PAGE_ENTRIES: u32 = 256;

/// A map a key. Declared by [`crate::OpenContext::map_state`].
///
/// The first look at an entry in a call asks the host; changes go back together at the end of the call.
pub struct MapState<K: StateCodec, V: StateCodec> {
    cells: Rc<MapCells>,
    types: PhantomData<fn(K, V)>,
}

struct MapCells(SubKeys);

impl<K: StateCodec, V: StateCodec> MapState<K, V> {
    pub(crate) fn new(number: u32, name: &str, shared: Rc<Shared>) -> (Self, Rc<dyn StateCells>) {
        let cells = Rc::new(MapCells(SubKeys::new(number, name, shared)));
        (Self { cells: Rc::clone(&cells), types: PhantomData }, cells)
    }

    /// The value of an entry.
    #[must_use]
    pub fn get(&self, sub_key: K::Ref<'_>) -> Option<V::Value> {
        self.by(sub_key, None, |bytes| self.cells.0.get(bytes, |value| value.map(V::load))).and_then(|value| self.noted(value))
    }

    /// Whether there is such an entry.
    #[must_use]
    pub fn contains(&self, sub_key: K::Ref<'_>) -> bool {
        self.by(sub_key, false, |bytes| self.cells.0.get(bytes, |value| value.is_some()))
    }

    /// Sets an entry.
    pub fn insert(&mut self, sub_key: K::Ref<'_>, value: V::Ref<'_>) {
        let mut scratch = Vec::new();
        let encoded = V::encode(&value, &mut scratch).map(|bytes| bytes.as_ref().to_vec());
        if let Some(value) = self.noted(encoded) {
            self.by(sub_key, (), |bytes| self.cells.0.put(bytes, Some(value)));
        }
    }

    /// Deletes an entry.
    pub fn remove(&mut self, sub_key: K::Ref<'_>) {
        self.by(sub_key, (), |bytes| self.cells.0.put(bytes, None));
    }

    /// Deletes all entries of the key.
    pub fn clear(&mut self) {
        self.cells.0.clear();
    }

    /// The key's entries in order of the bytes of their sub-keys, fetched a page at a time.
    #[must_use]
    pub fn entries(&self) -> Entries<'_, K, V> {
        Entries { state: self, page: Vec::new().into_iter(), after: None, more: true }
    }

    /// Calls `f` with the bytes of a sub-key.
    fn by<R>(&self, sub_key: K::Ref<'_>, otherwise: R, f: impl FnOnce(&[u8]) -> R) -> R {
        let mut scratch = Vec::new();
        match K::encode(&sub_key, &mut scratch) {
            Ok(bytes) => f(bytes.as_ref()),
            Err(error) => {
                self.cells.0.refuse(error.message());
                otherwise
            }
        }
    }

    fn noted<T>(&self, value: Result<T>) -> Option<T> {
        value.map_err(|error| self.cells.0.refuse(error.message())).ok()
    }
}

impl StateCells for MapCells {
    fn begin(&self, _: Column<'_>) {
        self.0.begin();
    }

    fn flush(&self, services: &mut dyn Services) {
        self.0.flush(services);
    }
}

/// The entries of one key, in order of the bytes of their sub-keys.
pub struct Entries<'s, K: StateCodec, V: StateCodec> {
    state: &'s MapState<K, V>,
    page: std::vec::IntoIter<(Vec<u8>, Vec<u8>)>,
    after: Option<Vec<u8>>,
    more: bool,
}

impl<K: StateCodec, V: StateCodec> Iterator for Entries<'_, K, V> {
    type Item = (K::Value, V::Value);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((sub_key, value)) = self.page.next() {
                let entry = K::load(&sub_key).and_then(|sub_key| Ok((sub_key, V::load(&value)?)));
                return self.state.noted(entry);
            }
            if !self.more {
                return None;
            }
            let page = self.state.cells.0.scan(self.after.as_deref(), PAGE_ENTRIES);
            let entries = pairs(&page.sub_keys, &page.values);
            self.more = page.more && !entries.is_empty();
            self.after = entries.last().map(|(sub_key, _)| sub_key.clone());
            self.page = entries.into_iter();
        }
    }
}

/// The entries of a page.
pub(super) fn pairs(sub_keys: &OwnedColumn, values: &OwnedColumn) -> Vec<(Vec<u8>, Vec<u8>)> {
    let both = sub_keys.as_column().iter().zip(values.as_column().iter());
    both.filter_map(|(sub_key, value)| Some((sub_key?.to_vec(), value?.to_vec()))).collect()
}
