//! The pieces that wait for readers, shared by them, and how more of them are found.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use weir_model::Result;
use weir_model::id::CheckpointId;
use weir_model::time::SharedClock;

use super::paths::{self, LookUp, PathPattern};
use super::splits::{Rest, Split, Splits};
use crate::source::bad_input::OnBadInput;

/// The longest that a reader waits before it looks at the clock again.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// The shortest: a timer is no finer than that.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// What the readers of a source take their pieces from.
#[derive(Debug)]
pub(super) struct SplitQueue {
    splits: Mutex<Splits>,
    discovery: Option<Discovery>,
    /// Tells readers that wait of new pieces.
    grown: Notify,
}

impl SplitQueue {
    pub(super) fn new(splits: Splits, discovery: Option<Discovery>) -> Self {
        Self { splits: Mutex::new(splits), discovery, grown: Notify::new() }
    }

    /// Takes the next piece for a reader.
    pub(super) fn take(&self, reader: usize) -> Option<Split> {
        self.splits().take(reader)
    }

    /// A reader passes a barrier: see [`Splits::pass`].
    pub(super) fn pass(&self, reader: usize, checkpoint: CheckpointId) -> Option<Rest> {
        self.splits().pass(reader, checkpoint)
    }

    /// Whether files may still be found.
    pub(super) fn may_grow(&self) -> bool {
        self.discovery.is_some()
    }

    /// Looks for new files when it is time, or waits until it is, or until another reader has found some.
    pub(super) async fn grow(&self) -> Result<()> {
        let Some(discovery) = &self.discovery else { return Ok(()) };
        let mut grown = pin!(self.grown.notified());
        // What another reader finds from here on wakes this one.
        grown.as_mut().enable();
        if !self.splits().is_empty() {
            return Ok(());
        }
        match discovery.begin() {
            Ok(()) => {
                let found = paths::find(&discovery.base, &discovery.patterns, discovery.on_bad_input, LookUp::Again)?;
                if self.splits().add(found.files) {
                    self.grown.notify_waiters();
                }
            }
            Err(wait) => drop(tokio::time::timeout(wait, grown).await),
        }
        Ok(())
    }

    fn splits(&self) -> MutexGuard<'_, Splits> {
        // Nothing can panic while the lock is held.
        self.splits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looking for files again and again.
pub(super) struct Discovery {
    pub(super) base: PathBuf,
    pub(super) patterns: Vec<PathPattern>,
    pub(super) on_bad_input: OnBadInput,
    pub(super) interval: Duration,
    pub(super) clock: SharedClock,
    /// When to look next, by the clock.
    pub(super) due_ns: AtomicU64,
}

impl std::fmt::Debug for Discovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discovery").field("patterns", &self.patterns).field("interval", &self.interval).finish_non_exhaustive()
    }
}

impl Discovery {
    /// Whether it is time to look, which only the first to ask is told; else how long to wait.
    fn begin(&self) -> Result<(), Duration> {
        let (now_ns, due_ns) = (self.clock.monotonic_ns(), self.due_ns.load(Ordering::Relaxed));
        let next_ns = now_ns.saturating_add(u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX));
        if now_ns >= due_ns && self.due_ns.compare_exchange(due_ns, next_ns, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return Ok(());
        }
        Err(Duration::from_nanos(due_ns.saturating_sub(now_ns)).clamp(WAIT_MIN, WAIT_MAX))
    }
}
