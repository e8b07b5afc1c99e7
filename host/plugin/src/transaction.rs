//! A batch through an operator: each call takes effect whole or not at all, and a record that breaks it is found by halving.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use weir_model::describe::{FunctionDescription, FunctionKind};
use weir_model::graph::OnError;
use weir_model::key_group::hash_key;
use weir_model::rows::{Batch, BatchBuilder, Row};
use weir_model::{Error, Result};
use weir_state::{Column, KeyTable, KeyedState, StateError};

use crate::error::{Breakage, CallError};
use crate::guest::{Call, CallContext, Guest, Work};
use crate::services::Services;

/// Who an operator is, for messages and dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The UID.
    pub uid: String,
    /// The function.
    pub function: String,
    /// The SHA-256 of the plugin, in hexadecimal.
    pub digest: String,
}

impl Identity {
    fn what(&self) -> String {
        let digest: String = self.digest.chars().take(12).collect();
        format!("operator {} (function {}, plugin sha256:{digest}) failed", self.uid, self.function)
    }

    /// An error about this operator; the remedy is that of `breakage` if there is one.
    #[must_use]
    pub fn error(&self, why: impl Into<String>, breakage: Option<&Breakage>) -> Error {
        let remedy = breakage.map_or("mend the record or the function, or set on-error = \"skip\" or \"dead-letter\"", Breakage::remedy);
        Error::job(self.what(), why, remedy)
    }
}

/// A record that an operator couldn't handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Whose record it was.
    pub operator: Arc<Identity>,
    /// The input port that it came in by.
    pub input: u32,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's value.
    pub value: Vec<u8>,
    /// The record's timestamp.
    pub timestamp: i64,
    /// Why it wasn't handled.
    pub error: String,
}

/// What an operator did with a batch.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Emitted batches with the number of their output port, in order.
    pub batches: Vec<(usize, Batch)>,
    /// Records set aside under `on-error = "dead-letter"`, in order.
    pub dead_letters: Vec<DeadLetter>,
}

/// How often an operator had to be saved from itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransactionCounts {
    /// Records dropped under `on-error = "skip"`.
    pub skipped: u64,
    /// Records set aside under `on-error = "dead-letter"`.
    pub dead_letters: u64,
    /// Instances that broke and were replaced.
    pub broken: u64,
    /// Instances that were replaced because they were worn.
    pub recycled: u64,
}

/// One subtask of an operator: its guest, its state, and its error policy.
pub struct OperatorSubtask {
    identity: Arc<Identity>,
    on_error: OnError,
    keyed: bool,
    guest: Box<dyn Guest>,
    services: Option<Box<Services>>,
    slots: Vec<u32>,
    columns: Vec<(Vec<u32>, Vec<u8>)>,
    counts: TransactionCounts,
    /// Parts of the batch at hand that are still to be done, the next one last.
    todo: Vec<Part>,
    /// Rows that are tried at once after a refusal: fewer the more there are, so that bad records don't cost the square of a batch.
    retry_rows: usize,
    call_timeout: Duration,
    /// The disk that holds the state has failed.
    disk_failure: Option<Error>,
}

/// Some rows of a batch, to be tried in one call.
#[derive(Debug)]
struct Part {
    input: u32,
    batch: Batch,
    /// A part of a batch that ran out of time gets less of it: only a record alone has to be given all.
    timeout: Duration,
}

/// Rows that are tried at once after a refusal, at the most and at the least.
const RETRY_ROWS_MAX: usize = 1024;
const RETRY_ROWS_MIN: usize = 16;
/// The least time that part of a batch is given.
const PART_TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// Values of the keys of one call beyond this many bytes are handed over in several calls.
const VALUE_BYTES_MAX: usize = 64 << 20;

/// Whether a batch is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is more to do for the batch at hand.
    More,
    /// The batch is done.
    Done,
}

/// What follows from a call's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Commit,
    /// Set this record aside and call again with the rest.
    SetAside(usize),
    /// Call again with each half.
    Halve,
    /// The job fails because of this record.
    Fail(usize),
}

/// The whole policy, as a function of its facts.
fn decide(result: &Result<(), CallError>, rows: usize, on_error: OnError) -> Decision {
    let one = |row| if on_error == OnError::Fail { Decision::Fail(row) } else { Decision::SetAside(row) };
    match result {
        Ok(()) => Decision::Commit,
        Err(CallError::Refused { row: Some(row), .. }) if (*row as usize) < rows => one(*row as usize),
        // Nobody would wait ten deadlines only to learn which record it is that the job fails on.
        Err(CallError::Broken(Breakage::Deadline(_))) if on_error == OnError::Fail => Decision::Fail(0),
        Err(_) if rows > 1 => Decision::Halve,
        Err(_) => one(0),
    }
}

impl OperatorSubtask {
    /// A subtask that runs `function` in `guest` over `services`.
    #[must_use]
    pub fn new(identity: Identity, function: &FunctionDescription, on_error: OnError, guest: Box<dyn Guest>, services: Services) -> Self {
        let call_timeout = services.limits().call_timeout;
        Self {
            identity: Arc::new(identity),
            on_error,
            keyed: function.kind == FunctionKind::Keyed,
            guest,
            services: Some(Box::new(services)),
            slots: Vec::new(),
            columns: function.states.iter().map(|_| Default::default()).collect(),
            counts: TransactionCounts::default(),
            todo: Vec::new(),
            retry_rows: RETRY_ROWS_MAX,
            call_timeout,
            disk_failure: None,
        }
    }

    /// Takes a batch of input port `input`, to be worked off by [`Self::step`].
    pub fn begin(&mut self, input: u32, batch: Batch) {
        let batch = if self.keyed && batch.hashes().len() != batch.len() { hashed(batch) } else { batch };
        self.push(input, batch, self.call_timeout);
    }

    fn push(&mut self, input: u32, batch: Batch, timeout: Duration) {
        if !batch.is_empty() {
            self.todo.push(Part { input, batch, timeout });
        }
    }

    /// Makes one call for the batch at hand and appends to `outputs` what took effect. The caller passes that on before the next step, so that a
    /// batch that makes much of little never piles up here.
    ///
    /// # Errors
    /// When a record can't be handled and the policy is to fail, or no working instance can be made any more.
    pub fn step(&mut self, context: CallContext, outputs: &mut Outputs) -> Result<Step> {
        let Some(part) = self.todo.pop() else { return Ok(Step::Done) };
        let result = self.call(&part, context);
        if let Some(error) = self.disk_failure.take() {
            return Err(error);
        }
        let decision = decide(&result, part.batch.len(), self.on_error);
        self.settle(decision, outputs);
        if let Err(CallError::Broken(breakage)) = &result {
            // What the host itself cut short has broken no instance.
            if !matches!(breakage, Breakage::TooManyValues) {
                self.counts.broken += 1;
                self.renew()?;
            }
        }
        let Part { input, batch, timeout } = part;
        match decision {
            // Whole pieces that go through say that bad records have become rare again.
            Decision::Commit if batch.len() >= self.retry_rows => self.retry_rows = (self.retry_rows * 2).min(RETRY_ROWS_MAX),
            Decision::Commit => {}
            Decision::Halve => {
                let (first, second) = halves(&batch);
                let late = matches!(result, Err(CallError::Broken(Breakage::Deadline(_))));
                for half in [second, first] {
                    let timeout = if late && half.len() > 1 { (timeout / 2).max(PART_TIMEOUT_MIN).min(timeout) } else { self.call_timeout };
                    self.push(input, half, timeout);
                }
            }
            Decision::SetAside(at) => {
                self.retry_rows = (self.retry_rows / 2).max(RETRY_ROWS_MIN);
                if let Some(row) = batch.iter().nth(at) {
                    self.set_aside(input, &row, explain(&result, &batch), outputs);
                }
                // The rows before it were fine, so they will be again; those behind it come in pieces.
                let pieces: Vec<Batch> = pieces(&batch, at + 1, self.retry_rows);
                pieces.into_iter().rev().for_each(|piece| self.push(input, piece, self.call_timeout));
                self.push(input, select(&batch, |other| other < at), self.call_timeout);
            }
            Decision::Fail(at) => return Err(self.failure(&result, &batch, at)),
        }
        Ok(if self.todo.is_empty() { Step::Done } else { Step::More })
    }

    /// Tells the function that its input has ended and appends what it emits.
    ///
    /// # Errors
    /// When the call fails: there is no record that could be set aside.
    pub fn finish(&mut self, context: CallContext, outputs: &mut Outputs) -> Result<()> {
        if let Some(services) = &mut self.services {
            services.table = KeyTable::default();
        }
        let result = self.invoke(&Call { work: Work::Finish, context, timeout: self.call_timeout });
        let decision = if result.is_ok() { Decision::Commit } else { Decision::Fail(0) };
        self.settle(decision, outputs);
        let breakage = |error: &CallError| if let CallError::Broken(breakage) = error { Some(breakage.clone()) } else { None };
        result.map_err(|error| self.identity.error(format!("at the end of its input: {error}"), breakage(&error).as_ref()))
    }

    /// How often the operator had to be saved from itself.
    #[must_use]
    pub fn counts(&self) -> TransactionCounts {
        self.counts
    }

    /// The number of keys that have state.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.services.as_ref().map_or(0, |services| services.state.len())
    }

    /// The state of the subtask's keys, to be frozen and captured between two calls; `None` for a function that is not keyed.
    pub fn state_mut(&mut self) -> Option<&mut KeyedState> {
        self.services.as_mut().filter(|_| self.keyed).map(|services| &mut services.state)
    }

    /// The operator's own counters, by name.
    pub fn counters(&self) -> impl Iterator<Item = (&str, u64)> {
        self.services.iter().flat_map(|services| &services.totals).map(|(name, total)| (name.as_str(), *total))
    }

    /// One call over one part of a batch; its effects are staged.
    fn call(&mut self, part: &Part, context: CallContext) -> Result<(), CallError> {
        self.slots.clear();
        if self.guest.is_worn() {
            self.counts.recycled += 1;
            // If that fails, there is no call whose keys could be forgotten.
            if let Some(services) = &mut self.services {
                services.table = KeyTable::default();
            }
            self.guest.renew()?;
        }
        if let (true, Some(services)) = (self.keyed, &mut self.services) {
            let Services { state, table, .. } = &mut **services;
            state.set_time(context.processing_time);
            if let Err(error) = state.number(&part.batch, table, &mut self.slots) {
                if let StateError::Disk { remedy, .. } = &error {
                    // No record is to blame, and no policy for records helps.
                    self.disk_failure = Some(Error::job(self.identity.what(), error.to_string(), *remedy));
                }
                return Err(Breakage::State(error.to_string()).into());
            }
            let is_large = state.large_value_bytes() > VALUE_BYTES_MAX;
            if is_large && part.batch.len() > 1 && state.values_bytes(table) > VALUE_BYTES_MAX {
                return Err(Breakage::TooManyValues.into());
            }
            for (number, (lengths, data)) in self.columns.iter_mut().enumerate() {
                lengths.clear();
                data.clear();
                data.shrink_to(VALUE_BYTES_MAX);
                state.values(table, number, lengths, data);
            }
        }
        let (slots, columns) = (std::mem::take(&mut self.slots), std::mem::take(&mut self.columns));
        let values: Vec<_> = columns.iter().map(|(lengths, data)| Column { lengths, data }).collect();
        let work = Work::Process { input: part.input, rows: part.batch.bytes(), slots: &slots, values: &values };
        let result = self.invoke(&Call { work, context, timeout: part.timeout });
        drop(values);
        (self.slots, self.columns) = (slots, columns);
        result
    }

    fn invoke(&mut self, call: &Call<'_>) -> Result<(), CallError> {
        let Some(services) = self.services.take() else {
            return Err(Breakage::Contract("it was called while a call was running".to_owned()).into());
        };
        let (mut services, result) = self.guest.call(call, services);
        services.write_log(matches!(result, Err(CallError::Broken(_))));
        self.services = Some(services);
        result
    }

    /// Makes the staged effects of the last call real, or forgets them.
    fn settle(&mut self, decision: Decision, outputs: &mut Outputs) {
        let Some(services) = &mut self.services else { return };
        let Services { state, table, staged, emitted, .. } = &mut **services;
        if decision == Decision::Commit {
            if self.keyed {
                std::mem::take(staged).apply(state, table);
            }
            outputs.batches.append(emitted);
            services.apply_counters();
        } else if self.keyed {
            state.discard(table);
        }
        services.reset();
    }

    fn renew(&mut self) -> Result<()> {
        self.guest
            .renew()
            .map_err(|breakage| self.identity.error(format!("its instance broke and no new one can be made: {breakage}"), Some(&breakage)))
    }

    fn set_aside(&mut self, input: u32, row: &Row<'_>, error: String, outputs: &mut Outputs) {
        match self.on_error {
            OnError::DeadLetter => {
                self.counts.dead_letters += 1;
                outputs.dead_letters.push(DeadLetter {
                    operator: Arc::clone(&self.identity),
                    input,
                    key: row.key.map(<[u8]>::to_vec),
                    value: row.value.to_vec(),
                    timestamp: row.timestamp,
                    error,
                });
            }
            OnError::Skip | OnError::Fail => {
                self.counts.skipped += 1;
                tracing::debug!(uid = self.identity.uid, "a record was skipped: {error}");
            }
        }
    }

    fn failure(&self, result: &Result<(), CallError>, batch: &Batch, at: usize) -> Error {
        let breakage = match result {
            Err(CallError::Broken(breakage)) => Some(breakage),
            _ => None,
        };
        let alone = !matches!(breakage, Some(Breakage::Deadline(_))) || batch.len() == 1;
        let record = match batch.iter().nth(at) {
            Some(row) if alone => format!("on the record {}", excerpt(&row)),
            _ => format!("on one of {} records", batch.len()),
        };
        self.identity.error(format!("{record}: {}", explain(result, batch)), breakage)
    }
}

fn explain(result: &Result<(), CallError>, batch: &Batch) -> String {
    match result {
        Err(CallError::Refused { row: Some(row), message }) if *row as usize >= batch.len() => {
            format!("the guest broke the contract: it refused record {row} of a call with {} records ({message})", batch.len())
        }
        Err(error) => error.to_string(),
        Ok(()) => String::new(),
    }
}

/// The start of a record, readable.
fn excerpt(row: &Row<'_>) -> String {
    const CHARS_MAX: usize = 80;
    let show = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes.get(..bytes.len().min(4 * CHARS_MAX)).unwrap_or_default());
        let mut shown: String = text.chars().take(CHARS_MAX).flat_map(char::escape_debug).collect();
        if text.chars().count() > CHARS_MAX || bytes.len() > 4 * CHARS_MAX {
            // Writing to a String can't fail.
            let _ = write!(shown, "… ({} bytes)", bytes.len());
        }
        shown
    };
    match row.key {
        Some(key) => format!("with key \"{}\" and value \"{}\"", show(key), show(row.value)),
        None => format!("\"{}\"", show(row.value)),
    }
}

fn hashed(batch: Batch) -> Batch {
    let hashes = batch.iter().map(|row| hash_key(row.key.unwrap_or_default())).collect();
    batch.with_hashes(hashes)
}

/// The rows of `batch` for which `keep` is true of their place.
fn select(batch: &Batch, keep: impl Fn(usize) -> bool) -> Batch {
    let mut builder = BatchBuilder::default();
    for (at, row) in batch.iter().enumerate().filter(|(at, _)| keep(*at)) {
        match batch.hashes().get(at) {
            Some(hash) => builder.push_hashed(&row, *hash),
            None => builder.push_copy(&row),
        }
    }
    builder.take()
}

fn halves(batch: &Batch) -> (Batch, Batch) {
    let middle = batch.len() / 2;
    (select(batch, |at| at < middle), select(batch, |at| at >= middle))
}

/// The rows from `from` on, `rows` to a piece.
fn pieces(batch: &Batch, from: usize, rows: usize) -> Vec<Batch> {
    let mut pieces = Vec::new();
    let mut piece = BatchBuilder::default();
    for (at, row) in batch.iter().enumerate().skip(from) {
        match batch.hashes().get(at) {
            Some(hash) => piece.push_hashed(&row, *hash),
            None => piece.push_copy(&row),
        }
        if piece.len() >= rows {
            pieces.push(piece.take());
        }
    }
    pieces.push(piece.take());
    pieces
}

#[cfg(test)]
mod tests;
