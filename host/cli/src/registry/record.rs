//! What is written about a job: who it is, where it is reached, and how it ended.

use std::fmt;

use serde::{Deserialize, Serialize};
use weir_model::{Error, ErrorKind};

/// The version of the types below as they lie in `<job-id>.json`.
const FORMAT_VERSION: u32 = 1;

/// Hexadecimal digits of a job's id, as of Flink's.
const ID_DIGITS: usize = 32;

/// Digits that are shown where there is little room.
const SHORT_DIGITS: usize = 8;

/// Which run of which job: 32 hexadecimal digits in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct JobId(String);

impl JobId {
    /// An id of two random numbers.
    pub(crate) fn of(high: u64, low: u64) -> Self {
        Self(format!("{high:016x}{low:016x}"))
    }

    /// The id that is written like this.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == ID_DIGITS && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// All digits.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The first digits, for a screen.
    pub(crate) fn short(&self) -> &str {
        self.0.get(..SHORT_DIGITS).unwrap_or(&self.0)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for JobId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::read(&text).ok_or("it is no job id")
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

/// A job that runs or has run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The version of this form.
    pub(crate) format_version: u32,
    /// Its id.
    pub(crate) id: JobId,
    /// Its name in the job file.
    pub(crate) name: String,
    /// The process that runs it.
    pub(crate) pid: u32,
    /// Tells the process from others that had its number before or get it later.
    pub(crate) process: String,
    /// When it was started: wall-clock time, milliseconds since the Unix epoch.
    pub(crate) started_ms: i64,
    /// The job file, absolute.
    pub(crate) job_file: String,
    /// The folder in which it was started.
    pub(crate) working_folder: String,
    /// Where its checkpoints are, if it takes any.
    pub(crate) checkpoints: Option<CheckpointPlace>,
    /// The version of weir that runs it.
    pub(crate) weir: String,
    /// How it ended; `None`: it runs, or its process was killed and nobody has noticed yet.
    pub(crate) ended: Option<Ended>,
}

/// The checkpoint folder of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckpointPlace {
    /// A path, absolute, or a URL.
    pub(crate) dir: String,
    /// The job's folder in it.
    pub(crate) job: String,
}

/// The end of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// When it ended, or when somebody noticed that it had been killed: wall-clock time, milliseconds since the Unix epoch.
    pub(crate) ended_ms: i64,
    /// How.
    pub(crate) outcome: Outcome,
    /// The savepoint that it was stopped or cancelled with.
    pub(crate) savepoint: Option<String>,
    /// Why it failed.
    pub(crate) error: Option<Failure>,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// Its input ended.
    Done,
    /// A signal or a closed pipe ended it.
    Interrupted,
    /// It was stopped with a savepoint.
    Stopped,
    /// It was cancelled.
    Cancelled,
    /// It failed.
    Failed,
    /// Its process is gone and has said nothing.
    Killed,
}

impl Outcome {
    /// The word for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Interrupted => "interrupted",
            Self::Stopped => "stopped",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Killed => "killed",
        }
    }
}

/// An error in three parts, on the disk or on the way to another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    kind: String,
    pub(crate) what: String,
    pub(crate) why: String,
    #[serde(rename = "do")]
    pub(crate) remedy: String,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let Error { kind, what, why, remedy } = error.clone();
        Self { kind: crate::output::error_kind(kind).to_owned(), what, why, remedy }
    }
}

impl From<Failure> for Error {
    /// Whoever reads it was not interrupted: what ended the other process is an error like any other here.
    fn from(Failure { kind, what, why, remedy }: Failure) -> Self {
        let kind = match kind.as_str() {
            "usage" => ErrorKind::Usage,
            "incompatible" => ErrorKind::Incompatible,
            _ => ErrorKind::Job,
        };
        Self { kind, what, why, remedy }
    }
}

impl Record {
    /// A job that runs.
    pub(crate) fn new(id: JobId, name: &str, pid: u32, started_ms: i64) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            id,
            name: name.to_owned(),
            pid,
            process: String::new(),
            started_ms,
            job_file: String::new(),
            working_folder: String::new(),
            checkpoints: None,
            weir: env!("CARGO_PKG_VERSION").to_owned(),
            ended: None,
        }
    }

    /// Reads what [`Self::encode`] wrote; `None` for anything else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|record: &Self| record.format_version == FORMAT_VERSION)
    }

    /// The file's content.
    pub(crate) fn encode(&self) -> Vec<u8> {
        // Texts and numbers: there is nothing in them that JSON can't hold.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_32_hexadecimal_digits() {
        let check = |text: &str, is_id: bool| assert_eq!(JobId::read(text).is_some(), is_id, "{text}");
        check("0123456789abcdef0123456789abcdef", true);
        check("0123456789ABCDEF0123456789abcdef", false);
        check("../../456789abcdef0123456789abcd", false);
        check("0123", false);
        check("", false);
        assert_eq!(JobId::of(1, 0xab).as_str(), "000000000000000100000000000000ab");
        assert_eq!(JobId::of(0x0123_4567_89ab_cdef, 0).short(), "01234567");
    }

    #[test]
    fn a_record_comes_back_as_it_was_written_and_nothing_else_is_one() {
        let error = Error::incompatible("count", "its state is of another kind", "give it up");
        let ended = Ended { ended_ms: 7, outcome: Outcome::Failed, savepoint: None, error: Some(Failure::from(&error)) };
        let record = Record { ended: Some(ended), ..Record::new(JobId::of(1, 2), "words", 5, 3) };
        assert_eq!(Record::decode(&record.encode()).as_ref(), Some(&record));
        assert_eq!(Error::from(record.ended.clone().unwrap().error.unwrap()), error);
        let text = String::from_utf8(record.encode()).unwrap();
        for damage in [
            text.replace("\"format_version\": 1", "\"format_version\": 2"),
            text.replace("0000000000000001", "1"),
            text.replace("words\"", "words"),
            text.replace("\"failed\"", "\"sad\""),
            text[..text.len() / 2].to_owned(),
            String::new(),
        ] {
            assert_ne!(damage, text);
            assert_eq!(Record::decode(damage.as_bytes()), None, "{damage}");
        }
    }
}
