//! Plugins, functions, ports and states as JSON. The names of the fields are stable.

use serde_json::{Value, json};
use weir_model::describe::{FunctionDescription, FunctionKind, Port, StateDescriptor, StateKind};
use weir_plugin::Plugin;

/// Which plugin it is, without its functions; `name` is what a job file or the user calls it.
pub(crate) fn plugin(name: &str, plugin: &Plugin) -> Value {
    let description = plugin.description();
    json!({
        "plugin": name,
        "name": description.name,
        "version": description.version,
        "sdk": description.sdk,
        "digest": plugin.digest().to_string(),
        "imports": plugin.imports(),
    })
}

/// A function with its ports and states.
pub(crate) fn function(function: &FunctionDescription) -> Value {
    json!({
        "function": function.name,
        "doc": function.doc,
        "keyed": function.kind == FunctionKind::Keyed,
        "inputs": function.inputs.iter().map(port).collect::<Vec<_>>(),
        "outputs": function.outputs.iter().map(port).collect::<Vec<_>>(),
        "states": function.states.iter().map(state).collect::<Vec<_>>(),
    })
}

/// A port.
pub(crate) fn port(port: &Port) -> Value {
    json!({"name": port.name, "key": port.key.name(), "value": port.value.name()})
}

/// A state.
pub(crate) fn state(state: &StateDescriptor) -> Value {
    json!({
        "name": state.name,
        "kind": state_kind(state.kind),
        "codec": state.value.name(),
        "schema_version": state.schema_version,
        "ttl_ms": state.ttl_ms,
    })
}

/// The word for the shape of a state.
pub(crate) fn state_kind(kind: StateKind) -> &'static str {
    match kind {
        StateKind::Value => "value",
        StateKind::List => "list",
        StateKind::Map => "map",
    }
}
