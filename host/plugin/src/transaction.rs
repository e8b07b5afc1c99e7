//! A batch through an operator: each call takes effect whole or not at all, and a record that breaks it is found by halving.

mod batches;
mod identity;
mod migration;
mod outcome;
mod shadow;
mod version;
mod words;

use std::sync::Arc;
use std::time::Duration;

use weir_model::describe::{FunctionDescription, FunctionKind};
use weir_model::graph::OnError;
use weir_model::rows::{Batch, Row};
use weir_model::{Error, Result};
use weir_state::{Column, KeyTable, KeyedState, StateError};

use crate::error::{Breakage, CallError};
use crate::guest::{Call, CallContext, Guest, Work};
use crate::services::Services;

use batches::{halves, hashed, pieces, select};
pub use identity::{DeadLetter, Identity};
use migration::Refusals;
pub use migration::TriedMigration;
pub use outcome::{Outputs, Step, TransactionCounts};
use shadow::Shadow;
pub use shadow::{EXAMPLE_BYTES_MAX, ShadowCounts, ShadowExample, ShadowRow};
pub use version::NewVersion;
use words::{explain, failure};

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
    refusals: Refusals,
    /// Values migrated since the look for them in the background last began with the first key.
    migrated_in_pass: u64,
    /// Another version that runs beside this one.
    shadow: Option<Box<Shadow>>,
    /// While one does: the fingerprints of the batch's records that were set aside.
    watched: Option<Vec<u64>>,
    /// A call that takes too long ends it, whatever the policy: it runs beside the stream or on trial, and isn't worth several deadlines.
    fails_late: bool,
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
            refusals: Refusals::default(),
            migrated_in_pass: 0,
            shadow: None,
            watched: None,
            fails_late: false,
        }
    }

    /// Takes a batch of input port `input`, to be worked off by [`Self::step`].
    pub fn begin(&mut self, input: u32, batch: Batch) {
        let batch = if self.keyed && batch.hashes().len() != batch.len() { hashed(batch) } else { batch };
        if let Some(shadow) = &mut self.shadow {
            shadow.begin(input, &batch);
        }
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
        let Some(mut shadow) = self.shadow.take() else { return self.step_over(None, context, outputs) };
        shadow.run(self, context);
        let before = outputs.batches.len();
        let step = self.step_over(None, context, outputs);
        shadow.saw(outputs, before, self.watched.get_or_insert_default(), step == Ok(Step::Done));
        self.shadow = Some(shadow);
        step
    }

    /// [`Self::step`], with the keys that are new copied from `origin`, if there is one.
    fn step_over(&mut self, origin: Option<&KeyedState>, context: CallContext, outputs: &mut Outputs) -> Result<Step> {
        let Some(part) = self.todo.pop() else { return Ok(Step::Done) };
        let mut result = self.number(&part, origin, context);
        if let Some(error) = self.disk_failure.take() {
            return Err(error);
        }
        if result.is_ok() {
            if let Some(rest) = self.migrate_keys(&part, outputs)? {
                self.forget();
                self.push(part.input, rest, part.timeout);
                return Ok(self.progress());
            }
            result = self.call(&part, context);
        }
        let decision = self.decide(&result, part.batch.len());
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
            Decision::Fail(at) => return Err(failure(&self.identity, &result, &batch, at)),
        }
        Ok(self.progress())
    }

    fn decide(&self, result: &Result<(), CallError>, rows: usize) -> Decision {
        let is_late = matches!(result, Err(CallError::Broken(Breakage::Deadline(_))));
        decide(result, rows, if self.fails_late && is_late { OnError::Fail } else { self.on_error })
    }

    fn progress(&self) -> Step {
        if self.todo.is_empty() { Step::Done } else { Step::More }
    }

    /// Tells the function that its input has ended and appends what it emits.
    ///
    /// # Errors
    /// When the call fails: there is no record that could be set aside.
    pub fn finish(&mut self, context: CallContext, outputs: &mut Outputs) -> Result<()> {
        let Some(mut shadow) = self.shadow.take() else { return self.finish_alone(context, outputs) };
        shadow.finish(context);
        let before = outputs.batches.len();
        let finished = self.finish_alone(context, outputs);
        shadow.saw(outputs, before, self.watched.get_or_insert_default(), finished.is_ok());
        self.shadow = Some(shadow);
        finished
    }

    fn finish_alone(&mut self, context: CallContext, outputs: &mut Outputs) -> Result<()> {
        self.forget_keys();
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

    /// What the function sees of chance follows from this checkpoint from now on.
    pub fn reseed(&mut self, checkpoint: u64) {
        self.guest.reseed(checkpoint);
    }

    /// The state of the subtask's keys, to be frozen and captured between two calls; `None` for a function that is not keyed.
    pub fn state_mut(&mut self) -> Option<&mut KeyedState> {
        self.services.as_mut().filter(|_| self.keyed).map(|services| &mut services.state)
    }

    /// The operator's own counters, by name.
    pub fn counters(&self) -> impl Iterator<Item = (&str, u64)> {
        self.services.iter().flat_map(|services| &services.totals).map(|(name, total)| (name.as_str(), *total))
    }

    /// Replaces a worn instance, and numbers the keys of a part of a batch.
    fn number(&mut self, part: &Part, origin: Option<&KeyedState>, context: CallContext) -> Result<(), CallError> {
        self.slots.clear();
        if let Err(breakage) = self.refresh() {
            // There is no call whose keys could be forgotten.
            self.forget_keys();
            return Err(breakage.into());
        }
        let (true, Some(services)) = (self.keyed, &mut self.services) else { return Ok(()) };
        let Services { state, table, .. } = &mut **services;
        state.set_time(context.processing_time);
        if let Err(error) = state.number(&part.batch, table, &mut self.slots) {
            if let StateError::Disk { remedy, .. } = &error {
                // No record is to blame, and no policy for records helps.
                self.disk_failure = Some(Error::job(self.identity.what(), error.to_string(), *remedy));
            }
            return Err(Breakage::State(error.to_string()).into());
        }
        if let Some(origin) = origin {
            state.copy_missing(origin, table);
        }
        let is_large = state.large_value_bytes() > VALUE_BYTES_MAX;
        if is_large && part.batch.len() > 1 && state.values_bytes(table) > VALUE_BYTES_MAX {
            return Err(Breakage::TooManyValues.into());
        }
        Ok(())
    }

    /// One call over one part of a batch whose keys are numbered; its effects are staged.
    fn call(&mut self, part: &Part, context: CallContext) -> Result<(), CallError> {
        if let (true, Some(services)) = (self.keyed, &self.services) {
            for (number, (lengths, data)) in self.columns.iter_mut().enumerate() {
                lengths.clear();
                data.clear();
                data.shrink_to(VALUE_BYTES_MAX);
                services.state.values(&services.table, number, lengths, data);
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
        if decision != Decision::Commit {
            return self.forget();
        }
        let Some(services) = &mut self.services else { return };
        let Services { state, table, staged, emitted, .. } = &mut **services;
        if self.keyed {
            std::mem::take(staged).apply(state, table);
        }
        outputs.batches.append(emitted);
        services.apply_counters();
        services.reset();
    }

    /// Forgets what the last call did, and the keys that it was the first to have.
    fn forget(&mut self) {
        let Some(services) = &mut self.services else { return };
        if self.keyed {
            services.state.discard(&services.table);
        }
        services.reset();
    }

    /// The state may change: the keys of the last call mean nothing any more.
    fn forget_keys(&mut self) {
        if let Some(services) = &mut self.services {
            services.table = KeyTable::default();
        }
    }

    /// Replaces a worn instance.
    fn refresh(&mut self) -> Result<(), Breakage> {
        if self.guest.is_worn() {
            self.counts.recycled += 1;
            self.guest.renew()?;
        }
        Ok(())
    }

    fn renew(&mut self) -> Result<()> {
        self.guest
            .renew()
            .map_err(|breakage| self.identity.error(format!("its instance broke and no new one can be made: {breakage}"), Some(&breakage)))
    }

    fn set_aside(&mut self, input: u32, row: &Row<'_>, error: String, outputs: &mut Outputs) {
        if let Some(watched) = &mut self.watched {
            watched.push(shadow::fingerprint_of(input, row.key, row.value, row.timestamp));
        }
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
}

#[cfg(test)]
mod tests;
