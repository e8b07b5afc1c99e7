//! State as the harness keeps it: by state name, key and sub-key.

use std::collections::BTreeMap;

use crate::native::{StateDescriptor, StateKind};

/// The entries of one key by sub-key.
pub(super) type SubEntries = BTreeMap<Vec<u8>, Vec<u8>>;

/// A state and a key.
type Address = (String, Vec<u8>);

/// The state of an operator at one moment, by state name and key, with the schema version of each state; for [`super::Harness::restore`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What has written it, by state name.
    pub(super) states: BTreeMap<String, StateDescriptor>,
    /// Value states: (state, key) to value.
    pub(super) values: BTreeMap<Address, Vec<u8>>,
    /// Map and list states: (state, key) to entries by sub-key.
    pub(super) entries: BTreeMap<Address, SubEntries>,
}

impl Snapshot {
    /// Nothing yet, of these states.
    pub(super) fn of(states: &[StateDescriptor]) -> Self {
        let mut snapshot = Self::default();
        snapshot.set_states(states);
        snapshot
    }

    pub(super) fn set_states(&mut self, states: &[StateDescriptor]) {
        self.states.extend(states.iter().map(|state| (state.name.clone(), state.clone())));
    }

    /// Whether no key has any state.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.entries.is_empty()
    }

    pub(super) fn set_value(&mut self, state: &str, key: &[u8], value: Option<Vec<u8>>) {
        let address = (state.to_owned(), key.to_vec());
        match value {
            Some(value) => self.values.insert(address, value),
            None => self.values.remove(&address),
        };
    }

    pub(super) fn value(&self, state: &str, key: &[u8]) -> Option<&[u8]> {
        self.values.get(&(state.to_owned(), key.to_vec())).map(Vec::as_slice)
    }

    pub(super) fn set_entries(&mut self, state: &str, key: &[u8], entries: SubEntries) {
        let address = (state.to_owned(), key.to_vec());
        if entries.is_empty() {
            self.entries.remove(&address);
        } else {
            self.entries.insert(address, entries);
        }
    }

    pub(super) fn entries(&self, state: &str, key: &[u8]) -> SubEntries {
        self.entries.get(&(state.to_owned(), key.to_vec())).cloned().unwrap_or_default()
    }

    /// Every value of a state that has a schema version, with its key. The length of a list has none.
    pub(super) fn versioned(&mut self, state: &StateDescriptor) -> Vec<(&[u8], &mut Vec<u8>)> {
        let is_length = |sub_key: &Vec<u8>| state.kind == StateKind::List && sub_key.is_empty();
        let values = self.values.iter_mut().filter(|((name, _), _)| *name == state.name).map(|((_, key), value)| (key.as_slice(), value));
        let entries = self.entries.iter_mut().filter(|((name, _), _)| *name == state.name).flat_map(|((_, key), entries)| {
            let versioned = entries.iter_mut().filter(move |(sub_key, _)| !is_length(sub_key));
            versioned.map(|(_, value)| (key.as_slice(), value))
        });
        values.chain(entries).collect()
    }
}
