//! The nodes that share a task: a batch goes through all of them before the next one is taken.

use std::sync::Arc;

use weir_connect::sink::SinkWriter;
use weir_model::describe::Port;
use weir_model::rows::{Batch, NO_TIMESTAMP};
use weir_model::time::SharedClock;
use weir_model::{Error, Result};
use weir_plugin::{CallContext, OperatorSubtask, Outputs};

use crate::dead_letter::push_dead_letter;
use crate::exchange::Outbox;
use crate::metrics::SubtaskMetrics;

/// Where a node's output goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// To a stage of the same chain, by its place, into one of its inputs.
    Stage { stage: usize, input: u32 },
    /// To an outbox of the task, by its place.
    Outbox(usize),
}

/// What a stage does.
pub(crate) enum Work {
    Operator { subtask: OperatorSubtask, inputs: Vec<Port>, dead_letter_output: Option<usize> },
    Sink(SinkWriter),
}

/// One node of a chain.
pub(crate) struct Stage {
    pub(crate) work: Work,
    pub(crate) metrics: Arc<SubtaskMetrics>,
    /// By output port.
    pub(crate) targets: Vec<Vec<Target>>,
}

/// All stages of one subtask of a chain, and the outboxes behind them.
pub(crate) struct Chain {
    pub(crate) stages: Vec<Stage>,
    pub(crate) outboxes: Vec<Outbox>,
    pub(crate) clock: SharedClock,
}

impl Chain {
    /// Takes a batch through everything behind `targets`. Whatever leaves the task waits in its outbox.
    ///
    /// # Errors
    /// When a stage fails; the job is over then.
    pub(crate) fn push(&mut self, targets: &[Target], batch: Batch) -> Result<()> {
        // Depth first, in order: a consumer sees batches in the order in which its producer made them.
        let mut todo: Vec<(Target, Batch)> = Vec::new();
        fan_out(targets, batch, &mut todo);
        let mut outputs = Outputs::default();
        while let Some((target, batch)) = todo.pop() {
            match target {
                Target::Outbox(at) => {
                    if let Some(outbox) = self.outboxes.get_mut(at) {
                        outbox.push(batch);
                    }
                }
                Target::Stage { stage, input } => {
                    let Some(stage) = self.stages.get_mut(stage) else { continue };
                    stage.run(&self.clock, input, batch, &mut outputs)?;
                    stage.take_outputs(&mut outputs, &mut todo);
                }
            }
        }
        Ok(())
    }

    /// Ends the input of every stage, in order, and closes the sinks.
    ///
    /// # Errors
    /// When a stage fails.
    pub(crate) fn finish(&mut self) -> Result<()> {
        for at in 0..self.stages.len() {
            let mut outputs = Outputs::default();
            let mut todo = Vec::new();
            if let Some(stage) = self.stages.get_mut(at) {
                stage.finish(&self.clock, &mut outputs)?;
                stage.take_outputs(&mut outputs, &mut todo);
            }
            while let Some((target, batch)) = todo.pop() {
                self.push(&[target], batch)?;
            }
        }
        Ok(())
    }

    /// Makes what the sinks have so far visible; for when the task is about to wait.
    ///
    /// # Errors
    /// When a sink can't write.
    pub(crate) fn flush_sinks(&mut self) -> Result<()> {
        self.stages.iter_mut().try_for_each(|stage| match &mut stage.work {
            Work::Sink(writer) => writer.flush(),
            Work::Operator { .. } => Ok(()),
        })
    }
}

/// A batch for each of several targets, the first one last, because the list is taken from its end.
fn fan_out(targets: &[Target], batch: Batch, todo: &mut Vec<(Target, Batch)>) {
    let Some((first, others)) = targets.split_first() else { return };
    todo.extend(others.iter().rev().map(|target| (*target, batch.clone())));
    todo.push((*first, batch));
}

fn call_context(clock: &SharedClock) -> CallContext {
    CallContext { watermark: NO_TIMESTAMP, processing_time: clock.wall_ms() }
}

impl Stage {
    fn run(&mut self, clock: &SharedClock, input: u32, batch: Batch, outputs: &mut Outputs) -> Result<()> {
        self.metrics.records_in.add(batch.len() as u64);
        self.metrics.bytes_in.add(batch.bytes().len() as u64);
        let start_ns = clock.monotonic_ns();
        match &mut self.work {
            Work::Operator { subtask, .. } => subtask.process(input, batch, call_context(clock), outputs)?,
            Work::Sink(writer) => {
                writer.write(&batch)?;
                self.metrics.records_out.add(batch.len() as u64);
                self.metrics.bytes_out.add(batch.bytes().len() as u64);
            }
        }
        self.note(clock, start_ns);
        Ok(())
    }

    fn finish(&mut self, clock: &SharedClock, outputs: &mut Outputs) -> Result<()> {
        let start_ns = clock.monotonic_ns();
        match &mut self.work {
            Work::Operator { subtask, .. } => subtask.finish(call_context(clock), outputs)?,
            Work::Sink(writer) => writer.finish()?,
        }
        self.note(clock, start_ns);
        Ok(())
    }

    /// Brings the metrics up to date after a piece of work.
    fn note(&self, clock: &SharedClock, start_ns: u64) {
        self.metrics.busy_ns.add(clock.monotonic_ns().saturating_sub(start_ns));
        if let Work::Operator { subtask, .. } = &self.work {
            let counts = subtask.counts();
            self.metrics.skipped.set(counts.skipped);
            self.metrics.dead_letters.set(counts.dead_letters);
            self.metrics.broken_instances.set(counts.broken);
            self.metrics.keys.set(subtask.keys() as u64);
        }
    }

    /// Moves outputs to where they go next, the first one last.
    fn take_outputs(&self, outputs: &mut Outputs, todo: &mut Vec<(Target, Batch)>) {
        let mut batches: Vec<(usize, Batch)> = outputs.batches.drain(..).collect();
        for (_, batch) in &batches {
            self.metrics.records_out.add(batch.len() as u64);
            self.metrics.bytes_out.add(batch.bytes().len() as u64);
        }
        if let Work::Operator { inputs, dead_letter_output: Some(output), .. } = &self.work {
            let mut rows = Vec::new();
            outputs.dead_letters.drain(..).for_each(|letter| push_dead_letter(&letter, inputs.first(), &mut rows));
            if let Ok(batch) = Batch::from_bytes(rows) {
                batches.push((*output, batch));
            }
        }
        for (output, batch) in batches.into_iter().rev().filter(|(_, batch)| !batch.is_empty()) {
            if let Some(targets) = self.targets.get(output) {
                fan_out(targets, batch, todo);
            }
        }
    }

    /// The operator's own counters.
    pub(crate) fn counters(&self) -> Vec<(String, u64)> {
        match &self.work {
            Work::Operator { subtask, .. } => subtask.counters().map(|(name, total)| (name.to_owned(), total)).collect(),
            Work::Sink(_) => Vec::new(),
        }
    }
}

/// A mistake of weir itself, said as such.
pub(crate) fn bug(what: impl Into<String>, why: impl Into<String>) -> Error {
    Error::job(what, why, "this is a bug of weir: please report it with the job file")
}
