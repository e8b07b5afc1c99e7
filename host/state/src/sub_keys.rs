//! Map and list states: ordered entries under a key.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::index::EntryId;

/// What lies under a sub-key.
#[derive(Debug)]
pub(crate) struct SubCell {
    pub(crate) value: Box<[u8]>,
    pub(crate) written_s: u32,
}

/// The entries of one key, in order of sub-key.
pub(crate) type SubMap = BTreeMap<Box<[u8]>, SubCell>;

/// One map or list state: entries by the number of their key.
#[derive(Debug, Default)]
pub(crate) struct SubKeys {
    by_entry: Vec<SubMap>,
    /// About what all entries take.
    pub(crate) bytes: usize,
}

/// What an entry of a map takes besides its bytes, roughly: both ends of it, and the room that nodes leave.
const SUB_CELL_BYTES: usize = 2 * size_of::<(Box<[u8]>, SubCell)>();

fn bytes_of(sub_key: &[u8], cell: &SubCell) -> usize {
    SUB_CELL_BYTES + sub_key.len() + cell.value.len()
}

impl SubKeys {
    pub(crate) fn get(&self, entry: EntryId, sub_key: &[u8]) -> Option<&SubCell> {
        self.by_entry.get(entry.as_usize())?.get(sub_key)
    }

    /// Entries after `after`, in order.
    pub(crate) fn range<'a>(&'a self, entry: EntryId, after: Option<&[u8]>) -> impl Iterator<Item = (&'a [u8], &'a SubCell)> + use<'a> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.by_entry.get(entry.as_usize()).map(|map| map.range::<[u8], _>((start, Bound::Unbounded)));
        range.into_iter().flatten().map(|(sub_key, cell)| (sub_key.as_ref(), cell))
    }

    pub(crate) fn put(&mut self, entry: EntryId, sub_key: &[u8], value: Option<&[u8]>, written_s: u32) {
        let old = match value {
            Some(value) => {
                let cell = SubCell { value: value.into(), written_s };
                self.bytes += bytes_of(sub_key, &cell);
                self.of(entry).insert(sub_key.into(), cell)
            }
            None => self.by_entry.get_mut(entry.as_usize()).and_then(|map| map.remove(sub_key)),
        };
        self.bytes -= old.map_or(0, |cell| bytes_of(sub_key, &cell));
    }

    pub(crate) fn clear(&mut self, entry: EntryId) {
        if let Some(map) = self.by_entry.get_mut(entry.as_usize()) {
            self.bytes -= map.iter().map(|(sub_key, cell)| bytes_of(sub_key, cell)).sum::<usize>();
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
