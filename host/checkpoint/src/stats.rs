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
    /// While no record was worked on, microseconds.
    pub sync_us: u64,
    /// Writing in the background, microseconds.
    pub async_us: u64,
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
    /// Restarts after a failure since the process started.
    pub restarts: u64,
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
    /// It became a savepoint.
    Savepoint,
    /// Operators went on with new versions.
    Swap,
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
    /// The nodes that its records come from, by UID.
    pub inputs: Vec<String>,
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
    /// The nodes that its records come from, by UID.
    pub inputs: Vec<String>,
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

    /// The process has started the job again so many times.
    pub fn restarted(&mut self, restarts: u64) {
        self.totals.restarts = restarts;
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
            BarrierKind::Savepoint => Kind::Savepoint,
            BarrierKind::Swap => Kind::Swap,
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

    /// The attempt ends with this error, and with it all that is under way.
    pub fn attempt_failed(&mut self, cause: &Error, wall_ms: i64) {
        while let Some((checkpoint, _)) = self.under_way.first_key_value() {
            self.failed(*checkpoint, cause, wall_ms);
        }
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
        Self {
            uid: tasks.uid.clone(),
            acked: 0,
            total,
            missing: (0..total).collect(),
            inputs: tasks.inputs.clone(),
            timings: SubtaskTimings::default(),
        }
    }
}

impl SubtaskTimings {
    /// The longest of each time, the sum of each number of bytes.
    fn with(self, other: &Self) -> Self {
        Self {
            start_delay_ms: self.start_delay_ms.max(other.start_delay_ms),
            alignment_ms: self.alignment_ms.max(other.alignment_ms),
            sync_us: self.sync_us.max(other.sync_us),
            async_us: self.async_us.max(other.async_us),
            bytes: self.bytes + other.bytes,
            full_bytes: self.full_bytes + other.full_bytes,
            in_flight_bytes: self.in_flight_bytes + other.in_flight_bytes,
        }
    }
}

impl CheckpointRecord {
    /// The nodes that hold the barrier: not all of their subtasks have acknowledged, though all before them have. What is behind them can only wait.
    #[must_use]
    pub fn holders(&self) -> Vec<&OperatorRecord> {
        let has_acked = |uid: &String| self.operators.iter().find(|one| one.uid == *uid).is_none_or(|one| one.missing.is_empty());
        self.operators.iter().filter(|one| !one.missing.is_empty() && one.inputs.iter().all(has_acked)).collect()
    }
}

/// What Flink calls some of the figures (`JobManager` metrics, "Checkpointing" and "Availability"), for whoever has a dashboard for them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FlinkMetrics {
    number_of_in_progress_checkpoints: u64,
    number_of_completed_checkpoints: u64,
    number_of_failed_checkpoints: u64,
    total_number_of_checkpoints: u64,
    /// Milliseconds.
    last_checkpoint_duration: Option<u64>,
    /// Bytes written.
    last_checkpoint_size: Option<u64>,
    /// Bytes with what older checkpoints have written.
    last_checkpoint_full_size: Option<u64>,
    /// Milliseconds since the Unix epoch.
    last_checkpoint_restore_timestamp: Option<i64>,
    num_restarts: u64,
}

/// `status.json`.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    stats: &'a CheckpointStats,
    metrics: FlinkMetrics,
}

impl CheckpointStats {
    fn flink_metrics(&self) -> FlinkMetrics {
        let last = self.newest_completed();
        FlinkMetrics {
            number_of_in_progress_checkpoints: self.in_progress.len() as u64,
            number_of_completed_checkpoints: self.totals.completed,
            number_of_failed_checkpoints: self.totals.failed,
            total_number_of_checkpoints: self.totals.triggered,
            last_checkpoint_duration: last.map(|last| last.duration_ms),
            last_checkpoint_size: last.map(|last| last.bytes),
            last_checkpoint_full_size: last.map(|last| last.full_bytes),
            last_checkpoint_restore_timestamp: self.restored.map(|restored| restored.at_ms),
            num_restarts: self.totals.restarts,
        }
    }

    /// The newest that is complete.
    #[must_use]
    pub fn newest_completed(&self) -> Option<&CheckpointRecord> {
        self.history.iter().find(|record| record.status == Status::Completed)
    }

    /// As JSON, indented: `status.json` is read by people, too. `metrics` has figures under Flink's names.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Numbers, texts and lists: there is nothing in them that JSON can't hold.
        serde_json::to_vec_pretty(&Written { stats: self, metrics: self.flink_metrics() }).unwrap_or_default()
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
