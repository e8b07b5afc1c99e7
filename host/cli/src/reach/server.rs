//! The job's end of its socket: a small task for each connection, none of which can hold the job up.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{RwLock, Semaphore};
use weir_model::time::SharedClock;
use weir_model::{Error, Result};
use weir_runtime::control::{SavepointReport, SwapRequest};
use weir_runtime::{JobControl, live::SwapPhase};

use super::form::{SavepointAsk, Status, SwapAsk, Then};
use super::lines::{LINE_BYTES_MAX, next_line};
use super::message::{Answer, Ask, decode, encode};
use crate::registry::Failure;
use crate::{machine, output};

/// Connections at once.
const CONNECTIONS_MAX: usize = 16;
/// A client that says or reads nothing for so long is hung up on.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a client that waits hears of its request.
const TICK: Duration = Duration::from_millis(200);

/// What somebody has asked for, and got, that explains the end of the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EndedBy {
    /// It was cancelled, perhaps with a savepoint.
    Cancel(Option<String>),
    /// It was stopped with this savepoint.
    Stop(String),
}

/// Where requests for a job are dealt with.
pub(crate) struct Desk {
    control: JobControl,
    clock: SharedClock,
    is_quiet: bool,
    ended_by: Mutex<Option<EndedBy>>,
    /// Held by what is being asked of the job.
    asking: RwLock<()>,
}

impl Desk {
    /// The desk of a job; a quiet one says nothing on standard error of what was asked.
    pub(crate) fn new(control: JobControl, clock: SharedClock, is_quiet: bool) -> Self {
        Self { control, clock, is_quiet, ended_by: Mutex::new(None), asking: RwLock::new(()) }
    }

    /// What explains the end of the job, once it has ended: whatever was asked of it is answered then, at the latest by its end.
    pub(crate) async fn ended_by(&self) -> Option<EndedBy> {
        drop(tokio::time::timeout(PATIENCE, self.asking.write()).await);
        self.ended_by.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_ended_by(&self, ended_by: EndedBy) {
        *self.ended_by.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended_by);
    }

    fn note(&self, text: &str) {
        if !self.is_quiet {
            output::note(&output::printable(text));
        }
    }

    /// Takes a savepoint, and remembers what it means for the job.
    ///
    /// # Errors
    /// As [`JobControl::savepoint`].
    pub(crate) async fn savepoint(&self, ask: SavepointAsk) -> Result<Answer> {
        let (then, _asking) = (ask.then, self.asking.read().await);
        let report =
            self.control.savepoint(ask.into()).await.inspect_err(|error| self.note(&format!("the savepoint that was asked for failed: {error}")))?;
        // Whoever asks works in another folder.
        let report = SavepointReport { location: machine::absolute(&report.location), ..report };
        match then {
            Then::GoOn => self.note(&format!("savepoint {} is in {}", report.checkpoint, report.location)),
            // Where it is, is said when the job has ended.
            Then::Stop | Then::Drain => self.set_ended_by(EndedBy::Stop(report.location.clone())),
            Then::Cancel => self.set_ended_by(EndedBy::Cancel(Some(report.location.clone()))),
        }
        Ok(Answer::Savepoint(report.into()))
    }

    async fn cancel(&self) -> Result<Answer> {
        let _asking = self.asking.read().await;
        self.control.cancel().await?;
        self.set_ended_by(EndedBy::Cancel(None));
        Ok(Answer::Cancelled)
    }

    async fn swap(&self, ask: SwapAsk) -> Result<Answer> {
        let request = SwapRequest::try_from(ask)?;
        let uids = request.uids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let _asking = self.asking.read().await;
        let report = self.control.swap(request).await?;
        self.note(&format!("{uids}: version {} runs since checkpoint {}", report.digest.short(), report.checkpoint));
        Ok(Answer::Swap(Box::new(report.into())))
    }

    fn status(&self) -> Answer {
        Answer::Status(Box::new(Status::of(self.control.status(), self.clock.monotonic_ns())))
    }

    /// How far the job is with what it is asked.
    fn progress(&self) -> Answer {
        let progress = self.control.savepoint_progress().unwrap_or_default();
        let phase = self.control.status().swap.and_then(|swap| match swap.phase {
            SwapPhase::Preparing => Some("the new version is being checked"),
            SwapPhase::Shadow => Some("the new version runs beside the old one"),
            SwapPhase::Barrier => Some("waiting for the barrier of the swap"),
            SwapPhase::Probation(_) => None,
        });
        Answer::Progress { done: progress.done, total: progress.total, phase: phase.map(str::to_owned) }
    }
}

/// Answers whoever connects, until it is dropped.
pub(crate) async fn serve(listener: UnixListener, desk: Arc<Desk>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The process has no file left: others may close theirs.
            tokio::time::sleep(TICK).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&free).try_acquire_owned() else {
            let why = format!("{CONNECTIONS_MAX} commands are waiting for it already");
            let busy = Error::job("the job can't be asked", why, "try again when one of them has ended");
            // There is room for a line in a new socket; whoever is gone doesn't need it.
            drop(stream.try_write(&encode(&Answer::Error(Failure::from(&busy)))));
            continue;
        };
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            converse(stream, &desk).await;
            drop(permit);
        });
    }
}

/// One connection: requests one after another, until the client goes, says what can't be understood, or has been told that the job ends.
async fn converse(mut stream: UnixStream, desk: &Arc<Desk>) {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    while let Some(ask) = next_ask(&mut reader).await {
        let (worker, progress) = (Arc::clone(desk), || desk.progress());
        let ended = match ask {
            Ok(Ask::Status) => send(&mut writer, &desk.status()).await,
            Ok(Ask::Savepoint(ask)) => {
                let ends = ask.then != Then::GoOn;
                long(&mut writer, progress, ends, async move { worker.savepoint(ask).await }).await
            }
            Ok(Ask::Cancel) => long(&mut writer, progress, true, async move { worker.cancel().await }).await,
            Ok(Ask::Swap(ask)) => long(&mut writer, progress, false, async move { worker.swap(ask).await }).await,
            Err(error) => {
                send(&mut writer, &Answer::Error(Failure::from(&error))).await;
                None
            }
        };
        if ended.is_none() {
            return;
        }
    }
}

/// The next request; `None`: the client has gone or hangs.
async fn next_ask(reader: &mut (impl AsyncBufRead + Unpin)) -> Option<Result<Ask>> {
    match tokio::time::timeout(PATIENCE, next_line(reader, LINE_BYTES_MAX)).await.ok()? {
        Ok(line) => line.map(|line| decode(&line)),
        Err(error) => {
            Some(Err(Error::usage("the message on the job's socket can't be read", error.to_string(), "use the `weir` that started the job")))
        }
    }
}

/// Does what takes long in a task of its own, so that it is done even if the client goes, and tells the client how far it is. After a request that ends
/// the job, the client is told that the job is still there until it isn't.
async fn long(
    writer: &mut (impl AsyncWrite + Unpin),
    progress: impl Fn() -> Answer,
    ends_job: bool,
    work: impl Future<Output = Result<Answer>> + Send + 'static,
) -> Option<()> {
    let mut work = tokio::spawn(work);
    let answer = loop {
        tokio::select! {
            biased;
            done = &mut work => break done.unwrap_or_else(|_| Err(lost())),
            () = tokio::time::sleep(TICK) => send(writer, &progress()).await?,
        }
    };
    let goes_on = answer.is_err() || !ends_job;
    send(writer, &answer.unwrap_or_else(|error| Answer::Error(Failure::from(&error)))).await?;
    if goes_on {
        return Some(());
    }
    loop {
        tokio::time::sleep(TICK).await;
        send(writer, &progress()).await?;
    }
}

fn lost() -> Error {
    Error::job("the request", "the job has lost it", "this is a bug of weir: please report it")
}

/// Sends a line; `None`: the client has gone or doesn't read.
async fn send(writer: &mut (impl AsyncWrite + Unpin), answer: &Answer) -> Option<()> {
    let mut line = encode(answer);
    if line.len() > LINE_BYTES_MAX {
        let error = Error::job("the answer of the job", format!("it has {} bytes, more than a line may have", line.len()), "look with `weir info`");
        line = encode(&Answer::Error(Failure::from(&error)));
    }
    tokio::time::timeout(PATIENCE, writer.write_all(&line)).await.ok()?.ok()
}

#[cfg(test)]
mod tests;
