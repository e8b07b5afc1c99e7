//! Records as they cross the boundary: rows back to back in one buffer, in the contract's layout.

use crate::error::{Error, Result};

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

/// Reads rows one after another. Yields `Err` once, at the first row that isn't whole, and then nothing.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    rest: &'a [u8],
}

impl<'a> Rows<'a> {
    /// Reads `bytes` from their start.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<Row<'a>>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match split_row(self.rest) {
            Some((row, rest)) => {
                self.rest = rest;
                Some(Ok(row))
            }
            None => {
                self.rest = &[];
                Some(Err(malformed()))
            }
        }
    }
}

/// The first row of `bytes` and what follows it.
#[inline(always)]
fn split_row(bytes: &[u8]) -> Option<(Row<'_>, &[u8])> {
    let (lengths, rest) = bytes.split_first_chunk::<8>()?;
    let (timestamp, rest) = rest.split_first_chunk::<8>()?;
    let lengths = u64::from_le_bytes(*lengths);
    let key_length = lengths as u32;
    let (key, rest) = if key_length == NO_KEY {
        (None, rest)
    } else {
        let (key, rest) = rest.split_at_checked(key_length as usize)?;
        (Some(key), rest)
    };
    let (value, rest) = rest.split_at_checked((lengths >> 32) as usize)?;
    let (row, rest) = bytes.split_at_checked(bytes.len() - rest.len())?;
    Some((Row { key, value, timestamp: i64::from_le_bytes(*timestamp), bytes: row }, rest))
}

#[cold]
fn malformed() -> Error {
    Error::new("the records of this call are cut off: a row is longer than the bytes that hold it")
}
