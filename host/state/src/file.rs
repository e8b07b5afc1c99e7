//! State files: sorted rows in checked blocks, with an index by state and key group at the end.
//!
//! A file is blocks, back to back, then the footer, then the trailer. The checksum that a checkpoint's manifest has of a file covers the footer,
//! the footer has a checksum of each block, and the trailer says nothing that isn't checked against either. So every changed bit is found before a
//! row is believed, and a reader that needs some key groups fetches and checks only their blocks.

use std::ops::Range;

use thiserror::Error;

use crate::row::SnapshotScope;

mod format;
mod ints;
mod block;
mod write;
mod read;
mod matching;
mod merge;

pub use matching::Incompatible;
pub(crate) use matching::{StateMatch, match_states};
pub use merge::{MergeError, MergeStep, MergedRows, RowSorter, StateFilesWriter};
pub use read::{RestoreError, StateFileIndex};

/// A finished file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFile {
    /// All of it.
    pub bytes: Vec<u8>,
    /// What to keep of it.
    pub info: StateFileInfo,
}

/// What a checkpoint knows of a file: enough to tell whether what it reads is that file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFileInfo {
    /// Whether the file holds all state or changes.
    pub scope: SnapshotScope,
    /// Rows, deletions included.
    pub rows: u64,
    /// The size of the file.
    pub bytes: u64,
    /// The checksum of the footer, which has those of the blocks.
    pub checksum: u64,
    /// From the first to the last key group of any row; empty when there is no row.
    pub key_groups: Range<u32>,
}

/// Why a file isn't believed. Whoever names the file to a user adds which one it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FileError {
    /// Not the size it was written with.
    #[error("it has {found} bytes where {expected} are expected: it was cut off, or is another file")]
    Size {
        /// The bytes expected.
        expected: u64,
        /// The bytes found.
        found: u64,
    },
    /// The last bytes are not those of a state file.
    #[error("it doesn't end as a state file does: its end is damaged, or it is another kind of file")]
    NotAStateFile,
    /// Written by another version of weir.
    #[error("it has version {found} of the file format, and this weir reads version {}", format::VERSION)]
    Version {
        /// Its version.
        found: u32,
    },
    /// A state file, but not this one.
    #[error("it is a state file, but not the one that the checkpoint names: its checksum is {found:016x} and not {expected:016x}")]
    AnotherFile {
        /// The checksum expected.
        expected: u64,
        /// The checksum found.
        found: u64,
    },
    /// The footer is longer than usual: more of the end of the file is needed, this range of it.
    #[error("its footer needs the bytes from {} on", .needed.start)]
    TailTooShort {
        /// What to fetch and parse instead.
        needed: Range<u64>,
    },
    /// The footer doesn't have the checksum that was written with it.
    #[error("its footer is damaged: the checksum differs")]
    FooterDamaged,
    /// A block doesn't have the checksum that was written with it.
    #[error("its block at byte {at} is damaged: the checksum differs")]
    BlockDamaged {
        /// Where the block starts.
        at: u64,
    },
    /// What was asked for isn't blocks of the file, or the bytes aren't those asked for.
    #[error("the bytes {} to {} were asked for and {found} came, which is not a run of whole blocks", .range.start, .range.end)]
    NotBlocks {
        /// The bytes asked for.
        range: Range<u64>,
        /// The bytes that came.
        found: usize,
    },
    /// The checksums are right, but what they cover contradicts itself.
    #[error("it was written wrongly: {what}")]
    Malformed {
        /// What contradicts itself.
        what: &'static str,
    },
}

#[cfg(test)]
mod tests;
