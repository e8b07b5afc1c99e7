//! What a checkpoint consists of: the manifest, as it is in memory.

use std::fmt;
use std::ops::Range;

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
    /// The nodes of the job graph.
    pub operators: Vec<OperatorSnapshot>,
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
    /// The version of the contract that the plugin was made for; empty for a source or a sink.
    pub contract: String,
    /// How many subtasks it ran as.
    pub parallelism: u32,
    /// Its keyed states.
    pub states: Vec<StateDescriptor>,
    /// Its subtasks, in order: as many as `parallelism`.
    pub subtasks: Vec<SubtaskSnapshot>,
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
