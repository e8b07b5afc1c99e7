//! Sorted rows become full files: those of the newest schema version of each state together, those of each older version in files of their own.

use weir_model::describe::StateDescriptor;

use crate::file::StateFile;
use crate::file::block::BlockWriter;
use crate::file::format::FooterBlock;
use crate::file::write::finish;
use crate::row::{SnapshotScope, StateRow};

/// About the length of a file, bytes: what is in memory of it at a time.
const FILE_BYTES: usize = 64 << 20;

/// Writes rows, which come in the order of [`MergedRows`](crate::MergedRows), as full files of about 64 MiB. All files belong to one snapshot, in any order.
#[derive(Debug)]
pub struct StateFilesWriter {
    /// By the state's number: which of the files has it, and its number there.
    places: Vec<(usize, usize)>,
    /// That of the newest versions first, then one for each older version.
    files: Vec<OpenFile>,
    file_bytes: usize,
    is_empty: bool,
}

/// A file that is being filled.
#[derive(Debug, Default)]
struct OpenFile {
    states: Vec<StateDescriptor>,
    block: BlockWriter,
    blocks: Vec<FooterBlock>,
    rows: u64,
    bytes: Vec<u8>,
}

impl StateFilesWriter {
    /// For rows of these states, of which the versions of a name stand together, the newest first.
    #[must_use]
    pub fn new(states: &[StateDescriptor]) -> Self {
        Self::with_file_bytes(states, FILE_BYTES)
    }

    pub(super) fn with_file_bytes(states: &[StateDescriptor], file_bytes: usize) -> Self {
        let mut files = vec![OpenFile::default()];
        let mut places = Vec::with_capacity(states.len());
        for (number, state) in states.iter().enumerate() {
            let is_older = number.checked_sub(1).and_then(|before| states.get(before)).is_some_and(|before| before.name == state.name);
            if is_older {
                places.push((files.len(), 0));
                files.push(OpenFile { states: vec![state.clone()], ..OpenFile::default() });
            } else if let Some(newest) = files.first_mut() {
                places.push((0, newest.states.len()));
                newest.states.push(state.clone());
            }
        }
        Self { places, files, file_bytes, is_empty: true }
    }

    /// Adds the next row, and gives a file that this has made full.
    pub fn push(&mut self, row: &StateRow<'_>) -> Option<StateFile> {
        let (file, state) = *self.places.get(row.state)?;
        let file = self.files.get_mut(file)?;
        let row = StateRow { state, ..*row };
        if file.block.is_full_for(&row) {
            file.blocks.extend(file.block.finish(&mut file.bytes));
        }
        file.block.push(&row);
        file.rows += 1;
        if file.bytes.len() < self.file_bytes {
            return None;
        }
        self.is_empty = false;
        Some(file.finish())
    }

    /// The files that aren't full: at least one file comes of every snapshot, if only to say which states there are.
    #[must_use]
    pub fn finish(mut self) -> Vec<StateFile> {
        let mut files: Vec<_> = self.files.iter_mut().filter(|file| file.rows > 0).map(OpenFile::finish).collect();
        if files.is_empty() && self.is_empty {
            files.extend(self.files.first_mut().map(OpenFile::finish));
        }
        files
    }
}

impl OpenFile {
    fn finish(&mut self) -> StateFile {
        self.blocks.extend(self.block.finish(&mut self.bytes));
        let (blocks, bytes) = (std::mem::take(&mut self.blocks), std::mem::take(&mut self.bytes));
        finish(SnapshotScope::Full, std::mem::take(&mut self.rows), &self.states, blocks, bytes)
    }
}
