//! Many files of one operator read as one: in order, the newest row of each address, without what is deleted.
//!
//! A file lists a state's name once for each schema version that its rows have, so rows of one file are in order only as far as they have one version: these
//! are the runs that are merged. Whoever calls does the fetching, a few megabytes at a time.

use std::cmp::Ordering;
use std::ops::{ControlFlow, Range};

use thiserror::Error;
use weir_model::describe::StateDescriptor;

use crate::file::FileError;
use crate::file::read::StateFileIndex;
use crate::row::StateRow;

mod place;
mod run;
mod write;
mod sort;

#[cfg(test)]
mod tests;

use run::Run;
pub use sort::RowSorter;
pub use write::StateFilesWriter;

/// What all runs together may have fetched and not yet passed on, about; but each may have [`FETCH_BYTES_MIN`].
const FETCHED_BYTES: u64 = 32 << 20;
const FETCH_BYTES_MIN: u64 = 128 << 10;
const FETCH_BYTES_MAX: u64 = 4 << 20;

/// The rows of some files, the later files being newer: each address once, in order of state, key group, key and sub-key. Those of all schema versions of a
/// state come together.
#[derive(Debug)]
pub struct MergedRows {
    files: Vec<StateFileIndex>,
    states: Vec<StateDescriptor>,
    /// Those of states that haven't begun, the next one last.
    waiting: Vec<Vec<Run>>,
    /// Those of the state that is being read, a heap: the one with the smallest row is first.
    heap: Vec<Run>,
    key_groups: Range<u32>,
    fetch_bytes: u64,
    /// The first run has to be given this.
    fetch: Option<Range<u64>>,
    last: Last,
}

/// How far a merge has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeStep {
    /// These bytes are needed, whole blocks, for [`MergedRows::supply`].
    Fetch {
        /// The place of the file among those given.
        file: usize,
        /// The bytes.
        range: Range<u64>,
    },
    /// Whoever takes the rows has said that it is enough for now.
    Paused,
    /// There are no more rows.
    Done,
}

/// Why files can't be merged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MergeError {
    /// One of them isn't believed.
    #[error("{error}")]
    File {
        /// The place of the file among those given.
        file: usize,
        /// What is wrong with it.
        error: FileError,
    },
    /// They don't mean the same by a name.
    #[error("its state {name} is of another kind or codec than in another file of the same snapshot")]
    States {
        /// The place of the file among those given.
        file: usize,
        /// The state.
        name: String,
    },
}

/// The address that was met last, and what has been deleted as a whole.
#[derive(Debug, Default)]
struct Last {
    is_set: bool,
    key_group: u32,
    key: Vec<u8>,
    has_sub_key: bool,
    sub_key: Vec<u8>,
    /// Under this key, rows of files before this one are gone.
    cleared_before: usize,
}

impl MergedRows {
    /// The rows of these key groups in `files`, from the oldest file to the newest; of the states called `name`, if there is one.
    ///
    /// # Errors
    /// When the files don't mean the same by a state's name.
    pub fn new(files: Vec<StateFileIndex>, name: Option<&str>, key_groups: Range<u32>) -> Result<Self, MergeError> {
        let states = merged_states(&files, name)?;
        let mut waiting: Vec<Vec<Run>> = Vec::new();
        let mut names: Vec<&str> = states.iter().map(|state| state.name.as_str()).collect();
        names.dedup();
        let mut runs = 0;
        for name in names.iter().rev() {
            let mut family = Vec::new();
            for (file, index) in files.iter().enumerate() {
                for (own, state) in index.states().iter().enumerate().filter(|(_, state)| state.name == *name) {
                    let Some(number) = position(&states, state) else { continue };
                    family.extend(Run::new(file, own, number, index, &key_groups));
                }
            }
            runs = runs.max(family.len() as u64);
            waiting.push(family);
        }
        let fetch_bytes = (FETCHED_BYTES / runs.max(1)).clamp(FETCH_BYTES_MIN, FETCH_BYTES_MAX);
        Ok(Self { files, states, waiting, heap: Vec::new(), key_groups, fetch_bytes, fetch: None, last: Last::default() })
    }

    /// All schema versions of all states: [`StateRow::state`] numbers them. Versions of one state stand together, the newest first.
    #[must_use]
    pub fn states(&self) -> &[StateDescriptor] {
        &self.states
    }

    /// Gives rows to `each` until it breaks, or more bytes are needed. All rows have a value.
    ///
    /// # Errors
    /// When a file isn't believed.
    pub fn next(&mut self, mut each: impl FnMut(&StateRow<'_>) -> ControlFlow<()>) -> Result<MergeStep, MergeError> {
        loop {
            let Some(first) = self.heap.first_mut() else {
                let Some(family) = self.waiting.pop() else { return Ok(MergeStep::Done) };
                self.begin(family);
                continue;
            };
            let Some(row) = first.row() else {
                if let Some(range) = first.fetch_range(self.fetch_bytes) {
                    self.fetch = Some(range.clone());
                    return Ok(MergeStep::Fetch { file: first.file, range });
                }
                self.heap.swap_remove(0);
                self.sift_down(0);
                continue;
            };
            let flow = if self.last.passes(&row, first.file) { each(&row) } else { ControlFlow::Continue(()) };
            first.advance();
            self.sift_down(0);
            if flow.is_break() {
                return Ok(MergeStep::Paused);
            }
        }
    }

    /// Takes the bytes that [`MergeStep::Fetch`] has asked for.
    ///
    /// # Errors
    /// When they are damaged, or not those.
    pub fn supply(&mut self, bytes: &[u8]) -> Result<(), MergeError> {
        let (Some(range), Some(run)) = (self.fetch.take(), self.heap.first_mut()) else { return Ok(()) };
        let file = run.file;
        let missing = FileError::NotBlocks { range: range.clone(), found: bytes.len() };
        let index = self.files.get(file).ok_or(MergeError::File { file, error: missing })?;
        run.supply(index, &range, bytes, &self.key_groups).map_err(|error| MergeError::File { file, error })?;
        self.sift_down(0);
        Ok(())
    }

    fn begin(&mut self, family: Vec<Run>) {
        self.last.is_set = false;
        self.heap = family;
        self.heap.sort_unstable_by(Run::order);
    }

    /// Moves a run down to where those above it have smaller rows.
    fn sift_down(&mut self, mut at: usize) {
        loop {
            let is_less = |a: usize, b: usize| self.heap.get(a).zip(self.heap.get(b)).is_some_and(|(a, b)| a.order(b) == Ordering::Less);
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let smaller = if is_less(right, left) { right } else { left };
            if !is_less(smaller, at) {
                return;
            }
            self.heap.swap(at, smaller);
            at = smaller;
        }
    }
}

impl StateFileIndex {
    /// Rows of the state of this number, deletions included, and the bytes of their blocks.
    #[must_use]
    pub fn size_of(&self, state: usize) -> (u64, u64) {
        let own = self.blocks.iter().map(|(_, block)| block).filter(|block| block.state as usize == state);
        own.fold((0, 0), |(rows, bytes), block| (rows + u64::from(block.rows), bytes + block.bytes))
    }
}

impl Last {
    /// Whether a row is the newest of its address and holds a value; rows come in order of address, the newest first.
    fn passes(&mut self, row: &StateRow<'_>, file: usize) -> bool {
        let is_key = self.is_set && self.key_group == row.key_group.0 && self.key == row.key;
        let is_address = is_key && self.has_sub_key == row.sub_key.is_some() && self.sub_key == row.sub_key.unwrap_or_default();
        if is_address {
            return false;
        }
        if !is_key {
            (self.is_set, self.key_group, self.cleared_before) = (true, row.key_group.0, 0);
            self.key.clear();
            self.key.extend_from_slice(row.key);
        }
        self.has_sub_key = row.sub_key.is_some();
        self.sub_key.clear();
        self.sub_key.extend_from_slice(row.sub_key.unwrap_or_default());
        if row.sub_key.is_none() && row.value.is_none() {
            self.cleared_before = file;
        }
        row.value.is_some() && file >= self.cleared_before
    }
}

/// All versions of all states of the files, by name; names in the order of the newest file that has them, its time to live holds.
fn merged_states(files: &[StateFileIndex], name: Option<&str>) -> Result<Vec<StateDescriptor>, MergeError> {
    let mut states: Vec<StateDescriptor> = Vec::new();
    for (file, index) in files.iter().enumerate().rev() {
        for state in index.states().iter().filter(|state| name.is_none_or(|name| state.name == name)) {
            let mut same_name = states.iter().filter(|other| other.name == state.name);
            let differs =
                |other: &StateDescriptor| other.kind != state.kind || other.schema_version == state.schema_version && other.value != state.value;
            if same_name.any(differs) {
                return Err(MergeError::States { file, name: state.name.clone() });
            }
            if position(&states, state).is_none() {
                let before = |other: &&StateDescriptor| other.name == state.name && other.schema_version > state.schema_version;
                let newer = states.iter().filter(before).count();
                let first = states.iter().position(|other| other.name == state.name).unwrap_or(states.len());
                states.insert(first + newer, state.clone());
            }
        }
    }
    Ok(states)
}

fn position(states: &[StateDescriptor], state: &StateDescriptor) -> Option<usize> {
    states.iter().position(|other| other.name == state.name && other.schema_version == state.schema_version)
}
