//! `weir swap --history`: the swaps of a job, as it wrote them down among its checkpoints.

use serde::{Deserialize, Serialize};
use weir_checkpoint::store::Store;
use weir_model::{Error, Result};

use super::short;
use crate::commands::checkpoints;
use crate::machine::{self, Machine};
use crate::output::{self, Table};
use crate::registry::Record;

/// The file in the job's checkpoint folder.
const FILE: &str = "swaps.json";
/// More of it isn't read.
const BYTES_MAX: u64 = 64 << 20;

/// A swap that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// When: wall-clock time, milliseconds since the Unix epoch.
    pub(super) at_ms: i64,
    /// The operators.
    pub(super) uids: Vec<String>,
    /// Their plugins' digests before.
    pub(super) from: Vec<String>,
    /// The new version's digest.
    pub(super) to: String,
    /// Its function, if it has another name.
    #[serde(default)]
    pub(super) function: Option<String>,
    /// The checkpoint of its barrier, if there was one.
    #[serde(default)]
    pub(super) checkpoint: Option<u64>,
    /// What became of it: live, on trial, returned or refused.
    pub(super) outcome: String,
    /// Why it was taken back or refused.
    #[serde(default)]
    pub(super) why: Option<String>,
}

/// Shows the history of a job's swaps.
///
/// # Errors
/// When the job takes no checkpoints, or its folder can't be read.
pub(super) async fn show(job: &Record, is_json: bool, machine: &Machine) -> Result<()> {
    let name = format!("job {} ({})", job.id.short(), job.name);
    let none =
        || Error::usage(name.clone(), "it takes no checkpoints, so none of its operators was ever swapped", "set [checkpointing] in the job file");
    let place = job.checkpoints.as_ref().ok_or_else(none)?;
    let bytes = if checkpoints::is_there(place) { Store::open(&place.dir, &place.job)?.get(FILE, BYTES_MAX).await? } else { None };
    let entries = bytes.map_or(Ok(Vec::new()), |bytes| read(&bytes))?;
    if is_json {
        output::print_json(&serde_json::json!(entries))
    } else if entries.is_empty() {
        output::note(&output::printable(&format!("{name}: no operator was swapped")));
        Ok(())
    } else {
        output::print(&table(&entries, machine.clock.wall_ms()).render(machine::terminal_columns(&std::io::stdout())))
    }
}

/// The swaps in the file, newest last.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Entry>> {
    let unreadable =
        |error: serde_json::Error| Error::job(format!("the job's {FILE} can't be read"), error.to_string(), "use the `weir` that wrote it");
    serde_json::from_slice(bytes).map_err(unreadable)
}

/// The swaps for a person.
pub(super) fn table(entries: &[Entry], now_ms: i64) -> Table {
    let mut table = Table::new(&[">WHEN", "OPERATORS", "FROM", "TO", "FUNCTION", "CHECKPOINT", "OUTCOME", "WHY"]);
    for entry in entries {
        table.row([
            format!("{} ago", output::seconds(now_ms.saturating_sub(entry.at_ms).max(0) as f64 / 1e3)),
            entry.uids.join(", "),
            entry.from.iter().map(|digest| short(digest)).collect::<Vec<_>>().join(", "),
            short(&entry.to).to_owned(),
            entry.function.clone().unwrap_or_default(),
            entry.checkpoint.map(|checkpoint| format!("chk-{checkpoint}")).unwrap_or_default(),
            entry.outcome.clone(),
            entry.why.clone().unwrap_or_default(),
        ]);
    }
    table
}
