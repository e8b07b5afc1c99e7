//! What a job says about checkpoints, state and restarts: Flink's settings, with Flink's meaning and defaults.

use std::path::PathBuf;
use std::time::Duration;

/// How checkpoints are taken (`[checkpointing]`, Flink's `execution.checkpointing.*`).
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointSettings {
    /// The time from one trigger to the next; `None`: only savepoints, swaps and the end of the job take snapshots.
    pub interval: Option<Duration>,
    /// Whether a barrier holds back the channels that it has come through.
    pub mode: CheckpointMode,
    /// The least time from the end of one checkpoint to the trigger of the next.
    pub min_pause: Duration,
    /// A checkpoint that takes longer is aborted.
    pub timeout: Duration,
    /// Checkpoints that may be under way at the same time; 1 when there is a pause between them.
    pub max_concurrent: u32,
    /// Checkpoints that may fail in a row before the job fails.
    pub tolerable_failures: u32,
    /// What happens to the retained checkpoints when the job ends.
    pub retention: Retention,
    /// Complete checkpoints that are kept, the newest ones.
    pub num_retained: u32,
    /// Whether barriers overtake batches, which then become part of the checkpoint.
    pub unaligned: bool,
    /// With `unaligned`: how long a barrier waits its turn first. Zero: not at all.
    pub aligned_timeout: Duration,
    /// Where checkpoints lie: a path, absolute or relative to the working folder, or a URL (`file://`, `s3://`, `gs://`, `az://`, `memory://`).
    pub dir: String,
    /// Where savepoints go unless a command says otherwise, in the same forms.
    pub savepoint_dir: Option<String>,
}

/// What a restore promises about each record's effect on state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointMode {
    /// It is counted once.
    ExactlyOnce,
    /// It is counted at least once; no channel is ever held back.
    AtLeastOnce,
}

/// What happens to the retained checkpoints when a job ends (Flink's `externalized-checkpoint-retention`). All of them are kept when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Deleted when the job is cancelled or its input has ended; kept when it has failed.
    DeleteOnCancellation,
    /// Deleted when its input has ended; kept when the job is cancelled or has failed.
    RetainOnCancellation,
    /// Deleted however the job ends.
    None,
}

/// How keyed state is kept (`[state]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSettings {
    /// Where the working copy is.
    pub backend: StateBackend,
    /// Whether a checkpoint writes only what has changed since the one before.
    pub incremental: bool,
    /// The folder for the disk backend's working files; `None`: the system's temporary folder.
    pub local_dir: Option<PathBuf>,
    /// With the disk backend: bytes of memory for the state of one subtask, cache included.
    pub memory_bytes: u64,
}

/// Where the working copy of keyed state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateBackend {
    /// All of it in memory.
    Memory,
    /// On a local disk, with the part in use in memory.
    Disk,
}

/// What the disk backend may take in memory when the job file says nothing.
pub const STATE_MEMORY_BYTES_DEFAULT: u64 = 256 << 20;

impl Default for StateSettings {
    fn default() -> Self {
        Self { backend: StateBackend::Memory, incremental: true, local_dir: None, memory_bytes: STATE_MEMORY_BYTES_DEFAULT }
    }
}

/// What happens when a job fails (`[restart]`, Flink's `restart-strategy.*`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RestartStrategy {
    /// It has failed.
    None,
    /// So many restarts, each after the same delay.
    FixedDelay {
        /// Restarts before the job fails.
        attempts: u64,
        /// From the failure to the restart.
        delay: Duration,
    },
    /// Restarts as long as failures are rare enough.
    FailureRate {
        /// Failures in `interval` before the job fails.
        max_failures: u64,
        /// The time over which failures are counted.
        interval: Duration,
        /// From the failure to the restart.
        delay: Duration,
    },
    /// Restarts after longer and longer delays.
    ExponentialDelay {
        /// The first delay, and that after a quiet time.
        initial: Duration,
        /// The longest delay.
        max: Duration,
        /// What a delay is multiplied with for the next.
        multiplier: f64,
        /// A time without failures after which the delay is the first one again.
        reset_after: Duration,
        /// A random part of the delay, at most: 0.1 is ten percent more or less.
        jitter: f64,
        /// Restarts before the job fails; `None`: no limit.
        attempts: Option<u64>,
    },
}

impl RestartStrategy {
    /// Flink's default for jobs with checkpoints.
    pub const EXPONENTIAL_DELAY: Self = Self::ExponentialDelay {
        initial: Duration::from_secs(1),
        max: Duration::from_mins(1),
        multiplier: 1.5,
        reset_after: Duration::from_hours(1),
        jitter: 0.1,
        attempts: None,
    };
}
