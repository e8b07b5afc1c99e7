//! The job graph as the job file says it: nodes by UID, in an order in which every node comes after its inputs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::id::{OperatorUid, Parallelism};
use crate::key_group::MaxParallelism;
use crate::section::Section;
use crate::settings::{CheckpointSettings, RestartStrategy, StateSettings};

/// A job, checked as far as that is possible without looking at its plugins.
#[derive(Debug, Clone)]
pub struct JobGraph {
    /// The job's name.
    pub name: String,
    /// The parallelism of every node that doesn't say its own.
    pub parallelism: Parallelism,
    /// The number of key groups.
    pub max_parallelism: MaxParallelism,
    /// Whether the job file says that number; otherwise it is derived, and that of a snapshot takes its place.
    pub max_parallelism_is_set: bool,
    /// Plugins by the name that operators use.
    pub plugins: BTreeMap<String, PluginSpec>,
    /// The nodes; a node's inputs come before it.
    pub nodes: Vec<Node>,
    /// How checkpoints are taken; `None`: they are not.
    pub checkpointing: Option<CheckpointSettings>,
    /// How keyed state is kept.
    pub state: StateSettings,
    /// What happens when the job fails.
    pub restart: RestartStrategy,
    /// The folder that relative paths start from: the job file's.
    pub base: PathBuf,
    /// The job file as the user named it, for messages.
    pub file: String,
}

/// The place of a node in [`JobGraph::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub usize);

/// One plugin of a job.
#[derive(Debug, Clone)]
pub struct PluginSpec {
    /// The line of its table.
    pub line: usize,
    /// The component, absolute or relative to the working folder.
    pub path: PathBuf,
    /// The most memory one instance may have, bytes; `None`: what its language needs.
    pub memory_bytes_max: Option<u64>,
    /// The longest that one call may take.
    pub call_timeout: Duration,
    /// Whether its instances see the machine's clock.
    pub clock: bool,
    /// Whether they see random numbers of the machine.
    pub random: bool,
    /// The environment variables that they see.
    pub env: BTreeMap<String, String>,
}

/// A source, an operator or a sink.
#[derive(Debug, Clone)]
pub struct Node {
    /// The name of its table.
    pub uid: OperatorUid,
    /// The line of its table.
    pub line: usize,
    /// The UID that it had before: what a snapshot has under that one is its own.
    pub renamed_from: Option<OperatorUid>,
    /// Its own parallelism, if it says one.
    pub parallelism: Option<Parallelism>,
    /// Where its records come from, in the order of the job file; empty for a source.
    pub inputs: Vec<Input>,
    /// What it is.
    pub kind: NodeKind,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// Brings records in. The connector reads its own keys from the section.
    Source {
        /// The connector's name.
        connector: String,
        /// The keys that are the connector's.
        section: Section,
    },
    /// Runs a function of a plugin.
    Operator(OperatorSpec),
    /// Takes records out. The connector reads its own keys from the section.
    Sink {
        /// The connector's name.
        connector: String,
        /// The keys that are the connector's.
        section: Section,
    },
}

/// A node that runs a function of a plugin.
#[derive(Debug, Clone)]
pub struct OperatorSpec {
    /// The plugin's name in [`JobGraph::plugins`].
    pub plugin: String,
    /// The function's name.
    pub function: String,
    /// What the guest gets at `open`: texts as they are, everything else as JSON.
    pub config: Vec<(String, String)>,
    /// What happens to a record that the function refuses.
    pub on_error: OnError,
}

/// What happens to a record that an operator refuses or traps on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The job fails.
    Fail,
    /// The record is dropped and counted.
    Skip,
    /// The record goes, with its error, to the output `UID.dead-letter`.
    DeadLetter,
}

/// The name of the output that every operator with `on-error = "dead-letter"` has besides its own.
pub const DEAD_LETTER_PORT: &str = "dead-letter";

/// An edge's end at the consumer.
#[derive(Debug, Clone)]
pub struct Input {
    /// The producer.
    pub from: NodeIndex,
    /// The producer's output port: `None` for the main output.
    pub port: Option<String>,
}
