//! What a running job counts, per subtask of each node.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_model::id::OperatorUid;

/// A number that only grows, written by one task and read by others.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    #[inline]
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Sets it, for counts that are kept elsewhere.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Its value now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The metrics of one subtask. Names and meanings are Flink's where it has them.
#[derive(Debug, Default)]
pub struct SubtaskMetrics {
    /// `numRecordsIn`.
    pub records_in: Counter,
    /// `numBytesIn`: bytes of rows; for a source, bytes of its input as they lie in the file.
    pub bytes_in: Counter,
    /// `numRecordsOut`.
    pub records_out: Counter,
    /// `numBytesOut`: bytes of rows.
    pub bytes_out: Counter,
    /// Nanoseconds in which this node worked.
    pub busy_ns: Counter,
    /// Nanoseconds in which its task waited for input.
    pub idle_ns: Counter,
    /// Nanoseconds in which its task waited for room at a consumer.
    pub back_pressured_ns: Counter,
    /// Records dropped by `on-error = "skip"`.
    pub skipped: Counter,
    /// Records set aside by `on-error = "dead-letter"`.
    pub dead_letters: Counter,
    /// Plugin instances that broke and were replaced.
    pub broken_instances: Counter,
    /// Plugin instances that were replaced because they had grown, or had been called so often.
    pub recycled_instances: Counter,
    /// Keys that have state.
    pub keys: Counter,
    /// The longest call, nanoseconds; since the last swap of the operator.
    pub call_max_ns: Counter,
}

impl SubtaskMetrics {
    fn reset(&self) {
        let Self { records_in, bytes_in, records_out, bytes_out, busy_ns, idle_ns, back_pressured_ns, .. } = self;
        let Self { skipped, dead_letters, broken_instances, recycled_instances, keys, call_max_ns, .. } = self;
        let all = [
            records_in,
            bytes_in,
            records_out,
            bytes_out,
            busy_ns,
            idle_ns,
            back_pressured_ns,
            skipped,
            dead_letters,
            broken_instances,
            recycled_instances,
            keys,
            call_max_ns,
        ];
        all.into_iter().for_each(|counter| counter.set(0));
    }
}

/// The metrics of one node.
#[derive(Debug)]
pub struct NodeMetrics {
    /// The node.
    pub uid: OperatorUid,
    /// By subtask.
    pub subtasks: Vec<Arc<SubtaskMetrics>>,
    /// What the operator counts itself (`log.count`), summed over its subtasks at the end of the job.
    pub counters: std::sync::Mutex<std::collections::BTreeMap<String, u64>>,
}

impl NodeMetrics {
    /// A figure summed over the subtasks.
    pub fn sum(&self, of: impl Fn(&SubtaskMetrics) -> &Counter) -> u64 {
        self.subtasks.iter().map(|subtask| of(subtask).get()).sum()
    }
}

/// The metrics of a job, in the order of its nodes.
#[derive(Debug)]
pub struct JobMetrics {
    /// By node.
    pub nodes: Vec<NodeMetrics>,
    /// See [`Self::bytes_total`].
    bytes_total: Counter,
    /// Restarts after a failure (`numRestarts`).
    pub restarts: Counter,
    /// Complete checkpoints since the job was started (`numberOfCompletedCheckpoints`).
    pub completed_checkpoints: Counter,
    /// Failed checkpoints since the job was started (`numberOfFailedCheckpoints`).
    pub failed_checkpoints: Counter,
}

impl JobMetrics {
    /// All figures at zero.
    #[must_use]
    pub fn new(nodes: Vec<NodeMetrics>) -> Self {
        let none = Counter::default;
        Self { nodes, bytes_total: none(), restarts: none(), completed_checkpoints: none(), failed_checkpoints: none() }
    }

    /// Bytes that the sources will read, if that is known.
    #[must_use]
    pub fn bytes_total(&self) -> Option<u64> {
        self.bytes_total.get().checked_sub(1)
    }

    pub(crate) fn set_bytes_total(&self, bytes: Option<u64>) {
        self.bytes_total.set(bytes.map_or(0, |bytes| bytes.saturating_add(1)));
    }

    /// Sets what the tasks count back to zero: they start again.
    pub(crate) fn reset(&self) {
        for node in &self.nodes {
            node.subtasks.iter().for_each(|subtask| subtask.reset());
            node.counters.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
        }
    }
}
