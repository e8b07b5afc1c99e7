//! The bytes of one piece of a file, unpacked where they are packed.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::bufread::MultiGzDecoder;

use super::paths::InputFile;
use super::splits::Split;
use crate::source::window::BLOCK_BYTES;

/// Bytes asked for at once after the end of a piece, where only the rest of one line is wanted.
const TAIL_BYTES: u64 = 16 << 10;
/// Packed bytes read at once.
const PACKED_BYTES: usize = 64 << 10;

/// An open piece of a file.
#[derive(Debug)]
pub(super) enum Input {
    Plain { file: File, position: u64, split: Split },
    Gzip { decoder: Box<MultiGzDecoder<BufReader<Counted>>> },
}

/// Why bytes could not be had.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The system can't read the file.
    Io(io::Error),
    /// The packed bytes make no sense, before byte `packed` of the file.
    Packed { packed: u64, why: String },
}

impl Input {
    /// Opens the file and goes to the byte before the piece: it tells whether a line starts with the piece.
    pub(super) fn open(split: &Split) -> io::Result<Self> {
        let mut file = File::open(&split.file.path)?;
        if split.file.gzip {
            let counted = Counted { file, bytes: 0 };
            return Ok(Self::Gzip { decoder: Box::new(MultiGzDecoder::new(BufReader::with_capacity(PACKED_BYTES, counted))) });
        }
        let position = split.start.saturating_sub(1);
        if position > 0 {
            file.seek(SeekFrom::Start(position))?;
        }
        Ok(Self::Plain { file, position, split: split.clone() })
    }

    /// How many bytes to ask for next.
    pub(super) fn read_size(&self) -> usize {
        match self {
            Self::Plain { position, split: Split { end: Some(end), .. }, .. } if position < end => {
                usize::try_from(end - position).unwrap_or(usize::MAX)
            }
            Self::Plain { split: Split { end: Some(_), .. }, .. } => TAIL_BYTES as usize,
            Self::Plain { .. } | Self::Gzip { .. } => BLOCK_BYTES,
        }
    }

    /// Reads some bytes; 0: the file has ended.
    pub(super) fn read(&mut self, room: &mut [u8]) -> Result<usize, ReadError> {
        loop {
            let result = match self {
                Self::Plain { file, .. } => file.read(room),
                Self::Gzip { decoder } => decoder.read(room),
            };
            match (result, &mut *self) {
                (Err(error), _) if error.kind() == io::ErrorKind::Interrupted => {}
                (Err(error), Self::Gzip { decoder }) if error.raw_os_error().is_none() => {
                    return Err(ReadError::Packed { packed: decoder.get_ref().get_ref().bytes, why: error.to_string() });
                }
                (Err(error), _) => return Err(ReadError::Io(error)),
                (Ok(count), Self::Plain { position, .. }) => {
                    *position += count as u64;
                    return Ok(count);
                }
                (Ok(count), Self::Gzip { .. }) => return Ok(count),
            }
        }
    }

    /// Bytes of the piece, as they lie on the disk, that were read.
    pub(super) fn bytes_read(&self) -> u64 {
        match self {
            Self::Plain { position, split, .. } => split.end.map_or(*position, |end| end.min(*position)).saturating_sub(split.start),
            Self::Gzip { decoder } => decoder.get_ref().get_ref().bytes,
        }
    }
}

/// A file that counts what is read of it.
#[derive(Debug)]
pub(super) struct Counted {
    file: File,
    bytes: u64,
}

impl Read for Counted {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(room)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

/// How many lines of a plain file end before byte `offset`; `None` when that can't be found out any more.
pub(super) fn lines_before(file: &InputFile, offset: u64) -> Option<u64> {
    let mut rest = File::open(&file.path).ok()?.take(offset);
    let (mut lines, mut block) = (0, vec![0; BLOCK_BYTES]);
    loop {
        match rest.read(&mut block) {
            Ok(0) => return (rest.limit() == 0).then_some(lines),
            Ok(count) => lines += memchr::memchr_iter(b'\n', block.get(..count).unwrap_or_default()).count() as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
