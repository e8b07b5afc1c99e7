//! Standard input as a source: a thread of its own reads it, so that no task ever blocks on it.

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::sync::mpsc;
use weir_model::codec::Codec;
use weir_model::id::{OperatorUid, Parallelism};
use weir_model::rows::BatchBuilder;
use weir_model::section::Section;
use weir_model::{Error, Result};

use super::bad_input::{BadRecord, OnBadInput};
use super::file::{take_line_bytes_max, take_line_format};
use super::lines::{LineFormat, LineScanner, Take};
use super::position::StdinPosition;
use super::{BARREN_BYTES_MAX, BatchLimit, SourceProgress, SourceStatus, source_error};

/// Bytes that the thread reads at once.
const BLOCK_BYTES: usize = 64 << 10;
/// Blocks that wait for the task.
const BLOCKS_WAITING: usize = 4;
const PLACE: &str = "standard input";

/// Standard input as the job file says it.
#[derive(Debug, Clone)]
pub struct StdinConfig {
    format: LineFormat,
    on_bad_input: OnBadInput,
    line_bytes_max: usize,
}

impl StdinConfig {
    pub(super) fn parse(mut section: Section) -> Result<Self> {
        let format = take_line_format(&mut section)?;
        let on_bad_input = OnBadInput::take(&mut section)?;
        let line_bytes_max = take_line_bytes_max(&mut section)?;
        section.finish()?;
        Ok(Self { format, on_bad_input, line_bytes_max })
    }

    pub(super) fn codecs(&self) -> (Codec, Codec) {
        self.format.codecs()
    }

    pub(super) fn open(&self, uid: &OperatorUid, parallelism: Parallelism, restored: &[StdinPosition]) -> Result<Vec<StdinReader>> {
        if parallelism != Parallelism::ONE {
            let why = format!("standard input can't be read by {parallelism} subtasks");
            return Err(Error::usage(format!("source `{uid}`"), why, "set parallelism = 1 for this source"));
        }
        let feed = match STDIN.lend() {
            Lent::ForTheFirstTime => self.read_from(uid, io::stdin()).inspect_err(|_| STDIN.give_back(Lent::ForTheFirstTime))?,
            Lent::Again(feed) => *feed,
            Lent::Out => {
                let why = "another source of this process reads standard input already";
                return Err(Error::usage(format!("source `{uid}`"), why, "use one source with connector = \"stdin\""));
            }
        };
        Ok(vec![self.reader(uid, feed, Some(&STDIN), restored)])
    }

    fn read_from(&self, uid: &OperatorUid, input: impl Read + Send + 'static) -> Result<Feed> {
        let (sender, blocks) = mpsc::channel(BLOCKS_WAITING);
        // The thread ends with the input, or at the next block after its reader is gone. One that waits for a terminal ends with the
        // process: such a read can't be interrupted.
        thread::Builder::new()
            .name("weir-stdin".to_owned())
            .spawn(move || pump(input, &sender))
            .map_err(|error| source_error(uid, PLACE, format!("no thread could be started: {error}"), "raise the limit of processes"))?;
        let scanner = LineScanner::new(self.format.clone(), self.line_bytes_max);
        Ok(Feed { scanner, blocks, block: Vec::new(), block_taken: 0, failure: None })
    }

    fn reader(&self, uid: &OperatorUid, feed: Feed, owner: Option<&'static Input>, restored: &[StdinPosition]) -> StdinReader {
        let sum = |count: fn(&StdinPosition) -> u64| restored.iter().map(count).fold(0, u64::saturating_add);
        StdinReader {
            uid: uid.clone(),
            on_bad_input: self.on_bad_input,
            feed,
            owner,
            bytes_read: sum(|position| position.bytes_read),
            skipped: sum(|position| position.records_skipped),
        }
    }
}

/// An input of the process that one reader at a time may have. What was read of it and not handed out goes to the next reader: that of the
/// same job after a restart.
#[derive(Debug)]
struct Input(Mutex<Lent>);

#[derive(Debug)]
enum Lent {
    ForTheFirstTime,
    Out,
    Again(Box<Feed>),
}

static STDIN: Input = Input(Mutex::new(Lent::ForTheFirstTime));

impl Input {
    fn lend(&self) -> Lent {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), Lent::Out)
    }

    fn give_back(&self, lent: Lent) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = lent;
    }
}

/// Reads `input` to its end, or until nobody wants it.
fn pump(mut input: impl Read, blocks: &mpsc::Sender<io::Result<Vec<u8>>>) {
    loop {
        let mut block = vec![0; BLOCK_BYTES];
        let result = match input.read(&mut block) {
            Ok(0) => return,
            Ok(count) => {
                block.truncate(count);
                Ok(block)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let is_last = result.is_err();
        if blocks.blocking_send(result).is_err() || is_last {
            return;
        }
    }
}

/// What is there to be handed out.
#[derive(Debug)]
struct Feed {
    scanner: LineScanner,
    blocks: mpsc::Receiver<io::Result<Vec<u8>>>,
    /// What came from the thread last, and how much of it the scanner has.
    block: Vec<u8>,
    block_taken: usize,
    /// Why nothing more can be read. It stays so: to a reader after a restart it must not look like the end of the input.
    failure: Option<String>,
}

impl Feed {
    /// One that nothing comes from.
    fn ended() -> Self {
        Self { scanner: LineScanner::new(LineFormat::Bytes, 0), blocks: mpsc::channel(1).1, block: Vec::new(), block_taken: 0, failure: None }
    }

    /// Hands the scanner as much of the block as it has room for.
    fn fill(&mut self) {
        let rest = self.block.get(self.block_taken..).unwrap_or_default();
        let room = self.scanner.room(rest.len());
        let count = rest.len().min(room.len());
        if let (Some(room), Some(rest)) = (room.get_mut(..count), rest.get(..count)) {
            room.copy_from_slice(rest);
        }
        self.scanner.filled(count);
        self.block_taken += count;
    }
}

/// The one reader of standard input.
#[derive(Debug)]
pub(super) struct StdinReader {
    uid: OperatorUid,
    on_bad_input: OnBadInput,
    feed: Feed,
    /// Who gets the rest back.
    owner: Option<&'static Input>,
    bytes_read: u64,
    skipped: u64,
}

impl Drop for StdinReader {
    fn drop(&mut self) {
        if let Some(owner) = self.owner {
            owner.give_back(Lent::Again(Box::new(std::mem::replace(&mut self.feed, Feed::ended()))));
        }
    }
}

impl StdinReader {
    pub(super) fn progress(&self) -> SourceProgress {
        SourceProgress { bytes_read: self.bytes_read, records_skipped: self.skipped }
    }

    /// Counts alone: nothing can be read again.
    pub(super) fn position(&self) -> StdinPosition {
        StdinPosition { records_skipped: self.skipped, bytes_read: self.bytes_read }
    }

    pub(super) async fn next(&mut self, out: &mut BatchBuilder, limit: BatchLimit) -> Result<SourceStatus> {
        let mut barren_bytes = 0;
        loop {
            if limit.reached(out) || (out.is_empty() && barren_bytes >= BARREN_BYTES_MAX) {
                return Ok(SourceStatus::More);
            }
            match self.feed.scanner.take(out, limit) {
                Ok(Take::Full) => return Ok(SourceStatus::More),
                Ok(Take::Done) => return Ok(SourceStatus::End),
                Ok(Take::Starved) => {
                    if self.feed.block_taken == self.feed.block.len() {
                        // Waiting for a person to type must not hold back what is there; receiving is all that can be interrupted.
                        let received = match self.feed.blocks.try_recv() {
                            Ok(block) => Some(block),
                            Err(mpsc::error::TryRecvError::Disconnected) => None,
                            Err(mpsc::error::TryRecvError::Empty) if !out.is_empty() => return Ok(SourceStatus::More),
                            Err(mpsc::error::TryRecvError::Empty) => self.feed.blocks.recv().await,
                        };
                        self.accept(received)?;
                        barren_bytes += self.feed.block.len();
                    }
                    self.feed.fill();
                }
                Err(bad) => self.refuse(&bad)?,
            }
        }
    }

    /// Keeps a block; none or an empty one: the input has ended.
    fn accept(&mut self, received: Option<io::Result<Vec<u8>>>) -> Result<()> {
        let block = match received.transpose() {
            Ok(block) => block,
            Err(error) => {
                self.feed.failure = Some(error.to_string());
                None
            }
        };
        if let Some(why) = &self.feed.failure {
            let why = format!("it can't be read after byte {}: {why}", self.bytes_read);
            return Err(source_error(&self.uid, PLACE, why, "check what it is connected to"));
        }
        self.feed.block = block.unwrap_or_default();
        self.feed.block_taken = 0;
        self.bytes_read += self.feed.block.len() as u64;
        Ok(())
    }

    fn refuse(&mut self, bad: &BadRecord) -> Result<()> {
        if self.on_bad_input == OnBadInput::Fail {
            let place = format!("{PLACE}, line {} (byte {})", bad.lines_before + 1, bad.offset);
            return Err(source_error(&self.uid, &place, bad.why.to_string(), bad.why.remedy()));
        }
        self.skipped += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
