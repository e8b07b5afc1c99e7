//! Which crate may import which, as data.

use serde_json::Value;

/// Which of the two workspaces is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Workspace {
    /// The host, the guest SDK, the tests and the tools.
    Host,
    /// The plugins.
    Plugins,
}

/// The crates of the host.
const HOST: &[&str] = &["weir-model", "weir-checkpoint", "weir-connect", "weir-state", "weir-plugin", "weir-cases", "weir-runtime", "weir"];

/// A crate, and the crates of this project that it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("weir-model", &[]),
    ("weir-checkpoint", &["weir-model"]),
    ("weir-connect", &["weir-model", "weir-checkpoint"]),
    ("weir-state", &["weir-model"]),
    ("weir-plugin", &["weir-model", "weir-state"]),
    ("weir-cases", &["weir-model", "weir-state", "weir-plugin"]),
    ("weir-runtime", &["weir-model", "weir-checkpoint", "weir-connect", "weir-state", "weir-plugin"]),
    ("weir", &["weir-model", "weir-checkpoint", "weir-connect", "weir-state", "weir-plugin", "weir-cases", "weir-runtime"]),
    ("weir-guest", &[]),
    ("weir-tests", HOST),
    (
        "weir-bench",
        &[
            "weir-model",
            "weir-checkpoint",
            "weir-connect",
            "weir-state",
            "weir-plugin",
            "weir-runtime",
            "weir",
            "weir-guest",
            "word-count",
            "key-count",
        ],
    ),
    ("xtask", &[]),
];

/// A crate from outside, and the only crates that may import it: what it is for is known to nobody else.
const ALONE: &[(&str, &[&str])] = &[
    ("wasmtime", &["weir-plugin"]),
    ("wit-component", &["weir-plugin"]),
    ("wit-parser", &["weir-plugin"]),
    ("wat", &["weir-plugin", "weir-tests"]),
    ("csv", &["weir-connect"]),
    ("flate2", &["weir-connect", "weir-tests"]),
    ("glob", &["weir-connect"]),
    ("object_store", &["weir-checkpoint", "weir-connect", "weir-tests"]),
    ("lsm-tree", &["weir-state"]),
    ("tokio", &["weir-checkpoint", "weir-connect", "weir-runtime", "weir", "weir-tests", "weir-bench"]),
    ("anyhow", &["weir"]),
    ("clap", &["weir"]),
    ("clap_complete", &["weir"]),
    ("clap_mangen", &["weir"]),
    ("comfy-table", &["weir"]),
    ("indicatif", &["weir"]),
    ("tracing-subscriber", &["weir", "weir-tests"]),
    ("wit-bindgen", &["weir-guest"]),
];

/// What a plugin may import of this project. Of the plugins, tests import `word-count`: the linker refuses it in a module.
const PLUGINS_MAY_IMPORT: &[&str] = &["weir-guest", "words", "word-count"];

/// Complaints about imports, given what Cargo knows of a workspace's members.
pub(super) fn check(metadata: &Value, workspace: Workspace) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in list(metadata, "packages") {
        let name = text(package, "name");
        let rule = match workspace {
            Workspace::Plugins => Some(PLUGINS_MAY_IMPORT),
            Workspace::Host => MAY_IMPORT.iter().find(|(krate, _)| *krate == name).map(|(_, may)| *may),
        };
        let Some(may) = rule else {
            complaints.push(format!("{name}: the crate has no row in xtask/src/tidy/edges.rs: say there what it may import"));
            continue;
        };
        for dependency in list(package, "dependencies") {
            complaints.extend(judge(name, may, text(dependency, "name"), dependency.get("path").is_some_and(Value::is_string)));
        }
    }
    complaints
}

/// Whether one import is allowed; those of tests and build scripts are held to the same rule.
fn judge(name: &str, may: &[&str], imported: &str, is_ours: bool) -> Option<String> {
    // A crate may name itself, to switch on a feature in its tests.
    if is_ours && imported != name && !may.contains(&imported) {
        let list = if may.is_empty() { "no crate of this project".to_owned() } else { may.join(", ") };
        return Some(format!("{name}: imports {imported}, but may import {list}: see the table in xtask/src/tidy/edges.rs"));
    }
    let (_, owners) = ALONE.iter().find(|(krate, owners)| *krate == imported && !owners.contains(&name))?;
    Some(format!("{name}: imports {imported}, which only {} may: go through it", owners.join(" and ")))
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_import(workspace: Workspace, name: &str, imported: &str, expect: &str) {
        let mut dependency = serde_json::json!({"name": imported});
        if imported.starts_with("weir") || imported == "word-count" {
            dependency["path"] = "somewhere".into();
        }
        let metadata = serde_json::json!({"packages": [{"name": name, "dependencies": [dependency]}]});
        assert_eq!(check(&metadata, workspace).join("; "), expect, "{name} -> {imported}");
    }

    #[test]
    fn imports_follow_the_table() {
        check_import(Workspace::Host, "weir-plugin", "weir-state", "");
        check_import(Workspace::Host, "weir-plugin", "serde_json", "");
        check_import(Workspace::Host, "weir-model", "weir-model", "");
        check_import(Workspace::Host, "weir-bench", "word-count", "");
        let model = "weir-model: imports weir-state, but may import no crate of this project: see the table in xtask/src/tidy/edges.rs";
        check_import(Workspace::Host, "weir-model", "weir-state", model);
        let state = "weir-state: imports weir-plugin, but may import weir-model: see the table in xtask/src/tidy/edges.rs";
        check_import(Workspace::Host, "weir-state", "weir-plugin", state);
        let row = "weir-new: the crate has no row in xtask/src/tidy/edges.rs: say there what it may import";
        check_import(Workspace::Host, "weir-new", "serde_json", row);
    }

    #[test]
    fn the_engine_and_the_command_line_have_one_owner_each() {
        check_import(Workspace::Host, "weir-plugin", "wasmtime", "");
        check_import(Workspace::Host, "weir-runtime", "wasmtime", "weir-runtime: imports wasmtime, which only weir-plugin may: go through it");
        check_import(Workspace::Host, "weir-runtime", "anyhow", "weir-runtime: imports anyhow, which only weir may: go through it");
        check_import(Workspace::Plugins, "word-count", "wit-bindgen", "word-count: imports wit-bindgen, which only weir-guest may: go through it");
    }

    #[test]
    fn a_plugin_sees_nothing_of_the_host() {
        check_import(Workspace::Plugins, "word-count", "weir-guest", "");
        check_import(Workspace::Plugins, "word-count", "serde", "");
        let model = "word-count: imports weir-model, but may import weir-guest, words, word-count: see the table in xtask/src/tidy/edges.rs";
        check_import(Workspace::Plugins, "word-count", "weir-model", model);
    }

    #[test]
    fn every_row_names_crates_that_have_a_row() {
        for (name, may) in MAY_IMPORT {
            let known = |krate: &&&str| MAY_IMPORT.iter().any(|(row, _)| row == *krate) || ["word-count", "key-count"].contains(*krate);
            assert_eq!(may.iter().filter(known).count(), may.len(), "{name}");
        }
    }
}
