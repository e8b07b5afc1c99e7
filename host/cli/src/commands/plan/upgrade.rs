//! `weir plan -s`: what becomes of each node's state when the job goes on from a savepoint.

use serde_json::{Value, json};
use weir_checkpoint::compare::{Comparison, GivenUp, NodeComparison, Verdict, bytes, rows};
use weir_checkpoint::savepoint::Snapshot;
use weir_model::describe::StateDescriptor;
use weir_model::{Error, Result};
use weir_runtime::savepoint::{DryRun, dry_run};

use super::migrations;
use crate::args::PlanArgs;
use crate::job::PlannedJob;
use crate::machine::{Machine, block_on};
use crate::output::{self, Table};

/// What becomes of a savepoint in a job.
pub(super) struct Upgrade {
    snapshot: Snapshot,
    compared: Comparison,
    /// What the migrations did, if they were to be tried.
    tried: Option<Vec<DryRun>>,
}

impl Upgrade {
    /// Opens the savepoint, holds the job against it, and tries the migrations if that is wanted.
    ///
    /// # Errors
    /// When there is no such savepoint, or it can't be read.
    pub(super) fn find(args: &PlanArgs, job: &PlannedJob, location: &str, machine: &Machine) -> Result<Self> {
        block_on(async {
            let snapshot = Snapshot::open(location).await?;
            // What is pending in a savepoint is committed when the job starts: only a sink that is gone could not.
            let given_up = GivenUp { states: &args.drop_state, gone: args.allow_non_restored_state, output: false };
            let plan = job.plan.going_on_from(&snapshot).await?;
            let compared = plan.held_against(&snapshot, given_up);
            let tried = match args.dry_run_migration {
                None => None,
                Some(samples) => Some(dry_run(&plan, &snapshot, &compared, samples, &machine.clock).await?),
            };
            Ok(Self { snapshot, compared, tried })
        })
    }

    /// Whether nothing is known that keeps the job from going on from it.
    pub(super) fn is_possible(&self) -> bool {
        self.refusals().next().is_none()
    }

    fn refusals(&self) -> impl Iterator<Item = &Error> {
        self.compared.refusals().chain(self.tried.iter().flatten().filter_map(|run| run.refusal.as_ref()))
    }

    /// For a person.
    pub(super) fn text(&self, columns: Option<u16>) -> String {
        let mut text = nodes_text(&self.snapshot, &self.compared, columns);
        if let Some(tried) = &self.tried {
            text += &migrations::text(tried, columns);
        }
        for error in self.refusals() {
            text += &output::printable(&format!("\n{}\n  why: {}\n  do:  {}\n", error.what, error.why, error.remedy));
        }
        let verdict = if self.is_possible() { "the job can go on from it" } else { "the job can't go on from it" };
        text + &format!("\n{verdict}\n")
    }

    /// As data.
    pub(super) fn json(&self) -> Value {
        let refusals = self.refusals().map(|error| json!({"what": error.what, "why": error.why, "remedy": error.remedy}));
        let mut json = json!({
            "savepoint": self.snapshot.location(),
            "possible": self.is_possible(),
            "nodes": nodes_json(&self.compared),
            "refusals": refusals.collect::<Vec<_>>(),
        });
        if let (Some(tried), Some(fields)) = (&self.tried, json.as_object_mut()) {
            fields.insert("migrations".to_owned(), migrations::json(tried, &self.compared));
        }
        json
    }
}

fn nodes_text(snapshot: &Snapshot, compared: &Comparison, columns: Option<u16>) -> String {
    let mut table = Table::new(&["NODE", "VERDICT", "STATE", "BEFORE", "NOW", ">ROWS", ">BYTES"]);
    for node in &compared.nodes {
        let size = |of: fn(&weir_checkpoint::manifest::OperatorSnapshot) -> u64| node.before.as_ref().map_or(0, of);
        let (code_before, code_now) = code(node);
        let name = node
            .before
            .as_ref()
            .filter(|before| before.uid != node.uid)
            .map_or_else(|| node.uid.to_string(), |before| format!("{} (was {})", node.uid, before.uid));
        table.row([name, node.verdict.to_string(), String::new(), code_before, code_now, output::count(size(rows)), output::bytes(size(bytes))]);
        for state in &node.states {
            let before: Vec<_> = state.before.iter().map(descriptor).collect();
            let now = state.now.as_ref().map_or_else(String::new, descriptor);
            table.row([String::new(), state.verdict.to_string(), state.name.clone(), before.join(", "), now, String::new(), String::new()]);
        }
    }
    let mut text = format!("\nfrom {}:\n{}", snapshot.location(), table.render(columns));
    for node in &compared.nodes {
        for line in changes(node) {
            text += &format!("{}: {line}\n", node.uid);
        }
    }
    text
}

/// Plugin and function, before and now.
fn code(node: &NodeComparison) -> (String, String) {
    let before = node.before.as_ref().map_or_else(String::new, |before| match before.live() {
        Some(live) => format!("{} sha256:{} ×{}", live.function, live.digest.short(), before.parallelism),
        None => format!("{} ×{}", before.kind, before.parallelism),
    });
    let now = node.now.as_ref().map_or_else(String::new, |now| match &now.code {
        Some(code) => format!("{} sha256:{} ×{}", code.function, code.digest.short(), now.parallelism),
        None => format!("{} ×{}", now.kind, now.parallelism),
    });
    (before, now)
}

fn descriptor(state: &StateDescriptor) -> String {
    format!("{} v{}", state.value, state.schema_version)
}

/// What else there is to know: interfaces that come and go, what is lost.
fn changes(node: &NodeComparison) -> Vec<String> {
    let (added, removed) = imports(node);
    let mut lines: Vec<_> = added.iter().map(|import| format!("uses {import}, which it didn't")).collect();
    lines.extend(removed.iter().map(|import| format!("doesn't use {import} any more")));
    let lost = node.before.as_ref().filter(|before| node.verdict == Verdict::Dropped && rows(before) > 0);
    lines.extend(lost.map(|before| format!("state is given up: {} rows in all", output::count(rows(before)))));
    lines
}

/// Interfaces that are used only now, and only before.
fn imports(node: &NodeComparison) -> (Vec<&String>, Vec<&String>) {
    let (Some(before), Some(now)) = (&node.before, node.now.as_ref().and_then(|now| now.code.as_ref())) else { return Default::default() };
    // A snapshot of an older format doesn't say which there were.
    if before.imports.is_empty() {
        return Default::default();
    }
    (
        now.imports.iter().filter(|import| !before.imports.contains(import)).collect(),
        before.imports.iter().filter(|import| !now.imports.contains(import)).collect(),
    )
}

fn nodes_json(compared: &Comparison) -> Value {
    let state = |state: &StateDescriptor| json!({"codec": state.value.name(), "schema_version": state.schema_version});
    let nodes = compared.nodes.iter().map(|node| {
        let (added, removed) = imports(node);
        let states = node.states.iter().map(|one| {
            json!({
                "name": one.name,
                "verdict": one.verdict.to_string(),
                "before": one.before.iter().map(state).collect::<Vec<_>>(),
                "now": one.now.as_ref().map(state),
                "why": one.why,
            })
        });
        let live = node.before.as_ref().and_then(weir_checkpoint::manifest::OperatorSnapshot::live);
        let code = node.now.as_ref().and_then(|now| now.code.as_ref());
        json!({
            "uid": node.uid.as_str(),
            "uid_before": node.before.as_ref().map(|before| before.uid.as_str()),
            "verdict": node.verdict.to_string(),
            "digest_before": live.as_ref().map(|live| live.digest.to_string()),
            "digest": code.map(|code| code.digest.to_string()),
            "function_before": live.as_ref().map(|live| live.function.clone()),
            "function": code.map(|code| code.function.clone()),
            "parallelism_before": node.before.as_ref().map(|before| before.parallelism),
            "parallelism": node.now.as_ref().map(|now| now.parallelism.get()),
            "imports_added": added,
            "imports_removed": removed,
            "rows": node.before.as_ref().map(rows),
            "bytes": node.before.as_ref().map(bytes),
            "states": states.collect::<Vec<_>>(),
        })
    });
    nodes.collect()
}
