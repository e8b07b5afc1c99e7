//! One subtask's reading of the files: takes a piece, reads it to its end, takes the next.

use std::io;
use std::sync::Arc;

use weir_model::id::OperatorUid;
use weir_model::rows::BatchBuilder;
use weir_model::{Error, Result};

use super::Format;
use super::input::{Input, ReadError, lines_before};
use super::splits::{Split, SplitQueue};
use crate::source::bad_input::{BadInput, BadRecord, OnBadInput};
use crate::source::csv::CsvScanner;
use crate::source::lines::{LineScanner, Take};
use crate::source::{BARREN_BYTES_MAX, BatchLimit, SourceProgress, SourceStatus, source_error};

/// Opening a file takes about as long as reading that much of it.
const OPEN_COST_BYTES: usize = 16 << 10;

/// What the readers of a source have in common.
#[derive(Debug)]
pub(super) struct FileSource {
    pub(super) uid: OperatorUid,
    pub(super) format: Format,
    pub(super) on_bad_input: OnBadInput,
    pub(super) line_bytes_max: usize,
}

/// Reads one piece after another.
#[derive(Debug)]
pub(in crate::source) struct FileReader {
    source: Arc<FileSource>,
    queue: Arc<SplitQueue>,
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

impl FileReader {
    pub(super) fn new(source: Arc<FileSource>, queue: Arc<SplitQueue>, skipped: u64) -> Self {
        let scanner = match &source.format {
            Format::Lines(format) => Scanner::Lines(LineScanner::new(format.clone(), source.line_bytes_max)),
            Format::Csv(format) => Scanner::Csv(CsvScanner::new(format.clone(), source.line_bytes_max)),
        };
        Self { source, queue, scanner, current: None, bytes_done: 0, skipped }
    }

    pub(in crate::source) fn progress(&self) -> SourceProgress {
        let current = self.current.as_ref().map_or(0, |current| current.input.bytes_read());
        SourceProgress { bytes_read: self.bytes_done + current, records_skipped: self.skipped }
    }

    pub(in crate::source) fn read(&mut self, out: &mut BatchBuilder, limit: BatchLimit) -> Result<SourceStatus> {
        // Unpacked ones: few packed bytes can be a long wait.
        let mut barren_bytes = 0;
        loop {
            if limit.reached(out) || (out.is_empty() && barren_bytes >= BARREN_BYTES_MAX) {
                return Ok(SourceStatus::More);
            }
            let Some(current) = &mut self.current else {
                match self.queue.next() {
                    Some(split) => {
                        barren_bytes += OPEN_COST_BYTES;
                        self.open(split)?;
                    }
                    None => return Ok(SourceStatus::End),
                }
                continue;
            };
            match self.scanner.take(out, limit) {
                Ok(Take::Full) => return Ok(SourceStatus::More),
                Ok(Take::Done) => self.close(),
                Ok(Take::Starved) => {
                    let want = current.input.read_size();
                    match current.input.read(self.scanner.room(want)) {
                        Ok(count) => {
                            barren_bytes += count;
                            self.scanner.filled(count);
                        }
                        Err(error) => self.read_failed(error)?,
                    }
                }
                Err(bad) => self.refuse(&bad)?,
            }
        }
    }

    fn open(&mut self, split: Split) -> Result<()> {
        match Input::open(&split) {
            Ok(input) => {
                match &mut self.scanner {
                    Scanner::Csv(scanner) => scanner.restart(),
                    Scanner::Lines(scanner) => {
                        scanner.restart(split.start.saturating_sub(1), split.end.unwrap_or(u64::MAX), split.start > 0);
                    }
                }
                self.current = Some(Current { split, input });
                Ok(())
            }
            // It was there when the job started.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.source.on_bad_input == OnBadInput::Skip => {
                self.skipped += 1;
                Ok(())
            }
            Err(error) => Err(self.unreadable(&split, &error)),
        }
    }

    fn close(&mut self) {
        if let Some(Current { split, .. }) = self.current.take() {
            // The end of a packed or skipped file may never have been read, but it is done with.
            self.bytes_done += split.end.unwrap_or(split.file.bytes) - split.start;
        }
    }

    fn read_failed(&mut self, error: ReadError) -> Result<()> {
        match (error, &self.current) {
            (ReadError::Packed { packed, why }, _) => {
                let (offset, lines_before) = self.scanner.place();
                // A record that breaks off is left out too: it goes with the rest of the file.
                self.refuse(&BadRecord { why: BadInput::Gzip { packed, why }, offset, lines_before })
            }
            (ReadError::Io(error), Some(current)) => Err(self.unreadable(&current.split, &error)),
            (ReadError::Io(error), None) => Err(source_error(&self.source.uid, "reading", error.to_string(), "try again")),
        }
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

    fn unreadable(&self, split: &Split, error: &io::Error) -> Error {
        source_error(&self.source.uid, &split.file.path.display().to_string(), format!("it can't be read: {error}"), "check the file and the disk")
    }
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

    fn place(&self) -> (u64, u64) {
        match self {
            Self::Lines(scanner) => scanner.place(),
            Self::Csv(scanner) => scanner.place(),
        }
    }
}
