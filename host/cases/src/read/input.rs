//! The `input` of a case: records, and what happens between them.

use std::path::Path;

use weir_model::Result;
use weir_model::section::Section;

use super::fields::record;
use super::{flag, millis, parallelism, tables};
use crate::case::{Event, PluginRef, Restore, Version};

/// Everything that an item of the input may say, records first.
const KEYS: [&str; 12] =
    ["key", "value", "timestamp", "repeat", "port", "watermark", "time", "checkpoint", "restore-at", "swap", "function", "new-instance"];

/// Takes `input`.
pub(super) fn read(case: &mut Section, base: &Path) -> Result<Vec<Event>> {
    tables(case, "input", "case.input")?.unwrap_or_default().into_iter().map(|section| event(section, base)).collect()
}

fn event(mut section: Section, base: &Path) -> Result<Event> {
    section.know(&KEYS);
    let has = |key: &str| section.line_of(key).is_some();
    let event = if has("watermark") {
        Event::Watermark(millis(&mut section, "watermark")?.unwrap_or(i64::MIN))
    } else if has("time") {
        Event::Time(millis(&mut section, "time")?.unwrap_or_default())
    } else if has("new-instance") {
        flag(&mut section, "new-instance")?;
        Event::NewInstance
    } else if has("swap") {
        Event::Swap(version(&mut section, "swap", base)?)
    } else if has("checkpoint") || has("restore-at") {
        flag(&mut section, "checkpoint")?;
        let parallelism = parallelism(&mut section, "restore-at")?;
        let version = if has_version(&section) { Some(version(&mut section, "plugin", base)?) } else { None };
        Event::Restore(Restore { parallelism, version })
    } else {
        Event::Records(record(&mut section)?)
    };
    section.finish()?;
    Ok(event)
}

fn has_version(section: &Section) -> bool {
    ["plugin", "function"].iter().any(|key| section.line_of(key).is_some())
}

/// Takes another version: its plugin under `key`, and its function.
fn version(section: &mut Section, key: &'static str, base: &Path) -> Result<Version> {
    let plugin = match section.take_string(key)? {
        Some((text, line)) if text.trim().is_empty() => {
            let remedy = "name a file such as \"other.wasm\", a name that `--plugin NAME=FILE` gives, or \"self\"";
            return Err(section.key_error(line, key, "it is empty", remedy));
        }
        found => found.map(|(text, _)| plugin(&text, base)),
    };
    let function = section.take_string("function")?.map(|(function, _)| function);
    Ok(Version { plugin, function })
}

/// What has an ending or a folder is a file; any other word is a name.
fn plugin(text: &str, base: &Path) -> PluginRef {
    match text {
        "self" => PluginRef::Tested,
        file if file.contains(['/', '\\', '.']) => PluginRef::File(base.join(file)),
        name => PluginRef::Named(name.to_owned()),
    }
}
