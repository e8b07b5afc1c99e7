//! What is known of a running job from outside: which code runs, what it counts, what is under way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use weir_checkpoint::manifest::OperatorKind;
use weir_model::id::{OperatorUid, Parallelism, PluginDigest};
use weir_model::{Error, ErrorKind};

use crate::metrics::JobMetrics;
use crate::plan::Plan;

/// How a job is.
#[derive(Debug, Clone, PartialEq)]
pub struct JobStatus {
    /// The job's name.
    pub name: String,
    /// What it does.
    pub phase: Phase,
    /// Restarts after a failure.
    pub restarts: u64,
    /// Complete checkpoints since the job was started.
    pub completed_checkpoints: u64,
    /// Failed checkpoints since the job was started.
    pub failed_checkpoints: u64,
    /// Its nodes, inputs before consumers.
    pub nodes: Vec<NodeStatus>,
    /// The swap that is under way or on trial.
    pub swap: Option<SwapStatus>,
}

/// What a job does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// Records flow.
    #[default]
    Running,
    /// It has failed and starts again.
    Restarting,
    /// It has been told to end.
    Ending,
    /// It was cancelled.
    Cancelled,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeStatus {
    /// Its UID.
    pub uid: OperatorUid,
    /// What it is.
    pub kind: OperatorKind,
    /// How many subtasks it has.
    pub parallelism: Parallelism,
    /// The function of the version that runs; `None` for a source or a sink.
    pub function: Option<String>,
    /// The plugin that runs.
    pub digest: Option<PluginDigest>,
    /// The plugin that the job file names.
    pub file_digest: Option<PluginDigest>,
    /// Records that have come in.
    pub records_in: u64,
    /// Records that have gone out.
    pub records_out: u64,
    /// Keys that have state.
    pub keys: u64,
    /// Nanoseconds in which its subtasks worked.
    pub busy_ns: u64,
}

/// A swap that isn't over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapStatus {
    /// The operators.
    pub uids: Vec<OperatorUid>,
    /// The version before.
    pub before: PluginDigest,
    /// The new version; `None`: nobody has looked at it yet.
    pub digest: Option<PluginDigest>,
    /// How far it is.
    pub phase: SwapPhase,
}

/// How far a swap is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapPhase {
    /// The new version is being loaded and checked.
    Preparing,
    /// The new version runs beside the old one.
    Shadow,
    /// Its barrier is on its way.
    Barrier,
    /// The new version runs, and is on trial for so many more checkpoints.
    Probation(u32),
}

/// How far something is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is done.
    pub done: u64,
    /// What there is to do, in the same unit.
    pub total: u64,
}

/// The parts of a job that can be looked at while it runs.
pub(crate) struct Live {
    metrics: Arc<JobMetrics>,
    inner: Mutex<Inner>,
    savepoint_done: Arc<AtomicU64>,
    savepoint_total: AtomicU64,
}

struct Inner {
    /// What the job file says.
    file: Arc<Plan>,
    /// What runs.
    plan: Arc<Plan>,
    phase: Phase,
    swap: Option<SwapStatus>,
}

impl Live {
    pub(crate) fn new(file: &Arc<Plan>, metrics: &Arc<JobMetrics>) -> Self {
        let inner = Inner { file: Arc::clone(file), plan: Arc::clone(file), phase: Phase::default(), swap: None };
        Self { metrics: Arc::clone(metrics), inner: Mutex::new(inner), savepoint_done: Arc::default(), savepoint_total: AtomicU64::new(0) }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_plan(&self, plan: &Arc<Plan>) {
        self.inner().plan = Arc::clone(plan);
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.inner().phase = phase;
    }

    /// Notes that somebody has cancelled the job; gives what it ends with.
    pub(crate) fn cancel(&self) -> Error {
        self.set_phase(Phase::Cancelled);
        Error::new(ErrorKind::Interrupted, "the job", "it was cancelled", "`weir run` goes on from its last checkpoint, if that was retained")
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.inner().phase == Phase::Cancelled
    }

    /// A swap is wanted, to a plugin that may be known by now.
    pub(crate) fn begin_swap(&self, uids: &[OperatorUid], digest: Option<PluginDigest>) {
        let mut inner = self.inner();
        let before = inner.plan.digest_of(uids);
        inner.swap = before.map(|before| SwapStatus { uids: uids.to_vec(), before, digest, phase: SwapPhase::Preparing });
    }

    /// Says how far a swap is. One that another process has begun isn't known yet: what the job file names is the version before.
    pub(crate) fn set_swap_phase(&self, uids: &[OperatorUid], phase: SwapPhase) {
        let mut inner = self.inner();
        let known = inner.swap.as_ref().map(|swap| (swap.before, swap.digest));
        let found = known.or_else(|| Some((inner.file.digest_of(uids)?, inner.plan.digest_of(uids))));
        inner.swap = found.map(|(before, digest)| SwapStatus { uids: uids.to_vec(), before, digest, phase });
    }

    /// No swap is under way or on trial.
    pub(crate) fn end_swap(&self) {
        self.inner().swap = None;
    }

    pub(crate) fn savepoint_progress(&self) -> Option<Progress> {
        let total = self.savepoint_total.load(Ordering::Relaxed);
        (total > 0).then(|| Progress { done: self.savepoint_done.load(Ordering::Relaxed), total })
    }

    /// A savepoint is being written, of so many bytes to be read; gives whom to tell of those that are done. A total of 0: none is any more.
    pub(crate) fn begin_savepoint(&self, total: u64) -> Arc<dyn Fn(u64) + Send + Sync> {
        self.savepoint_done.store(0, Ordering::Relaxed);
        self.savepoint_total.store(total, Ordering::Relaxed);
        let done = Arc::clone(&self.savepoint_done);
        Arc::new(move |bytes| {
            done.fetch_add(bytes, Ordering::Relaxed);
        })
    }

    pub(crate) fn status(&self) -> JobStatus {
        let inner = self.inner();
        let nodes = inner.plan.nodes.iter().zip(&inner.file.nodes).zip(&self.metrics.nodes);
        let nodes = nodes.map(|((node, in_file), metrics)| NodeStatus {
            uid: node.uid.clone(),
            kind: node.operator_kind(),
            parallelism: node.parallelism,
            function: node.operator().map(|operator| operator.function.name.clone()),
            digest: node.operator().map(|operator| operator.digest),
            file_digest: in_file.operator().map(|operator| operator.digest),
            records_in: metrics.sum(|subtask| &subtask.records_in),
            records_out: metrics.sum(|subtask| &subtask.records_out),
            keys: metrics.sum(|subtask| &subtask.keys),
            busy_ns: metrics.sum(|subtask| &subtask.busy_ns),
        });
        JobStatus {
            name: inner.plan.name.clone(),
            phase: inner.phase,
            restarts: self.metrics.restarts.get(),
            completed_checkpoints: self.metrics.completed_checkpoints.get(),
            failed_checkpoints: self.metrics.failed_checkpoints.get(),
            nodes: nodes.collect(),
            swap: inner.swap.clone(),
        }
    }
}
