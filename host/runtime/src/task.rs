//! A task: one loop that takes records from a source or a gate, runs them through its chain, and sends what comes out.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use weir_connect::sink::Prepared;
use weir_model::Error;
use weir_model::element::{Barrier, BarrierKind};
use weir_model::fail_point::{FailPoint, pass};
use weir_model::id::CheckpointId;
use weir_model::rows::Batch;
use weir_model::time::SharedClock;

use crate::chain::{Chain, Target};
use crate::command::{Command, Handback, Link, Report, SwapSlot, TaskSwap, next_command};
use crate::exchange::{Cancelled, Outbox};
use crate::gate::{Arrival, InputGate};
use crate::metrics::{NodeMetrics, SubtaskMetrics};
use crate::snapshot::{Part, Pending, SnapshotJob, Timings};
use crate::source_head::SourceHead;

/// How long a partial batch may wait for more records (Flink: `execution.buffer-timeout`, 100 ms there).
pub(crate) const LINGER: Duration = Duration::from_millis(10);

/// Where a task's records come from.
pub(crate) enum Head {
    Source(SourceHead),
    Gate(InputGate),
}

/// One subtask of a chain.
pub(crate) struct Task {
    pub(crate) head: Head,
    pub(crate) chain: Chain,
    /// The nodes of the stages.
    pub(crate) nodes: Vec<usize>,
    /// Its number among the subtasks of each of them.
    pub(crate) subtask: u32,
    pub(crate) clock: SharedClock,
    /// Set when another task has failed: seen between two calls of a guest.
    pub(crate) cancelled: Arc<AtomicBool>,
    pub(crate) checkpoints: Option<Checkpoints>,
    /// Batches that a restored checkpoint has kept, to be worked off before anything else comes.
    pub(crate) restored: Vec<(Target, Batch)>,
}

/// What a task needs to take part in checkpoints.
pub(crate) struct Checkpoints {
    pub(crate) link: Link,
    pending: Pending,
    /// The stages' input was ended, for the last checkpoint.
    drained: bool,
    /// The last barrier has gone through: no record follows.
    is_last: bool,
    /// The job was restored, and no barrier has come since.
    before_first: bool,
    /// New versions of operators, once somebody has put them there.
    swap: SwapSlot,
    /// Stages whose version is on trial.
    on_trial: Vec<usize>,
    /// One of those has failed: nothing is worked on until it is known what becomes of it.
    is_held: bool,
    /// Where state goes when the task is dropped and somebody wants it.
    handback: Arc<Handback>,
}

impl Checkpoints {
    pub(crate) fn new(link: Link, is_restored: bool, swap: SwapSlot, on_trial: Vec<usize>, handback: Arc<Handback>) -> Self {
        let (pending, on_trial) = (Pending::default(), on_trial);
        Self { link, pending, drained: false, is_last: false, before_first: is_restored, swap, on_trial, is_held: false, handback }
    }
}

/// Bytes that may wait in the outboxes of a task while it works on one batch.
const READY_BYTES_MAX: usize = 1 << 20;
/// Frozen rows that are captured between two batches: a fraction of a millisecond.
const CAPTURE_ROWS: usize = 2048;

/// Values that are migrated between two batches: a fraction of a millisecond.
const MIGRATED_VALUES: usize = 1024;

/// How a task ended short of its end.
#[derive(Debug)]
pub(crate) enum TaskError {
    Failed(Error),
    /// Another task failed first.
    Cancelled,
}

impl From<Error> for TaskError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Cancelled> for TaskError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

/// What a task takes in.
pub(crate) enum Event {
    /// Records for the chain behind the source.
    Read {
        batch: Batch,
        /// Nothing comes after them.
        is_last: bool,
    },
    /// Records from another task, for an input of the first stage.
    Received(u32, Batch),
    /// Partial batches have waited long enough.
    Linger,
    /// All barriers of a checkpoint have come, or needn't be waited for.
    Snapshot {
        barrier: Barrier,
        /// What it has overtaken comes later.
        overtakes: bool,
    },
    /// The batches that a barrier has overtaken.
    Overtaken(CheckpointId, Vec<(u32, Batch)>),
    /// The coordinator wants something.
    Command(Command),
    /// There is time to capture frozen rows.
    Capture,
    /// There will be no more.
    End,
    /// Another task failed.
    Cancelled,
    /// The input failed.
    Failed(Error),
}

/// Whether a task goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Go,
    End,
}

impl Task {
    /// Runs until the input ends or the last checkpoint is complete. Without checkpoints, gives what the sinks have, still to be committed.
    pub(crate) async fn run(mut self, nodes: &[NodeMetrics]) -> Result<Vec<(usize, Prepared)>, TaskError> {
        for (target, batch) in std::mem::take(&mut self.restored) {
            self.chain.push(&[target], batch);
            self.pass_on().await?;
        }
        loop {
            // Gives way to other tasks now and then, even when nothing here ever has to wait.
            tokio::task::coop::consume_budget().await;
            let event = self.next().await?;
            match self.handle(event).await {
                Ok(Flow::Go) => {}
                Ok(Flow::End) => break,
                Err(TaskError::Failed(why)) if self.is_on_trial() => self.hold(why),
                Err(error) => return Err(error),
            }
            self.capture()?;
            self.migrate()?;
        }
        let prepared = if self.checkpoints.is_some() {
            Vec::new()
        } else {
            self.drain().await?;
            self.prepare_sinks()?
        };
        for outbox in &mut self.chain.outboxes {
            outbox.end().await?;
        }
        for (stage, node) in self.chain.stages().iter().zip(&self.nodes) {
            let Some(node) = nodes.get(*node) else { continue };
            let mut totals = node.counters.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            stage.counters().into_iter().for_each(|(name, count)| *totals.entry(name).or_default() += count);
        }
        Ok(prepared)
    }

    async fn handle(&mut self, event: Event) -> Result<Flow, TaskError> {
        match event {
            Event::Read { batch, is_last } => {
                self.first_record()?;
                if let Head::Source(source) = &self.head {
                    self.chain.push(&source.targets, batch);
                }
                self.pass_on().await?;
                return if is_last { self.input_ended() } else { Ok(Flow::Go) };
            }
            Event::Received(input, batch) => {
                self.chain.push(&[Target::Stage { stage: 0, input }], batch);
                self.pass_on().await?;
            }
            Event::Linger => {
                self.chain.outboxes.iter_mut().for_each(|outbox| outbox.ready_partials(true));
                self.send().await?;
            }
            Event::Snapshot { barrier, overtakes } => {
                pass(FailPoint::AlignedNotFlushed)?;
                self.snapshot(barrier, overtakes).await?;
            }
            Event::Overtaken(checkpoint, batches) => {
                if let (Some(checkpoints), Head::Gate(gate)) = (&mut self.checkpoints, &self.head) {
                    checkpoints.pending.overtaken(checkpoint, batches, gate.alignment_ms());
                }
            }
            Event::Command(command) => return self.command(command).await,
            Event::Capture => {}
            Event::End => return self.input_ended(),
            Event::Cancelled => return Err(TaskError::Cancelled),
            Event::Failed(error) => return Err(error.into()),
        }
        Ok(Flow::Go)
    }

    async fn command(&mut self, command: Command) -> Result<Flow, TaskError> {
        match (command, &mut self.head) {
            (Command::Finish, _) => {
                pass(FailPoint::StoppedButRunning)?;
                return Ok(Flow::End);
            }
            (Command::Trigger(barrier), Head::Source(source)) => {
                // Whatever the source still has belongs behind the last barrier: to the next run.
                source.ended |= barrier.kind.is_last();
                self.snapshot(barrier, false).await?;
            }
            (Command::Unalign(barrier), Head::Gate(gate)) => gate.unalign(barrier),
            (Command::Trigger(_), Head::Gate(_)) | (Command::Unalign(_), Head::Source(_)) => {}
            (Command::EndTrial, _) => {
                self.chain.end_undo();
                if let Some(checkpoints) = &mut self.checkpoints {
                    checkpoints.on_trial.clear();
                }
            }
            (Command::BeginShadow(versions), _) => self.chain.begin_shadow(versions, &self.nodes, self.clock.monotonic_ns()),
            (Command::EndShadow, _) => {
                let counts = self.chain.end_shadow(&self.nodes);
                if let Some(checkpoints) = &self.checkpoints {
                    checkpoints.link.report(Report::Shadowed(counts));
                }
            }
            (Command::Completed(checkpoint), head) => {
                if let Head::Source(source) = head {
                    source.reader.completed(checkpoint);
                }
                self.chain.completed(checkpoint);
            }
            (Command::Aborted(checkpoint), head) => {
                if let Head::Gate(gate) = head {
                    gate.abort(checkpoint);
                }
                if let Some(checkpoints) = &mut self.checkpoints {
                    checkpoints.pending.aborted(checkpoint);
                }
            }
        }
        Ok(Flow::Go)
    }

    /// The input has ended: without checkpoints the task ends; with them it goes on answering barriers until the last one.
    fn input_ended(&mut self) -> Result<Flow, TaskError> {
        match (&mut self.checkpoints, &mut self.head) {
            (None, _) => Ok(Flow::End),
            (Some(checkpoints), Head::Source(source)) => {
                source.ended = true;
                checkpoints.link.report(Report::SourceEnded(checkpoints.link.task));
                Ok(Flow::Go)
            }
            // With checkpoints no task ends before all have the last barrier, unless the job is being cancelled.
            (Some(_), Head::Gate(_)) => Err(TaskError::Cancelled),
        }
    }

    /// At the barrier of a checkpoint: freezes everything, sends the barrier on, and leaves the rest to be done beside the stream.
    async fn snapshot(&mut self, barrier: Barrier, overtakes: bool) -> Result<(), TaskError> {
        if barrier.kind == BarrierKind::Drain && self.checkpoints.as_ref().is_some_and(|checkpoints| !checkpoints.drained) {
            self.drain().await?;
        }
        // An older snapshot's rows must be captured before newer ones are frozen.
        while self.checkpoints.as_ref().is_some_and(|checkpoints| checkpoints.pending.is_capturing()) {
            self.capture()?;
        }
        let start_ns = self.clock.monotonic_ns();
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(()) };
        let mut parts = Vec::new();
        let mut timings = Timings::default();
        match &mut self.head {
            Head::Source(source) => {
                parts.push(Part::Source(source.reader.position(barrier.checkpoint)?));
                pass(FailPoint::SourcePositionsTaken)?;
            }
            Head::Gate(gate) => timings.alignment_ms = if overtakes { 0 } else { gate.alignment_ms() },
        }
        let since_trigger_ms = u64::try_from(self.clock.wall_ms().saturating_sub(barrier.triggered_ms)).unwrap_or(0);
        timings.start_delay_ms = since_trigger_ms.saturating_sub(timings.alignment_ms);
        let before = parts.len();
        let link = &checkpoints.link;
        // A version that fails on trial can't return before the files of its swap are written.
        let in_haste = barrier.kind == BarrierKind::Swap;
        parts.extend(self.chain.freeze(barrier.checkpoint, |stage| link.take_needs_full(before + stage, in_haste))?);
        pass(FailPoint::SnapshotFrozen)?;
        if barrier.kind == BarrierKind::Swap {
            swap_in(checkpoints, &mut self.chain, &self.nodes, &self.clock)?;
        }
        self.chain.reseed(barrier.checkpoint);
        timings.frozen_at_ns = self.clock.monotonic_ns();
        timings.sync_ns = timings.frozen_at_ns.saturating_sub(start_ns);
        checkpoints.drained |= barrier.kind == BarrierKind::Drain;
        checkpoints.is_last |= barrier.kind.is_last();
        checkpoints.before_first = false;
        checkpoints.pending.begin(SnapshotJob { barrier, parts, in_flight: Vec::new(), timings }, overtakes);
        for outbox in &mut self.chain.outboxes {
            outbox.barrier(barrier).await?;
        }
        pass(FailPoint::BarrierForwarded)?;
        Ok(())
    }

    /// Whether it was a version on trial that has just failed.
    fn is_on_trial(&self) -> bool {
        let on_trial = self.checkpoints.as_ref().map(|checkpoints| checkpoints.on_trial.as_slice()).unwrap_or_default();
        self.chain.failed_stage().is_some_and(|stage| on_trial.contains(&stage))
    }

    /// Works on nothing any more, but for snapshots: the barrier of the swap may still be on its way through other tasks.
    fn hold(&mut self, why: Error) {
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.is_held = true;
            checkpoints.link.report(Report::OnTrialFailed { why });
        }
    }

    /// Brings some values to the schema version of the version that runs, if there are any of older ones.
    fn migrate(&mut self) -> Result<(), TaskError> {
        match self.chain.migrate_some(MIGRATED_VALUES) {
            Err(why) if self.is_on_trial() => self.hold(why),
            migrated => migrated?,
        }
        Ok(())
    }

    /// Captures some frozen rows, if there are any, and hands over what is complete.
    fn capture(&mut self) -> Result<(), TaskError> {
        let Some(checkpoints) = &mut self.checkpoints else { return Ok(()) };
        let Checkpoints { pending, link, .. } = checkpoints;
        if let Some(parts) = pending.capturing() {
            let of_source = usize::from(matches!(self.head, Head::Source(_)));
            let parts = parts.get_mut(of_source..).unwrap_or_default();
            if self.chain.capture(parts, CAPTURE_ROWS) {
                pending.captured();
            }
        }
        while let Some(job) = pending.take_ready() {
            // Nobody writes any more when the job is being cancelled.
            link.jobs.send(job).map_err(|_| TaskError::Cancelled)?;
        }
        Ok(())
    }

    /// Ends the input of every stage in turn.
    async fn drain(&mut self) -> Result<(), TaskError> {
        let mut stage = 0;
        while self.chain.finish(stage)? {
            self.work().await?;
            stage += 1;
        }
        Ok(())
    }

    /// The output of the sinks at the end of a job without checkpoints, by node.
    fn prepare_sinks(&mut self) -> Result<Vec<(usize, Prepared)>, TaskError> {
        let parts = self.chain.freeze(CheckpointId::FIRST, |_| false)?;
        let sink = |(part, node): (Part, &usize)| if let Part::Sink(prepared) = part { Some((*node, prepared)) } else { None };
        Ok(parts.into_iter().zip(&self.nodes).filter_map(sink).collect())
    }

    /// Works off what the chain has got, and sends what is full or what nobody need wait for.
    async fn pass_on(&mut self) -> Result<(), TaskError> {
        self.work().await?;
        self.chain.outboxes.iter_mut().for_each(|outbox| outbox.ready_partials(false));
        self.send().await
    }

    /// Works off everything that the chain has to do, and sends what comes out before much of it waits here.
    async fn work(&mut self) -> Result<(), TaskError> {
        while self.chain.step()? {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(TaskError::Cancelled);
            }
            if self.chain.outboxes.iter().map(Outbox::ready_bytes).sum::<usize>() >= READY_BYTES_MAX {
                self.send().await?;
            }
        }
        Ok(())
    }

    fn first_record(&mut self) -> Result<(), TaskError> {
        if self.checkpoints.as_ref().is_some_and(|checkpoints| checkpoints.before_first) {
            pass(FailPoint::FirstRecordBeforeNextCheckpoint)?;
        }
        Ok(())
    }

    /// The next event. A task that has to wait shows first what its sinks have, and sends what has waited for the linger time.
    async fn next(&mut self) -> Result<Event, TaskError> {
        if let Some(checkpoints) = self.checkpoints.as_mut().filter(|checkpoints| checkpoints.is_held) {
            if checkpoints.pending.is_capturing() {
                return Ok(Event::Capture);
            }
            return next_command(Some(&mut checkpoints.link)).await.map(Event::Command);
        }
        let mut link = self.checkpoints.as_mut().map(|checkpoints| &mut checkpoints.link);
        if let Some(link) = &mut link
            && let Some(command) = link.try_next()?
        {
            return Ok(Event::Command(command));
        }
        let busy_ns = self.clock.monotonic_ns();
        let at_once = match &mut self.head {
            Head::Source(source) => source.next_at_once(link.is_some()).await?,
            Head::Gate(gate) => tokio::select! {
                biased;
                arrival = gate.next() => Some(event_of(arrival)),
                () = ready(()) => None,
            },
        };
        let idle_ns = self.clock.monotonic_ns();
        if let Head::Source(source) = &self.head {
            source.metrics.busy_ns.add(idle_ns.saturating_sub(busy_ns));
        }
        // The sender has ended because it knows already what the next command will say.
        let is_over = self.checkpoints.as_ref().is_some_and(|checkpoints| checkpoints.is_last);
        if let Some(event) = at_once.filter(|event| !(is_over && matches!(event, Event::Cancelled | Event::End))) {
            return Ok(event);
        }
        if self.checkpoints.as_ref().is_some_and(|checkpoints| checkpoints.pending.is_capturing()) || self.chain.is_migrating() {
            // The producer that has just been woken may wait for this very thread, where no other can take it over: without this, a whole capture would hold it up.
            tokio::task::yield_now().await;
            return Ok(Event::Capture);
        }
        self.chain.flush_sinks()?;
        let partial = self.chain.outboxes.iter().any(|outbox| outbox.has_partial());
        let mut link = self.checkpoints.as_mut().map(|checkpoints| &mut checkpoints.link);
        let event = match &mut self.head {
            Head::Source(source) => source.next(partial, link).await?,
            Head::Gate(gate) => loop {
                let event = tokio::select! {
                    biased;
                    command = next_command(link.as_deref_mut()) => Event::Command(command?),
                    arrival = gate.next(), if !gate.is_over() => event_of(arrival),
                    () = tokio::time::sleep(LINGER), if partial => Event::Linger,
                };
                if !(is_over && matches!(event, Event::Cancelled | Event::End)) {
                    break event;
                }
            },
        };
        let waited_ns = self.clock.monotonic_ns().saturating_sub(idle_ns);
        self.metrics().for_each(|metrics| metrics.idle_ns.add(waited_ns));
        Ok(event)
    }

    /// The metrics of every node of the task.
    fn metrics(&self) -> impl Iterator<Item = &SubtaskMetrics> {
        let source = match &self.head {
            Head::Source(source) => Some(&*source.metrics),
            Head::Gate(_) => None,
        };
        source.into_iter().chain(self.chain.stages().iter().map(|stage| &*stage.metrics))
    }

    /// Sends what is ready and counts the time that it waits for room.
    async fn send(&mut self) -> Result<(), TaskError> {
        if !self.chain.outboxes.iter().any(|outbox| outbox.is_ready()) {
            return Ok(());
        }
        let start_ns = self.clock.monotonic_ns();
        for outbox in &mut self.chain.outboxes {
            outbox.drain().await?;
        }
        let waited_ns = self.clock.monotonic_ns().saturating_sub(start_ns);
        self.metrics().for_each(|metrics| metrics.back_pressured_ns.add(waited_ns));
        Ok(())
    }
}

/// Puts new versions into the place of those that have run up to this barrier.
fn swap_in(checkpoints: &mut Checkpoints, chain: &mut Chain, nodes: &[usize], clock: &SharedClock) -> Result<(), TaskError> {
    let start_ns = clock.monotonic_ns();
    let swap = checkpoints.swap.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    if let Some(TaskSwap { versions, on_trial }) = swap {
        if on_trial {
            chain.begin_undo();
        }
        let stages = chain.replace(versions, nodes)?;
        if on_trial {
            checkpoints.on_trial = stages;
        }
        pass(FailPoint::V1Drained)?;
    }
    let held_us = clock.monotonic_ns().saturating_sub(start_ns) / 1000;
    checkpoints.link.report(Report::Swapped { held_us });
    Ok(())
}

impl Drop for Task {
    fn drop(&mut self) {
        let Some(checkpoints) = &self.checkpoints else { return };
        if checkpoints.handback.is_wanted.load(Ordering::Acquire) {
            let mut states = checkpoints.handback.states.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            states.extend(self.chain.take_states(&self.nodes).map(|(node, state)| ((node, self.subtask), state)));
        }
    }
}

fn event_of(arrival: Arrival) -> Event {
    match arrival {
        Arrival::Batch(input, batch) => Event::Received(input, batch),
        Arrival::Snapshot { barrier, overtakes } => Event::Snapshot { barrier, overtakes },
        Arrival::Overtaken(checkpoint, batches) => Event::Overtaken(checkpoint, batches),
        Arrival::End => Event::End,
        Arrival::Cancelled => Event::Cancelled,
        Arrival::Failed(error) => Event::Failed(error),
    }
}
