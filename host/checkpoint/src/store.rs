//! The one place where checkpoints touch storage: a job's folder in an object store or on a disk.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt};
use weir_model::fail_point::{FailPoint, pass};
use weir_model::id::{CheckpointId, PluginDigest};
use weir_model::{Error, Result};

use crate::manifest::{Manifest, OwnerEpoch};
use crate::paths;
use crate::permit::DurableCheckpoint;
use crate::retain::Doomed;

mod open;
mod patience;
mod put;
mod local;
mod start;

#[cfg(test)]
mod tests;

pub use local::JobLock;
pub use patience::Patience;
pub use put::PutError;
pub use start::{Begin, Start, StartedFrom};

/// The longest small record: an owner, an origin, a commit mark.
const RECORD_BYTES_MAX: u64 = 4096;

/// The longest plugin that is read.
const COMPONENT_BYTES_MAX: u64 = 512 << 20;

/// The longest status that is read.
const STATUS_BYTES_MAX: u64 = 64 << 20;

/// The folder of one job. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    /// The folder inside the object store.
    prefix: Path,
    /// As the user calls it, for messages.
    location: String,
    /// Where the folder is on this machine's disk, if it is.
    local: Option<PathBuf>,
    file_bytes_max: Option<u64>,
    patience: Patience,
}

impl Store {
    /// Opens the folder of a job. `location` is a path or a URL: `file://`, `s3://`, `gs://`, `az://`, `memory://`. Nothing is read or written but
    /// the folder of a local path, which is made.
    ///
    /// # Errors
    /// A location that can't be used.
    pub fn open(location: &str, job_id: &str) -> Result<Self> {
        open::open(location, job_id)
    }

    /// The folder `prefix` of an object store that is open already.
    ///
    /// # Errors
    /// When `prefix` can't be a path.
    pub fn over(objects: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self> {
        Ok(Self {
            objects,
            prefix: open::object_path(prefix)?,
            location: prefix.to_owned(),
            local: None,
            file_bytes_max: None,
            patience: Patience::default(),
        })
    }

    /// The same folder with other deadlines.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Sees that the store answers. Whoever has just named it learns soon that it doesn't; later operations have more patience.
    ///
    /// # Errors
    /// When it refuses, or doesn't answer within 15 seconds.
    pub async fn reach(&self) -> Result<()> {
        if self.local.is_some() {
            return Ok(());
        }
        self.clone().with_patience(self.patience.at_first()).list_folder(paths::OWNERS).await.map(drop)
    }

    /// Marks the job as running on this machine, as long as the lock is held. Only a folder on a disk can be marked; elsewhere, whoever comes later takes
    /// the job over.
    ///
    /// # Errors
    /// A usage error when another process holds it.
    pub fn lock(&self) -> Result<JobLock> {
        local::lock(self)
    }

    /// Whether a process of this machine holds the lock; `None`: that can't be told of a folder in an object store.
    #[must_use]
    pub fn is_locked(&self) -> Option<bool> {
        self.local.as_ref().map(|_| self.lock().is_err())
    }

    /// A path inside the folder, as a user would name it.
    #[must_use]
    pub fn display(&self, path: &str) -> String {
        format!("{}/{path}", self.location)
    }

    /// Writes a state file; durable when it returns. Whatever was there under that name is replaced.
    ///
    /// # Errors
    /// When it can't be written, or is larger than the store takes.
    pub async fn put_file(&self, path: &str, bytes: Bytes) -> Result<()> {
        if let Some(max) = self.file_bytes_max.filter(|max| bytes.len() as u64 > *max) {
            return Err(Error::job(
                format!("{} can't be written", self.display(path)),
                format!("it has {} bytes, and checkpoints in memory take at most {max} bytes a file", bytes.len()),
                "set `dir` in [checkpointing] to a folder or an object store",
            ));
        }
        put::state_file(self, path, bytes).await
    }

    /// Makes a checkpoint exist: writes its manifest if there is none of that number, then looks whether a newer owner has taken over.
    ///
    /// # Errors
    /// See [`PutError`]: what may be done afterwards differs.
    pub async fn put_manifest(&self, manifest: &Manifest) -> Result<DurableCheckpoint, PutError> {
        put::manifest(self, manifest).await
    }

    /// Makes a savepoint exist: writes its manifest, behind all files that it names, if there is none in the folder.
    ///
    /// # Errors
    /// When it can't be written, or there is one already.
    pub async fn put_savepoint(&self, manifest: &Manifest) -> Result<()> {
        put::savepoint(self, manifest).await
    }

    /// The folder, as the user calls it.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Reads and checks the manifest of a checkpoint.
    ///
    /// # Errors
    /// When there is none, or it can't be read; names the file.
    pub async fn read_checkpoint(&self, checkpoint: CheckpointId) -> Result<DurableCheckpoint> {
        let found = start::read_manifest(self, checkpoint).await?;
        let location = self.display(&paths::manifest(checkpoint));
        let Some(found) = found else {
            return Err(Error::usage(format!("there is no {location}"), "the job has no such checkpoint", "see `weir checkpoints` for those it has"));
        };
        let manifest = found.manifest.map_err(|why| Error::job(format!("{location} can't be read"), why.to_string(), "use another checkpoint"))?;
        Ok(DurableCheckpoint::new(manifest))
    }

    /// Records that everything which a checkpoint names is committed.
    ///
    /// # Errors
    /// When the record can't be written; committing again does no harm.
    pub async fn record_committed(&self, checkpoint: CheckpointId) -> Result<()> {
        put::record(self, &paths::committed(checkpoint), Bytes::from_static(b"committed\n")).await
    }

    /// Whether that is recorded.
    ///
    /// # Errors
    /// When the store doesn't answer.
    pub async fn is_committed(&self, checkpoint: CheckpointId) -> Result<bool> {
        Ok(self.size(&paths::committed(checkpoint)).await?.is_some())
    }

    /// Replaces the status that other processes read.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn put_status(&self, json: Vec<u8>) -> Result<()> {
        put::record(self, paths::STATUS, json.into()).await
    }

    /// The status, if there is one.
    ///
    /// # Errors
    /// When the store doesn't answer.
    pub async fn get_status(&self) -> Result<Option<Bytes>> {
        self.get(paths::STATUS, STATUS_BYTES_MAX).await
    }

    /// Keeps a plugin, as the bytes of its file.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn put_component(&self, digest: PluginDigest, bytes: Bytes) -> Result<()> {
        let path = paths::component(digest);
        if self.size(&path).await? == Some(bytes.len() as u64) {
            return Ok(());
        }
        self.put_file(&path, bytes).await
    }

    /// A plugin that is kept; `None`: it isn't.
    ///
    /// # Errors
    /// When the store doesn't answer.
    pub async fn get_component(&self, digest: PluginDigest) -> Result<Option<Bytes>> {
        self.get(&paths::component(digest), COMPONENT_BYTES_MAX).await
    }

    /// The record of the job's swaps, if there is one.
    ///
    /// # Errors
    /// When the store doesn't answer.
    pub async fn get_swaps(&self) -> Result<Option<Bytes>> {
        self.get(paths::SWAPS, STATUS_BYTES_MAX).await
    }

    /// Replaces the record of the job's swaps.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn put_swaps(&self, json: Vec<u8>) -> Result<()> {
        put::record(self, paths::SWAPS, json.into()).await
    }

    /// All of a file; `None`: there is none.
    ///
    /// # Errors
    /// When the store doesn't answer, or the file is longer than `bytes_max`.
    pub async fn get(&self, path: &str, bytes_max: u64) -> Result<Option<Bytes>> {
        let object = self.object(path)?;
        let read = self.patience.keep_trying(|| async {
            let result = self.objects.get_opts(&object, GetOptions::default()).await?;
            if result.meta.size > bytes_max {
                return Ok(Err(result.meta.size));
            }
            result.bytes().await.map(Ok)
        });
        match read.await {
            Ok(Ok(bytes)) => Ok(Some(bytes)),
            Ok(Err(size)) => Err(Error::job(
                format!("{} can't be read", self.display(path)),
                format!("it has {size} bytes, more than such a file ever has ({bytes_max})"),
                "the file is damaged or isn't weir's: use another checkpoint",
            )),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.unreadable(path, &error)),
        }
    }

    /// Parts of a file, each exactly as long as asked for.
    ///
    /// # Errors
    /// When the store doesn't answer, there is no such file, or it is too short.
    pub async fn get_ranges(&self, path: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let object = self.object(path)?;
        let read = self.patience.keep_trying(|| self.objects.get_ranges(&object, ranges));
        let parts = read.await.map_err(|error| self.unreadable(path, &error))?;
        let is_whole = |(part, range): (&Bytes, &Range<u64>)| part.len() as u64 == range.end.saturating_sub(range.start);
        if parts.len() == ranges.len() && parts.iter().zip(ranges).all(is_whole) {
            return Ok(parts);
        }
        Err(Error::job(format!("{} can't be read", self.display(path)), "it is shorter than its checkpoint says", "use another checkpoint"))
    }

    /// The length of a file in bytes; `None`: there is none.
    ///
    /// # Errors
    /// When the store doesn't answer.
    pub async fn size(&self, path: &str) -> Result<Option<u64>> {
        let object = self.object(path)?;
        match self.patience.keep_trying(|| self.objects.head(&object)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.unreadable(path, &error)),
        }
    }

    /// Deletes what [`Retained`](crate::retain::Retained) gives up: manifests first, files after. What is gone already is fine.
    ///
    /// # Errors
    /// When the store doesn't answer; what is left is found at the next start.
    pub async fn delete(&self, doomed: &Doomed) -> Result<()> {
        for checkpoint in &doomed.checkpoints {
            self.delete_files(&[paths::manifest(*checkpoint)]).await?;
            self.delete_files(&[paths::committed(*checkpoint)]).await?;
        }
        if !doomed.checkpoints.is_empty() {
            pass(FailPoint::HalfCollected)?;
        }
        self.delete_files(&doomed.files).await
    }

    /// Deletes the plugins that are kept: when the job is over, nothing is left that could go on with them.
    ///
    /// # Errors
    /// As [`Self::delete`].
    pub async fn delete_components(&self) -> Result<()> {
        let mut listed = self.list_folder(paths::COMPONENTS).await?;
        listed.retain(|path| matches!(paths::place(path), paths::Place::Component(_)));
        self.delete_files(&listed).await
    }

    /// Deletes files in the order of the list. What is gone already is fine.
    ///
    /// # Errors
    /// When the store doesn't answer, or may not delete.
    pub async fn delete_files(&self, files: &[String]) -> Result<()> {
        for path in files {
            let object = self.object(path)?;
            match self.patience.keep_trying(|| self.objects.delete(&object)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => {
                    let what = format!("{} can't be deleted", self.display(path));
                    return Err(Error::job(what, error.to_string(), "see that the store is reachable and that weir may delete there"));
                }
            }
        }
        Ok(())
    }

    /// Removes the folder and those in it as far as they are empty, and says whether it is gone. Only folders on a disk can be there without files.
    pub(crate) fn remove_empty_folder(&self) -> bool {
        self.local.as_ref().is_none_or(|folder| local::remove_empty_folders(folder))
    }

    /// Every file in the job's folder, relative to it.
    pub(crate) async fn list(&self) -> Result<Vec<String>> {
        self.list_under(&self.prefix).await
    }

    /// Every file in a folder inside it.
    async fn list_folder(&self, folder: &str) -> Result<Vec<String>> {
        self.list_under(&self.object(folder)?).await
    }

    async fn list_under(&self, folder: &Path) -> Result<Vec<String>> {
        let listing = self.patience.keep_trying(|| self.objects.list(Some(folder)).map_ok(|meta| meta.location).try_collect::<Vec<_>>());
        let objects = listing.await.map_err(|error| self.unreadable(&self.relative(folder).unwrap_or_default(), &error))?;
        Ok(objects.iter().filter_map(|object| self.relative(object)).collect())
    }

    /// The part of an object's path that lies inside the folder.
    fn relative(&self, object: &Path) -> Option<String> {
        Some(object.as_ref().strip_prefix(self.prefix.as_ref())?.trim_start_matches('/').to_owned())
    }

    /// The object at a path inside the folder.
    fn object(&self, path: &str) -> Result<Path> {
        if !paths::is_safe(path) {
            return Err(Error::job(format!("`{path}` can't be used"), "it leads out of the job's folder", "the checkpoint is damaged: use another"));
        }
        open::object_path(&format!("{}/{path}", self.prefix))
    }

    fn unreadable(&self, path: &str, error: &object_store::Error) -> Error {
        let (what, remedy) = match error {
            object_store::Error::NotFound { .. } => (format!("{} is missing", self.display(path)), "bring the file back, or use another checkpoint"),
            _ => (format!("{} can't be read", self.display(path)), "see that the store is reachable and that weir may read there"),
        };
        Error::job(what, error.to_string(), remedy)
    }
}
