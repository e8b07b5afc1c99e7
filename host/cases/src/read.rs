//! A file of cases, read: TOML to [`Case`]s. Every key is either read or refused with its line.

mod expect;
mod fields;
mod input;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use weir_model::id::Parallelism;
use weir_model::job_file::read_toml;
use weir_model::section::{Section, Value, ValueKind, did_you_mean};
use weir_model::{Error, Result};

use crate::case::Case;

/// Records in a batch of a case that doesn't say otherwise.
const BATCH: usize = 1024;
/// The number of key groups of every case: what a job has that doesn't say otherwise.
const KEY_GROUPS: u64 = 128;

/// Reads the cases in `text`. `file` is what messages call it; relative paths start at `base`.
///
/// # Errors
/// A usage error for the first thing wrong, with its line.
pub fn read(file: &str, text: &str, base: &Path) -> Result<Vec<Case>> {
    let name: Arc<str> = file.into();
    let mut root = read_toml(file, text).map_err(in_our_words)?;
    let cases = root.remove("case");
    if let Some((key, value)) = root.iter().min_by_key(|(_, value)| value.line) {
        let why = format!("there is nothing called `{key}` outside of the cases");
        return Err(Error::usage(format!("{file}:{}", value.line), why, did_you_mean(key, &["case"])));
    }
    let Some(Value { line, kind }) = cases else {
        return Err(Error::usage(file, "there is no case in it", "begin each case with a line `[[case]]`"));
    };
    let ValueKind::Array(items) = kind else {
        return Err(Error::usage(
            format!("{file}:{line}"),
            "`case` is not a list of cases",
            "begin each case with a line `[[case]]`, in double brackets",
        ));
    };
    let mut read = Vec::new();
    for item in items {
        let ValueKind::Table(entries) = item.kind else {
            return Err(Error::usage(format!("{file}:{}", item.line), "a case is a table", "begin each case with a line `[[case]]`"));
        };
        read.push(case(Section::new(Arc::clone(&name), "case", item.line, entries), base)?);
    }
    check_names(&read)?;
    Ok(read)
}

fn case(mut section: Section, base: &Path) -> Result<Case> {
    section.know(&["name", "function", "config", "parallelism", "on-error", "batch", "input", "output", "state", "failures", "counters"]);
    let (name, name_line) = section.require_string("name", "\"a count goes on after a restore\"")?;
    if name.trim().is_empty() {
        return Err(section.key_error(name_line, "name", "it is empty", "say in a sentence what the case shows"));
    }
    let (function, _) = section.require_string("function", "\"count\"")?;
    let config = section.take_config()?;
    let parallelism = parallelism(&mut section, "parallelism")?.unwrap_or(Parallelism::ONE);
    let fail = section.take_choice("on-error", &[("dead-letter", false), ("fail", true)])?.unwrap_or(false);
    let batch = match section.take_u64("batch")? {
        Some((0, line)) => return Err(section.key_error(line, "batch", "a batch has records", "write a whole number from 1 on")),
        Some((batch, _)) => usize::try_from(batch).unwrap_or(usize::MAX),
        None => BATCH,
    };
    let input = input::read(&mut section, base)?;
    let expect = expect::read(&mut section)?;
    let (file, line) = (Arc::clone(section.file()), section.line());
    section.finish()?;
    Ok(Case { file, line, name, function, config, parallelism, fail, batch, input, expect })
}

/// Takes a number of subtasks.
fn parallelism(section: &mut Section, key: &'static str) -> Result<Option<Parallelism>> {
    let Some((number, line)) = section.take_u64(key)? else { return Ok(None) };
    let fits = u32::try_from(number).ok().filter(|_| number <= KEY_GROUPS).and_then(Parallelism::new);
    let why =
        || section.key_error(line, key, format!("{number} is not in 1 to {KEY_GROUPS}"), format!("write a whole number from 1 to {KEY_GROUPS}"));
    fits.map(Some).ok_or_else(why)
}

/// The key groups of every case.
pub(crate) fn key_groups() -> Parallelism {
    u32::try_from(KEY_GROUPS).ok().and_then(Parallelism::new).unwrap_or(Parallelism::ONE)
}

/// Takes a list of tables, each as a section called `name`; `None`: there is none.
fn tables(section: &mut Section, key: &'static str, name: &str) -> Result<Option<Vec<Section>>> {
    let Some(value) = section.take(key) else { return Ok(None) };
    list_of_tables(section, key, name, value).map(Some)
}

fn list_of_tables(section: &Section, key: &str, name: &str, value: Value) -> Result<Vec<Section>> {
    let remedy = format!("write a list of tables, such as `{key} = [ {{ key = \"a\", value = 1 }} ]`");
    let ValueKind::Array(items) = value.kind else {
        return Err(section.key_error(value.line, key, "it is not a list", remedy));
    };
    let read = items.into_iter().map(|item| match item.kind {
        ValueKind::Table(entries) => Ok(Section::new(Arc::clone(section.file()), name, item.line, entries)),
        _ => Err(section.key_error(item.line, key, format!("{} stands where a table is expected", item.show()), remedy.clone())),
    });
    read.collect()
}

/// Takes a whole number of milliseconds.
fn millis(section: &mut Section, key: &'static str) -> Result<Option<i64>> {
    let number =
        section.take_as(key, "a whole number of milliseconds", |kind| if let ValueKind::Integer(number) = kind { Some(number) } else { None })?;
    Ok(number.map(|(number, _)| number))
}

/// Takes `key = true`; whether it is there.
fn flag(section: &mut Section, key: &'static str) -> Result<bool> {
    match section.take_bool(key)? {
        Some((false, line)) => Err(section.key_error(line, key, "`false` says nothing", format!("write `{key} = true`, or leave it out"))),
        found => Ok(found.is_some()),
    }
}

fn check_names(cases: &[Case]) -> Result<()> {
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    for case in cases {
        if let Some(first) = lines.insert(&case.name, case.line) {
            let why = format!("the case in line {first} has the same name: \"{}\"", case.name);
            return Err(Error::usage(format!("{}:{}: [case] name", case.file, case.line), why, "give each case a name of its own"));
        }
    }
    Ok(())
}

/// What TOML's parser complains of, where the advice is meant for job files.
fn in_our_words(error: Error) -> Error {
    if error.remedy.contains("[sources") {
        Error { remedy: "begin each case with a line `[[case]]`, in double brackets".to_owned(), ..error }
    } else {
        error
    }
}
