//! What writes go through: whoever keeps what was there is told first.

use crate::index::EntryId;
use crate::keyed::KeyedState;
use crate::layout::Place;

impl KeyedState {
    /// To be called before something under an entry's key changes: tells the disk, and whoever may take the change back.
    #[inline]
    pub(crate) fn changed(&mut self, id: EntryId) {
        if let Some(backing) = &mut self.backing {
            backing.changed(id);
        }
        if self.undo.is_some() {
            self.keep_for_undo(id);
        }
    }

    #[cold]
    #[inline(never)]
    fn keep_for_undo(&mut self, id: EntryId) {
        if let Some(undo) = &mut self.undo {
            undo.before_change(&self.cells, id);
        }
    }

    /// Sets or deletes the value of an entry in a value state; nothing happens for other kinds of state.
    #[inline]
    pub(crate) fn set_value(&mut self, state: usize, id: EntryId, value: Option<&[u8]>) {
        self.changed(id);
        if let Some(tracker) = &mut self.tracker {
            tracker.before_write(&self.cells, id);
        }
        self.cells.set_value(state, id, value, self.expiry.write_s);
    }

    /// Puts or deletes what is under a sub-key of a map or list state; nothing happens for other kinds of state.
    pub(crate) fn put_sub(&mut self, state: usize, id: EntryId, sub_key: &[u8], value: Option<&[u8]>) {
        self.changed(id);
        let Some(place @ Place::SubKeys(_)) = self.cells.place(state) else { return };
        if let Some(tracker) = &mut self.tracker {
            tracker.before_write(&self.cells, id);
            tracker.sub_key_changed(place, id, sub_key);
        }
        if let Some(sub_keys) = self.cells.sub_keys_at_mut(place) {
            sub_keys.put(id, sub_key, value, self.expiry.write_s, sub_keys.current());
        }
    }

    /// Deletes all sub-keys of an entry in a map or list state; nothing happens for other kinds of state.
    pub(crate) fn clear_sub(&mut self, state: usize, id: EntryId) {
        self.changed(id);
        let Some(place @ Place::SubKeys(_)) = self.cells.place(state) else { return };
        if let Some(tracker) = &mut self.tracker {
            tracker.before_write(&self.cells, id);
            tracker.sub_keys_cleared(place, id);
        }
        self.cells.clear_at(place, id);
    }
}
