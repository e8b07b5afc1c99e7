//! The seam between a transaction and whatever runs the operator's code.

use std::time::Duration;

use weir_model::describe::FunctionDescription;
use weir_state::{Column, OwnedColumn};

use crate::error::{Breakage, CallError};
use crate::services::Services;

/// Something that runs one function of one subtask: a component instance; in benchmarks the same source compiled into the host.
///
/// It keeps nothing between calls that the state doesn't hold, so [`Guest::renew`] may come between any two of them.
pub trait Guest: Send {
    /// Runs one call over `services` and gives them back, with everything that the call staged and emitted.
    fn call(&mut self, call: &Call<'_>, services: Box<Services>) -> (Box<Services>, Result<(), CallError>);

    /// Brings values of a state that an older schema version has written to the current one: as many as went in, and what is missing stays
    /// missing. An empty column asks whether that can be done at all.
    ///
    /// # Errors
    /// As [`Guest::call`]; a refused row is the place of a value.
    fn migrate(&mut self, migrate: &Migrate<'_>) -> Result<OwnedColumn, CallError>;

    /// Replaces a broken instance by a fresh one.
    ///
    /// # Errors
    /// When the fresh one can't be made or opened.
    fn renew(&mut self) -> Result<(), Breakage>;

    /// Random numbers follow from this checkpoint from now on.
    fn reseed(&mut self, _checkpoint: u64) {}

    /// Whether the instance has been used so much, or has grown so large, that it should be renewed before its next call.
    fn is_worn(&self) -> bool;
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// What is to be done.
    pub work: Work<'a>,
    /// Time as the host sees it.
    pub context: CallContext,
    /// The longest that the call may take.
    pub timeout: Duration,
}

/// Values to be migrated.
#[derive(Debug, Clone, Copy)]
pub struct Migrate<'a> {
    /// The state's name.
    pub state: &'a str,
    /// The schema version that the values have.
    pub from_version: u32,
    /// The values.
    pub values: Column<'a>,
    /// The longest that the call may take.
    pub timeout: Duration,
}

/// The kinds of calls.
#[derive(Debug, Clone, Copy)]
pub enum Work<'a> {
    /// Records of an input port.
    Process {
        /// The port's number.
        input: u32,
        /// The records as rows.
        rows: &'a [u8],
        /// The key slot of each record; empty for a stateless function.
        slots: &'a [u32],
        /// Per state, the current value of each slot; empty columns for states that aren't values.
        values: &'a [Column<'a>],
    },
    /// The input has ended.
    Finish,
}

/// Time, as it is handed to a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallContext {
    /// Event time up to which all records have been seen, milliseconds since the Unix epoch; the smallest value: unknown.
    pub watermark: i64,
    /// Wall-clock time of the call, milliseconds since the Unix epoch.
    pub processing_time: i64,
}

/// What an instance is opened for.
#[derive(Debug, Clone)]
pub struct Subtask {
    /// The operator's UID.
    pub uid: String,
    /// The function.
    pub function: FunctionDescription,
    /// The operator's configuration.
    pub config: Vec<(String, String)>,
    /// The subtask's place.
    pub index: u32,
    /// Of how many.
    pub parallelism: u32,
    /// The number of key groups.
    pub max_parallelism: u32,
    /// The checkpoint that the instance goes on from; 0: none.
    pub checkpoint: u64,
}
