//! State as the harness keeps it: by state name, key and sub-key.

use std::collections::BTreeMap;

/// The entries of one key by sub-key.
pub(super) type SubEntries = BTreeMap<Vec<u8>, Vec<u8>>;

/// The state of an operator at one moment, by state name and key; for [`super::Harness::restore`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Value states: (state, key) to value.
    pub(super) values: BTreeMap<(String, Vec<u8>), Vec<u8>>,
    /// Map and list states: (state, key) to entries by sub-key.
    pub(super) entries: BTreeMap<(String, Vec<u8>), SubEntries>,
}

impl Snapshot {
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
}
