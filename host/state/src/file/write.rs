//! Captured rows become a file.

use std::ops::ControlFlow;

use weir_model::describe::StateDescriptor;

use crate::captured::Captured;
use crate::column::StateError;
use crate::file::block::BlockWriter;
use crate::file::format::{Footer, FooterBlock, Trailer, checksum};
use crate::file::{StateFile, StateFileInfo};
use crate::row::SnapshotScope;

/// About the length of the files that state on a disk becomes, bytes: what is in memory of them at a time.
const PIECE_BYTES: usize = 16 << 20;

impl Captured {
    /// Sorts the rows and writes them as a file; `None`: all of them are written. Rows in memory become one file. Those on a disk become as many as it takes
    /// to have little of them in memory at a time; all belong to the snapshot, in any order. Long work for many rows: not for the task's own thread.
    ///
    /// # Errors
    /// [`StateError::Disk`] when the rows are on a disk that fails.
    pub fn next_file(&mut self) -> Result<Option<StateFile>, StateError> {
        if self.is_written() {
            return Ok(None);
        }
        // Rows in a file are a little shorter than here.
        let mut bytes = Vec::with_capacity(self.bytes());
        let (mut block, mut blocks, mut rows) = (BlockWriter::default(), Vec::new(), 0);
        self.for_each_sorted(|row| {
            if block.is_full_for(row) {
                blocks.extend(block.finish(&mut bytes));
            }
            block.push(row);
            rows += 1;
            if bytes.len() < PIECE_BYTES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        blocks.extend(block.finish(&mut bytes));
        Ok(Some(finish(self.scope(), rows, self.states(), blocks, bytes)))
    }

    /// The rows as one file, which they must fit.
    #[cfg(test)]
    pub(crate) fn into_file(mut self) -> Result<StateFile, StateError> {
        let file = self.next_file()?.unwrap();
        assert_eq!(self.next_file()?.map(|more| more.info), None, "the rows are more than a file");
        Ok(file)
    }
}

/// Puts the end to a file of which `bytes` are the blocks.
pub(super) fn finish(scope: SnapshotScope, rows: u64, states: &[StateDescriptor], blocks: Vec<FooterBlock>, mut bytes: Vec<u8>) -> StateFile {
    let first = blocks.iter().map(|block| block.first_group).min();
    let last = blocks.iter().map(|block| block.last_group).max();
    let footer = Footer { scope: scope.into(), rows, states: states.iter().map(Into::into).collect(), blocks };
    // Encoding numbers, strings and lists into memory can't fail.
    let footer = postcard::to_allocvec(&footer).unwrap_or_default();
    let checksum = checksum(&footer);
    bytes.extend_from_slice(&footer);
    Trailer { footer_bytes: footer.len() as u64, footer_checksum: checksum }.write(&mut bytes);
    bytes.shrink_to_fit();
    let key_groups = first.unwrap_or(0)..last.map_or(0, |last| last + 1);
    let info = StateFileInfo { scope, rows, bytes: bytes.len() as u64, checksum, key_groups };
    StateFile { bytes, info }
}
