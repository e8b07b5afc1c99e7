//! A job that this process runs, for others to find.

use std::io;

use tokio::net::UnixListener;
use weir_model::{Error, Result};

use super::folder::RunFolder;
use super::process::stamp;
use super::record::{Ended, Record};
use super::socket;

/// The registration of a job that runs.
#[derive(Debug)]
pub(crate) struct Registration {
    folder: RunFolder,
    record: Record,
}

impl Registration {
    /// Registers a job of this process; whoever connects to it comes through the listener.
    ///
    /// # Errors
    /// When there is no room or no right to do so.
    pub(crate) fn new(folder: RunFolder, mut record: Record) -> Result<(Self, UnixListener)> {
        let failed = |error: io::Error| {
            let what = format!("the job can't be registered in {}", folder.path().display());
            Error::job(what, error.to_string(), "make room there, or set WEIR_RUN_DIR to another folder")
        };
        record.process = stamp(record.pid).unwrap_or_default();
        // The socket is first: what is registered answers.
        let name = RunFolder::socket_name(&record.id);
        let listener = socket::listen(folder.path(), &name).map_err(failed)?;
        folder.write(&record).map_err(failed).inspect_err(|_| folder.remove(&name))?;
        Ok((Self { folder, record }, listener))
    }

    /// Says how the job ended; only the first word counts.
    pub(crate) fn end(&mut self, ended: Ended) {
        if self.record.ended.is_none() {
            self.record.ended = Some(ended);
            // On a full disk it will be taken for killed, which can't be helped.
            drop(self.folder.write(&self.record));
            self.folder.remove(&RunFolder::socket_name(&self.record.id));
        }
    }
}
