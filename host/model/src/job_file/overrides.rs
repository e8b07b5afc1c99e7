//! `-D key=value`: keys of the job file, and Flink's.

use crate::error::{Error, Result};
use crate::section::{Value, ValueKind, did_you_mean, nearest};

use super::document::{Table, read_argument};
use super::flink::{self, Aliases};
use super::{NAMED_TABLES, TABLES};

/// Keys that are text even where they look like something else.
const TEXT_KEYS: &[&str] = &["job.name", "checkpointing.dir", "checkpointing.savepoint-dir", "state.local-dir"];

/// No table of a job file is deeper than this; a bound for what is made from an argument.
const PATH_PARTS_MAX: usize = 32;

/// Puts each override into its place in `root`; of two for one key, the last counts. Gives back which came under a name of Flink's.
///
/// # Errors
/// A usage error that names the key, when it is unknown or names a node or plugin that the file doesn't have.
pub(super) fn apply(root: &mut Table, file: &str, overrides: &[(String, String)]) -> Result<Aliases> {
    let mut aliases = Aliases::new();
    overrides.iter().try_for_each(|(key, value)| apply_one(root, file, key, value, &mut aliases))?;
    Ok(aliases)
}

fn apply_one(root: &mut Table, file: &str, key: &str, value: &str, aliases: &mut Aliases) -> Result<()> {
    let what = format!("-D {key}");
    // Flink's keys may be given as those of the table [flink] or as they are.
    let plain = key.strip_prefix("flink.").unwrap_or(key);
    let own = flink::own_key(plain);
    if let (None, Some(error)) = (own, flink::refuse(&what, plain)) {
        return Err(error);
    }
    let key = own.unwrap_or(key);
    let path: Vec<&str> = key.split('.').collect();
    match path.as_slice() {
        _ if path.len() > PATH_PARTS_MAX || path.iter().any(|part| part.is_empty()) => return Err(unknown_key(what, &path)),
        ["job", _, ..] | ["checkpointing" | "state" | "restart", _] => {}
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
            let example = match *table {
                "job" => "job.parallelism=2",
                "checkpointing" | "flink" => "checkpointing.interval=10s",
                "state" => "state.backend=disk",
                "restart" => "restart.strategy=none",
                _ => &format!("{table}.NAME.parallelism=2"),
            };
            return Err(Error::usage(what, format!("[{table}] is a table, not a key"), format!("name one of its keys, as in `-D {example}`")));
        }
        _ => return Err(unknown_key(what, &path)),
    }
    let value = match read_argument(value) {
        read if TEXT_KEYS.contains(&key) && !matches!(read.kind, ValueKind::String(_)) => {
            Value { line: 0, kind: ValueKind::String(value.to_owned()) }
        }
        read => read,
    };
    flink::shadow(root, key);
    match own {
        Some(own) => drop(aliases.insert(own.to_owned(), plain.to_owned())),
        None => drop(aliases.remove(key)),
    }
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
            let known: Vec<_> = flink::own_keys().collect();
            let key = path.join(".");
            match flink::nearest_key(&key).or_else(|| nearest(&key, &known)) {
                Some(candidate) => format!("did you mean `{candidate}`?"),
                None => "name a key of the job file, such as `job.parallelism` or `sources.NAME.path`".to_owned(),
            }
        }
    };
    Error::usage(what, why, remedy)
}
