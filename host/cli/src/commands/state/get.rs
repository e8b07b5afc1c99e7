//! `weir state get`: what lies under one key.

use std::ops::ControlFlow;

use serde_json::json;
use weir_checkpoint::savepoint::Snapshot;
use weir_model::describe::StateKind;
use weir_model::id::Parallelism;
use weir_model::key_group::{MaxParallelism, hash_key};
use weir_model::{Error, Result};
use weir_runtime::savepoint::SnapshotRows;

use super::entry::{Entry, Reader};
use super::{compare, notation};
use crate::args::StateGetArgs;
use crate::commands::savepoint::content::{self, key_codec};
use crate::exit_code::ExitCode;
use crate::machine::{self, Machine};
use crate::output::{self, Table};

/// Shows it.
///
/// # Errors
/// When there is no such node, state or key, or the savepoint can't be read.
pub(super) async fn run(args: &StateGetArgs, machine: &Machine) -> Result<ExitCode> {
    let snapshot = Snapshot::open(&args.path).await?;
    let operator = content::operator(&snapshot, args.uid.as_str())?;
    let key = notation::parse(&key_codec(operator), &args.key)
        .map_err(|why| Error::usage(format!("the key of `{}`", args.uid), why, "`weir state export` shows how keys of this node are written"))?;
    let groups = Parallelism::new(snapshot.manifest().max_parallelism).and_then(|groups| MaxParallelism::new(groups, Parallelism::ONE).ok());
    let group = groups.map_or(0, |groups| groups.key_group(hash_key(&key)).0);
    let mut files = compare::files(operator);
    // A file without rows still says which states there are.
    files.retain(|file| file.key_groups.is_empty() || file.key_groups.contains(&group));
    let mut rows = SnapshotRows::open(snapshot.store(), files, Some(&args.state), group..group + 1).await?;
    let Some(kind) = operator.states.iter().chain(rows.states()).find(|state| state.name == args.state).map(|state| state.kind) else {
        let known: Vec<_> = operator.states.iter().map(|state| state.name.as_str()).collect();
        let remedy = if known.is_empty() { "it has none".to_owned() } else { format!("there are: {}", known.join(", ")) };
        return Err(Error::usage(format!("state `{}` of `{}`", args.state, args.uid), "there is no state of that name", remedy));
    };
    let sub_key = args.sub_key.as_ref().map(|text| sub_key(kind, text)).transpose()?;
    let reader = Reader::new(operator, rows.states(), machine.clock.wall_ms());
    let (mut entries, mut values) = (Vec::new(), Vec::new());
    rows.next(|row| {
        if row.key == key && sub_key.as_ref().is_none_or(|sub_key| row.sub_key == Some(sub_key)) {
            entries.extend(reader.entry(row));
            values.extend(reader.json(row));
        }
        ControlFlow::Continue(())
    })
    .await?;
    if entries.is_empty() {
        let what = format!("state `{}` of `{}`", args.state, args.uid);
        return Err(Error::job(what, "it has nothing under that key", "`weir state export` shows all keys"));
    }
    if args.json {
        output::print_json(&json!(values))?;
    } else {
        output::print(&text(kind, &entries, machine::terminal_columns(&std::io::stdout())))?;
    }
    Ok(ExitCode::Done)
}

fn sub_key(kind: StateKind, text: &str) -> Result<Vec<u8>> {
    if kind == StateKind::Value {
        return Err(Error::usage("--sub-key", "the state has one value a key", "leave it out"));
    }
    notation::parse_sub_key(kind, text).map_err(|why| Error::usage("--sub-key", why, "`weir state export` shows how they are written"))
}

fn text(kind: StateKind, entries: &[Entry], width: Option<u16>) -> String {
    let expired = |entry: &Entry| if entry.is_expired { "expired".to_owned() } else { String::new() };
    if kind == StateKind::Value {
        let line = |entry: &Entry| format!("{}  {}", entry.value, expired(entry)).trim_end().to_owned() + "\n";
        return output::printable(&entries.iter().map(line).collect::<String>());
    }
    let mut table = Table::new(&["SUB-KEY", "VALUE", ""]);
    for entry in entries {
        table.row([entry.sub_key.clone().unwrap_or_default(), entry.value.clone(), expired(entry)]);
    }
    table.render(width)
}
