//! What an operator is given besides its records: configuration and states when it opens, time and log while it runs.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use crate::codec::StateCodec;
use crate::native::{Level, Services, StateDescriptor, StateKind, Subtask};
use crate::shared::Shared;
use crate::state::{ListState, MapState, Migrations, StateCells, StateOptions, ValueState};

/// Given to `open`: configuration, the subtask, and the declaration of states and counters.
///
/// `open` also runs once without configuration, to learn which states there are: declare the same states whatever the configuration says, and
/// refuse a bad configuration by [`Self::refuse`], not by a panic.
pub struct OpenContext {
    pub(crate) shared: Rc<Shared>,
    pub(crate) states: Vec<StateDescriptor>,
    /// For each state, what is known of its older versions.
    pub(crate) migrations: Vec<Migrations>,
    pub(crate) cells: Vec<Rc<dyn StateCells>>,
    pub(crate) counters: Vec<Rc<CounterCell>>,
    pub(crate) refusals: Vec<String>,
    /// Whether this is only to learn the states: refusals don't count.
    pub(crate) describing: bool,
    config: Vec<(String, String)>,
    subtask: Subtask,
}

impl OpenContext {
    pub(crate) fn new(config: &[(String, String)], subtask: &Subtask) -> Self {
        Self {
            shared: Rc::new(Shared::default()),
            states: Vec::new(),
            migrations: Vec::new(),
            cells: Vec::new(),
            counters: Vec::new(),
            refusals: Vec::new(),
            describing: false,
            config: config.to_vec(),
            subtask: subtask.clone(),
        }
    }

    /// The text of a configuration key, as the job says it: texts as they are, everything else as JSON.
    #[must_use]
    pub fn config(&self, key: &str) -> Option<&str> {
        self.config.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The value of a configuration key, or `default` where the job doesn't say it. A text that isn't a `T` refuses the configuration.
    pub fn config_or<T: FromStr<Err: fmt::Display>>(&mut self, key: &str, default: T) -> T {
        match self.config(key).map(str::parse::<T>) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(error)) => {
                let text = self.config(key).unwrap_or_default().to_owned();
                self.refuse(format!("config `{key}` = `{text}`: {error}"));
                default
            }
        }
    }

    /// Refuses to open: the job ends with this message.
    pub fn refuse(&mut self, message: impl Into<String>) {
        self.refusals.push(message.into());
    }

    /// The subtask that this is opened for.
    #[must_use]
    pub fn subtask(&self) -> &Subtask {
        &self.subtask
    }

    /// Declares a state of one value a key. The name is the state's address for ever.
    pub fn value_state<V: StateCodec>(&mut self, name: &str) -> ValueState<V> {
        self.value_state_with(name, StateOptions::new())
    }

    /// As [`Self::value_state`], with options.
    pub fn value_state_with<V: StateCodec>(&mut self, name: &str, options: StateOptions<V>) -> ValueState<V> {
        let number = self.declare(name, StateKind::Value, options);
        let (state, cells) = ValueState::new(number, name, Rc::clone(&self.shared));
        self.cells.push(cells);
        state
    }

    /// Declares a state of one list a key.
    pub fn list_state<V: StateCodec>(&mut self, name: &str) -> ListState<V> {
        self.list_state_with(name, StateOptions::new())
    }

    /// As [`Self::list_state`], with options.
    pub fn list_state_with<V: StateCodec>(&mut self, name: &str, options: StateOptions<V>) -> ListState<V> {
        let number = self.declare(name, StateKind::List, options);
        let (state, cells) = ListState::new(number, name, Rc::clone(&self.shared));
        self.cells.push(cells);
        state
    }

    /// Declares a state of one map a key. Entries are ordered by the bytes of their sub-keys: text and bytes as one expects, numbers not.
    pub fn map_state<K: StateCodec, V: StateCodec>(&mut self, name: &str) -> MapState<K, V> {
        self.map_state_with(name, StateOptions::new())
    }

    /// As [`Self::map_state`], with options.
    pub fn map_state_with<K: StateCodec, V: StateCodec>(&mut self, name: &str, options: StateOptions<V>) -> MapState<K, V> {
        let number = self.declare(name, StateKind::Map, options);
        let (state, cells) = MapState::new(number, name, Rc::clone(&self.shared));
        self.cells.push(cells);
        state
    }

    /// Declares a counter among the operator's metrics.
    pub fn counter(&mut self, name: &str) -> Counter {
        let cell = Rc::new(CounterCell { name: name.to_owned(), added: Cell::new(0) });
        self.counters.push(Rc::clone(&cell));
        Counter(cell)
    }

    fn declare<V: StateCodec>(&mut self, name: &str, kind: StateKind, options: StateOptions<V>) -> u32 {
        if name.is_empty() || self.states.iter().any(|state| state.name == name) {
            self.refuse(format!("state `{name}` is declared twice, or has no name"));
        }
        if let Err(why) = options.check() {
            self.refuse(format!("state `{name}`: {why}"));
        }
        let number = self.states.len() as u32;
        let (schema_version, ttl_ms) = (options.schema_version, options.ttl_ms);
        self.states.push(StateDescriptor { name: name.to_owned(), kind, value_codec: V::name(), schema_version, ttl_ms });
        self.migrations.push(options.into_migrations(name));
        number
    }
}

/// A counter among the operator's metrics. The host gets the sum of a call at its end.
#[derive(Debug)]
pub struct Counter(Rc<CounterCell>);

#[derive(Debug)]
pub(crate) struct CounterCell {
    name: String,
    added: Cell<u64>,
}

impl Counter {
    /// Adds to the counter. What a refused call has added doesn't count.
    pub fn add(&self, add: u64) {
        self.0.added.set(self.0.added.get().wrapping_add(add));
    }
}

impl CounterCell {
    pub(crate) fn begin(&self) {
        self.added.set(0);
    }

    pub(crate) fn flush(&self, services: &mut dyn Services) {
        match self.added.take() {
            0 => {}
            added => services.count(&self.name, added),
        }
    }
}

/// Given to a keyed operator with each record: time, and the log.
pub struct KeyedContext {
    pub(crate) shared: Rc<Shared>,
    pub(crate) timestamp: i64,
    pub(crate) watermark: i64,
    pub(crate) processing_time: i64,
}

impl KeyedContext {
    /// The record's event time, milliseconds since the Unix epoch.
    #[must_use]
    pub fn timestamp(&self) -> Option<i64> {
        (self.timestamp != crate::rows::NO_TIMESTAMP).then_some(self.timestamp)
    }

    /// The watermark of this call: no record with an earlier event time is expected. `i64::MIN` before the first one.
    #[must_use]
    pub fn watermark(&self) -> i64 {
        self.watermark
    }

    /// The host's time for this call, milliseconds since the Unix epoch.
    #[must_use]
    pub fn processing_time(&self) -> i64 {
        self.processing_time
    }

    /// Writes to the job's log. A call to the host: not for every record.
    pub fn log(&self, level: Level, message: &str) {
        self.shared.services.with(|services| services.log(level, message));
    }
}
