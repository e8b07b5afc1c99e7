//! What lies in a job's checkpoint folder.

use std::path::Path;

use weir_checkpoint::manifest::{FileEntry, FileScope, Manifest};
use weir_checkpoint::paths::job_id;
use weir_checkpoint::stats::CheckpointStats;
use weir_checkpoint::store::Store;

/// Opens the folder of the job called `job` below `dir`.
pub(crate) fn open(dir: &Path, job: &str) -> Result<Store, String> {
    Store::open(&dir.display().to_string(), &job_id(job)).map_err(|error| error.to_string())
}

/// The newest manifest that can be read; others may be on their way in or out.
pub(crate) async fn newest(store: &Store) -> Result<Option<Manifest>, String> {
    let found = store.survey().await.map_err(|error| error.to_string())?;
    Ok(found.into_iter().filter_map(|found| found.manifest.ok()).max_by_key(|manifest| (manifest.owner_epoch, manifest.checkpoint)))
}

/// What the job said of its checkpoints.
pub(crate) async fn stats(store: &Store) -> Result<CheckpointStats, String> {
    let json = store.get_status().await.map_err(|error| error.to_string())?.ok_or("the job has left no status")?;
    CheckpointStats::from_json(&json).map_err(|error| error.to_string())
}

/// The rows of a manifest's files of one scope.
pub(crate) fn rows(manifest: &Manifest, scope: FileScope) -> u64 {
    manifest.files().filter(|file| file.scope == scope).map(|file| file.rows).sum()
}

/// How many times the bytes of its raw keys and values a file has.
pub(crate) fn size_ratio(file: &FileEntry) -> f64 {
    file.bytes as f64 / (file.rows * RAW_BYTES) as f64
}

/// A key and a value.
const RAW_BYTES: u64 = 8 + 8;
