//! A swap before its barrier: the new version is loaded, held against the one that runs, kept, and instantiated.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use weir_checkpoint::compare::{StateComparison, Verdict, compare_states};
use weir_checkpoint::store::Store;
use weir_model::describe::FunctionDescription;
use weir_model::id::{OperatorUid, PluginDigest};
use weir_model::{Error, Result};
use weir_plugin::{Identity, NewVersion, Plugin, Subtask};

use crate::control::SwapRequest;
use crate::plan::{Plan, PlannedKind, PlannedNode, PlannedOperator};
use crate::versions::{function_of, keep_plugin, subtask_of};

/// New versions that are ready for their barrier.
pub(crate) struct Prepared {
    /// What runs behind it.
    pub(crate) plan: Arc<Plan>,
    /// The plugins before, by operator.
    pub(crate) before: Vec<(OperatorUid, PluginDigest)>,
    /// The new plugin.
    pub(crate) digest: PluginDigest,
    /// By node and subtask.
    pub(crate) versions: Vec<(usize, u32, NewVersion)>,
    /// The same again, to run beside the old ones first.
    pub(crate) shadows: Vec<(usize, u32, NewVersion)>,
}

/// Makes everything ready for a swap. Nothing that runs is touched.
///
/// # Errors
/// When the plugin can't be used, or doesn't fit where it should go.
pub(crate) async fn prepare(plan: Arc<Plan>, request: SwapRequest, store: Arc<Store>) -> Result<Prepared> {
    let nodes = nodes_of(&plan, &request)?;
    let bytes = read(&request.file)?;
    let Some(engine) = plan.plugins.values().next().map(Plugin::engine) else {
        return Err(refuse(&request.uids, "the job has no plugin at all", "name an operator"));
    };
    let plugin = Plugin::from_bytes(engine, &request.file.display().to_string(), &bytes)?;
    if request.digest.is_some_and(|digest| digest != plugin.digest()) {
        let why = format!("{} has changed since it was checked", request.file.display());
        return Err(refuse(&request.uids, why, "swap it again, once it is built"));
    }
    let mut live = Plan::clone(&plan);
    let (mut before, mut versions, mut shadows) = (Vec::new(), Vec::new(), Vec::new());
    for node in &nodes {
        let (Some(old), Some(place)) = (plan.nodes.get(*node), live.nodes.get_mut(*node)) else { continue };
        let Some(operator) = old.operator() else { continue };
        let function = request.function.as_ref().unwrap_or(&operator.function.name);
        let function = function_of(&plugin, function, &old.uid)?;
        let new = operator.with_version(&plugin, function, None);
        if new.is_same_code(operator) {
            let why = format!("`{}` runs sha256:{} already", old.uid, new.digest.short());
            return Err(refuse(&request.uids, why, "nothing: `weir info` says which versions run"));
        }
        check_ports(old, operator, function)?;
        check_states(&plan, old, operator, &new, &plugin, &request)?;
        // Whoever takes the new version back after a crash must find the old one.
        keep_plugin(operator, &store).await?;
        before.push((old.uid.clone(), operator.digest));
        versions.extend(instances(&plan, *node, old, &new, &request)?);
        if request.shadow.is_some() {
            shadows.extend(instances(&plan, *node, old, &new, &request)?);
        }
        place.kind = PlannedKind::Operator(Box::new(new));
    }
    // Whoever goes on after a crash finds it there.
    store.put_component(plugin.digest(), Bytes::from(bytes)).await?;
    Ok(Prepared { plan: Arc::new(live), before, digest: plugin.digest(), versions, shadows })
}

fn refuse(uids: &[OperatorUid], why: impl Into<String>, remedy: impl Into<String>) -> Error {
    let uids: Vec<_> = uids.iter().map(|uid| format!("`{uid}`")).collect();
    Error::usage(format!("{} can't be swapped", uids.join(", ")), why, remedy)
}

fn nodes_of(plan: &Plan, request: &SwapRequest) -> Result<Vec<usize>> {
    if request.uids.is_empty() || request.function.is_some() && request.uids.len() > 1 {
        return Err(refuse(&request.uids, "one function for several operators is no swap", "leave `--function` out, or swap one operator at a time"));
    }
    let mut nodes = Vec::new();
    for uid in &request.uids {
        let Some(node) = plan.nodes.iter().position(|node| node.uid == *uid) else {
            let known: Vec<_> = plan.nodes.iter().filter(|node| node.operator().is_some()).map(|node| node.uid.as_str()).collect();
            return Err(refuse(&request.uids, format!("the job has no `{uid}`"), weir_model::section::did_you_mean(uid.as_str(), &known)));
        };
        if plan.nodes.get(node).is_some_and(|node| node.operator().is_none()) {
            return Err(refuse(&request.uids, format!("`{uid}` is not an operator: a connector has no plugin"), "name an operator"));
        }
        if nodes.contains(&node) {
            return Err(refuse(&request.uids, format!("`{uid}` is named twice"), "name it once"));
        }
        nodes.push(node);
    }
    Ok(nodes)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| Error::usage(format!("{} can't be read", file.display()), error.to_string(), "check the path to the plugin"))
}

/// Records flow through the same channels behind the barrier: nothing about them may change.
fn check_ports(node: &PlannedNode, old: &PlannedOperator, new: &FunctionDescription) -> Result<()> {
    let remedy = "change the job file as well, stop the job with a savepoint and run it from there: `weir stop`, `weir run -s`";
    let refuse = |why| Err(refuse(std::slice::from_ref(&node.uid), why, remedy));
    old.function.change_to(new).map_or(Ok(()), refuse)
}

fn check_states(plan: &Plan, node: &PlannedNode, old: &PlannedOperator, new: &PlannedOperator, plugin: &Plugin, request: &SwapRequest) -> Result<()> {
    let is_dropped = |state: &str| request.dropped_states.iter().any(|dropped| dropped == state);
    let has_migration = |state: &str, from: u32| plugin.migrates(subtask_of(plan, node, new, 0), new.limits, state, from);
    let compared = compare_states(&old.function.states, &new.function.states, &is_dropped, false, &has_migration);
    let worst: Option<&StateComparison> = compared.iter().find(|state| state.verdict == Verdict::Incompatible);
    match worst {
        None => Ok(()),
        Some(state) => {
            let what = format!("`{}` can't be swapped", node.uid);
            let remedy = format!("mend the new version, or give the state up with `--drop-state {}`", state.name);
            Err(Error::incompatible(what, state.why.clone(), remedy))
        }
    }
}

fn instances(plan: &Plan, number: usize, node: &PlannedNode, new: &PlannedOperator, request: &SwapRequest) -> Result<Vec<(usize, u32, NewVersion)>> {
    let version = |subtask: u32| {
        let place: Subtask = subtask_of(plan, node, new, subtask);
        let identity = Identity { uid: node.uid.to_string(), function: new.function.name.clone(), digest: new.digest.to_string() };
        let guest =
            (new.guests)(place, new.limits).map_err(|breakage| identity.error(format!("it can't be started: {breakage}"), Some(&breakage)))?;
        let dropped_states = request.dropped_states.clone();
        Ok((number, subtask, NewVersion { identity, function: new.function.clone(), guest, dropped_states }))
    };
    node.parallelism.subtasks().map(|subtask| version(subtask.0)).collect()
}
