//! Makes the plan of a job: binds its names, and decides what is chained.

use std::collections::BTreeMap;
use std::path::Path;

use weir_connect::source::SourceConfig;
use weir_model::graph::{JobGraph, Node, NodeIndex, NodeKind};
use weir_model::id::OperatorUid;
use weir_model::{Error, Result};
use weir_plugin::PluginEngine;

use crate::binding::{self, LostPlugins, PluginSet};
use crate::plan::{Edge, Exchange, Plan, PlannedKind, PlannedNode};

impl Plan {
    /// Loads what the job names and checks that it fits together. Starts nothing, reads no input.
    ///
    /// # Errors
    /// The first thing that doesn't fit, with its line.
    pub fn build(graph: JobGraph, engine: &PluginEngine) -> Result<Self> {
        Self::build_with(graph, engine, &|_| Ok(None))
    }

    /// The same, with plugins whose file is gone as `lost` finds them.
    ///
    /// # Errors
    /// As [`Self::build`], and those of `lost`.
    pub fn build_with(graph: JobGraph, engine: &PluginEngine, lost: &LostPlugins<'_>) -> Result<Self> {
        let plugins = PluginSet::load(&graph, engine, lost)?;
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
        let (plugins, found) = plugins.into_parts();
        let plan = Self {
            name: graph.name,
            max_parallelism: graph.max_parallelism,
            max_parallelism_is_set: graph.max_parallelism_is_set,
            checkpointing: graph.checkpointing,
            state: graph.state,
            restart: graph.restart,
            nodes,
            edges,
            chains,
            plugins,
            found,
        };
        plan.check_connectors(&graph.file, &graph.nodes)?;
        Ok(plan)
    }
}

impl Plan {
    /// Every sink must read one kind of record and have its folder to itself, and standard input can be read once.
    fn check_connectors(&self, file: &str, nodes: &[Node]) -> Result<()> {
        let mut folders: BTreeMap<&Path, &OperatorUid> = BTreeMap::new();
        let mut stdin: Option<&OperatorUid> = None;
        for (index, (node, Node { line, .. })) in self.nodes.iter().zip(nodes).enumerate() {
            let refuse = |table: &str, why: String, remedy: &str| Err(Error::usage(format!("{file}:{line}: [{table}.{}]", node.uid), why, remedy));
            match &node.kind {
                PlannedKind::Source(SourceConfig::Stdin(_)) => {
                    if let Some(other) = stdin.replace(&node.uid) {
                        return refuse(
                            "sources",
                            format!("it reads standard input, and so does {other}"),
                            "let several operators read from one source",
                        );
                    }
                }
                PlannedKind::Sink(config) => {
                    self.sink_port(NodeIndex(index))?;
                    if let Some(folder) = config.folder()
                        && let Some(other) = folders.insert(folder, &node.uid)
                    {
                        let why = format!("it writes to {}, and so does {other}", folder.display());
                        return refuse("sinks", why, "give each sink a folder of its own");
                    }
                }
                PlannedKind::Source(_) | PlannedKind::Operator(_) => {}
            }
        }
        Ok(())
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
