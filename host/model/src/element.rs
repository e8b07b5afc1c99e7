//! What travels through a channel between two tasks.

use crate::id::CheckpointId;
use crate::rows::Batch;

/// One item of a stream. Closed: watermarks and idleness join it as cases, never as side channels, because their place among the records
/// is their meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// Records, in order.
    Batch(Batch),
    /// The line between the records that belong to a checkpoint and those that come after it.
    Barrier(Barrier),
    /// The channel's last element: its sender has no more input.
    End,
}

/// A checkpoint's line in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Barrier {
    /// The checkpoint.
    pub checkpoint: CheckpointId,
    /// What happens at the barrier besides the snapshot.
    pub kind: BarrierKind,
    /// When the coordinator decided to trigger it: wall-clock time, milliseconds since the Unix epoch.
    pub triggered_ms: i64,
}

/// What happens at a barrier besides the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarrierKind {
    /// Nothing: records follow.
    Checkpoint,
    /// Nothing; the snapshot becomes a savepoint, and nothing is committed for it. Records follow.
    Savepoint,
    /// Operators whose new version is at hand go on with it. Records follow.
    Swap,
    /// The input has ended: operators finish first, no record follows, and the task ends when the checkpoint is complete.
    Drain,
    /// The job stops before its input has ended: operators don't finish, no record follows, and the task ends when the checkpoint is complete.
    Stop,
}

impl BarrierKind {
    /// Whether no record follows the barrier.
    #[must_use]
    pub const fn is_last(self) -> bool {
        matches!(self, Self::Drain | Self::Stop)
    }
}
