//! Named points of the protocol at which a test can kill the process or let the step fail.
//!
//! A point costs one atomic load unless a test has armed the registry. The names are those of the design; each exists only where code really
//! passes it.

use std::sync::OnceLock;

use crate::error::{Error, Result};

/// What is done at a point that a test has armed: it may end the process, wait, or return an error that the step then fails with.
pub type Hook = Box<dyn Fn(FailPoint) -> Result<()> + Send + Sync>;

static HOOK: OnceLock<Hook> = OnceLock::new();

/// Arms the registry for the rest of the process. Only the first hook counts; `false`: there was one already.
pub fn arm(hook: Hook) -> bool {
    HOOK.set(hook).is_ok()
}

/// To be called where the protocol passes `point`.
///
/// # Errors
/// What an armed test wants to happen there.
#[inline]
pub fn pass(point: FailPoint) -> Result<()> {
    match HOOK.get() {
        None => Ok(()),
        Some(hook) => hook(point),
    }
}

/// The error of a step that was made to fail.
#[must_use]
pub fn injected(point: FailPoint) -> Error {
    Error::job(format!("fail point {}", point.name()), "a test made this step fail", "unset WEIR_FAIL_POINTS")
}

macro_rules! fail_points {
    ($($(#[doc = $doc:literal])* $point:ident = $name:literal,)*) => {
        /// A point of the protocol.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FailPoint {
            $($(#[doc = $doc])* $point,)*
        }

        impl FailPoint {
            /// All points, in the order in which a checkpoint passes them.
            pub const ALL: &[Self] = &[$(Self::$point,)*];

            /// The name, as in `WEIR_FAIL_POINTS`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)*
                }
            }
        }
    };
}

fail_points! {
    /// The coordinator has decided to trigger; no source knows yet.
    TriggerDecided = "trigger-decided",
    /// A source has recorded its position; the barrier isn't sent yet.
    SourcePositionsTaken = "source-positions-taken",
    /// A barrier has come through the first of several channels.
    BarrierOnOneInput = "barrier-on-one-input",
    /// All barriers have come; the snapshot hasn't begun.
    AlignedNotFlushed = "aligned-not-flushed",
    /// State is frozen; nothing of it is written yet.
    SnapshotFrozen = "snapshot-frozen",
    /// The barrier has gone on to the next tasks; the snapshot is still being written.
    BarrierForwarded = "barrier-forwarded",
    /// Half of a state file is in the store's folder.
    StateFileHalfWritten = "state-file-half-written",
    /// A state file is written and not yet durable.
    StateFileNotSynced = "state-file-not-synced",
    /// A state file is durable; the coordinator doesn't know.
    StateFileDurableNotAcked = "state-file-durable-not-acked",
    /// Some tasks have acknowledged, not all.
    SomeAcked = "some-acked",
    /// A checkpoint is given up for its timeout while an acknowledgement is on its way.
    TimeoutRacesAck = "timeout-races-ack",
    /// Overtaken batches are partly written.
    InFlightHalfWritten = "in-flight-half-written",
    /// A sink's output is durable and invisible; the coordinator doesn't know.
    SinkFlushedNotAcked = "sink-flushed-not-acked",
    /// A sink writes records behind the barrier before the checkpoint is complete.
    NextTransactionBegun = "next-transaction-begun",
    /// All tasks have acknowledged; there is no manifest.
    AllAckedNoManifest = "all-acked-no-manifest",
    /// Half of the manifest is in the store's folder, under a temporary name.
    ManifestHalfWritten = "manifest-half-written",
    /// The manifest is durable under a temporary name.
    ManifestSyncedNotRenamed = "manifest-synced-not-renamed",
    /// The manifest exists; whoever wrote it got an error.
    ManifestPutResponseLost = "manifest-put-response-lost",
    /// The manifest has its name; its folder isn't synced.
    ManifestRenamedDirNotSynced = "manifest-renamed-dir-not-synced",
    /// The manifest exists; whether a newer owner does has not been looked at.
    TwoCoordinators = "two-coordinators",
    /// The checkpoint is complete; no task knows.
    DurableNotNotified = "durable-not-notified",
    /// Some tasks know that the checkpoint is complete.
    SomeNotified = "some-notified",
    /// A commit was made; whoever asked for it got an error.
    CommitSentResponseLost = "commit-sent-response-lost",
    /// Some of the commits of a checkpoint are made.
    SomeCommitted = "some-committed",
    /// All commits are made; that isn't recorded yet.
    AllCommittedNotRecorded = "all-committed-not-recorded",
    /// Some of a committer's files have their final names.
    SomeRenamed = "some-renamed",
    /// An old checkpoint is partly deleted.
    HalfCollected = "half-collected",
    /// The last checkpoint is complete; the tasks haven't ended.
    StoppedButRunning = "stopped-but-running",
    /// The job is being cancelled while a state file is uploaded.
    CancelledDuringUpload = "cancelled-during-upload",
    /// A restore has read the manifest.
    ManifestRead = "manifest-read",
    /// A restore has loaded part of the state.
    StateHalfLoaded = "state-half-loaded",
    /// A restore has loaded everything and committed nothing.
    HandlesNotRecommitted = "handles-not-recommitted",
    /// A restore has repeated some commits.
    HalfRecommitted = "half-recommitted",
    /// State is written into a savepoint; it has no manifest.
    SavepointHalfCopied = "savepoint-half-copied",
    /// A new version is loaded, checked and kept; no task knows.
    V2Compiled = "v2-compiled",
    /// Tasks have the new version at hand; its barrier isn't sent.
    V2Instantiated = "v2-instantiated",
    /// A task has gone on to the new version at the barrier.
    V1Drained = "v1-drained",
    /// A version on trial is about to be taken back.
    RollbackStarted = "rollback-started",
    /// Records flow after a restore; no checkpoint has been taken since.
    FirstRecordBeforeNextCheckpoint = "first-record-before-next-checkpoint",
}

impl FailPoint {
    /// The point of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|point| point.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_is_found_by_its_name_and_an_unarmed_one_does_nothing() {
        for point in FailPoint::ALL {
            assert_eq!(FailPoint::named(point.name()), Some(*point));
            assert_eq!(pass(*point), Ok(()));
        }
        assert_eq!(FailPoint::named("no-such-point"), None);
    }
}
