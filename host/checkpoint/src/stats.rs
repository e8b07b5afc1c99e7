//! What happened to a job's checkpoints, as Flink's UI shows it: kept by a recorder, written to `status.json` for other processes.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use weir_model::element::{Barrier, BarrierKind};
use weir_model::id::CheckpointId;
use weir_model::{Error, Result};

use crate::coordinator::TaskId;

#[cfg(test)]
mod tests;

/// The version of the types below as they lie in `status.json`.
const FORMAT_VERSION: u32 = 1;

/// Ended checkpoints that are kept.
const HISTORY_MAX: usize = 100;

/// How long the parts of a subtask's snapshot took and how much it wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtaskTimings {
    /// From the trigger to the first barrier, milliseconds.
    pub start_delay_ms: u64,
    /// From the first barrier to the last, milliseconds.
    pub alignment_ms: u64,
    /// While no record was worked on, milliseconds.
    pub sync_ms: u64,
    /// Writing in the background, milliseconds.
    pub async_ms: u64,
    /// Bytes written for this checkpoint.
    pub bytes: u64,
    /// Bytes of all files that the checkpoint names, older ones included.
    pub full_bytes: u64,
    /// Bytes of overtaken records among them.
    pub in_flight_bytes: u64,
}

/// The whole of `status.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointStats {
    /// The version of this form.
    pub format_version: u32,
    /// The job's name.
    pub job: String,
    /// When this was written: wall-clock time, milliseconds since the Unix epoch.
    pub updated_ms: i64,
    /// Since the job's first attempt.
    pub totals: Totals,
    /// What the running attempt went on from.
    pub restored: Option<Restored>,
    /// Under way, oldest first.
    pub in_progress: Vec<CheckpointRecord>,
    /// The last ones that have ended, newest first.
    pub history: Vec<CheckpointRecord>,
}

/// Counts of checkpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Triggered.
    pub triggered: u64,
    /// Complete.
    pub completed: u64,
    /// Given up.
    pub failed: u64,
    /// Attempts that went on from a checkpoint.
    pub restored: u64,
}

/// What an attempt went on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The checkpoint.
    pub checkpoint: u64,
    /// When: wall-clock time, milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// One checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRecord {
    /// Its number.
    pub checkpoint: u64,
    /// What happened at its barriers.
    pub kind: Kind,
    /// How it went.
    pub status: Status,
    /// When it was triggered: wall-clock time, milliseconds since the Unix epoch.
    pub triggered_ms: i64,
    /// From the trigger to the end; while it is under way to the time of writing. Milliseconds.
    pub duration_ms: u64,
    /// Bytes written for it.
    pub bytes: u64,
    /// Bytes of all files that it names, older ones included.
    pub full_bytes: u64,
    /// The nodes, in the order of the job graph.
    pub operators: Vec<OperatorRecord>,
}

/// What happened at a checkpoint's barriers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Nothing besides.
    Checkpoint,
    /// The input had ended.
    Drain,
    /// The job was stopped.
    Stop,
}

/// How a checkpoint went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Under way.
    InProgress,
    /// Complete.
    Completed,
    /// Given up.
    Failed {
        /// Why.
        cause: String,
    },
}

/// A node's part of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorRecord {
    /// Its UID.
    pub uid: String,
    /// Subtasks that have acknowledged.
    pub acked: u32,
    /// Subtasks there are.
    pub total: u32,
    /// Those that haven't, by index.
    pub missing: Vec<u32>,
    /// The longest of each time and the sum of each number of bytes over those that have.
    pub timings: SubtaskTimings,
}

/// A node, and the tasks that run its subtasks, in order. Nodes that are chained share tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorTasks {
    /// The node's UID.
    pub uid: String,
    /// The task of each subtask.
    pub tasks: Vec<TaskId>,
}

/// The recorder, fed by the runtime.
#[derive(Debug)]
pub struct Stats {
    job: String,
    operators: Vec<OperatorTasks>,
    totals: Totals,
    restored: Option<Restored>,
    under_way: BTreeMap<CheckpointId, CheckpointRecord>,
    /// Newest first.
    history: VecDeque<CheckpointRecord>,
}

impl Stats {
    /// For an attempt at a job; `before` is what the attempt before it has left.
    #[must_use]
    pub fn new(job: &str, operators: Vec<OperatorTasks>, before: Option<CheckpointStats>) -> Self {
        let before = before.unwrap_or_default();
        let mut stats = Self {
            job: job.to_owned(),
            operators,
            totals: before.totals,
            restored: before.restored,
            under_way: BTreeMap::new(),
            history: before.history.into(),
        };
        for mut left in before.in_progress {
            left.status = Status::Failed { cause: "the job ended before the checkpoint did".to_owned() };
            stats.end(left, false);
        }
        stats
    }

    /// The attempt goes on from this checkpoint.
    pub fn restored(&mut self, checkpoint: CheckpointId, wall_ms: i64) {
        self.totals.restored += 1;
        self.restored = Some(Restored { checkpoint: checkpoint.0, at_ms: wall_ms });
    }

    /// A checkpoint begins.
    pub fn triggered(&mut self, barrier: Barrier) {
        self.totals.triggered += 1;
        let operators = self.operators.iter().map(OperatorRecord::waiting).collect();
        let kind = match barrier.kind {
            BarrierKind::Checkpoint => Kind::Checkpoint,
            BarrierKind::Drain => Kind::Drain,
            BarrierKind::Stop => Kind::Stop,
        };
        let record = CheckpointRecord {
            checkpoint: barrier.checkpoint.0,
            kind,
            status: Status::InProgress,
            triggered_ms: barrier.triggered_ms,
            duration_ms: 0,
            bytes: 0,
            full_bytes: 0,
            operators,
        };
        self.under_way.insert(barrier.checkpoint, record);
    }

    /// A task has acknowledged: the timings of its subtasks, by UID.
    pub fn acked(&mut self, checkpoint: CheckpointId, task: TaskId, timings: &[(&str, SubtaskTimings)]) {
        let Some(record) = self.under_way.get_mut(&checkpoint) else { return };
        for (operator, tasks) in record.operators.iter_mut().zip(&self.operators) {
            let Some(subtask) = tasks.tasks.iter().position(|one| *one == task) else { continue };
            let Some(place) = operator.missing.iter().position(|missing| *missing as usize == subtask) else { continue };
            operator.missing.remove(place);
            operator.acked += 1;
            for (_, timings) in timings.iter().filter(|(uid, _)| *uid == operator.uid) {
                operator.timings = operator.timings.with(timings);
                record.bytes += timings.bytes;
                record.full_bytes += timings.full_bytes;
            }
        }
    }

    /// A checkpoint is complete.
    pub fn completed(&mut self, checkpoint: CheckpointId, wall_ms: i64) {
        self.ended(checkpoint, Status::Completed, wall_ms);
    }

    /// A checkpoint is given up.
    pub fn failed(&mut self, checkpoint: CheckpointId, cause: &Error, wall_ms: i64) {
        self.ended(checkpoint, Status::Failed { cause: format!("{}: {}", cause.what, cause.why) }, wall_ms);
    }

    /// As of now.
    #[must_use]
    pub fn snapshot(&self, wall_ms: i64) -> CheckpointStats {
        let until_now = |record: &CheckpointRecord| CheckpointRecord { duration_ms: since(record.triggered_ms, wall_ms), ..record.clone() };
        CheckpointStats {
            format_version: FORMAT_VERSION,
            job: self.job.clone(),
            updated_ms: wall_ms,
            totals: self.totals,
            restored: self.restored,
            in_progress: self.under_way.values().map(until_now).collect(),
            history: self.history.iter().cloned().collect(),
        }
    }

    fn ended(&mut self, checkpoint: CheckpointId, status: Status, wall_ms: i64) {
        if let Some(record) = self.under_way.remove(&checkpoint) {
            let is_complete = status == Status::Completed;
            self.end(CheckpointRecord { status, duration_ms: since(record.triggered_ms, wall_ms), ..record }, is_complete);
        }
    }

    fn end(&mut self, record: CheckpointRecord, is_complete: bool) {
        *(if is_complete { &mut self.totals.completed } else { &mut self.totals.failed }) += 1;
        self.history.push_front(record);
        self.history.truncate(HISTORY_MAX);
    }
}

impl OperatorRecord {
    fn waiting(tasks: &OperatorTasks) -> Self {
        let total = tasks.tasks.len() as u32;
        Self { uid: tasks.uid.clone(), acked: 0, total, missing: (0..total).collect(), timings: SubtaskTimings::default() }
    }
}

impl SubtaskTimings {
    /// The longest of each time, the sum of each number of bytes.
    fn with(self, other: &Self) -> Self {
        Self {
            start_delay_ms: self.start_delay_ms.max(other.start_delay_ms),
            alignment_ms: self.alignment_ms.max(other.alignment_ms),
            sync_ms: self.sync_ms.max(other.sync_ms),
            async_ms: self.async_ms.max(other.async_ms),
            bytes: self.bytes + other.bytes,
            full_bytes: self.full_bytes + other.full_bytes,
            in_flight_bytes: self.in_flight_bytes + other.in_flight_bytes,
        }
    }
}

impl CheckpointStats {
    /// The newest that is complete.
    #[must_use]
    pub fn newest_completed(&self) -> Option<&CheckpointRecord> {
        self.history.iter().find(|record| record.status == Status::Completed)
    }

    /// As JSON, indented: `status.json` is read by people, too.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Numbers, texts and lists: there is nothing in them that JSON can't hold.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// From `status.json`.
    ///
    /// # Errors
    /// When it isn't one, or is of another version.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let refuse = |why: String| Error::job("the status of the job's checkpoints can't be read", why, "it is written again while the job runs");
        let stats: Self = serde_json::from_slice(bytes).map_err(|error| refuse(error.to_string()))?;
        if stats.format_version != FORMAT_VERSION {
            return Err(refuse(format!("its format version is {}, and this weir reads version {FORMAT_VERSION}", stats.format_version)));
        }
        Ok(stats)
    }
}

fn since(then_ms: i64, now_ms: i64) -> u64 {
    u64::try_from(now_ms.saturating_sub(then_ms)).unwrap_or(0)
}
