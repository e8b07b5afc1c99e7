//! Rows that change a store, with each deletion of all sub-keys spelt out: a tree can only delete one key at a time.

use std::cmp::Ordering;
use std::iter::Peekable;

use crate::disk::row_key::sub_keys_prefix;
use crate::disk::{DiskError, DiskScan, DiskStore};

/// Sorted rows, as state holds them, turned into what [`DiskStore::ingest`] takes: a deletion without a sub-key in a map or list state
/// becomes deletions of those sub-keys in the store that the rows don't put again.
pub(crate) struct Replace<'a, I: Iterator> {
    store: &'a DiskStore,
    rows: Peekable<I>,
    /// What the store has under the key that is being deleted, and how those keys begin.
    stored: Option<(Vec<u8>, Peekable<DiskScan>)>,
    /// Whether the state with that number has sub-keys.
    has_sub_keys: &'a [bool],
}

impl<'a, I, V> Replace<'a, I>
where
    I: Iterator<Item = (Vec<u8>, Option<V>)>,
{
    /// Rows for `store`, in ascending order of their keys, which are the bytes of a [`crate::disk::RowKey`]. `has_sub_keys` says of each
    /// state, by its number, whether it is a map or list state.
    pub(crate) fn new(store: &'a DiskStore, rows: I, has_sub_keys: &'a [bool]) -> Self {
        Self { store, rows: rows.peekable(), stored: None, has_sub_keys }
    }

    /// The next of the sub-keys to delete, if it comes before the next row.
    fn next_stored(&mut self) -> Option<Result<Vec<u8>, DiskError>> {
        let (prefix, stored) = self.stored.as_mut()?;
        let row = self.rows.peek().map(|(key, _)| key.as_slice()).filter(|key| key.starts_with(prefix));
        loop {
            let order = match (stored.peek(), row) {
                (None, _) => break,
                (Some(Ok((key, _))), Some(row)) => (**key).cmp(row),
                (Some(_), _) => Ordering::Less,
            };
            match order {
                Ordering::Less => return stored.next().map(|row| row.map(|(key, _)| key.to_vec())),
                Ordering::Equal => drop(stored.next()),
                Ordering::Greater => return None,
            }
        }
        self.stored = None;
        None
    }

    /// How the sub-keys begin that a row deletes.
    fn deletes_under(&self, key: &[u8]) -> Option<Vec<u8>> {
        let state = u32::from_be_bytes(*key.first_chunk()?);
        if *self.has_sub_keys.get(state as usize)? { sub_keys_prefix(key) } else { None }
    }
}

impl<I, V> Iterator for Replace<'_, I>
where
    I: Iterator<Item = (Vec<u8>, Option<V>)>,
{
    type Item = Result<(Vec<u8>, Option<V>), DiskError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(key) = self.next_stored() {
                return Some(key.map(|key| (key, None)));
            }
            let (key, value) = self.rows.next()?;
            match self.deletes_under(&key) {
                Some(prefix) if value.is_none() => {
                    let stored = self.store.scan(&prefix).peekable();
                    self.stored = Some((prefix, stored));
                }
                _ => return Some(Ok((key, value))),
            }
        }
    }
}
