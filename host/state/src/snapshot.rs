//! Snapshots of the state while it goes on changing: frozen at once, captured in slices; and the sweep of expired entries that goes with them.

use weir_model::key_group::MaxParallelism;

use crate::captured::Captured;
use crate::column::StateError;
use crate::index::EntryId;
use crate::keyed::KeyedState;
use crate::layout::Place;
use crate::row::{SnapshotScope, StateRow};
use crate::tracker::Tracker;

/// Each freeze has this part of all entries looked at for expired ones.
const SWEEP_SHARE: usize = 16;
/// But at least so many.
const SWEEP_ENTRIES_MIN: usize = 1024;

/// How far the look for expired entries has come.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    next: usize,
    /// Entries to look at before the capture at hand is done.
    left: usize,
}

impl KeyedState {
    /// The state with its changes tracked from now on, for a job with checkpoints.
    #[must_use]
    pub fn tracked(mut self, max_parallelism: MaxParallelism) -> Self {
        self.tracker = Some(Box::new(Tracker::new(max_parallelism)));
        self
    }

    /// Makes the state as it is now the view that [`Self::capture`] captures. It takes a swap of pointers, however large the state is; but a capture
    /// that is still going on is finished first, and of state on disk a full view takes as long as writing there what isn't yet. Nothing happens when
    /// changes aren't tracked. No call may be running.
    ///
    /// Returns what is frozen: all of the state also when only changes were asked for, if a state was given up since the last freeze.
    pub fn freeze(&mut self, scope: SnapshotScope) -> SnapshotScope {
        let scope = if std::mem::take(&mut self.needs_full) { SnapshotScope::Full } else { scope };
        while !self.capture_more(usize::MAX) {}
        let is_on_disk = self.backing.is_some() && self.tracker.is_some();
        if is_on_disk && scope == SnapshotScope::Full {
            self.freeze_disk();
        }
        let Self { tracker: Some(tracker), cells, expiry, sweep, .. } = self else { return scope };
        let entries = cells.entries.len();
        if !(is_on_disk && scope == SnapshotScope::Full) {
            tracker.freeze(scope, cells, expiry);
        }
        if expiry.is_needed() {
            sweep.left = if scope == SnapshotScope::Full { entries } else { (entries / SWEEP_SHARE).max(SWEEP_ENTRIES_MIN).min(entries) };
        }
        scope
    }

    /// Captures about `rows_max` rows of the frozen view; more when one key has more. Each view is returned once, the oldest first, when all of it is
    /// captured; until then `None`. No call may be running.
    pub fn capture(&mut self, rows_max: usize) -> Option<Captured> {
        if let Some(captured) = self.tracker.as_mut()?.take_finished() {
            return Some(captured);
        }
        if !self.is_capturing() || !self.capture_more(rows_max.max(1)) {
            return None;
        }
        self.tracker.as_mut()?.take_finished()
    }

    /// Whether there is a frozen view that [`Self::capture`] has not returned.
    #[must_use]
    pub fn is_capturing(&self) -> bool {
        self.tracker.as_ref().is_some_and(|tracker| tracker.is_frozen() || tracker.has_finished())
    }

    /// `true` when there is nothing left to capture.
    fn capture_more(&mut self, rows_max: usize) -> bool {
        let Some(tracker) = &mut self.tracker else { return true };
        if !tracker.is_frozen() {
            return true;
        }
        // What expired is deleted behind the frozen view, as by any other write.
        self.sweep(rows_max) && self.tracker.as_mut().is_none_or(|tracker| tracker.capture(&self.cells, rows_max))
    }

    /// Deletes what is expired of the next `entries_max` entries. `true` when as many were looked at as one capture has to.
    fn sweep(&mut self, entries_max: usize) -> bool {
        let entries = self.sweep.left.min(entries_max);
        for _ in 0..entries {
            let id = EntryId(self.sweep.next as u32);
            self.sweep_entry(id);
            self.sweep.next = if self.sweep.next + 1 < self.cells.entries.len() { self.sweep.next + 1 } else { 0 };
        }
        self.sweep.left -= entries;
        self.sweep.left == 0
    }

    /// Deletes what is expired under one key, and the key if nothing is left.
    pub(crate) fn sweep_entry(&mut self, id: EntryId) {
        let mut found = false;
        for state in 0..self.state_count() {
            let live_from_s = self.expiry.live_from_s(state);
            let (Some(place), 1..) = (self.cells.place(state), live_from_s) else { continue };
            if let Place::SubKeys(_) = place {
                let cells = self.cells.sub_keys(state).into_iter().flat_map(|sub_keys| sub_keys.range(id, None));
                let expired: Vec<Box<[u8]>> = cells.filter(|(_, cell)| cell.written_s < live_from_s).map(|(sub_key, _)| sub_key.into()).collect();
                found |= !expired.is_empty();
                expired.iter().for_each(|sub_key| self.put_sub(state, id, sub_key, None));
            } else if self.cells.value(place, id, 0).is_some_and(|(_, written_s)| written_s < live_from_s) {
                found = true;
                self.set_value(state, id, None);
            }
        }
        if found {
            self.remove_vacant(std::iter::once(id));
        }
    }

    /// All state that isn't expired, a row each, in no order, numbered as [`Self::stored_states`].
    ///
    /// # Errors
    /// [`StateError::Disk`] when part of it is on a disk that fails.
    pub fn for_each_row(&self, max_parallelism: MaxParallelism, mut each: impl FnMut(StateRow<'_>)) -> Result<(), StateError> {
        for (at, entry) in self.cells.entries.iter().enumerate().filter(|(_, entry)| !entry.is_free()) {
            self.cells.rows_of(&self.cells.layout, EntryId(at as u32), max_parallelism.key_group(entry.hash), &self.expiry, &mut each);
        }
        self.each_row_away(|row| {
            let state = self.cells.layout.family_of(row.state).and_then(|(family, _)| family.state);
            if state.is_some_and(|state| row.written_s >= self.expiry.live_from_s(state)) {
                each(row);
            }
        })
    }
}

#[cfg(test)]
mod tests;
