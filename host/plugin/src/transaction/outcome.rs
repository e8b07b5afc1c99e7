//! What becomes of a batch: its outputs, and what was counted.

use weir_model::rows::Batch;

use super::DeadLetter;

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
    /// Values of older schema versions that were migrated.
    pub migrated: u64,
    /// Values of older schema versions that couldn't be migrated: the records of their keys are set aside. A value counts once, as long as there
    /// aren't too many to remember.
    pub unmigratable: u64,
}

/// Whether a batch is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is more to do for the batch at hand.
    More,
    /// The batch is done.
    Done,
}
