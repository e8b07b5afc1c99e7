//! The rows of a snapshot's state, read from its files as far as they are wanted and believed only when they verify.

use std::ops::{ControlFlow, Range};

use weir_checkpoint::manifest::FileEntry;
use weir_checkpoint::store::Store;
use weir_model::describe::StateDescriptor;
use weir_model::{Error, Result};
use weir_state::{MergeError, MergeStep, MergedRows, StateFileIndex, StateRow};

use super::Progress;
use crate::state_file;

/// The rows of some files of one operator, merged: each address once, with its newest value. A few megabytes of each file are in memory at a time.
pub struct SnapshotRows {
    store: Store,
    files: Vec<FileEntry>,
    rows: MergedRows,
    progress: Option<Progress>,
}

impl SnapshotRows {
    /// The rows of these key groups in `files`, those of each subtask from the oldest to the newest; of the states called `state`, if there is one.
    ///
    /// # Errors
    /// When a file is missing, isn't the one that is meant, or contradicts the others.
    pub async fn open(store: &Store, files: Vec<FileEntry>, state: Option<&str>, key_groups: Range<u32>) -> Result<Self> {
        let mut indexes = Vec::with_capacity(files.len());
        for file in &files {
            indexes.push(read_index(store, file).await?);
        }
        let rows = MergedRows::new(indexes, state, key_groups).map_err(|error| refuse_merge(store, &files, &error))?;
        Ok(Self { store: store.clone(), files, rows, progress: None })
    }

    /// The same, telling how many bytes are read.
    pub(super) fn telling(self, progress: Progress) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// All schema versions of all states; [`StateRow::state`] numbers them. Versions of one state stand together, the newest first.
    #[must_use]
    pub fn states(&self) -> &[StateDescriptor] {
        self.rows.states()
    }

    /// Gives rows to `each`, in order of state, key group, key and sub-key, until it breaks; `false`: there are no more.
    ///
    /// # Errors
    /// When a file can't be read or doesn't verify.
    pub async fn next(&mut self, mut each: impl FnMut(&StateRow<'_>) -> ControlFlow<()>) -> Result<bool> {
        loop {
            match self.rows.next(&mut each).map_err(|error| refuse_merge(&self.store, &self.files, &error))? {
                MergeStep::Paused => return Ok(true),
                MergeStep::Done => return Ok(false),
                MergeStep::Fetch { file, range } => {
                    let Some(entry) = self.files.get(file) else { return Ok(false) };
                    let bytes = state_file::read(&self.store, entry, range, &|file, why| refuse(&self.store, file, why)).await?;
                    self.rows.supply(&bytes).map_err(|error| refuse_merge(&self.store, &self.files, &error))?;
                    if let Some(progress) = &self.progress {
                        progress(bytes.len() as u64);
                    }
                }
            }
        }
    }
}

/// Reads the end of a state file: its states, and what is where.
///
/// # Errors
/// When it is missing, cut off, damaged, or another file.
pub async fn read_index(store: &Store, file: &FileEntry) -> Result<StateFileIndex> {
    state_file::index(store, file, &|file, why| refuse(store, file, why)).await
}

fn refuse_merge(store: &Store, files: &[FileEntry], error: &MergeError) -> Error {
    let (MergeError::File { file, .. } | MergeError::States { file, .. }) = error;
    match files.get(*file) {
        Some(file) => refuse(store, file, error.to_string()),
        None => Error::job(store.location(), error.to_string(), REMEDY),
    }
}

pub(super) fn refuse(store: &Store, file: &FileEntry, why: String) -> Error {
    Error::job(store.display(&file.path), why, REMEDY)
}

const REMEDY: &str = "bring the file back from a copy, or use another savepoint or checkpoint";
