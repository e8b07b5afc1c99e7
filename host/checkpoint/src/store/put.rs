//! Writing: state files, records, and the manifest that makes a checkpoint exist.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use object_store::{MultipartUpload, ObjectStoreExt, PutMode, PutOptions};

use super::local::{self, Between, go_on};
use super::{DurableCheckpoint, Error, FailPoint, Manifest, OwnerEpoch, Path, RECORD_BYTES_MAX, Result, Store, StreamExt, pass, paths};
use crate::manifest::MANIFEST_BYTES_MAX;

/// A file above this size is sent in parts of this size, bytes.
const PART_BYTES: usize = 8 << 20;

/// Parts that are under way at the same time.
const PARTS_AT_ONCE: usize = 4;

/// Why a manifest isn't known to make its checkpoint exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutError {
    /// A newer attempt owns the job: this one must end without committing anything.
    Fenced(Error),
    /// The manifest isn't there, for certain: the checkpoint has failed.
    Failed(Error),
    /// Nobody knows whether it is there, or whether a newer attempt exists: nothing may be committed, nothing deleted; the job must restore.
    Unknown(Error),
}

/// How a put-if-absent ended.
enum Created {
    /// The object is there, and it is ours.
    Ours,
    /// Another was there before.
    Taken(Bytes),
    /// Nothing was written, for certain.
    Failed(String),
    /// Nobody knows.
    Unknown(String),
}

/// What stands between the steps of writing a manifest to a disk.
const MANIFEST_POINTS: Between = Between {
    half_written: || pass(FailPoint::ManifestHalfWritten),
    written: go_on,
    synced: || pass(FailPoint::ManifestSyncedNotRenamed),
    named: || pass(FailPoint::ManifestRenamedDirNotSynced),
};

/// The same for a state file.
const STATE_FILE_POINTS: Between =
    Between { half_written: || pass(FailPoint::StateFileHalfWritten), written: || pass(FailPoint::StateFileNotSynced), synced: go_on, named: go_on };

/// Writes the manifest, then looks for a newer owner: whoever claims the job looks for manifests after its claim, so one of the two sees the other.
pub(super) async fn manifest(store: &Store, manifest: &Manifest) -> Result<DurableCheckpoint, PutError> {
    let path = paths::manifest(manifest.checkpoint);
    let location = store.display(&path);
    let what = format!("checkpoint {} can't be completed", manifest.checkpoint);
    let remedy = "see that the store is reachable, writable and not full";
    let failed = |why: String| PutError::Failed(Error::job(what.clone(), why, remedy));
    let unknown = |why: String| PutError::Unknown(Error::job(what.clone(), why, "the job goes on from the newest checkpoint that exists"));
    let bytes = manifest.encode().map(Bytes::from).map_err(|error| failed(error.to_string()))?;
    match create(store, &path, &bytes, MANIFEST_BYTES_MAX, &MANIFEST_POINTS, Some(FailPoint::ManifestPutResponseLost)).await {
        Created::Ours => {}
        Created::Failed(why) => return Err(failed(format!("{location}: {why}"))),
        Created::Unknown(why) => return Err(unknown(format!("{location} may exist or not: {why}"))),
        Created::Taken(other) => {
            // An older owner that doesn't know it is one yet: it will see us and commit nothing. Its number is lost to us, not the job.
            let is_older = Manifest::decode(&other).is_ok_and(|other| other.owner_epoch < manifest.owner_epoch);
            let why = format!("{location} was written by another attempt at the job");
            return Err(if is_older { failed(why) } else { PutError::Fenced(fenced(store, why)) });
        }
    }
    pass(FailPoint::TwoCoordinators).map_err(PutError::Unknown)?;
    match store.is_superseded(manifest.owner_epoch).await {
        Ok(false) => still_there(store, manifest).await,
        Ok(true) => Err(PutError::Fenced(store.superseded(manifest.owner_epoch))),
        Err(error) => Err(unknown(format!("whether another attempt has taken the job over isn't known: {}", error.why))),
    }
}

/// Writes the manifest of a savepoint if there is none. Nobody else writes into its folder: there is no owner to look for.
pub(super) async fn savepoint(store: &Store, manifest: &Manifest) -> Result<()> {
    let path = paths::SAVEPOINT_MANIFEST;
    let failed = |why: String| {
        Error::job(format!("the savepoint {} can't be completed", store.location), why, "see that the store is reachable, writable and not full")
    };
    let bytes = manifest.encode().map(Bytes::from).map_err(|error| failed(error.to_string()))?;
    match create(store, path, &bytes, MANIFEST_BYTES_MAX, &MANIFEST_POINTS, None).await {
        Created::Ours => Ok(()),
        Created::Taken(_) => Err(failed("there is another savepoint in this folder".to_owned())),
        Created::Failed(why) => Err(failed(why)),
        Created::Unknown(why) => Err(failed(format!("whether {} was written isn't known: {why}", store.display(path)))),
    }
}

/// Sees that nobody has deleted the job's folder under the running job: what older checkpoints have written, and this one needs, is gone then.
async fn still_there(store: &Store, manifest: &Manifest) -> Result<DurableCheckpoint, PutError> {
    match store.size(&paths::owner(manifest.owner_epoch)).await {
        Ok(Some(_)) => Ok(DurableCheckpoint::new(manifest.clone())),
        Ok(None) => Err(PutError::Fenced(store.taken_away())),
        Err(error) => Err(PutError::Unknown(error)),
    }
}

pub(super) fn fenced(store: &Store, why: String) -> Error {
    let what = format!("another process runs the same job on {}", store.location);
    Error::job(what, why, "let one of them run; give the other another name or another `dir` in [checkpointing]")
}

/// Puts the record of a new owner; `false`: the number is taken.
pub(super) async fn owner(store: &Store, epoch: OwnerEpoch, claimant: &str) -> Result<bool> {
    // Unique for this claim, so that our own record is known again after a lost response.
    static CLAIMS: AtomicU64 = AtomicU64::new(0);
    let record = Bytes::from(format!("{claimant}\nclaim {}\n", CLAIMS.fetch_add(1, Ordering::Relaxed)));
    create_record(store, &paths::owner(epoch), record).await
}

/// Puts a record that is written once; `false`: there is another.
pub(super) async fn create_record(store: &Store, path: &str, record: Bytes) -> Result<bool> {
    match create(store, path, &record, RECORD_BYTES_MAX, &Between::NOTHING, None).await {
        Created::Ours => Ok(true),
        Created::Taken(_) => Ok(false),
        Created::Failed(why) | Created::Unknown(why) => Err(unwritable(store, path, why)),
    }
}

/// Puts if absent. An answer that was lost is found out by reading back.
async fn create(store: &Store, path: &str, bytes: &Bytes, bytes_max: u64, between: &Between, lost: Option<FailPoint>) -> Created {
    let object = match store.object(path) {
        Ok(object) => object,
        Err(error) => return Created::Failed(error.why),
    };
    let mut tries = store.patience.begin();
    let mut is_uncertain = false;
    let mut is_unsynced;
    let last = loop {
        let put = tries.once(put_once(store, &object, path, bytes, PutMode::Create, between)).await;
        // A disk whose write failed may show a file that a power cut would take away.
        is_unsynced = store.local.is_some() && matches!(put, Err(object_store::Error::Generic { .. }));
        let put = put.and_then(|()| lost.map_or(Ok(()), |point| pass(point).map_err(fault)));
        match put {
            Ok(()) => return Created::Ours,
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => break "it exists already".to_owned(),
            Err(error) if store.patience.may_pass(&error) => {
                is_uncertain = true;
                if let Err(error) = tries.pause(error).await {
                    break error.to_string();
                }
            }
            Err(error) => break error.to_string(),
        }
    };
    match store.get(path, bytes_max).await {
        Ok(Some(there)) if there == *bytes && is_unsynced => Created::Unknown(last),
        Ok(Some(there)) if there == *bytes => Created::Ours,
        Ok(Some(there)) => Created::Taken(there),
        // A request that is still on its way could arrive after we have looked.
        Ok(None) if !is_uncertain => Created::Failed(last),
        Ok(None) => Created::Unknown(last),
        Err(error) => Created::Unknown(format!("{last}; {}", error.why)),
    }
}

/// Writes a small file that may replace an older one.
pub(super) async fn record(store: &Store, path: &str, bytes: Bytes) -> Result<()> {
    let object = store.object(path)?;
    let put = store.patience.keep_trying(|| put_once(store, &object, path, &bytes, PutMode::Overwrite, &Between::NOTHING));
    put.await.map_err(|error| unwritable(store, path, error.to_string()))
}

/// Writes a state file, a large one in parts.
pub(super) async fn state_file(store: &Store, path: &str, bytes: Bytes) -> Result<()> {
    let object = store.object(path)?;
    let put = if store.local.is_some() || bytes.len() <= PART_BYTES {
        store.patience.keep_trying(|| put_once(store, &object, path, &bytes, PutMode::Overwrite, &STATE_FILE_POINTS)).await
    } else {
        put_parts(store, &object, &bytes).await
    };
    put.map_err(|error| unwritable(store, path, error.to_string()))
}

/// A part that fails for good fails the upload, which is begun again as a whole: the store's client has tried the part several times.
async fn put_parts(store: &Store, object: &Path, bytes: &Bytes) -> object_store::Result<()> {
    store
        .patience
        .for_bytes(bytes.len())
        .keep_trying(|| async {
            let mut upload = store.objects.put_multipart(object).await?;
            let sent = send_parts(upload.as_mut(), bytes).await;
            if sent.is_err() {
                // Parts of an upload that nobody completes are invisible; the error that matters is the first one.
                let _ = upload.abort().await;
            }
            sent
        })
        .await
}

async fn send_parts(upload: &mut dyn MultipartUpload, bytes: &Bytes) -> object_store::Result<()> {
    let cuts = (0..bytes.len()).step_by(PART_BYTES);
    let parts: Vec<_> = cuts.map(|start| upload.put_part(bytes.slice(start..bytes.len().min(start + PART_BYTES)).into())).collect();
    stream::iter(parts).buffer_unordered(PARTS_AT_ONCE).try_collect::<()>().await?;
    upload.complete().await.map(drop)
}

async fn put_once(store: &Store, object: &Path, path: &str, bytes: &Bytes, mode: PutMode, between: &Between) -> object_store::Result<()> {
    if let Some(folder) = &store.local {
        let is_new = mode == PutMode::Create;
        return local::write(&folder.join(path), bytes, is_new, "tmp", between).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => object_store::Error::AlreadyExists { path: path.to_owned(), source: error.into() },
            _ => object_store::Error::Generic { store: "file", source: error.into() },
        });
    }
    store.objects.put_opts(object, bytes.clone().into(), PutOptions::from(mode)).await.map(drop)
}

fn fault(error: Error) -> object_store::Error {
    object_store::Error::Generic { store: "fail point", source: error.into() }
}

fn unwritable(store: &Store, path: &str, why: String) -> Error {
    Error::job(format!("{} can't be written", store.display(path)), why, "see that the store is reachable, writable and not full")
}
