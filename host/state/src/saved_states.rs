//! The states of one snapshot, as its file lists them.

use weir_model::describe::StateDescriptor;

/// What a row's stored number means in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SavedState {
    /// Its number in the file.
    pub(crate) number: usize,
    /// Its family: rows of one family replace each other, whatever their version.
    pub(crate) family: usize,
    /// Whether no other of the family comes before it in the file: that is where deletions are, so that they are read first.
    pub(crate) is_first: bool,
    /// Whether no other of the family comes after it in the file.
    pub(crate) is_last: bool,
    /// The function's number of the state.
    pub(crate) state: usize,
}

/// The states in the order of their stored numbers, each name with all versions that rows may have.
#[derive(Debug, Default)]
pub(crate) struct SavedStates {
    descriptors: Vec<StateDescriptor>,
    by_stored: Vec<Option<SavedState>>,
    families: usize,
}

impl SavedStates {
    /// Of each state the function's number, and its versions by stored number.
    pub(crate) fn new(states: impl Iterator<Item = (usize, Vec<(usize, StateDescriptor)>)>) -> Self {
        let mut saved = Self::default();
        let mut all = Vec::new();
        for (state, versions) in states {
            let (first, last) = (versions.iter().map(|(stored, _)| *stored).min(), versions.iter().map(|(stored, _)| *stored).max());
            for (stored, descriptor) in versions {
                let (is_first, is_last) = (Some(stored) == first, Some(stored) == last);
                all.push((stored, descriptor, SavedState { number: 0, family: saved.families, is_first, is_last, state }));
            }
            saved.families += 1;
        }
        all.sort_unstable_by_key(|(stored, ..)| *stored);
        for (number, (stored, descriptor, state)) in all.into_iter().enumerate() {
            saved.by_stored.resize(stored, None);
            saved.by_stored.push(Some(SavedState { number, ..state }));
            saved.descriptors.push(descriptor);
        }
        saved
    }

    /// The states as the file lists them.
    pub(crate) fn descriptors(&self) -> &[StateDescriptor] {
        &self.descriptors
    }

    /// What a stored number means; `None`: such rows are of no concern.
    #[inline]
    pub(crate) fn get(&self, stored: usize) -> Option<SavedState> {
        self.by_stored.get(stored).copied().flatten()
    }

    /// The states in the order of the file, with their stored numbers.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (usize, SavedState)> {
        self.by_stored.iter().enumerate().filter_map(|(stored, state)| Some((stored, (*state)?)))
    }

    pub(crate) fn families(&self) -> usize {
        self.families
    }
}
