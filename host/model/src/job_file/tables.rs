//! The tables `[job]` and `[plugins.NAME]`, and what all tables share.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::graph::PluginSpec;
use crate::id::Parallelism;
use crate::section::{Section, Value, ValueKind, did_you_mean};

use super::document::Table;
use super::flink::Aliases;
use super::{NAMED_TABLES, TABLES};

/// How long one call may take when the job file says nothing.
const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A parallelism and the line that says it.
pub(super) type ParallelismAt = (Parallelism, usize);

/// What `[job]` says.
pub(super) struct Job {
    pub(super) name: String,
    pub(super) parallelism: Option<ParallelismAt>,
    pub(super) max_parallelism: Option<Parallelism>,
    /// The table without its keys, for errors.
    pub(super) section: Section,
}

/// Checks that the file has only tables that this version reads, and that each is laid out as `[job]` or `[sources.NAME]`.
pub(super) fn check_layout(root: &Table, file: &str) -> Result<()> {
    let mut tables: Vec<_> = root.iter().collect();
    tables.sort_by_key(|(_, value)| value.line);
    for (name, value) in tables {
        let what = format!("{file}:{}: [{name}]", value.line);
        let is_known = TABLES.contains(&name.as_str());
        match &value.kind {
            ValueKind::Table(entries) if NAMED_TABLES.contains(&name.as_str()) => check_named(name, entries, file)?,
            ValueKind::Table(_) if is_known => {}
            ValueKind::Table(_) => return Err(Error::usage(what, format!("there is no table [{name}]"), did_you_mean(name, TABLES))),
            _ if is_known => {
                let header = if NAMED_TABLES.contains(&name.as_str()) { example_header(name).to_owned() } else { format!("[{name}]") };
                let remedy = format!("write the header as {header}, in single brackets");
                return Err(Error::usage(what, format!("it is {}, not a table", value.type_name()), remedy));
            }
            _ => {
                let what = format!("{file}:{}: {name}", value.line);
                return Err(Error::usage(what, "the key stands outside of every table", "move it below its table's header, such as [job]"));
            }
        }
    }
    Ok(())
}

/// A header of one of the tables that are called `table.NAME`.
fn example_header(table: &str) -> &'static str {
    match table {
        "plugins" => "[plugins.word-count]",
        "sources" => "[sources.lines]",
        "operators" => "[operators.count]",
        _ => "[sinks.out]",
    }
}

/// Checks that everything in `[sources]` is a table `[sources.NAME]`.
fn check_named(table: &str, entries: &Table, file: &str) -> Result<()> {
    let stray = entries.iter().filter(|(_, value)| !matches!(value.kind, ValueKind::Table(_))).min_by_key(|(_, value)| value.line);
    match stray {
        None => Ok(()),
        Some((key, value)) => Err(Error::usage(
            format!("{file}:{}: [{table}] {key}", value.line),
            format!("each of the {table} has a table with its own name, and this key is in none"),
            format!("write the header as {}", example_header(table)),
        )),
    }
}

/// The tables in `root` called `table.NAME`, in the order of the file.
pub(super) fn named(root: &mut Table, table: &str, file: &Arc<str>) -> Vec<(String, Section)> {
    let Some(Value { kind: ValueKind::Table(entries), .. }) = root.remove(table) else { return Vec::new() };
    let sections = entries.into_iter().filter_map(|(name, value)| match value.kind {
        ValueKind::Table(entries) => {
            let section = Section::new(Arc::clone(file), format!("{table}.{name}"), value.line, entries);
            Some((name, section))
        }
        _ => None,
    });
    let mut sections: Vec<_> = sections.collect();
    sections.sort_by_key(|(_, section)| section.line());
    sections
}

/// Takes the table called `name`, of which a job file has at most one; `None`: there is none.
pub(super) fn single(root: &mut Table, name: &str, file: &Arc<str>, aliases: &Aliases) -> Option<Section> {
    let Some(Value { line, kind: ValueKind::Table(entries) }) = root.remove(name) else { return None };
    let of_this_table = aliases.iter().filter_map(|(path, alias)| {
        let key = path.strip_prefix(name)?.strip_prefix('.')?;
        Some((key.to_owned(), alias.clone()))
    });
    Some(Section::new(Arc::clone(file), name, line, entries).with_aliases(of_this_table.collect()))
}

/// Takes a folder: a path that starts at `base` when it is relative, or a URL, which stays as it is; with its line.
pub(super) fn take_location(section: &mut Section, key: &'static str, base: &Path) -> Result<Option<(String, usize)>> {
    let Some((text, line)) = section.take_string(key)? else { return Ok(None) };
    if text.trim().is_empty() {
        return Err(section.key_error(line, key, "it is empty", "name a folder, or a URL such as \"s3://bucket/folder\""));
    }
    if is_url(&text) {
        return Ok(Some((text, line)));
    }
    Ok(Some((join_text(section, base, &text)?, line)))
}

/// The path of `name` in `base`, as text.
pub(super) fn join_text(section: &Section, base: &Path, name: &str) -> Result<String> {
    base.join(name).into_os_string().into_string().map_err(|_| {
        let remedy = "move the job file to a folder with a plain name, or give the whole path";
        section.error("the folder of the job file has a name that is not text", remedy)
    })
}

/// Whether a scheme comes first, as in `s3://bucket`; a single letter is a drive.
fn is_url(text: &str) -> bool {
    let is_scheme = |scheme: &str| scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && rest.starts_with('/'))
}

/// Takes a number from `least` on; a smaller one is refused for the reason `why`.
pub(super) fn take_u32(section: &mut Section, key: &'static str, least: u32, why: &str) -> Result<Option<(u32, usize)>> {
    let Some((number, line)) = section.take_u64(key)? else { return Ok(None) };
    if number < u64::from(least) {
        return Err(section.key_error(line, key, why, format!("write a whole number from {least} on, such as `{key} = {least}`")));
    }
    // Whoever writes more means "no limit".
    Ok(Some((u32::try_from(number).unwrap_or(u32::MAX), line)))
}

/// Whether a key on `line` can be passed over, because the key that makes it wrong stands on the command line and it doesn't.
pub(super) fn is_overruled(by_line: usize, line: usize) -> bool {
    by_line == 0 && line > 0
}

/// Reads `[job]`.
pub(super) fn job(root: &mut Table, file: &Arc<str>, aliases: &Aliases) -> Result<Job> {
    let Some(mut section) = single(root, "job", file, aliases) else {
        return Err(Error::usage(file.to_string(), "there is no table [job]", "add the lines `[job]` and `name = \"my-job\"` at its top"));
    };
    section.know(&["name", "parallelism", "max-parallelism"]);
    let parallelism = take_parallelism(&mut section, "parallelism")?;
    let max_parallelism = take_parallelism(&mut section, "max-parallelism")?;
    let (name, name_line) = section.require_string("name", "\"my-job\"")?;
    let place = section.without_keys();
    section.finish()?;
    if name.trim().is_empty() {
        return Err(place.key_error(name_line, "name", "it is empty", "give the job a name, such as `name = \"my-job\"`"));
    }
    Ok(Job { name, parallelism, max_parallelism: max_parallelism.map(|(groups, _)| groups), section: place })
}

/// Takes a number of subtasks.
pub(super) fn take_parallelism(section: &mut Section, key: &'static str) -> Result<Option<ParallelismAt>> {
    let Some(Value { line, kind }) = section.take(key) else { return Ok(None) };
    let number = match &kind {
        ValueKind::Integer(number) => Some(*number),
        ValueKind::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let parallelism = number.and_then(|number| u32::try_from(number).ok()).and_then(Parallelism::new);
    let why = match number {
        Some(number) => format!("{number} is not in 1 to {}", Parallelism::MAX),
        None => "it is not a whole number".to_owned(),
    };
    match parallelism {
        Some(parallelism) => Ok(Some((parallelism, line))),
        None => Err(section.key_error(line, key, why, format!("write a whole number from 1 to {}, such as `{key} = 2`", Parallelism::MAX))),
    }
}

/// Reads every `[plugins.NAME]`; paths are made relative to `base`.
pub(super) fn plugins(root: &mut Table, file: &Arc<str>, base: &Path) -> Result<BTreeMap<String, PluginSpec>> {
    let sections = named(root, "plugins", file).into_iter();
    sections.map(|(name, section)| plugin(&name, section, base).map(|plugin| (name, plugin))).collect()
}

/// Environment variables by name.
fn take_env(section: &mut Section) -> Result<BTreeMap<String, String>> {
    let Some(Value { line, kind }) = section.take("env") else { return Ok(BTreeMap::new()) };
    let ValueKind::Table(entries) = kind else {
        return Err(section.key_error(line, "env", "it is not a table", "write `env = { NAME = \"value\" }`"));
    };
    let variables = entries.into_iter().map(|(name, value)| match value.kind {
        // Programs read `NAME=value`, with a zero behind it.
        _ if name.is_empty() || name.contains(['=', '\0']) => {
            Err(section.key_error(value.line, "env", format!("{name:?} can't name a variable"), "a name has at least one character, and no `=`"))
        }
        ValueKind::String(text) if text.contains('\0') => Err(section.key_error(
            value.line,
            &format!("env.{name}"),
            "its text has the character 0 in it",
            "no variable can hold it: write another text",
        )),
        ValueKind::String(text) => Ok((name, text)),
        _ => Err(section.key_error(value.line, &format!("env.{name}"), "a variable is a text", "put it in quotes")),
    });
    variables.collect()
}

fn plugin(name: &str, mut section: Section, base: &Path) -> Result<PluginSpec> {
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        return Err(section.error(format!("`{name}` can't name a plugin"), "use letters, digits, `_` and `-`, such as [plugins.word-count]"));
    }
    section.know(&["path", "memory", "call-timeout", "clock", "random", "env"]);
    let memory = section.take_size("memory")?;
    let call_timeout = section.take_duration("call-timeout")?;
    let clock = section.take_bool("clock")?.is_some_and(|(granted, _)| granted);
    let random = section.take_bool("random")?.is_some_and(|(granted, _)| granted);
    let env = take_env(&mut section)?;
    let (path, path_line) = section.require_string("path", "\"plugins/word_count.wasm\"")?;
    let place = section.without_keys();
    let line = section.line();
    section.finish()?;
    if path.trim().is_empty() {
        return Err(place.key_error(path_line, "path", "it is empty", "name the plugin's .wasm file"));
    }
    if let Some((0, line)) = memory {
        return Err(place.key_error(line, "memory", "no plugin can run without memory", "write a size above 0, such as \"64MiB\""));
    }
    if let Some((Duration::ZERO, line)) = call_timeout {
        return Err(place.key_error(line, "call-timeout", "no call can end in no time", "write a duration above 0, such as \"5s\""));
    }
    Ok(PluginSpec {
        line,
        path: base.join(path),
        memory_bytes_max: memory.map(|(bytes, _)| bytes),
        call_timeout: call_timeout.map_or(DEFAULT_CALL_TIMEOUT, |(timeout, _)| timeout),
        clock,
        random,
        env,
    })
}
