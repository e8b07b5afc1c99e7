//! Ties the names of a job file to what they stand for: plugins, functions, ports, connectors.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;

use bytes::Bytes;
use weir_connect::sink::SinkConfig;
use weir_connect::source::SourceConfig;
use weir_model::codec::Codec;
use weir_model::describe::{FunctionKind, Port};
use weir_model::graph::{DEAD_LETTER_PORT, JobGraph, Node, NodeIndex, NodeKind, OnError, OperatorSpec};
use weir_model::id::{Parallelism, PluginDigest};
use weir_model::section::did_you_mean;
use weir_model::{Error, Result};
use weir_plugin::{Plugin, PluginEngine};

use crate::plan::{Edge, Exchange, PlannedKind, PlannedNode, PlannedOperator, PluginSettings};

/// Finds a plugin whose file is gone, given the nodes that use it; `None`: it isn't found either.
pub type LostPlugins<'a> = dyn Fn(&[&Node]) -> Result<Option<Bytes>> + 'a;

/// The plugins that operators use, loaded.
pub(crate) struct PluginSet {
    by_name: BTreeMap<String, Plugin>,
    /// Those that were not read from their file.
    found: Vec<(PluginDigest, Bytes)>,
}

impl PluginSet {
    /// Loads each plugin that an operator uses, once.
    pub(crate) fn load(graph: &JobGraph, engine: &PluginEngine, lost: &LostPlugins<'_>) -> Result<Self> {
        let (mut by_name, mut found) = (BTreeMap::new(), Vec::new());
        for (name, spec) in &graph.plugins {
            let uses_it = |node: &&Node| matches!(&node.kind, NodeKind::Operator(operator) if operator.plugin == *name);
            let users: Vec<_> = graph.nodes.iter().filter(uses_it).collect();
            if users.is_empty() {
                continue;
            }
            let at = |error: Error| Error { what: format!("{}:{}: [plugins.{name}]: {}", graph.file, spec.line, error.what), ..error };
            let is_gone = std::fs::metadata(&spec.path).is_err_and(|error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory));
            let plugin = match if is_gone { lost(&users).map_err(at)? } else { None } {
                None => Plugin::load(engine, &spec.path).map_err(at)?,
                Some(bytes) => {
                    let plugin = Plugin::from_bytes(engine, &spec.path.display().to_string(), &bytes).map_err(at)?;
                    found.push((plugin.digest(), bytes));
                    plugin
                }
            };
            by_name.insert(name.clone(), plugin);
        }
        Ok(Self { by_name, found })
    }

    /// All by their names, and those that were not read from their file.
    pub(crate) fn into_parts(self) -> (BTreeMap<String, Plugin>, Vec<(PluginDigest, Bytes)>) {
        (self.by_name, self.found)
    }
}

fn place(graph: &JobGraph, node: &Node) -> String {
    let table = match node.kind {
        NodeKind::Source { .. } => "sources",
        NodeKind::Operator(_) => "operators",
        NodeKind::Sink { .. } => "sinks",
    };
    format!("{}:{}: [{table}.{}]", graph.file, node.line, node.uid)
}

/// What a node is, with its ports and its parallelism.
pub(crate) fn bind_node(graph: &JobGraph, node: &Node, plugins: &PluginSet) -> Result<PlannedNode> {
    let (kind, outputs, parallelism_max) = match &node.kind {
        NodeKind::Source { connector, section } => {
            let config = SourceConfig::parse(connector, section.clone(), &graph.base)?;
            let (outputs, max) = (vec![config.output()], config.parallelism_max());
            (PlannedKind::Source(config), outputs, max)
        }
        NodeKind::Operator(spec) => {
            let operator = bind_operator(graph, node, spec, plugins)?;
            let mut outputs = operator.function.outputs.clone();
            if spec.on_error == OnError::DeadLetter {
                outputs.push(Port { name: DEAD_LETTER_PORT.to_owned(), key: Codec::None, value: Codec::Json });
            }
            (PlannedKind::Operator(Box::new(operator)), outputs, None)
        }
        NodeKind::Sink { connector, section } => {
            let config = SinkConfig::parse(connector, section.clone(), &graph.base)?;
            let max = config.parallelism_max();
            (PlannedKind::Sink(config), Vec::new(), max)
        }
    };
    let parallelism = parallelism(graph, node, parallelism_max)?;
    Ok(PlannedNode { uid: node.uid.clone(), renamed_from: node.renamed_from.clone(), parallelism, outputs, kind })
}

fn parallelism(graph: &JobGraph, node: &Node, max: Option<Parallelism>) -> Result<Parallelism> {
    match (node.parallelism, max) {
        (Some(own), Some(max)) if own > max => Err(Error::usage(
            format!("{} parallelism", place(graph, node)),
            format!("{own} subtasks are more than this connector can have, which is {max}"),
            format!("write `parallelism = {max}` or leave the line out"),
        )),
        (Some(own), _) => Ok(own),
        (None, Some(max)) => Ok(graph.parallelism.min(max)),
        (None, None) => Ok(graph.parallelism),
    }
}

fn bind_operator(graph: &JobGraph, node: &Node, spec: &OperatorSpec, plugins: &PluginSet) -> Result<PlannedOperator> {
    let (Some(plugin), Some(plugin_spec)) = (plugins.by_name.get(&spec.plugin), graph.plugins.get(&spec.plugin)) else {
        let known: Vec<_> = graph.plugins.keys().map(String::as_str).collect();
        return Err(Error::usage(place(graph, node), format!("there is no plugin `{}`", spec.plugin), did_you_mean(&spec.plugin, &known)));
    };
    let Some(function) = plugin.description().function(&spec.function) else {
        let known: Vec<_> = plugin.description().functions.iter().map(|function| function.name.as_str()).collect();
        let why = format!("the plugin `{}` ({}) has no function `{}`", spec.plugin, plugin_spec.path.display(), spec.function);
        return Err(Error::usage(place(graph, node), why, did_you_mean(&spec.function, &known)));
    };
    let settings = PluginSettings::of(plugin_spec);
    let (maker, asked) = (settings.equip(plugin), plugin.clone());
    Ok(PlannedOperator {
        plugin: spec.plugin.clone(),
        digest: plugin.digest(),
        file: plugins.found.iter().all(|(found, _)| *found != plugin.digest()).then(|| plugin_spec.path.clone()),
        imports: plugin.imports().to_vec(),
        function: function.clone(),
        config: spec.config.clone(),
        on_error: spec.on_error,
        limits: settings.limits(plugin),
        settings,
        migrates: Arc::new(move |subtask, limits, state, from| asked.migrates(subtask, limits, state, from)),
        guests: Arc::new(move |subtask, limits| maker.instantiate(subtask, limits)),
    })
}

/// The connections into a node, their codecs checked.
pub(crate) fn bind_inputs(graph: &JobGraph, nodes: &[PlannedNode], to: NodeIndex, node: &Node) -> Result<Vec<Edge>> {
    let Some(consumer) = nodes.get(to.0) else { return Ok(Vec::new()) };
    let ports = match &consumer.kind {
        PlannedKind::Operator(operator) => operator.function.inputs.clone(),
        PlannedKind::Source(_) | PlannedKind::Sink(_) => vec![Port { name: "in".to_owned(), key: Codec::Any, value: Codec::Any }],
    };
    if ports.len() > 1 && ports.len() != node.inputs.len() {
        return Err(Error::usage(
            place(graph, node),
            format!("its function has {} inputs ({}) and the job file gives {}", ports.len(), names(&ports), node.inputs.len()),
            format!("write `inputs = [...]` with {} entries, in that order", ports.len()),
        ));
    }
    let mut edges = Vec::new();
    for (at, input) in node.inputs.iter().enumerate() {
        let Some(producer) = nodes.get(input.from.0) else { continue };
        let output = match &input.port {
            None => 0,
            Some(name) => producer.outputs.iter().position(|port| port.name == *name).ok_or_else(|| {
                let known: Vec<_> = producer.outputs.iter().map(|port| port.name.as_str()).collect();
                Error::usage(place(graph, node), format!("{} has no output `{name}`", producer.uid), did_you_mean(name, &known))
            })?,
        };
        let number = if ports.len() > 1 { at } else { 0 };
        let (Some(from_port), Some(to_port)) = (producer.outputs.get(output), ports.get(number)) else {
            return Err(Error::usage(place(graph, node), format!("{} has no output at all", producer.uid), "read from another node"));
        };
        check_codecs(graph, node, consumer, producer, from_port, to_port)?;
        let exchange = match consumer.is_keyed() {
            true => Exchange::Hash,
            false if consumer.parallelism == producer.parallelism => Exchange::Forward,
            false => Exchange::Rebalance,
        };
        if edges.iter().any(|edge: &Edge| edge.from == input.from && edge.output == output && edge.input == number as u32) {
            return Err(Error::usage(
                place(graph, node),
                format!("it reads the output `{}` of {} twice, so each record would come twice", from_port.name, producer.uid),
                "name each input once",
            ));
        }
        edges.push(Edge { from: input.from, output, to, input: number as u32, exchange, chained: false });
    }
    Ok(edges)
}

fn names(ports: &[Port]) -> String {
    ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn check_codecs(graph: &JobGraph, node: &Node, consumer: &PlannedNode, producer: &PlannedNode, from: &Port, to: &Port) -> Result<()> {
    let keyed = matches!(&consumer.kind, PlannedKind::Operator(operator) if operator.function.kind == FunctionKind::Keyed);
    if keyed && from.key == Codec::None {
        return Err(Error::incompatible(
            place(graph, node),
            format!("its function is keyed and {} emits records without a key", producer.uid),
            "put an operator between them that emits (key, value), or name the key at the source",
        ));
    }
    for (part, from, to) in [("key", &from.key, &to.key), ("value", &from.value, &to.value)] {
        if !to.accepts(from) {
            return Err(Error::incompatible(
                place(graph, node),
                format!("it reads {part}s as `{to}` and {} writes them as `{from}`", producer.uid),
                "put an operator between them that converts, or change the type of one of the two",
            ));
        }
    }
    Ok(())
}
