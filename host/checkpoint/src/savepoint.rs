//! Savepoints as folders, and retained checkpoints read as such: found by the path that a user gives, opened, deleted.

use std::collections::BTreeSet;

use weir_model::id::{CheckpointId, PluginDigest};
use weir_model::{Error, Result};

use crate::manifest::{MANIFEST_BYTES_MAX, Manifest, ManifestError};
use crate::paths::{self, Place, SAVEPOINT_MANIFEST};
use crate::permit::DurableCheckpoint;
use crate::store::Store;

mod location;
mod plugin;

#[cfg(test)]
mod tests;

/// A savepoint, or a retained checkpoint: what a job can start from.
#[derive(Debug, Clone)]
pub struct Snapshot {
    store: Store,
    manifest: Manifest,
    location: String,
    belongs_to_job: bool,
}

/// The folder of a savepoint that is to be: one that isn't there yet, inside `dir`, a path or URL. `unique` is a number that nobody else uses.
///
/// # Errors
/// When there can't be such a folder.
pub fn create(dir: &str, job_id: &str, unique: u64) -> Result<Store> {
    let remedy = "name a folder that weir may write to, or an object store";
    let named = |error: Error| Error { what: format!("savepoints can't be kept in `{dir}`"), remedy: remedy.to_owned(), ..error };
    Store::open(dir, &paths::savepoint(job_id, unique)).map_err(named)
}

/// Deletes what was written of a savepoint that will never be completed. Nobody may be writing there any more.
///
/// # Errors
/// When it was completed after all, or the store doesn't answer.
pub async fn abandon(folder: &Store) -> Result<()> {
    if folder.size(SAVEPOINT_MANIFEST).await?.is_some() {
        return Err(Error::job(folder.location(), "the savepoint is complete", "delete it with `weir savepoint dispose`"));
    }
    folder.delete_files(&folder.list().await?).await?;
    folder.remove_empty_folder();
    Ok(())
}

impl Snapshot {
    /// Opens what `location` names, a path or URL: the folder of a savepoint or of a retained checkpoint (such as `checkpoints/job/chk-41`), or the manifest
    /// (`_metadata`) in it.
    ///
    /// # Errors
    /// When there is no such thing, or it can't be read.
    pub async fn open(location: &str) -> Result<Self> {
        let found = location::find(location)?;
        let store = found.store()?;
        store.reach().await?;
        let Some(bytes) = store.get(SAVEPOINT_MANIFEST, MANIFEST_BYTES_MAX).await? else {
            let why = format!("there is no {SAVEPOINT_MANIFEST} in it: it is no savepoint, or one that was never completed");
            return Err(no_savepoint(location, why));
        };
        let manifest = Manifest::decode(&bytes).map_err(|error| unreadable(&store.display(SAVEPOINT_MANIFEST), &error))?;
        match found.checkpoint().filter(|checkpoint| is_of_chain(&manifest, *checkpoint)) {
            None => Ok(Self { location: store.location().to_owned(), store, manifest, belongs_to_job: false }),
            Some(checkpoint) => {
                let Some(job) = found.above() else { return Err(no_savepoint(location, "it isn't in the folder of a job")) };
                let store = job.store()?;
                let location = store.display(&paths::checkpoint(checkpoint));
                Ok(Self { store, manifest, location, belongs_to_job: true })
            }
        }
    }

    /// What it consists of.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// As something whose output may be committed.
    #[must_use]
    pub fn durable(&self) -> DurableCheckpoint {
        DurableCheckpoint::new(self.manifest.clone())
    }

    /// The folder that the paths in the manifest start from.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Where it is, as a user would name it.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Whether it is a retained checkpoint: its job deletes it, and other checkpoints may need its files.
    #[must_use]
    pub fn belongs_to_job(&self) -> bool {
        self.belongs_to_job
    }

    /// The plugins that lie beside the state.
    #[must_use]
    pub fn components(&self) -> BTreeSet<PluginDigest> {
        let with = self.manifest.operators.iter().filter(|operator| operator.has_component);
        with.filter_map(|operator| Some(operator.live()?.digest)).collect()
    }

    /// The plugins that the job file named where another one was swapped in: those that were kept lie there too.
    #[must_use]
    pub fn replaced_components(&self) -> BTreeSet<PluginDigest> {
        let with = self.manifest.operators.iter().filter(|operator| operator.has_component);
        with.filter_map(|operator| operator.file_digest).collect::<BTreeSet<_>>().difference(&self.components()).copied().collect()
    }

    /// Deletes a savepoint: its manifest first, so that nobody takes what is left for one. `false`: something that isn't its own is in the folder, and stays.
    ///
    /// # Errors
    /// When it is a retained checkpoint, or the store may not delete.
    pub async fn dispose(self) -> Result<bool> {
        if self.belongs_to_job {
            return Err(Error::usage(
                format!("{} can't be disposed of", self.location),
                "it belongs to the job's checkpoints: others may need its files",
                "run the job with --fresh to give them up together, or take a savepoint and dispose of that",
            ));
        }
        self.store.delete_files(&[SAVEPOINT_MANIFEST.to_owned()]).await?;
        let mut files: Vec<_> = self.manifest.files().map(|file| file.path.clone()).collect();
        files.extend(self.components().union(&self.replaced_components()).copied().map(paths::component));
        self.store.delete_files(&files).await?;
        let is_empty = self.store.list().await?.is_empty();
        Ok(self.store.remove_empty_folder() && is_empty)
    }
}

/// Whether a manifest in a folder `chk-<id>` is one of a job's checkpoints, and not a savepoint that somebody has called so.
fn is_of_chain(manifest: &Manifest, checkpoint: CheckpointId) -> bool {
    manifest.checkpoint == checkpoint && manifest.files().all(|file| matches!(paths::place(&file.path), Place::StateFile(..)))
}

fn no_savepoint(location: &str, why: impl Into<String>) -> Error {
    Error::usage(
        format!("there is no savepoint at {location}"),
        why,
        "give the folder of a savepoint, or of a retained checkpoint such as checkpoints/JOB/chk-41",
    )
}

fn unreadable(manifest: &str, error: &ManifestError) -> Error {
    let what = format!("{manifest} can't be read");
    match error {
        ManifestError::NotAManifest => Error::usage(what, error.to_string(), "give the folder of a savepoint or of a retained checkpoint"),
        ManifestError::Version { .. } => Error::incompatible(what, error.to_string(), "use the weir that wrote it, or a newer one"),
        _ => Error::job(what, format!("{error}: it is damaged, or was cut off"), "bring the file back from a copy, or use another savepoint"),
    }
}
