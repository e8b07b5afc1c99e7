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
pub(super) struct Input {
    file: Bytes,
    split: Split,
    /// Unpacked bytes that were read before a restart and come before what is wanted.
    to_pass_bytes: u64,
}

#[derive(Debug)]
enum Bytes {
    Plain { file: File, position: u64 },
    Gzip(Box<MultiGzDecoder<BufReader<Counted>>>),
}

/// Why bytes could not be had.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The system can't read the file.
    Io(io::Error),
    /// The packed bytes make no sense, before byte `packed` of the file.
    Packed { packed: u64, why: String },
    /// The file has fewer bytes than when it was found.
    Shrunk,
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Input {
    /// Opens the file and goes to the byte before the piece: it tells whether a line starts with the piece. Or to where reading goes on.
    pub(super) fn open(split: &Split) -> Result<Self, ReadError> {
        let mut file = File::open(&split.file.path)?;
        if file.metadata()?.len() < split.file.bytes {
            return Err(ReadError::Shrunk);
        }
        let offset = split.resume.map_or(split.start.saturating_sub(1), |resume| resume.offset);
        if split.file.gzip {
            let decoder = MultiGzDecoder::new(BufReader::with_capacity(PACKED_BYTES, Counted { file, bytes: 0 }));
            return Ok(Self { file: Bytes::Gzip(Box::new(decoder)), split: split.clone(), to_pass_bytes: offset });
        }
        if offset > 0 {
            file.seek(SeekFrom::Start(offset))?;
        }
        Ok(Self { file: Bytes::Plain { file, position: offset }, split: split.clone(), to_pass_bytes: 0 })
    }

    /// How many bytes to ask for next.
    pub(super) fn read_size(&self) -> usize {
        match (&self.file, self.split.end) {
            (Bytes::Plain { position, .. }, Some(end)) if *position < end => usize::try_from(end - position).unwrap_or(usize::MAX),
            (Bytes::Plain { .. }, Some(_)) => TAIL_BYTES as usize,
            _ => BLOCK_BYTES,
        }
    }

    /// Whether [`Self::pass`] is to be called before what is wanted can be read.
    pub(super) fn is_passing(&self) -> bool {
        self.to_pass_bytes > 0
    }

    /// Reads some of the bytes that nobody wants, into memory that is free to be used for it.
    pub(super) fn pass(&mut self, scratch: &mut [u8]) -> Result<usize, ReadError> {
        let room = scratch.len().min(usize::try_from(self.to_pass_bytes).unwrap_or(usize::MAX));
        let count = self.read(scratch.get_mut(..room).unwrap_or_default())?;
        if count == 0 {
            return Err(ReadError::Packed { packed: self.bytes_read(), why: "it has got shorter since it was read".to_owned() });
        }
        self.to_pass_bytes -= count as u64;
        Ok(count)
    }

    /// Reads some bytes; 0: the file has ended, where it ended when it was found or later.
    pub(super) fn read(&mut self, room: &mut [u8]) -> Result<usize, ReadError> {
        let (count, position) = loop {
            let result = match &mut self.file {
                Bytes::Plain { file, .. } => file.read(room),
                Bytes::Gzip(decoder) => decoder.read(room),
            };
            match (result, &mut self.file) {
                (Err(error), _) if error.kind() == io::ErrorKind::Interrupted => {}
                (Err(error), Bytes::Gzip(decoder)) if error.raw_os_error().is_none() => {
                    return Err(ReadError::Packed { packed: decoder.get_ref().get_ref().bytes, why: error.to_string() });
                }
                (Err(error), _) => return Err(ReadError::Io(error)),
                (Ok(count), Bytes::Plain { position, .. }) => {
                    *position += count as u64;
                    break (count, *position);
                }
                (Ok(count), Bytes::Gzip(decoder)) => break (count, decoder.get_ref().get_ref().bytes),
            }
        };
        if count == 0 && position < self.split.file.bytes && !room.is_empty() { Err(ReadError::Shrunk) } else { Ok(count) }
    }

    /// Bytes of the piece, as they lie on the disk, that were read.
    pub(super) fn bytes_read(&self) -> u64 {
        match &self.file {
            Bytes::Plain { position, .. } => self.split.end.map_or(*position, |end| end.min(*position)).saturating_sub(self.split.start),
            Bytes::Gzip(decoder) => decoder.get_ref().get_ref().bytes,
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
