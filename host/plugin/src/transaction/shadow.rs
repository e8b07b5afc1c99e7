//! Another version of the function beside an operator: on the same batches, over copies of the state; what it emits is compared and thrown away.

mod compare;
mod report;

use weir_model::Result;
use weir_model::graph::OnError;
use weir_model::rows::Batch;
use weir_state::{KeyTable, KeyedState};

use super::version::NewVersion;
use super::{CallContext, DeadLetter, OperatorSubtask, Outputs, Step};
use crate::services::Services;

use compare::{Comparison, Emitted, fingerprint};
pub use report::{EXAMPLE_BYTES_MAX, ShadowCounts, ShadowExample, ShadowRow};

/// So many broken instances are enough to know, and each of them holds up the stream.
const BROKEN_MAX: u64 = 100;

/// A version that runs beside the live one, and what was found so far.
///
/// It is an operator of its own, which sees each batch right before the live one does, while the live state is what it was before the batch. A key
/// that it meets for the first time is copied from there. A key whose state it has deleted, and the live version has not, is copied again when it
/// comes by.
pub(super) struct Shadow {
    /// `None`: it has ended itself.
    subtask: Option<Box<OperatorSubtask>>,
    comparison: Comparison,
    /// What is still to be run.
    pending: Vec<(u32, Batch)>,
    /// What each of them has emitted of the batch at hand.
    old: Emitted,
    new: Emitted,
    /// Records of the batch at hand that the new version has set aside, and why.
    failed: Vec<(u64, String)>,
}

impl OperatorSubtask {
    /// Runs another version beside this one from the next batch on, between two batches. Nothing that this operator does changes by it, but that it
    /// takes longer; its log says nothing of it. A version that can't take over the state, breaks too often or misses a deadline ends itself, and its
    /// counts say why. `seed` keeps chosen keys from colliding.
    pub fn begin_shadow(&mut self, version: NewVersion, seed: u64) {
        let made = self.shadow_of(version, seed);
        let mut shadow = Shadow {
            subtask: None,
            comparison: Comparison::default(),
            pending: Vec::new(),
            old: Emitted::default(),
            new: Emitted::default(),
            failed: Vec::new(),
        };
        match made {
            Ok(subtask) => shadow.subtask = Some(Box::new(subtask)),
            Err(error) => shadow.end(error.why),
        }
        self.shadow = Some(Box::new(shadow));
        self.watched = Some(Vec::new());
    }

    /// Ends the version beside this one and drops all of it but what was found.
    pub fn end_shadow(&mut self) -> Option<ShadowCounts> {
        self.watched = None;
        self.shadow.take().map(|shadow| shadow.comparison.counts)
    }

    /// What was found so far by the version beside this one, if there is one.
    #[must_use]
    pub fn shadow_counts(&self) -> Option<&ShadowCounts> {
        self.shadow.as_ref().map(|shadow| &shadow.comparison.counts)
    }

    fn shadow_of(&self, version: NewVersion, seed: u64) -> Result<Self> {
        version.check_kind(&self.identity, self.keyed)?;
        let gone = || version.refused(&self.identity, "a call is running");
        let services = self.services.as_ref().ok_or_else(gone)?;
        let state = match services.state.beside(&version.function.states, seed, &|state| version.gives_up(state)) {
            Ok(state) if self.keyed => state,
            Err(error) if self.keyed => return Err(version.refused(&self.identity, error.to_string())),
            _ => KeyedState::new(&[], seed),
        };
        let services = services.beside(state);
        // What this operator would fail on, it sets aside, and goes on: that is what is to be counted.
        let mut shadow = Self::new(version.identity, &version.function, OnError::DeadLetter, version.guest, services);
        shadow.fails_late = true;
        Ok(shadow)
    }
}

impl Shadow {
    /// Takes the batch that the live version begins with.
    pub(super) fn begin(&mut self, input: u32, batch: &Batch) {
        if self.subtask.is_some() && !batch.is_empty() {
            self.pending.push((input, batch.clone()));
        }
    }

    /// Runs what was begun, before the live version does.
    pub(super) fn run(&mut self, live: &mut OperatorSubtask, context: CallContext) {
        for (input, batch) in std::mem::take(&mut self.pending) {
            let rows = batch.len() as u64;
            if let Err(why) = silently(|| self.run_batch(input, batch, live, context)) {
                return self.end(why);
            }
            self.comparison.counts.records += rows;
        }
    }

    fn run_batch(&mut self, input: u32, batch: Batch, live: &mut OperatorSubtask, context: CallContext) -> Result<(), String> {
        let (Some(subtask), Some(services)) = (&mut self.subtask, &mut live.services) else { return Ok(()) };
        let Services { state, .. } = &mut **services;
        // What is on disk is brought into the live table, from which it is copied.
        let mut table = KeyTable::default();
        if live.keyed {
            state.set_time(context.processing_time);
            state.number(&batch, &mut table, &mut Vec::new()).map_err(|error| error.to_string())?;
        }
        subtask.push(input, batch, subtask.call_timeout);
        let mut ran = Ok(Step::More);
        while let Ok(Step::More) = ran {
            let mut outputs = Outputs::default();
            ran = subtask.step_over(live.keyed.then_some(&*state), context, &mut outputs).map_err(|error| error.why);
            self.new.add(&outputs.batches, self.comparison.wants_examples());
            let letters = outputs.dead_letters.into_iter();
            self.failed.extend(
                letters
                    .map(|DeadLetter { input, key, value, timestamp, error, .. }| (fingerprint_of(input, key.as_deref(), &value, timestamp), error)),
            );
            if subtask.counts.broken > BROKEN_MAX {
                ran = Err(format!("its instance broke more than {BROKEN_MAX} times"));
            }
        }
        if live.keyed {
            state.discard(&table);
        }
        self.comparison.copied(subtask.services.as_ref().map(|services| &services.state));
        ran.map(drop)
    }

    /// Tells it that the input has ended.
    pub(super) fn finish(&mut self, context: CallContext) {
        let Some(subtask) = &mut self.subtask else { return };
        let mut outputs = Outputs::default();
        let finished = silently(|| subtask.finish_alone(context, &mut outputs));
        self.new.add(&outputs.batches, self.comparison.wants_examples());
        if let Err(error) = finished {
            self.end(error.why);
        }
    }

    /// Takes what the live version has appended to `outputs`, which were that long before; when it is done with its batch, both are compared.
    pub(super) fn saw(&mut self, outputs: &Outputs, before: usize, set_aside: &mut Vec<u64>, is_done: bool) {
        if self.subtask.is_some() {
            self.old.add(outputs.batches.get(before..).unwrap_or_default(), self.comparison.wants_examples());
            if is_done {
                self.comparison.compare(&self.old, &self.new);
                self.comparison.compare_failed(std::mem::take(&mut self.failed), set_aside);
            }
        }
        if is_done {
            set_aside.clear();
            self.old.clear();
            self.new.clear();
        }
    }

    /// It can't go on.
    fn end(&mut self, why: String) {
        self.subtask = None;
        self.pending.clear();
        self.failed.clear();
        self.comparison.counts.ended = Some(why);
    }
}

/// The fingerprint of a record that was set aside.
pub(super) fn fingerprint_of(input: u32, key: Option<&[u8]>, value: &[u8], timestamp: i64) -> u64 {
    fingerprint(input as usize, key, value, timestamp).row
}

/// Without a log: its lines would be taken for the live version's.
fn silently<T>(run: impl FnOnce() -> T) -> T {
    tracing::dispatcher::with_default(&tracing::Dispatch::none(), run)
}

#[cfg(test)]
mod tests;
