//! The tables `[sources.UID]`, `[operators.UID]` and `[sinks.UID]`, each by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Result;
use crate::graph::{NodeKind, OnError, OperatorSpec, PluginSpec};
use crate::id::OperatorUid;
use crate::section::{Section, Value, ValueKind, did_you_mean};

use super::document::Table;
use super::tables::{ParallelismAt, named, take_parallelism};

/// A node whose inputs are still names.
pub(super) struct Draft {
    pub(super) uid: OperatorUid,
    pub(super) renamed_from: Option<OperatorUid>,
    pub(super) parallelism: Option<ParallelismAt>,
    /// `UID` or `UID.port`, each with its line.
    pub(super) inputs: Vec<(String, usize)>,
    /// The key that the inputs stand under.
    pub(super) inputs_key: &'static str,
    pub(super) kind: NodeKind,
    /// The table without its keys, for errors.
    pub(super) section: Section,
}

/// Reads all nodes, in the order of the file.
pub(super) fn read(root: &mut Table, file: &Arc<str>, plugins: &BTreeMap<String, PluginSpec>) -> Result<Vec<Draft>> {
    let mut sections = Vec::new();
    for table in ["sources", "operators", "sinks"] {
        sections.extend(named(root, table, file).into_iter().map(|(name, section)| (table, name, section)));
    }
    sections.sort_by_key(|(_, _, section)| section.line());
    let mut drafts: Vec<Draft> = Vec::with_capacity(sections.len());
    for (table, name, section) in sections {
        let uid = uid(&name, &section)?;
        if let Some(earlier) = drafts.iter().find(|draft| draft.uid == uid) {
            let why = format!("`{uid}` is the UID of [{}] on line {} already", earlier.section.name(), earlier.section.line());
            return Err(section.error(why, format!("give one of them another name, such as [{table}.{uid}-2]")));
        }
        drafts.push(match table {
            "sources" => source(uid, section)?,
            "operators" => operator(uid, section, plugins)?,
            _ => sink(uid, section)?,
        });
    }
    check_renamed(&drafts)?;
    Ok(drafts)
}

/// What a snapshot has under a UID can become one node's, and only if no node has that UID now.
fn check_renamed(drafts: &[Draft]) -> Result<()> {
    for (at, draft) in drafts.iter().enumerate() {
        let Some(old) = &draft.renamed_from else { continue };
        let others = drafts.iter().enumerate().filter(|(other, _)| *other != at);
        let taken = others.map(|(_, other)| other).find(|other| other.uid == *old || other.renamed_from.as_ref() == Some(old));
        if let Some(taken) = taken.or((draft.uid == *old).then_some(draft)) {
            let why = format!("`{old}` is what [{}] on line {} has or had as its UID", taken.section.name(), taken.section.line());
            return Err(draft.section.error(format!("renamed-from: {why}"), "name the UID that this node alone had before, and no node has now"));
        }
    }
    Ok(())
}

fn uid(name: &str, section: &Section) -> Result<OperatorUid> {
    OperatorUid::new(name).map_err(|error| section.error(format!("{}: {}", error.what, error.why), error.remedy))
}

/// Takes the UID that a node had before.
fn take_renamed_from(section: &mut Section) -> Result<Option<OperatorUid>> {
    let Some((text, line)) = section.take_string("renamed-from")? else { return Ok(None) };
    let uid = OperatorUid::new(&text).map_err(|error| section.key_error(line, "renamed-from", error.why, error.remedy))?;
    Ok(Some(uid))
}

fn source(uid: OperatorUid, mut section: Section) -> Result<Draft> {
    if let Some((key, line)) = ["input", "inputs"].iter().find_map(|key| Some((key, section.line_of(key)?))) {
        let remedy = format!("remove `{key}`, or make it [operators.{uid}] or [sinks.{uid}]");
        return Err(section.key_error(line, key, "a source has no input: it brings records in", remedy));
    }
    let parallelism = take_parallelism(&mut section, "parallelism")?;
    let connector = connector(&mut section, "\"file\"")?;
    let renamed_from = take_renamed_from(&mut section)?;
    let place = section.without_keys();
    let kind = NodeKind::Source { connector, section };
    Ok(Draft { uid, renamed_from, parallelism, inputs: Vec::new(), inputs_key: "input", kind, section: place })
}

fn sink(uid: OperatorUid, mut section: Section) -> Result<Draft> {
    let parallelism = take_parallelism(&mut section, "parallelism")?;
    let connector = connector(&mut section, "\"print\"")?;
    let renamed_from = take_renamed_from(&mut section)?;
    let (inputs, inputs_key) = take_inputs(&mut section)?.ok_or_else(|| section.missing("input", "\"count\""))?;
    let place = section.without_keys();
    Ok(Draft { uid, renamed_from, parallelism, inputs, inputs_key, kind: NodeKind::Sink { connector, section }, section: place })
}

fn connector(section: &mut Section, example: &str) -> Result<String> {
    let (connector, line) = section.require_string("connector", example)?;
    if connector.is_empty() {
        return Err(section.key_error(line, "connector", "it is empty", format!("name a connector, such as {example}")));
    }
    Ok(connector)
}

fn operator(uid: OperatorUid, mut section: Section, plugins: &BTreeMap<String, PluginSpec>) -> Result<Draft> {
    section.know(&["plugin", "function", "input", "inputs", "parallelism", "config", "on-error", "renamed-from"]);
    let renamed_from = take_renamed_from(&mut section)?;
    let parallelism = take_parallelism(&mut section, "parallelism")?;
    let on_error = [("fail", OnError::Fail), ("skip", OnError::Skip), ("dead-letter", OnError::DeadLetter)];
    let on_error = section.take_choice("on-error", &on_error)?.unwrap_or(OnError::Fail);
    let config = section.take_config()?;
    let example = plugins.keys().next().map_or("\"word-count\"".to_owned(), |name| format!("\"{name}\""));
    let (plugin, plugin_line) = section.require_string("plugin", &example)?;
    let (function, function_line) = section.require_string("function", "\"count\"")?;
    let (inputs, inputs_key) = take_inputs(&mut section)?.ok_or_else(|| section.missing("input", "\"lines\""))?;
    let place = section.without_keys();
    section.finish()?;
    if !plugins.contains_key(&plugin) {
        let names: Vec<_> = plugins.keys().map(String::as_str).collect();
        let remedy = if names.is_empty() {
            format!("add a table [plugins.{plugin}] with the `path` of its .wasm file")
        } else {
            did_you_mean(&plugin, &names)
        };
        return Err(place.key_error(plugin_line, "plugin", format!("there is no table [plugins.{plugin}]"), remedy));
    }
    if function.is_empty() {
        let remedy = "name a function of the plugin; `weir plugin describe` lists them";
        return Err(place.key_error(function_line, "function", "it is empty", remedy));
    }
    let kind = NodeKind::Operator(OperatorSpec { plugin, function, config, on_error });
    Ok(Draft { uid, renamed_from, parallelism, inputs, inputs_key, kind, section: place })
}

type Inputs = (Vec<(String, usize)>, &'static str);

/// Takes `input = "a"` or `inputs = ["a", "b"]`; `None` when there is neither.
fn take_inputs(section: &mut Section) -> Result<Option<Inputs>> {
    if let (Some(_), Some(line)) = (section.line_of("input"), section.line_of("inputs")) {
        return Err(section.key_error(line, "inputs", "`input` is there too", "keep `inputs` and name all inputs in it"));
    }
    let one = section.take("input");
    if let Some(Value { line, kind }) = one {
        return match kind {
            ValueKind::String(name) => Ok(Some((vec![(name, line)], "input"))),
            ValueKind::Array(_) => Err(section.key_error(line, "input", "`input` takes one name", "for several, write `inputs = [\"a\", \"b\"]`")),
            _ => Err(section.key_error(line, "input", "it is not text", "write the UID of a node in quotes, such as `input = \"lines\"`")),
        };
    }
    let line = section.line_of("inputs").unwrap_or_default();
    match section.take_strings("inputs")? {
        Some(names) if names.is_empty() => {
            Err(section.key_error(line, "inputs", "it is empty", "name the nodes whose records come in, such as `inputs = [\"lines\"]`"))
        }
        names => Ok(names.map(|names| (names, "inputs"))),
    }
}
