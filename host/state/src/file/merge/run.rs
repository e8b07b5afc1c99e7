//! One run of a merge: the rows that one file has of one schema version of a state, some decoded at a time.

use std::cmp::Ordering;
use std::ops::Range;

use weir_model::key_group::KeyGroup;

use super::place::RowPlace;
use crate::captured::prefix;
use crate::file::FileError;
use crate::file::read::StateFileIndex;
use crate::row::StateRow;

/// The rows that are still to come.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) file: usize,
    /// The state's number in its file.
    own: usize,
    /// Its number among all that are merged.
    number: usize,
    /// Ranges of blocks that aren't fetched yet, the next one last: with the first key group of each.
    blocks: Vec<(u32, Range<u64>)>,
    rows: Vec<RowPlace>,
    bytes: Vec<u8>,
    /// The row that is next.
    at: usize,
    /// What comes next is not before this: its key group and the beginning of its key.
    head: (u32, u64),
    /// The last row of what was decoded before.
    last: Option<Address>,
}

/// Key group, key and sub-key.
type Address = (KeyGroup, Vec<u8>, Option<Vec<u8>>);

impl Run {
    /// The rows of these key groups; `None`: there are none.
    pub(super) fn new(file: usize, own: usize, number: usize, index: &StateFileIndex, key_groups: &Range<u32>) -> Option<Self> {
        let wanted = index
            .blocks
            .iter()
            .rev()
            .filter(|(_, block)| block.state as usize == own && block.last_group >= key_groups.start && block.first_group < key_groups.end);
        let blocks: Vec<_> = wanted.map(|(at, block)| (block.first_group, *at..at + block.bytes)).collect();
        let head = (blocks.last()?.0, 0);
        Some(Self { file, own, number, blocks, rows: Vec::new(), bytes: Vec::new(), at: 0, head, last: None })
    }

    /// The next row; `None`: more must be fetched, or there is none.
    pub(super) fn row(&self) -> Option<StateRow<'_>> {
        self.rows.get(self.at)?.read(&self.bytes, self.number)
    }

    /// The first row is done with.
    pub(super) fn advance(&mut self) {
        self.at += 1;
        self.set_head();
    }

    fn set_head(&mut self) {
        match self.row() {
            Some(row) => self.head = (row.key_group.0, prefix(row.key)),
            // At the end it must come first, to be taken away; and so must what isn't fetched yet.
            None => self.head = (self.blocks.last().map_or(0, |(first_group, _)| *first_group), 0),
        }
    }

    /// The order in which runs give their next rows; those that have none decoded come before those that might be behind theirs. Of two rows for the same, the
    /// newer comes first.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.head.cmp(&other.head).then_with(|| {
            let by_row = match (self.row(), other.row()) {
                (Some(a), Some(b)) => a.key.cmp(b.key).then_with(|| a.sub_key.cmp(&b.sub_key)),
                (a, b) => a.is_some().cmp(&b.is_some()),
            };
            by_row.then(other.file.cmp(&self.file))
        })
    }

    /// What to fetch next: whole blocks, about so many bytes; `None`: the run has ended.
    pub(super) fn fetch_range(&self, bytes_max: u64) -> Option<Range<u64>> {
        let mut blocks = self.blocks.iter().rev().map(|(_, range)| range);
        let mut fetched = blocks.next()?.clone();
        for block in blocks {
            if block.start != fetched.end || block.end - fetched.start > bytes_max {
                break;
            }
            fetched.end = block.end;
        }
        Some(fetched)
    }

    /// Decodes what was fetched, and sees that it is in order.
    pub(super) fn supply(&mut self, index: &StateFileIndex, range: &Range<u64>, bytes: &[u8], key_groups: &Range<u32>) -> Result<(), FileError> {
        while self.blocks.pop_if(|(_, block)| block.start < range.end).is_some() {}
        if let Some(row) = self.rows.last().and_then(|place| place.read(&self.bytes, self.number)) {
            self.last = Some((row.key_group, row.key.to_vec(), row.sub_key.map(<[u8]>::to_vec)));
        }
        self.rows.clear();
        self.bytes.clear();
        self.at = 0;
        let Self { own, rows, bytes: decoded, last, .. } = self;
        index.read(range, bytes, key_groups, |row| {
            if row.state != *own {
                return Err(FileError::Malformed { what: "blocks of several states were taken for one" });
            }
            let before = match rows.last() {
                Some(place) => place.read(decoded, *own).map(|row| (row.key_group, row.key, row.sub_key)),
                None => last.as_ref().map(|(key_group, key, sub_key)| (*key_group, key.as_slice(), sub_key.as_deref())),
            };
            if before.is_some_and(|before| before >= (row.key_group, row.key, row.sub_key)) {
                return Err(FileError::Malformed { what: "its rows aren't in order" });
            }
            rows.push(RowPlace::put(&row, decoded));
            Ok(())
        })?;
        self.set_head();
        Ok(())
    }
}
