//! A block: some sorted rows of one state, column by column, keys without what they share with the key before.

use std::ops::Range;

use weir_model::key_group::KeyGroup;

use crate::file::FileError;
use crate::file::format::{FooterBlock, checksum};
use crate::file::ints::{read_ints, write_ints};
use crate::row::StateRow;
use crate::varint::{read_varint, write_varint};

/// A block that has so many bytes is full.
const BLOCK_BYTES: usize = 64 << 10;
/// And so is one with so many rows: what a reader makes room for is bounded.
const ROWS_MAX: usize = 16 << 10;

/// The columns of numbers.
#[derive(Debug, Default)]
struct Lengths {
    groups: Vec<u32>,
    written_s: Vec<u32>,
    keys: Vec<u32>,
    /// How much of a key is that of the key before.
    shared_keys: Vec<u32>,
    /// One more than the length; 0: none.
    sub_keys: Vec<u32>,
    /// How much of a sub-key is that of the sub-key before.
    shared_sub_keys: Vec<u32>,
    /// One more than the length; 0: none.
    values: Vec<u32>,
}

const LENGTHS: usize = 7;

impl Lengths {
    /// In the order of the file.
    fn columns(&mut self) -> [&mut Vec<u32>; LENGTHS] {
        let Self { groups, written_s, keys, shared_keys, sub_keys, shared_sub_keys, values } = self;
        [groups, written_s, keys, shared_keys, sub_keys, shared_sub_keys, values]
    }
}

/// The bytes of one column, of which each item may start as the one before did.
#[derive(Debug, Default)]
struct Shared {
    bytes: Vec<u8>,
    last: Vec<u8>,
}

impl Shared {
    /// Appends an item without what it shares, and returns how much that is.
    fn push(&mut self, item: &[u8]) -> u32 {
        let shared = self.last.iter().zip(item).take_while(|(a, b)| a == b).count();
        let (_, own) = item.split_at_checked(shared).unwrap_or_default();
        self.bytes.extend_from_slice(own);
        self.last.truncate(shared);
        self.last.extend_from_slice(own);
        shared as u32
    }
}

/// A block that is being filled.
#[derive(Debug, Default)]
pub(super) struct BlockWriter {
    state: usize,
    lengths: Lengths,
    keys: Shared,
    sub_keys: Shared,
    values: Vec<u8>,
}

impl BlockWriter {
    /// Whether `row` must begin another block.
    pub(super) fn is_full_for(&self, row: &StateRow<'_>) -> bool {
        let rows = self.lengths.groups.len();
        rows > 0
            && (row.state != self.state
                || rows >= ROWS_MAX
                || self.keys.bytes.len() + self.sub_keys.bytes.len() + self.values.len() + rows >= BLOCK_BYTES)
    }

    /// Appends a row, the next in order.
    pub(super) fn push(&mut self, row: &StateRow<'_>) {
        self.state = row.state;
        let lengths = &mut self.lengths;
        lengths.groups.push(row.key_group.0);
        lengths.written_s.push(row.written_s);
        lengths.keys.push(row.key.len() as u32);
        lengths.shared_keys.push(self.keys.push(row.key));
        lengths.sub_keys.push(row.sub_key.map_or(0, |sub_key| sub_key.len() as u32 + 1));
        lengths.shared_sub_keys.push(row.sub_key.map_or(0, |sub_key| self.sub_keys.push(sub_key)));
        lengths.values.push(row.value.map_or(0, |value| value.len() as u32 + 1));
        self.values.extend_from_slice(row.value.unwrap_or_default());
    }

    /// Appends the block to a file and begins the next one; `None` when there is no row.
    pub(super) fn finish(&mut self, file: &mut Vec<u8>) -> Option<FooterBlock> {
        let Self { state, lengths, keys, sub_keys, values } = self;
        let (first_group, last_group) = (*lengths.groups.first()?, *lengths.groups.last()?);
        let (start, rows) = (file.len(), lengths.groups.len());
        write_varint(rows as u64, file);
        for column in lengths.columns() {
            write_ints(column, file);
            column.clear();
        }
        for bytes in [&mut keys.bytes, &mut sub_keys.bytes, values] {
            file.append(bytes);
        }
        keys.last.clear();
        sub_keys.last.clear();
        let block = file.get(start..).unwrap_or_default();
        let (bytes, checksum) = (block.len() as u64, checksum(block));
        Some(FooterBlock { state: *state as u32, first_group, last_group, rows: rows as u32, bytes, checksum })
    }
}

/// Reads the rows of a block whose checksum is right; those of other key groups are passed over.
pub(super) fn read_block<E: From<FileError>>(
    block: &FooterBlock,
    bytes: &[u8],
    key_groups: &Range<u32>,
    mut each: impl FnMut(StateRow<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let malformed = |what| Err(FileError::Malformed { what }.into());
    let Some(Columns { lengths, mut keys, mut sub_keys, mut values }) = split(block, bytes) else {
        return malformed("a block's columns don't fit its rows");
    };
    let Lengths { groups, written_s, keys: key_lengths, shared_keys, sub_keys: sub_key_lengths, shared_sub_keys, values: value_lengths } = &lengths;
    let (mut key, mut sub_key) = (Vec::new(), Vec::new());
    let per_row =
        groups.iter().zip(written_s).zip(key_lengths.iter().zip(shared_keys)).zip(sub_key_lengths.iter().zip(shared_sub_keys)).zip(value_lengths);
    for ((((group, written_s), (key_length, shared_key)), (sub_key_length, shared_sub_key)), value_length) in per_row {
        let has_sub_key = *sub_key_length > 0;
        let complete = restore(&mut key, &mut keys, *shared_key, *key_length).is_some()
            && (!has_sub_key || restore(&mut sub_key, &mut sub_keys, *shared_sub_key, *sub_key_length - 1).is_some());
        let Some(value) = take(&mut values, (*value_length).saturating_sub(1) as usize).filter(|_| complete) else {
            return malformed("a block's lengths don't add up to its bytes");
        };
        if !(block.first_group..=block.last_group).contains(group) {
            return malformed("a block has rows of key groups that the footer doesn't name");
        }
        if key_groups.contains(group) {
            each(StateRow {
                state: block.state as usize,
                key_group: KeyGroup(*group),
                key: &key,
                sub_key: has_sub_key.then_some(&sub_key),
                value: (*value_length > 0).then_some(value),
                written_s: *written_s,
            })?;
        }
    }
    Ok(())
}

/// A block taken apart: its numbers, and the bytes of keys, sub-keys and values.
struct Columns<'a> {
    lengths: Lengths,
    keys: &'a [u8],
    sub_keys: &'a [u8],
    values: &'a [u8],
}

/// Takes a block apart; `None` when its columns don't make it up.
fn split<'a>(block: &FooterBlock, mut bytes: &'a [u8]) -> Option<Columns<'a>> {
    let rows = usize::try_from(read_varint(&mut bytes)?).ok()?;
    if rows > ROWS_MAX || rows != block.rows as usize {
        return None;
    }
    let mut columns = [(); LENGTHS].map(|()| read_ints(&mut bytes, rows).ok_or(())).into_iter();
    let mut next = || columns.next()?.ok();
    let lengths = Lengths {
        groups: next()?,
        written_s: next()?,
        keys: next()?,
        shared_keys: next()?,
        sub_keys: next()?,
        shared_sub_keys: next()?,
        values: next()?,
    };
    let sum = |lengths: &[u32], less: u32| lengths.iter().map(|length| u64::from(length.saturating_sub(less))).sum::<u64>();
    let keys = take(&mut bytes, sum(&lengths.keys, 0).checked_sub(sum(&lengths.shared_keys, 0))? as usize)?;
    let sub_keys = take(&mut bytes, sum(&lengths.sub_keys, 1).checked_sub(sum(&lengths.shared_sub_keys, 0))? as usize)?;
    let values = take(&mut bytes, sum(&lengths.values, 1) as usize)?;
    bytes.is_empty().then_some(Columns { lengths, keys, sub_keys, values })
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

/// Makes the item before, `item`, the next one: its first `shared` bytes and then those of `own`.
fn restore(item: &mut Vec<u8>, own: &mut &[u8], shared: u32, length: u32) -> Option<()> {
    let (shared, length) = (shared as usize, length as usize);
    if shared > item.len() {
        return None;
    }
    item.truncate(shared);
    item.extend_from_slice(take(own, length.checked_sub(shared)?)?);
    Some(())
}
