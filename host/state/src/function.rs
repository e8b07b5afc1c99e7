//! The function over a table: which saved states it can take over, and how another one takes its place.

use weir_model::describe::StateDescriptor;
use weir_model::key_group::KeyGroup;

use crate::file::Incompatible;
use crate::index::EntryId;
use crate::keyed::{KeyTable, KeyedState};
use crate::layout::{Layout, Place};
use crate::migration::Pass;
use crate::row::StateRow;

/// How many entries are looked at with each batch for what states left that were given up.
const CLEARED_AT_ONCE: usize = 1024;

impl KeyedState {
    /// The function's states, in its order.
    #[must_use]
    pub fn states(&self) -> Vec<StateDescriptor> {
        self.cells.layout.function()
    }

    /// All states that rows of this table may have, or could once: [`StateRow::state`] numbers them.
    #[must_use]
    pub fn stored_states(&self) -> Vec<StateDescriptor> {
        let layout = &self.cells.layout;
        (0..layout.stored_count()).filter_map(|number| layout.descriptor(number).cloned()).collect()
    }

    /// To be called before the rows of a file with these states are loaded: for each of them, the number as which [`Self::load`] takes its rows. `None`: the
    /// function doesn't have it and `given_up` says of its name that it may be lost; its rows are to be passed over. Values of an older schema version
    /// come to be migrated. After a state was given up, the next freeze is a full one: the files have its rows.
    ///
    /// # Errors
    /// The first state that the function can't take over. Then nothing is accepted.
    pub fn accept(&mut self, saved: &[StateDescriptor], given_up: &dyn Fn(&str) -> bool) -> Result<Vec<Option<usize>>, Incompatible> {
        let mut layout = Layout::clone(&self.cells.layout);
        let numbers = layout.accept(saved, given_up)?;
        self.cells.follow(layout);
        self.pass = Pass::default();
        self.needs_full |= numbers.contains(&None);
        Ok(numbers)
    }

    /// Gives the table to a function with these states. To be called right after [`Self::freeze`]; the view that was frozen, and one that is kept by
    /// [`Self::begin_undo`], stay those of the function before. States are found by name; those that are new are empty; those with a newer schema version keep
    /// their values, to be migrated; those that `given_up` says may be lost are cleared little by little, with the batches that follow, and the next
    /// freeze is a full one. It takes some microseconds, however many keys there are. No call may be running.
    ///
    /// # Errors
    /// The first state that the function can't take over. Then all stays as it was.
    pub fn adopt(&mut self, states: &[StateDescriptor], given_up: &dyn Fn(&str) -> bool) -> Result<(), Incompatible> {
        let mut layout = Layout::clone(&self.cells.layout);
        if layout.adopt(states, given_up)? {
            self.needs_full = true;
            self.clearing = Some(0);
        }
        self.cells.follow(layout);
        self.expiry.follow(states);
        self.pass = Pass::default();
        Ok(())
    }

    /// Clears some of what states left that were given up, unless a view of them is still needed.
    pub(crate) fn clear_some(&mut self) {
        let Some(next) = self.clearing else { return };
        if self.undo.is_some() || self.tracker.as_ref().is_some_and(|tracker| tracker.is_frozen()) {
            return;
        }
        if next == 0 {
            let mut layout = Layout::clone(&self.cells.layout);
            layout.begin_clearing();
            self.cells.follow(layout);
        }
        let places: Vec<Place> = self.cells.layout.families.iter().filter(|family| family.is_clearing).map(|family| family.place).collect();
        let end = next.saturating_add(CLEARED_AT_ONCE).min(self.cells.entries.len());
        for id in (next..end).map(|at| EntryId(at as u32)) {
            if places.iter().any(|place| !self.cells.is_vacant_at(*place, id)) {
                places.iter().for_each(|place| self.cells.clear_at(*place, id));
                if let Some(tracker) = self.tracker.as_mut().filter(|_| self.cells.is_vacant(id)) {
                    tracker.cleared(id);
                }
                self.remove_vacant(std::iter::once(id));
            }
        }
        self.clearing = Some(end);
        if end == self.cells.entries.len() {
            self.clearing = None;
            let mut layout = Layout::clone(&self.cells.layout);
            layout.cleared();
            self.cells.follow(layout);
        }
    }

    /// Empty state for a function with these states that is to run beside this one's: [`Self::copy_missing`] copies what it needs.
    ///
    /// # Errors
    /// The first state that the function can't take over.
    pub fn beside(&self, states: &[StateDescriptor], seed: u64, given_up: &dyn Fn(&str) -> bool) -> Result<Self, Incompatible> {
        let saved = self.cells.layout.saved();
        let mut beside = Self::new(states, seed);
        let numbers = beside.accept(saved.descriptors(), given_up)?;
        beside.copied_as = vec![None; self.cells.layout.stored_count()];
        for ((stored, _), number) in saved.in_order().zip(numbers) {
            if let Some(copied_as) = beside.copied_as.get_mut(stored) {
                *copied_as = number;
            }
        }
        Ok(beside)
    }

    /// Copies what `from`, of which this state was made by [`Self::beside`], has under those keys of `table` that this state has just met for the first time.
    /// If `from` is on disk, it must have numbered the same batch before.
    pub fn copy_missing(&mut self, from: &Self, table: &KeyTable) {
        let copied_as = std::mem::take(&mut self.copied_as);
        for id in table.created() {
            // One that was on disk is not missing.
            let Some(entry) = self.cells.entry(id).filter(|_| self.cells.is_vacant(id)) else { continue };
            let Some(other) = from.find(entry.hash, &entry.key) else { continue };
            self.changed(id);
            for (_, family) in from.cells.layout.live() {
                from.cells.rows_at(family, other, KeyGroup(0), 0, |row| {
                    if let Some(state) = copied_as.get(row.state).copied().flatten() {
                        self.cells.put_row(id, &StateRow { state, ..row });
                    }
                });
            }
            self.pass.found_stale();
        }
        self.copied_as = copied_as;
    }
}

#[cfg(test)]
mod tests;
