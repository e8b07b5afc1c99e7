//! Cuts an input into lines and makes a record of each: text, bytes, or JSON.
//!
//! The scanner does no I/O. Whoever drives it reads into [`LineScanner::room`] when [`Take::Starved`] says so.

use memchr::{memchr, memrchr};
use weir_model::codec::Codec;
use weir_model::rows::{BatchBuilder, NO_TIMESTAMP};

use super::BatchLimit;
use super::bad_input::{BadInput, BadRecord, not_utf8};
use super::json;
use super::window::{BLOCK_BYTES, Window};

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LineFormat {
    /// Text.
    Utf8,
    /// Anything.
    Bytes,
    /// One JSON value, perhaps an object that a field of has the record's key. Lines of white space alone are passed over.
    Json {
        /// The field.
        key: Option<String>,
    },
}

impl LineFormat {
    /// How keys and values are to be read.
    pub(super) fn codecs(&self) -> (Codec, Codec) {
        match self {
            Self::Utf8 => (Codec::None, Codec::Utf8),
            Self::Bytes => (Codec::None, Codec::Bytes),
            Self::Json { key: None } => (Codec::None, Codec::Json),
            Self::Json { key: Some(_) } => (Codec::Utf8, Codec::Json),
        }
    }
}

/// Why a scanner stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// The batch holds as much as it should.
    Full,
    /// There is no whole record in memory.
    Starved,
    /// The input, or the part of it that was asked for, has no more records.
    Done,
}

/// A place in an input at which reading can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The byte that comes next.
    pub(super) offset: u64,
    /// How many lines end between where reading started and it.
    pub(super) lines_before: u64,
    /// It is inside of a line, the rest of which is left out.
    pub(super) discarding: bool,
}

/// The state of cutting one input into lines.
#[derive(Debug)]
pub(super) struct LineScanner {
    format: LineFormat,
    line_bytes_max: usize,
    window: Window,
    /// Lines that start here or later belong to someone else.
    owned_end: u64,
    /// How many of the unread bytes are whole lines.
    whole: usize,
    /// Whether those are known to be UTF-8. Otherwise each line is looked at, to find the bad ones.
    whole_is_utf8: bool,
    /// The line that is being read is not wanted, up to its end.
    discarding: bool,
    ended: bool,
    /// Lines that ended so far.
    lines: u64,
}

impl LineScanner {
    /// A scanner at the start of an input that it owns the whole of.
    pub(super) fn new(format: LineFormat, line_bytes_max: usize) -> Self {
        let mut scanner = Self {
            format,
            line_bytes_max,
            window: Window::new(),
            owned_end: 0,
            whole: 0,
            whole_is_utf8: false,
            discarding: false,
            ended: false,
            lines: 0,
        };
        scanner.restart(0, u64::MAX, false);
        scanner
    }

    /// Moves to another input, of which reading starts at `offset`. With `inside_line`, the line that `offset` is in belongs to someone
    /// else; a line that starts at `owned_end` or later does so always.
    pub(super) fn restart(&mut self, offset: u64, owned_end: u64, inside_line: bool) {
        self.window.restart(offset);
        self.owned_end = owned_end;
        (self.whole, self.whole_is_utf8, self.discarding, self.ended, self.lines) = (0, false, inside_line, false, 0);
    }

    /// Moves to a place in another input that [`Self::place`] gave; all that comes after it is wanted.
    pub(super) fn resume(&mut self, place: Place) {
        self.restart(place.offset, u64::MAX, place.discarding);
        self.lines = place.lines_before;
    }

    /// Where to read to next: at most `want` bytes.
    pub(super) fn room(&mut self, want: usize) -> &mut [u8] {
        self.window.room(want.min(BLOCK_BYTES))
    }

    /// Takes in `count` bytes that were read into [`Self::room`]; 0: the input has ended.
    pub(super) fn filled(&mut self, count: usize) {
        self.window.filled(count);
        self.ended = count == 0;
        if self.discarding {
            match memchr(b'\n', self.window.unread()) {
                None => self.window.consume(usize::MAX / 2),
                Some(newline) => {
                    self.window.consume(newline + 1);
                    self.discarding = false;
                    self.lines += 1;
                }
            }
        }
        let unread = self.window.unread();
        let searched = unread.len().saturating_sub(count);
        let newline = memrchr(b'\n', unread.get(searched..).unwrap_or_default());
        self.whole = if self.ended { unread.len() } else { newline.map_or(0, |newline| searched + newline + 1) };
        // A newline is never inside of a character, so that whole lines can be checked at once.
        let whole = unread.get(..self.whole).unwrap_or_default();
        self.whole_is_utf8 = self.format == LineFormat::Bytes || std::str::from_utf8(whole).is_ok();
    }

    /// Where the next line starts, or where the rest of one is that is being left out.
    pub(super) fn place(&self) -> Place {
        Place { offset: self.window.offset(), lines_before: self.lines, discarding: self.discarding }
    }

    /// Appends the records of the lines in memory. After an error, which takes the bad line away, it can be called again.
    pub(super) fn take(&mut self, out: &mut BatchBuilder, limit: BatchLimit) -> Result<Take, BadRecord> {
        let owned = self.owned_end.saturating_sub(self.window.offset());
        let lines = self.window.unread().get(..self.whole).unwrap_or_default();
        let bounds = Bounds { owned: usize::try_from(owned).unwrap_or(usize::MAX), line_bytes_max: self.line_bytes_max, limit };
        let scan = match (&self.format, self.whole_is_utf8) {
            (LineFormat::Bytes | LineFormat::Utf8, true) => scan(lines, &bounds, out, |_| Ok(()), push),
            (LineFormat::Bytes | LineFormat::Utf8, false) => scan(lines, &bounds, out, check_utf8, push),
            (LineFormat::Json { key }, true) => scan(lines, &bounds, out, |_| Ok(()), |line, out| push_json(line, key.as_deref(), out)),
            (LineFormat::Json { key }, false) => scan(lines, &bounds, out, check_utf8, |line, out| push_json(line, key.as_deref(), out)),
        };
        let (offset, lines_before) = (self.window.offset(), self.lines + scan.lines);
        self.window.consume(scan.consumed);
        self.whole -= scan.consumed;
        self.lines += scan.lines;
        match scan.stop {
            Stop::Bad { why, at } => {
                self.lines += 1;
                Err(BadRecord { why, offset: offset + at as u64, lines_before })
            }
            Stop::Full => Ok(Take::Full),
            Stop::NotOwned => Ok(Take::Done),
            Stop::Exhausted => self.starve(),
        }
    }

    /// What comes after the last whole line in memory.
    fn starve(&mut self) -> Result<Take, BadRecord> {
        if self.ended || self.window.offset() >= self.owned_end {
            return Ok(Take::Done);
        }
        if self.window.unread().len() > self.line_bytes_max {
            let bad = BadRecord { why: BadInput::TooLong { bytes_max: self.line_bytes_max }, offset: self.window.offset(), lines_before: self.lines };
            self.window.consume(self.window.unread().len());
            self.discarding = true;
            return Err(bad);
        }
        Ok(Take::Starved)
    }
}

/// What bounds a scan.
struct Bounds {
    /// Lines that start at this byte of the scanned ones, or later, belong to someone else.
    owned: usize,
    line_bytes_max: usize,
    limit: BatchLimit,
}

/// What a scan did.
struct Scan {
    consumed: usize,
    /// Lines that became records.
    lines: u64,
    stop: Stop,
}

/// Why a scan stopped.
enum Stop {
    Exhausted,
    Full,
    NotOwned,
    /// The last consumed line is bad; `at` is the byte of the scanned ones.
    Bad {
        why: BadInput,
        at: usize,
    },
}

type Pushed = Result<(), (BadInput, usize)>;

/// The one loop over lines, made once for each format so that nothing is decided for each line.
#[inline]
fn scan(
    bytes: &[u8],
    bounds: &Bounds,
    out: &mut BatchBuilder,
    check: impl Fn(&[u8]) -> Pushed,
    push: impl Fn(&[u8], &mut BatchBuilder) -> Pushed,
) -> Scan {
    let (mut rest, mut lines) = (bytes, 0);
    let stop = loop {
        let start = bytes.len() - rest.len();
        if rest.is_empty() {
            break Stop::Exhausted;
        }
        if start >= bounds.owned {
            break Stop::NotOwned;
        }
        if bounds.limit.reached(out) {
            break Stop::Full;
        }
        let length = memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        rest = rest.get(length + 1..).unwrap_or_default();
        let pushed = if line.len() > bounds.line_bytes_max {
            Err((BadInput::TooLong { bytes_max: bounds.line_bytes_max }, 0))
        } else {
            let text = line.strip_suffix(b"\r").unwrap_or(line);
            check(text).and_then(|()| push(text, out))
        };
        if let Err((why, at)) = pushed {
            break Stop::Bad { why, at: start + at };
        }
        lines += 1;
    };
    Scan { consumed: bytes.len() - rest.len(), lines, stop }
}

fn check_utf8(line: &[u8]) -> Pushed {
    std::str::from_utf8(line).map(drop).map_err(|error| not_utf8(line, error.valid_up_to()))
}

#[inline]
fn push(line: &[u8], out: &mut BatchBuilder) -> Pushed {
    // The longest line that can be asked for fits into a row.
    out.push(None, line, NO_TIMESTAMP).map_err(|_| (BadInput::TooLong { bytes_max: u32::MAX as usize }, 0))
}

fn push_json(line: &[u8], key: Option<&str>, out: &mut BatchBuilder) -> Pushed {
    if line.trim_ascii().is_empty() {
        return Ok(());
    }
    let Some(field) = key else {
        json::check(line)?;
        return push(line, out);
    };
    let key = json::key(line, field)?;
    out.push(Some(key.as_bytes()), line, NO_TIMESTAMP).map_err(|_| (BadInput::TooLong { bytes_max: u32::MAX as usize }, 0))
}

#[cfg(test)]
mod tests;
