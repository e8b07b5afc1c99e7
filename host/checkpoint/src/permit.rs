//! The right to commit, as a value: there is no way to a permit but through a checkpoint that exists.

use weir_model::id::CheckpointId;

use crate::manifest::Manifest;

/// A checkpoint that exists in its store: its manifest was written there by us and no newer owner has fenced us, or it was read from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurableCheckpoint {
    manifest: Manifest,
}

impl DurableCheckpoint {
    /// Only the store may say that a checkpoint exists.
    pub(crate) const fn new(manifest: Manifest) -> Self {
        Self { manifest }
    }

    /// What the checkpoint consists of.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The checkpoint's number.
    #[must_use]
    pub const fn checkpoint(&self) -> CheckpointId {
        self.manifest.checkpoint
    }

    /// The right to commit what this checkpoint names.
    #[must_use]
    pub const fn permit(&self) -> CommitPermit {
        CommitPermit { checkpoint: Some(self.manifest.checkpoint) }
    }
}

/// The right to make a sink's prepared output visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPermit {
    checkpoint: Option<CheckpointId>,
}

impl CommitPermit {
    /// The right of a job without checkpoints, once all its tasks have ended well: there is no restore that could disagree.
    #[must_use]
    pub const fn at_end_of_job_without_checkpoints() -> Self {
        Self { checkpoint: None }
    }

    /// The checkpoint that the right comes from; `None` for a job without checkpoints.
    #[must_use]
    pub const fn checkpoint(&self) -> Option<CheckpointId> {
        self.checkpoint
    }
}
