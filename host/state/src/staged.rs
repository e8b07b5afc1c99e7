//! What a running call has written: seen by the call itself, and by nobody else until it returns ok.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::keyed::{KeyTable, KeyedState};

/// The length of an item that is missing from a column.
pub const MISSING: u32 = u32::MAX;

/// Byte strings in one column: item `i` has `lengths[i]` bytes of `data`; [`MISSING`]: there is no item `i`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Column<'a> {
    /// One length an item.
    pub lengths: &'a [u32],
    /// The items' bytes, back to back.
    pub data: &'a [u8],
}

/// A [`Column`] that owns its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnedColumn {
    /// One length an item.
    pub lengths: Vec<u32>,
    /// The items' bytes, back to back.
    pub data: Vec<u8>,
}

impl OwnedColumn {
    /// Appends an item.
    pub fn push(&mut self, item: Option<&[u8]>) {
        self.lengths.push(item.map_or(MISSING, |item| item.len() as u32));
        self.data.extend_from_slice(item.unwrap_or_default());
    }

    /// The column, borrowed.
    #[must_use]
    pub fn as_column(&self) -> Column<'_> {
        Column { lengths: &self.lengths, data: &self.data }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.as_column().iter()
    }
}

impl<'a> Column<'a> {
    /// The items, in order. Ends early where the lengths don't add up; [`Column::check`] says so beforehand.
    pub fn iter(self) -> impl Iterator<Item = Option<&'a [u8]>> {
        let mut rest = self.data;
        self.lengths.iter().map_while(move |length| {
            if *length == MISSING {
                return Some(None);
            }
            let (item, more) = rest.split_at_checked(*length as usize)?;
            rest = more;
            Some(Some(item))
        })
    }

    /// # Errors
    /// When there are not `items` items, or their lengths don't add up to the data.
    pub fn check(self, items: usize) -> Result<(), StateError> {
        let bytes = self.lengths.iter().filter(|length| **length != MISSING).map(|length| u64::from(*length)).sum::<u64>();
        if self.lengths.len() == items && bytes == self.data.len() as u64 {
            Ok(())
        } else {
            Err(StateError::BadColumn { items, lengths: self.lengths.len(), bytes, data: self.data.len() })
        }
    }
}

/// A guest's mistake in a state call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StateError {
    /// A state number beyond the function's states.
    #[error("state {state} is not declared: the function has {states} states, numbered from 0")]
    UnknownState {
        /// The number given.
        state: u32,
        /// How many there are.
        states: usize,
    },
    /// A value state used as a map or list, or the other way round.
    #[error("state {state} is a {} state and was used as a {} state", kind_word(*.is_value), kind_word(!*.is_value))]
    WrongKind {
        /// The state's number.
        state: u32,
        /// Whether it is a value state.
        is_value: bool,
    },
    /// A slot beyond the keys of the call.
    #[error("slot {slot} is not a key of this call, which has {slots}")]
    UnknownSlot {
        /// The slot given.
        slot: u32,
        /// How many there are.
        slots: usize,
    },
    /// Lengths, items and data that contradict each other.
    #[error("a column of {lengths} lengths that add up to {bytes} bytes came with {data} bytes of data for {items} items")]
    BadColumn {
        /// Items expected.
        items: usize,
        /// Lengths given.
        lengths: usize,
        /// What the lengths add up to.
        bytes: u64,
        /// Bytes given.
        data: usize,
    },
}

fn kind_word(is_value: bool) -> &'static str {
    if is_value { "value" } else { "map or list" }
}

/// New values of a value state.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) state: u32,
    pub(crate) slots: Vec<u32>,
    pub(crate) values: OwnedColumn,
}

/// What a call did to the entries of one key in one map or list state.
#[derive(Debug, Default)]
pub(crate) struct SubChanges {
    /// Everything that was there before is gone.
    pub(crate) cleared: bool,
    /// Then these were put; `None` deletes.
    pub(crate) puts: BTreeMap<Box<[u8]>, Option<Box<[u8]>>>,
}

/// What a call may touch: the keys of its batch and their state.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The subtask's state.
    pub state: &'a KeyedState,
    /// The keys of the call.
    pub table: &'a KeyTable,
}

/// The state writes of one call.
#[derive(Debug, Default)]
pub struct Staged {
    pub(crate) puts: Vec<Put>,
    pub(crate) subs: BTreeMap<(u32, u32), SubChanges>,
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

    /// Entry `i`: sub-key `i` of slot `i`, as this call sees it.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn get_sub(&self, scope: Scope<'_>, number: u32, slots: &[u32], sub_keys: Column<'_>) -> Result<OwnedColumn, StateError> {
        check_kind(scope.state, number, false)?;
        sub_keys.check(slots.len())?;
        let mut found = OwnedColumn::default();
        for (slot, sub_key) in slots.iter().zip(sub_keys.iter()) {
            let (entry, sub_key) = (scope.table.entry(*slot)?, sub_key.unwrap_or_default());
            let changes = self.subs.get(&(number, *slot));
            let stored = || scope.state.sub_keys(number).and_then(|sub_keys| sub_keys.get(entry, sub_key));
            found.push(match changes.and_then(|changes| changes.puts.get(sub_key)) {
                Some(staged) => staged.as_deref(),
                None if changes.is_some_and(|changes| changes.cleared) => None,
                None => stored(),
            });
        }
        Ok(found)
    }

    /// At most `limit` entries of one slot behind `after`, as this call sees them; fewer when they hold more than `bytes_max` bytes.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn scan(&self, scope: Scope<'_>, number: u32, slot: u32, after: Option<&[u8]>, limit: u32, bytes_max: usize) -> Result<Page, StateError> {
        check_kind(scope.state, number, false)?;
        let entry = scope.table.entry(slot)?;
        let changes = self.subs.get(&(number, slot));
        let cleared = changes.is_some_and(|changes| changes.cleared);
        let stored = scope.state.sub_keys(number).filter(|_| !cleared).into_iter().flat_map(|sub_keys| sub_keys.range(entry, after));
        let staged = changes.into_iter().flat_map(|changes| &changes.puts).map(|(sub_key, value)| (sub_key.as_ref(), value.as_deref()));
        let staged = staged.filter(|(sub_key, _)| after.is_none_or(|after| *sub_key > after));
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
    match state.is_value(number) {
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
