//! `weir plugin check` and `weir plugin describe`: whether a plugin can be used, and what it holds.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use weir_model::Result;
use weir_model::describe::{FunctionDescription, FunctionKind, PluginDescription};
use weir_plugin::Plugin;
use weir_plugin::load::CONTRACT;

use super::data;
use crate::args::{Global, PluginArgs};
use crate::exit_code::ExitCode;
use crate::job::engine;
use crate::machine;
use crate::output::{self, Table};

/// Loads the plugin and says so.
///
/// # Errors
/// When weir can't use it.
pub(crate) fn check(args: &PluginArgs, global: &Global) -> Result<ExitCode> {
    let plugin = Plugin::load(&engine(global)?, &args.file)?;
    let file = args.file.display().to_string();
    // It has just been read; what can't be asked again is shown as 0.
    let bytes = std::fs::metadata(&args.file).map_or(0, |metadata| metadata.len());
    if args.json {
        let mut value = data::plugin(&file, &plugin);
        if let Value::Object(fields) = &mut value {
            fields.insert("ok".to_owned(), true.into());
            fields.insert("bytes".to_owned(), bytes.into());
            fields.insert("contract".to_owned(), CONTRACT.into());
        }
        output::print_json(&value)?;
    } else {
        let description = plugin.description();
        let names = description.functions.iter().map(|function| function.name.as_str()).collect::<Vec<_>>().join(", ");
        let imports = imports(plugin.imports()).join("\n             ");
        let size = output::bytes(bytes);
        output::print(&output::printable(&format!(
            "{file}: ok\n  plugin     {} {}, {}\n  size       {size}\n  digest     sha256:{}\n  contract   {CONTRACT}\n  imports    {imports}\n  functions  {names}\n",
            description.name,
            description.version,
            description.sdk,
            plugin.digest(),
        )))?;
    }
    Ok(ExitCode::Done)
}

/// weir's own interfaces one by one; those of WASI, which come with a language's runtime, by package.
fn imports(all: &[String]) -> Vec<String> {
    let (wasi, mut shown): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|import| import.starts_with("wasi:"));
    let packages: BTreeSet<_> = wasi.iter().filter_map(|import| import.split('/').next()).collect();
    if !packages.is_empty() {
        let packages = packages.into_iter().collect::<Vec<_>>().join(", ");
        shown.push(format!("{packages}: {} interfaces, without files, network and environment", wasi.len()));
    }
    shown
}

/// Shows what the plugin says of itself.
///
/// # Errors
/// When weir can't use it.
pub(crate) fn describe(args: &PluginArgs, global: &Global) -> Result<ExitCode> {
    let plugin = Plugin::load(&engine(global)?, &args.file)?;
    let description = plugin.description();
    if args.json {
        let mut value = data::plugin(&args.file.display().to_string(), &plugin);
        if let Value::Object(fields) = &mut value {
            fields.insert("functions".to_owned(), json!(description.functions.iter().map(data::function).collect::<Vec<_>>()));
        }
        output::print_json(&value)?;
    } else {
        let columns = machine::terminal_columns(&std::io::stdout());
        let digest = plugin.digest();
        output::print(&text(description, &format!("sha256:{digest}"), columns))?;
    }
    Ok(ExitCode::Done)
}

fn text(description: &PluginDescription, digest: &str, columns: Option<u16>) -> String {
    let mut text = output::printable(&format!("{} {}, {}\n{digest}\n", description.name, description.version, description.sdk));
    for function in &description.functions {
        let keyed = if function.kind == FunctionKind::Keyed { "keyed: its input is exchanged by key" } else { "stateless" };
        let doc = function.doc.trim().replace('\n', "\n  ");
        text.push_str(&output::printable(&format!("\n{} ({keyed})\n", function.name)));
        if !doc.is_empty() {
            text.push_str(&output::printable(&format!("  {doc}\n")));
        }
        // The tables stand two columns in.
        let table = ports_and_states(function).render(columns.map(|columns| columns.saturating_sub(2).max(20)));
        table.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    text
}

fn ports_and_states(function: &FunctionDescription) -> Table {
    let mut table = Table::new(&["", "NAME", "KEY", "VALUE", ""]);
    let ports = function.inputs.iter().map(|port| ("input", port)).chain(function.outputs.iter().map(|port| ("output", port)));
    for (kind, port) in ports {
        table.row([kind.to_owned(), port.name.clone(), port.key.to_string(), port.value.to_string(), String::new()]);
    }
    for state in &function.states {
        let version = format!("schema version {}", state.schema_version);
        let kind = format!("{} state", data::state_kind(state.kind));
        table.row([kind, state.name.clone(), String::new(), state.value.to_string(), version]);
    }
    table
}

#[cfg(test)]
mod tests {
    use weir_model::codec::Codec;
    use weir_model::describe::{Port, StateDescriptor, StateKind};

    use super::*;

    #[test]
    fn imports_of_wasi_are_shown_by_package() {
        let check = |all: &[&str], expected: &[&str]| {
            assert_eq!(imports(&all.iter().map(|import| (*import).to_owned()).collect::<Vec<_>>()), expected);
        };
        check(&["weir:log/log@0.1.0", "weir:output/output@0.1.0"], &["weir:log/log@0.1.0", "weir:output/output@0.1.0"]);
        check(
            &["wasi:io/poll@0.2.6", "weir:log/log@0.1.0", "wasi:io/streams@0.2.6", "wasi:cli/stdout@0.2.6"],
            &["weir:log/log@0.1.0", "wasi:cli, wasi:io: 3 interfaces, without files, network and environment"],
        );
    }

    #[test]
    fn a_description_lists_ports_and_states_of_each_function() {
        let port = |name: &str, value: &str| Port { name: name.to_owned(), key: Codec::Utf8, value: Codec::from_name(value) };
        let state = StateDescriptor { name: "sum".to_owned(), kind: StateKind::Map, value: Codec::from_name("u64-le"), schema_version: 2, ttl_ms: 0 };
        let function = FunctionDescription {
            name: "count".to_owned(),
            doc: "Counts\nwords.\x1b[2J".to_owned(),
            kind: FunctionKind::Keyed,
            inputs: vec![port("in", "u64-le")],
            outputs: vec![port("out", "u64-le"), port("late", "json")],
            states: vec![state],
        };
        let description = PluginDescription { name: "p".to_owned(), version: "1.2".to_owned(), sdk: "rust".to_owned(), functions: vec![function] };
        let expected = "\
p 1.2, rust
sha256:00

count (keyed: its input is exchanged by key)
  Counts
  words.\\u{1b}[2J
             NAME  KEY   VALUE
  input      in    utf8  u64-le
  output     out   utf8  u64-le
  output     late  utf8  json
  map state  sum         u64-le  schema version 2
";
        assert_eq!(text(&description, "sha256:00", None), expected);
    }
}
