//! The rows of a snapshot's state, read from its files as far as they are wanted and believed only when they verify.

use std::ops::{ControlFlow, Range};

use bytes::Bytes;
use weir_checkpoint::manifest::{FileEntry, FileScope};
use weir_checkpoint::store::Store;
use weir_model::describe::StateDescriptor;
use weir_model::{Error, Result};
use weir_state::{FileError, MergeError, MergeStep, MergedRows, SnapshotScope, StateFileIndex, StateFileInfo, StateRow};

use super::Progress;

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
            let refuse = |error: MergeError| refuse_merge(&self.store, &self.files, &error);
            match self.rows.next(&mut each).map_err(refuse)? {
                MergeStep::Paused => return Ok(true),
                MergeStep::Done => return Ok(false),
                MergeStep::Fetch { file, range } => {
                    let Some(entry) = self.files.get(file) else { return Ok(false) };
                    let bytes = read(&self.store, entry, range).await?;
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
    let refuse = |why: String| refuse(store, file, why);
    match store.size(&file.path).await? {
        Some(bytes) if bytes == file.bytes => {}
        Some(bytes) => return Err(refuse(format!("it has {bytes} bytes, and the manifest says {}", file.bytes))),
        None => return Err(refuse("it is missing".to_owned())),
    }
    let scope = match file.scope {
        FileScope::Full => SnapshotScope::Full,
        FileScope::Changes => SnapshotScope::Changes,
    };
    let expected = StateFileInfo { scope, rows: file.rows, bytes: file.bytes, checksum: file.checksum, key_groups: file.key_groups.clone() };
    let mut range = StateFileIndex::tail_bytes(expected.bytes);
    loop {
        let tail = read(store, file, range.clone()).await?;
        match StateFileIndex::parse(&tail, &expected) {
            Ok(index) => return Ok(index),
            Err(FileError::TailTooShort { needed }) if needed != range => range = needed,
            Err(error) => return Err(refuse(error.to_string())),
        }
    }
}

pub(super) async fn read(store: &Store, file: &FileEntry, range: Range<u64>) -> Result<Bytes> {
    let mut parts = store.get_ranges(&file.path, &[range]).await?;
    parts.pop().ok_or_else(|| refuse(store, file, "it can't be read".to_owned()))
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
