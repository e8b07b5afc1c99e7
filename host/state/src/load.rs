//! Saved rows become state again.

use weir_model::key_group::{KeyGroup, hash_key};

use crate::column::StateError;
use crate::keyed::{KeyedState, WINDOW};
use crate::layout::Place;
use crate::row::StateRow;

/// Rows that wait to be put together, so that the cache misses of their lookups overlap.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    rows: Vec<WaitingRow>,
    /// Their keys, sub-keys and values, back to back.
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct WaitingRow {
    hash: u64,
    state: usize,
    key_bytes: usize,
    sub_key_bytes: Option<usize>,
    value_bytes: Option<usize>,
    written_s: u32,
}

impl KeyedState {
    /// Makes room for so many more keys, so that loading them moves nothing. State on disk stays within its memory instead.
    pub fn reserve(&mut self, keys: usize) {
        if self.backing.is_some() {
            return;
        }
        self.index.reserve(keys);
        self.cells.reserve(keys);
    }

    /// Puts a saved row, numbered as [`Self::accept`] says: those of a full snapshot first, then those of each that followed it, in order. What is expired isn't put, but replaces what
    /// was there before. To be called before the first batch, and followed by [`Self::loaded`].
    ///
    /// # Errors
    /// When the function has no such state or it is of another kind, there are more keys than entries, or the disk fails.
    pub fn load(&mut self, row: &StateRow<'_>) -> Result<(), StateError> {
        let layout = &self.cells.layout;
        let family = layout.family_of(row.state).and_then(|(family, _)| Some((family.state?, family)));
        let (state, family) = family.ok_or(StateError::UnknownState { state: row.state as u32, states: layout.stored_count() })?;
        let is_value = !matches!(family.place, Place::SubKeys(_));
        let fits = if is_value { row.sub_key.is_none() } else { row.sub_key.is_some() || row.value.is_none() };
        if !fits {
            return Err(StateError::WrongKind { state: row.state as u32, is_value });
        }
        let hash = hash_key(row.key);
        if self.index.is_by_hash() {
            self.index.prefetch(self.index.probe_hash(hash));
        }
        let value = row.value.filter(|_| row.written_s >= self.expiry.live_from_s(state));
        self.waiting.rows.push(WaitingRow {
            hash,
            state: row.state,
            key_bytes: row.key.len(),
            sub_key_bytes: row.sub_key.map(<[u8]>::len),
            value_bytes: value.map(<[u8]>::len),
            written_s: row.written_s,
        });
        for bytes in [Some(row.key), row.sub_key, value].into_iter().flatten() {
            self.waiting.bytes.extend_from_slice(bytes);
        }
        // Near the last entry each row is put at once, so that what is full is known here.
        let room = self.free.len() + self.entries_max.saturating_sub(self.cells.entries.len());
        if self.waiting.rows.len() >= WINDOW.min(room) { self.put_waiting() } else { Ok(()) }
    }

    fn put_waiting(&mut self) -> Result<(), StateError> {
        let mut waiting = std::mem::take(&mut self.waiting);
        self.index.reserve(waiting.rows.len());
        if self.index.is_by_hash() {
            let known = waiting.rows.iter().filter_map(|row| self.index.candidate(self.index.probe_hash(row.hash)));
            known.for_each(|id| self.cells.prefetch(id));
        }
        let mut rest = waiting.bytes.as_slice();
        let mut take = |length: usize| {
            let (taken, behind) = rest.split_at_checked(length).unwrap_or_default();
            rest = behind;
            taken
        };
        let put = waiting.rows.iter().try_for_each(|row| {
            let key = take(row.key_bytes);
            let (sub_key, value) = (row.sub_key_bytes.map(&mut take), row.value_bytes.map(&mut take));
            self.put_loaded(row, key, sub_key, value)
        });
        waiting.rows.clear();
        waiting.bytes.clear();
        self.waiting = waiting;
        put?;
        self.make_room()
    }

    fn put_loaded(&mut self, row: &WaitingRow, key: &[u8], sub_key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), StateError> {
        // On disk, a deletion must find the key too.
        let id = if value.is_some() || self.backing.is_some() {
            let (id, is_new) = self.find_or_create(row.hash, key).ok_or(StateError::Full { entries_max: self.entries_max })?;
            if is_new {
                self.bring(&[id])?;
            }
            Some(id)
        } else {
            self.find(row.hash, key)
        };
        let Some(id) = id else { return Ok(()) };
        self.changed(id);
        let row = StateRow { state: row.state, key_group: KeyGroup(0), key, sub_key, value, written_s: row.written_s };
        self.cells.put_row(id, &row);
        if value.is_none() && self.cells.is_vacant(id) {
            self.free_entry(id);
        }
        Ok(())
    }

    /// Counts everything as unchanged since it was saved: the next snapshot of changes holds what is written from now on.
    pub fn loaded(&mut self) {
        let put = self.put_waiting();
        debug_assert!(!matches!(put, Err(StateError::Full { .. })), "so near to that, no row waits; and a disk that fails is remembered");
        if let Some(tracker) = &mut self.tracker {
            tracker.loaded(self.cells.entries.len(), &self.free);
        }
    }
}
