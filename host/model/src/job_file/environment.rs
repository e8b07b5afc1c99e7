//! `${VAR}` and `${VAR:-default}` in the texts of the job file.

use crate::error::{Error, Result};
use crate::section::{Value, ValueKind};

use super::NAMED_TABLES;
use super::document::Table;

/// Replaces every reference in the texts of `root` by what `env` says, as a shell does: `${VAR:-default}` is the default when the
/// variable is unset or empty, and `$${` is a plain `${`. Values from the command line (line 0) were the shell's business.
///
/// # Errors
/// A usage error with the line of a reference that is malformed or to an unset variable.
pub(super) fn expand(root: &mut Table, file: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<()> {
    expand_table(root, &mut Vec::new(), file, env)
}

fn expand_table(table: &mut Table, path: &mut Vec<String>, file: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<()> {
    // In the order of the lines, so that the first error is the first in the file.
    let mut entries: Vec<_> = table.iter_mut().collect();
    entries.sort_by_key(|(_, value)| value.line);
    for (key, value) in entries {
        path.push(key.clone());
        expand_value(value, path, file, env)?;
        path.pop();
    }
    Ok(())
}

fn expand_value(value: &mut Value, path: &mut Vec<String>, file: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<()> {
    let line = value.line;
    match &mut value.kind {
        ValueKind::String(text) if line > 0 && text.contains("${") => match expand_text(text, env) {
            Ok(expanded) => *text = expanded,
            Err((why, remedy)) => return Err(Error::usage(place(file, line, path), why, remedy)),
        },
        ValueKind::Array(items) => items.iter_mut().try_for_each(|item| expand_value(item, path, file, env))?,
        ValueKind::Table(table) => expand_table(table, path, file, env)?,
        ValueKind::String(_) | ValueKind::Integer(_) | ValueKind::Float(_) | ValueKind::Bool(_) => {}
    }
    Ok(())
}

/// `job.toml:12: [sources.lines] path`, as [`crate::section::Section`] says it.
fn place(file: &str, line: usize, path: &[String]) -> String {
    let table = if path.first().is_some_and(|name| NAMED_TABLES.contains(&name.as_str())) { 2 } else { 1 };
    let (table, key) = path.split_at(table.min(path.len()));
    format!("{file}:{line}: [{}] {}", table.join("."), key.join("."))
}

fn expand_text(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, (String, String)> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = after;
            continue;
        }
        expanded.push_str(before);
        let Some((reference, after)) = after.split_once('}') else {
            return Err((format!("`${{{after}` is not closed"), "end it with `}`, or write `$${` for a plain `${`".to_owned()));
        };
        expanded.push_str(&resolve(reference, env)?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// What stands for `${reference}`.
fn resolve(reference: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, (String, String)> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        let remedy = "write `${NAME}` or `${NAME:-default}`, or `$${` for a plain `${`";
        return Err((format!("`${{{reference}}}` does not name an environment variable"), remedy.to_owned()));
    }
    match (env(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => {
            let remedy = format!("set it, as in `{name}=… weir run …`, or give a default: `${{{name}:-default}}`");
            Err((format!("the environment variable `{name}` is not set"), remedy))
        }
    }
}
