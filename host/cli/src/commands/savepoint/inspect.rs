//! `weir savepoint inspect`: what is in a savepoint.

use serde_json::{Value, json};
use weir_checkpoint::manifest::{ManifestKind, OperatorKind, OperatorSnapshot};
use weir_checkpoint::paths;
use weir_checkpoint::savepoint::Snapshot;
use weir_model::{Error, Result};

use super::content::{self, StateContent};
use super::when::utc;
use crate::args::SnapshotArgs;
use crate::exit_code::ExitCode;
use crate::machine;
use crate::output::{self, Table};

/// Shows it.
///
/// # Errors
/// When it can't be read. Files that are missing are shown, and no error.
pub(super) async fn run(args: &SnapshotArgs) -> Result<ExitCode> {
    let snapshot = Snapshot::open(&args.path).await?;
    let mut states = Vec::new();
    for operator in &snapshot.manifest().operators {
        states.push((operator, content::states(&snapshot, operator).await));
    }
    if args.json {
        output::print_json(&json(&snapshot, &states))?;
    } else {
        output::print(&text(&snapshot, &states, machine::terminal_columns(&std::io::stdout())))?;
    }
    Ok(ExitCode::Done)
}

/// The paths of the plugins that lie beside the state.
fn plugins(snapshot: &Snapshot) -> Vec<String> {
    snapshot.components().into_iter().map(paths::component).collect()
}

type Contents<'a> = [(&'a OperatorSnapshot, Result<Vec<StateContent>>)];

fn text(snapshot: &Snapshot, states: &Contents<'_>, width: Option<u16>) -> String {
    let manifest = snapshot.manifest();
    let (files, bytes) = (manifest.files().count() as u64, manifest.full_bytes());
    let plugins = plugins(snapshot);
    let pending: Vec<_> = manifest
        .handles()
        .filter(|(_, handles)| !handles.is_empty())
        .map(|(uid, handles)| format!("{} of {uid}", output::count(handles.len() as u64)))
        .collect();
    let lines = [
        ("job", format!("{}, checkpoint {}", manifest.job.name, manifest.checkpoint)),
        ("kind", kind(snapshot).to_owned()),
        ("taken", utc(manifest.completed_ms)),
        ("max-parallelism", manifest.max_parallelism.to_string()),
        ("size", format!("{} in {} files", output::bytes(bytes), output::count(files))),
        ("plugins", if plugins.is_empty() { "not included".to_owned() } else { plugins.join(", ") }),
        ("pending output", if pending.is_empty() { "none".to_owned() } else { pending.join(", ") }),
    ];
    let mut text = format!("{}\n", snapshot.location());
    for (name, value) in lines {
        text += &format!("  {name:<16}{value}\n");
    }
    let mut table = Table::new(&["UID", "KIND", "FUNCTION", "PLUGIN", "NEXT", "CONTRACT", ">PARALLELISM", ">ROWS", ">SIZE"]);
    for operator in &manifest.operators {
        let files = || operator.subtasks.iter().flat_map(|subtask| &subtask.files);
        table.row([
            operator.uid.to_string(),
            operator.kind.to_string(),
            operator.function.clone(),
            operator.plugin_digest.map(|digest| digest.short()).unwrap_or_default(),
            operator.next.as_ref().map(|next| format!("{} ({})", next.digest.short(), next.function)).unwrap_or_default(),
            operator.contract.clone(),
            operator.parallelism.to_string(),
            output::count(files().map(|file| file.rows).sum()),
            output::bytes(files().map(|file| file.bytes).sum()),
        ]);
    }
    text = output::printable(&text) + "\n" + &table.render(width);
    let mut table = Table::new(&content::COLUMNS);
    let mut is_any = false;
    for (operator, contents) in states {
        for content in contents.iter().flatten() {
            content::row(&mut table, operator, content);
            is_any = true;
        }
    }
    if is_any {
        text += &format!("\n{}", table.render(width));
    }
    for (operator, error) in states.iter().filter_map(|(operator, contents)| Some((operator, contents.as_ref().err()?))) {
        text += &output::printable(&format!("\nthe state of {} can't be read: {}: {}\n", operator.uid, error.what, error.why));
    }
    text
}

fn kind(snapshot: &Snapshot) -> &'static str {
    match (snapshot.belongs_to_job(), snapshot.manifest().kind) {
        (false, ManifestKind::Savepoint) => "savepoint",
        (false, ManifestKind::Stop) => "savepoint at which the job was stopped",
        (false, ManifestKind::Drain) => "savepoint at which the job was drained",
        (false, ManifestKind::Checkpoint) => "savepoint, made of a checkpoint",
        (true, ManifestKind::Checkpoint | ManifestKind::Savepoint) => "retained checkpoint",
        (true, ManifestKind::Stop) => "retained checkpoint at which the job was stopped",
        (true, ManifestKind::Drain) => "retained checkpoint at which the input had ended",
    }
}

fn json(snapshot: &Snapshot, states: &Contents<'_>) -> Value {
    let manifest = snapshot.manifest();
    let kind = match manifest.kind {
        ManifestKind::Checkpoint => "checkpoint",
        ManifestKind::Drain => "drain",
        ManifestKind::Stop => "stop",
        ManifestKind::Savepoint => "savepoint",
    };
    json!({
        "location": snapshot.location(),
        "job": manifest.job.name,
        "checkpoint": manifest.checkpoint.0,
        "kind": kind,
        "belongs_to_job": snapshot.belongs_to_job(),
        "triggered_ms": manifest.triggered_ms,
        "completed_ms": manifest.completed_ms,
        "max_parallelism": manifest.max_parallelism,
        "files": manifest.files().count(),
        "bytes": manifest.full_bytes(),
        "plugins": plugins(snapshot),
        "nodes": states.iter().map(|(operator, contents)| node(operator, contents)).collect::<Vec<_>>(),
    })
}

fn node(operator: &OperatorSnapshot, contents: &Result<Vec<StateContent>>) -> Value {
    let mut value = json!({
        "uid": operator.uid.as_str(),
        "kind": operator.kind.to_string(),
        "function": operator.function,
        "parallelism": operator.parallelism,
        "rows": operator.subtasks.iter().flat_map(|subtask| &subtask.files).map(|file| file.rows).sum::<u64>(),
        "bytes": operator.subtasks.iter().flat_map(|subtask| &subtask.files).map(|file| file.bytes).sum::<u64>(),
        "pending_output": operator.subtasks.iter().map(|subtask| subtask.handles.len()).sum::<usize>(),
    });
    let Value::Object(fields) = &mut value else { return value };
    if operator.kind == OperatorKind::Operator {
        let digest = |digest: Option<weir_model::id::PluginDigest>| json!(digest.map(|digest| digest.to_string()));
        fields.insert("digest".to_owned(), digest(operator.plugin_digest));
        fields.insert("file_digest".to_owned(), digest(operator.file_digest));
        let next = operator.next.as_ref().map(|next| json!({"digest": next.digest.to_string(), "function": next.function}));
        fields.insert("next".to_owned(), json!(next));
        fields.insert("contract".to_owned(), operator.contract.as_str().into());
        fields.insert("imports".to_owned(), json!(operator.imports));
        fields.insert("plugin_included".to_owned(), operator.has_component.into());
    }
    let (states, why) = match contents {
        Ok(contents) => (contents.iter().map(|content| content::json(operator, content)).collect::<Vec<_>>(), None),
        Err(Error { what, why, .. }) => (Vec::new(), Some(format!("{what}: {why}"))),
    };
    fields.insert("states".to_owned(), json!(states));
    fields.insert("unreadable".to_owned(), json!(why));
    value
}
