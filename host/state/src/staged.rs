//! What a running call has written: seen by the call itself, and by nobody else until it returns ok.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::column::{Column, LENGTH_BYTES, OwnedColumn, StateError};
use crate::index::EntryId;
use crate::keyed::{KeyTable, KeyedState};

/// New values of a value state.
#[derive(Debug)]
struct Put {
    state: u32,
    slots: Vec<u32>,
    values: OwnedColumn,
}

/// What a call did to the entries of one key in one map or list state.
#[derive(Debug, Default)]
struct SubChanges {
    /// Everything that was there before is gone.
    cleared: bool,
    /// Then these were put; `None` deletes.
    puts: BTreeMap<Box<[u8]>, Option<Box<[u8]>>>,
}

/// What a call may touch: the keys of its batch and their state.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The subtask's state.
    pub state: &'a KeyedState,
    /// The keys of the call.
    pub table: &'a KeyTable,
}

impl Scope<'_> {
    fn entry(self, slot: u32) -> Result<EntryId, StateError> {
        self.table.entry(slot).ok_or(StateError::UnknownSlot { slot, slots: self.table.len() })
    }
}

/// The state writes of one call.
#[derive(Debug, Default)]
pub struct Staged {
    puts: Vec<Put>,
    subs: BTreeMap<(u32, u32), SubChanges>,
    bytes: usize,
}

/// Entries of one key, in order of sub-key.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The sub-keys.
    pub sub_keys: OwnedColumn,
    /// Their values.
    pub values: OwnedColumn,
    /// Whether there are more behind them.
    pub more: bool,
}

impl Staged {
    /// Makes what the call over `table` staged the state.
    pub fn apply(self, state: &mut KeyedState, table: &KeyTable) {
        let mut touched: Vec<EntryId> = table.created().collect();
        for put in self.puts {
            for (slot, value) in put.slots.iter().zip(put.values.iter()) {
                let Some(id) = table.entry(*slot) else { continue };
                state.set_value(put.state as usize, id, value);
                if value.is_none() {
                    touched.push(id);
                }
            }
        }
        for ((number, slot), changes) in self.subs {
            let Some(id) = table.entry(slot) else { continue };
            let number = number as usize;
            if changes.cleared {
                state.clear_sub(number, id);
            }
            for (sub_key, value) in &changes.puts {
                state.put_sub(number, id, sub_key, value.as_deref());
            }
            touched.push(id);
        }
        state.remove_vacant(touched.into_iter());
    }

    /// Bytes held by what is staged, roughly: what the limit of a call is compared with.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Stages new values of a value state; a missing one deletes.
    ///
    /// # Errors
    /// When the state, a slot or the column is not what the function declared or the call has.
    pub fn put(&mut self, scope: Scope<'_>, number: u32, slots: Vec<u32>, values: OwnedColumn) -> Result<(), StateError> {
        check_kind(scope.state, number, true)?;
        values.as_column().check(slots.len())?;
        check_slots(scope.table, &slots)?;
        self.bytes += slots.len() * 8 + values.data.len();
        self.puts.push(Put { state: number, slots, values });
        Ok(())
    }

    /// Stages entries of a map or list state: item `i` under sub-key `i` of slot `i`; a missing value deletes.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn put_sub(&mut self, scope: Scope<'_>, number: u32, slots: &[u32], sub_keys: Column<'_>, values: Column<'_>) -> Result<(), StateError> {
        check_kind(scope.state, number, false)?;
        sub_keys.check(slots.len())?;
        values.check(slots.len())?;
        check_slots(scope.table, slots)?;
        for ((slot, sub_key), value) in slots.iter().zip(sub_keys.iter()).zip(values.iter()) {
            let sub_key = sub_key.unwrap_or_default();
            self.bytes += 64 + sub_key.len() + value.map_or(0, <[u8]>::len);
            self.subs.entry((number, *slot)).or_default().puts.insert(sub_key.into(), value.map(Into::into));
        }
        Ok(())
    }

    /// Stages the removal of all entries of these slots.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn clear(&mut self, scope: Scope<'_>, number: u32, slots: &[u32]) -> Result<(), StateError> {
        check_kind(scope.state, number, false)?;
        check_slots(scope.table, slots)?;
        for slot in slots {
            self.bytes += 64;
            *self.subs.entry((number, *slot)).or_default() = SubChanges { cleared: true, puts: BTreeMap::new() };
        }
        Ok(())
    }

    /// Entry `i`: sub-key `i` of slot `i`, as this call sees it. Each takes four bytes for its length and those of its data.
    ///
    /// # Errors
    /// As [`Self::put`], and when they take more than `bytes_max` bytes together; no more than that is copied to find out.
    pub fn get_sub(&self, scope: Scope<'_>, number: u32, slots: &[u32], sub_keys: Column<'_>, bytes_max: usize) -> Result<OwnedColumn, StateError> {
        check_kind(scope.state, number, false)?;
        sub_keys.check(slots.len())?;
        let mut found = OwnedColumn::default();
        for (slot, sub_key) in slots.iter().zip(sub_keys.iter()) {
            let (entry, sub_key) = (scope.entry(*slot)?, sub_key.unwrap_or_default());
            let changes = self.subs.get(&(number, *slot));
            let stored = || scope.state.sub_value(number as usize, entry, sub_key);
            let item = match changes.and_then(|changes| changes.puts.get(sub_key)) {
                Some(staged) => staged.as_deref(),
                None if changes.is_some_and(|changes| changes.cleared) => None,
                None => stored(),
            };
            if found.bytes() + LENGTH_BYTES + item.map_or(0, <[u8]>::len) > bytes_max {
                return Err(StateError::TooLarge { bytes_max });
            }
            found.push(item);
        }
        Ok(found)
    }

    /// At most `limit` entries of one slot behind `after`, as this call sees them; fewer when they hold more than `bytes_max` bytes.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn scan(&self, scope: Scope<'_>, number: u32, slot: u32, after: Option<&[u8]>, limit: u32, bytes_max: usize) -> Result<Page, StateError> {
        check_kind(scope.state, number, false)?;
        let entry = scope.entry(slot)?;
        let changes = self.subs.get(&(number, slot));
        let cleared = changes.is_some_and(|changes| changes.cleared);
        let stored = (!cleared).then(|| scope.state.sub_range(number as usize, entry, after)).into_iter().flatten();
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let staged = changes.into_iter().flat_map(|changes| changes.puts.range::<[u8], _>(behind));
        let staged = staged.map(|(sub_key, value)| (sub_key.as_ref(), value.as_deref()));
        let mut page = Page::default();
        let merged = Merge { stored: stored.peekable(), staged: staged.peekable() };
        for (sub_key, value) in merged {
            let Some(value) = value else { continue };
            // A page holds at least one entry, so that a scan always gets on.
            let full = page.sub_keys.lengths.len() >= limit.max(1) as usize || page.sub_keys.data.len() + page.values.data.len() >= bytes_max;
            if full && !page.sub_keys.lengths.is_empty() {
                page.more = true;
                break;
            }
            page.sub_keys.push(Some(sub_key));
            page.values.push(Some(value));
        }
        Ok(page)
    }
}

/// Stored and staged entries in one order; a staged one hides the stored one under the same sub-key.
struct Merge<S: Iterator, T: Iterator> {
    stored: std::iter::Peekable<S>,
    staged: std::iter::Peekable<T>,
}

impl<'a, S, T> Iterator for Merge<S, T>
where
    S: Iterator<Item = (&'a [u8], &'a [u8])>,
    T: Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
{
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let take_staged = match (self.stored.peek(), self.staged.peek()) {
            (Some((stored, _)), Some((staged, _))) => {
                if stored == staged {
                    self.stored.next();
                    true
                } else {
                    staged < stored
                }
            }
            (None, _) => true,
            (Some(_), None) => false,
        };
        if take_staged { self.staged.next() } else { self.stored.next().map(|(sub_key, value)| (sub_key, Some(value))) }
    }
}

fn check_kind(state: &KeyedState, number: u32, value: bool) -> Result<(), StateError> {
    match state.is_value(number as usize) {
        None => Err(StateError::UnknownState { state: number, states: state.state_count() }),
        Some(is_value) if is_value != value => Err(StateError::WrongKind { state: number, is_value }),
        Some(_) => Ok(()),
    }
}

fn check_slots(table: &KeyTable, slots: &[u32]) -> Result<(), StateError> {
    match slots.iter().find(|slot| **slot as usize >= table.len()) {
        Some(slot) => Err(StateError::UnknownSlot { slot: *slot, slots: table.len() }),
        None => Ok(()),
    }
}
