//! A list a key.

use std::marker::PhantomData;
use std::rc::Rc;

use super::StateCells;
use super::map::pairs;
use super::sub_keys::SubKeys;
use crate::codec::StateCodec;
use crate::error::{Error, Result};
use crate::native::{Column, Services};
use crate::shared::Shared;

/// Items are asked for in pages of this many.
const PAGE_ITEMS: u32 = 256;
/// The sub-key of a list's length.
const LENGTH: &[u8] = b"";

/// A list a key. Declared by [`crate::OpenContext::list_state`].
///
/// It is laid out as sub-keys: the length, a little-endian `u64`, under the empty sub-key; item `i` under `i` as eight bytes, big-endian, so that
/// items are in order. Appending writes the item and the length, whatever the list holds already.
pub struct ListState<V: StateCodec> {
    cells: Rc<ListCells>,
    types: PhantomData<fn(V)>,
}

struct ListCells(SubKeys);

impl<V: StateCodec> ListState<V> {
    pub(crate) fn new(number: u32, name: &str, shared: Rc<Shared>) -> (Self, Rc<dyn StateCells>) {
        let cells = Rc::new(ListCells(SubKeys::new(number, name, shared)));
        (Self { cells: Rc::clone(&cells), types: PhantomData }, cells)
    }

    /// The number of items.
    #[must_use]
    pub fn len(&self) -> u64 {
        let length = self.cells.0.get(LENGTH, |bytes| bytes.map_or(Ok(0), <u64 as crate::codec::Codec>::decode));
        self.noted(length).unwrap_or_default()
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends an item.
    pub fn add(&mut self, item: V::Ref<'_>) {
        let mut scratch = Vec::new();
        let encoded = V::encode(&item, &mut scratch).map(|bytes| bytes.as_ref().to_vec());
        if let Some(item) = self.noted(encoded) {
            let length = self.len();
            self.cells.0.put(&length.to_be_bytes(), Some(item));
            self.cells.0.put(LENGTH, Some((length + 1).to_le_bytes().to_vec()));
        }
    }

    /// Item `index`, from 0.
    #[must_use]
    pub fn get(&self, index: u64) -> Option<V::Value> {
        let value = self.cells.0.get(&index.to_be_bytes(), |bytes| bytes.map(V::load))?;
        self.noted(value)
    }

    /// All items, in order.
    #[must_use]
    pub fn items(&self) -> Vec<V::Value> {
        let mut items = Vec::new();
        let mut after = LENGTH.to_vec();
        loop {
            let page = self.cells.0.scan(Some(&after), PAGE_ITEMS);
            for (sub_key, value) in pairs(&page.sub_keys, &page.values) {
                after = sub_key;
                match self.noted(V::load(&value)) {
                    Some(item) => items.push(item),
                    None => return items,
                }
            }
            if !page.more || page.sub_keys.lengths.is_empty() {
                break;
            }
        }
        if items.len() as u64 != self.len() {
            self.cells.0.refuse(Error::new(format!("{} items are there and {} are expected", items.len(), self.len())).message());
        }
        items
    }

    /// Replaces all items.
    pub fn set<'v>(&mut self, items: impl IntoIterator<Item = V::Ref<'v>>) {
        self.clear();
        for item in items {
            self.add(item);
        }
    }

    /// Deletes all items.
    pub fn clear(&mut self) {
        self.cells.0.clear();
    }

    fn noted<T>(&self, value: Result<T>) -> Option<T> {
        value.map_err(|error| self.cells.0.refuse(error.message())).ok()
    }
}

impl StateCells for ListCells {
    fn begin(&self, _: Column<'_>) {
        self.0.begin();
    }

    fn flush(&self, services: &mut dyn Services) {
        self.0.flush(services);
    }
}
