//! `weir savepoint dispose`: deletes a savepoint.

use serde_json::json;
use weir_checkpoint::savepoint::Snapshot;
use weir_model::Result;

use crate::args::SnapshotArgs;
use crate::exit_code::ExitCode;
use crate::output;

/// Deletes it.
///
/// # Errors
/// When it isn't a savepoint, belongs to a job's checkpoints, or can't be deleted.
pub(super) async fn run(args: &SnapshotArgs) -> Result<ExitCode> {
    let snapshot = Snapshot::open(&args.path).await?;
    let (location, bytes) = (snapshot.location().to_owned(), snapshot.manifest().full_bytes());
    let is_gone = snapshot.dispose().await?;
    if args.json {
        output::print_json(&json!({"location": location, "bytes": bytes, "folder_removed": is_gone}))?;
        return Ok(ExitCode::Done);
    }
    let rest = if is_gone { "" } else { "; other files in its folder were left" };
    output::print(&output::printable(&format!("{location} is deleted, {} of state{rest}\n", output::bytes(bytes))))?;
    Ok(ExitCode::Done)
}
