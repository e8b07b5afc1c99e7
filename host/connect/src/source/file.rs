//! Files as a source: which ones, how they are cut for parallel reading, and their readers.

mod input;
mod paths;
mod queue;
mod reader;
mod saved;
mod splits;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use weir_model::Result;
use weir_model::codec::Codec;
use weir_model::id::{OperatorUid, Parallelism};
use weir_model::section::Section;
use weir_model::time::SharedClock;

use super::bad_input::OnBadInput;
use super::csv::CsvFormat;
use super::lines::LineFormat;
use super::position::FilePosition;
use super::refuse_misplaced;
use paths::{LookUp, PathPattern};
use queue::{Discovery, SplitQueue};
pub(super) use reader::FileReader;
use reader::{Counted, FileSource};
use saved::Saved;
use splits::Splits;

/// The longest record unless the job file says otherwise.
pub(super) const LINE_BYTES_DEFAULT: u64 = 16 << 20;
/// The longest record that can be asked for; four times that no longer fits into a row.
const LINE_BYTES_LIMIT: u64 = 1 << 30;
/// The largest piece of a file that one reader takes at a time, unless the job file says otherwise.
const SPLIT_BYTES_DEFAULT: u64 = 64 << 20;
/// The smallest size of such a piece that can be asked for.
const SPLIT_BYTES_LEAST: u64 = 4 << 10;

/// The keys that belong to some formats only.
const KEYS_OF_FORMATS: &[(&str, &[&str])] = &[
    ("encoding", &["lines"]),
    ("header", &["csv"]),
    ("delimiter", &["csv"]),
    ("key", &["csv", "json-lines"]),
    ("split-size", &["lines", "json-lines"]),
];

/// How the bytes of a file become records.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Format {
    Lines(LineFormat),
    Csv(CsvFormat),
}

/// A source of files as the job file says it.
#[derive(Debug, Clone)]
pub struct FileSourceConfig {
    patterns: Vec<PathPattern>,
    base: PathBuf,
    format: Format,
    on_bad_input: OnBadInput,
    line_bytes_max: usize,
    split_bytes_max: u64,
    /// From one look for new files to the next; `None`: there is only one.
    discover_interval: Option<Duration>,
}

impl FileSourceConfig {
    pub(super) fn parse(mut section: Section, base: &Path) -> Result<Self> {
        let Some(paths) = section.take_strings("path")? else { return Err(section.missing("path", "\"input/*.txt\"")) };
        if paths.is_empty() {
            return Err(section.error("`path` is an empty list", "name a file, a folder or a pattern such as \"input/*.txt\""));
        }
        let patterns = paths.into_iter().map(|(pattern, line)| PathPattern { place: section.key_place(line, "path"), pattern }).collect();
        let format = take_format(&mut section, &["lines", "csv", "json-lines"])?;
        let on_bad_input = OnBadInput::take(&mut section)?;
        let line_bytes_max = take_line_bytes_max(&mut section)?;
        let split = section.take_size("split-size")?;
        if let Some((bytes, line)) = split.filter(|(bytes, _)| *bytes < SPLIT_BYTES_LEAST) {
            return Err(section.key_error(
                line,
                "split-size",
                format!("{bytes} bytes are too few"),
                "write a size from \"4KiB\" on, such as \"64MiB\"",
            ));
        }
        let discover_interval = section.take_duration("discover-interval")?;
        if let Some((_, line)) = discover_interval.filter(|(interval, _)| interval.is_zero()) {
            let why = "without a pause there would be nothing but looking";
            return Err(section.key_error(line, "discover-interval", why, "write a duration such as \"10s\""));
        }
        section.finish()?;
        let split_bytes_max = split.map_or(SPLIT_BYTES_DEFAULT, |(bytes, _)| bytes);
        let discover_interval = discover_interval.map(|(interval, _)| interval);
        Ok(Self { patterns, base: base.to_owned(), format, on_bad_input, line_bytes_max, split_bytes_max, discover_interval })
    }

    pub(super) fn codecs(&self) -> (Codec, Codec) {
        match &self.format {
            Format::Lines(format) => format.codecs(),
            Format::Csv(format) => format.codecs(),
        }
    }

    /// The readers, and the bytes of all files unless more may be found.
    pub(super) fn open(
        &self,
        uid: &OperatorUid,
        parallelism: Parallelism,
        clock: &SharedClock,
        restored: Vec<FilePosition>,
    ) -> Result<(Vec<FileReader>, Option<u64>)> {
        let is_new = restored.is_empty();
        let (splits, counted) = if is_new { self.find(parallelism)? } else { self.restore(uid, parallelism, restored)? };
        let bytes_total = counted.bytes_done.saturating_add(splits.bytes());
        let discovery = self.discover_interval.map(|interval| {
            // Files may have come while nobody looked.
            let due = if is_new { interval } else { Duration::ZERO };
            Discovery {
                base: self.base.clone(),
                patterns: self.patterns.clone(),
                on_bad_input: self.on_bad_input,
                interval,
                clock: Arc::clone(clock),
                due_ns: AtomicU64::new(clock.monotonic_ns().saturating_add(u64::try_from(due.as_nanos()).unwrap_or(u64::MAX))),
            }
        });
        let source = Arc::new(FileSource {
            uid: uid.clone(),
            base: self.base.clone(),
            format: self.format.clone(),
            on_bad_input: self.on_bad_input,
            line_bytes_max: self.line_bytes_max,
            queue: SplitQueue::new(splits, discovery),
        });
        // What was left out before reading began is counted once, by the first reader.
        let counted = std::iter::once(counted).chain(std::iter::repeat(Counted::default()));
        let readers = parallelism.subtasks().zip(counted).map(|(subtask, counted)| FileReader::new(Arc::clone(&source), subtask.as_usize(), counted));
        Ok((readers.collect(), self.discover_interval.is_none().then_some(bytes_total)))
    }

    fn find(&self, parallelism: Parallelism) -> Result<(Splits, Counted)> {
        let look_up = if self.discover_interval.is_some() { LookUp::First } else { LookUp::Once };
        let found = paths::find(&self.base, &self.patterns, self.on_bad_input, look_up)?;
        let splits = Splits::of_files(found.files, &self.format, self.split_bytes_max, parallelism);
        Ok((splits, Counted { records_skipped: found.skipped, bytes_done: 0 }))
    }

    fn restore(&self, uid: &OperatorUid, parallelism: Parallelism, restored: Vec<FilePosition>) -> Result<(Splits, Counted)> {
        let saved = Saved { uid, base: &self.base, format: &self.format, on_bad_input: self.on_bad_input };
        let (rest, counted) = saved.restore(restored)?;
        Ok((Splits::new(rest, &self.format, self.split_bytes_max, parallelism), counted))
    }
}

/// Takes `format`, one of `formats`, and its own keys; lines unless it is said.
fn take_format(section: &mut Section, formats: &'static [&'static str]) -> Result<Format> {
    let choices: Vec<_> = formats.iter().map(|name| (*name, *name)).collect();
    let name = section.take_choice("format", &choices)?.unwrap_or("lines");
    refuse_misplaced(section, "format", name, KEYS_OF_FORMATS)?;
    Ok(match name {
        "csv" => Format::Csv(take_csv(section)?),
        "json-lines" => Format::Lines(LineFormat::Json { key: section.take_string("key")?.map(|(key, _)| key) }),
        _ => {
            let encodings = [("utf8", LineFormat::Utf8), ("bytes", LineFormat::Bytes)];
            let choices: Vec<_> = encodings.iter().map(|(name, format)| (*name, format)).collect();
            Format::Lines(section.take_choice("encoding", &choices)?.unwrap_or(&LineFormat::Utf8).clone())
        }
    })
}

/// Takes `format` and its keys for an input that is read line by line.
pub(super) fn take_line_format(section: &mut Section) -> Result<LineFormat> {
    match take_format(section, &["lines", "json-lines"])? {
        Format::Lines(format) => Ok(format),
        Format::Csv(_) => Ok(LineFormat::Utf8),
    }
}

fn take_csv(section: &mut Section) -> Result<CsvFormat> {
    let header = section.take_bool("header")?.is_none_or(|(header, _)| header);
    let delimiter = match section.take_string("delimiter")? {
        None => b',',
        Some((text, line)) => match text.as_bytes() {
            [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => *byte,
            _ => {
                let why = format!("{text:?} is not one ASCII character that can separate fields");
                return Err(section.key_error(line, "delimiter", why, "write one character, such as \";\" or \"\\t\""));
            }
        },
    };
    let key = match section.take_string("key")? {
        Some((_, line)) if !header => {
            return Err(section.key_error(line, "key", "without a header the columns have no names", "remove `key`, or set header = true"));
        }
        key => key.map(|(key, _)| key),
    };
    Ok(CsvFormat { delimiter, header, key })
}

/// Takes `line-bytes-max`.
pub(super) fn take_line_bytes_max(section: &mut Section) -> Result<usize> {
    let Some((bytes, line)) = section.take_size("line-bytes-max")? else { return Ok(LINE_BYTES_DEFAULT as usize) };
    if !(1..=LINE_BYTES_LIMIT).contains(&bytes) {
        return Err(section.key_error(line, "line-bytes-max", format!("{bytes} bytes are too few or too many"), "write a size up to \"1GiB\""));
    }
    Ok(bytes as usize)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod restore_tests;
