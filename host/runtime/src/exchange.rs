//! The output of a task: batches are scattered over the subtasks of the consumer, cut, and sent as room allows.

use std::collections::VecDeque;

use weir_model::element::{Barrier, Element};
use weir_model::id::{Parallelism, SubtaskIndex};
use weir_model::key_group::{KeyGroup, MaxParallelism, hash_key};
use weir_model::rows::{Batch, BatchBuilder};

use crate::gate::ElementSender;

/// A batch is full with this many records …
pub(crate) const BATCH_ROWS: usize = 2048;
/// … or this many bytes.
pub(crate) const BATCH_BYTES: usize = 256 * 1024;

/// The receiving task went away: the job is being cancelled.
#[derive(Debug)]
pub(crate) struct Cancelled;

/// How records are spread over the targets.
#[derive(Debug)]
pub(crate) enum Scatter {
    /// To the one target.
    One,
    /// By key group: `owners` has the subtask of each.
    Hash { max_parallelism: MaxParallelism, owners: Vec<SubtaskIndex> },
    /// A batch to each target in turn.
    Rebalance,
}

/// The sending end of one connection of one subtask.
#[derive(Debug)]
pub(crate) struct Outbox {
    scatter: Scatter,
    targets: Vec<Target>,
    next: usize,
    ready: VecDeque<(usize, Batch)>,
}

#[derive(Debug)]
struct Target {
    sender: ElementSender,
    partial: BatchBuilder,
}

impl Scatter {
    /// By key group to that many subtasks.
    pub(crate) fn hash(max_parallelism: MaxParallelism, parallelism: Parallelism) -> Self {
        let owners = (0..max_parallelism.get()).map(|group| max_parallelism.subtask(KeyGroup(group), parallelism)).collect();
        Self::Hash { max_parallelism, owners }
    }
}

impl Outbox {
    pub(crate) fn new(scatter: Scatter, senders: Vec<ElementSender>) -> Self {
        let targets = senders.into_iter().map(|sender| Target { sender, partial: BatchBuilder::default() }).collect();
        Self { scatter, targets, next: 0, ready: VecDeque::new() }
    }

    /// Takes a batch; nothing is sent before [`Self::drain`].
    pub(crate) fn push(&mut self, batch: Batch) {
        match &self.scatter {
            Scatter::One => self.push_to(0, batch),
            Scatter::Hash { .. } if self.targets.len() == 1 => self.push_to(0, hashed(batch)),
            Scatter::Hash { max_parallelism, owners } => {
                let batch = hashed(batch);
                for (row, hash) in batch.iter().zip(batch.hashes()) {
                    let group = max_parallelism.key_group(*hash);
                    let Some(at) = owners.get(group.0 as usize).map(|owner| owner.as_usize()) else { continue };
                    let Some(target) = self.targets.get_mut(at) else { continue };
                    target.partial.push_hashed(&row, *hash);
                    if is_full(&target.partial) {
                        self.ready.push_back((at, target.partial.take()));
                    }
                }
            }
            Scatter::Rebalance => {
                let at = self.next;
                self.next = (at + 1) % self.targets.len().max(1);
                self.push_to(at, batch);
            }
        }
    }

    /// Sends a batch of some size as it is; gathers small ones.
    fn push_to(&mut self, at: usize, batch: Batch) {
        let Some(target) = self.targets.get_mut(at) else { return };
        if target.partial.is_empty() && batch.len() >= BATCH_ROWS / 2 {
            self.ready.push_back((at, batch));
            return;
        }
        target.partial.push_batch(&batch);
        if is_full(&target.partial) {
            self.ready.push_back((at, target.partial.take()));
        }
    }

    /// Whether something is ready to be sent.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Bytes that are ready to be sent.
    pub(crate) fn ready_bytes(&self) -> usize {
        self.ready.iter().map(|(_, batch)| batch.bytes().len()).sum()
    }

    /// Whether something waits to become a full batch.
    pub(crate) fn has_partial(&self) -> bool {
        self.targets.iter().any(|target| !target.partial.is_empty())
    }

    /// Makes partial batches ready: those whose consumer has nothing else to do, or all of them.
    pub(crate) fn ready_partials(&mut self, all: bool) {
        for (at, target) in self.targets.iter_mut().enumerate().filter(|(_, target)| !target.partial.is_empty()) {
            if all || target.sender.capacity() == target.sender.max_capacity() {
                self.ready.push_back((at, target.partial.take()));
            }
        }
    }

    /// Sends what is ready, waiting for room.
    pub(crate) async fn drain(&mut self) -> Result<(), Cancelled> {
        while let Some((at, batch)) = self.ready.pop_front() {
            if let Some(target) = self.targets.get(at) {
                target.sender.send(Element::Batch(batch)).await.map_err(|_| Cancelled)?;
            }
        }
        Ok(())
    }

    /// Sends everything, then the barrier to every target.
    pub(crate) async fn barrier(&mut self, barrier: Barrier) -> Result<(), Cancelled> {
        self.mark(&Element::Barrier(barrier)).await
    }

    /// Sends everything, then the end of the stream.
    pub(crate) async fn end(&mut self) -> Result<(), Cancelled> {
        self.mark(&Element::End).await
    }

    async fn mark(&mut self, mark: &Element) -> Result<(), Cancelled> {
        self.ready_partials(true);
        self.drain().await?;
        for target in &self.targets {
            target.sender.send(mark.clone()).await.map_err(|_| Cancelled)?;
        }
        Ok(())
    }
}

fn is_full(partial: &BatchBuilder) -> bool {
    partial.len() >= BATCH_ROWS || partial.byte_len() >= BATCH_BYTES
}

fn hashed(batch: Batch) -> Batch {
    if batch.hashes().len() == batch.len() {
        return batch;
    }
    let hashes = batch.iter().map(|row| hash_key(row.key.unwrap_or_default())).collect();
    batch.with_hashes(hashes)
}
