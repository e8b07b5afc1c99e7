//! `-D key=value`: keys of the job file, and the few of Flink's that mean something to this version.

use crate::error::{Error, Result};
use crate::section::{Value, ValueKind, did_you_mean, nearest};

use super::document::{Table, read_argument};
use super::{NAMED_TABLES, TABLES, later};

/// Flink's keys and where weir keeps them.
const FLINK_KEYS: &[(&str, &str)] =
    &[("parallelism.default", "job.parallelism"), ("pipeline.max-parallelism", "job.max-parallelism"), ("pipeline.name", "job.name")];

/// No table of a job file is deeper than this; a bound for what is made from an argument.
const PATH_PARTS_MAX: usize = 32;

/// Puts each override into its place in `root`; of two for one key, the last counts.
///
/// # Errors
/// A usage error that names the key, when it is unknown or names a node or plugin that the file doesn't have.
pub(super) fn apply(root: &mut Table, file: &str, overrides: &[(String, String)]) -> Result<()> {
    overrides.iter().try_for_each(|(key, value)| apply_one(root, file, key, value))
}

fn apply_one(root: &mut Table, file: &str, key: &str, value: &str) -> Result<()> {
    let what = format!("-D {key}");
    if let Some(lacking) = later::argument(key) {
        return Err(later::not_yet(what, lacking, format!("remove `-D {key}=…`")));
    }
    let flink = FLINK_KEYS.iter().find(|(flink, _)| *flink == key);
    let path: Vec<&str> = flink.map_or(key, |(_, own)| *own).split('.').collect();
    match path.as_slice() {
        _ if path.len() > PATH_PARTS_MAX || path.iter().any(|part| part.is_empty()) => return Err(unknown_key(what, &path)),
        ["job", _, ..] => {}
        [table, name, rest @ ..] if NAMED_TABLES.contains(table) => {
            let names = root.get(*table).map(|value| table_names(value)).unwrap_or_default();
            if !names.contains(name) {
                let why = format!("{file} has no table [{table}.{name}]");
                let remedy = if names.is_empty() { format!("add [{table}.{name}] to {file} first") } else { did_you_mean(name, &names) };
                return Err(Error::usage(what, why, remedy));
            }
            if rest.is_empty() {
                let why = format!("[{table}.{name}] is a table, not a key");
                return Err(Error::usage(what, why, format!("name one of its keys, as in `-D {table}.{name}.parallelism=2`")));
            }
        }
        [table] if TABLES.contains(table) => {
            let remedy = if *table == "job" { "`-D job.parallelism=2`".to_owned() } else { format!("`-D {table}.NAME.parallelism=2`") };
            return Err(Error::usage(what, format!("[{table}] is a table, not a key"), format!("name one of its keys, as in {remedy}")));
        }
        _ => return Err(unknown_key(what, &path)),
    }
    // A job's name is text even where it looks like a number.
    let value = if path == ["job", "name"] { Value { line: 0, kind: ValueKind::String(value.to_owned()) } } else { read_argument(value) };
    // One key stands for the other: whoever overrides `inputs` doesn't want the file's `input` any more.
    if let [table, uid, key @ ("input" | "inputs")] = path.as_slice() {
        let other = if *key == "input" { "inputs" } else { "input" };
        remove(root, &[table, uid, other]);
    }
    set(root, &path, value).map_err(|part| Error::usage(what, format!("`{part}` is a value, not a table"), format!("end the key at `{part}`")))
}

fn table_names(value: &Value) -> Vec<&str> {
    match &value.kind {
        ValueKind::Table(table) => table.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Sets the value at `path`, with the tables that lead to it; `Err` is the part of the path that already has a value.
fn set<'a>(table: &mut Table, path: &[&'a str], value: Value) -> Result<(), &'a str> {
    match path {
        [] => {}
        [last] => drop(table.insert((*last).to_owned(), value)),
        [first, rest @ ..] => {
            let below = table.entry((*first).to_owned()).or_insert_with(|| Value { line: 0, kind: ValueKind::Table(Table::new()) });
            let ValueKind::Table(below) = &mut below.kind else { return Err(first) };
            set(below, rest, value)?;
        }
    }
    Ok(())
}

/// Removes the value at `path`, if there is one.
fn remove(table: &mut Table, path: &[&str]) {
    match path {
        [] => {}
        [last] => drop(table.remove(*last)),
        [first, rest @ ..] => {
            if let Some(Value { kind: ValueKind::Table(below), .. }) = table.get_mut(*first) {
                remove(below, rest);
            }
        }
    }
}

fn unknown_key(what: String, path: &[&str]) -> Error {
    let why = "there is no such key";
    let remedy = match path {
        [first, rest @ ..] if !rest.is_empty() && nearest(first, TABLES).is_some_and(|table| table != *first) => {
            let table = nearest(first, TABLES).unwrap_or(first);
            format!("did you mean `{table}.{}`?", rest.join("."))
        }
        _ => {
            let known: Vec<_> = FLINK_KEYS.iter().flat_map(|(flink, own)| [*own, *flink]).collect();
            match nearest(&path.join("."), &known) {
                Some(candidate) => format!("did you mean `{candidate}`?"),
                None => "name a key of the job file, such as `job.parallelism` or `sources.NAME.path`".to_owned(),
            }
        }
    };
    Error::usage(what, why, remedy)
}
