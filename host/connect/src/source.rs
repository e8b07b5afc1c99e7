//! Where records come from: files, a generator, standard input.

mod bad_input;
mod csv;
mod file;
mod generator;
mod json;
mod lines;
mod position;
mod stdin;
mod window;

use std::path::Path;

use weir_model::describe::Port;
use weir_model::id::{CheckpointId, OperatorUid, Parallelism};
use weir_model::rows::BatchBuilder;
use weir_model::section::{Section, did_you_mean};
use weir_model::time::SharedClock;
use weir_model::{Error, Result};

pub use file::FileSourceConfig;
pub use generator::GeneratorConfig;
pub use stdin::StdinConfig;

use position::Position;

/// The connectors that a source can name.
const CONNECTORS: &[&str] = &["file", "generator", "stdin"];
/// The one output port of every source.
const PORT_NAME: &str = "out";
/// A source that has found no record in that many bytes comes back without one, so that whoever drives it can stop it or show how far it
/// has come.
const BARREN_BYTES_MAX: usize = 1 << 20;

/// A source as the job file says it.
#[derive(Debug, Clone)]
pub enum SourceConfig {
    /// Files, perhaps compressed, read in parallel.
    File(FileSourceConfig),
    /// Made-up records.
    Generator(GeneratorConfig),
    /// The lines of standard input.
    Stdin(StdinConfig),
}

impl SourceConfig {
    /// Reads the keys of `connector`; relative paths start at `base`. Nothing outside of the section is looked at.
    ///
    /// # Errors
    /// A usage error for an unknown connector, and for a key that is missing, unknown or wrong.
    pub fn parse(connector: &str, section: Section, base: &Path) -> Result<Self> {
        match connector {
            "file" => FileSourceConfig::parse(section, base).map(Self::File),
            "generator" => GeneratorConfig::parse(section).map(Self::Generator),
            "stdin" => StdinConfig::parse(section).map(Self::Stdin),
            other => Err(section.error(format!("there is no source connector `{other}`"), did_you_mean(other, CONNECTORS))),
        }
    }

    /// How the source's records are to be read.
    #[must_use]
    pub fn output(&self) -> Port {
        let (key, value) = match self {
            Self::File(config) => config.codecs(),
            Self::Generator(config) => config.codecs(),
            Self::Stdin(config) => config.codecs(),
        };
        Port { name: PORT_NAME.to_owned(), key, value }
    }

    /// The most subtasks that the source can be read by; `None`: any number.
    #[must_use]
    pub fn parallelism_max(&self) -> Option<Parallelism> {
        match self {
            Self::File(_) | Self::Generator(_) => None,
            Self::Stdin(_) => Some(Parallelism::ONE),
        }
    }

    /// Whether what was read can be had again.
    #[must_use]
    pub fn replay(&self) -> Replay {
        match self {
            Self::File(_) | Self::Generator(_) => Replay::FromPosition,
            Self::Stdin(_) => {
                Replay::Never { why: "standard input can't be read again: what was read since the last checkpoint is lost when the job dies" }
            }
        }
    }

    /// Opens the source for `parallelism` subtasks. Files are looked for here; standard input starts to be read.
    ///
    /// `restored` has what [`SourceReader::position`] gave for one checkpoint, of all readers that there were, however many: reading goes
    /// on there, with as many readers as are asked for now. `None` and an empty list: from the start.
    ///
    /// # Errors
    /// A usage error for a file that isn't there, unless the source skips what is bad, for a source that finds none at all, and for a pipe
    /// or a device where a file is expected; an error when standard input is in use by another source. When something is restored: an error
    /// for positions that are damaged or those of another source, and for a file that is gone or has got smaller since.
    pub fn open(&self, uid: &OperatorUid, parallelism: Parallelism, clock: &SharedClock, restored: Option<&[Vec<u8>]>) -> Result<OpenedSource> {
        let restored = restored.unwrap_or_default();
        match self {
            Self::File(config) => {
                let (readers, bytes_total) = config.open(uid, parallelism, clock, position::decode_files(uid, restored)?)?;
                Ok(OpenedSource::new(readers, Reader::File, bytes_total))
            }
            Self::Generator(config) => {
                let readers = config.open(uid, parallelism, clock, position::decode_generators(uid, restored)?)?;
                Ok(OpenedSource::new(readers, Reader::Generator, config.bytes_total()))
            }
            Self::Stdin(config) => {
                Ok(OpenedSource::new(config.open(uid, parallelism, &position::decode_stdin(uid, restored)?)?, Reader::Stdin, None))
            }
        }
    }
}

/// What a source can give again after the job has died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// All that came after a position.
    FromPosition,
    /// Nothing.
    Never {
        /// What that means for the user, as a sentence without its full stop.
        why: &'static str,
    },
}

/// A source that is ready to be read.
#[derive(Debug)]
pub struct OpenedSource {
    /// One reader for each subtask, in order.
    pub readers: Vec<SourceReader>,
    /// The bytes of all input, where that is known: for a progress bar. Compressed files count as they lie on the disk.
    pub bytes_total: Option<u64>,
}

impl OpenedSource {
    fn new<R>(readers: Vec<R>, kind: fn(R) -> Reader, bytes_total: Option<u64>) -> Self {
        Self { readers: readers.into_iter().map(|reader| SourceReader(kind(reader))).collect(), bytes_total }
    }
}

/// How much a batch should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimit {
    /// Records.
    pub rows: usize,
    /// Bytes, row headers included.
    pub bytes: usize,
}

impl BatchLimit {
    /// Whether `out` holds as much as it should.
    #[inline]
    fn reached(self, out: &BatchBuilder) -> bool {
        out.len() >= self.rows || out.byte_len() >= self.bytes
    }
}

/// Whether a source has more to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceStatus {
    /// Ask again.
    More,
    /// Nothing comes after what is in the batch now.
    End,
}

/// How far a reader has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceProgress {
    /// Bytes read of the underlying input; of a compressed file, the bytes on the disk.
    pub bytes_read: u64,
    /// Records, and whole or partial files, that were left out by `on-error = "skip"`.
    pub records_skipped: u64,
}

/// Reads the part of a source that falls to one subtask.
#[derive(Debug)]
pub struct SourceReader(Reader);

#[derive(Debug)]
enum Reader {
    File(file::FileReader),
    Generator(generator::GeneratorReader),
    Stdin(stdin::StdinReader),
}

impl SourceReader {
    /// Appends records to `out` until it holds about as much as `limit` says, or until there is no more right now.
    ///
    /// Waits only while it has nothing to append. [`SourceStatus::More`] with nothing appended comes after about 1 MiB of input without a
    /// record, such as bad input under `on-error = "skip"`. Dropping the future loses no record: what was read is in `out` or comes next time.
    ///
    /// # Errors
    /// Bad input under `on-error = "fail"`, and input that can't be read; both say the file, the line and the byte. The reader is not
    /// to be used after that.
    pub async fn next(&mut self, out: &mut BatchBuilder, limit: BatchLimit) -> Result<SourceStatus> {
        match &mut self.0 {
            Reader::File(reader) => reader.next(out, limit).await,
            Reader::Generator(reader) => reader.next(out, limit).await,
            Reader::Stdin(reader) => reader.next(out, limit).await,
        }
    }

    /// Where this reader is: what [`Self::next`] has given so far comes before it. To be called once for each checkpoint by each reader of
    /// the source, in the order of the checkpoints; a reader may be left out of a checkpoint that is given up. Only all positions of a
    /// checkpoint together say where the source is.
    ///
    /// # Errors
    /// When a file's name can't be written down.
    pub fn position(&mut self, checkpoint: CheckpointId) -> Result<Vec<u8>> {
        match &mut self.0 {
            Reader::File(reader) => reader.position(checkpoint).map(|position| position::encode(&Position::File(position))),
            Reader::Generator(reader) => Ok(position::encode(&Position::Generator(reader.position()))),
            Reader::Stdin(reader) => Ok(position::encode(&Position::Stdin(reader.position()))),
        }
    }

    /// Says that `checkpoint` is complete. No source of today has to know: none acknowledges what it has read to a system outside, and what
    /// readers must remember of each other is forgotten once all of them have passed a barrier.
    pub fn completed(&mut self, _checkpoint: CheckpointId) {}

    /// How far this reader has come, restarts included.
    #[must_use]
    pub fn progress(&self) -> SourceProgress {
        match &self.0 {
            Reader::File(reader) => reader.progress(),
            Reader::Generator(reader) => reader.progress(),
            Reader::Stdin(reader) => reader.progress(),
        }
    }
}

/// The error for a key that belongs to another of the section's choices, such as `delimiter` without `format = "csv"`.
fn refuse_misplaced(section: &Section, choice: &str, chosen: &str, keys: &[(&str, &[&str])]) -> Result<()> {
    let misplaced = keys.iter().filter(|(_, of)| !of.contains(&chosen));
    let found = misplaced.filter_map(|(key, of)| section.line_of(key).map(|line| (line, key, of))).min_by_key(|(line, ..)| *line);
    match found {
        None => Ok(()),
        Some((line, key, of)) => {
            let homes = of.iter().map(|name| format!("{choice} = \"{name}\"")).collect::<Vec<_>>().join(" or ");
            Err(section.key_error(line, key, format!("it means nothing with {choice} = \"{chosen}\""), format!("remove it, or set {homes}")))
        }
    }
}

/// The first part of an error about a source that is at work.
fn source_error(uid: &OperatorUid, place: &str, why: impl Into<String>, remedy: impl Into<String>) -> Error {
    Error::job(format!("source `{uid}`: {place}"), why, remedy)
}
