//! How an attempt at a job begins: it takes the job over, finds what to go on from, and records that before anything is changed.

use weir_model::fail_point::{FailPoint, pass};

use super::{Bytes, CheckpointId, DurableCheckpoint, Error, Manifest, OwnerEpoch, RECORD_BYTES_MAX, Result, Store, paths, put};
use crate::manifest::{MANIFEST_BYTES_MAX, ManifestError};
use crate::paths::Place;
use crate::resolve::{Chosen, Found, Origin, OriginFrom, choose};
use crate::retain::{Retained, garbage, given_up};

/// What to go on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// The newest checkpoint, or the start if there is none.
    Newest,
    /// This one, whatever is newer.
    From(CheckpointId),
    /// The same, with the versions that wrote it: those that were swapped in at its barrier are taken back.
    Return(CheckpointId),
    /// A savepoint, or a checkpoint of another job, by its location. The job's own checkpoints stay until it has a new one.
    Savepoint(String),
    /// The start, whatever there is.
    Fresh,
}

/// What an attempt goes on from, as it was found.
#[derive(Debug, Clone)]
pub enum StartedFrom {
    /// The start.
    Start,
    /// A checkpoint.
    Checkpoint {
        /// What it consists of.
        durable: Box<DurableCheckpoint>,
        /// Whether the versions that wrote it go on, and not those that were swapped in at its barrier.
        returned: bool,
    },
    /// A savepoint, to be opened by whoever knows how.
    Savepoint {
        /// Where it is.
        location: String,
    },
}

impl StartedFrom {
    /// The checkpoint, if it is one of the job's own.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&DurableCheckpoint> {
        if let Self::Checkpoint { durable, .. } = self { Some(durable) } else { None }
    }
}

/// The beginning of an attempt.
#[derive(Debug)]
pub struct Start {
    /// The attempt's number.
    pub epoch: OwnerEpoch,
    /// What it goes on from.
    pub from: StartedFrom,
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
        self.read_unlisted(&mut found, origin.as_ref()).await?;
        let from = origin_of(&found, origin.as_ref(), &begin)?;
        pass(FailPoint::ManifestRead)?;
        self.record_origin(epoch, &from).await?;
        let manifests: Vec<_> = found.into_iter().filter_map(|one| one.manifest.ok()).collect();
        let chosen = from.checkpoint().and_then(|id| manifests.iter().find(|manifest| manifest.checkpoint == id)).cloned();
        let retained = match &from {
            // They go once there is a checkpoint that needs none of them.
            OriginFrom::Savepoint(_) => all_retained(&manifests, num_retained),
            _ => retained(&manifests, chosen.as_ref(), num_retained),
        };
        let garbage = match begin {
            Begin::Fresh => given_up(&listed, epoch, &manifests),
            _ if chosen.is_none() => Vec::new(),
            _ => garbage(&listed, epoch, &retained, &manifests),
        };
        let first = first_free(&listed, &manifests);
        let from = match (chosen, from) {
            (Some(manifest), from) => {
                StartedFrom::Checkpoint { durable: Box::new(DurableCheckpoint::new(manifest)), returned: matches!(from, OriginFrom::Returned(_)) }
            }
            (None, OriginFrom::Savepoint(location)) => StartedFrom::Savepoint { location },
            (None, _) => StartedFrom::Start,
        };
        Ok(Start { epoch, first, garbage, from, retained })
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
    async fn read_unlisted(&self, found: &mut Vec<Found>, origin: Option<&Origin>) -> Result<()> {
        let named = found.iter().filter_map(|one| one.manifest.as_ref().ok()).flat_map(|manifest| manifest.retained.iter().copied());
        let mut wanted: Vec<_> = named.chain(origin.and_then(|origin| origin.from.checkpoint())).collect();
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
        put::record(self, &paths::origin(epoch), Bytes::from(origin_text(&OriginFrom::Start))).await?;
        // Who claims from now on finds the record. Who has claimed in between may have looked before it was there.
        Ok(!self.is_superseded(epoch).await?)
    }

    async fn record_origin(&self, epoch: OwnerEpoch, from: &OriginFrom) -> Result<()> {
        put::create_record(self, &paths::origin(epoch), Bytes::from(origin_text(from))).await.map(drop)
    }
}

/// What an attempt goes on from that begins like this.
fn origin_of(found: &[Found], origin: Option<&Origin>, begin: &Begin) -> Result<OriginFrom> {
    let chosen = match begin {
        Begin::Newest => choose(found, origin, None)?,
        Begin::From(checkpoint) | Begin::Return(checkpoint) => choose(found, origin, Some(*checkpoint))?,
        Begin::Savepoint(location) => Chosen::Again(OriginFrom::Savepoint(location.clone())),
        Begin::Fresh => Chosen::Nothing,
    };
    Ok(match (chosen, begin) {
        (Chosen::Nothing, _) => OriginFrom::Start,
        (Chosen::Checkpoint(manifest), Begin::Return(_)) => OriginFrom::Returned(manifest.checkpoint),
        (Chosen::Checkpoint(manifest), _) => OriginFrom::Checkpoint(manifest.checkpoint),
        (Chosen::Again(from), _) => from,
    })
}

/// The records of what an attempt went on from.
const FROM_START: &str = "start";
const FROM_SAVEPOINT: &str = "savepoint ";
const RETURNED: &str = " returned";

fn origin_text(from: &OriginFrom) -> String {
    match from {
        OriginFrom::Start => FROM_START.to_owned(),
        OriginFrom::Checkpoint(checkpoint) => paths::checkpoint(*checkpoint),
        OriginFrom::Returned(checkpoint) => paths::checkpoint(*checkpoint) + RETURNED,
        OriginFrom::Savepoint(location) => format!("{FROM_SAVEPOINT}{location}"),
    }
}

fn read_origin(epoch: OwnerEpoch, record: &[u8]) -> Option<Origin> {
    let text = str::from_utf8(record).ok()?;
    let from = match (text.strip_prefix(FROM_SAVEPOINT), text.strip_suffix(RETURNED)) {
        (Some(location), _) => OriginFrom::Savepoint(location.to_owned()),
        (_, Some(checkpoint)) => OriginFrom::Returned(paths::named_checkpoint(checkpoint)?),
        _ if text == FROM_START => OriginFrom::Start,
        _ => OriginFrom::Checkpoint(paths::named_checkpoint(text)?),
    };
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

/// All that there are.
fn all_retained(manifests: &[Manifest], count: u32) -> Retained {
    let mut retained = Retained::new(count);
    let mut all: Vec<_> = manifests.iter().collect();
    all.sort_by_key(|manifest| manifest.checkpoint);
    all.into_iter().for_each(|manifest| retained.found(manifest));
    retained
}

/// Above every number that was used for anything.
fn first_free(listed: &[String], manifests: &[Manifest]) -> CheckpointId {
    let used = listed.iter().filter_map(|path| match paths::place(path) {
        Place::Manifest(id) | Place::Checkpoint(id) | Place::StateFile(_, id) => Some(id),
        Place::Owner(_) | Place::Component(_) | Place::Other => None,
    });
    used.chain(manifests.iter().map(|manifest| manifest.checkpoint)).max().map_or(CheckpointId::FIRST, CheckpointId::next)
}
