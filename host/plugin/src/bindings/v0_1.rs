//! Contract 0.1: the types of `wit/` as they cross the boundary.
//!
//! Written by hand where `bindgen!` would give owned vectors: arguments are lowered from slices and an emitted list is read in place.

use wasmtime::component::{ComponentType, Lift, Lower};

use weir_model::codec::Codec;
use weir_model::describe::{self, FunctionDescription, PluginDescription, StateDescriptor};

/// The interface that a plugin exports.
pub(crate) const OPERATOR: &str = "weir:operator/operator@0.1.0";
/// The interfaces that a plugin may import.
pub(crate) const OUTPUT: &str = "weir:output/output@0.1.0";
pub(crate) const STATE: &str = "weir:state/keyed@0.1.0";
pub(crate) const LOG: &str = "weir:log/log@0.1.0";
pub(crate) const TYPES: &str = "weir:types/types@0.1.0";
pub(crate) const TIMERS: &str = "weir:timers/timers@0.1.0";

/// `types.column`, lowered from slices.
#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct ColumnArgument<'a> {
    pub(crate) lengths: &'a [u32],
    pub(crate) data: &'a [u8],
}

/// `types.column`, owned.
#[derive(Debug, Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub(crate) struct Column {
    pub(crate) lengths: Vec<u32>,
    pub(crate) data: Vec<u8>,
}

/// `types.failure`.
#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Failure {
    pub(crate) row: Option<u32>,
    pub(crate) message: String,
}

/// `keyed.page`.
#[derive(Debug, Clone, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Page {
    #[component(name = "sub-keys")]
    pub(crate) sub_keys: Column,
    pub(crate) values: Column,
    pub(crate) more: bool,
}

/// `operator.key-table`.
#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct KeyTable<'a> {
    pub(crate) slots: &'a [u32],
    pub(crate) values: &'a [ColumnArgument<'a>],
}

/// `operator.call-context`.
#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct CallContext {
    pub(crate) watermark: i64,
    #[component(name = "processing-time")]
    pub(crate) processing_time: i64,
}

/// `operator.subtask`.
#[derive(Debug, Clone, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Subtask {
    pub(crate) uid: String,
    pub(crate) index: u32,
    pub(crate) parallelism: u32,
    #[component(name = "max-parallelism")]
    pub(crate) max_parallelism: u32,
}

/// `log.level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "lifted by their discriminant")]
pub(crate) enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "lifted by their discriminant")]
pub(crate) enum FunctionKind {
    #[component(name = "stateless")]
    Stateless,
    #[component(name = "keyed")]
    Keyed,
}

#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "lifted by their discriminant")]
pub(crate) enum StateKind {
    #[component(name = "value")]
    Value,
    #[component(name = "list")]
    List,
    #[component(name = "map")]
    Map,
}

#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Port {
    name: String,
    #[component(name = "key-codec")]
    key_codec: String,
    #[component(name = "value-codec")]
    value_codec: String,
}

#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct State {
    name: String,
    kind: StateKind,
    #[component(name = "value-codec")]
    value_codec: String,
    #[component(name = "schema-version")]
    schema_version: u32,
    ttl: u64,
}

#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Function {
    name: String,
    doc: String,
    kind: FunctionKind,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    states: Vec<State>,
}

/// `operator.plugin-description`.
#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Description {
    name: String,
    version: String,
    sdk: String,
    functions: Vec<Function>,
}

impl From<Description> for PluginDescription {
    fn from(from: Description) -> Self {
        Self { name: from.name, version: from.version, sdk: from.sdk, functions: from.functions.into_iter().map(Into::into).collect() }
    }
}

impl From<Function> for FunctionDescription {
    fn from(from: Function) -> Self {
        Self {
            name: from.name,
            doc: from.doc,
            kind: match from.kind {
                FunctionKind::Stateless => describe::FunctionKind::Stateless,
                FunctionKind::Keyed => describe::FunctionKind::Keyed,
            },
            inputs: from.inputs.into_iter().map(Into::into).collect(),
            outputs: from.outputs.into_iter().map(Into::into).collect(),
            states: from.states.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Port> for describe::Port {
    fn from(from: Port) -> Self {
        Self { name: from.name, key: Codec::from_name(&from.key_codec), value: Codec::from_name(&from.value_codec) }
    }
}

impl From<State> for StateDescriptor {
    fn from(from: State) -> Self {
        Self {
            name: from.name,
            kind: match from.kind {
                StateKind::Value => describe::StateKind::Value,
                StateKind::List => describe::StateKind::List,
                StateKind::Map => describe::StateKind::Map,
            },
            value: Codec::from_name(&from.value_codec),
            schema_version: from.schema_version,
            ttl_ms: from.ttl,
        }
    }
}

impl From<Column> for weir_state::OwnedColumn {
    fn from(from: Column) -> Self {
        Self { lengths: from.lengths, data: from.data }
    }
}

impl From<weir_state::OwnedColumn> for Column {
    fn from(from: weir_state::OwnedColumn) -> Self {
        Self { lengths: from.lengths, data: from.data }
    }
}
