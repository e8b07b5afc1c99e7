//! A task: one loop that takes records from a source or a gate, runs them through its chain, and sends what comes out.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use weir_connect::sink::SinkWriter;
use weir_connect::source::{BatchLimit, SourceReader, SourceStatus};
use weir_model::rows::{Batch, BatchBuilder};
use weir_model::time::SharedClock;
use weir_model::{Error, Result};

use crate::chain::{Chain, Target};
use crate::exchange::{BATCH_BYTES, BATCH_ROWS, Cancelled, Outbox};
use crate::gate::{Arrival, InputGate};
use crate::metrics::{NodeMetrics, SubtaskMetrics};

/// How long a partial batch may wait for more records (Flink: `execution.buffer-timeout`, 100 ms there).
pub(crate) const LINGER: Duration = Duration::from_millis(10);

/// Where a task's records come from.
pub(crate) enum Head {
    Source(SourceHead),
    Gate(InputGate),
}

/// A source at the head of a chain.
pub(crate) struct SourceHead {
    pub(crate) reader: Box<SourceReader>,
    pub(crate) targets: Vec<Target>,
    pub(crate) metrics: Arc<SubtaskMetrics>,
    pub(crate) stop: watch::Receiver<bool>,
    /// The reader has said that there is no more.
    pub(crate) ended: bool,
}

/// One subtask of a chain.
pub(crate) struct Task {
    pub(crate) head: Head,
    pub(crate) chain: Chain,
    /// The nodes of the stages, for their counters at the end.
    pub(crate) nodes: Vec<usize>,
    pub(crate) clock: SharedClock,
    /// Set when another task has failed: seen between two calls of a guest.
    pub(crate) cancelled: Arc<AtomicBool>,
}

/// Bytes that may wait in the outboxes of a task while it works on one batch.
const READY_BYTES_MAX: usize = 1 << 20;

/// How a task ended short of its end.
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
enum Event {
    /// Records for the chain behind the source.
    Read(Batch),
    /// Records from another task, for an input of the first stage.
    Received(u32, Batch),
    /// Partial batches have waited long enough.
    Linger,
    /// There will be no more.
    End,
    /// Another task failed.
    Cancelled,
}

impl Task {
    /// Runs until the input ends; gives the sinks' writers, whose output is complete.
    pub(crate) async fn run(mut self, nodes: &[NodeMetrics]) -> Result<Vec<SinkWriter>, TaskError> {
        loop {
            // Gives way to other tasks now and then, even when nothing here ever has to wait.
            tokio::task::coop::consume_budget().await;
            match self.next().await? {
                Event::Read(batch) => {
                    if let Head::Source(source) = &self.head {
                        self.chain.push(&source.targets, batch);
                    }
                }
                Event::Received(input, batch) => self.chain.push(&[Target::Stage { stage: 0, input }], batch),
                Event::Linger => self.chain.outboxes.iter_mut().for_each(|outbox| outbox.ready_partials(true)),
                Event::End => break,
                Event::Cancelled => return Err(TaskError::Cancelled),
            }
            self.work().await?;
            self.chain.outboxes.iter_mut().for_each(|outbox| outbox.ready_partials(false));
            self.send().await?;
        }
        let mut stage = 0;
        while self.chain.finish(stage)? {
            self.work().await?;
            stage += 1;
        }
        for outbox in &mut self.chain.outboxes {
            outbox.end().await?;
        }
        for (stage, node) in self.chain.stages().iter().zip(&self.nodes) {
            let Some(node) = nodes.get(*node) else { continue };
            let mut totals = node.counters.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            stage.counters().into_iter().for_each(|(name, count)| *totals.entry(name).or_default() += count);
        }
        Ok(self.chain.into_writers())
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

    /// The next event. A task that has to wait shows first what its sinks have, and sends what has waited for the linger time.
    async fn next(&mut self) -> Result<Event, TaskError> {
        let busy_ns = self.clock.monotonic_ns();
        let at_once = match &mut self.head {
            Head::Source(source) => source.next_at_once().await?,
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
        if let Some(event) = at_once {
            return Ok(event);
        }
        self.chain.flush_sinks()?;
        let partial = self.chain.outboxes.iter().any(|outbox| outbox.has_partial());
        let event = match &mut self.head {
            Head::Source(source) => source.next(partial).await?,
            Head::Gate(gate) => tokio::select! {
                biased;
                arrival = gate.next() => event_of(arrival),
                () = tokio::time::sleep(LINGER), if partial => Event::Linger,
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

fn event_of(arrival: Arrival) -> Event {
    match arrival {
        Arrival::Batch(input, batch) => Event::Received(input, batch),
        Arrival::End => Event::End,
        Arrival::Cancelled => Event::Cancelled,
    }
}

impl SourceHead {
    /// What the source has without waiting; `None` when it would have to wait.
    async fn next_at_once(&mut self) -> Result<Option<Event>, TaskError> {
        if self.ended || *self.stop.borrow() {
            return Ok(Some(Event::End));
        }
        let mut builder = BatchBuilder::with_capacity(READ_BYTES + READ_BYTES / 4);
        let status = tokio::select! {
            biased;
            status = self.reader.next(&mut builder, LIMIT) => Some(status?),
            () = ready(()) => None,
        };
        Ok(self.event(builder, status))
    }

    /// Waits for records, for the order to stop, or, if there are partial batches, for the end of the linger time.
    async fn next(&mut self, partial: bool) -> Result<Event, TaskError> {
        let mut builder = BatchBuilder::default();
        let status = tokio::select! {
            biased;
            status = self.reader.next(&mut builder, LIMIT) => Some(status?),
            changed = self.stop.changed() => match changed {
                Ok(()) => Some(SourceStatus::End),
                // Nobody holds the job any more: this is no end of the input.
                Err(_) => return Err(TaskError::Cancelled),
            },
            () = tokio::time::sleep(LINGER), if partial => None,
        };
        Ok(self.event(builder, status).unwrap_or(Event::Linger))
    }

    /// What a read means. A reader that was interrupted has left what it had in the builder.
    fn event(&mut self, mut builder: BatchBuilder, status: Option<SourceStatus>) -> Option<Event> {
        let progress = self.reader.progress();
        self.metrics.skipped.set(progress.records_skipped);
        self.metrics.bytes_in.set(progress.bytes_read);
        if !builder.is_empty() {
            self.metrics.records_out.add(builder.len() as u64);
            self.metrics.bytes_out.add(builder.byte_len() as u64);
            self.ended |= matches!(status, Some(SourceStatus::End));
            return Some(Event::Read(builder.take()));
        }
        match status {
            Some(SourceStatus::End) => Some(Event::End),
            Some(SourceStatus::More) | None => None,
        }
    }
}

const LIMIT: BatchLimit = BatchLimit { rows: BATCH_ROWS, bytes: READ_BYTES };

/// Bytes that a source reads before its records go on.
const READ_BYTES: usize = BATCH_BYTES / 4;
