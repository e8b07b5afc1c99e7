//! A plan as data. The names of the fields are stable: new ones may come, none changes its meaning.

use serde_json::{Value, json};
use weir_model::describe::FunctionKind;
use weir_model::graph::OnError;
use weir_runtime::{Edge, PlannedKind, PlannedNode, PlannedOperator};

use super::{chain_number, tasks};
use crate::commands::plugin::data;
use crate::job::PlannedJob;

/// The whole plan.
pub(super) fn plan(job: &PlannedJob) -> Value {
    let plan = &job.plan;
    let uid = |index| plan.node(index).map(|node| node.uid.to_string()).unwrap_or_default();
    let chains: Vec<Vec<String>> = plan.chains.iter().map(|chain| chain.iter().map(|index| uid(*index)).collect()).collect();
    let plugins: Vec<Value> = plan.plugins.iter().map(|(name, plugin)| data::plugin(name, plugin)).collect();
    json!({
        "job": plan.name,
        "file": job.file,
        "contract": weir_plugin::load::CONTRACT,
        "max_parallelism": plan.max_parallelism.get(),
        "tasks": tasks(job),
        "plugins": plugins,
        "nodes": plan.nodes.iter().enumerate().map(|(at, planned)| node(job, at, planned)).collect::<Vec<_>>(),
        "edges": plan.edges.iter().map(|planned| edge(job, planned)).collect::<Vec<_>>(),
        "chains": chains,
    })
}

fn node(job: &PlannedJob, at: usize, node: &PlannedNode) -> Value {
    let mut fields = json!({
        "uid": node.uid.as_str(),
        "parallelism": node.parallelism.get(),
        "chain": chain_number(job, at),
        "outputs": node.outputs.iter().map(data::port).collect::<Vec<_>>(),
    });
    let connector = job.connectors.get(at).cloned().flatten();
    let own = match &node.kind {
        PlannedKind::Source(_) => json!({"kind": "source", "connector": connector}),
        PlannedKind::Sink(_) => json!({"kind": "sink", "connector": connector}),
        PlannedKind::Operator(operator) => self::operator(operator),
    };
    if let (Value::Object(fields), Value::Object(own)) = (&mut fields, own) {
        fields.extend(own);
    }
    fields
}

fn operator(operator: &PlannedOperator) -> Value {
    let on_error = match operator.on_error {
        OnError::Fail => "fail",
        OnError::Skip => "skip",
        OnError::DeadLetter => "dead-letter",
    };
    json!({
        "kind": "operator",
        "plugin": operator.plugin,
        "digest": operator.digest.to_string(),
        "function": operator.function.name,
        "keyed": operator.function.kind == FunctionKind::Keyed,
        "states": operator.function.states.iter().map(data::state).collect::<Vec<_>>(),
        "on_error": on_error,
        // The values may hold what the environment gave in confidence, and plans end up in logs.
        "config_keys": operator.config.iter().map(|(key, _)| key).collect::<Vec<_>>(),
        "memory_bytes_max": operator.limits.memory_bytes_max,
        "call_timeout_ms": u64::try_from(operator.limits.call_timeout.as_millis()).unwrap_or(u64::MAX),
    })
}

fn edge(job: &PlannedJob, edge: &Edge) -> Value {
    let producer = job.plan.node(edge.from).ok();
    let port = producer.and_then(|node| node.outputs.get(edge.output));
    json!({
        "from": producer.map(|node| node.uid.as_str()),
        "output": port.map(|port| &port.name),
        "to": job.plan.node(edge.to).ok().map(|node| node.uid.as_str()),
        "input": edge.input,
        "exchange": edge.exchange.name(),
        "chained": edge.chained,
        "key": port.map(|port| port.key.name()),
        "value": port.map(|port| port.value.name()),
    })
}
