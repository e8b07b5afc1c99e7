//! One operator subtask outside of any job, for tests of the plugin host.

use std::time::Duration;

use weir_model::Result;
use weir_model::graph::OnError;
use weir_model::rows::{BatchBuilder, NO_TIMESTAMP};
use weir_plugin::{
    CallContext, EngineOptions, Identity, InstanceLimits, OperatorSubtask, OutputPort, Outputs, Plugin, PluginEngine, Services, Step, Subtask,
};
use weir_state::KeyedState;

use crate::built;

/// The memory limit, bytes.
pub const MEMORY_BYTES_MAX: u64 = 32 << 20;
/// The deadline of a call.
pub const TIMEOUT: Duration = Duration::from_millis(200);
/// The engine's tick: how finely deadlines are kept.
pub const TICK: Duration = Duration::from_millis(10);

/// The plugin that misbehaves.
///
/// # Panics
/// When it can't be loaded.
#[must_use]
pub fn faulty() -> Plugin {
    let engine = PluginEngine::new(EngineOptions::default()).unwrap();
    Plugin::load(&engine, &built::plugin("faulty")).unwrap()
}

/// Tight limits.
#[must_use]
pub fn limits() -> InstanceLimits {
    InstanceLimits { memory_bytes_max: MEMORY_BYTES_MAX, call_timeout: TIMEOUT, ..InstanceLimits::default() }
}

/// Opens a function of the plugin under tight limits.
///
/// # Errors
/// When it doesn't open.
pub fn start(plugin: &Plugin, function: &str, on_error: OnError) -> Result<OperatorSubtask> {
    start_within(plugin, function, on_error, limits())
}

/// Opens a function of the plugin under the given limits.
///
/// # Errors
/// When it doesn't open.
pub fn start_within(plugin: &Plugin, function: &str, on_error: OnError, limits: InstanceLimits) -> Result<OperatorSubtask> {
    let description = plugin.description().function(function).unwrap_or_else(|| panic!("the faulty plugin has no function {function}")).clone();
    let identity = Identity { uid: "bad-one".to_owned(), function: function.to_owned(), digest: plugin.digest().to_string() };
    let place = Subtask {
        uid: "bad-one".to_owned(),
        function: description.clone(),
        config: Vec::new(),
        index: 0,
        parallelism: 1,
        max_parallelism: 128,
        checkpoint: 0,
    };
    let guest = plugin.instantiate(place, limits).map_err(|breakage| identity.error(format!("it can't be started: {breakage}"), Some(&breakage)))?;
    let services =
        Services::new("bad-one", vec![OutputPort { keyed: false }; description.outputs.len()], limits, KeyedState::new(&description.states, 7));
    Ok(OperatorSubtask::new(identity, &description, on_error, guest, services))
}

/// Runs records through the function; gives the emitted values and the values set aside, numbers in decimal.
///
/// # Errors
/// When the function doesn't open or the batch fails.
pub fn run(plugin: &Plugin, function: &str, on_error: OnError, records: &[&str]) -> Result<(Vec<String>, Vec<String>)> {
    let mut subtask = start(plugin, function, on_error)?;
    let mut outputs = Outputs::default();
    let context = CallContext { watermark: NO_TIMESTAMP, processing_time: 0 };
    let mut batch = BatchBuilder::default();
    for record in records {
        batch.push(Some(b"key"), record.as_bytes(), NO_TIMESTAMP).unwrap();
    }
    subtask.begin(0, batch.take());
    while subtask.step(context, &mut outputs)? == Step::More {}
    let text = |bytes: &[u8]| match <[u8; 8]>::try_from(bytes) {
        Ok(number) => u64::from_le_bytes(number).to_string(),
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    };
    let emitted = outputs.batches.iter().flat_map(|(_, batch)| batch.iter().map(|row| text(row.value)).collect::<Vec<_>>()).collect();
    let dead = outputs.dead_letters.iter().map(|letter| text(&letter.value)).collect();
    Ok((emitted, dead))
}
