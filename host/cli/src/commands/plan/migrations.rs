//! `weir plan -s --dry-run-migration`: what migrations did to the values of a savepoint.

use serde_json::{Value, json};
use weir_checkpoint::compare::Comparison;
use weir_model::codec::Codec;
use weir_runtime::savepoint::DryRun;

use crate::commands::state::notation;
use crate::output::{self, Table};

/// For a person.
pub(super) fn text(tried: &[DryRun], columns: Option<u16>) -> String {
    if tried.is_empty() {
        return "\nno state has to be migrated\n".to_owned();
    }
    let mut table = Table::new(&["NODE", "STATE", "VERSIONS", ">MIGRATED", ">FAILED", ">BYTES BEFORE", ">BYTES AFTER", ">TIME"]);
    for run in tried {
        table.row([
            run.uid.to_string(),
            run.state.clone(),
            format!("{} to {}", run.versions.0, run.versions.1),
            output::count(run.migrated),
            output::count(run.failed),
            output::bytes(run.bytes.0),
            output::bytes(run.bytes.1),
            output::seconds(run.took_ns as f64 / 1e9),
        ]);
    }
    let of = if tried.iter().any(|run| run.is_sample) { "some of the values" } else { "all values" };
    let mut text = format!("\nmigrations, tried on {of}:\n{}", table.render(columns));
    for run in tried {
        for (_, why) in &run.refused {
            text += &output::printable(&format!("{}: {why}\n", run.uid));
        }
        // What is listed are keys, and there may be several values under a key.
        if run.failed > run.refused.len() as u64 {
            text += &format!("{}: {} values in all\n", run.uid, output::count(run.failed));
        }
    }
    text
}

/// As data.
pub(super) fn json(tried: &[DryRun], compared: &Comparison) -> Value {
    let one = |run: &DryRun| {
        let node = compared.nodes.iter().find(|node| node.uid == run.uid);
        let code = node.and_then(|node| node.now.as_ref()?.code.as_ref());
        let codec = code.and_then(|code| code.key_codec.clone()).unwrap_or(Codec::None);
        let refused = run.refused.iter().map(|(key, why)| json!({"key": notation::json(&codec, key), "why": why}));
        json!({
            "uid": run.uid.as_str(),
            "state": run.state,
            "from_version": run.versions.0,
            "to_version": run.versions.1,
            "migrated": run.migrated,
            "failed": run.failed,
            "bytes_before": run.bytes.0,
            "bytes_after": run.bytes.1,
            "seconds": run.took_ns as f64 / 1e9,
            "is_sample": run.is_sample,
            "refused": refused.collect::<Vec<_>>(),
        })
    };
    tried.iter().map(one).collect()
}
