//! Cuts an input into CSV records (RFC 4180) and makes a JSON object or array of each.
//!
//! The csv crate takes an unclosed quote as the rest of the file, in memory; here that is an error with a place, a record's size is
//! bounded, and reading goes on at the next line. As with the csv crate, lines without anything are passed over, a quote inside a field
//! that doesn't start with one is a plain character, and a byte order mark is left out.

use memchr::{memchr, memchr_iter, memchr2};
use weir_model::codec::Codec;
use weir_model::rows::{BatchBuilder, NO_TIMESTAMP};

use super::BatchLimit;
use super::bad_input::{BadInput, BadRecord, not_utf8};
use super::lines::{Place, Take};
use super::window::{BLOCK_BYTES, Window};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How the file is written and what is wanted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CsvFormat {
    /// What stands between two fields.
    pub(super) delimiter: u8,
    /// Whether the first record names the columns.
    pub(super) header: bool,
    /// The column that the records' keys come from. Needs the header.
    pub(super) key: Option<String>,
}

impl CsvFormat {
    /// How keys and values are to be read.
    pub(super) fn codecs(&self) -> (Codec, Codec) {
        (if self.key.is_some() { Codec::Utf8 } else { Codec::None }, Codec::Json)
    }
}

/// The columns of one file.
#[derive(Debug)]
struct Columns {
    /// What comes before each value of a JSON object: `{"name":` and `,"name":`.
    prefixes: Vec<Vec<u8>>,
    key: Option<usize>,
}

/// The state of cutting one input into records.
#[derive(Debug)]
pub(super) struct CsvScanner {
    format: CsvFormat,
    record_bytes_max: usize,
    window: Window,
    columns: Option<Columns>,
    fields: Vec<Field>,
    json: Vec<u8>,
    discarding: bool,
    ended: bool,
    lines: u64,
}

impl CsvScanner {
    /// A scanner at the start of an input.
    pub(super) fn new(format: CsvFormat, record_bytes_max: usize) -> Self {
        Self {
            format,
            record_bytes_max,
            window: Window::new(),
            columns: None,
            fields: Vec::new(),
            json: Vec::new(),
            discarding: false,
            ended: false,
            lines: 0,
        }
    }

    /// Moves to the start of another input.
    pub(super) fn restart(&mut self) {
        self.window.restart(0);
        self.columns = None;
        (self.discarding, self.ended, self.lines) = (false, false, 0);
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
            self.discard_line();
        }
    }

    /// Where the next record starts, or where the rest of a line is that is being left out. It is the start of the file as long as the
    /// columns aren't known.
    pub(super) fn place(&self) -> Place {
        if self.needs_columns() {
            return Place { offset: 0, lines_before: 0, discarding: false };
        }
        Place { offset: self.window.offset(), lines_before: self.lines, discarding: self.discarding }
    }

    /// Whether the record that names the columns is still to come.
    pub(super) fn needs_columns(&self) -> bool {
        self.format.header && self.columns.is_none()
    }

    /// Moves to a place in the same input that [`Self::place`] gave; the columns stay.
    pub(super) fn resume(&mut self, place: Place) {
        self.window.restart(place.offset);
        (self.discarding, self.ended, self.lines) = (place.discarding, false, place.lines_before);
    }

    /// Appends the records in memory. After an error, which takes the first line of the bad record away, it can be called again.
    pub(super) fn take(&mut self, out: &mut BatchBuilder, limit: BatchLimit) -> Result<Take, BadRecord> {
        loop {
            if limit.reached(out) {
                return Ok(Take::Full);
            }
            self.skip_nothing();
            let unread = self.window.unread();
            if unread.is_empty() {
                return Ok(if self.ended { Take::Done } else { Take::Starved });
            }
            match split_record(unread, self.format.delimiter, self.ended, &mut self.fields) {
                Split::Record { bytes } if bytes <= self.record_bytes_max => self.take_record(bytes, out)?,
                Split::Record { .. } => return Err(self.refuse(BadInput::TooLong { bytes_max: self.record_bytes_max }, 0)),
                Split::Malformed { why, at } => return Err(self.refuse(why, at)),
                Split::Unfinished if unread.len() > self.record_bytes_max => {
                    return Err(self.refuse(BadInput::TooLong { bytes_max: self.record_bytes_max }, 0));
                }
                Split::Unfinished => return Ok(Take::Starved),
            }
        }
    }

    /// Passes over a byte order mark and lines without anything.
    fn skip_nothing(&mut self) {
        if self.window.offset() == 0 && self.window.unread().starts_with(BYTE_ORDER_MARK) {
            self.window.consume(BYTE_ORDER_MARK.len());
        }
        loop {
            let empty = match self.window.unread() {
                [b'\n', ..] => 1,
                [b'\r', b'\n', ..] => 2,
                _ => return,
            };
            self.window.consume(empty);
            self.lines += 1;
        }
    }

    /// Makes a record, or the columns, of the first `bytes` unread bytes, whose fields are known.
    fn take_record(&mut self, bytes: usize, out: &mut BatchBuilder) -> Result<(), BadRecord> {
        let record = self.window.unread().get(..bytes).unwrap_or_default();
        let lines = memchr_iter(b'\n', record).count() as u64;
        let record = match std::str::from_utf8(record) {
            Ok(record) => record,
            Err(_) if self.needs_columns() => return Err(self.refuse(BadInput::CsvHeaderNotUtf8, 0)),
            Err(error) => {
                let (why, at) = not_utf8(record, error.valid_up_to());
                return Err(self.refuse(why, at));
            }
        };
        if self.needs_columns() {
            match read_columns(record, &self.fields, self.format.key.as_deref()) {
                Ok(columns) => self.columns = Some(columns),
                Err(why) => return Err(self.refuse(why, 0)),
            }
        } else if let Err(why) = push_record(record, &self.fields, self.columns.as_ref(), &mut self.json, out) {
            return Err(self.refuse(why, 0));
        }
        self.window.consume(bytes);
        self.lines += lines;
        Ok(())
    }

    /// Goes to the next line, which is where a record most likely starts that the bad one has nothing to do with.
    fn refuse(&mut self, why: BadInput, at: usize) -> BadRecord {
        let bad = BadRecord { why, offset: self.window.offset() + at as u64, lines_before: self.lines };
        self.discard_line();
        bad
    }

    fn discard_line(&mut self) {
        let newline = memchr(b'\n', self.window.unread());
        self.discarding = newline.is_none();
        match newline {
            None => self.window.consume(self.window.unread().len()),
            Some(newline) => {
                self.window.consume(newline + 1);
                self.lines += 1;
            }
        }
    }
}

/// Where a field is in the bytes of its record, quotes left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    start: usize,
    end: usize,
    /// It has doubled quotes.
    doubled: bool,
}

impl Field {
    fn text(self, record: &str) -> std::borrow::Cow<'_, str> {
        let text = record.get(self.start..self.end).unwrap_or_default();
        if self.doubled { text.replace("\"\"", "\"").into() } else { text.into() }
    }
}

/// What the next bytes are.
#[derive(Debug, PartialEq, Eq)]
enum Split {
    /// A whole record, its newline included.
    Record {
        bytes: usize,
    },
    Unfinished,
    Malformed {
        why: BadInput,
        at: usize,
    },
}

/// Finds the end of the record that `bytes` starts with, and its fields.
fn split_record(bytes: &[u8], delimiter: u8, ended: bool, fields: &mut Vec<Field>) -> Split {
    fields.clear();
    let mut position = 0;
    loop {
        let (field, after) = if bytes.get(position) == Some(&b'"') {
            match close_quote(bytes, position + 1, ended) {
                Ok((field, after)) => (field, after),
                Err(split) => return split,
            }
        } else {
            let rest = bytes.get(position..).unwrap_or_default();
            match memchr2(delimiter, b'\n', rest) {
                None if !ended => return Split::Unfinished,
                found => {
                    let after = position + found.unwrap_or(rest.len());
                    let last = bytes.get(after) != Some(&delimiter);
                    let return_before = last && after > position && bytes.get(after - 1) == Some(&b'\r');
                    (Field { start: position, end: after - usize::from(return_before), doubled: false }, after)
                }
            }
        };
        fields.push(field);
        match bytes.get(after..) {
            None | Some([]) if !ended => return Split::Unfinished,
            None | Some([] | [b'\r']) if ended => return Split::Record { bytes: bytes.len() },
            Some([b'\n', ..]) => return Split::Record { bytes: after + 1 },
            Some([b'\r', b'\n', ..]) => return Split::Record { bytes: after + 2 },
            Some([b'\r']) => return Split::Unfinished,
            Some([next, ..]) if *next == delimiter => position = after + 1,
            _ => return Split::Malformed { why: BadInput::CsvAfterQuote, at: after },
        }
    }
}

/// The field whose opening quote is before `start`, and where it is left.
fn close_quote(bytes: &[u8], start: usize, ended: bool) -> Result<(Field, usize), Split> {
    let (mut position, mut doubled) = (start, false);
    loop {
        let Some(found) = memchr(b'"', bytes.get(position..).unwrap_or_default()) else {
            return Err(if ended { Split::Malformed { why: BadInput::CsvUnclosed, at: start - 1 } } else { Split::Unfinished });
        };
        let quote = position + found;
        match bytes.get(quote + 1) {
            Some(b'"') => (position, doubled) = (quote + 2, true),
            None if !ended => return Err(Split::Unfinished),
            _ => return Ok((Field { start, end: quote, doubled }, quote + 1)),
        }
    }
}

fn read_columns(record: &str, fields: &[Field], key: Option<&str>) -> Result<Columns, BadInput> {
    let names: Vec<_> = fields.iter().map(|field| field.text(record)).collect();
    let twice = names.iter().enumerate().find(|(place, name)| names.iter().take(*place).any(|earlier| earlier == *name));
    if let Some((_, name)) = twice {
        return Err(BadInput::CsvColumnTwice(name.to_string()));
    }
    let key = match key {
        None => None,
        Some(key) => Some(names.iter().position(|name| name == key).ok_or_else(|| BadInput::CsvKeyColumn(key.to_owned()))?),
    };
    let prefixes = names.iter().enumerate().map(|(place, name)| {
        let mut prefix = vec![if place == 0 { b'{' } else { b',' }];
        push_json_string(name, &mut prefix);
        prefix.push(b':');
        prefix
    });
    Ok(Columns { prefixes: prefixes.collect(), key })
}

fn push_record(record: &str, fields: &[Field], columns: Option<&Columns>, json: &mut Vec<u8>, out: &mut BatchBuilder) -> Result<(), BadInput> {
    json.clear();
    let mut key = None;
    if let Some(columns) = columns {
        if fields.len() != columns.prefixes.len() {
            return Err(BadInput::CsvFields { expected: columns.prefixes.len(), found: fields.len() });
        }
        for (field, prefix) in fields.iter().zip(&columns.prefixes) {
            json.extend_from_slice(prefix);
            push_json_string(&field.text(record), json);
        }
        json.push(b'}');
        key = columns.key.and_then(|place| fields.get(place)).map(|field| field.text(record));
    } else {
        for (place, field) in fields.iter().enumerate() {
            json.push(if place == 0 { b'[' } else { b',' });
            push_json_string(&field.text(record), json);
        }
        json.push(b']');
    }
    // The longest record that can be asked for fits into a row, but as JSON it may be six times as long.
    out.push(key.as_deref().map(str::as_bytes), json, NO_TIMESTAMP).map_err(|_| BadInput::TooLong { bytes_max: u32::MAX as usize })
}

fn push_json_string(text: &str, out: &mut Vec<u8>) {
    // Writing to a Vec can't fail.
    drop(serde_json::to_writer(out, text));
}

#[cfg(test)]
mod tests;
