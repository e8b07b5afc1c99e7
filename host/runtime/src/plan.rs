//! The plan of a job: what would run, decided and checked before anything does.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_connect::sink::SinkConfig;
use weir_connect::source::SourceConfig;
use weir_model::describe::{FunctionDescription, FunctionKind, Port};
use weir_model::graph::{JobGraph, NodeIndex, NodeKind, OnError};
use weir_model::id::{OperatorUid, Parallelism};
use weir_model::key_group::MaxParallelism;
use weir_model::{Error, Result};
use weir_plugin::{Breakage, Guest, InstanceLimits, Plugin, PluginEngine, Subtask};

use crate::binding::{self, PluginSet};

/// Makes the guest of one subtask.
pub type GuestMaker = Arc<dyn Fn(Subtask, InstanceLimits) -> Result<Box<dyn Guest>, Breakage> + Send + Sync>;

/// A job that can be started: plugins loaded, connectors configured, every connection checked.
#[derive(Debug)]
pub struct Plan {
    /// The job's name.
    pub name: String,
    /// The number of key groups.
    pub max_parallelism: MaxParallelism,
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
    /// Loads what the job names and checks that it fits together. Starts nothing, reads no input.
    ///
    /// # Errors
    /// The first thing that doesn't fit, with its line.
    pub fn build(graph: JobGraph, engine: &PluginEngine) -> Result<Self> {
        let plugins = PluginSet::load(&graph, engine)?;
        let mut nodes = Vec::new();
        for node in &graph.nodes {
            nodes.push(binding::bind_node(&graph, node, &plugins)?);
        }
        let mut edges = Vec::new();
        for (to, node) in graph.nodes.iter().enumerate() {
            edges.extend(binding::bind_inputs(&graph, &nodes, NodeIndex(to), node)?);
        }
        check_connected(&graph, &nodes, &edges)?;
        mark_chained(&nodes, &mut edges);
        let chains = chains(nodes.len(), &edges);
        Ok(Self { name: graph.name, max_parallelism: graph.max_parallelism, nodes, edges, chains, plugins: plugins.into_used(&graph.nodes) })
    }

    /// The node at `index`.
    ///
    /// # Errors
    /// Never for an index that came from this plan.
    pub fn node(&self, index: NodeIndex) -> Result<&PlannedNode> {
        self.nodes.get(index.0).ok_or_else(|| Error::job("the plan", format!("has no node {}", index.0), "this is a bug of weir: please report it"))
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

/// Every output that isn't a dead-letter or side output must be read by somebody, or its records would vanish unseen.
fn check_connected(graph: &JobGraph, nodes: &[PlannedNode], edges: &[Edge]) -> Result<()> {
    for (index, (node, planned)) in graph.nodes.iter().zip(nodes).enumerate() {
        let is_sink = matches!(node.kind, NodeKind::Sink { .. });
        let read = edges.iter().any(|edge| edge.from.0 == index && edge.output == 0);
        if !is_sink && !planned.outputs.is_empty() && !read {
            return Err(Error::usage(
                format!("{}:{}: {}", graph.file, node.line, node.uid),
                "nobody reads its output, so its records would be lost",
                format!("add a sink with `input = \"{}\"`; the connector \"blackhole\" throws records away on purpose", node.uid),
            ));
        }
    }
    Ok(())
}

/// Two nodes share a task when each subtask of the one feeds exactly one subtask of the other, and nobody else does.
fn mark_chained(nodes: &[PlannedNode], edges: &mut [Edge]) {
    let fan_in = |to: NodeIndex, edges: &[Edge]| edges.iter().filter(|edge| edge.to == to).count();
    let counts: Vec<usize> = (0..nodes.len()).map(|to| fan_in(NodeIndex(to), edges)).collect();
    for edge in edges {
        edge.chained = edge.exchange == Exchange::Forward && counts.get(edge.to.0) == Some(&1);
    }
}

/// The nodes of each task: a head that isn't chained to its input, and everything that is chained behind it.
fn chains(nodes: usize, edges: &[Edge]) -> Vec<Vec<NodeIndex>> {
    let mut chain_of: Vec<usize> = Vec::with_capacity(nodes);
    let mut chains: Vec<Vec<NodeIndex>> = Vec::new();
    for index in (0..nodes).map(NodeIndex) {
        // Inputs come before consumers, so the producer's chain is known.
        let producer = edges.iter().find(|edge| edge.to == index && edge.chained).and_then(|edge| chain_of.get(edge.from.0).copied());
        let chain = producer.unwrap_or(chains.len());
        match chains.get_mut(chain) {
            Some(members) => members.push(index),
            None => chains.push(vec![index]),
        }
        chain_of.push(chain);
    }
    chains
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: usize, to: usize, chained: bool) -> Edge {
        Edge { from: NodeIndex(from), output: 0, to: NodeIndex(to), input: 0, exchange: Exchange::Forward, chained }
    }

    #[test]
    fn a_chain_is_a_head_and_everything_chained_behind_it() {
        let check = |nodes, edges: &[Edge], expected: &[&[usize]]| {
            let found: Vec<Vec<usize>> = chains(nodes, edges).into_iter().map(|chain| chain.into_iter().map(|index| index.0).collect()).collect();
            assert_eq!(found, expected);
        };
        check(4, &[edge(0, 1, true), edge(1, 2, false), edge(2, 3, true)], &[&[0, 1], &[2, 3]]);
        check(3, &[edge(0, 1, true), edge(0, 2, true)], &[&[0, 1, 2]]);
        check(3, &[edge(0, 2, false), edge(1, 2, false)], &[&[0], &[1], &[2]]);
    }
}
