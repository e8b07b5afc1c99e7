//! The nodes that share a task: a batch goes through all of them before the next one is taken.

use std::sync::Arc;

use weir_connect::sink::SinkWriter;
use weir_model::describe::Port;
use weir_model::id::CheckpointId;
use weir_model::rows::{Batch, NO_TIMESTAMP};
use weir_model::time::SharedClock;
use weir_model::{Error, Result};
use weir_plugin::{CallContext, NewVersion, OperatorSubtask, Outputs, ShadowCounts, Step};
use weir_state::{KeyedState, SnapshotScope};

use crate::dead_letter::dead_letter_record;
use crate::exchange::Outbox;
use crate::metrics::SubtaskMetrics;
use crate::snapshot::Part;

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
    Operator { subtask: Box<OperatorSubtask>, inputs: Vec<Port>, dead_letter_output: Option<usize> },
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
    stages: Vec<Stage>,
    pub(crate) outboxes: Vec<Outbox>,
    clock: SharedClock,
    /// What is still to be done for the batch at hand, the next thing last.
    todo: Vec<Todo>,
    outputs: Outputs,
    /// The stage that has failed.
    failed: Option<usize>,
    /// Stages with values of older schema versions that can be migrated.
    migrating: Vec<usize>,
}

enum Todo {
    /// A batch on its way.
    Deliver(Target, Batch),
    /// An operator that isn't done with its batch.
    Resume(usize),
}

impl Chain {
    pub(crate) fn new(stages: Vec<Stage>, outboxes: Vec<Outbox>, clock: SharedClock) -> Self {
        let migrating = (0..stages.len()).collect();
        Self { stages, outboxes, clock, todo: Vec::new(), outputs: Outputs::default(), failed: None, migrating }
    }

    /// The stage that has failed, by its place.
    pub(crate) fn failed_stage(&self) -> Option<usize> {
        self.failed
    }

    pub(crate) fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Takes a batch for everything behind `targets`, to be worked off by [`Self::step`].
    pub(crate) fn push(&mut self, targets: &[Target], batch: Batch) {
        fan_out(targets, batch, &mut self.todo);
    }

    /// Does one piece of work: a guest's call, or handing a batch on. Whatever leaves the task waits in its outbox; whoever calls this sends it before
    /// too much waits. `false`: nothing is left to do.
    ///
    /// Depth first, in order: a consumer sees batches in the order in which its producer made them, and what one call made is on its way before the
    /// next call.
    ///
    /// # Errors
    /// When a stage fails; the job is over then.
    pub(crate) fn step(&mut self) -> Result<bool> {
        let Some(todo) = self.todo.pop() else { return Ok(false) };
        match todo {
            Todo::Deliver(Target::Outbox(at), batch) => {
                if let Some(outbox) = self.outboxes.get_mut(at) {
                    outbox.push(batch);
                }
            }
            Todo::Deliver(Target::Stage { stage: at, input }, batch) => {
                if let Some(stage) = self.stages.get_mut(at)
                    && stage.take(&self.clock, input, batch)?
                {
                    self.todo.push(Todo::Resume(at));
                }
            }
            Todo::Resume(at) => {
                let Some(stage) = self.stages.get_mut(at) else { return Ok(true) };
                let step = stage.resume(&self.clock, &mut self.outputs).inspect_err(|_| self.failed = Some(at))?;
                if step == Step::More {
                    self.todo.push(Todo::Resume(at));
                }
                stage.take_outputs(&mut self.outputs, &mut self.todo)?;
            }
        }
        Ok(true)
    }

    /// Ends the input of the stage at `at`: what it still emits is to be worked off before the next stage is ended. `false`: there is no such stage.
    ///
    /// # Errors
    /// When the stage fails.
    pub(crate) fn finish(&mut self, at: usize) -> Result<bool> {
        let Some(stage) = self.stages.get_mut(at) else { return Ok(false) };
        stage.finish(&self.clock, &mut self.outputs).inspect_err(|_| self.failed = Some(at))?;
        stage.take_outputs(&mut self.outputs, &mut self.todo)?;
        Ok(true)
    }

    /// Freezes what each stage has, as its part of a checkpoint. `full` says of a stage, by its place, whether everything is to be written.
    ///
    /// # Errors
    /// When a sink can't write.
    pub(crate) fn freeze(&mut self, checkpoint: CheckpointId, mut full: impl FnMut(usize) -> bool) -> Result<Vec<Part>> {
        self.stages.iter_mut().enumerate().map(|(at, stage)| stage.freeze(checkpoint, || full(at))).collect()
    }

    /// What guests see of chance follows from this checkpoint from now on.
    pub(crate) fn reseed(&mut self, checkpoint: CheckpointId) {
        self.operators().for_each(|(_, subtask, _)| subtask.reseed(checkpoint.0));
    }

    /// Captures some frozen rows for `parts`, which belong to the stages in order. `true`: all of them are captured.
    pub(crate) fn capture(&mut self, parts: &mut [Part], rows_max: usize) -> bool {
        for (stage, part) in self.stages.iter_mut().zip(parts) {
            if let (Work::Operator { subtask, .. }, Part::Keyed(_, captured @ None)) = (&mut stage.work, part) {
                *captured = subtask.state_mut().and_then(|state| state.capture(rows_max));
                // One stage a slice; the last one says whether that is all.
                if captured.is_none() {
                    return false;
                }
            }
        }
        true
    }

    fn operators(&mut self) -> impl Iterator<Item = (usize, &mut OperatorSubtask, &mut Vec<Port>)> {
        self.stages.iter_mut().enumerate().filter_map(|(at, stage)| match &mut stage.work {
            Work::Operator { subtask, inputs, .. } => Some((at, &mut **subtask, inputs)),
            Work::Sink(_) => None,
        })
    }

    /// Keeps what there is, so that everything from now on can be undone.
    pub(crate) fn begin_undo(&mut self) {
        self.operators().filter_map(|(_, subtask, _)| subtask.state_mut()).for_each(KeyedState::begin_undo);
    }

    /// Forgets that.
    pub(crate) fn end_undo(&mut self) {
        self.operators().filter_map(|(_, subtask, _)| subtask.state_mut()).for_each(KeyedState::end_undo);
    }

    /// Puts new versions, by node, into the place of those that run; gives their stages. `nodes` are those of the stages.
    ///
    /// # Errors
    /// When the state doesn't fit a new version: nobody has looked before.
    pub(crate) fn replace(&mut self, versions: Vec<(usize, NewVersion)>, nodes: &[usize]) -> Result<Vec<usize>> {
        let mut replaced = Vec::new();
        for (node, version) in versions {
            let Some(at) = nodes.iter().position(|own| *own == node) else { continue };
            if let Some((_, subtask, inputs)) = self.operators().find(|(stage, ..)| *stage == at) {
                inputs.clone_from(&version.function.inputs);
                subtask.replace(version)?;
                replaced.push(at);
            }
        }
        self.migrating.clone_from(&replaced);
        Ok(replaced)
    }

    /// Lets new versions, by node, run beside those that run.
    pub(crate) fn begin_shadow(&mut self, versions: Vec<(usize, NewVersion)>, nodes: &[usize], seed: u64) {
        for (node, version) in versions {
            if let Some(at) = nodes.iter().position(|own| *own == node)
                && let Some((_, subtask, _)) = self.operators().find(|(stage, ..)| *stage == at)
            {
                subtask.begin_shadow(version, seed);
            }
        }
    }

    /// Ends that; gives what has come of it, by node.
    pub(crate) fn end_shadow(&mut self, nodes: &[usize]) -> Vec<(usize, ShadowCounts)> {
        let ended = self.operators().filter_map(|(at, subtask, _)| Some((*nodes.get(at)?, subtask.end_shadow()?)));
        ended.collect()
    }

    /// Brings some values to the schema version of the functions that run.
    ///
    /// # Errors
    /// When one of them can't be, and the operator's policy is to fail.
    pub(crate) fn migrate_some(&mut self, values_max: usize) -> Result<()> {
        let Some(at) = self.migrating.last().copied() else { return Ok(()) };
        let migrated = match self.stages.get_mut(at).map(|stage| &mut stage.work) {
            Some(Work::Operator { subtask, .. }) => subtask.migrate_some(values_max),
            Some(Work::Sink(_)) | None => Ok(false),
        };
        if !migrated.inspect_err(|_| self.failed = Some(at))? {
            self.migrating.pop();
        }
        Ok(())
    }

    /// Whether there may be values of older schema versions that nobody has looked at.
    pub(crate) fn is_migrating(&self) -> bool {
        !self.migrating.is_empty()
    }

    /// The state of each keyed operator, by node; nothing can be done with the chain after that.
    pub(crate) fn take_states(&mut self, nodes: &[usize]) -> impl Iterator<Item = (usize, KeyedState)> {
        let state = |(stage, node): (Stage, &usize)| match stage.work {
            Work::Operator { subtask, .. } => Some((*node, subtask.into_state()?)),
            Work::Sink(_) => None,
        };
        std::mem::take(&mut self.stages).into_iter().zip(nodes).filter_map(state)
    }

    /// Tells the sinks that a checkpoint is complete.
    pub(crate) fn completed(&mut self, checkpoint: CheckpointId) {
        for stage in &mut self.stages {
            if let Work::Sink(writer) = &mut stage.work {
                writer.completed(checkpoint);
            }
        }
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
fn fan_out(targets: &[Target], batch: Batch, todo: &mut Vec<Todo>) {
    let Some((first, others)) = targets.split_first() else { return };
    todo.extend(others.iter().rev().map(|target| Todo::Deliver(*target, batch.clone())));
    todo.push(Todo::Deliver(*first, batch));
}

fn call_context(clock: &SharedClock) -> CallContext {
    CallContext { watermark: NO_TIMESTAMP, processing_time: clock.wall_ms() }
}

impl Stage {
    /// Takes a batch. A sink is done with it at once; an operator (`true`) wants to be resumed.
    fn take(&mut self, clock: &SharedClock, input: u32, batch: Batch) -> Result<bool> {
        self.metrics.records_in.add(batch.len() as u64);
        self.metrics.bytes_in.add(batch.bytes().len() as u64);
        match &mut self.work {
            Work::Operator { subtask, .. } => {
                subtask.begin(input, batch);
                Ok(true)
            }
            Work::Sink(writer) => {
                let start_ns = clock.monotonic_ns();
                writer.write(&batch)?;
                self.metrics.records_out.add(batch.len() as u64);
                self.metrics.bytes_out.add(batch.bytes().len() as u64);
                self.note(clock, start_ns);
                Ok(false)
            }
        }
    }

    /// Makes an operator's next call.
    fn resume(&mut self, clock: &SharedClock, outputs: &mut Outputs) -> Result<Step> {
        let start_ns = clock.monotonic_ns();
        let step = match &mut self.work {
            Work::Operator { subtask, .. } => subtask.step(call_context(clock), outputs)?,
            Work::Sink(_) => Step::Done,
        };
        let call_ns = clock.monotonic_ns().saturating_sub(start_ns);
        if call_ns > self.metrics.call_max_ns.get() {
            self.metrics.call_max_ns.set(call_ns);
        }
        self.note(clock, start_ns);
        Ok(step)
    }

    fn finish(&mut self, clock: &SharedClock, outputs: &mut Outputs) -> Result<()> {
        let start_ns = clock.monotonic_ns();
        match &mut self.work {
            Work::Operator { subtask, .. } => subtask.finish(call_context(clock), outputs)?,
            Work::Sink(writer) => writer.flush()?,
        }
        self.note(clock, start_ns);
        Ok(())
    }

    /// The stage's part of a checkpoint: from here on it changes only what is behind the barrier.
    fn freeze(&mut self, checkpoint: CheckpointId, full: impl FnOnce() -> bool) -> Result<Part> {
        match &mut self.work {
            Work::Sink(writer) => writer.prepare(checkpoint).map(Part::Sink),
            Work::Operator { subtask, .. } => Ok(match subtask.state_mut() {
                None => Part::Stateless,
                Some(state) => {
                    let scope = if full() { SnapshotScope::Full } else { SnapshotScope::Changes };
                    Part::Keyed(state.freeze(scope), None)
                }
            }),
        }
    }

    /// Brings the metrics up to date after a piece of work.
    fn note(&self, clock: &SharedClock, start_ns: u64) {
        self.metrics.busy_ns.add(clock.monotonic_ns().saturating_sub(start_ns));
        if let Work::Operator { subtask, .. } = &self.work {
            let counts = subtask.counts();
            self.metrics.skipped.set(counts.skipped);
            self.metrics.dead_letters.set(counts.dead_letters);
            self.metrics.broken_instances.set(counts.broken);
            self.metrics.recycled_instances.set(counts.recycled);
            self.metrics.keys.set(subtask.keys() as u64);
        }
    }

    /// Moves outputs to where they go next, the first one last.
    fn take_outputs(&self, outputs: &mut Outputs, todo: &mut Vec<Todo>) -> Result<()> {
        let mut batches = std::mem::take(&mut outputs.batches);
        for (_, batch) in &batches {
            self.metrics.records_out.add(batch.len() as u64);
            self.metrics.bytes_out.add(batch.bytes().len() as u64);
        }
        if let Work::Operator { inputs, dead_letter_output: Some(output), .. } = &self.work {
            for letter in outputs.dead_letters.drain(..) {
                batches.push((*output, dead_letter_record(&letter, inputs.get(letter.input as usize))?));
            }
        }
        for (output, batch) in batches.drain(..).rev() {
            if let Some(targets) = self.targets.get(output) {
                fan_out(targets, batch, todo);
            }
        }
        // Its room is used again.
        outputs.batches = batches;
        Ok(())
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
