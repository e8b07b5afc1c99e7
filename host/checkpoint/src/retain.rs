//! Which checkpoints and files may be deleted. Decided from manifests that were read or written, never from what a listing lacks.

use std::collections::BTreeSet;

use weir_model::id::CheckpointId;

use crate::manifest::{Manifest, OwnerEpoch};
use crate::paths::{self, Place};

#[cfg(test)]
mod tests;

/// What is to be deleted: the manifests first, so that none ever names a file that is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doomed {
    /// Checkpoints.
    pub checkpoints: Vec<CheckpointId>,
    /// Files, relative to the job's folder.
    pub files: Vec<String>,
}

impl Doomed {
    /// Whether there is nothing to delete.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.checkpoints.is_empty() && self.files.is_empty()
    }
}

/// The complete checkpoints of a job.
#[derive(Debug)]
pub struct Retained {
    count: usize,
    /// One that stays, however old it gets.
    pinned: Option<CheckpointId>,
    /// Oldest first.
    checkpoints: Vec<(CheckpointId, BTreeSet<String>)>,
}

impl Retained {
    /// Keeps the newest `count`, at least one.
    #[must_use]
    pub fn new(count: u32) -> Self {
        Self { count: count.max(1) as usize, pinned: None, checkpoints: Vec::new() }
    }

    /// The retained checkpoints, newest first: what the next manifest calls `retained`.
    #[must_use]
    pub fn newest_first(&self) -> Vec<CheckpointId> {
        self.checkpoints.iter().rev().map(|(checkpoint, _)| *checkpoint).collect()
    }

    /// Takes in a manifest that was read at the start; nothing is deleted for it. Older before newer.
    pub fn found(&mut self, manifest: &Manifest) {
        self.checkpoints.push((manifest.checkpoint, files_of(manifest)));
    }

    /// Takes in a checkpoint that is complete and committed, and says what nobody needs any more.
    pub fn completed(&mut self, manifest: &Manifest) -> Doomed {
        self.checkpoints.push((manifest.checkpoint, files_of(manifest)));
        let unpinned = self.checkpoints.iter().filter(|(checkpoint, _)| Some(*checkpoint) != self.pinned).count();
        // A pinned one that is the newest counts all the same.
        let is_newest_pinned = self.pinned == Some(manifest.checkpoint);
        let mut excess = (unpinned + usize::from(is_newest_pinned)).saturating_sub(self.count);
        self.doom(|checkpoint, pinned| {
            let is_doomed = excess > 0 && Some(checkpoint) != pinned;
            excess -= usize::from(is_doomed);
            is_doomed
        })
    }

    /// Keeps this one beside the newest, until another or none is to be kept.
    pub fn pin(&mut self, checkpoint: Option<CheckpointId>) {
        self.pinned = checkpoint;
    }

    /// Gives up all of them, when the job has ended and nothing is to be kept.
    pub fn give_up(&mut self) -> Doomed {
        self.doom(|_, _| true)
    }

    /// Every file that a retained checkpoint names.
    #[must_use]
    pub fn live_files(&self) -> BTreeSet<String> {
        self.checkpoints.iter().flat_map(|(_, files)| files.iter().cloned()).collect()
    }

    /// Gives up those of which `is_doomed` says so, who is asked of each, the oldest first, and told which is pinned.
    fn doom(&mut self, mut is_doomed: impl FnMut(CheckpointId, Option<CheckpointId>) -> bool) -> Doomed {
        let pinned = self.pinned;
        let all = std::mem::take(&mut self.checkpoints);
        let (dropped, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(|(checkpoint, _)| is_doomed(*checkpoint, pinned));
        self.checkpoints = kept;
        let live = self.live_files();
        let named: BTreeSet<_> = dropped.iter().flat_map(|(_, files)| files.iter().cloned()).collect();
        Doomed { checkpoints: dropped.into_iter().map(|(checkpoint, _)| checkpoint).collect(), files: named.difference(&live).cloned().collect() }
    }
}

/// What is left of aborted checkpoints and dead attempts among `listed`, at the start of attempt `own`, before it writes anything.
///
/// `retained` must know the restored checkpoint and all that it calls retained, read one by one; `found` are the manifests that were seen, readable ones. A
/// listing that lacks something then only leaves garbage, and what a newer owner has written is never touched. Without a restored
/// checkpoint nothing is garbage: nobody knows what the files are good for.
#[must_use]
pub fn garbage(listed: &[String], own: OwnerEpoch, retained: &Retained, found: &[Manifest]) -> Vec<String> {
    let kept: BTreeSet<_> = retained.checkpoints.iter().map(|(checkpoint, _)| *checkpoint).collect();
    let Some(newest) = kept.last().copied() else { return Vec::new() };
    // A manifest that is newer than the restored one was passed over, or a newer owner wrote it: it stays, and so does what it names.
    let is_kept = |checkpoint: CheckpointId| kept.contains(&checkpoint) || checkpoint > newest;
    let mut live = retained.live_files();
    live.extend(found.iter().filter(|manifest| is_kept(manifest.checkpoint)).flat_map(files_of));
    let kept_manifests = || found.iter().filter(|manifest| is_kept(manifest.checkpoint));
    let runs = |digest| kept_manifests().flat_map(|manifest| &manifest.operators).any(|operator| operator.names_plugin(digest));
    let is_garbage = |path: &&String| match paths::place(path) {
        Place::StateFile(epoch, _) => epoch <= own && !live.contains(*path),
        Place::Manifest(id) | Place::Checkpoint(id) => !is_kept(id),
        Place::Component(digest) => !runs(digest),
        Place::Owner(_) | Place::Other => false,
    };
    manifests_first(listed.iter().filter(is_garbage).cloned())
}

/// What attempt `own` gives up among `listed` when it starts from the beginning: the checkpoints of the attempts before it with all that belongs to them,
/// manifests first. `found` are the manifests that were seen, readable ones; an unreadable one stays, because nobody knows whose it is.
#[must_use]
pub fn given_up(listed: &[String], own: OwnerEpoch, found: &[Manifest]) -> Vec<String> {
    let older: BTreeSet<_> = found.iter().filter(|manifest| manifest.owner_epoch < own).map(|manifest| manifest.checkpoint).collect();
    let is_older = |path: &&String| match paths::place(path) {
        Place::StateFile(epoch, _) => epoch < own,
        Place::Manifest(id) | Place::Checkpoint(id) => older.contains(&id),
        Place::Owner(_) | Place::Component(_) | Place::Other => false,
    };
    manifests_first(listed.iter().filter(is_older).cloned())
}

fn manifests_first(paths: impl Iterator<Item = String>) -> Vec<String> {
    let (manifests, others): (Vec<_>, Vec<_>) = paths.partition(|path| matches!(paths::place(path), Place::Manifest(_)));
    manifests.into_iter().chain(others).collect()
}

fn files_of(manifest: &Manifest) -> BTreeSet<String> {
    manifest.files().map(|file| file.path.clone()).collect()
}
