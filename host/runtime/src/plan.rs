//! The plan of a job: what would run, decided and checked before anything does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use weir_checkpoint::compare::{Comparison, GivenUp};
use weir_checkpoint::manifest::{OperatorKind, OperatorSnapshot, SubtaskSnapshot};
use weir_checkpoint::paths::job_id;
use weir_checkpoint::savepoint::Snapshot;
use weir_checkpoint::store::Store;
use weir_connect::sink::SinkConfig;
use weir_connect::source::SourceConfig;
use weir_model::codec::Codec;
use weir_model::describe::{FunctionDescription, FunctionKind, Port};
use weir_model::graph::{NodeIndex, OnError, PluginSpec};
use weir_model::id::{OperatorUid, Parallelism, PluginDigest};
use weir_model::key_group::MaxParallelism;
use weir_model::settings::{CheckpointSettings, RestartStrategy, StateSettings};
use weir_model::time::{SharedClock, SystemClock};
use weir_model::{Error, Result};
use weir_plugin::{Breakage, Capabilities, Guest, InstanceLimits, Plugin, Subtask};

use crate::versions::{GoesOn, compare_plan, live_plan};

/// Makes the guest of one subtask.
pub type GuestMaker = Arc<dyn Fn(Subtask, InstanceLimits) -> Result<Box<dyn Guest>, Breakage> + Send + Sync>;

/// Says why a function of a subtask can't bring a state from an older schema version to its own; `Ok`: it can.
pub type Migrates = Arc<dyn Fn(Subtask, InstanceLimits, &str, u32) -> Result<(), String> + Send + Sync>;

/// A job that can be started: plugins loaded, connectors configured, every connection checked.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The job's name.
    pub name: String,
    /// The number of key groups.
    pub max_parallelism: MaxParallelism,
    /// Whether the job file says that number.
    pub max_parallelism_is_set: bool,
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
    /// Plugins whose file is gone, found beside a snapshot: to be kept with the job's own checkpoints.
    pub found: Vec<(PluginDigest, Bytes)>,
}

/// One node of a plan.
#[derive(Debug, Clone)]
pub struct PlannedNode {
    /// Its UID.
    pub uid: OperatorUid,
    /// The UID that it had before: what a snapshot has under that one is its own.
    pub renamed_from: Option<OperatorUid>,
    /// How many subtasks it has.
    pub parallelism: Parallelism,
    /// Its output ports; with `on-error = "dead-letter"` the last one is the dead letters'.
    pub outputs: Vec<Port>,
    /// What it does.
    pub kind: PlannedKind,
}

/// What a node does.
#[derive(Debug, Clone)]
pub enum PlannedKind {
    /// Brings records in.
    Source(SourceConfig),
    /// Runs a function of a plugin.
    Operator(Box<PlannedOperator>),
    /// Takes records out.
    Sink(SinkConfig),
}

/// What the job file says of a plugin; it holds for every version that takes its place.
#[derive(Debug, Clone, Default)]
pub struct PluginSettings {
    memory_bytes_max: Option<u64>,
    call_timeout: Duration,
    granted: Capabilities,
}

impl PluginSettings {
    pub(crate) fn of(spec: &PluginSpec) -> Self {
        let clock = spec.clock.then(|| Arc::new(SystemClock::new()) as SharedClock);
        let granted = Capabilities { clock, random: spec.random, env: spec.env.clone() };
        Self { memory_bytes_max: spec.memory_bytes_max, call_timeout: spec.call_timeout, granted }
    }

    /// What an instance of a plugin may use.
    pub(crate) fn limits(&self, plugin: &Plugin) -> InstanceLimits {
        let of_language = plugin.default_limits();
        let memory_bytes_max = self.memory_bytes_max.unwrap_or(of_language.memory_bytes_max);
        InstanceLimits { memory_bytes_max, call_timeout: self.call_timeout, ..of_language }
    }

    /// The plugin, with what it is granted.
    pub(crate) fn equip(&self, plugin: &Plugin) -> Plugin {
        plugin.clone().with_capabilities(self.granted.clone())
    }
}

/// A node that runs a function of a plugin.
#[derive(Clone)]
pub struct PlannedOperator {
    /// The plugin's name in the job file.
    pub plugin: String,
    /// The plugin that runs.
    pub digest: PluginDigest,
    /// Where the plugin was read; `None`: it is kept with the job's checkpoints.
    pub file: Option<PathBuf>,
    /// The host interfaces that the plugin uses.
    pub imports: Vec<String>,
    /// The function.
    pub function: FunctionDescription,
    /// What the guest gets at `open`.
    pub config: Vec<(String, String)>,
    /// What happens to a record that it can't handle.
    pub on_error: OnError,
    /// What an instance may use.
    pub limits: InstanceLimits,
    /// What the job file says of the plugin.
    pub settings: PluginSettings,
    /// Where instances come from.
    pub guests: GuestMaker,
    /// From which older schema versions it can migrate.
    pub migrates: Migrates,
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

    /// The plugin that the first of these operators runs; `None`: there is no such operator.
    pub(crate) fn digest_of(&self, uids: &[OperatorUid]) -> Option<PluginDigest> {
        let node = self.nodes.iter().find(|node| uids.first().is_some_and(|uid| node.uid == *uid))?;
        node.operator().map(|operator| operator.digest)
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

    /// What the job goes on as from a snapshot: with the versions that were swapped in before it was taken, unless the job file names others now.
    ///
    /// # Errors
    /// When such a version isn't kept with the snapshot nor with the job's checkpoints, or can't be loaded.
    pub async fn going_on_from(&self, snapshot: &Snapshot) -> Result<Self> {
        let own = self.checkpointing.as_ref().map(|settings| Store::open(&settings.dir, &job_id(&self.name))).transpose()?;
        let stores = [Some(snapshot.store()), own.as_ref()];
        let from = GoesOn { manifest: snapshot.manifest(), name: snapshot.location(), returned: false, stores };
        Ok(live_plan(self, &from).await?.0)
    }

    /// Holds the job against a snapshot, given what [`Self::going_on_from`] it says: what `weir run -s` does before a record flows.
    #[must_use]
    pub fn held_against(&self, snapshot: &Snapshot, given_up: GivenUp<'_>) -> Comparison {
        compare_plan(self, snapshot.manifest(), snapshot.location(), given_up)
    }

    /// What a checkpoint says of a node, given what its subtasks contributed. `file` is what the job file says of the node.
    pub(crate) fn operator_snapshot(node: &PlannedNode, file: &PlannedNode, subtasks: Vec<SubtaskSnapshot>) -> OperatorSnapshot {
        let operator = node.operator();
        let function = operator.map(|operator| &operator.function);
        OperatorSnapshot {
            uid: node.uid.clone(),
            kind: node.operator_kind(),
            function: function.map_or_else(|| node.operator_kind().to_string(), |function| function.name.clone()),
            plugin_digest: operator.map(|operator| operator.digest),
            file_digest: file.operator().map(|operator| operator.digest),
            file_function: file.operator().map(|operator| operator.function.name.clone()),
            is_swapped: operator.zip(file.operator()).is_some_and(|(operator, file)| !operator.is_same_code(file)),
            next: None,
            // What has no file is kept with the checkpoints.
            has_component: operator.is_some_and(|operator| operator.file.is_none()),
            contract: operator.map_or_else(String::new, |_| weir_plugin::load::CONTRACT.to_owned()),
            imports: operator.map(|operator| operator.imports.clone()).unwrap_or_default(),
            key_codec: node.key_codec(),
            parallelism: node.parallelism.get(),
            states: function.map(|function| function.states.clone()).unwrap_or_default(),
            subtasks,
        }
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

impl PlannedOperator {
    /// Whether another one runs the same function of the same plugin.
    #[must_use]
    pub fn is_same_code(&self, other: &Self) -> bool {
        self.digest == other.digest && self.function.name == other.function.name
    }

    /// The same operator with another version of its code.
    #[must_use]
    pub fn with_version(&self, plugin: &Plugin, function: &FunctionDescription, file: Option<PathBuf>) -> Self {
        let (maker, asked) = (self.settings.equip(plugin), plugin.clone());
        Self {
            limits: self.settings.limits(plugin),
            migrates: Arc::new(move |subtask, limits, state, from| asked.migrates(subtask, limits, state, from)),
            digest: plugin.digest(),
            file,
            imports: plugin.imports().to_vec(),
            function: function.clone(),
            guests: Arc::new(move |subtask, limits| maker.instantiate(subtask, limits)),
            ..self.clone()
        }
    }
}

impl PlannedNode {
    /// The function that it runs; `None` for a source or a sink.
    #[must_use]
    pub fn operator(&self) -> Option<&PlannedOperator> {
        if let PlannedKind::Operator(operator) = &self.kind { Some(operator) } else { None }
    }

    /// How the keys of its states are read; `None` when it has none.
    #[must_use]
    pub fn key_codec(&self) -> Option<Codec> {
        let function = self.operator().map(|operator| &operator.function).filter(|_| self.is_keyed());
        function.and_then(|function| function.inputs.first()).map(|port| port.key.clone())
    }

    /// What it is, as checkpoints say it.
    #[must_use]
    pub fn operator_kind(&self) -> OperatorKind {
        match self.kind {
            PlannedKind::Source(_) => OperatorKind::Source,
            PlannedKind::Operator(_) => OperatorKind::Operator,
            PlannedKind::Sink(_) => OperatorKind::Sink,
        }
    }

    /// Whether its input is exchanged by key.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        self.operator().is_some_and(|operator| operator.function.kind == FunctionKind::Keyed)
    }
}
