//! Where parts are kept: in a folder or in an object store.

use std::fmt::Display;
use std::fs::File;
use std::io;
use std::sync::Arc;

use weir_model::id::OperatorUid;
use weir_model::{Error, Result};

use super::bucket::Bucket;
use super::folder::Folder;
use super::part::PartName;
use super::parts::WholePart;

/// A place for parts, as the writers of a sink share it.
#[derive(Debug)]
pub(super) enum Destination {
    Folder(Folder),
    Bucket(Arc<Bucket>),
}

impl Destination {
    /// A file for a part to be written to. What goes to an object store waits in a temporary file that is gone with the process.
    pub(super) fn create(&self, name: &PartName) -> io::Result<File> {
        match self {
            Self::Folder(folder) => folder.create(name),
            Self::Bucket(_) => tempfile::tempfile(),
        }
    }

    /// Where that file is, for messages.
    pub(super) fn unfinished(&self, name: &PartName) -> String {
        match self {
            Self::Folder(folder) => folder.unfinished(name).display().to_string(),
            Self::Bucket(bucket) => format!("the temporary file for {}", bucket.location(name)),
        }
    }

    /// Makes a part durable and leaves it invisible; the handle that commits it.
    pub(super) async fn secure(&self, uid: &OperatorUid, part: &WholePart, file: &File) -> Result<Vec<u8>> {
        match self {
            Self::Folder(folder) => folder.secure(uid, part, file),
            Self::Bucket(bucket) => bucket.secure(uid, part, file).await,
        }
    }

    /// Whether a part that couldn't be made durable still can be.
    pub(super) fn can_retry(&self) -> bool {
        matches!(self, Self::Bucket(_))
    }

    /// Makes durable that the parts exist.
    pub(super) fn settle(&self, uid: &OperatorUid) -> Result<()> {
        match self {
            Self::Folder(folder) => folder.sync().map_err(|error| file_error(uid, &folder.path().display(), &error)),
            Self::Bucket(_) => Ok(()),
        }
    }
}

/// The error about a file that can't be written, renamed or made durable.
pub(super) fn file_error(uid: &OperatorUid, location: &dyn Display, error: &io::Error) -> Error {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on that disk and run the job again; what was committed is complete",
        _ => "check the disk and the folder's permissions",
    };
    Error::job(format!("sink `{uid}`: {location}"), format!("it can't be written: {error}"), remedy)
}
