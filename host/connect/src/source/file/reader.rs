//! One subtask's reading of the files: takes a piece, reads it to its end, takes the next.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use weir_model::id::{CheckpointId, OperatorUid};
use weir_model::rows::BatchBuilder;
use weir_model::{Error, Result};

use super::Format;
use super::input::{Input, ReadError, lines_before};
use super::queue::SplitQueue;
use super::saved;
use super::splits::Split;
use crate::source::bad_input::{BadInput, BadRecord, OnBadInput};
use crate::source::csv::CsvScanner;
use crate::source::lines::{LineScanner, Place, Take};
use crate::source::position::FilePosition;
use crate::source::window::BLOCK_BYTES;
use crate::source::{BARREN_BYTES_MAX, BatchLimit, SourceProgress, SourceStatus, source_error};

/// Opening a file takes about as long as reading that much of it.
const OPEN_COST_BYTES: usize = 16 << 10;

/// What the readers of a source have in common.
#[derive(Debug)]
pub(super) struct FileSource {
    pub(super) uid: OperatorUid,
    /// The folder of the job file.
    pub(super) base: PathBuf,
    pub(super) format: Format,
    pub(super) on_bad_input: OnBadInput,
    pub(super) line_bytes_max: usize,
    pub(super) queue: SplitQueue,
}

/// What was counted before a reader was opened.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) records_skipped: u64,
    pub(super) bytes_done: u64,
}

/// Reads one piece after another.
#[derive(Debug)]
pub(in crate::source) struct FileReader {
    source: Arc<FileSource>,
    /// Which reader of the source it is.
    number: usize,
    scanner: Scanner,
    current: Option<Current>,
    /// Bytes of the pieces that are done with.
    bytes_done: u64,
    skipped: u64,
}

#[derive(Debug)]
struct Current {
    split: Split,
    input: Input,
}

#[derive(Debug)]
enum Scanner {
    Lines(LineScanner),
    Csv(CsvScanner),
}

/// Why reading stopped.
enum Stop {
    /// There is more.
    More,
    /// No piece waits to be taken.
    NoSplit,
}

impl FileReader {
    pub(super) fn new(source: Arc<FileSource>, number: usize, counted: Counted) -> Self {
        let scanner = match &source.format {
            Format::Lines(format) => Scanner::Lines(LineScanner::new(format.clone(), source.line_bytes_max)),
            Format::Csv(format) => Scanner::Csv(CsvScanner::new(format.clone(), source.line_bytes_max)),
        };
        Self { source, number, scanner, current: None, bytes_done: counted.bytes_done, skipped: counted.records_skipped }
    }

    pub(in crate::source) fn progress(&self) -> SourceProgress {
        let current = self.current.as_ref().map_or(0, |current| current.input.bytes_read());
        SourceProgress { bytes_read: self.bytes_done + current, records_skipped: self.skipped }
    }

    /// What this reader puts into a checkpoint.
    pub(in crate::source) fn position(&mut self, checkpoint: CheckpointId) -> Result<FilePosition> {
        let left = self.left();
        let read_bytes = self.current.as_ref().map_or(0, |current| current.split.bytes()) - left.as_ref().map_or(0, Split::bytes);
        let rest = self.source.queue.pass(self.number, checkpoint);
        Ok(FilePosition {
            records_skipped: self.skipped,
            bytes_done: self.bytes_done + read_bytes,
            current: left.as_ref().map(saved::piece),
            rest: rest.map(|rest| saved::rest(&self.source, &rest)).transpose()?,
        })
    }

    /// What is left of the piece that is being read.
    fn left(&self) -> Option<Split> {
        let Current { split, .. } = self.current.as_ref()?;
        let place = self.scanner.place();
        match split.end {
            None => Some(Split { resume: Some(place), ..split.clone() }),
            // From inside of a line the piece starts with the next one, as every piece does.
            Some(end) => (place.offset < end).then(|| Split { start: place.offset.max(split.start), ..split.clone() }),
        }
    }

    pub(in crate::source) async fn next(&mut self, out: &mut BatchBuilder, limit: BatchLimit) -> Result<SourceStatus> {
        loop {
            if let Stop::More = self.read(out, limit)? {
                return Ok(SourceStatus::More);
            }
            if !self.source.queue.may_grow() {
                return Ok(SourceStatus::End);
            }
            if !out.is_empty() {
                return Ok(SourceStatus::More);
            }
            // Nothing has been taken that dropping this future could lose.
            self.source.queue.grow().await?;
        }
    }

    fn read(&mut self, out: &mut BatchBuilder, limit: BatchLimit) -> Result<Stop> {
        // Unpacked ones: few packed bytes can be a long wait.
        let mut barren_bytes = 0;
        loop {
            if limit.reached(out) || (out.is_empty() && barren_bytes >= BARREN_BYTES_MAX) {
                return Ok(Stop::More);
            }
            let Some(current) = &mut self.current else {
                let Some(split) = self.source.queue.take(self.number) else { return Ok(Stop::NoSplit) };
                barren_bytes += OPEN_COST_BYTES;
                self.open(split)?;
                continue;
            };
            match self.scanner.take(out, limit) {
                Ok(Take::Full) => return Ok(Stop::More),
                Ok(Take::Done) => self.close(),
                Ok(Take::Starved) => match fill(&mut self.scanner, &mut current.input) {
                    Ok(count) => barren_bytes += count,
                    Err(error) => self.read_failed(error)?,
                },
                Err(bad) => self.refuse(&bad)?,
            }
        }
    }

    fn open(&mut self, split: Split) -> Result<()> {
        let input = match Input::open(&split) {
            Ok(input) => input,
            Err(error) => return self.not_opened(&split, &error),
        };
        match &mut self.scanner {
            Scanner::Csv(scanner) => scanner.restart(),
            Scanner::Lines(scanner) => scanner.restart(split.start.saturating_sub(1), split.end.unwrap_or(u64::MAX), split.start > 0),
        }
        let resume = split.resume.filter(|place| place.offset > 0);
        self.current = Some(Current { split, input });
        resume.map_or(Ok(()), |place| self.resume(place))
    }

    fn not_opened(&mut self, split: &Split, error: &ReadError) -> Result<()> {
        let has_changed = match error {
            ReadError::Io(error) => error.kind() == io::ErrorKind::NotFound,
            ReadError::Shrunk | ReadError::Packed { .. } => true,
        };
        if has_changed && self.source.on_bad_input == OnBadInput::Skip {
            self.skipped += 1;
            return Ok(());
        }
        Err(match error {
            ReadError::Io(error) => unreadable(&self.source.uid, split, error),
            ReadError::Shrunk | ReadError::Packed { .. } => shrunk(&self.source.uid, split),
        })
    }

    /// Goes on inside of a file that is read as a whole.
    fn resume(&mut self, place: Place) -> Result<()> {
        if let Scanner::Csv(scanner) = &self.scanner
            && scanner.needs_columns()
        {
            self.read_columns()?;
        }
        match &mut self.scanner {
            Scanner::Lines(scanner) => scanner.resume(place),
            Scanner::Csv(scanner) => scanner.resume(place),
        }
        Ok(())
    }

    /// Reads the names of the columns again, from the start of the file.
    fn read_columns(&mut self) -> Result<()> {
        let Some(Current { split, .. }) = &self.current else { return Ok(()) };
        let split = Split { resume: None, ..split.clone() };
        let mut input = match Input::open(&split) {
            Ok(input) => input,
            Err(error) => {
                self.current = None;
                return self.not_opened(&split, &error);
            }
        };
        // The record that may come with the names was read before.
        let (mut record, limit) = (BatchBuilder::default(), BatchLimit { rows: 1, bytes: usize::MAX });
        loop {
            match self.scanner.take(&mut record, limit) {
                Ok(Take::Starved) => {
                    if let Err(error) = fill(&mut self.scanner, &mut input) {
                        return self.read_failed(error);
                    }
                }
                Err(bad) if bad.why.ends_file() => return self.refuse(&bad),
                Ok(Take::Full | Take::Done) | Err(_) => return Ok(()),
            }
        }
    }

    fn close(&mut self) {
        if let Some(Current { split, .. }) = self.current.take() {
            // The end of a packed or skipped file may never have been read, but it is done with.
            self.bytes_done += split.bytes();
        }
    }

    fn read_failed(&mut self, error: ReadError) -> Result<()> {
        let why = match (error, &self.current) {
            (ReadError::Packed { packed, why }, _) => BadInput::Gzip { packed, why },
            (ReadError::Shrunk, Some(current)) => BadInput::Shrunk { bytes: current.split.file.bytes },
            (ReadError::Io(error), Some(current)) => return Err(unreadable(&self.source.uid, &current.split, &error)),
            (_, None) => return Ok(()),
        };
        // A record that breaks off is left out too: it goes with the rest of the file.
        let Place { offset, lines_before, .. } = self.scanner.place();
        self.refuse(&BadRecord { why, offset, lines_before })
    }

    /// Counts what is bad, or makes the error of it.
    fn refuse(&mut self, bad: &BadRecord) -> Result<()> {
        if self.source.on_bad_input == OnBadInput::Fail {
            return Err(source_error(&self.source.uid, &self.place(bad), bad.why.to_string(), bad.why.remedy()));
        }
        self.skipped += 1;
        if bad.why.ends_file() {
            self.close();
        }
        Ok(())
    }

    /// `input/a.txt, line 12 (byte 345)`.
    fn place(&self, bad: &BadRecord) -> String {
        let Some(Current { split, .. }) = &self.current else { return String::new() };
        let path = split.file.path.display();
        let unpacked = if split.file.gzip { " unpacked" } else { "" };
        // Reading of a later piece started one byte before it, on a line that only the start of the file can number.
        let before = if split.start == 0 { Some(0) } else { lines_before(&split.file, split.start - 1) };
        match before {
            Some(before) => format!("{path}, line {} (byte {}{unpacked})", before + bad.lines_before + 1, bad.offset),
            None => format!("{path}, byte {}", bad.offset),
        }
    }
}

/// Reads on: the scanner has more then, or what it doesn't want is passed over. Gives how much was read.
fn fill(scanner: &mut Scanner, input: &mut Input) -> Result<usize, ReadError> {
    if input.is_passing() {
        return input.pass(scanner.room(BLOCK_BYTES));
    }
    let count = input.read(scanner.room(input.read_size()))?;
    scanner.filled(count);
    Ok(count)
}

pub(super) fn unreadable(uid: &OperatorUid, split: &Split, error: &io::Error) -> Error {
    source_error(uid, &split.file.path.display().to_string(), format!("it can't be read: {error}"), "check the file and the disk")
}

pub(super) fn shrunk(uid: &OperatorUid, split: &Split) -> Error {
    let why = BadInput::Shrunk { bytes: split.file.bytes };
    source_error(uid, &split.file.path.display().to_string(), why.to_string(), why.remedy())
}

impl Scanner {
    #[inline]
    fn take(&mut self, out: &mut BatchBuilder, limit: BatchLimit) -> Result<Take, BadRecord> {
        match self {
            Self::Lines(scanner) => scanner.take(out, limit),
            Self::Csv(scanner) => scanner.take(out, limit),
        }
    }

    fn room(&mut self, want: usize) -> &mut [u8] {
        match self {
            Self::Lines(scanner) => scanner.room(want),
            Self::Csv(scanner) => scanner.room(want),
        }
    }

    fn filled(&mut self, count: usize) {
        match self {
            Self::Lines(scanner) => scanner.filled(count),
            Self::Csv(scanner) => scanner.filled(count),
        }
    }

    fn place(&self) -> Place {
        match self {
            Self::Lines(scanner) => scanner.place(),
            Self::Csv(scanner) => scanner.place(),
        }
    }
}
