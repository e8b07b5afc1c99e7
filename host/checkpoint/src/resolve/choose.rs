//! Which checkpoint a restore takes.

use super::{CheckpointId, Error, Manifest, ManifestError, OwnerEpoch, Result, paths};

/// A manifest that lies in the job's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its number, from its path.
    pub checkpoint: CheckpointId,
    /// Where it lies, as a user would name it.
    pub location: String,
    /// What is in it.
    pub manifest: Result<Manifest, ManifestError>,
}

/// What an attempt at the job went on from, as it has recorded before it changed anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The attempt.
    pub epoch: OwnerEpoch,
    /// What it went on from.
    pub from: OriginFrom,
}

/// What an attempt goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginFrom {
    /// The beginning.
    Start,
    /// A checkpoint of the job.
    Checkpoint(CheckpointId),
    /// The same, but with the versions that wrote it: those that were swapped in at its barrier were taken back.
    Returned(CheckpointId),
    /// A savepoint, or a checkpoint of another job, by its location.
    Savepoint(String),
}

impl OriginFrom {
    /// The checkpoint, if it is one of the job's own.
    #[must_use]
    pub fn checkpoint(&self) -> Option<CheckpointId> {
        match self {
            Self::Checkpoint(checkpoint) | Self::Returned(checkpoint) => Some(*checkpoint),
            Self::Start | Self::Savepoint(_) => None,
        }
    }
}

/// What a restore takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen<'a> {
    /// Nothing: the job starts anew.
    Nothing,
    /// A checkpoint of the job.
    Checkpoint(&'a Manifest),
    /// What an attempt before went on from, and nothing has come of it since.
    Again(OriginFrom),
}

/// What to restore.
///
/// It is the newest manifest by (owner epoch, number), of the line that leads to the newest attempt: a manifest that an older owner wrote after `origin`'s
/// attempt had taken over is no part of it, because that attempt has thrown away what such a manifest names. One that can't be read and may be the
/// newest is an error: going on from an older one repeats output. `requested` takes the decision away from us.
///
/// # Errors
/// Names the file that can't be read, and the newest that can.
pub fn choose<'a>(found: &'a [Found], origin: Option<&Origin>, requested: Option<CheckpointId>) -> Result<Chosen<'a>> {
    if let Some(requested) = requested {
        return choose_requested(found, requested).map(Chosen::Checkpoint);
    }
    let from = origin.and_then(|origin| origin.from.checkpoint());
    let is_of_the_line = |manifest: &&Manifest| match origin {
        Some(origin) => manifest.owner_epoch >= origin.epoch || Some(manifest.checkpoint) == from,
        None => true,
    };
    let readable = found.iter().filter_map(|one| one.manifest.as_ref().ok());
    let newest = readable.filter(is_of_the_line).max_by_key(|manifest| (manifest.owner_epoch, manifest.checkpoint));
    let unreadable = found.iter().filter(|one| one.manifest.is_err()).max_by_key(|one| one.checkpoint);
    match unreadable {
        Some(broken) if newest.is_none_or(|newest| broken.checkpoint > newest.checkpoint) => Err(refuse(broken, newest)),
        _ => match (newest, origin.map(|origin| &origin.from)) {
            (None, Some(OriginFrom::Checkpoint(from) | OriginFrom::Returned(from))) => Err(Error::job(
                format!("the job can't go on from {}", paths::checkpoint(*from)),
                "the newest attempt went on from there, and its manifest is gone",
                "bring the folder back, name another checkpoint with `--restore-from`, or start anew with `--fresh`",
            )),
            (None, Some(savepoint @ OriginFrom::Savepoint(_))) => Ok(Chosen::Again(savepoint.clone())),
            (Some(newest), Some(returned @ OriginFrom::Returned(from))) if newest.checkpoint == *from => Ok(Chosen::Again(returned.clone())),
            (newest, _) => Ok(newest.map_or(Chosen::Nothing, Chosen::Checkpoint)),
        },
    }
}

fn choose_requested(found: &[Found], requested: CheckpointId) -> Result<&Manifest> {
    let name = paths::checkpoint(requested);
    let others = || {
        let readable: Vec<_> = found.iter().filter(|one| one.manifest.is_ok()).map(|one| paths::checkpoint(one.checkpoint)).collect();
        if readable.is_empty() { "there is no other".to_owned() } else { format!("there are: {}", readable.join(", ")) }
    };
    let Some(one) = found.iter().find(|one| one.checkpoint == requested) else {
        return Err(Error::usage(format!("{name} can't be restored"), "the job has no such checkpoint", others()));
    };
    one.manifest.as_ref().map_err(|error| Error::job(format!("{} can't be restored", one.location), error.to_string(), others()))
}

fn refuse(broken: &Found, newest: Option<&Manifest>) -> Error {
    let remedy = match newest {
        Some(newest) => {
            let older = paths::checkpoint(newest.checkpoint);
            format!("{older} does verify: `--restore-from {older}` goes on from it, and output since then is made again")
        }
        None => "no older checkpoint verifies: bring the file back, or start anew with `--fresh`".to_owned(),
    };
    let why = broken.manifest.as_ref().err().map_or_else(String::new, ToString::to_string);
    Error::job(format!("the newest checkpoint {} can't be read", broken.location), why, remedy)
}
