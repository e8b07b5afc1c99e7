//! How long a store is given: every operation has a deadline, and until then passing faults are tried again.

use std::time::Duration;

use object_store::Error;
use tokio::time::{Instant, sleep_until, timeout_at};

/// A pause of which nobody needs to know.
const SILENT_MAX: Duration = Duration::from_secs(1);

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
    /// For the first time that a store is spoken to: one that doesn't answer then is more likely misnamed than down.
    pub(super) fn at_first(&self) -> Self {
        Self { deadline: self.deadline.min(Duration::from_secs(15)), try_timeout: self.try_timeout.min(Duration::from_secs(10)), ..*self }
    }

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
    pub(super) fn may_pass(&self, error: &Error) -> bool {
        self.is_retried && matches!(error, Error::Generic { .. } | Error::JoinError { .. }) && !is_refusal(error)
    }
}

/// Whether the server has said that the request is wrong: an HTTP status from 400 to 499 but those that ask for patience. The client gives no type for it,
/// only this text.
fn is_refusal(error: &dyn std::error::Error) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.filter_map(|error| error.to_string().split_once("non-2xx status code: ").map(|(_, status)| status.to_owned())).any(|status| {
        let is_client_error = status.starts_with('4');
        is_client_error && !["408", "409", "425", "429"].iter().any(|passing| status.starts_with(passing))
    })
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
        let pause_ms = self.pause.as_millis() as u64;
        if self.pause < SILENT_MAX {
            tracing::debug!(%error, pause_ms, "the checkpoint store failed, trying again");
        } else {
            tracing::warn!(%error, pause_ms, "the checkpoint store still fails, trying again");
        }
        sleep_until(next).await;
        self.pause = (self.pause * 2).min(self.patience.pause_max);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_refuses_is_not_tried_again() {
        let check = |text: &str, may_pass: bool| {
            let error = Error::Generic { store: "S3", source: std::io::Error::other(text.to_owned()).into() };
            assert_eq!(Patience::default().may_pass(&error), may_pass, "{text}");
        };
        check("Server returned non-2xx status code: 404 Not Found: NoSuchBucket", false);
        check("Error performing PUT in 3 ms - Server returned non-2xx status code: 403 Forbidden: ", false);
        check("Server returned non-2xx status code: 429 Too Many Requests: ", true);
        check("Server returned non-2xx status code: 503 Slow Down: ", true);
        check("connection reset", true);
    }
}
