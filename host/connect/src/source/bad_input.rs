//! Input that is not what its format says, and what a source does about it.

use weir_model::Result;
use weir_model::section::Section;

/// `on-error` of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnBadInput {
    /// The job fails.
    Fail,
    /// What is bad is left out and counted.
    Skip,
}

impl OnBadInput {
    /// Takes `on-error`.
    pub(super) fn take(section: &mut Section) -> Result<Self> {
        Ok(section.take_choice("on-error", &[("fail", Self::Fail), ("skip", Self::Skip)])?.unwrap_or(Self::Fail))
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadInput {
    #[error("byte 0x{byte:02x} is not UTF-8 here")]
    NotUtf8 { byte: u8 },
    #[error("the record is longer than {bytes_max} bytes")]
    TooLong { bytes_max: usize },
    #[error("it is not JSON: {0}")]
    Json(String),
    #[error("the line has no JSON object, so there is no field `{0}` to take the key from")]
    KeyOutsideObject(String),
    #[error("the field `{0}`, which holds the key, is missing or null")]
    KeyMissing(String),
    #[error("the field `{0}`, which holds the key, is an array or an object")]
    KeyNotScalar(String),
    #[error("a quoted field is not closed before the end of the file")]
    CsvUnclosed,
    #[error("a closing quote is followed by something else than a delimiter")]
    CsvAfterQuote,
    #[error("the record has {found} fields where the first line names {expected} columns")]
    CsvFields { expected: usize, found: usize },
    #[error("the first line, which names the columns, is not UTF-8")]
    CsvHeaderNotUtf8,
    #[error("the first line names the column `{0}` twice")]
    CsvColumnTwice(String),
    #[error("the first line names no column `{0}` to take the key from")]
    CsvKeyColumn(String),
    #[error("the gzip data is torn or damaged, before byte {packed} of the file: {why}")]
    Gzip { packed: u64, why: String },
    #[error("the file has got smaller since it was found: it ends before byte {bytes}")]
    Shrunk { bytes: u64 },
}

impl BadInput {
    /// What to do about it.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::NotUtf8 { .. } => "convert the input to UTF-8, set on-error = \"skip\", or read lines with encoding = \"bytes\"",
            Self::TooLong { .. } => "check that the format is right, raise line-bytes-max, or set on-error = \"skip\"",
            Self::Json(_) => "repair the line, or set on-error = \"skip\" to leave such lines out",
            Self::KeyOutsideObject(_) | Self::KeyMissing(_) | Self::KeyNotScalar(_) => {
                "take the key from a field that every line has, or set on-error = \"skip\" to leave such lines out"
            }
            Self::CsvUnclosed | Self::CsvAfterQuote => {
                "double every quote inside a quoted field, or set on-error = \"skip\" to leave such records out"
            }
            Self::CsvFields { .. } => "check the delimiter, repair the record, or set on-error = \"skip\" to leave such records out",
            Self::CsvHeaderNotUtf8 | Self::CsvColumnTwice(_) => {
                "repair the first line, set header = false if it names no columns, or set on-error = \"skip\" to leave the file out"
            }
            Self::CsvKeyColumn(_) => "check the delimiter, set `key` to a name in the first line, or set on-error = \"skip\" to leave the file out",
            Self::Gzip { .. } => "fetch or pack the file again, or set on-error = \"skip\" to take what comes before the damage",
            Self::Shrunk { .. } => "leave files as they are while a job reads them, or set on-error = \"skip\" to leave out what is missing",
        }
    }

    /// Whether nothing after it in the same file can be read.
    pub(super) fn ends_file(&self) -> bool {
        matches!(self, Self::CsvHeaderNotUtf8 | Self::CsvColumnTwice(_) | Self::CsvKeyColumn(_) | Self::Gzip { .. } | Self::Shrunk { .. })
    }
}

/// A bad record and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadRecord {
    /// What is wrong.
    pub(super) why: BadInput,
    /// The byte of the input, from 0, that shows it.
    pub(super) offset: u64,
    /// How many lines end between where reading started and the record.
    pub(super) lines_before: u64,
}

/// The byte that makes `bytes` no UTF-8 and its place, for a message.
pub(super) fn not_utf8(bytes: &[u8], valid: usize) -> (BadInput, usize) {
    (BadInput::NotUtf8 { byte: bytes.get(valid).copied().unwrap_or_default() }, valid)
}
