//! Map and list states: ordered entries under a key.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::bitmap::Bitmap;
use crate::index::EntryId;
use crate::paged::Paged;

/// What lies under a sub-key.
#[derive(Debug)]
pub(crate) struct SubCell {
    pub(crate) value: Box<[u8]>,
    pub(crate) written_s: u32,
    /// The stored state that it is of.
    number: u32,
}

const _: () = assert!(size_of::<SubCell>() == 24);

impl SubCell {
    pub(crate) fn number(&self) -> usize {
        self.number as usize
    }
}

/// The entries of one key, in order of sub-key.
pub(crate) type SubMap = BTreeMap<Box<[u8]>, SubCell>;

/// One map or list state: entries by the number of their key.
#[derive(Debug, Default)]
pub(crate) struct SubKeys {
    by_entry: Paged<SubMap>,
    /// About what all entries take.
    pub(crate) bytes: usize,
    /// The stored state that is written.
    current: u32,
    /// Entries of which every cell is of the current one. `None`: all are.
    all_current: Option<Bitmap>,
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

    /// Puts what is of the stored state `number`, or deletes.
    pub(crate) fn put(&mut self, entry: EntryId, sub_key: &[u8], value: Option<&[u8]>, written_s: u32, number: usize) {
        let old = match value {
            Some(value) => {
                let cell = SubCell { value: value.into(), written_s, number: number as u32 };
                self.bytes += bytes_of(sub_key, &cell);
                if let Some(all_current) = self.all_current.as_mut().filter(|_| cell.number != self.current) {
                    all_current.take(entry.as_usize());
                }
                self.by_entry.make(entry.as_usize()).and_then(|map| map.insert(sub_key.into(), cell))
            }
            None => self.by_entry.get_mut(entry.as_usize()).and_then(|map| map.remove(sub_key)),
        };
        self.bytes -= old.map_or(0, |cell| bytes_of(sub_key, &cell));
    }

    /// The stored state that is written.
    pub(crate) fn current(&self) -> usize {
        self.current as usize
    }

    /// Follows a change of versions: which stored state is the current one, and whether cells may be of older ones.
    pub(crate) fn follow(&mut self, current: usize, has_older: bool) {
        if !has_older {
            self.all_current = None;
        } else if self.all_current.is_none() || self.current() != current {
            self.all_current = Some(Bitmap::default());
        }
        self.current = current as u32;
    }

    /// Whether all cells of an entry are known to be of the current stored state.
    #[inline]
    pub(crate) fn is_current(&self, entry: EntryId) -> bool {
        self.all_current.as_ref().is_none_or(|all_current| all_current.get(entry.as_usize()))
    }

    /// Notes that all cells of an entry are.
    pub(crate) fn set_current(&mut self, entry: EntryId) {
        if let Some(all_current) = &mut self.all_current {
            all_current.set(entry.as_usize());
        }
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
}
