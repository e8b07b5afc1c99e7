//! `weir state ls`: the states in a savepoint.

use serde_json::json;
use weir_checkpoint::savepoint::Snapshot;
use weir_model::Result;

use crate::args::StateLsArgs;
use crate::commands::savepoint::content;
use crate::exit_code::ExitCode;
use crate::machine;
use crate::output::{self, Table};

/// Lists them.
///
/// # Errors
/// When it can't be read, or there is no such node.
pub(super) async fn run(args: &StateLsArgs) -> Result<ExitCode> {
    let snapshot = Snapshot::open(&args.path).await?;
    if let Some(uid) = &args.uid {
        content::operator(&snapshot, uid.as_str())?;
    }
    let mut table = Table::new(&content::COLUMNS);
    let mut list = Vec::new();
    for operator in snapshot.manifest().operators.iter().filter(|operator| args.uid.as_ref().is_none_or(|uid| operator.uid == *uid)) {
        for content in content::states(&snapshot, operator).await? {
            content::row(&mut table, operator, &content);
            list.push(content::json(operator, &content));
        }
    }
    if args.json {
        output::print_json(&json!(list))?;
    } else if list.is_empty() {
        output::note("there is no keyed state");
    } else {
        output::print(&table.render(machine::terminal_columns(&std::io::stdout())))?;
    }
    Ok(ExitCode::Done)
}
