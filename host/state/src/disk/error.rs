//! What can go wrong with the working copy on disk.

use std::path::PathBuf;

use thiserror::Error;

/// Why the working copy can't be used any more, or a row can't be kept in it. After [`Self::Full`], [`Self::Io`] and [`Self::Damaged`] the
/// copy is to be thrown away and rebuilt from a checkpoint.
#[derive(Debug, Error)]
pub enum DiskError {
    /// The folder holds something already.
    #[error("the folder {} for the state on disk is not empty", .dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// No space is left, or a quota or file size limit is reached.
    #[error("there is no space left for the state in {}: {cause}", .dir.display())]
    Full {
        /// The folder.
        dir: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// Reading or writing failed for another reason.
    #[error("the state in {} can't be read or written: {cause}", .dir.display())]
    Io {
        /// The folder.
        dir: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// What was read is not what was written.
    #[error("the state in {} is damaged: {what}", .dir.display())]
    Damaged {
        /// The folder.
        dir: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A key and sub-key that together are too long.
    #[error("a key and its sub-key take {bytes} bytes, and state on disk can have keys of at most {bytes_max}; zero bytes in a key count twice")]
    KeyTooLong {
        /// Bytes as stored.
        bytes: usize,
        /// The most there can be.
        bytes_max: usize,
    },
    /// A value of 4 GiB or more.
    #[error("a value has {bytes} bytes, and state on disk can have values of at most {}", u32::MAX)]
    ValueTooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// Rows to write that don't ascend: a defect of the caller.
    #[error("rows for the state on disk came out of order")]
    OutOfOrder,
}
