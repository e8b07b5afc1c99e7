//! `weir state export`: all state of a node, an entry a line.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use weir_checkpoint::savepoint::Snapshot;
use weir_model::{Error, Result};
use weir_runtime::savepoint::SnapshotRows;

use super::compare;
use super::entry::{Entry, Reader};
use crate::args::{ExportFormat, StateExportArgs};
use crate::commands::savepoint::content;
use crate::exit_code::ExitCode;
use crate::machine::Machine;
use crate::output;

const CSV_HEADING: &str = "state,key,sub_key,value,schema_version,written_s,expired\n";

/// Writes it.
///
/// # Errors
/// When there is no such node or state, the savepoint can't be read, or the output can't be written.
pub(super) async fn run(args: &StateExportArgs, machine: &Machine) -> Result<ExitCode> {
    let snapshot = Snapshot::open(&args.path).await?;
    let operator = content::operator(&snapshot, args.uid.as_str())?;
    let groups = snapshot.manifest().max_parallelism;
    let rows = SnapshotRows::open(snapshot.store(), compare::files(operator), args.state.as_deref(), 0..groups).await?;
    if let Some(state) = args.state.as_ref().filter(|name| rows.states().iter().chain(&operator.states).all(|state| state.name != **name)) {
        let known: Vec<_> = operator.states.iter().map(|state| state.name.as_str()).collect();
        let what = format!("state `{state}` of `{}`", args.uid);
        return Err(Error::usage(what, "there is no state of that name", format!("there are: {}", known.join(", "))));
    }
    let reader = Reader::new(operator, rows.states(), machine.clock.wall_ms());
    match &args.output {
        None => write(rows, &reader, args.format, BufWriter::new(io::stdout().lock())).await?.map_err(|error| output::unwritable(&error)),
        Some(path) => {
            let draft = draft_of(path);
            let failed =
                |error: &io::Error| Error::job(format!("{} can't be written", path.display()), error.to_string(), "name another file, or make room");
            let file = File::create(&draft).map_err(|error| failed(&error))?;
            let written = write(rows, &reader, args.format, BufWriter::new(file)).await;
            let named = match written {
                Ok(written) => written.and_then(|()| std::fs::rename(&draft, path)).map_err(|error| failed(&error)),
                Err(error) => Err(error),
            };
            named.inspect_err(|_| drop(std::fs::remove_file(&draft)))
        }
    }?;
    Ok(ExitCode::Done)
}

/// Beside the file, so that nobody takes half of it for all.
fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

/// Writes all rows. What can't be read is the outer error, what can't be written the inner one.
async fn write(mut rows: SnapshotRows, reader: &Reader, format: ExportFormat, mut out: impl Write) -> Result<io::Result<()>> {
    let mut written = if format == ExportFormat::Csv { out.write_all(CSV_HEADING.as_bytes()) } else { Ok(()) };
    if written.is_ok() {
        rows.next(|row| {
            let line = match format {
                ExportFormat::Json => reader.json(row).map(|value| format!("{value}\n")),
                ExportFormat::Csv => reader.entry(row).map(|entry| csv(&entry)),
            };
            written = line.map_or(Ok(()), |line| out.write_all(line.as_bytes()));
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .await?;
    }
    Ok(written.and_then(|()| out.flush()))
}

fn csv(entry: &Entry) -> String {
    let sub_key = entry.sub_key.as_deref().map(quoted).unwrap_or_default();
    let [state, key, value] = [&entry.state, &entry.key, &entry.value].map(|text| quoted(text));
    format!("{state},{key},{sub_key},{value},{},{},{}\n", entry.schema_version, entry.written_s, entry.is_expired)
}

/// A text as a field: in quotes where it must be (RFC 4180), and where it is empty, to tell it from one that isn't there.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) || text.is_empty() { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_where_it_must_be() {
        let check = |text: &str, field: &str| assert_eq!(quoted(text), field);
        check("whale", "whale");
        check("", "\"\"");
        check("a,b", "\"a,b\"");
        check("say \"no\"\n", "\"say \"\"no\"\"\n\"");
    }
}
