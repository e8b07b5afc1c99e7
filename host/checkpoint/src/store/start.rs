//! How an attempt at a job begins: it takes the job over, finds what to go on from, and records that before anything is changed.

use weir_model::fail_point::{FailPoint, pass};

use super::{Bytes, CheckpointId, DurableCheckpoint, Error, Manifest, OwnerEpoch, RECORD_BYTES_MAX, Result, Store, paths, put};
use crate::manifest::{MANIFEST_BYTES_MAX, ManifestError};
use crate::paths::Place;
use crate::resolve::{Found, Origin, choose};
use crate::retain::{Retained, garbage, given_up};

/// What to go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// The newest checkpoint, or the start if there is none.
    Newest,
    /// This one, whatever is newer.
    From(CheckpointId),
    /// The start, whatever there is.
    Fresh,
}

/// The beginning of an attempt.
#[derive(Debug)]
pub struct Start {
    /// The attempt's number.
    pub epoch: OwnerEpoch,
    /// What it goes on from; `None`: from the start.
    pub from: Option<DurableCheckpoint>,
    /// The number of its first checkpoint: above all that were ever seen.
    pub first: CheckpointId,
    /// The checkpoints that are kept.
    pub retained: Retained,
    /// What nobody needs any more: see [`Store::collect`].
    garbage: Vec<String>,
}

impl Store {
    /// The manifests that lie in the folder, in no order.
    ///
    /// # Errors
    /// When the store doesn't answer.
    pub async fn survey(&self) -> Result<Vec<Found>> {
        self.read_manifests(&self.list().await?).await
    }

    /// Decides what the attempt that has claimed `epoch` goes on from.
    ///
    /// The order is what makes it safe. The claim comes before the look for manifests, so that an older owner that completes a checkpoint after the look sees the
    /// claim and commits nothing. The record of what was chosen comes before anything is thrown away, so that no later attempt takes a
    /// checkpoint that such an owner has completed meanwhile.
    ///
    /// # Errors
    /// When the store doesn't answer, or what should be restored can't be read: names the file and what does verify.
    pub async fn start(&self, epoch: OwnerEpoch, begin: Begin, num_retained: u32) -> Result<Start> {
        let listed = self.list().await?;
        let mut found = self.read_manifests(&listed).await?;
        let origin = self.origin_before(epoch).await?;
        self.read_unlisted(&mut found, origin).await?;
        let chosen = match begin {
            Begin::Newest => choose(&found, origin, None)?.cloned(),
            Begin::From(checkpoint) => choose(&found, origin, Some(checkpoint))?.cloned(),
            Begin::Fresh => None,
        };
        pass(FailPoint::ManifestRead)?;
        let origin = Origin { epoch, from: chosen.as_ref().map(|manifest| manifest.checkpoint) };
        self.record_origin(origin).await?;
        let manifests: Vec<_> = found.iter().filter_map(|one| one.manifest.clone().ok()).collect();
        let retained = retained(&manifests, chosen.as_ref(), num_retained);
        let garbage = if begin == Begin::Fresh { given_up(&listed, epoch, &manifests) } else { garbage(&listed, epoch, &retained, &manifests) };
        Ok(Start { epoch, first: first_free(&listed, &manifests), garbage, from: chosen.map(DurableCheckpoint::new), retained })
    }

    /// Deletes what aborted checkpoints and dead attempts have left, and after [`Begin::Fresh`] the older checkpoints too; gives how many files that was. To be
    /// called once, when nothing can refuse the start any more, and before the attempt writes anything.
    ///
    /// # Errors
    /// When the store doesn't answer; what is left is found at the next start.
    pub async fn collect(&self, start: &mut Start) -> Result<usize> {
        let garbage = std::mem::take(&mut start.garbage);
        self.delete_files(&garbage).await?;
        Ok(garbage.len())
    }

    /// Becomes the newest owner. `claimant` is a text that no other process gives: host, process number and time. The numbers have no gaps, so a newer owner than
    /// `n` exists if and only if `n + 1` does.
    ///
    /// # Errors
    /// When the store doesn't answer.
    pub async fn claim(&self, claimant: &str) -> Result<OwnerEpoch> {
        let listed = self.list_folder(paths::OWNERS).await?;
        let newest = listed.iter().filter_map(|path| if let Place::Owner(epoch) = paths::place(path) { Some(epoch) } else { None }).max();
        let mut epoch = OwnerEpoch(newest.map_or(1, |newest| newest.0 + 1));
        while !put::owner(self, epoch, claimant).await? {
            epoch = OwnerEpoch(epoch.0 + 1);
        }
        Ok(epoch)
    }

    async fn read_manifests(&self, listed: &[String]) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        for path in listed {
            if let Place::Manifest(checkpoint) = paths::place(path) {
                found.extend(read_manifest(self, checkpoint).await?);
            }
        }
        Ok(found)
    }

    /// Reads what must be there by what else is known, whatever the listing says: the last attempt's origin, and what each manifest calls retained.
    async fn read_unlisted(&self, found: &mut Vec<Found>, origin: Option<Origin>) -> Result<()> {
        let named = found.iter().filter_map(|one| one.manifest.as_ref().ok()).flat_map(|manifest| manifest.retained.iter().copied());
        let mut wanted: Vec<_> = named.chain(origin.and_then(|origin| origin.from)).collect();
        while let Some(checkpoint) = wanted.pop() {
            if found.iter().all(|one| one.checkpoint != checkpoint)
                && let Some(one) = read_manifest(self, checkpoint).await?
            {
                wanted.extend(one.manifest.iter().flat_map(|manifest| manifest.retained.iter().copied()));
                found.push(one);
            }
        }
        Ok(())
    }

    /// What the newest attempt before this one went on from, if any came so far.
    async fn origin_before(&self, epoch: OwnerEpoch) -> Result<Option<Origin>> {
        for earlier in (1..epoch.0).rev().map(OwnerEpoch) {
            let path = paths::origin(earlier);
            if let Some(record) = self.get(&path, RECORD_BYTES_MAX).await? {
                return read_origin(earlier, &record).map(Some).ok_or_else(|| {
                    Error::job(
                        format!("{} can't be read", self.display(&path)),
                        "it isn't a record of weir's",
                        "name a checkpoint with `--restore-from`",
                    )
                });
            }
        }
        Ok(None)
    }

    /// Whether a newer attempt than `epoch` has claimed the job.
    ///
    /// # Errors
    /// When the store doesn't answer.
    pub async fn is_superseded(&self, epoch: OwnerEpoch) -> Result<bool> {
        Ok(self.size(&paths::owner(OwnerEpoch(epoch.0 + 1))).await?.is_some())
    }

    /// What the attempt `epoch` says when a newer one has claimed the job.
    #[must_use]
    pub fn superseded(&self, epoch: OwnerEpoch) -> Error {
        put::fenced(self, format!("attempt {} has taken the job over from attempt {epoch}", OwnerEpoch(epoch.0 + 1)))
    }

    /// What an attempt says when the records of attempts that it knows of are gone.
    #[must_use]
    pub fn taken_away(&self) -> Error {
        Error::job(
            format!("{} was deleted or moved while the job ran", self.location),
            "the records of its attempts are gone, and with them what checkpoints need",
            "bring the folder back and run the job again, or start anew with --fresh",
        )
    }

    /// Records that the job has ended and needs none of its checkpoints any more: whoever comes next starts from the beginning. `false`: they must not be
    /// deleted, because a newer attempt may go on from one of them, and then it ends the job itself.
    ///
    /// # Errors
    /// When the store doesn't answer.
    pub async fn record_ended(&self, epoch: OwnerEpoch) -> Result<bool> {
        if self.is_superseded(epoch).await? {
            return Ok(false);
        }
        put::record(self, &paths::origin(epoch), Bytes::from_static(FROM_START.as_bytes())).await?;
        // Who claims from now on finds the record. Who has claimed in between may have looked before it was there.
        Ok(!self.is_superseded(epoch).await?)
    }

    async fn record_origin(&self, origin: Origin) -> Result<()> {
        let record = origin.from.map_or_else(|| FROM_START.to_owned(), paths::checkpoint);
        put::create_record(self, &paths::origin(origin.epoch), Bytes::from(record)).await.map(drop)
    }
}

/// The record of an attempt that went on from no checkpoint.
const FROM_START: &str = "start";

fn read_origin(epoch: OwnerEpoch, record: &[u8]) -> Option<Origin> {
    let text = str::from_utf8(record).ok()?;
    let from = if text == FROM_START { None } else { Some(paths::named_checkpoint(text)?) };
    Some(Origin { epoch, from })
}

/// `None`: there is none.
pub(super) async fn read_manifest(store: &Store, checkpoint: CheckpointId) -> Result<Option<Found>> {
    let path = paths::manifest(checkpoint);
    let Some(bytes) = store.get(&path, MANIFEST_BYTES_MAX).await? else { return Ok(None) };
    let manifest = Manifest::decode(&bytes).and_then(|manifest| {
        let what = format!("it is the manifest of checkpoint {}", manifest.checkpoint);
        if manifest.checkpoint == checkpoint { Ok(manifest) } else { Err(ManifestError::Contradiction { what }) }
    });
    Ok(Some(Found { checkpoint, location: store.display(&path), manifest }))
}

/// The restored checkpoint, and those before it that it calls retained.
fn retained(manifests: &[Manifest], chosen: Option<&Manifest>, count: u32) -> Retained {
    let mut retained = Retained::new(count);
    let Some(chosen) = chosen else { return retained };
    let mut kept: Vec<_> = manifests.iter().filter(|one| **one == *chosen || chosen.retained.contains(&one.checkpoint)).collect();
    kept.sort_by_key(|manifest| manifest.checkpoint);
    kept.into_iter().for_each(|manifest| retained.found(manifest));
    retained
}

/// Above every number that was used for anything.
fn first_free(listed: &[String], manifests: &[Manifest]) -> CheckpointId {
    let used = listed.iter().filter_map(|path| match paths::place(path) {
        Place::Manifest(id) | Place::Checkpoint(id) | Place::StateFile(_, id) => Some(id),
        Place::Owner(_) | Place::Other => None,
    });
    used.chain(manifests.iter().map(|manifest| manifest.checkpoint)).max().map_or(CheckpointId::FIRST, CheckpointId::next)
}
