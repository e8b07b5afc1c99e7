//! Standard input as a source: a thread of its own reads it, so that no task ever blocks on it.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
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

    pub(super) fn open(&self, uid: &OperatorUid, parallelism: Parallelism) -> Result<Vec<StdinReader>> {
        if parallelism != Parallelism::ONE {
            let why = format!("standard input can't be read by {parallelism} subtasks");
            return Err(Error::usage(format!("source `{uid}`"), why, "set parallelism = 1 for this source"));
        }
        // What one reader has taken from standard input, no other can have: not even one that comes after it.
        static TAKEN: AtomicBool = AtomicBool::new(false);
        if TAKEN.swap(true, Ordering::Relaxed) {
            let why = "another source of this process reads standard input already";
            return Err(Error::usage(format!("source `{uid}`"), why, "use one source with connector = \"stdin\""));
        }
        Ok(vec![self.read_from(uid, io::stdin())?])
    }

    fn read_from(&self, uid: &OperatorUid, input: impl Read + Send + 'static) -> Result<StdinReader> {
        let (sender, blocks) = mpsc::channel(BLOCKS_WAITING);
        // The thread ends with the input, or at the next block after its reader is gone. One that waits for a terminal ends with the
        // process: such a read can't be interrupted.
        thread::Builder::new()
            .name("weir-stdin".to_owned())
            .spawn(move || pump(input, &sender))
            .map_err(|error| source_error(uid, PLACE, format!("no thread could be started: {error}"), "raise the limit of processes"))?;
        Ok(StdinReader {
            uid: uid.clone(),
            on_bad_input: self.on_bad_input,
            scanner: LineScanner::new(self.format.clone(), self.line_bytes_max),
            blocks,
            block: Vec::new(),
            block_taken: 0,
            bytes_read: 0,
            skipped: 0,
        })
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

/// The one reader of standard input.
#[derive(Debug)]
pub(super) struct StdinReader {
    uid: OperatorUid,
    on_bad_input: OnBadInput,
    scanner: LineScanner,
    blocks: mpsc::Receiver<io::Result<Vec<u8>>>,
    /// What came from the thread last, and how much of it the scanner has.
    block: Vec<u8>,
    block_taken: usize,
    bytes_read: u64,
    skipped: u64,
}

impl StdinReader {
    pub(super) fn progress(&self) -> SourceProgress {
        SourceProgress { bytes_read: self.bytes_read, records_skipped: self.skipped }
    }

    pub(super) async fn next(&mut self, out: &mut BatchBuilder, limit: BatchLimit) -> Result<SourceStatus> {
        let mut barren_bytes = 0;
        loop {
            if limit.reached(out) || (out.is_empty() && barren_bytes >= BARREN_BYTES_MAX) {
                return Ok(SourceStatus::More);
            }
            match self.scanner.take(out, limit) {
                Ok(Take::Full) => return Ok(SourceStatus::More),
                Ok(Take::Done) => return Ok(SourceStatus::End),
                Ok(Take::Starved) => {
                    if self.block_taken == self.block.len() {
                        // Waiting for a person to type must not hold back what is there; receiving is all that can be interrupted.
                        let received = match self.blocks.try_recv() {
                            Ok(block) => Some(block),
                            Err(mpsc::error::TryRecvError::Disconnected) => None,
                            Err(mpsc::error::TryRecvError::Empty) if !out.is_empty() => return Ok(SourceStatus::More),
                            Err(mpsc::error::TryRecvError::Empty) => self.blocks.recv().await,
                        };
                        self.accept(received)?;
                        barren_bytes += self.block.len();
                    }
                    self.feed();
                }
                Err(bad) => self.refuse(&bad)?,
            }
        }
    }

    /// Keeps a block; none or an empty one: the input has ended.
    fn accept(&mut self, received: Option<io::Result<Vec<u8>>>) -> Result<()> {
        let block = received.transpose().map_err(|error| {
            source_error(&self.uid, PLACE, format!("it can't be read after byte {}: {error}", self.bytes_read), "check what it is connected to")
        })?;
        self.block = block.unwrap_or_default();
        self.block_taken = 0;
        self.bytes_read += self.block.len() as u64;
        Ok(())
    }

    /// Hands the scanner as much of the block as it has room for.
    fn feed(&mut self) {
        let rest = self.block.get(self.block_taken..).unwrap_or_default();
        let room = self.scanner.room(rest.len());
        let count = rest.len().min(room.len());
        if let (Some(room), Some(rest)) = (room.get_mut(..count), rest.get(..count)) {
            room.copy_from_slice(rest);
        }
        self.scanner.filled(count);
        self.block_taken += count;
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
mod tests {
    use std::sync::mpsc as sync;
    use std::time::Duration;

    use super::*;
    use crate::test_support::{section, texts};

    const LIMIT: BatchLimit = BatchLimit { rows: 1000, bytes: usize::MAX };

    fn reader(lines: &str, input: impl Read + Send + 'static) -> StdinReader {
        let config = StdinConfig::parse(section("sources.in", lines)).unwrap();
        config.read_from(&OperatorUid::new("in").unwrap(), input).unwrap()
    }

    /// An input that gives what it is sent and ends when the sender does.
    struct Typed(sync::Receiver<&'static str>);

    impl Read for Typed {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let text = self.0.recv().unwrap_or_default();
            room[..text.len()].copy_from_slice(text.as_bytes());
            Ok(text.len())
        }
    }

    async fn read_all(mut reader: StdinReader) -> Result<(Vec<String>, SourceProgress)> {
        let mut records = Vec::new();
        loop {
            let mut out = BatchBuilder::default();
            let status = reader.next(&mut out, LIMIT).await?;
            records.extend(texts(&out.take()));
            if status == SourceStatus::End {
                return Ok((records, reader.progress()));
            }
        }
    }

    #[tokio::test]
    async fn lines_come_as_they_are_typed_and_a_dropped_wait_loses_none() {
        let (typed, input) = sync::channel();
        let mut reader = reader("", Typed(input));
        let mut out = BatchBuilder::default();
        typed.send("one\ntw").unwrap();
        assert_eq!(reader.next(&mut out, LIMIT).await.unwrap(), SourceStatus::More);
        assert_eq!(texts(&out.take()), ["one"]);
        let waited = tokio::time::timeout(Duration::from_millis(20), reader.next(&mut out, LIMIT)).await;
        assert!(waited.is_err() && out.is_empty());
        typed.send("o\nthree").unwrap();
        assert_eq!(reader.next(&mut out, LIMIT).await.unwrap(), SourceStatus::More);
        assert_eq!(texts(&out.take()), ["two"]);
        drop(typed);
        assert_eq!(reader.next(&mut out, LIMIT).await.unwrap(), SourceStatus::End);
        assert_eq!(texts(&out.take()), ["three"]);
        assert_eq!(reader.progress(), SourceProgress { bytes_read: 13, records_skipped: 0 });
    }

    #[tokio::test]
    async fn large_input_comes_whole() {
        let lines: Vec<String> = (0..200_000).map(|n| format!("line {n}")).collect();
        let text = lines.join("\n");
        let bytes_read = text.len() as u64;
        let (records, progress) = read_all(reader("", io::Cursor::new(text))).await.unwrap();
        assert!(records == lines);
        assert_eq!(progress.bytes_read, bytes_read);
    }

    #[tokio::test]
    async fn bad_input_is_located_or_counted() {
        let input = || io::Cursor::new(&b"a\n{}\nb\xff\n7"[..]);
        let error = read_all(reader("", input())).await.unwrap_err();
        assert_eq!((error.what.as_str(), error.why.as_str()), ("source `in`: standard input, line 3 (byte 6)", "byte 0xff is not UTF-8 here"));
        let (records, progress) = read_all(reader("format = \"json-lines\"\non-error = \"skip\"", input())).await.unwrap();
        assert_eq!((records, progress.records_skipped), (vec!["{}".to_owned(), "7".to_owned()], 2));
    }

    #[tokio::test]
    async fn input_without_a_record_is_given_up_now_and_then() {
        let input = [b"\xff\n".repeat(3 << 20), b"good".to_vec()].concat();
        let mut reader = reader("on-error = \"skip\"", io::Cursor::new(input));
        let mut out = BatchBuilder::default();
        let mut reads = 0;
        while reader.next(&mut out, LIMIT).await.unwrap() == SourceStatus::More {
            reads += 1;
            assert!(out.is_empty() && reader.progress().bytes_read <= reads * (1 << 20) + BLOCK_BYTES as u64, "{reads}");
        }
        assert!((4..=6).contains(&reads), "{reads}");
        assert_eq!((texts(&out.take()), reader.progress().records_skipped), (vec!["good".to_owned()], 3 << 20));
    }

    #[test]
    fn csv_and_several_readers_are_refused() {
        let parse = |lines: &str| StdinConfig::parse(section("sources.in", lines)).unwrap_err().to_string();
        assert!(parse("format = \"csv\"").contains("`csv` is not one of its values"));
        assert!(parse("path = \"x\"").contains("there is no key `path`"));
        let config = StdinConfig::parse(section("sources.in", "")).unwrap();
        let error = config.open(&OperatorUid::new("in").unwrap(), Parallelism::new(2).unwrap()).unwrap_err();
        assert!(error.why.contains("2 subtasks"), "{error}");
    }
}
