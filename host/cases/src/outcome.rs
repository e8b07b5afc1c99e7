//! What came of a case in one mode.

use std::collections::BTreeMap;

use weir_model::codec::Codec;
use weir_model::describe::{FunctionDescription, Port, StateKind};

/// Everything that can be held against what is expected.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    /// The functions that ran, in order.
    pub(crate) functions: Vec<FunctionDescription>,
    pub(crate) emitted: Vec<Emitted>,
    /// Whether the order of all that was emitted means anything, or only that of each key.
    pub(crate) in_order: bool,
    pub(crate) refused: Vec<Refused>,
    /// Of each record of the input, what tells it from others.
    pub(crate) records: Vec<u64>,
    pub(crate) counters: BTreeMap<String, u64>,
    pub(crate) states: BTreeMap<String, State>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum End {
    /// With the end of the input.
    #[default]
    Done,
    /// The function refused to open, with its words.
    RefusedOpen(String),
    /// It failed, and why.
    Failed(String),
    /// It couldn't be tried: the plugin isn't what the case is about.
    Unfit(String),
}

/// A record that came out.
#[derive(Debug, Clone)]
pub(crate) struct Emitted {
    /// Which of [`Outcome::functions`] it is of.
    pub(crate) function: usize,
    pub(crate) port: usize,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Vec<u8>,
    pub(crate) timestamp: i64,
}

/// A record that was refused.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Its number; when it was not alone in its batch, the first that it can be.
    pub(crate) record: usize,
    /// Whether it was alone.
    pub(crate) is_exact: bool,
    pub(crate) message: String,
}

/// What a state holds at the end, by key.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) kind: StateKind,
    pub(crate) keys: BTreeMap<Vec<u8>, Kept>,
}

/// What is kept under a key: the value, and what lies under sub-keys.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) value: Option<Cell>,
    pub(crate) below: BTreeMap<Vec<u8>, Cell>,
}

/// A value with its codec: it may be one of an older version.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) bytes: Vec<u8>,
    pub(crate) codec: Codec,
}

impl Outcome {
    /// The port that a record came out of.
    pub(crate) fn port(&self, emitted: &Emitted) -> Option<&Port> {
        self.functions.get(emitted.function)?.outputs.get(emitted.port)
    }
}
