//! How long a store is given: every operation has a deadline, and until then passing faults are tried again.

use std::time::Duration;

use object_store::Error;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Deadlines and pauses of the operations of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long an operation may take, with all its tries.
    pub deadline: Duration,
    /// How long one try may take.
    pub try_timeout: Duration,
    /// The pause after the first failed try; it doubles.
    pub pause: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// Whether a fault may pass: on a local disk none does.
    pub is_retried: bool,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            deadline: Duration::from_mins(2),
            try_timeout: Duration::from_secs(30),
            pause: Duration::from_millis(100),
            pause_max: Duration::from_secs(10),
            is_retried: true,
        }
    }
}

impl Patience {
    /// For a local disk: a fault there doesn't pass, and trying again hides it.
    #[must_use]
    pub fn local() -> Self {
        Self { is_retried: false, ..Self::default() }
    }

    /// For an operation over so many bytes: one more second for each MiB.
    pub(super) fn for_bytes(&self, bytes: usize) -> Self {
        let deadline = self.deadline.saturating_add(Duration::from_secs((bytes >> 20) as u64));
        Self { deadline, try_timeout: deadline, ..*self }
    }

    /// Tries until it works, fails for good, or the deadline has passed.
    pub(super) async fn keep_trying<T, F: Future<Output = Result<T, Error>>>(&self, mut operation: impl FnMut() -> F) -> Result<T, Error> {
        let mut tries = self.begin();
        loop {
            match tries.once(operation()).await {
                Err(error) if self.may_pass(&error) => tries.pause(error).await?,
                result => return result,
            }
        }
    }

    /// Starts the clock of one operation.
    pub(super) fn begin(&self) -> Tries {
        Tries { patience: *self, deadline: Instant::now() + self.deadline, pause: self.pause }
    }

    /// Whether trying again may help.
    pub(super) const fn may_pass(&self, error: &Error) -> bool {
        self.is_retried && matches!(error, Error::Generic { .. } | Error::JoinError { .. })
    }
}

/// The tries of one operation.
#[derive(Debug)]
pub(super) struct Tries {
    patience: Patience,
    deadline: Instant,
    pause: Duration,
}

impl Tries {
    /// One try, which ends in time.
    pub(super) async fn once<T>(&self, operation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let until = self.deadline.min(Instant::now() + self.patience.try_timeout);
        let late = |_| Error::Generic { store: "store", source: "it didn't answer in time".into() };
        timeout_at(until, operation).await.map_err(late)?
    }

    /// Waits before the next try; the error comes back when there is no time for one.
    pub(super) async fn pause(&mut self, error: Error) -> Result<(), Error> {
        let next = Instant::now() + self.pause;
        if next >= self.deadline {
            return Err(error);
        }
        tracing::debug!(%error, pause_ms = self.pause.as_millis() as u64, "the checkpoint store failed, trying again");
        sleep_until(next).await;
        self.pause = (self.pause * 2).min(self.patience.pause_max);
        Ok(())
    }
}
