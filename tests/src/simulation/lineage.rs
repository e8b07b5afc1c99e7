//! The line of checkpoints that attempts go on from: one that was committed is never left out of it.

use std::collections::{BTreeMap, BTreeSet};

use weir_checkpoint::manifest::{Manifest, OwnerEpoch};
use weir_checkpoint::paths::{self, Place};
use weir_model::id::CheckpointId;

/// A checkpoint by number and owner: an owner that doesn't know that it is fenced may write a manifest under a number that is free again.
type Made = (OwnerEpoch, CheckpointId);

/// What a job's folder has said so far.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    /// Who wrote the manifest that lies there.
    owners: BTreeMap<CheckpointId, OwnerEpoch>,
    /// What each attempt went on from.
    origins: BTreeMap<OwnerEpoch, Option<Made>>,
    committed: BTreeSet<Made>,
    ended: bool,
}

impl Lineage {
    /// Takes in what lies at `path`, relative to the job's folder, after it was written, or `replaced` whatever was there.
    ///
    /// # Errors
    /// When a committed checkpoint is no part of what an attempt goes on from.
    pub(super) fn written(&mut self, path: &str, bytes: &[u8], replaced: bool) -> Result<(), String> {
        if self.ended {
            // Whoever comes now starts from the beginning.
            return Ok(());
        }
        match paths::place(path) {
            Place::Manifest(checkpoint) => {
                let manifest = Manifest::decode(bytes).map_err(|why| format!("{path} was written as {why}"))?;
                self.owners.insert(checkpoint, manifest.owner_epoch);
            }
            Place::Owner(epoch) if path.ends_with(".from") => {
                // Only the end of a job replaces such a record.
                self.ended = replaced;
                let from = paths::named_checkpoint(&String::from_utf8_lossy(bytes));
                self.origins.insert(epoch, from.and_then(|checkpoint| self.made(checkpoint)));
            }
            Place::Checkpoint(checkpoint) if path.ends_with("/_committed") => self.committed.extend(self.made(checkpoint)),
            _ => return Ok(()),
        }
        if self.ended { Ok(()) } else { self.check() }
    }

    /// Whether the job has come to its end.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    fn made(&self, checkpoint: CheckpointId) -> Option<Made> {
        Some((*self.owners.get(&checkpoint)?, checkpoint))
    }

    fn check(&self) -> Result<(), String> {
        // One that was superseded while it started is fenced, whatever it goes on from.
        let Some(newest) = self.origins.keys().next_back().copied() else { return Ok(()) };
        let mut before = self.committed.iter().filter(|(owner, _)| *owner < newest);
        match before.find(|made| !self.leads_to(newest, **made)) {
            Some((owner, checkpoint)) => {
                Err(format!("checkpoint {checkpoint} of attempt {owner} was committed, and attempt {newest} goes on without it"))
            }
            None => Ok(()),
        }
    }

    /// Whether what attempt `epoch` went on from is that checkpoint, or came after it.
    fn leads_to(&self, epoch: OwnerEpoch, made: Made) -> bool {
        let mut epoch = epoch;
        loop {
            match self.origins.get(&epoch).copied().flatten() {
                Some((of, from)) if of == made.0 => return from >= made.1,
                Some((of, _)) if of > made.0 && of < epoch => epoch = of,
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_committed_checkpoint_that_is_passed_over_is_noticed() {
        let made = |(epoch, id)| (OwnerEpoch(epoch), CheckpointId(id));
        let lineage = |from: Option<(u64, u64)>| Lineage {
            origins: [(1, None), (2, Some((1, 2))), (3, from)].map(|(epoch, from)| (OwnerEpoch(epoch), from.map(made))).into(),
            committed: [(1, 2), (2, 3)].map(made).into(),
            ..Lineage::default()
        };
        assert_eq!(lineage(Some((2, 3))).check(), Ok(()));
        for wrong in [None, Some((1, 1)), Some((1, 2))] {
            assert!(lineage(wrong).check().is_err(), "{wrong:?}");
        }
    }
}
