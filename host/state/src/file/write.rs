//! Captured rows become a file.

use weir_model::describe::StateDescriptor;

use crate::captured::Captured;
use crate::column::StateError;
use crate::file::block::BlockWriter;
use crate::file::format::{Footer, FooterBlock, Trailer, checksum};
use crate::file::{StateFile, StateFileInfo};
use crate::row::SnapshotScope;

impl Captured {
    /// Sorts the rows and writes them as a file, for the function with these states. Long work for many rows: not for the task's own thread.
    ///
    /// # Errors
    /// [`StateError::Disk`] when the rows are on a disk that fails.
    pub fn into_file(mut self, states: &[StateDescriptor]) -> Result<StateFile, StateError> {
        // Rows in a file are a little shorter than here.
        let mut bytes = Vec::with_capacity(self.bytes());
        let (mut block, mut blocks, mut rows) = (BlockWriter::default(), Vec::new(), 0);
        self.for_each_sorted(|row| {
            if block.is_full_for(row) {
                blocks.extend(block.finish(&mut bytes));
            }
            block.push(row);
            rows += 1;
        })?;
        blocks.extend(block.finish(&mut bytes));
        let scope = self.scope();
        drop(self);
        Ok(finish(scope, rows, states, blocks, bytes))
    }
}

/// Puts the end to a file of which `bytes` are the blocks.
fn finish(scope: SnapshotScope, rows: u64, states: &[StateDescriptor], blocks: Vec<FooterBlock>, mut bytes: Vec<u8>) -> StateFile {
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
