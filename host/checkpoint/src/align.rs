//! Alignment of barriers at the gate of a task: when to snapshot, whom to hold back, which records are in flight.

use std::collections::{BTreeMap, BTreeSet};

use weir_model::element::Barrier;
use weir_model::id::CheckpointId;

#[cfg(test)]
mod tests;

/// How a gate treats barriers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlignMode {
    /// A channel that the barrier has come through is held back until all have it: exactly once.
    Aligned,
    /// No channel is held back: at least once.
    AtLeastOnce,
    /// As `Aligned` until [`Aligner::unalign`]: then the snapshot is taken at once, nobody is held back, and what still comes before a
    /// channel's barrier is in flight.
    Unaligned,
}

/// What is to be done, in the order of the fields. Mostly nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use]
pub struct AlignStep {
    /// Drop this older checkpoint: a newer barrier has come before it was complete.
    pub cancel: Option<CheckpointId>,
    /// Freeze now and pass the barrier on.
    pub snapshot: Option<Barrier>,
    /// All barriers have come: nothing is in flight any more, the task's part of this checkpoint is whole. Without an unaligned
    /// snapshot this comes together with it.
    pub complete: Option<Aligned>,
}

/// A checkpoint whose barriers have all come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aligned {
    /// The checkpoint.
    pub checkpoint: CheckpointId,
    /// From the first barrier (or the unaligned snapshot) to the last.
    pub alignment_ms: u64,
}

impl AlignStep {
    /// Nothing to be done.
    pub const WAIT: Self = Self { cancel: None, snapshot: None, complete: None };
}

/// Aborted checkpoints that a gate remembers: more than can be under way at once.
const ABORTED_MAX: usize = 1024;

/// A checkpoint some of whose barriers have come.
#[derive(Debug)]
struct Pending {
    barrier: Barrier,
    arrived: BTreeSet<usize>,
    begun_ms: u64,
    is_snapshotted: bool,
}

/// The barriers of one gate.
#[derive(Debug)]
pub struct Aligner {
    channels: usize,
    mode: AlignMode,
    ended: BTreeSet<usize>,
    /// By number. Only at-least-once has more than one.
    pending: BTreeMap<CheckpointId, Pending>,
    /// Everything up to here is over: complete, or dropped for something newer.
    over: CheckpointId,
    /// Aborted ones that are newer than `over`.
    aborted: BTreeSet<CheckpointId>,
}

impl Aligner {
    /// For a gate of so many channels, numbered from 0.
    #[must_use]
    pub const fn new(channels: usize, mode: AlignMode) -> Self {
        Self { channels, mode, ended: BTreeSet::new(), pending: BTreeMap::new(), over: CheckpointId(0), aborted: BTreeSet::new() }
    }

    /// A barrier has come through a channel.
    pub fn barrier(&mut self, channel: usize, barrier: Barrier, now_ms: u64) -> AlignStep {
        if channel >= self.channels || self.is_over(barrier.checkpoint) {
            return AlignStep::WAIT;
        }
        let cancel = self.make_way(barrier.checkpoint);
        self.pending_of(barrier, now_ms).arrived.insert(channel);
        let step = self.whole(now_ms);
        AlignStep { cancel: cancel.or(step.cancel), ..step }
    }

    /// A channel has ended: it counts as if every barrier had come through it.
    pub fn ended(&mut self, channel: usize, now_ms: u64) -> AlignStep {
        if channel >= self.channels {
            return AlignStep::WAIT;
        }
        self.ended.insert(channel);
        self.whole(now_ms)
    }

    /// The coordinator doesn't want to wait for the barriers of this checkpoint. Does nothing at a gate that isn't unaligned, nor after the snapshot.
    pub fn unalign(&mut self, barrier: Barrier, now_ms: u64) -> AlignStep {
        let is_known = self.pending.get(&barrier.checkpoint).is_some_and(|pending| pending.is_snapshotted);
        if self.mode != AlignMode::Unaligned || is_known || self.is_over(barrier.checkpoint) {
            return AlignStep::WAIT;
        }
        let cancel = self.make_way(barrier.checkpoint);
        self.pending_of(barrier, now_ms).is_snapshotted = true;
        let complete = self.whole(now_ms).complete;
        AlignStep { cancel, snapshot: Some(barrier), complete }
    }

    /// The coordinator has given a checkpoint up: nobody is held back for it, and its barriers don't count any more.
    pub fn abort(&mut self, checkpoint: CheckpointId) {
        self.pending.remove(&checkpoint);
        if checkpoint > self.over {
            self.aborted.insert(checkpoint);
        }
        if self.aborted.len() > ABORTED_MAX
            && let Some(oldest) = self.aborted.pop_first()
        {
            self.over_up_to(oldest);
        }
    }

    /// Whether nothing may be taken from this channel now.
    #[must_use]
    pub fn is_blocked(&self, channel: usize) -> bool {
        self.mode != AlignMode::AtLeastOnce
            && !self.ended.contains(&channel)
            && self.pending.values().any(|pending| !pending.is_snapshotted && pending.arrived.contains(&channel))
    }

    /// Whether a record that comes through this channel now belongs to the checkpoint whose snapshot was taken before it.
    #[must_use]
    pub fn records_in_flight(&self, channel: usize) -> bool {
        channel < self.channels
            && !self.ended.contains(&channel)
            && self.pending.values().any(|pending| pending.is_snapshotted && !pending.arrived.contains(&channel))
    }

    /// The checkpoint whose in-flight records are being collected.
    #[must_use]
    pub fn collecting(&self) -> Option<CheckpointId> {
        self.pending.values().find(|pending| pending.is_snapshotted).map(|pending| pending.barrier.checkpoint)
    }

    fn is_over(&self, checkpoint: CheckpointId) -> bool {
        checkpoint <= self.over || self.aborted.contains(&checkpoint) || self.newest_aligning().is_some_and(|newest| checkpoint < newest)
    }

    /// A gate that holds channels back works at one checkpoint only: an older one is over.
    fn newest_aligning(&self) -> Option<CheckpointId> {
        if self.mode == AlignMode::AtLeastOnce { None } else { self.pending.keys().next_back().copied() }
    }

    fn make_way(&mut self, checkpoint: CheckpointId) -> Option<CheckpointId> {
        let older = self.newest_aligning().filter(|older| *older < checkpoint)?;
        self.pending.remove(&older);
        self.over_up_to(older);
        Some(older)
    }

    fn pending_of(&mut self, barrier: Barrier, now_ms: u64) -> &mut Pending {
        let begin = || Pending { barrier, arrived: BTreeSet::new(), begun_ms: now_ms, is_snapshotted: false };
        self.pending.entry(barrier.checkpoint).or_insert_with(begin)
    }

    /// Takes out the newest checkpoint whose barriers have all come, and what is older with it.
    fn whole(&mut self, now_ms: u64) -> AlignStep {
        let is_whole = |pending: &&Pending| (0..self.channels).all(|channel| pending.arrived.contains(&channel) || self.ended.contains(&channel));
        let Some(checkpoint) = self.pending.values().rev().find(is_whole).map(|pending| pending.barrier.checkpoint) else {
            return AlignStep::WAIT;
        };
        let Some(pending) = self.pending.remove(&checkpoint) else { return AlignStep::WAIT };
        let older = self.pending.range(..checkpoint).next_back().map(|(older, _)| *older);
        self.over_up_to(checkpoint);
        AlignStep {
            cancel: older,
            snapshot: (!pending.is_snapshotted).then_some(pending.barrier),
            complete: Some(Aligned { checkpoint, alignment_ms: now_ms.saturating_sub(pending.begun_ms) }),
        }
    }

    fn over_up_to(&mut self, checkpoint: CheckpointId) {
        self.over = self.over.max(checkpoint);
        self.pending = self.pending.split_off(&self.over.next());
        self.aborted = self.aborted.split_off(&self.over.next());
    }
}
