//! The plan of a job: what would run, decided and checked before anything does.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_checkpoint::manifest::{OperatorKind, OperatorSnapshot, SubtaskSnapshot};
use weir_connect::sink::SinkConfig;
use weir_connect::source::SourceConfig;
use weir_model::describe::{FunctionDescription, FunctionKind, Port};
use weir_model::graph::{NodeIndex, OnError};
use weir_model::id::{OperatorUid, Parallelism};
use weir_model::key_group::MaxParallelism;
use weir_model::settings::{CheckpointSettings, RestartStrategy, StateSettings};
use weir_model::{Error, Result};
use weir_plugin::{Breakage, Guest, InstanceLimits, Plugin, Subtask};

/// Makes the guest of one subtask.
pub type GuestMaker = Arc<dyn Fn(Subtask, InstanceLimits) -> Result<Box<dyn Guest>, Breakage> + Send + Sync>;

/// A job that can be started: plugins loaded, connectors configured, every connection checked.
#[derive(Debug)]
pub struct Plan {
    /// The job's name.
    pub name: String,
    /// The number of key groups.
    pub max_parallelism: MaxParallelism,
    /// How checkpoints are taken; `None`: they are not.
    pub checkpointing: Option<CheckpointSettings>,
    /// How keyed state is kept.
    pub state: StateSettings,
    /// What happens when the job fails.
    pub restart: RestartStrategy,
    /// The nodes, inputs before consumers.
    pub nodes: Vec<PlannedNode>,
    /// The connections, by consumer and input.
    pub edges: Vec<Edge>,
    /// Nodes that share a task, the first of each chain first.
    pub chains: Vec<Vec<NodeIndex>>,
    /// The plugins that operators use, by their name in the job file.
    pub plugins: BTreeMap<String, Plugin>,
}

/// One node of a plan.
#[derive(Debug)]
pub struct PlannedNode {
    /// Its UID.
    pub uid: OperatorUid,
    /// How many subtasks it has.
    pub parallelism: Parallelism,
    /// Its output ports; with `on-error = "dead-letter"` the last one is the dead letters'.
    pub outputs: Vec<Port>,
    /// What it does.
    pub kind: PlannedKind,
}

/// What a node does.
#[derive(Debug)]
pub enum PlannedKind {
    /// Brings records in.
    Source(SourceConfig),
    /// Runs a function of a plugin.
    Operator(PlannedOperator),
    /// Takes records out.
    Sink(SinkConfig),
}

/// A node that runs a function of a plugin.
pub struct PlannedOperator {
    /// The plugin's name in the job file.
    pub plugin: String,
    /// The SHA-256 of the plugin, in hexadecimal.
    pub digest: String,
    /// The function.
    pub function: FunctionDescription,
    /// What the guest gets at `open`.
    pub config: Vec<(String, String)>,
    /// What happens to a record that it can't handle.
    pub on_error: OnError,
    /// What an instance may use.
    pub limits: InstanceLimits,
    /// Where instances come from.
    pub guests: GuestMaker,
}

impl std::fmt::Debug for PlannedOperator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlannedOperator").field("plugin", &self.plugin).field("function", &self.function.name).finish_non_exhaustive()
    }
}

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The producer.
    pub from: NodeIndex,
    /// The producer's output port.
    pub output: usize,
    /// The consumer.
    pub to: NodeIndex,
    /// The consumer's input port.
    pub input: u32,
    /// How records get from subtasks to subtasks.
    pub exchange: Exchange,
    /// Whether both ends run in one task, and records are handed over by value.
    pub chained: bool,
}

/// How records get from the subtasks of one node to those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// Subtask to subtask of the same index.
    Forward,
    /// By the key group of the record's key.
    Hash,
    /// In turn, a batch at a time.
    Rebalance,
}

impl Exchange {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Hash => "hash",
            Self::Rebalance => "rebalance",
        }
    }
}

impl Plan {
    /// The node at `index`.
    ///
    /// # Errors
    /// Never for an index that came from this plan.
    pub fn node(&self, index: NodeIndex) -> Result<&PlannedNode> {
        self.nodes.get(index.0).ok_or_else(|| Error::job("the plan", format!("has no node {}", index.0), "this is a bug of weir: please report it"))
    }

    /// What a sink reads: the port of its input, or of all its inputs if they agree.
    ///
    /// # Errors
    /// When the inputs carry records of different kinds.
    pub fn sink_port(&self, sink: NodeIndex) -> Result<Port> {
        let mut ports = Vec::new();
        for edge in self.inputs(sink) {
            let producer = self.node(edge.from)?;
            ports.extend(producer.outputs.get(edge.output).map(|port| (producer, port)));
        }
        let Some((first, port)) = ports.first() else {
            return Err(Error::job(format!("sink {}", self.node(sink)?.uid), "it has no input", "this is a bug of weir: please report it"));
        };
        match ports.iter().find(|(_, other)| (&other.key, &other.value) != (&port.key, &port.value)) {
            None => Ok((*port).clone()),
            Some((other, other_port)) => Err(Error::incompatible(
                format!("sink {}", self.node(sink)?.uid),
                format!(
                    "it would write records of different kinds: {} sends ({}, {}), {} sends ({}, {})",
                    first.uid, port.key, port.value, other.uid, other_port.key, other_port.value
                ),
                "give each input a sink of its own",
            )),
        }
    }

    /// What a checkpoint says of a node, given what its subtasks contributed.
    pub(crate) fn operator_snapshot(&self, node: &PlannedNode, subtasks: Vec<SubtaskSnapshot>) -> OperatorSnapshot {
        let (kind, function, plugin_digest, states) = match &node.kind {
            PlannedKind::Source(_) => (OperatorKind::Source, "source".to_owned(), None, Vec::new()),
            PlannedKind::Sink(_) => (OperatorKind::Sink, "sink".to_owned(), None, Vec::new()),
            PlannedKind::Operator(operator) => {
                let digest = self.plugins.get(&operator.plugin).map(|plugin| plugin.digest());
                (OperatorKind::Operator, operator.function.name.clone(), digest, operator.function.states.clone())
            }
        };
        let contract = if kind == OperatorKind::Operator { weir_plugin::load::CONTRACT.to_owned() } else { String::new() };
        let (uid, parallelism) = (node.uid.clone(), node.parallelism.get());
        OperatorSnapshot { uid, kind, function, plugin_digest, contract, parallelism, states, subtasks }
    }

    /// The connections that end at `node`, in order of its inputs.
    pub fn inputs(&self, node: NodeIndex) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.to == node)
    }

    /// The connections that start at `node`.
    pub fn outputs(&self, node: NodeIndex) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.from == node)
    }
}

impl PlannedNode {
    /// Whether its input is exchanged by key.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        matches!(&self.kind, PlannedKind::Operator(operator) if operator.function.kind == FunctionKind::Keyed)
    }
}
