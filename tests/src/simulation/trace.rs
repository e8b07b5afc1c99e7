//! What happened in a simulation, line by line, and how often what happened.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Something that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Count {
    /// Processes started.
    Processes,
    /// Processes killed.
    Kills,
    /// Processes told to stop, with a checkpoint to go on from.
    Stops,
    /// Processes that ended with an error.
    Failures,
    /// Jobs started beside one that was running.
    SecondOwners,
    /// Restarts inside of a process.
    Restarts,
    /// Checkpoints that were restored.
    Restores,
    /// Checkpoints completed.
    Completed,
    /// Checkpoints failed.
    Failed,
    /// Steps that were made to fail at a fail point.
    Points,
    /// Operations on the store.
    Operations,
    /// Operations that failed and weren't done.
    Errors,
    /// Operations that were done, and whose answer was lost.
    LostResponses,
    /// Operations without an answer that weren't done.
    Silences,
    /// Operations without an answer that were done later, also after the process was gone.
    Late,
    /// Operations that took long.
    Slow,
    /// Listings that broke off.
    BrokenLists,
    /// Operations during an outage.
    Outages,
    /// Files of checkpoints that were left when the job had ended, where faults explain them.
    Garbage,
}

/// A record of one simulation.
#[derive(Debug, Default)]
pub struct Trace {
    lines: Vec<String>,
    /// How often what happened.
    pub counts: BTreeMap<Count, u64>,
}

impl Trace {
    pub(super) fn say(&mut self, at: Duration, what: &str) {
        self.lines.push(format!("{:>10.3} {what}", at.as_secs_f64() * 1e3));
    }

    pub(super) fn count(&mut self, what: Count, more: u64) {
        *self.counts.entry(what).or_default() += more;
    }

    /// All of it; each line begins with its time in milliseconds.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The same for the same trace.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.lines.hash(&mut hasher);
        hasher.finish()
    }
}
