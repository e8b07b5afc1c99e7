//! The exports of the contract over a [`Plugin`], and its imports as [`Services`]: what [`crate::export!`] puts into a component.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

use crate::bindings::exports::weir::operator::operator as exported;
use crate::bindings::weir::log::log as log_import;
use crate::bindings::weir::output::output as output_import;
use crate::bindings::weir::state::keyed as state_import;
use crate::bindings::weir::types::types::Failure as ContractFailure;
use crate::native::{self, Call, Column, Level, Operator, OwnedColumn, Page, Plugin, Services};

/// Where the exports find the plugin.
pub trait Described {
    /// The plugin.
    fn plugin() -> Plugin;
}

/// The contract's exports for the plugin of `P`.
pub struct Adapter<P>(PhantomData<P>);

thread_local! {
    // An instance serves one function of one subtask, on one thread.
    static OPEN: RefCell<Option<Box<dyn Operator>>> = const { RefCell::new(None) };
}

impl<P: Described + 'static> exported::Guest for Adapter<P> {
    fn describe() -> exported::PluginDescription {
        report_panics();
        contract_description(P::plugin().describe())
    }

    fn open(function: String, config: Vec<(String, String)>, subtask: exported::Subtask) -> Result<(), String> {
        let exported::Subtask { uid, index, parallelism, max_parallelism } = subtask;
        report_panics();
        let subtask = native::Subtask { uid, index, parallelism, max_parallelism };
        let operator = P::plugin().open(&function, &config, &subtask)?;
        OPEN.with(|open| open.replace(Some(operator)));
        Ok(())
    }

    fn process(input: u32, records: Vec<u8>, keys: exported::KeyTable, context: exported::CallContext) -> Result<(), ContractFailure> {
        let values: Vec<Column<'_>> = keys.values.iter().map(|column| Column { lengths: &column.lengths, data: &column.data }).collect();
        let exported::CallContext { watermark, processing_time } = context;
        let call = Call { input, records: &records, slots: &keys.slots, values: &values, watermark, processing_time };
        with_open(|operator| operator.process(&call, &mut Imports))
    }

    fn on_timers(_: bool, _: Vec<u8>, _: exported::KeyTable, _: exported::CallContext) -> Result<(), ContractFailure> {
        let message = concat!("weir-guest ", env!("CARGO_PKG_VERSION"), " has no timers, and this plugin has set none").to_owned();
        Err(ContractFailure { row: None, message })
    }

    fn finish(context: exported::CallContext) -> Result<(), ContractFailure> {
        with_open(|operator| operator.finish(context.watermark, context.processing_time, &mut Imports))
    }

    fn migrate(state: String, from_version: u32, values: exported::ColumnResult) -> Result<exported::ColumnResult, ContractFailure> {
        let values = Column { lengths: &values.lengths, data: &values.data };
        let OwnedColumn { lengths, data } = with_open(|operator| operator.migrate(&state, from_version, values))?;
        Ok(exported::ColumnResult { lengths, data })
    }
}

/// Makes a panic say what it is before it becomes a trap, which carries no words: the host shows the last error of the log.
fn report_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| panic::set_hook(Box::new(log_panic)));
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("a value that is no text");
    let message = match panic.location() {
        Some(place) => format!("panicked at {place}: {message}"),
        None => format!("panicked: {message}"),
    };
    log_import::log(log_import::Level::Error, &message);
}

fn with_open<R>(call: impl FnOnce(&mut dyn Operator) -> Result<R, native::Failure>) -> Result<R, ContractFailure> {
    let result = OPEN.with_borrow_mut(|open| match open {
        Some(operator) => call(operator.as_mut()),
        None => Err(native::Failure { row: None, message: "this instance is not open: no function to call".to_owned() }),
    });
    result.map_err(|native::Failure { row, message }| ContractFailure { row, message })
}

/// The contract's imports.
struct Imports;

impl Services for Imports {
    fn emit(&mut self, output: u32, rows: &[u8]) {
        output_import::emit(output, rows);
    }

    fn put(&mut self, state: u32, slots: &[u32], values: Column<'_>) {
        state_import::put(state, slots, contract_column(values));
    }

    fn get_sub(&mut self, state: u32, slots: &[u32], sub_keys: Column<'_>) -> OwnedColumn {
        owned_column(state_import::get_sub(state, slots, contract_column(sub_keys)))
    }

    fn put_sub(&mut self, state: u32, slots: &[u32], sub_keys: Column<'_>, values: Column<'_>) {
        state_import::put_sub(state, slots, contract_column(sub_keys), contract_column(values));
    }

    fn scan(&mut self, state: u32, slot: u32, after: Option<&[u8]>, limit: u32) -> Page {
        let page = state_import::scan(state, slot, after, limit);
        Page { sub_keys: owned_column(page.sub_keys), values: owned_column(page.values), more: page.more }
    }

    fn clear(&mut self, state: u32, slots: &[u32]) {
        state_import::clear(state, slots);
    }

    fn log(&mut self, level: Level, message: &str) {
        let level = match level {
            Level::Trace => log_import::Level::Trace,
            Level::Debug => log_import::Level::Debug,
            Level::Info => log_import::Level::Info,
            Level::Warn => log_import::Level::Warn,
            Level::Error => log_import::Level::Error,
        };
        log_import::log(level, message);
    }

    fn count(&mut self, name: &str, add: u64) {
        log_import::count(name, add);
    }
}

fn contract_column(column: Column<'_>) -> state_import::ColumnParam<'_> {
    state_import::ColumnParam { lengths: column.lengths, data: column.data }
}

fn owned_column(column: state_import::ColumnResult) -> OwnedColumn {
    OwnedColumn { lengths: column.lengths, data: column.data }
}

fn contract_description(plugin: native::PluginDescription) -> exported::PluginDescription {
    let native::PluginDescription { name, version, sdk, functions } = plugin;
    exported::PluginDescription { name, version, sdk, functions: functions.into_iter().map(contract_function).collect() }
}

fn contract_function(function: native::FunctionDescription) -> exported::FunctionDescription {
    let port = |port: native::Port| exported::Port { name: port.name, key_codec: port.key_codec, value_codec: port.value_codec };
    exported::FunctionDescription {
        name: function.name,
        doc: function.doc,
        kind: match function.kind {
            native::FunctionKind::Stateless => exported::FunctionKind::Stateless,
            native::FunctionKind::Keyed => exported::FunctionKind::Keyed,
        },
        inputs: function.inputs.into_iter().map(port).collect(),
        outputs: function.outputs.into_iter().map(port).collect(),
        states: function.states.into_iter().map(contract_state).collect(),
    }
}

fn contract_state(state: native::StateDescriptor) -> exported::StateDescriptor {
    let kind = match state.kind {
        native::StateKind::Value => exported::StateKind::Value,
        native::StateKind::List => exported::StateKind::List,
        native::StateKind::Map => exported::StateKind::Map,
    };
    let native::StateDescriptor { name, value_codec, schema_version, ttl_ms, .. } = state;
    exported::StateDescriptor { name, kind, value_codec, schema_version, ttl: ttl_ms }
}
