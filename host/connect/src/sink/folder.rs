//! A folder of part files: who may write to it, and how its files become durable.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use weir_model::Result;
use weir_model::id::OperatorUid;

use super::destination::file_error;
use super::on_disk::{FileHandle, Record};
use super::part::{PartName, UNFINISHED, is_finished};
use super::parts::WholePart;

/// A folder that is locked as long as this lives: whoever finds it locked leaves it alone.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// `None` on a file system without locks.
    _lock: Option<File>,
}

/// Somebody else is writing to the folder.
#[derive(Debug)]
pub(super) struct AtWork;

impl Folder {
    /// Locks a folder that is there.
    pub(super) fn lock(path: &Path) -> io::Result<Result<Self, AtWork>> {
        let folder = File::open(path)?;
        let lock = match folder.try_lock() {
            Ok(()) => Some(folder),
            Err(TryLockError::WouldBlock) => return Ok(Err(AtWork)),
            Err(TryLockError::Error(_)) => None,
        };
        Ok(Ok(Self { path: path.to_owned(), _lock: lock }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn unfinished(&self, name: &PartName) -> PathBuf {
        self.path.join(name.unfinished())
    }

    pub(super) fn create(&self, name: &PartName) -> io::Result<File> {
        File::create_new(self.unfinished(name))
    }

    /// Makes the content of a part durable; [`Self::sync`] has to follow.
    pub(super) fn secure(&self, uid: &OperatorUid, part: &WholePart, file: &File) -> Result<Vec<u8>> {
        file.sync_all().map_err(|error| file_error(uid, &self.unfinished(&part.name).display(), &error))?;
        Record::File(FileHandle { name: part.name.to_string(), length: part.length, checksum: part.checksum }).encode(uid)
    }

    /// Makes the names in the folder durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        sync(&self.path)
    }
}

/// Makes a folder with all that it is in; each of them is durable when this returns.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    fs::create_dir_all(folder)?;
    missing.into_iter().filter_map(Path::parent).try_for_each(|parent| sync(if parent.as_os_str().is_empty() { Path::new(".") } else { parent }))
}

/// Makes the names in a folder durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The names in a folder that a sink gives, sorted. Whatever else is there is left alone.
pub(super) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        names.extend(name.to_str().filter(|name| is_finished(name.strip_suffix(UNFINISHED).unwrap_or(name))).map(str::to_owned));
    }
    names.sort_unstable();
    Ok(names)
}
