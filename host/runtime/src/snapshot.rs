//! What a task's part of a checkpoint consists of, until it is handed over to be written.

use std::collections::VecDeque;

use weir_connect::sink::Prepared;
use weir_model::element::Barrier;
use weir_model::id::CheckpointId;
use weir_model::rows::Batch;
use weir_state::{Captured, SnapshotScope};

/// A task's part of a checkpoint, ready to be written.
#[derive(Debug)]
pub(crate) struct SnapshotJob {
    pub(crate) barrier: Barrier,
    /// By node of the task, the source included.
    pub(crate) parts: Vec<Part>,
    /// Batches that the barrier has overtaken, with their input.
    pub(crate) in_flight: Vec<(u32, Batch)>,
    pub(crate) timings: Timings,
}

/// What one node gives to a checkpoint.
#[derive(Debug)]
pub(crate) enum Part {
    /// A source's position.
    Source(Vec<u8>),
    /// Nothing: an operator without state.
    Stateless,
    /// The rows of a keyed operator.
    Keyed(SnapshotScope, Option<Captured>),
    /// A sink's output up to the barrier, still to be made durable.
    Sink(Prepared),
}

/// How long the steps of a task's snapshot took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timings {
    /// From the trigger to the snapshot, less the alignment.
    pub(crate) start_delay_ms: u64,
    /// From the first barrier to the last.
    pub(crate) alignment_ms: u64,
    /// The time in which the task did nothing else.
    pub(crate) sync_ns: u64,
    /// When the synchronous part ended, on the monotonic clock.
    pub(crate) frozen_at_ns: u64,
}

/// Snapshots that a task has begun and not handed over, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    jobs: VecDeque<Begun>,
}

#[derive(Debug)]
struct Begun {
    job: SnapshotJob,
    captured: bool,
    /// All batches that the barrier has overtaken have come.
    in_flight_complete: bool,
}

impl Pending {
    pub(crate) fn begin(&mut self, job: SnapshotJob, overtakes: bool) {
        let captured = !job.parts.iter().any(|part| matches!(part, Part::Keyed(_, None)));
        self.jobs.push_back(Begun { job, captured, in_flight_complete: !overtakes });
    }

    /// The parts of the snapshot whose rows are still being captured: the newest, because an older one is finished before a newer begins.
    pub(crate) fn capturing(&mut self) -> Option<&mut Vec<Part>> {
        self.jobs.back_mut().filter(|begun| !begun.captured).map(|begun| &mut begun.job.parts)
    }

    pub(crate) fn is_capturing(&self) -> bool {
        self.jobs.back().is_some_and(|begun| !begun.captured)
    }

    /// All rows of the newest snapshot are captured.
    pub(crate) fn captured(&mut self) {
        if let Some(begun) = self.jobs.back_mut() {
            begun.captured = true;
        }
    }

    /// The batches that the barrier of `checkpoint` has overtaken have all come.
    pub(crate) fn overtaken(&mut self, checkpoint: CheckpointId, batches: Vec<(u32, Batch)>, alignment_ms: u64) {
        if let Some(begun) = self.jobs.iter_mut().find(|begun| begun.job.barrier.checkpoint == checkpoint) {
            begun.job.in_flight = batches;
            begun.job.timings.alignment_ms = alignment_ms;
            begun.in_flight_complete = true;
        }
    }

    /// The oldest snapshot, if it is ready to be written.
    pub(crate) fn take_ready(&mut self) -> Option<SnapshotJob> {
        let ready = self.jobs.front().is_some_and(|begun| begun.captured && begun.in_flight_complete);
        if ready { self.jobs.pop_front().map(|begun| begun.job) } else { None }
    }

    /// Forgets that batches were waited for: the checkpoint has failed. The rows are written all the same, because the next increment builds on them.
    pub(crate) fn aborted(&mut self, checkpoint: CheckpointId) {
        self.overtaken(checkpoint, Vec::new(), 0);
    }
}
