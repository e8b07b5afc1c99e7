//! The seam below the contract: what a call brings, what the host offers, and a plugin's functions, free of any Wasm.
//!
//! Three callers run an operator through it: the component exports (in Wasm), [`crate::testing::Harness`], and a program that links the plugin's
//! crate and wants its operators without Wasm, for instance to measure what Wasm costs. The rules are the contract's: a call is a
//! transaction, slots number the distinct keys of a call from 0, nothing is kept between calls.

use std::fmt;

pub use crate::column::{Column, OwnedColumn};
pub use crate::describe::{FunctionDescription, FunctionKind, PluginDescription, Port, StateDescriptor, StateKind, Subtask};
use crate::export::Function;
pub use crate::rows::{NO_KEY, NO_TIMESTAMP, ROW_HEADER_BYTES, Row, Rows};

/// One call of an operator.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The input port.
    pub input: u32,
    /// The records, as rows.
    pub records: &'a [u8],
    /// The slot of each record's key, in order. Empty for stateless functions.
    pub slots: &'a [u32],
    /// For each state, in order: the current values of a value state by slot; an empty column for other kinds.
    pub values: &'a [Column<'a>],
    /// The watermark, milliseconds since the Unix epoch; the smallest `i64` before the first one.
    pub watermark: i64,
    /// The host's time for this call, milliseconds since the Unix epoch.
    pub processing_time: i64,
}

/// What an operator refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The record of the call that is refused, from 0; `None`: the call as a whole.
    pub row: Option<u32>,
    /// Why, for a person.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row {
            Some(row) => write!(f, "record {row} of the call: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Failure {}

/// The severity of a log message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever follows every step.
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// What is worth knowing.
    Info,
    /// What looks wrong and goes on.
    Warn,
    /// What is wrong.
    Error,
}

/// A page of a map or list state's entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The sub-keys, in order.
    pub sub_keys: OwnedColumn,
    /// Their values.
    pub values: OwnedColumn,
    /// Whether there are entries after the last one.
    pub more: bool,
}

/// What the host offers during a call. All but the log is staged until the call returns ok.
pub trait Services {
    /// Hands rows to an output port.
    fn emit(&mut self, output: u32, rows: &[u8]);
    /// New values of a value state; a missing value deletes.
    fn put(&mut self, state: u32, slots: &[u32], values: Column<'_>);
    /// The values of sub-key i of slot i.
    fn get_sub(&mut self, state: u32, slots: &[u32], sub_keys: Column<'_>) -> OwnedColumn;
    /// New values of sub-key i of slot i; a missing value deletes.
    fn put_sub(&mut self, state: u32, slots: &[u32], sub_keys: Column<'_>, values: Column<'_>);
    /// At most `limit` entries of one key in order of sub-key, after `after`. Sees what this call has put.
    fn scan(&mut self, state: u32, slot: u32, after: Option<&[u8]>, limit: u32) -> Page;
    /// Deletes all sub-keys of these slots.
    fn clear(&mut self, state: u32, slots: &[u32]);
    /// Writes to the job's log.
    fn log(&mut self, level: Level, message: &str);
    /// Adds to a counter among the operator's metrics.
    fn count(&mut self, name: &str, add: u64);
}

/// One function of one subtask, open.
pub trait Operator {
    /// Runs one call.
    ///
    /// # Errors
    /// What the operator refuses. Whatever it handed to `services` during this call is void then; the operator can be called again.
    fn process(&mut self, call: &Call<'_>, services: &mut dyn Services) -> Result<(), Failure>;

    /// The input has ended.
    ///
    /// # Errors
    /// As [`Self::process`].
    fn finish(&mut self, watermark: i64, processing_time: i64, services: &mut dyn Services) -> Result<(), Failure>;

    /// Brings values of a state that an older schema version has written to the current one, item by item: a missing item stays missing. An empty
    /// column asks whether that can be done at all.
    ///
    /// # Errors
    /// The item that can't be migrated, as the failure's `row`; without one, why there is no migration of this state from this version.
    fn migrate(&mut self, state: &str, from_version: u32, values: Column<'_>) -> Result<OwnedColumn, Failure> {
        crate::state::migrate(&[], state, from_version, values)
    }
}

/// A plugin: its functions by name, as [`crate::export!`] lists them.
#[derive(Debug, Clone)]
pub struct Plugin {
    name: &'static str,
    version: &'static str,
    functions: Vec<Function>,
}

impl Plugin {
    /// A plugin of these functions.
    #[must_use]
    pub fn new(name: &'static str, version: &'static str, functions: Vec<Function>) -> Self {
        Self { name, version, functions }
    }

    /// The same under another name.
    #[must_use]
    pub fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// What the plugin says of itself. The same on every call.
    #[must_use]
    pub fn describe(&self) -> PluginDescription {
        PluginDescription {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            sdk: concat!("rust weir-guest ", env!("CARGO_PKG_VERSION")).to_owned(),
            functions: self.functions.iter().map(Function::describe).collect(),
        }
    }

    /// Opens `function` for one subtask.
    ///
    /// # Errors
    /// A message when there is no such function or the operator refuses its configuration.
    pub fn open(&self, function: &str, config: &[(String, String)], subtask: &Subtask) -> Result<Box<dyn Operator>, String> {
        let Some(found) = self.functions.iter().find(|candidate| candidate.name() == function) else {
            let names: Vec<_> = self.functions.iter().map(Function::name).collect();
            return Err(format!("plugin `{}` has no function `{function}`; it has: {}", self.name, names.join(", ")));
        };
        found.open(config, subtask)
    }
}
