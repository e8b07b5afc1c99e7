//! `weir savepoint rekey`: the same state in another number of key groups.

use std::sync::Arc;

use serde_json::json;
use weir_checkpoint::manifest::ManifestKind;
use weir_checkpoint::savepoint::{self, Snapshot};
use weir_model::Result;
use weir_model::id::Parallelism;
use weir_model::key_group::MaxParallelism;
use weir_runtime::savepoint::{Compose, NewGroups, rekey};

use crate::args::RekeyArgs;
use crate::exit_code::ExitCode;
use crate::machine::Machine;
use crate::output;

/// Writes a new savepoint and says where.
///
/// # Errors
/// When the old one can't be read, or the new one can't be written.
pub(super) async fn run(args: &RekeyArgs, machine: &Machine) -> Result<ExitCode> {
    let max_parallelism = MaxParallelism::new(args.max_parallelism, args.parallelism.unwrap_or(Parallelism::ONE))?;
    let snapshot = Snapshot::open(&args.path).await?;
    let old = snapshot.manifest();
    let to = savepoint::create(&args.output, &old.job.id, machine.seed())?;
    let kind = if old.kind == ManifestKind::Checkpoint { ManifestKind::Savepoint } else { old.kind };
    let what = Compose { manifest: old, from: snapshot.store(), to: &to, kind, plugins: &[], progress: Arc::new(|_| {}) };
    let manifest = match rekey(what, NewGroups { max_parallelism, parallelism: args.parallelism }).await {
        Ok(manifest) => manifest,
        Err(error) => {
            // The error that matters is the first one.
            drop(savepoint::abandon(&to).await);
            return Err(error);
        }
    };
    to.put_savepoint(&manifest).await?;
    if args.json {
        let bytes = manifest.full_bytes();
        output::print_json(&json!({"location": to.location(), "max_parallelism": manifest.max_parallelism, "bytes": bytes}))?;
        return Ok(ExitCode::Done);
    }
    if manifest.handles().any(|(_, handles)| !handles.is_empty()) {
        output::note("output that isn't committed yet goes along: whichever of the two savepoints a job starts from first commits it");
    }
    output::print(&format!("{}\n", to.location()))?;
    Ok(ExitCode::Done)
}
