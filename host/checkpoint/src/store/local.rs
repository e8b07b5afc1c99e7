//! Files on a local disk: complete and durable, or not there under their name.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use weir_model::{Error, Result as Passed};

use super::Store;

/// What may stand between the steps of a write.
pub(super) struct Between {
    /// Half of the bytes are there, under a temporary name.
    pub half_written: fn() -> Passed<()>,
    /// All bytes are there.
    pub written: fn() -> Passed<()>,
    /// All bytes are durable, under a temporary name.
    pub synced: fn() -> Passed<()>,
    /// The file has its name.
    pub named: fn() -> Passed<()>,
}

impl Between {
    /// Nothing in between.
    pub(super) const NOTHING: Self = Self { half_written: go_on, written: go_on, synced: go_on, named: go_on };
}

pub(super) const fn go_on() -> Passed<()> {
    Ok(())
}

/// As long as it is held, the job counts as running on this machine. The system lets go of it when the process ends, however that happens.
#[derive(Debug)]
pub struct JobLock {
    _file: Option<File>,
}

/// Takes the lock of a folder on a disk. A file system without locks is taken for one where nobody else runs.
pub(super) fn lock(store: &Store) -> Passed<JobLock> {
    let Some(folder) = &store.local else { return Ok(JobLock { _file: None }) };
    let failed = |error: io::Error| Error::job(format!("{} can't be used", folder.display()), error.to_string(), "see that weir may write there");
    make_folders(folder).map_err(failed)?;
    let file = File::options().create(true).truncate(false).write(true).open(folder.join(LOCK)).map_err(failed)?;
    if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        return Err(Error::usage(
            format!("the job in {}", folder.display()),
            "it is running already, in another process",
            "wait until it has ended or stop it; another job needs another name, or another `dir` in [checkpointing]",
        ));
    }
    Ok(JobLock { _file: Some(file) })
}

/// The file that is locked.
const LOCK: &str = "lock";

/// Writes `bytes` under `path` with all folders; durable when it returns. With `is_new`, a file that is there already is an error.
///
/// The temporary name is the file's own with something behind it, so that what a crash leaves is found by listing, and belongs to the same checkpoint.
pub(super) fn write(path: &Path, bytes: &[u8], is_new: bool, suffix: &str, between: &Between) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Err(io::Error::from(ErrorKind::InvalidInput)) };
    make_folders(folder)?;
    let temporary = folder.join(format!("{}.{suffix}", name.to_string_lossy()));
    let written = write_and_name(&temporary, path, bytes, is_new, between).and_then(|()| {
        (between.named)().map_err(io::Error::other)?;
        sync_folder(folder)
    });
    if written.is_err() {
        // The error that is reported is the first one; what can't be removed is garbage for the next start.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_and_name(temporary: &Path, path: &Path, bytes: &[u8], is_new: bool, between: &Between) -> io::Result<()> {
    let mut file = File::create(temporary)?;
    let (first, second) = bytes.split_at(bytes.len() / 2);
    file.write_all(first)?;
    (between.half_written)().map_err(io::Error::other)?;
    file.write_all(second)?;
    (between.written)().map_err(io::Error::other)?;
    file.sync_all()?;
    drop(file);
    (between.synced)().map_err(io::Error::other)?;
    if is_new {
        // A link, unlike a rename, fails when the name is taken.
        fs::hard_link(temporary, path)?;
        fs::remove_file(temporary)
    } else {
        fs::rename(temporary, path)
    }
}

/// Makes a folder and those above it, each durable in the one above.
pub(super) fn make_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_folders(above)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => sync_folder(above)?,
        }
    }
    Ok(())
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes a folder and all in it that are empty; `true`: it is gone.
pub(super) fn remove_empty_folders(folder: &Path) -> bool {
    let inside = fs::read_dir(folder).into_iter().flatten().flatten();
    inside.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).for_each(|entry| {
        remove_empty_folders(&entry.path());
    });
    fs::remove_dir(folder).is_ok() || !folder.exists()
}
