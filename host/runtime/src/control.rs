//! What others may ask of a running job: savepoints, an end, new versions of its operators, and how it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use weir_checkpoint::manifest::Thresholds;
use weir_model::id::{CheckpointId, OperatorUid, PluginDigest};
use weir_model::{Error, Result};

use crate::live::{JobStatus, Live, Progress};

/// Asks a running job for something. Clones ask the same job.
#[derive(Clone)]
pub struct JobControl {
    requests: UnboundedSender<Request>,
    stop: watch::Sender<bool>,
    live: Arc<Live>,
}

/// A savepoint that somebody wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SavepointRequest {
    /// The folder or URL under which it gets a folder of its own; `None`: the job's `savepoint-dir`.
    pub dir: Option<String>,
    /// What the job does then.
    pub then: Then,
    /// Whether the plugins become part of it, so that it can start the job by itself.
    pub include_plugins: bool,
}

/// What a job does once its savepoint is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Then {
    /// It goes on; nothing is committed for the savepoint.
    #[default]
    GoOn,
    /// It stops: no record follows the savepoint, and all output before it is committed.
    Stop,
    /// The same, but the operators finish first, as if the input had ended.
    Drain,
    /// It is cancelled: what came since the last checkpoint is neither committed nor kept, but in the savepoint.
    Cancel,
}

/// A savepoint that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavepointReport {
    /// Where it is.
    pub location: String,
    /// Its number among the job's checkpoints.
    pub checkpoint: CheckpointId,
    /// Rows of state in it.
    pub rows: u64,
    /// Bytes of state in it.
    pub bytes: u64,
    /// From the request to its completion, milliseconds.
    pub took_ms: u64,
}

/// New versions of operators that somebody wants.
#[derive(Debug, Clone, PartialEq)]
pub struct SwapRequest {
    /// The operators, all of them at one barrier.
    pub uids: Vec<OperatorUid>,
    /// The plugin with the new version.
    pub file: PathBuf,
    /// What the plugin must be, if somebody has looked at it before.
    pub digest: Option<PluginDigest>,
    /// The function, if it has another name in the new plugin; for a swap of one operator.
    pub function: Option<String>,
    /// Names of states that the new version may lack: what is in them is given up.
    pub dropped_states: Vec<String>,
    /// Before the swap, the new version runs beside the old one for so long.
    pub shadow: Option<Duration>,
    /// The share of records that may differ in that time, from 0 to 1.
    pub diff_max: f64,
    /// Checkpoints for which the new version is on trial; 0: none.
    pub probation: u32,
    /// What it may do in that time.
    pub thresholds: Thresholds,
}

/// Operators that go on with a new version.
#[derive(Debug, Clone, PartialEq)]
pub struct SwapReport {
    /// The checkpoint at whose barrier they were swapped.
    pub checkpoint: CheckpointId,
    /// The plugin's digest before, by operator.
    pub before: Vec<(OperatorUid, PluginDigest)>,
    /// The plugin's digest now.
    pub digest: PluginDigest,
    /// What the shadow run has shown, if there was one.
    pub shadow: Option<ShadowReport>,
    /// Checkpoints for which the new version is on trial.
    pub probation: u32,
    /// The longest time for which a subtask was held up by its swap, microseconds.
    pub held_us: u64,
}

/// How a new version differs from the old one on the same records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShadowReport {
    /// Records that both versions have taken in.
    pub records: u64,
    /// Records that only one of them has emitted.
    pub differing: u64,
    /// Keys of those.
    pub keys: u64,
    /// Records that the new version refused or trapped on, and the old one didn't.
    pub failed: u64,
    /// Why the first of those failed.
    pub first_failure: Option<String>,
    /// Why the new version could run no longer, if it couldn't.
    pub broken: Option<String>,
    /// A few of the differences: the operator, what the old version emitted, what the new one did.
    pub examples: Vec<ShadowExample>,
}

/// A difference between two versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowExample {
    /// The operator.
    pub uid: OperatorUid,
    /// The key, as text if it is text.
    pub key: String,
    /// What the old version emitted; `None`: nothing.
    pub old: Option<String>,
    /// What the new version emitted; `None`: nothing.
    pub new: Option<String>,
}

/// Something that is asked of a running job; the answer goes back through `reply`.
pub(crate) enum Request {
    Savepoint(SavepointRequest, oneshot::Sender<Result<SavepointReport>>),
    Swap(Box<SwapRequest>, oneshot::Sender<Result<SwapReport>>),
    Cancel(oneshot::Sender<Result<()>>),
}

impl Request {
    /// Says that nothing comes of it; what was asked for doesn't matter.
    pub(crate) fn refuse(self, why: &Error) {
        match self {
            Self::Savepoint(_, reply) => drop(reply.send(Err(why.clone()))),
            Self::Swap(_, reply) => drop(reply.send(Err(why.clone()))),
            Self::Cancel(reply) => drop(reply.send(Err(why.clone()))),
        }
    }
}

impl JobControl {
    pub(crate) fn new(stop: watch::Sender<bool>, live: Arc<Live>) -> (Self, UnboundedReceiver<Request>) {
        let (requests, received) = unbounded_channel();
        (Self { requests, stop, live }, received)
    }

    /// Tells the job to end before its input does: see [`JobHandle::stop`](crate::JobHandle::stop).
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Takes a savepoint, and waits for it.
    ///
    /// # Errors
    /// When the job takes none, has no place for it, is ending, or the savepoint can't be written. The job goes on then.
    pub async fn savepoint(&self, request: SavepointRequest) -> Result<SavepointReport> {
        self.ask(|reply| Request::Savepoint(request, reply)).await
    }

    /// Ends the job at once: what came since its last checkpoint is neither committed nor kept.
    ///
    /// # Errors
    /// When it has ended already.
    pub async fn cancel(&self) -> Result<()> {
        self.ask(Request::Cancel).await
    }

    /// Replaces the version of operators at a barrier, and waits until the checkpoint of that barrier is complete.
    ///
    /// # Errors
    /// When the new version doesn't fit, its shadow run shows too many differences, another swap is under way, or the checkpoint fails. The old version goes
    /// on then.
    pub async fn swap(&self, request: SwapRequest) -> Result<SwapReport> {
        self.ask(|reply| Request::Swap(Box::new(request), reply)).await
    }

    /// How the job is.
    #[must_use]
    pub fn status(&self) -> JobStatus {
        self.live.status()
    }

    /// How far the savepoint is that is being written; `None`: none is.
    #[must_use]
    pub fn savepoint_progress(&self) -> Option<Progress> {
        self.live.savepoint_progress()
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<Result<T>>) -> Request) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let ended = || Error::usage("the job", "it has ended", "see `weir list` for those that run");
        self.requests.send(request(reply)).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}
