//! What a checkpoint consists of: the manifest, as it is in memory.

use std::fmt;
use std::ops::Range;

use weir_model::codec::Codec;
use weir_model::describe::StateDescriptor;
use weir_model::id::{CheckpointId, OperatorUid, PluginDigest};

mod format;

#[cfg(test)]
pub(crate) mod sample;

pub(crate) use format::MANIFEST_BYTES_MAX;
pub use format::ManifestError;

/// The function from a key to its key group, by name: state that another function has placed can't be found again.
pub const HASH_FUNCTION: &str = "xxh3-64-low32-flink-murmur";

/// The number of an attempt at a job, from 1: a newer attempt fences the older ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerEpoch(pub u64);

impl fmt::Display for OwnerEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Everything that a restore needs to know of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The checkpoint.
    pub checkpoint: CheckpointId,
    /// The attempt that took it.
    pub owner_epoch: OwnerEpoch,
    /// What happened at its barriers.
    pub kind: ManifestKind,
    /// The job that it belongs to.
    pub job: JobIdentity,
    /// The number of key groups: state can't be read with another.
    pub max_parallelism: u32,
    /// The function from a key to its key group: [`HASH_FUNCTION`].
    pub hash_function: String,
    /// When it was triggered: wall-clock time, milliseconds since the Unix epoch.
    pub triggered_ms: i64,
    /// When the last task had acknowledged: wall-clock time, milliseconds since the Unix epoch.
    pub completed_ms: i64,
    /// The older checkpoints that were retained when this one was taken, newest first: known from here and not from a listing.
    pub retained: Vec<CheckpointId>,
    /// Swapped versions that may still be taken back: nothing that came after the swap is committed.
    pub probation: Option<Probation>,
    /// The nodes of the job graph.
    pub operators: Vec<OperatorSnapshot>,
}

/// New versions of operators on trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probation {
    /// The checkpoint at whose barrier they were swapped in: what a return restores, with the versions before.
    pub since: CheckpointId,
    /// Checkpoints until the trial is over, from 1.
    pub left: u32,
    /// The operators.
    pub uids: Vec<OperatorUid>,
    /// What they may do.
    pub thresholds: Thresholds,
}

/// What a version on trial may do without being taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Traps and missed deadlines.
    pub traps_max: u64,
    /// Of a million records, those that are refused.
    pub errors_ppm_max: u32,
    /// Milliseconds that one call may take; `None`: as long as the job lets it.
    pub call_ms_max: Option<u64>,
}

impl Default for Thresholds {
    /// No trap, one record in a hundred refused.
    fn default() -> Self {
        Self { traps_max: 0, errors_ppm_max: 10_000, call_ms_max: None }
    }
}

/// What happened at the barriers of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestKind {
    /// Nothing: records followed.
    Checkpoint,
    /// The input had ended and the operators had finished: there is nothing left to run.
    Drain,
    /// The job was stopped; the next run goes on from here.
    Stop,
    /// Nothing, and it is a savepoint: whole by itself, in a folder of its own. Nothing was committed for it.
    Savepoint,
}

/// Which job a checkpoint belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobIdentity {
    /// The job's name, as in its job file.
    pub name: String,
    /// The name of its folder: see [`paths::job_id`](crate::paths::job_id).
    pub id: String,
}

/// What a node contributed to a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorSnapshot {
    /// The node's UID: what its state is found by.
    pub uid: OperatorUid,
    /// What it is.
    pub kind: OperatorKind,
    /// The plugin's function; for a source or a sink the name of the connector.
    pub function: String,
    /// Which code wrote the state; `None` for a source or a sink.
    pub plugin_digest: Option<PluginDigest>,
    /// The plugin that the job file named at the time: another one while a swapped version runs.
    pub file_digest: Option<PluginDigest>,
    /// The function that it named.
    pub file_function: Option<String>,
    /// Whether the code that wrote this was swapped in, and not named by the job file.
    pub is_swapped: bool,
    /// What goes on from this snapshot, if it isn't the code that wrote it: the version that was swapped in at its barrier.
    pub next: Option<NextVersion>,
    /// Whether the component that goes on from this snapshot lies beside the state: see [`paths::component`](crate::paths::component).
    pub has_component: bool,
    /// The version of the contract that the plugin was made for; empty for a source or a sink.
    pub contract: String,
    /// The host interfaces that the plugin uses.
    pub imports: Vec<String>,
    /// How the keys of its states are to be read; `None` when it has none.
    pub key_codec: Option<Codec>,
    /// How many subtasks it ran as.
    pub parallelism: u32,
    /// Its keyed states.
    pub states: Vec<StateDescriptor>,
    /// Its subtasks, in order: as many as `parallelism`.
    pub subtasks: Vec<SubtaskSnapshot>,
}

/// A version of an operator's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextVersion {
    /// The plugin.
    pub digest: PluginDigest,
    /// Its function.
    pub function: String,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorKind {
    /// Records enter the job.
    Source,
    /// A plugin's function.
    Operator,
    /// Records leave the job.
    Sink,
}

impl fmt::Display for OperatorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Operator => "operator",
            Self::Sink => "sink",
        })
    }
}

/// What one subtask contributed to a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubtaskSnapshot {
    /// Its keyed state: at most one base file first, then the changes in the order in which they are to be applied.
    pub files: Vec<FileEntry>,
    /// A source's position, a sink writer's state; empty for an operator.
    pub position: Vec<u8>,
    /// A sink's commit handles: all of this subtask's that weren't known to be committed.
    pub handles: Vec<Vec<u8>>,
    /// The records that an unaligned barrier overtook.
    pub in_flight: Option<FileEntry>,
}

/// One immutable file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Where it is, relative to the job's folder.
    pub path: String,
    /// What it holds of its subtask's state.
    pub scope: FileScope,
    /// Rows in it.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
    /// Its checksum: XXH3-64; whoever wrote the file says over what.
    pub checksum: u64,
    /// The key groups that it may hold rows of; empty when its rows have no keys.
    pub key_groups: Range<u32>,
}

/// What a file holds of its subtask's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileScope {
    /// All of it.
    Full,
    /// What changed since the file before.
    Changes,
}

impl OperatorSnapshot {
    /// Whether the plugin has written this snapshot or goes on from it.
    #[must_use]
    pub fn names_plugin(&self, digest: PluginDigest) -> bool {
        self.plugin_digest == Some(digest) || self.next.as_ref().is_some_and(|next| next.digest == digest)
    }

    /// The version that goes on from this snapshot: `None` for a source or a sink.
    #[must_use]
    pub fn live(&self) -> Option<NextVersion> {
        let own = || Some(NextVersion { digest: self.plugin_digest?, function: self.function.clone() });
        self.next.clone().or_else(own)
    }
}

impl Manifest {
    /// Every file that the checkpoint consists of.
    pub fn files(&self) -> impl Iterator<Item = &FileEntry> {
        self.operators.iter().flat_map(|operator| &operator.subtasks).flat_map(|subtask| subtask.files.iter().chain(&subtask.in_flight))
    }

    /// The commit handles of each sink, of all its subtasks.
    pub fn handles(&self) -> impl Iterator<Item = (&OperatorUid, Vec<Vec<u8>>)> {
        let sinks = self.operators.iter().filter(|operator| operator.kind == OperatorKind::Sink);
        sinks.map(|sink| (&sink.uid, sink.subtasks.iter().flat_map(|subtask| subtask.handles.iter().cloned()).collect()))
    }

    /// The bytes of all its files, older ones included.
    #[must_use]
    pub fn full_bytes(&self) -> u64 {
        self.files().map(|file| file.bytes).sum()
    }

    /// As bytes: the on-disk form.
    ///
    /// # Errors
    /// When the manifest contradicts itself or is larger than a manifest may be.
    pub fn encode(&self) -> Result<Vec<u8>, ManifestError> {
        format::encode(self)
    }

    /// From bytes that may come from anywhere.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        format::decode(bytes)
    }
}
