//! Values of older schema versions: handed out to be migrated, and put back.
//!
//! A migration isn't a write: the value means what it meant, and was written when it was written. So it changes nothing for the next snapshot of changes,
//! in maps and lists neither: what is in a file can be migrated again, and there each entry says which version it has.

use std::sync::Arc;

use weir_model::describe::StateKind;
use weir_model::key_group::KeyGroup;

use crate::column::{Column, OwnedColumn, StateError};
use crate::index::EntryId;
use crate::keyed::{KeyTable, KeyedState};
use crate::layout::{Family, Layout, Place};
use crate::row::StateRow;

/// Values of one state and one older schema version.
#[derive(Debug)]
pub struct Stale {
    /// The function's number of the state.
    pub state: usize,
    /// The schema version that the values have.
    pub from_version: u32,
    /// The values; none is missing.
    pub values: OwnedColumn,
    /// The stored state that they are of.
    number: usize,
    cells: Vec<StaleCell>,
}

#[derive(Debug)]
struct StaleCell {
    id: EntryId,
    /// In a map or list state.
    sub_key: Option<Box<[u8]>>,
}

impl Stale {
    /// The key of an item, while nothing has been called since but [`KeyedState::migrated`].
    #[must_use]
    pub fn key<'a>(&self, state: &'a KeyedState, item: usize) -> Option<&'a [u8]> {
        state.cells.entry(self.cells.get(item)?.id).map(|entry| &*entry.key)
    }

    /// The sub-key of an item; `None` for a value state.
    #[must_use]
    pub fn sub_key(&self, item: usize) -> Option<&[u8]> {
        self.cells.get(item)?.sub_key.as_deref()
    }
}

/// A look at all entries for values of older versions.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    next: usize,
    /// Whether there may be such a value in what it has passed.
    found: bool,
}

impl Pass {
    /// Notes that a value of an older version came in.
    pub(crate) fn found_stale(&mut self) {
        self.found = true;
    }
}

/// What was found under one key.
#[derive(Default)]
struct Found {
    values: usize,
    has_expired: bool,
}

/// How many entries are looked at for each value that may be handed out.
const ENTRIES_A_VALUE: usize = 16;

impl KeyedState {
    /// Whether there may be values of older schema versions. It stays so until [`Self::stale_some`] has been through all entries twice, the second time
    /// finding nothing, while neither a capture nor an undo was open; and, of state on disk, until no row there is of an older version.
    #[must_use]
    pub fn has_stale(&self) -> bool {
        self.cells.layout.has_older()
    }

    /// The older schema versions that there may be values of: the function's number of the state, and the version.
    #[must_use]
    pub fn stale_versions(&self) -> Vec<(usize, u32)> {
        let layout = &self.cells.layout;
        let older = |(state, family)| older_numbers(family).filter_map(move |number| Some((state, layout.descriptor(number)?.schema_version)));
        layout.live().flat_map(older).collect()
    }

    /// Appends the values of older schema versions under the keys of a batch, all that lies under them in maps and lists included, to be migrated before
    /// anything is read. What is expired is left out, and so is what lies under the empty sub-key of a list, which has no version.
    pub fn stale(&mut self, table: &KeyTable, out: &mut Vec<Stale>) {
        if !self.has_stale() {
            return;
        }
        let layout = Arc::clone(&self.cells.layout);
        for id in (0..table.len() as u32).filter_map(|slot| table.entry(slot)) {
            self.stale_of(&layout, id, out);
        }
    }

    /// Appends about `values_max` values of older schema versions that are in memory, more when one key has more: the next ones, or none when no key that
    /// was looked at has any. Returns whether the last key was reached, so that the next call begins again with the first. No call may be running.
    pub fn stale_some(&mut self, values_max: usize, out: &mut Vec<Stale>) -> bool {
        if !self.has_stale() {
            return true;
        }
        let layout = Arc::clone(&self.cells.layout);
        let mut values = 0;
        for _ in 0..values_max.max(1).saturating_mul(ENTRIES_A_VALUE) {
            if self.pass.next >= self.cells.entries.len() {
                self.end_pass();
                return true;
            }
            if values >= values_max.max(1) {
                return false;
            }
            let id = EntryId(self.pass.next as u32);
            let found = self.stale_of(&layout, id, out);
            if found.has_expired {
                self.sweep_entry(id);
            }
            values += found.values;
            self.pass.next += 1;
        }
        false
    }

    fn end_pass(&mut self) {
        let found = std::mem::take(&mut self.pass).found;
        let is_needed = self.undo.is_some() || self.tracker.as_ref().is_some_and(|tracker| tracker.is_frozen());
        // A disk that fails is remembered, and says so at the next batch.
        if found || is_needed || !self.look_for_older_on_disk().unwrap_or(false) {
            return;
        }
        let mut layout = Layout::clone(&self.cells.layout);
        if let Some(tracker) = &mut self.tracker {
            tracker.forgets_older(&layout);
        }
        layout.drop_older();
        self.cells.follow(layout);
    }

    fn stale_of(&mut self, layout: &Layout, id: EntryId, out: &mut Vec<Stale>) -> Found {
        let mut found = Found::default();
        for (state, family) in layout.live().filter(|(_, family)| family.has_older()) {
            match family.place {
                Place::SubKeys(_) => self.stale_sub_keys(layout, (state, family), id, &mut found, out),
                place if self.cells.marks(place).is_some_and(|marks| marks.is_old(id.as_usize())) => match self.cells.value(place, id, 0) {
                    None => self.cells.mark_current(place, id),
                    Some((_, written_s)) if written_s < self.expiry.live_from_s(state) => found.has_expired = true,
                    Some((value, _)) => {
                        let group = group(out, layout, state, self.cells.number_of(family, id));
                        group.values.push(Some(value));
                        group.cells.push(StaleCell { id, sub_key: None });
                        found.values += 1;
                    }
                },
                _ => {}
            }
        }
        self.pass.found |= found.values > 0 || found.has_expired;
        found
    }

    fn stale_sub_keys(&mut self, layout: &Layout, (state, family): (usize, &Family), id: EntryId, found: &mut Found, out: &mut Vec<Stale>) {
        let current = family.current_number();
        let is_list = layout.descriptor(current).is_some_and(|descriptor| descriptor.kind == StateKind::List);
        let live_from_s = self.expiry.live_from_s(state);
        let Some(sub_keys) = self.cells.sub_keys_at(family.place).filter(|sub_keys| !sub_keys.is_current(id)) else { return };
        let (mut head, mut is_current) = (None, true);
        for (sub_key, cell) in sub_keys.range(id, None).filter(|(_, cell)| cell.number() != current) {
            if is_list && sub_key.is_empty() {
                head = Some((cell.value.clone(), cell.written_s));
                continue;
            }
            is_current = false;
            if cell.written_s < live_from_s {
                found.has_expired = true;
                continue;
            }
            let group = group(out, layout, state, cell.number());
            group.values.push(Some(&cell.value));
            group.cells.push(StaleCell { id, sub_key: Some(sub_key.into()) });
            found.values += 1;
        }
        if let Some((value, written_s)) = head {
            self.replace(current, id, Some(&[]), &value, written_s);
        }
        if let Some(sub_keys) = self.cells.sub_keys_at_mut(family.place).filter(|_| is_current) {
            sub_keys.set_current(id);
        }
    }

    /// Puts migrated values in the place of those handed out, item by item; one that is missing in `values` stays as it was, of its older version. To be
    /// called before anything else is done with the state.
    ///
    /// # Errors
    /// When there aren't as many values; then nothing is put.
    pub fn migrated(&mut self, stale: &Stale, values: Column<'_>) -> Result<(), StateError> {
        values.check(stale.cells.len())?;
        let layout = Arc::clone(&self.cells.layout);
        let Some((family, version)) = layout.family_of(stale.number) else { return Ok(()) };
        for (StaleCell { id, sub_key }, value) in stale.cells.iter().zip(values.iter()) {
            let written_s = match (sub_key, self.cells.sub_keys_at(family.place)) {
                (Some(sub_key), Some(sub_keys)) => sub_keys.get(*id, sub_key).filter(|cell| cell.number() == stale.number).map(|cell| cell.written_s),
                _ => {
                    let is_it = self.cells.marks(family.place).is_some_and(|marks| marks.get(id.as_usize()) == version);
                    self.cells.value(family.place, *id, 0).filter(|_| is_it).map(|(_, written_s)| written_s)
                }
            };
            if let (Some(value), Some(written_s)) = (value, written_s) {
                self.replace(family.current_number(), *id, sub_key.as_deref(), value, written_s);
            }
        }
        Ok(())
    }

    /// Puts a value that means what the one before meant.
    fn replace(&mut self, number: usize, id: EntryId, sub_key: Option<&[u8]>, value: &[u8], written_s: u32) {
        self.changed(id);
        if let Some(tracker) = &mut self.tracker {
            tracker.before_change(&self.cells, id);
        }
        self.cells.put_row(id, &StateRow { state: number, key_group: KeyGroup(0), key: &[], sub_key, value: Some(value), written_s });
    }
}

/// The stored states of a family that are not the function's.
fn older_numbers(family: &Family) -> impl Iterator<Item = usize> {
    let current = family.current_number();
    family.numbers.iter().copied().filter(move |number| *number != current)
}

/// Where the values of a stored state are gathered.
#[expect(clippy::indexing_slicing, reason = "found or pushed just above")]
fn group<'a>(out: &'a mut Vec<Stale>, layout: &Layout, state: usize, number: usize) -> &'a mut Stale {
    let at = out.iter().position(|stale| stale.number == number).unwrap_or_else(|| {
        let from_version = layout.descriptor(number).map_or(0, |descriptor| descriptor.schema_version);
        out.push(Stale { state, from_version, values: OwnedColumn::default(), number, cells: Vec::new() });
        out.len() - 1
    });
    &mut out[at]
}
