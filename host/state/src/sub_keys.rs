//! Map and list states: ordered entries under a key.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::index::EntryId;

/// The entries of one key, in order of sub-key.
pub(crate) type SubMap = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// One map or list state: entries by the number of their key.
#[derive(Debug, Default)]
pub(crate) struct SubKeys {
    by_entry: Vec<SubMap>,
}

impl SubKeys {
    pub(crate) fn get(&self, entry: EntryId, sub_key: &[u8]) -> Option<&[u8]> {
        self.by_entry.get(entry.as_usize())?.get(sub_key).map(AsRef::as_ref)
    }

    /// Entries after `after`, in order.
    pub(crate) fn range<'a>(&'a self, entry: EntryId, after: Option<&[u8]>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.by_entry.get(entry.as_usize()).map(|map| map.range::<[u8], _>((start, Bound::Unbounded)));
        range.into_iter().flatten().map(|(sub_key, value)| (sub_key.as_ref(), value.as_ref()))
    }

    pub(crate) fn put(&mut self, entry: EntryId, sub_key: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => drop(self.of(entry).insert(sub_key.into(), value.into())),
            None => drop(self.by_entry.get_mut(entry.as_usize()).and_then(|map| map.remove(sub_key))),
        }
    }

    pub(crate) fn clear(&mut self, entry: EntryId) {
        if let Some(map) = self.by_entry.get_mut(entry.as_usize()) {
            map.clear();
        }
    }

    pub(crate) fn is_empty(&self, entry: EntryId) -> bool {
        self.by_entry.get(entry.as_usize()).is_none_or(BTreeMap::is_empty)
    }

    #[expect(clippy::indexing_slicing, reason = "resized to hold it just above")]
    fn of(&mut self, entry: EntryId) -> &mut SubMap {
        if self.by_entry.len() <= entry.as_usize() {
            self.by_entry.resize_with(entry.as_usize() + 1, SubMap::new);
        }
        &mut self.by_entry[entry.as_usize()]
    }
}
