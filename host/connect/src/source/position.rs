//! How the positions of sources are written into a checkpoint: types of their own, with a format version and a checksum.

use flate2::Crc;
use serde::{Deserialize, Serialize};
use weir_model::id::OperatorUid;
use weir_model::{Error, Result};

/// The first byte of every position.
const VERSION: u8 = 1;
/// The CRC-32 of everything before it, little-endian, comes last.
const CHECKSUM_BYTES: usize = 4;

/// What one reader puts into a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Position {
    /// Of a reader of files.
    File(FilePosition),
    /// Of a subtask of a generator.
    Generator(GeneratorPosition),
    /// Of the reader of standard input.
    Stdin(StdinPosition),
}

/// Where a reader of files is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FilePosition {
    pub(super) records_skipped: u64,
    /// Of pieces, or parts of them, that nobody reads again.
    pub(super) bytes_done: u64,
    /// What is left of the piece that it reads.
    pub(super) current: Option<PiecePosition>,
    /// What no reader had taken before its own barrier. Exactly one reader writes it: the last to reach the barrier.
    pub(super) rest: Option<RestPosition>,
}

/// What is left to be read of a source of files, beside what its readers are at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RestPosition {
    /// All files found so far, in the order in which they were found: their places are their numbers.
    pub(super) files: Vec<FileEntry>,
    pub(super) pieces: Vec<PiecePosition>,
}

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileEntry {
    /// As bytes; relative to the folder of the job file if it is in there.
    pub(super) path: Vec<u8>,
    /// The size when it was found.
    pub(super) bytes: u64,
}

/// A piece of a file: the records that start in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PiecePosition {
    /// The number of the file.
    pub(super) file: u64,
    pub(super) start: u64,
    /// `None`: the whole file.
    pub(super) end: Option<u64>,
    /// How far a file that can only be read as a whole has been read.
    pub(super) resume: Option<ResumePosition>,
}

/// A place in a file that can only be read as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ResumePosition {
    /// The unpacked byte that comes next.
    pub(super) offset: u64,
    /// Lines that end before it.
    pub(super) lines_before: u64,
    /// The rest of the line belongs to a record that is left out.
    pub(super) discarding: bool,
}

/// Where a subtask of a generator is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GeneratorPosition {
    pub(super) bytes_made: u64,
    pub(super) streams: Vec<StreamPosition>,
}

/// What is left of a run of made-up records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum StreamPosition {
    Words { random: [u64; 4], line: u64, lines_end: u64, bytes_left: u64 },
    Numbers { next: Option<u64>, to: u64, step: u64 },
}

/// What the reader of standard input has counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StdinPosition {
    pub(super) records_skipped: u64,
    pub(super) bytes_read: u64,
}

/// Why bytes are no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum PositionError {
    #[error("its checksum doesn't match")]
    Checksum,
    #[error("it has format version {0}, and this version of weir reads up to {VERSION}")]
    Version(u8),
    #[error("its bytes make no sense")]
    Malformed,
}

/// The bytes of a position.
pub(super) fn encode(position: &Position) -> Vec<u8> {
    // Serializing into memory can't fail: there is nothing without a known length. An empty position would be refused when it is read.
    let mut bytes = postcard::to_extend(position, vec![VERSION]).unwrap_or_default();
    bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
    bytes
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// No more memory is asked for than `bytes` has: serde grows lists as their items come.
fn decode(bytes: &[u8]) -> Result<Position, PositionError> {
    let (body, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(PositionError::Malformed)?;
    if checksum(body) != u32::from_le_bytes(*sum) {
        return Err(PositionError::Checksum);
    }
    match body.split_first() {
        Some((&VERSION, body)) => match postcard::take_from_bytes(body) {
            Ok((position, [])) => Ok(position),
            _ => Err(PositionError::Malformed),
        },
        Some((version, _)) => Err(PositionError::Version(*version)),
        None => Err(PositionError::Malformed),
    }
}

/// The positions of a source of files.
pub(super) fn decode_files(uid: &OperatorUid, restored: &[Vec<u8>]) -> Result<Vec<FilePosition>> {
    decode_all(uid, restored, |position| if let Position::File(position) = position { Some(position) } else { None })
}

/// The positions of a generator.
pub(super) fn decode_generators(uid: &OperatorUid, restored: &[Vec<u8>]) -> Result<Vec<GeneratorPosition>> {
    decode_all(uid, restored, |position| if let Position::Generator(position) = position { Some(position) } else { None })
}

/// The positions of standard input.
pub(super) fn decode_stdin(uid: &OperatorUid, restored: &[Vec<u8>]) -> Result<Vec<StdinPosition>> {
    decode_all(uid, restored, |position| if let Position::Stdin(position) = position { Some(position) } else { None })
}

fn decode_all<T>(uid: &OperatorUid, restored: &[Vec<u8>], pick: impl Fn(Position) -> Option<T>) -> Result<Vec<T>> {
    let one = |bytes: &Vec<u8>| match decode(bytes) {
        Ok(position) => pick(position).ok_or_else(|| another_source(uid, "it is one of another connector")),
        Err(error) => Err(damaged(uid, error.to_string())),
    };
    restored.iter().map(one).collect()
}

/// The error for a position that can't have been written as it is.
pub(super) fn damaged(uid: &OperatorUid, why: impl Into<String>) -> Error {
    Error::job(place(uid), why, "restore an older checkpoint, or start from the beginning with --fresh")
}

/// The error for a position that fits another source.
pub(super) fn another_source(uid: &OperatorUid, why: impl Into<String>) -> Error {
    Error::incompatible(place(uid), why, "use the job file that the checkpoint was made with, give the source another UID, or start with --fresh")
}

fn place(uid: &OperatorUid) -> String {
    format!("source `{uid}`: its position in the checkpoint")
}

#[cfg(test)]
mod tests;
