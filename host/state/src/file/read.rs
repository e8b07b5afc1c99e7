//! A file read back in parts: its end, then the blocks that are needed. Whoever calls does the fetching.

use std::ops::Range;

use thiserror::Error;
use weir_model::describe::StateDescriptor;

use crate::column::StateError;
use crate::file::block::read_block;
use crate::file::format::{Footer, FooterBlock, TRAILER_BYTES, Trailer, checksum};
use crate::file::{FileError, StateFileInfo};
use crate::row::StateRow;

/// The least that is fetched of a file's end.
const TAIL_BYTES_MIN: u64 = 64 << 10;
/// A file's footer is a smaller part of it than this, but for very small blocks or very long names.
const TAIL_SHARE: u64 = 512;
/// Blocks that are needed one after the other are fetched together up to this size.
const RANGE_BYTES_MAX: u64 = 8 << 20;

/// What a file has where.
#[derive(Debug)]
pub struct StateFileIndex {
    states: Vec<StateDescriptor>,
    /// Each block with its first byte in the file.
    pub(super) blocks: Vec<(u64, FooterBlock)>,
}

/// Why reading saved rows into state failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RestoreError {
    /// The file isn't believed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The state doesn't take a row.
    #[error(transparent)]
    State(#[from] StateError),
}

impl StateFileIndex {
    /// The part of a file of so many bytes that [`Self::parse`] wants.
    #[must_use]
    pub fn tail_bytes(file_bytes: u64) -> Range<u64> {
        file_bytes.saturating_sub(TAIL_BYTES_MIN + file_bytes / TAIL_SHARE)..file_bytes
    }

    /// Reads the index from the end of a file: that of [`Self::tail_bytes`], or the range that [`FileError::TailTooShort`] asks for.
    ///
    /// # Errors
    /// When it isn't the end of the file that was written as `expected`.
    pub fn parse(tail: &[u8], expected: &StateFileInfo) -> Result<Self, FileError> {
        let (trailer, before) = Trailer::read(tail)?;
        if trailer.footer_checksum != expected.checksum {
            return Err(FileError::AnotherFile { expected: expected.checksum, found: trailer.footer_checksum });
        }
        let after_footer = expected.bytes.checked_sub(TRAILER_BYTES as u64);
        let Some(blocks_bytes) = after_footer.and_then(|after_footer| after_footer.checked_sub(trailer.footer_bytes)) else {
            return Err(FileError::FooterDamaged);
        };
        let Some(footer) = before.len().checked_sub(trailer.footer_bytes as usize).and_then(|start| before.get(start..)) else {
            // Whoever asks again with more gets no other answer when the length itself is wrong.
            return Err(match tail.len() as u64 >= expected.bytes {
                true => FileError::Size { expected: expected.bytes, found: tail.len() as u64 },
                false => FileError::TailTooShort { needed: blocks_bytes..expected.bytes },
            });
        };
        if checksum(footer) != expected.checksum {
            return Err(FileError::FooterDamaged);
        }
        let footer: Footer = postcard::from_bytes(footer).map_err(|_| FileError::Malformed { what: "its footer can't be decoded" })?;
        Self::check(footer, expected, blocks_bytes)
    }

    /// Holds a footer against what is expected of the file and against itself.
    fn check(footer: Footer, expected: &StateFileInfo, blocks_bytes: u64) -> Result<Self, FileError> {
        let malformed = |what| Err(FileError::Malformed { what });
        if footer.rows != expected.rows || footer.scope != expected.scope.into() {
            return malformed("its footer doesn't say what the checkpoint says");
        }
        let (mut at, mut rows) = (0u64, 0u64);
        let mut blocks = Vec::with_capacity(footer.blocks.len());
        for block in footer.blocks {
            if block.state as usize >= footer.states.len() || block.first_group > block.last_group {
                return malformed("its footer has a block of no state or no key group");
            }
            blocks.push((at, block));
            at = at.saturating_add(block.bytes);
            rows = rows.saturating_add(block.rows.into());
        }
        if at != blocks_bytes || rows != footer.rows {
            return malformed("its blocks don't make up the file");
        }
        Ok(Self { states: footer.states.into_iter().map(Into::into).collect(), blocks })
    }

    /// The states of the function that wrote the file; [`StateRow::state`] numbers them. A name is there once for each schema version that values may have;
    /// rows of one name replace each other whatever their versions, and deletions are under the first.
    #[must_use]
    pub fn states(&self) -> &[StateDescriptor] {
        &self.states
    }

    /// What to fetch for these key groups: runs of whole blocks in the order of the file, none longer than some megabytes unless one row is.
    #[must_use]
    pub fn ranges(&self, key_groups: &Range<u32>) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for (at, block) in &self.blocks {
            if block.last_group < key_groups.start || block.first_group >= key_groups.end {
                continue;
            }
            let end = at + block.bytes;
            match ranges.last_mut() {
                Some(range) if range.end == *at && end - range.start <= RANGE_BYTES_MAX => range.end = end,
                _ => ranges.push(*at..end),
            }
        }
        ranges
    }

    /// Reads the rows of these key groups from `bytes`, which were fetched as one of the ranges of [`Self::ranges`].
    ///
    /// # Errors
    /// Those of `each`, and when a block is damaged; no row of that block was given to `each` then.
    pub fn read<E: From<FileError>>(
        &self,
        range: &Range<u64>,
        bytes: &[u8],
        key_groups: &Range<u32>,
        mut each: impl FnMut(StateRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let not_blocks = || FileError::NotBlocks { range: range.clone(), found: bytes.len() };
        let first = self.blocks.partition_point(|(at, _)| *at < range.start);
        let (mut next, mut rest) = (range.start, bytes);
        for (at, block) in self.blocks.iter().skip(first).take_while(|(at, _)| *at < range.end) {
            let (bytes, behind) = usize::try_from(block.bytes).ok().and_then(|length| rest.split_at_checked(length)).ok_or_else(not_blocks)?;
            if *at != next {
                return Err(not_blocks().into());
            }
            if checksum(bytes) != block.checksum {
                return Err(FileError::BlockDamaged { at: *at }.into());
            }
            read_block(block, bytes, key_groups, &mut each)?;
            (next, rest) = (at + block.bytes, behind);
        }
        if next != range.end || !rest.is_empty() {
            return Err(not_blocks().into());
        }
        Ok(())
    }
}
