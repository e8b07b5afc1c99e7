//! A plan for a person: the flow as a tree, then the states and the plugins.

use weir_model::describe::FunctionKind;
use weir_model::graph::{NodeIndex, OnError};
use weir_runtime::{Edge, Exchange, PlannedKind, PlannedNode, PlannedOperator};

use super::{chain_number, tasks};
use crate::commands::plugin::data::state_kind;
use crate::job::PlannedJob;
use crate::output::{Table, count};

/// The whole plan; tables are made to fit into `columns`, if there are any.
pub(super) fn plan(job: &PlannedJob, columns: Option<u16>) -> String {
    let plan = &job.plan;
    let title = format!(
        "{}: {} in {}, {}, {}\n",
        plan.name,
        plural(plan.nodes.len() as u64, "node"),
        plural(plan.chains.len() as u64, "chain"),
        plural(tasks(job), "task"),
        plural(plan.max_parallelism.get().into(), "key group")
    );
    let parts = [flow(job).render(columns), states(job, columns), plugins(job, columns)];
    parts.into_iter().filter(|part| !part.is_empty()).fold(title, |text, part| format!("{text}\n{part}"))
}

fn plural(number: u64, word: &str) -> String {
    format!("{} {word}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A node that is still to be shown.
struct Pending<'a> {
    node: NodeIndex,
    /// How it gets its records; `None` for a source.
    edge: Option<&'a Edge>,
    /// What stands before the branches below its parent.
    indent: String,
    is_last: bool,
}

/// The nodes from the sources to the sinks, each below the first of its inputs. Further inputs are lines that point to it.
fn flow(job: &PlannedJob) -> Table {
    let mut table = Table::new(&["NODE", ">CHAIN", "RUNS", "INPUT", "KEY", "VALUE"]);
    let mut shown = vec![false; job.plan.nodes.len()];
    let sources = (0..job.plan.nodes.len()).rev().map(NodeIndex).filter(|node| job.plan.inputs(*node).next().is_none());
    let mut todo: Vec<_> = sources.map(|node| Pending { node, edge: None, indent: String::new(), is_last: true }).collect();
    while let Some(next) = todo.pop() {
        let (Ok(node), Some(shown)) = (job.plan.node(next.node), shown.get_mut(next.node.0)) else { continue };
        let branch = match (next.edge, next.is_last) {
            (None, _) => "",
            (_, true) => "└─ ",
            (_, false) => "├─ ",
        };
        let (input, key, value) = next.edge.map(|edge| input(job, edge)).unwrap_or_default();
        let name = format!("{}{branch}{}", next.indent, node.uid);
        if std::mem::replace(shown, true) {
            table.row([name, String::new(), "(see above)".to_owned(), input, key, value]);
            continue;
        }
        let chain = chain_number(job, next.node.0).to_string();
        table.row([format!("{name} ×{}", node.parallelism), chain, runs(job, next.node, node), input, key, value]);
        let below = match next.edge {
            None => String::new(),
            Some(_) => next.indent + if next.is_last { "   " } else { "│  " },
        };
        let outputs = job.plan.outputs(next.node).collect::<Vec<_>>().into_iter().rev().enumerate();
        todo.extend(outputs.map(|(at, edge)| Pending { node: edge.to, edge: Some(edge), indent: below.clone(), is_last: at == 0 }));
    }
    table
}

/// How records come in, and the codecs of their keys and values.
fn input(job: &PlannedJob, edge: &Edge) -> (String, String, String) {
    let how = match (edge.exchange, edge.chained) {
        (Exchange::Forward, true) => "chained",
        (exchange, _) => exchange.name(),
    };
    let Some((producer, port)) = job.plan.node(edge.from).ok().and_then(|node| Some((node, node.outputs.get(edge.output)?))) else {
        return (how.to_owned(), String::new(), String::new());
    };
    let how = if edge.output == 0 { how.to_owned() } else { format!("{}.{}, {how}", producer.uid, port.name) };
    (how, port.key.to_string(), port.value.to_string())
}

fn runs(job: &PlannedJob, index: NodeIndex, node: &PlannedNode) -> String {
    let connector = job.connectors.get(index.0).cloned().flatten().unwrap_or_default();
    match &node.kind {
        PlannedKind::Source(_) => format!("{connector} source"),
        PlannedKind::Sink(_) => format!("{connector} sink"),
        PlannedKind::Operator(operator) => {
            let keyed = if operator.function.kind == FunctionKind::Keyed { ", keyed" } else { "" };
            let on_error = match operator.on_error {
                OnError::Fail => "",
                OnError::Skip => ", skips errors",
                OnError::DeadLetter => ", errors to dead-letter",
            };
            format!("{}/{}{keyed}{on_error}", operator.plugin, operator.function.name)
        }
    }
}

fn operators(job: &PlannedJob) -> impl Iterator<Item = (&PlannedNode, &PlannedOperator)> {
    job.plan.nodes.iter().filter_map(|node| Some((node, node.operator()?)))
}

fn states(job: &PlannedJob, columns: Option<u16>) -> String {
    let mut table = Table::new(&["STATE OF", "NAME", "KIND", "CODEC", ">SCHEMA VERSION"]);
    let mut found = false;
    for (node, operator) in operators(job) {
        for state in &operator.function.states {
            found = true;
            let kind = state_kind(state.kind).to_owned();
            table.row([node.uid.to_string(), state.name.clone(), kind, state.value.to_string(), state.schema_version.to_string()]);
        }
    }
    if found { table.render(columns) } else { String::new() }
}

fn plugins(job: &PlannedJob, columns: Option<u16>) -> String {
    let mut table = Table::new(&["PLUGIN", "NAME", "VERSION", "DIGEST", "MADE WITH"]);
    for (name, plugin) in &job.plan.plugins {
        let description = plugin.description();
        let (made_as, version, sdk) = (description.name.clone(), description.version.clone(), description.sdk.clone());
        table.row([name.clone(), made_as, version, format!("sha256:{}", plugin.digest().short()), sdk]);
    }
    if job.plan.plugins.is_empty() { String::new() } else { table.render(columns) }
}
