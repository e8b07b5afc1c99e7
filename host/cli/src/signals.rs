//! SIGINT and SIGTERM as events.

use tokio::signal::unix::{Signal, SignalKind, signal};
use weir_model::{Error, Result};

/// The two signals that ask a job to end.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes both over from the operating system, which would end the process at once.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub(crate) fn take() -> Result<Self> {
        let failed = |error: std::io::Error| Error::job("the job can't start", format!("it can't listen to signals: {error}"), "free some resources");
        Ok(Self { interrupt: signal(SignalKind::interrupt()).map_err(failed)?, terminate: signal(SignalKind::terminate()).map_err(failed)? })
    }

    /// Waits for the next one; gives its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
