//! The input of a task: one bounded channel per producing subtask, read in turn, held back where a barrier has come.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

use tokio::sync::mpsc::{Receiver, Sender, channel};
use weir_checkpoint::align::{AlignStep, Aligner};
use weir_model::element::{Barrier, Element};
use weir_model::fail_point::{FailPoint, pass};
use weir_model::id::CheckpointId;
use weir_model::rows::Batch;
use weir_model::time::SharedClock;
use weir_model::{Error, Result};

/// Batches that may wait in one channel: the credit of its producer.
const CHANNEL_BATCHES: usize = 4;

/// One end of a channel.
pub(crate) type ElementSender = Sender<Element>;

/// A channel of the job.
pub(crate) fn element_channel() -> (ElementSender, Receiver<Element>) {
    channel(CHANNEL_BATCHES)
}

/// The channels into one task.
pub(crate) struct InputGate {
    channels: Vec<InputChannel>,
    next: usize,
    aligner: Aligner,
    /// Batches that an unaligned barrier has overtaken so far.
    in_flight: Vec<(u32, Batch)>,
    /// Arrivals that one element has brought about together.
    ready: VecDeque<Arrival>,
    /// The end was given, of one kind or the other.
    over: bool,
    clock: SharedClock,
    alignment_ms: u64,
}

#[derive(Debug)]
struct InputChannel {
    receiver: Receiver<Element>,
    /// The input port of the chain's head.
    input: u32,
    ended: bool,
    /// Batches that were taken in ahead of their turn, so that the barrier behind them gets through.
    ahead: VecDeque<Batch>,
}

/// What a gate gives.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Records for an input port.
    Batch(u32, Batch),
    /// It is time for the snapshot of this checkpoint.
    Snapshot {
        barrier: Barrier,
        /// The batches that it has overtaken come later, with `Overtaken`.
        overtakes: bool,
    },
    /// All batches that the barrier of this checkpoint has overtaken have come: here they are.
    Overtaken(CheckpointId, Vec<(u32, Batch)>),
    /// All producers have ended.
    End,
    /// A producer went away without ending: the job is being cancelled.
    Cancelled,
    /// A test made a step fail.
    Failed(Error),
}

impl InputGate {
    /// A gate over these channels, each with the input port of the chain's head that it leads to.
    pub(crate) fn new(channels: Vec<(Receiver<Element>, u32)>, aligner: Aligner, clock: SharedClock) -> Self {
        let channel = |(receiver, input)| InputChannel { receiver, input, ended: false, ahead: VecDeque::new() };
        Self {
            channels: channels.into_iter().map(channel).collect(),
            next: 0,
            aligner,
            in_flight: Vec::new(),
            ready: VecDeque::new(),
            over: false,
            clock,
            alignment_ms: 0,
        }
    }

    /// Whether nothing will come any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// From the first barrier of the checkpoint that was last aligned to its last.
    pub(crate) fn alignment_ms(&self) -> u64 {
        self.alignment_ms
    }

    fn now_ms(&self) -> u64 {
        self.clock.monotonic_ns() / 1_000_000
    }

    /// The next element of any channel. Losing the future loses nothing.
    pub(crate) async fn next(&mut self) -> Arrival {
        let arrival = poll_fn(|context| self.poll_next(context)).await;
        self.over |= matches!(arrival, Arrival::End | Arrival::Cancelled);
        arrival
    }

    /// Doesn't wait for the barrier of a checkpoint any longer.
    pub(crate) fn unalign(&mut self, barrier: Barrier) {
        let step = self.aligner.unalign(barrier, self.now_ms());
        self.took(step);
    }

    /// A checkpoint has failed: nothing is held back for it.
    pub(crate) fn abort(&mut self, checkpoint: CheckpointId) {
        self.aligner.abort(checkpoint);
        // A snapshot that the task hasn't taken yet would wait for its batches for ever.
        self.ready.retain(|arrival| !matches!(arrival, Arrival::Snapshot { barrier, .. } if barrier.checkpoint == checkpoint));
        if self.aligner.collecting().is_none() {
            self.in_flight.clear();
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Arrival> {
        if self.aligner.collecting().is_some() {
            self.take_ahead(context);
        }
        let count = self.channels.len();
        let mut at = self.next;
        let mut quiet = 0;
        while self.ready.is_empty() && quiet < count {
            match self.poll_channel(at, context) {
                // The same channel goes on until it has a batch: barriers and ends are no turn.
                Poll::Ready(Some(arrival)) => {
                    self.next = (at + 1) % count.max(1);
                    return Poll::Ready(arrival);
                }
                Poll::Ready(None) => quiet = 0,
                Poll::Pending => {
                    quiet += 1;
                    at = (at + 1) % count.max(1);
                }
            }
        }
        match self.ready.pop_front() {
            Some(arrival) => Poll::Ready(arrival),
            None if self.channels.iter().all(|channel| channel.ended) => Poll::Ready(Arrival::End),
            None => Poll::Pending,
        }
    }

    /// The next batch of one channel; `None`: something else came of it, and there may be more.
    fn poll_channel(&mut self, at: usize, context: &mut Context<'_>) -> Poll<Option<Arrival>> {
        let Some(channel) = self.channels.get_mut(at).filter(|_| !self.aligner.is_blocked(at)) else { return Poll::Pending };
        if let Some(batch) = channel.ahead.pop_front() {
            return Poll::Ready(Some(Arrival::Batch(channel.input, batch)));
        }
        if channel.ended {
            return Poll::Pending;
        }
        match channel.receiver.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(Some(Arrival::Cancelled)),
            Poll::Ready(Some(Element::Batch(batch))) => {
                if self.aligner.records_in_flight(at) {
                    self.in_flight.push((channel.input, batch.clone()));
                }
                Poll::Ready(Some(Arrival::Batch(channel.input, batch)))
            }
            Poll::Ready(Some(other)) => {
                self.took_marker(at, &other);
                Poll::Ready(None)
            }
        }
    }

    /// While batches are recorded: takes in everything up to the barriers, so that neither they nor their senders wait for the work on what lies
    /// before them.
    fn take_ahead(&mut self, context: &mut Context<'_>) {
        for at in 0..self.channels.len() {
            while self.aligner.records_in_flight(at) {
                let Some(channel) = self.channels.get_mut(at).filter(|channel| !channel.ended) else { break };
                match channel.receiver.poll_recv(context) {
                    Poll::Ready(Some(Element::Batch(batch))) => {
                        self.in_flight.push((channel.input, batch.clone()));
                        channel.ahead.push_back(batch);
                    }
                    Poll::Ready(Some(other)) => self.took_marker(at, &other),
                    Poll::Ready(None) => {
                        self.ready.push_back(Arrival::Cancelled);
                        return;
                    }
                    Poll::Pending => break,
                }
            }
        }
    }

    fn took_marker(&mut self, at: usize, element: &Element) {
        let step = match element {
            Element::Batch(_) => return,
            Element::Barrier(barrier) => {
                if let Err(error) = barrier_came() {
                    self.ready.push_back(Arrival::Failed(error));
                    return;
                }
                self.aligner.barrier(at, *barrier, self.now_ms())
            }
            Element::End => {
                if let Some(channel) = self.channels.get_mut(at) {
                    channel.ended = true;
                }
                self.aligner.ended(at, self.now_ms())
            }
        };
        self.took(step);
    }

    fn took(&mut self, step: AlignStep) {
        if let Some(cancelled) = step.cancel {
            self.in_flight.clear();
            self.ready.push_back(Arrival::Overtaken(cancelled, Vec::new()));
        }
        // What was taken in ahead of its turn, for an older checkpoint, lies before this one's barrier, and its snapshot doesn't hold it.
        if step.snapshot.is_some() {
            let ahead = self.channels.iter().flat_map(|channel| channel.ahead.iter().map(|batch| (channel.input, batch.clone())));
            self.in_flight = ahead.collect();
        }
        // Said with the snapshot, because the last barrier may come before the task has taken it.
        let overtakes = step.complete.is_none() || !self.in_flight.is_empty();
        let overtook = step.snapshot.is_none() || overtakes;
        self.ready.extend(step.snapshot.map(|barrier| Arrival::Snapshot { barrier, overtakes }));
        if let Some(aligned) = step.complete {
            self.alignment_ms = aligned.alignment_ms;
            let batches = std::mem::take(&mut self.in_flight);
            self.ready.extend(overtook.then_some(Arrival::Overtaken(aligned.checkpoint, batches)));
        }
    }
}

fn barrier_came() -> Result<()> {
    pass(FailPoint::BarrierOnOneInput)
}
