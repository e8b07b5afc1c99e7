//! Which version of each operator's code runs: that of the job file, or one that was swapped in while the job ran.

use std::collections::BTreeMap;

use bytes::Bytes;
use weir_checkpoint::compare::{Code, Comparison, GivenUp, JobOperator, before, compare};
use weir_checkpoint::manifest::{Manifest, NextVersion, OperatorSnapshot};
use weir_checkpoint::paths::component;
use weir_checkpoint::store::Store;
use weir_model::describe::FunctionDescription;
use weir_model::id::{OperatorUid, PluginDigest};
use weir_model::key_group::MaxParallelism;
use weir_model::{Error, Result};
use weir_plugin::{Plugin, Subtask, digest_of};

use crate::chain::bug;
use crate::plan::{Plan, PlannedKind, PlannedNode, PlannedOperator};

/// A snapshot, as far as it says which versions go on from it.
pub(crate) struct GoesOn<'a> {
    pub(crate) manifest: &'a Manifest,
    /// What messages call it.
    pub(crate) name: &'a str,
    /// Whether the versions that wrote it go on, and not those that were swapped in at its barrier.
    pub(crate) returned: bool,
    /// Where its files are, and where the job keeps its own, if that is elsewhere.
    pub(crate) stores: [Option<&'a Store>; 2],
}

/// What a job goes on as, from a snapshot: its file's plan, with the versions that were swapped in since, unless the file names another plugin or function now; and
/// with the snapshot's number of key groups, unless the file says one. Beside it, the plugins that were swapped in.
///
/// # Errors
/// When a version isn't kept any more or can't be loaded.
pub(crate) async fn live_plan(file: &Plan, from: &GoesOn<'_>) -> Result<(Plan, Vec<(PluginDigest, Bytes)>)> {
    let (manifest, mut plugins) = (from.manifest, Vec::new());
    let mut live = Plan::clone(file);
    live.max_parallelism = max_parallelism(file, manifest);
    for node in &mut live.nodes {
        let Some(snapshot) = before(manifest, &job_operator(node)) else { continue };
        let Some(version) = swapped(node, snapshot, from.returned) else { continue };
        let mut kept = None;
        for store in from.stores.into_iter().flatten() {
            if kept.is_none() {
                kept = store.get_component(version.digest).await?;
            }
        }
        let bytes = kept.ok_or_else(|| not_kept(node, &version, from.name))?;
        let Some(engine) = file.plugins.values().next().map(Plugin::engine) else { return Err(bug("the plan", "has operators and no plugin")) };
        let name = format!("the plugin sha256:{} that {} was swapped to", version.digest.short(), node.uid);
        let plugin = Plugin::from_bytes(engine, &name, &bytes)?;
        if plugin.digest() != version.digest {
            return Err(Error::job(name, format!("what is kept of it with {} is damaged", from.name), "bring the file back from a copy"));
        }
        replace(node, &plugin, &version.function, None)?;
        plugins.push((version.digest, bytes));
    }
    Ok((live, plugins))
}

/// Keeps the plugins of a plan with the job's checkpoints: their files may change or go while it runs, and somebody may want to go back to them.
///
/// # Errors
/// When they can't be written. A file that isn't any more what was loaded is left alone.
pub(crate) async fn keep_plugins(plan: &Plan, store: &Store) -> Result<()> {
    for (digest, bytes) in &plan.found {
        store.put_component(*digest, bytes.clone()).await?;
    }
    let operators = plan.nodes.iter().filter_map(PlannedNode::operator);
    for operator in operators.map(|operator| (operator.digest, operator)).collect::<BTreeMap<_, _>>().into_values() {
        keep_plugin(operator, store).await?;
    }
    Ok(())
}

/// The same for one operator's.
///
/// # Errors
/// As [`keep_plugins`].
pub(crate) async fn keep_plugin(operator: &PlannedOperator, store: &Store) -> Result<()> {
    let Some(file) = &operator.file else { return Ok(()) };
    if store.size(&component(operator.digest)).await?.is_some() {
        return Ok(());
    }
    match std::fs::read(file) {
        Ok(bytes) if digest_of(&bytes) == operator.digest => store.put_component(operator.digest, bytes.into()).await,
        _ => Ok(()),
    }
}

/// The number of key groups: the snapshot's, if the job file leaves it to us and every node fits into it.
pub(crate) fn max_parallelism(file: &Plan, manifest: &Manifest) -> MaxParallelism {
    if file.max_parallelism_is_set {
        return file.max_parallelism;
    }
    let fits = |node: &PlannedNode| MaxParallelism::new(weir_model::id::Parallelism::new(manifest.max_parallelism)?, node.parallelism).ok();
    let all: Option<Vec<_>> = file.nodes.iter().map(fits).collect();
    all.and_then(|all| all.first().copied()).unwrap_or(file.max_parallelism)
}

/// The version that goes on at a node, if it isn't that of the job file.
fn swapped(node: &PlannedNode, snapshot: &OperatorSnapshot, returned: bool) -> Option<NextVersion> {
    let operator = node.operator()?;
    // Who names another plugin or function in the job file since then wants that one.
    if snapshot.file_digest != Some(operator.digest) || snapshot.file_function.as_ref() != Some(&operator.function.name) {
        return None;
    }
    let written_by = snapshot.plugin_digest.filter(|_| snapshot.is_swapped);
    let written_by = written_by.map(|digest| NextVersion { digest, function: snapshot.function.clone() });
    snapshot.next.clone().filter(|_| !returned).or(written_by)
}

fn not_kept(node: &PlannedNode, version: &NextVersion, name: &str) -> Error {
    let short = version.digest.short();
    Error::job(
        format!("`{}` can't go on from {name}", node.uid),
        format!("the plugin sha256:{short} that it was swapped to is not kept with it any more"),
        format!("name that plugin in the job file: the one whose `weir plugin describe` says sha256:{short}"),
    )
}

/// Puts another version into a node's place.
///
/// # Errors
/// When the plugin has no such function.
pub(crate) fn replace(node: &mut PlannedNode, plugin: &Plugin, function: &str, file: Option<std::path::PathBuf>) -> Result<()> {
    let found = function_of(plugin, function, &node.uid)?;
    if let PlannedKind::Operator(operator) = &mut node.kind {
        **operator = operator.with_version(plugin, found, file);
    }
    Ok(())
}

/// The function of a plugin.
///
/// # Errors
/// A usage error that lists those that there are.
pub(crate) fn function_of<'a>(plugin: &'a Plugin, function: &str, uid: &OperatorUid) -> Result<&'a FunctionDescription> {
    plugin.description().function(function).ok_or_else(|| {
        let known: Vec<_> = plugin.description().functions.iter().map(|function| function.name.as_str()).collect();
        let why = format!("the plugin sha256:{} has no function `{function}`", plugin.digest().short());
        Error::usage(format!("`{uid}`"), why, weir_model::section::did_you_mean(function, &known))
    })
}

/// A node, as it is held against a snapshot.
pub(crate) fn job_operator(node: &PlannedNode) -> JobOperator {
    let code = node.operator().map(|operator| Code {
        function: operator.function.name.clone(),
        digest: operator.digest,
        imports: operator.imports.clone(),
        key_codec: node.key_codec(),
        states: operator.function.states.clone(),
    });
    JobOperator { uid: node.uid.clone(), renamed_from: node.renamed_from.clone(), kind: node.operator_kind(), parallelism: node.parallelism, code }
}

/// For which subtask of a node an instance is opened.
pub(crate) fn subtask_of(plan: &Plan, node: &PlannedNode, operator: &PlannedOperator, index: u32) -> Subtask {
    Subtask {
        uid: node.uid.to_string(),
        function: operator.function.clone(),
        config: operator.config.clone(),
        index,
        parallelism: node.parallelism.get(),
        max_parallelism: plan.max_parallelism.get(),
        checkpoint: 0,
    }
}

/// Holds a plan against a snapshot that is called `name` in messages.
pub(crate) fn compare_plan(plan: &Plan, manifest: &Manifest, name: &str, given_up: GivenUp<'_>) -> Comparison {
    let job: Vec<_> = plan.nodes.iter().map(job_operator).collect();
    let has_migration = |new: &JobOperator, state: &str, from: u32| {
        let node = plan.nodes.iter().find(|node| node.uid == new.uid).and_then(|node| Some((node, node.operator()?)));
        let Some((node, operator)) = node else { return Err("it is no operator".to_owned()) };
        (operator.migrates)(subtask_of(plan, node, operator, 0), operator.limits, state, from)
    };
    compare(manifest, name, plan.max_parallelism, &job, given_up, &has_migration)
}
