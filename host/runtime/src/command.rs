//! What the coordinator and the tasks say to each other.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use weir_checkpoint::coordinator::TaskId;
use weir_model::Error;
use weir_model::element::Barrier;
use weir_model::id::CheckpointId;
use weir_plugin::{NewVersion, ShadowCounts};
use weir_state::KeyedState;

use crate::full_order::FullOrder;
use crate::restore::Place;
use crate::snapshot::SnapshotJob;
use crate::task::TaskError;
use crate::upload::TaskAck;

/// From the coordinator to a task.
pub(crate) enum Command {
    /// To a source: take your position and send this barrier.
    Trigger(Barrier),
    /// Take the snapshot now, without waiting for the barriers.
    Unalign(Barrier),
    /// The checkpoint is complete and committed.
    Completed(CheckpointId),
    /// The checkpoint has failed.
    Aborted(CheckpointId),
    /// The new versions stay: there is no way back to the barrier of their swap any more.
    EndTrial,
    /// Run these versions beside those that run, and compare.
    BeginShadow(Vec<(usize, NewVersion)>),
    /// End that, and report.
    EndShadow,
    /// The last checkpoint is complete: end.
    Finish,
}

/// New versions of a task's operators, to be swapped in at the barrier of a swap.
pub(crate) struct TaskSwap {
    /// By node of the plan.
    pub(crate) versions: Vec<(usize, NewVersion)>,
    /// Whether everything since the barrier must stay undoable.
    pub(crate) on_trial: bool,
}

/// Where a task finds them. Not a command: those may be read after the barrier.
pub(crate) type SwapSlot = Arc<Mutex<Option<TaskSwap>>>;

/// State that tasks leave behind when they are dropped, for an attempt that goes on with it.
#[derive(Default)]
pub(crate) struct Handback {
    /// Whether anybody wants it.
    pub(crate) is_wanted: AtomicBool,
    /// By node and subtask.
    pub(crate) states: Mutex<BTreeMap<Place, KeyedState>>,
}

/// From a task, or from whoever writes its snapshots, to the coordinator.
#[derive(Debug)]
pub(crate) enum Report {
    /// A source has no more records.
    SourceEnded(TaskId),
    /// A task's snapshot is durable.
    Acked(Box<TaskAck>),
    /// A task has passed the barrier of a swap; it was held up by that for so many microseconds.
    Swapped { held_us: u64 },
    /// An operator on trial has failed: the task waits for what becomes of it.
    OnTrialFailed { why: Error },
    /// What a shadow run has shown, by node.
    Shadowed(Vec<(usize, ShadowCounts)>),
    /// A task's snapshot could not be written.
    Declined { task: TaskId, checkpoint: CheckpointId, why: Error },
}

/// A task's side of the protocol. There is none in a job without checkpoints.
pub(crate) struct Link {
    pub(crate) task: TaskId,
    pub(crate) commands: UnboundedReceiver<Command>,
    pub(crate) reports: UnboundedSender<Report>,
    /// To whoever writes this task's snapshots.
    pub(crate) jobs: UnboundedSender<SnapshotJob>,
    /// By node of the task: its next snapshot must be a full one.
    pub(crate) needs_full: Vec<Arc<FullOrder>>,
    /// A command that came together with records, which go first.
    stashed: Option<Command>,
}

impl Link {
    pub(crate) fn new(
        task: TaskId,
        commands: UnboundedReceiver<Command>,
        reports: UnboundedSender<Report>,
        jobs: UnboundedSender<SnapshotJob>,
        needs_full: Vec<Arc<FullOrder>>,
    ) -> Self {
        Self { task, commands, reports, jobs, needs_full, stashed: None }
    }

    /// The next command, if one has come.
    ///
    /// # Errors
    /// When the coordinator is gone: the job is being cancelled.
    pub(crate) fn try_next(&mut self) -> Result<Option<Command>, TaskError> {
        if let Some(stashed) = self.stashed.take() {
            return Ok(Some(stashed));
        }
        match self.commands.try_recv() {
            Ok(command) => Ok(Some(command)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(TaskError::Cancelled),
        }
    }

    /// Keeps a command for later: it is the next one.
    pub(crate) fn stash(&mut self, command: Command) {
        self.stashed = Some(command);
    }

    /// Takes the order to write everything, if there is one, for the node at `at`.
    pub(crate) fn take_needs_full(&self, at: usize, in_haste: bool) -> bool {
        self.needs_full.get(at).is_none_or(|order| order.take(in_haste))
    }

    /// Tells the coordinator; one that is gone needs nothing any more.
    pub(crate) fn report(&self, report: Report) {
        drop(self.reports.send(report));
    }
}

/// Waits for a command of a link; for ever if there is none.
pub(crate) async fn next_command(link: Option<&mut Link>) -> Result<Command, TaskError> {
    match link {
        Some(link) => link.commands.recv().await.ok_or(TaskError::Cancelled),
        None => std::future::pending().await,
    }
}
