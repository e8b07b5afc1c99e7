//! Entries under sub-keys, the ground of list and map states: read from the host once a call, written back in one piece.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::error::Error;
use crate::native::{Column, OwnedColumn, Page, Services};
use crate::shared::{NO_SLOT, Shared};

/// The sub-keys of one state during one call, as bytes.
pub(super) struct SubKeys {
    number: u32,
    name: String,
    shared: Rc<Shared>,
    slots: RefCell<BTreeMap<u32, Slot>>,
}

/// What is known of one key.
#[derive(Default)]
struct Slot {
    /// All that the host has is void.
    cleared: bool,
    /// The host hasn't been told yet.
    clear_is_pending: bool,
    entries: BTreeMap<Vec<u8>, Entry>,
}

struct Entry {
    value: Option<Vec<u8>>,
    dirty: bool,
}

impl SubKeys {
    pub(super) fn new(number: u32, name: &str, shared: Rc<Shared>) -> Self {
        Self { number, name: name.to_owned(), shared, slots: RefCell::default() }
    }

    /// A call begins.
    pub(super) fn begin(&self) {
        self.slots.borrow_mut().clear();
    }

    /// Lends the value of a sub-key of the current key to `read`.
    pub(super) fn get<R>(&self, sub_key: &[u8], read: impl FnOnce(Option<&[u8]>) -> R) -> R {
        let Some(slot) = self.current() else { return read(None) };
        let mut slots = self.slots.borrow_mut();
        let known = slots.entry(slot).or_default();
        if let Some(entry) = known.entries.get(sub_key) {
            return read(entry.value.as_deref());
        }
        let value = if known.cleared { None } else { self.fetch(slot, sub_key) };
        let result = read(value.as_deref());
        known.entries.insert(sub_key.to_vec(), Entry { value, dirty: false });
        result
    }

    /// Sets or deletes a sub-key of the current key.
    pub(super) fn put(&self, sub_key: &[u8], value: Option<Vec<u8>>) {
        let Some(slot) = self.current() else { return };
        self.slots.borrow_mut().entry(slot).or_default().entries.insert(sub_key.to_vec(), Entry { value, dirty: true });
    }

    /// Deletes all sub-keys of the current key.
    pub(super) fn clear(&self) {
        let Some(slot) = self.current() else { return };
        self.slots.borrow_mut().insert(slot, Slot { cleared: true, clear_is_pending: true, entries: BTreeMap::new() });
    }

    /// At most `limit` entries of the current key after `after`, this call's changes included.
    pub(super) fn scan(&self, after: Option<&[u8]>, limit: u32) -> Page {
        let Some(slot) = self.current() else { return Page::default() };
        let page = self.shared.services.with(|services| {
            self.flush(services);
            services.scan(self.number, slot, after, limit)
        });
        page.unwrap_or_default()
    }

    /// Hands all changes to the host, in order of slot and sub-key.
    pub(super) fn flush(&self, services: &mut dyn Services) {
        let mut slots = self.slots.borrow_mut();
        let mut cleared = Vec::new();
        let (mut changed, mut sub_keys, mut values) = (Vec::new(), OwnedColumn::default(), OwnedColumn::default());
        for (&number, slot) in slots.iter_mut() {
            if std::mem::take(&mut slot.clear_is_pending) {
                cleared.push(number);
            }
            for (sub_key, entry) in &mut slot.entries {
                if std::mem::take(&mut entry.dirty) {
                    changed.push(number);
                    sub_keys.push(Some(sub_key));
                    values.push(entry.value.as_deref());
                }
            }
        }
        if !cleared.is_empty() {
            services.clear(self.number, &cleared);
        }
        if !changed.is_empty() {
            services.put_sub(self.number, &changed, sub_keys.as_column(), values.as_column());
        }
    }

    /// Refuses the record that is being processed.
    #[cold]
    pub(super) fn refuse(&self, why: &str) {
        self.shared.fail(Error::new(format!("state `{}`: {why}", self.name)));
    }

    fn fetch(&self, slot: u32, sub_key: &[u8]) -> Option<Vec<u8>> {
        let lengths = [sub_key.len() as u32];
        let wanted = Column { lengths: &lengths, data: sub_key };
        let column = self.shared.services.with(|services| services.get_sub(self.number, &[slot], wanted))?;
        column.as_column().iter().next().flatten().map(<[u8]>::to_vec)
    }

    fn current(&self) -> Option<u32> {
        let slot = self.shared.slot.get();
        if slot == NO_SLOT {
            self.refuse("no record is being processed, so there is no key");
            return None;
        }
        Some(slot)
    }
}
