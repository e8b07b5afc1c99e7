//! The other end: finds a job, asks it, and waits for what it says.

use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::runtime::Builder as RuntimeBuilder;
use weir_model::{Error, Result};

use super::form::Status;
use super::lines::{LINE_BYTES_MAX, next_line};
use super::message::{Answer, Ask, decode, encode};
use crate::machine::{self, Machine};
use crate::registry::{self, Record, RunFolder, Wanted};

/// A job that says nothing for so long doesn't answer: it tells every moment that it is there.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a command that talks to jobs.
///
/// # Errors
/// What it fails with.
pub(crate) fn run<T>(command: impl Future<Output = Result<T>>) -> Result<T> {
    let failed = |error: std::io::Error| Error::job("the command can't start", error.to_string(), "free some resources");
    let runtime = RuntimeBuilder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(command)
}

/// A job that was found.
pub(crate) struct Found {
    /// Where it is registered.
    pub(crate) folder: RunFolder,
    /// What is known of it.
    pub(crate) record: Record,
}

/// All jobs of this user, with the folder in which they are registered; `None`: there never was one.
///
/// # Errors
/// When the folder can't be used.
pub(crate) async fn known_jobs(machine: &Machine) -> Result<Option<(RunFolder, Vec<Record>)>> {
    let Some(folder) = RunFolder::open(&machine::run_dir())? else { return Ok(None) };
    let jobs = registry::jobs(&folder, machine.clock.wall_ms()).await?;
    Ok(Some((folder, jobs)))
}

impl Found {
    /// The job that `text` names.
    ///
    /// # Errors
    /// When there is no such job, or more than one.
    pub(crate) async fn look(text: &str, wanted: Wanted, machine: &Machine) -> Result<Self> {
        let Some((folder, jobs)) = known_jobs(machine).await? else { return Err(registry::find(text, wanted, &[]).err().unwrap_or_else(gone)) };
        let record = registry::find(text, wanted, &jobs)?.clone();
        Ok(Self { folder, record })
    }

    /// What is known of the job once its process has said that it has ended, or is gone.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub(crate) async fn after(&self, machine: &Machine) -> Result<Record> {
        let jobs = registry::jobs(&self.folder, machine.clock.wall_ms()).await?;
        Ok(jobs.into_iter().find(|job| job.id == self.record.id).unwrap_or_else(|| self.record.clone()))
    }
}

/// A connection to a job that runs.
pub(crate) struct Client {
    stream: BufReader<UnixStream>,
    name: String,
}

/// The running job that `text` names, and a connection to it.
///
/// # Errors
/// When there is no such job, or it doesn't answer.
pub(crate) async fn running(text: &str, machine: &Machine) -> Result<(Found, Client)> {
    let found = Found::look(text, Wanted::Running, machine).await?;
    let client = Client::connect(&found.folder, &found.record).await?;
    Ok((found, client))
}

impl Client {
    /// Connects to a job.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub(crate) async fn connect(folder: &RunFolder, record: &Record) -> Result<Self> {
        let name = format!("job {} ({})", record.id.short(), record.name);
        match registry::connect(folder.path(), &RunFolder::socket_name(&record.id)).await {
            Ok(stream) => Ok(Self { stream: BufReader::new(stream), name }),
            Err(error) => Err(Error::job(name, format!("it doesn't answer: {error}"), format!("look whether process {} is well", record.pid))),
        }
    }

    /// Asks for something.
    pub(crate) async fn ask(&mut self, ask: &Ask) {
        // A job that has hung up may have said why: whoever waits for the answer learns it.
        drop(self.stream.get_mut().write_all(&encode(ask)).await);
    }

    /// What the job says next; `None`: it has ended.
    ///
    /// # Errors
    /// The error that it tells, and when it says nothing for long.
    pub(crate) async fn next(&mut self) -> Result<Option<Answer>> {
        let silent = || Error::job(self.name.clone(), "it says nothing", "look whether its process is stopped or its terminal is");
        match tokio::time::timeout(PATIENCE, next_line(&mut self.stream, LINE_BYTES_MAX)).await.map_err(|_| silent())? {
            Ok(Some(line)) => match decode(&line)? {
                Answer::Error(failure) => Err(failure.into()),
                answer => Ok(Some(answer)),
            },
            // Its process may have ended with something of ours unread.
            Ok(None) | Err(_) => Ok(None),
        }
    }

    /// Waits for an answer, and shows how far the job is in the meantime.
    ///
    /// # Errors
    /// As [`Self::next`], and when the job ends without an answer.
    pub(crate) async fn answer<T>(&mut self, mut show: impl FnMut(u64, u64, Option<&str>), take: impl Fn(Answer) -> Option<T>) -> Result<T> {
        while let Some(answer) = self.next().await? {
            if let Answer::Progress { done, total, phase } = answer {
                show(done, total, phase.as_deref());
            } else if let Some(taken) = take(answer) {
                return Ok(taken);
            } else {
                return Err(Error::job(self.name.clone(), "it answered something else", "use the `weir` that started the job"));
            }
        }
        Err(Error::job(self.name.clone(), "it ended before it answered", "`weir list --all` shows how"))
    }

    /// How the job is.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub(crate) async fn status(&mut self) -> Result<Status> {
        self.ask(&Ask::Status).await;
        self.answer(|_, _, _| (), |answer| if let Answer::Status(status) = answer { Some(*status) } else { None }).await
    }

    /// Waits until the job has ended.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub(crate) async fn until_end(&mut self) -> Result<()> {
        while self.next().await?.is_some() {}
        Ok(())
    }
}

fn gone() -> Error {
    Error::job("the job", "it has gone away", "`weir list --all` shows the jobs that are known")
}

#[cfg(test)]
mod tests;
