//! Records as they travel everywhere in weir: a run of rows back to back in one buffer.
//!
//! The layout is the contract's (`wit/deps/weir-types`): the same bytes are on a channel, at the guest boundary and in a file.
//! One row is, little-endian and without padding:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | key length; `0xffff_ffff`: the record has no key |
//! | 4 | value length |
//! | 8 | event time in milliseconds since the Unix epoch, signed; the smallest value: none |
//! | key length | key |
//! | value length | value |

use std::fmt;

/// Bytes before a row's key.
pub const ROW_HEADER_BYTES: usize = 16;
/// The key length of a record without a key.
pub const NO_KEY: u32 = u32::MAX;
/// The timestamp of a record without event time.
pub const NO_TIMESTAMP: i64 = i64::MIN;

/// One record, borrowed from the buffer it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// The key's bytes, if the record has a key.
    pub key: Option<&'a [u8]>,
    /// The value's bytes.
    pub value: &'a [u8],
    /// Event time in milliseconds since the Unix epoch, or [`NO_TIMESTAMP`].
    pub timestamp: i64,
    /// The whole row, header included.
    pub bytes: &'a [u8],
}

/// Reads rows one after another.
///
/// Yields `Err` once, at the first malformed row, and then nothing.
#[derive(Debug, Clone)]
pub struct RowReader<'a> {
    rest: &'a [u8],
    position: usize,
}

impl<'a> RowReader<'a> {
    /// Reads `bytes` from their start.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, position: 0 }
    }
}

impl<'a> Iterator for RowReader<'a> {
    type Item = Result<Row<'a>, MalformedRows>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some(row) = split_row(self.rest) else {
            let malformed = MalformedRows { offset: self.position, bytes: self.position + self.rest.len() };
            self.rest = &[];
            return Some(Err(malformed));
        };
        self.position += row.bytes.len();
        self.rest = self.rest.get(row.bytes.len()..).unwrap_or_default();
        Some(Ok(row))
    }
}

/// The first row of `bytes`; `None` when it isn't whole.
#[inline]
fn split_row(bytes: &[u8]) -> Option<Row<'_>> {
    let (head, rest) = bytes.split_first_chunk::<ROW_HEADER_BYTES>()?;
    let head = u128::from_le_bytes(*head);
    let key_length = head as u32;
    let value_length = (head >> 32) as u32 as usize;
    let timestamp = (head >> 64) as i64;
    let (key, rest) = if key_length == NO_KEY {
        (None, rest)
    } else {
        let (key, rest) = rest.split_at_checked(key_length as usize)?;
        (Some(key), rest)
    };
    let value = rest.get(..value_length)?;
    let length = ROW_HEADER_BYTES + key.map_or(0, <[u8]>::len) + value_length;
    Some(Row { key, value, timestamp, bytes: bytes.get(..length)? })
}

/// Rows whose lengths don't add up to their buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedRows {
    /// Where the row starts that isn't whole.
    pub offset: usize,
    /// How many bytes there are.
    pub bytes: usize,
}

impl fmt::Display for MalformedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the row at byte {} is longer than the {} bytes that hold it", self.offset, self.bytes)
    }
}

/// Appends one row to `buffer`.
///
/// # Errors
/// The row when its key or value has 2^32 - 1 bytes or more.
#[inline]
pub fn push_row(buffer: &mut Vec<u8>, key: Option<&[u8]>, value: &[u8], timestamp: i64) -> Result<(), OversizedRow> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).ok().filter(|n| *n != NO_KEY).ok_or(OversizedRow);
    let key_length = key.map_or(Ok(NO_KEY), length)?;
    let value_length = length(value)?;
    let head = u128::from(key_length) | u128::from(value_length) << 32 | u128::from(timestamp as u64) << 64;
    buffer.reserve(ROW_HEADER_BYTES + key.map_or(0, <[u8]>::len) + value.len());
    buffer.extend_from_slice(&head.to_le_bytes());
    buffer.extend_from_slice(key.unwrap_or_default());
    buffer.extend_from_slice(value);
    Ok(())
}

/// A key or value of 4 GiB or more, which a row can't hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OversizedRow;

/// A run of whole rows, with the hash of each row's key once an exchange has computed it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    rows: u32,
    hashes: Vec<u64>,
}

impl Batch {
    /// Takes `bytes` after checking that they are whole rows.
    ///
    /// # Errors
    /// Where the first malformed row is.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, MalformedRows> {
        let mut rows = 0;
        for row in RowReader::new(&bytes) {
            row?;
            rows += 1;
        }
        Ok(Self { bytes, rows, hashes: Vec::new() })
    }

    /// Takes `bytes` that were just walked with a [`RowReader`] to their end without an error, with the hash of each row's key.
    #[must_use]
    pub fn from_checked(bytes: Vec<u8>, hashes: Vec<u64>) -> Self {
        debug_assert_eq!(RowReader::new(&bytes).map_while(Result::ok).count(), hashes.len());
        Self { bytes, rows: hashes.len() as u32, hashes }
    }

    /// The number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows as usize
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows as they lie in memory.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// [`crate::key_group::hash_key`] of each record's key, in order; empty when no exchange has hashed them.
    #[must_use]
    pub fn hashes(&self) -> &[u64] {
        &self.hashes
    }

    /// The records, in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        // A batch holds whole rows only, so the reader never meets a malformed one.
        RowReader::new(&self.bytes).map_while(Result::ok)
    }
}

/// Builds a batch row by row.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    batch: Batch,
}

impl BatchBuilder {
    /// An empty builder with room for `bytes` bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { batch: Batch { bytes: Vec::with_capacity(bytes), rows: 0, hashes: Vec::new() } }
    }

    /// Appends a record.
    ///
    /// # Errors
    /// As [`push_row`]; the builder is unchanged then.
    #[inline]
    pub fn push(&mut self, key: Option<&[u8]>, value: &[u8], timestamp: i64) -> Result<(), OversizedRow> {
        push_row(&mut self.batch.bytes, key, value, timestamp)?;
        self.batch.rows += 1;
        Ok(())
    }

    /// Appends a copy of a row that was read from another batch.
    #[inline]
    pub fn push_copy(&mut self, row: &Row<'_>) {
        self.batch.bytes.extend_from_slice(row.bytes);
        self.batch.rows += 1;
    }

    /// Appends copies of all rows of a batch, with their hashes if it has them. A batch is hashed as a whole or not at all.
    pub fn push_batch(&mut self, batch: &Batch) {
        self.batch.bytes.extend_from_slice(&batch.bytes);
        self.batch.rows += batch.rows;
        self.batch.hashes.extend_from_slice(&batch.hashes);
    }

    /// Appends a copy of a row together with the hash of its key. A batch is hashed as a whole or not at all.
    #[inline]
    pub fn push_hashed(&mut self, row: &Row<'_>, hash: u64) {
        self.push_copy(row);
        self.batch.hashes.push(hash);
    }

    /// The number of records so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether there is no record yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// The bytes of all rows so far.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.batch.bytes.len()
    }

    /// Takes what was built and leaves an empty builder with as much room.
    pub fn take(&mut self) -> Batch {
        let room = self.batch.bytes.len();
        let hashes = self.batch.hashes.len();
        std::mem::replace(&mut self.batch, Batch { bytes: Vec::with_capacity(room), rows: 0, hashes: Vec::with_capacity(hashes) })
    }
}

impl Batch {
    /// The same rows with the hashes of their keys.
    ///
    /// `hashes` has one item per row; anything else is a bug of the caller and leaves the batch unhashed.
    #[must_use]
    pub fn with_hashes(mut self, hashes: Vec<u64>) -> Self {
        debug_assert_eq!(hashes.len(), self.len());
        if hashes.len() == self.len() {
            self.hashes = hashes;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(rows: &[(Option<&str>, &str, i64)]) -> Batch {
        let mut builder = BatchBuilder::default();
        for (key, value, timestamp) in rows {
            builder.push(key.map(str::as_bytes), value.as_bytes(), *timestamp).unwrap();
        }
        builder.take()
    }

    #[test]
    fn rows_read_back_as_written() {
        let written = batch(&[(Some("k"), "value", 7), (None, "", NO_TIMESTAMP), (Some(""), "x", -1)]);
        let read: Vec<_> = written.iter().map(|r| (r.key, r.value, r.timestamp)).collect();
        assert_eq!(read, [(Some(&b"k"[..]), &b"value"[..], 7), (None, b"", NO_TIMESTAMP), (Some(b""), b"x", -1)]);
        assert_eq!(Batch::from_bytes(written.bytes().to_vec()).unwrap(), written);
    }

    #[test]
    fn every_truncation_is_noticed() {
        let whole = batch(&[(Some("key"), "value", 7), (None, "more", 8)]);
        let first = ROW_HEADER_BYTES + 8;
        for length in 1..whole.bytes().len() {
            let result = Batch::from_bytes(whole.bytes()[..length].to_vec());
            assert_eq!(result.is_ok(), length == first, "cut at {length}: {result:?}");
        }
    }

    #[test]
    fn lengths_beyond_the_buffer_are_refused() {
        let mut bytes = batch(&[(Some("k"), "v", 0)]).bytes().to_vec();
        bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Batch::from_bytes(bytes), Err(MalformedRows { offset: 0, bytes: ROW_HEADER_BYTES + 2 }));
    }
}
