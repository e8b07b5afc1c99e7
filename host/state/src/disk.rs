//! State on disk: a sorted map from bytes to bytes in an LSM tree, far larger than memory. The only file that knows the tree's library.
//!
//! It is a working copy, rebuilt from checkpoint files: there is no log, and a folder that was used before is refused. It is written in
//! sorted runs only. The library writes each run and its list of files with fsync, which can't be turned off.
//!
//! What the library needs from its user: the right order and lengths (it panics otherwise, so they are checked here), and calls that merge
//! runs. I/O errors and damaged blocks come back as errors; a panic inside would poison its locks, and each later call panic.

mod error;
mod row_key;
mod replace;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::ErrorKind;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use lsm_tree::compaction::Leveled;
use lsm_tree::config::PinningPolicy;
use lsm_tree::{AbstractTree, AnyTree, Cache, Config, DescriptorTable, Error, Guard, IterGuardImpl, SeqNo, SequenceNumberCounter, Slice};

pub use error::DiskError;
pub(crate) use replace::Replace;
pub(crate) use row_key::RowKey;
pub(crate) use row_key::{split_stored, stored};

/// The most bytes a key can have.
const KEY_BYTES_MAX: usize = u16::MAX as usize;

/// Reads see everything that was written: a scan holds the files of its moment, so no sequence number needs to hold back anything.
const NEWEST: SeqNo = SeqNo::MAX;

/// Runs that are not merged yet, from which on merging is due: each costs a lookup a filter test.
const RUNS_MAX: u8 = 4;

/// A table's target size: small enough that one merge, which can't be interrupted, takes seconds at most.
const TABLE_BYTES: u64 = 16 << 20;

/// Open files: tables that are read more seldom are opened anew.
const OPEN_FILES_MAX: usize = 64;

/// Bytes from the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DiskBytes(Slice);

impl Deref for DiskBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// A sorted map on disk. Clones are the same map; reading, writing and merging can go on side by side in threads.
#[derive(Clone)]
pub(crate) struct DiskStore {
    tree: AnyTree,
    merging: Arc<Leveled>,
    dir: Arc<Folder>,
}

/// Rows in order of key, as they were when the scan began: later writes and merges don't change it. It keeps replaced files on disk.
pub(crate) struct DiskScan {
    /// Never locked: it can be shared between threads because of it, though only one reads.
    rows: Mutex<Box<dyn Iterator<Item = IterGuardImpl> + Send>>,
    dir: Arc<Folder>,
}

/// The store's folder, which is deleted with the last that reads it.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // Whoever makes a store there next finds out what is left.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskStore").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl fmt::Debug for DiskScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskScan").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl DiskScan {
    /// The error for bytes that nobody wrote.
    pub(crate) fn malformed(&self) -> DiskError {
        DiskError::Damaged { dir: self.dir.to_path_buf(), what: "a row can't be decoded".to_owned() }
    }
}

impl DiskStore {
    /// An empty store in `dir`, which is made if need be and must be empty. It takes about `memory_bytes` of memory as its cache, plus a few
    /// MiB for each write and merge under way.
    ///
    /// # Errors
    /// When the folder is not empty or can't be written.
    pub(crate) fn create(dir: &Path, memory_bytes: u64) -> Result<Self, DiskError> {
        let io = |cause: std::io::Error| plain(dir, cause.into());
        std::fs::create_dir_all(dir).map_err(io)?;
        if std::fs::read_dir(dir).map_err(io)?.next().is_some() {
            return Err(DiskError::NotEmpty { dir: dir.to_path_buf() });
        }
        let dir = Arc::new(Folder(dir.to_path_buf()));
        // Indexes and filters in parts, which the cache holds like all other blocks: whole ones would be megabytes a table.
        let config = Config::new(&**dir, SequenceNumberCounter::default(), SequenceNumberCounter::default())
            .use_cache(Arc::new(Cache::with_capacity_bytes(memory_bytes)))
            .use_descriptor_table(Some(Arc::new(DescriptorTable::new(OPEN_FILES_MAX))))
            .index_block_partitioning_policy(PinningPolicy::all(true))
            .filter_block_partitioning_policy(PinningPolicy::all(true));
        let tree = config.open().map_err(|error| plain(&dir, error))?;
        let merging = Leveled::default().with_l0_threshold(RUNS_MAX).with_table_target_size(TABLE_BYTES);
        Ok(Self { tree, merging: Arc::new(merging), dir })
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<DiskBytes>, DiskError> {
        let value = self.tree.get(key, NEWEST).map_err(|error| plain(&self.dir, error))?;
        Ok(value.map(DiskBytes))
    }

    /// The rows whose keys begin with `prefix`, all for an empty one.
    pub(crate) fn scan(&self, prefix: &[u8]) -> DiskScan {
        DiskScan { rows: Mutex::new(self.tree.prefix(prefix, NEWEST, None)), dir: Arc::clone(&self.dir) }
    }

    /// Writes rows, `None` to delete, all at once: readers see none of them before it returns, and none at all if it fails.
    ///
    /// # Errors
    /// When the disk fails, `rows` does, a key or value is too long, or the keys don't ascend.
    pub(crate) fn ingest<K, V, E>(&self, rows: impl IntoIterator<Item = Result<(K, Option<V>), E>>) -> Result<(), DiskError>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
        DiskError: From<E>,
    {
        let failed = |error| plain(&self.dir, error);
        let mut run = self.tree.ingestion().map_err(failed)?;
        let mut last: Option<Slice> = None;
        for row in rows {
            let (key, value) = row?;
            let key = checked_key(key.as_ref(), last.as_ref())?;
            last = Some(key.clone());
            match value {
                Some(value) => run.write(key, checked_value(value.as_ref())?),
                None => run.write_tombstone(key),
            }
            .map_err(failed)?;
        }
        run.finish().map_err(failed)
    }

    /// Merges some runs if that is due, in the calling thread. Returns whether it was: then call again.
    ///
    /// # Errors
    /// When the disk fails. Nothing is lost by it.
    pub(crate) fn merge_some(&self) -> Result<bool, DiskError> {
        let before = self.tree.current_version().id();
        self.tree.compact(self.merging.clone(), NEWEST).map_err(|error| plain(&self.dir, error))?;
        Ok(self.tree.current_version().id() != before)
    }

    #[cfg(test)]
    /// Runs that wait to be merged: reads get slower with each.
    pub(crate) fn runs(&self) -> usize {
        self.tree.l0_run_count()
    }

    #[cfg(test)]
    /// Bytes in files, but for those that only a scan still holds.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.tree.disk_space()
    }

    /// About how many rows there are: what is deleted or replaced counts until it is merged away.
    pub(crate) fn rows_estimate(&self) -> usize {
        self.tree.approximate_len()
    }
}

impl Iterator for DiskScan {
    type Item = Result<(DiskBytes, DiskBytes), DiskError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.get_mut().ok()?.next()?.into_inner();
        Some(row.map(|(key, value)| (DiskBytes(key), DiskBytes(value))).map_err(|error| plain(&self.dir, error)))
    }
}

/// The key, if the tree may get it after `last`.
fn checked_key(key: &[u8], last: Option<&Slice>) -> Result<Slice, DiskError> {
    if key.len() > KEY_BYTES_MAX {
        return Err(DiskError::KeyTooLong { bytes: key.len(), bytes_max: KEY_BYTES_MAX });
    }
    if key.is_empty() || last.is_some_and(|last| **last >= *key) {
        return Err(DiskError::OutOfOrder);
    }
    Ok(key.into())
}

fn checked_value(value: &[u8]) -> Result<Slice, DiskError> {
    match u32::try_from(value.len()) {
        Ok(_) => Ok(value.into()),
        Err(_) => Err(DiskError::ValueTooLong { bytes: value.len() }),
    }
}

/// The library's error in plain words.
fn plain(dir: &Path, error: Error) -> DiskError {
    let dir = PathBuf::from(dir);
    let what = match error {
        Error::Io(cause) => {
            return match cause.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => DiskError::Full { dir, cause },
                // A block that ends early was cut off.
                ErrorKind::UnexpectedEof => DiskError::Damaged { dir, what: "a file ends too early".to_owned() },
                _ => DiskError::Io { dir, cause },
            };
        }
        Error::ChecksumMismatch { .. } => "a block's checksum is wrong",
        Error::Unrecoverable => "a file is missing or has a wrong header",
        _ => "a block can't be decoded",
    };
    DiskError::Damaged { dir, what: what.to_owned() }
}
