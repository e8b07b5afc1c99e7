//! The services of one call in the harness: everything is staged, and a breach of the contract panics.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::store::{Snapshot, SubEntries};
use crate::native::{Column, Level, OwnedColumn, Page, Rows, Services, StateDescriptor, StateKind};

/// What one call has staged.
pub(super) struct CallServices<'h> {
    pub(super) states: &'h [StateDescriptor],
    /// The key of each slot.
    pub(super) keys: &'h [Vec<u8>],
    pub(super) store: &'h Snapshot,
    pub(super) staged: Staged,
}

/// Changes that take effect when the call returns ok.
#[derive(Default)]
pub(super) struct Staged {
    pub(super) rows: Vec<u8>,
    pub(super) values: BTreeMap<(u32, u32), Option<Vec<u8>>>,
    /// The entries of each touched (state, slot), as they will be.
    pub(super) entries: BTreeMap<(u32, u32), SubEntries>,
    pub(super) log: Vec<(Level, String)>,
    pub(super) counts: BTreeMap<String, u64>,
}

impl CallServices<'_> {
    /// The state and the key that a service is asked for.
    fn address(&self, state: u32, slot: u32, is_value: bool) -> (&str, &[u8]) {
        let Some(descriptor) = self.states.get(state as usize) else { panic!("the operator used state {state}, which it doesn't declare") };
        assert_eq!(descriptor.kind == StateKind::Value, is_value, "the operator used state `{}` as another kind of state", descriptor.name);
        let Some(key) = self.keys.get(slot as usize) else { panic!("the operator used slot {slot}, which this call doesn't have") };
        (&descriptor.name, key)
    }

    /// The entries of a key as this call sees them.
    fn entries(&mut self, state: u32, slot: u32) -> &mut SubEntries {
        let before = match self.staged.entries.get(&(state, slot)) {
            Some(_) => BTreeMap::new(),
            None => {
                let (name, key) = self.address(state, slot, false);
                self.store.entries(name, key)
            }
        };
        self.staged.entries.entry((state, slot)).or_insert(before)
    }
}

impl Services for CallServices<'_> {
    fn emit(&mut self, output: u32, rows: &[u8]) {
        assert_eq!(output, 0, "the operator emitted to output {output}, which it doesn't declare");
        assert!(Rows::new(rows).all(|row| row.is_ok()), "the operator emitted rows whose lengths don't add up");
        self.staged.rows.extend_from_slice(rows);
    }

    fn put(&mut self, state: u32, slots: &[u32], values: Column<'_>) {
        assert_eq!(slots.len(), values.lengths.len(), "as many values as slots");
        for (&slot, value) in slots.iter().zip(values.iter()) {
            self.address(state, slot, true);
            self.staged.values.insert((state, slot), value.map(<[u8]>::to_vec));
        }
    }

    fn get_sub(&mut self, state: u32, slots: &[u32], sub_keys: Column<'_>) -> OwnedColumn {
        let mut found = OwnedColumn::default();
        for (&slot, sub_key) in slots.iter().zip(sub_keys.iter()) {
            let entries = self.entries(state, slot);
            found.push(sub_key.and_then(|sub_key| entries.get(sub_key)).map(Vec::as_slice));
        }
        found
    }

    fn put_sub(&mut self, state: u32, slots: &[u32], sub_keys: Column<'_>, values: Column<'_>) {
        for ((&slot, sub_key), value) in slots.iter().zip(sub_keys.iter()).zip(values.iter()) {
            let Some(sub_key) = sub_key else { panic!("the operator put a missing sub-key") };
            let entries = self.entries(state, slot);
            match value {
                Some(value) => entries.insert(sub_key.to_vec(), value.to_vec()),
                None => entries.remove(sub_key),
            };
        }
    }

    fn scan(&mut self, state: u32, slot: u32, after: Option<&[u8]>, limit: u32) -> Page {
        let entries = self.entries(state, slot);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = entries.range::<[u8], _>((from, Bound::Unbounded));
        let mut page = Page::default();
        for (sub_key, value) in rest.by_ref().take(limit as usize) {
            page.sub_keys.push(Some(sub_key));
            page.values.push(Some(value));
        }
        page.more = rest.next().is_some();
        page
    }

    fn clear(&mut self, state: u32, slots: &[u32]) {
        for &slot in slots {
            self.entries(state, slot).clear();
        }
    }

    fn log(&mut self, level: Level, message: &str) {
        self.staged.log.push((level, message.to_owned()));
    }

    fn count(&mut self, name: &str, add: u64) {
        *self.staged.counts.entry(name.to_owned()).or_default() += add;
    }
}
