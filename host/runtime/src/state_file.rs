//! Reads parts of a state file, as the manifest describes it.

use std::ops::Range;

use bytes::Bytes;
use weir_checkpoint::manifest::{FileEntry, FileScope};
use weir_checkpoint::store::Store;
use weir_model::{Error, Result};
use weir_state::{FileError, SnapshotScope, StateFileIndex, StateFileInfo};

/// Makes the error for a file that isn't what its manifest says, of what is wrong with it.
pub(crate) type Refuse<'a> = dyn Fn(&FileEntry, String) -> Error + Send + Sync + 'a;

/// The index of a file, at its end.
///
/// # Errors
/// When the file is missing, cut off, damaged, or another one.
pub(crate) async fn index(store: &Store, file: &FileEntry, refuse: &Refuse<'_>) -> Result<StateFileIndex> {
    check_size(store, file, refuse).await?;
    let expected = info_of(file);
    let mut range = StateFileIndex::tail_bytes(expected.bytes);
    loop {
        let tail = read(store, file, range.clone(), refuse).await?;
        match StateFileIndex::parse(&tail, &expected) {
            Ok(index) => return Ok(index),
            Err(FileError::TailTooShort { needed }) if needed != range => range = needed,
            Err(error) => return Err(refuse(file, error.to_string())),
        }
    }
}

/// # Errors
/// When the file is missing, or has another size than its manifest says.
pub(crate) async fn check_size(store: &Store, file: &FileEntry, refuse: &Refuse<'_>) -> Result<()> {
    match store.size(&file.path).await? {
        Some(bytes) if bytes == file.bytes => Ok(()),
        Some(bytes) => Err(refuse(file, format!("it has {bytes} bytes, and its manifest says {}", file.bytes))),
        None => Err(refuse(file, "it is missing".to_owned())),
    }
}

/// Part of a file.
///
/// # Errors
/// When it can't be read.
pub(crate) async fn read(store: &Store, file: &FileEntry, range: Range<u64>, refuse: &Refuse<'_>) -> Result<Bytes> {
    let mut parts = store.get_ranges(&file.path, &[range]).await?;
    parts.pop().ok_or_else(|| refuse(file, "it can't be read".to_owned()))
}

/// What the manifest says of a state file.
fn info_of(file: &FileEntry) -> StateFileInfo {
    let scope = match file.scope {
        FileScope::Full => SnapshotScope::Full,
        FileScope::Changes => SnapshotScope::Changes,
    };
    StateFileInfo { scope, rows: file.rows, bytes: file.bytes, checksum: file.checksum, key_groups: file.key_groups.clone() }
}
