//! From names of inputs to a graph: every name must lead to an output, no path may lead back, no record may get lost.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::graph::{DEAD_LETTER_PORT, Input, Node, NodeIndex, NodeKind, OnError};
use crate::section::did_you_mean;

use super::nodes::Draft;

/// One input as positions among the drafts.
struct Edge {
    from: usize,
    port: Option<String>,
}

/// Connects the drafts (in the order of the file) to nodes, each after its inputs.
///
/// # Errors
/// A usage error for the first thing wrong: a missing source or sink, a name that leads nowhere, a cycle, an output nobody reads.
pub(super) fn connect(drafts: Vec<Draft>, file: &str) -> Result<Vec<Node>> {
    if !drafts.iter().any(|draft| matches!(draft.kind, NodeKind::Source { .. })) {
        return Err(none_of(file, "source", "[sources.lines] with `connector = \"file\"` and `path = \"input/*.txt\"`"));
    }
    let edges = drafts.iter().map(|draft| resolve_inputs(draft, &drafts)).collect::<Result<Vec<_>>>()?;
    let order = topological_order(&drafts, &edges)?;
    if !drafts.iter().any(|draft| matches!(draft.kind, NodeKind::Sink { .. })) {
        let last = order.last().and_then(|index| drafts.get(*index)).map_or("count", |draft| draft.uid.as_str());
        return Err(none_of(file, "sink", &format!("[sinks.out] with `connector = \"print\"` and `input = \"{last}\"`")));
    }
    for (index, draft) in drafts.iter().enumerate() {
        check_outputs(index, draft, &edges)?;
    }
    let places: BTreeMap<usize, NodeIndex> = order.iter().enumerate().map(|(place, index)| (*index, NodeIndex(place))).collect();
    let mut unplaced: BTreeMap<usize, (Draft, Vec<Edge>)> = drafts.into_iter().zip(edges).enumerate().collect();
    let nodes = order.iter().filter_map(|index| unplaced.remove(index)).map(|(draft, edges)| {
        let inputs = edges.into_iter().filter_map(|edge| places.get(&edge.from).map(|from| Input { from: *from, port: edge.port }));
        let parallelism = draft.parallelism.map(|(parallelism, _)| parallelism);
        Node { line: draft.section.line(), uid: draft.uid, renamed_from: draft.renamed_from, parallelism, inputs: inputs.collect(), kind: draft.kind }
    });
    Ok(nodes.collect())
}

/// The error for a job that lacks a whole kind of node.
fn none_of(file: &str, what: &str, example: &str) -> Error {
    Error::usage(file, format!("the job has no {what}"), format!("add one: {example}"))
}

fn resolve_inputs(draft: &Draft, drafts: &[Draft]) -> Result<Vec<Edge>> {
    let mut seen = BTreeSet::new();
    let edges = draft.inputs.iter().map(|(name, line)| {
        let error = |why: String, remedy: String| draft.section.key_error(*line, draft.inputs_key, why, remedy);
        if !seen.insert(name) {
            return Err(error(format!("`{name}` is named twice: each of its records would come in twice"), "name it once".to_owned()));
        }
        resolve_input(name, drafts).map_err(|(why, remedy)| error(why, remedy))
    });
    edges.collect()
}

/// The edge that `name` (`UID` or `UID.port`) stands for, or why it stands for none and what to do.
fn resolve_input(name: &str, drafts: &[Draft]) -> Result<Edge, (String, String)> {
    let (uid, port) = match name.split_once('.') {
        Some((uid, port)) => (uid, Some(port)),
        None => (name, None),
    };
    let Some((from, producer)) = drafts.iter().enumerate().find(|(_, draft)| draft.uid.as_str() == uid) else {
        return Err(unknown_input(name, uid, port, drafts));
    };
    match (&producer.kind, port) {
        (NodeKind::Sink { .. }, _) => {
            Err((format!("`{uid}` is a sink: nothing comes out of it"), "name a source or an operator; one output may have many readers".to_owned()))
        }
        (_, Some("")) => Err((format!("`{name}` names no output after the dot"), format!("write `{uid}`, or `{uid}.PORT` for a side output"))),
        (NodeKind::Source { .. }, Some(_)) => Err((format!("`{uid}` is a source, which has one output"), format!("write `{uid}`"))),
        (NodeKind::Operator(operator), Some(DEAD_LETTER_PORT)) if operator.on_error != OnError::DeadLetter => Err((
            format!("`{uid}` has no output `{DEAD_LETTER_PORT}`, because its on-error is not \"{DEAD_LETTER_PORT}\""),
            format!("add `on-error = \"{DEAD_LETTER_PORT}\"` to [operators.{uid}]"),
        )),
        (NodeKind::Source { .. } | NodeKind::Operator(_), port) => Ok(Edge { from, port: port.map(str::to_owned) }),
    }
}

fn unknown_input(name: &str, uid: &str, port: Option<&str>, drafts: &[Draft]) -> (String, String) {
    if let (true, Some(port)) = (matches!(uid, "sources" | "operators"), port) {
        return (format!("`{name}` is the name of a table, not a UID"), format!("write `{port}`"));
    }
    let producers = drafts.iter().filter(|draft| !matches!(draft.kind, NodeKind::Sink { .. }));
    let known: Vec<_> = producers.map(|draft| draft.uid.as_str()).collect();
    (format!("there is no source or operator `{uid}`"), did_you_mean(uid, &known))
}

/// Positions of the drafts, each after its inputs; among those that are ready, the first in the file comes first.
fn topological_order(drafts: &[Draft], edges: &[Vec<Edge>]) -> Result<Vec<usize>> {
    let mut order = Vec::with_capacity(edges.len());
    let mut waiting: BTreeSet<usize> = (0..edges.len()).collect();
    loop {
        let is_ready = |index: &&usize| edges.get(**index).is_some_and(|inputs| inputs.iter().all(|edge| !waiting.contains(&edge.from)));
        let Some(ready) = waiting.iter().find(is_ready).copied() else { break };
        waiting.remove(&ready);
        order.push(ready);
    }
    match waiting.first() {
        None => Ok(order),
        Some(first) => Err(cycle_error(drafts, edges, &waiting, *first)),
    }
}

/// Walks from a node that never gets ready up its inputs, which must end in a circle, and names that.
fn cycle_error(drafts: &[Draft], edges: &[Vec<Edge>], waiting: &BTreeSet<usize>, first: usize) -> Error {
    let mut path = vec![first];
    let cycle = loop {
        let at = path.last().copied().unwrap_or(first);
        let inputs = edges.get(at).map(Vec::as_slice).unwrap_or_default();
        let Some(edge) = inputs.iter().find(|edge| waiting.contains(&edge.from)) else { break path };
        match path.iter().position(|visited| *visited == edge.from) {
            Some(start) => break path.split_off(start),
            None => path.push(edge.from),
        }
    };
    // The walk went against the flow; the message follows it, from the node that is first in the file.
    let mut flow: Vec<usize> = cycle.into_iter().rev().collect();
    let start = flow.iter().enumerate().min_by_key(|(_, index)| **index).map_or(0, |(place, _)| place);
    flow.rotate_left(start);
    let circle: Vec<_> = flow.iter().chain(flow.first()).filter_map(|index| drafts.get(*index)).collect();
    let names: Vec<_> = circle.iter().map(|draft| draft.uid.as_str()).collect();
    let why = format!("its records would come back to it: {}", names.join(" -> "));
    let remedy = "let one of them read another node instead; records must flow from sources to sinks";
    match circle.first() {
        Some(draft) => draft.section.error(why, remedy),
        None => Error::usage("the job", why, remedy),
    }
}

/// Checks that somebody reads the node's main output and, if it has one, its dead letters.
fn check_outputs(index: usize, draft: &Draft, edges: &[Vec<Edge>]) -> Result<()> {
    let is_read = |port: Option<&str>| edges.iter().flatten().any(|edge| edge.from == index && edge.port.as_deref() == port);
    let uid = &draft.uid;
    let section = &draft.section;
    match &draft.kind {
        NodeKind::Sink { .. } => return Ok(()),
        NodeKind::Operator(operator) if operator.on_error == OnError::DeadLetter && !is_read(Some(DEAD_LETTER_PORT)) => {
            return Err(section.error(
                format!("on-error is \"{DEAD_LETTER_PORT}\", but nobody reads `{uid}.{DEAD_LETTER_PORT}`"),
                format!("add a sink: [sinks.{uid}-errors] with `connector = \"print\"` and `input = \"{uid}.{DEAD_LETTER_PORT}\"`"),
            ));
        }
        NodeKind::Source { .. } | NodeKind::Operator(_) => {}
    }
    if is_read(None) {
        return Ok(());
    }
    Err(section.error(
        "nobody reads its output: its records would go nowhere",
        format!("add a reader, such as [sinks.{uid}-out] with `connector = \"blackhole\"` and `input = \"{uid}\"`"),
    ))
}
