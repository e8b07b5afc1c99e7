//! `weir savepoint verify`: whether every file of a savepoint is as it was written.

use serde_json::json;
use weir_checkpoint::paths;
use weir_checkpoint::savepoint::Snapshot;
use weir_model::{Error, Result};
use weir_runtime::savepoint;

use crate::args::SnapshotArgs;
use crate::exit_code::ExitCode;
use crate::output;

/// Reads everything and says so.
///
/// # Errors
/// Names the first file that isn't whole.
pub(super) async fn run(args: &SnapshotArgs) -> Result<ExitCode> {
    let snapshot = Snapshot::open(&args.path).await?;
    let (mut files, mut rows, mut bytes, mut damaged) = (0u64, 0, 0, Vec::new());
    for (file, checked) in savepoint::verify(snapshot.manifest(), snapshot.store()).await {
        files += 1;
        bytes += file.bytes;
        match checked {
            Ok(read) => rows += read,
            Err(error) => damaged.push(error),
        }
    }
    let components = snapshot.components();
    for digest in components.union(&snapshot.replaced_components()).copied() {
        let damage = |why: &str| Error::job(snapshot.store().display(&paths::component(digest)), why, "bring the file back from a copy");
        match snapshot.store().get_component(digest).await? {
            None if !components.contains(&digest) => {}
            None => {
                files += 1;
                damaged.push(damage("it is missing"));
            }
            Some(plugin) => {
                files += 1;
                bytes += plugin.len() as u64;
                if weir_plugin::digest_of(&plugin) != digest {
                    damaged.push(damage("it isn't the plugin that its name says"));
                }
            }
        }
    }
    if args.json {
        let list: Vec<_> = damaged.iter().map(|error| json!({"file": error.what, "why": error.why})).collect();
        output::print_json(
            &json!({"ok": list.is_empty(), "location": snapshot.location(), "files": files, "rows": rows, "bytes": bytes, "damaged": list}),
        )?;
    } else {
        let whole = files - damaged.len() as u64;
        let (whole, all) = (output::count(whole), output::count(files));
        output::print(&format!("{whole} of {all} files are whole: {} rows, {}\n", output::count(rows), output::bytes(bytes)))?;
    }
    match damaged.split_first() {
        None => Ok(ExitCode::Done),
        Some((first, others)) => {
            let more = if others.is_empty() { String::new() } else { format!("; so are {} other files", others.len()) };
            let why = format!("{}: {}{more}", first.what, first.why);
            Err(Error::job(format!("{} isn't whole", snapshot.location()), why, first.remedy.clone()))
        }
    }
}
