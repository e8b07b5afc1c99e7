//! From what readers are at to what a checkpoint keeps of it, and back.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_model::id::OperatorUid;
use weir_model::{Error, Result};

use super::Format;
use super::paths::InputFile;
use super::reader::{Counted, FileSource, shrunk, unreadable};
use super::splits::{Rest, Split};
use crate::source::bad_input::OnBadInput;
use crate::source::lines::Place;
use crate::source::position::{FileEntry, FilePosition, PiecePosition, RestPosition, ResumePosition, another_source, damaged};

/// A piece as it is written down.
pub(super) fn piece(split: &Split) -> PiecePosition {
    let resume = |place: Place| ResumePosition { offset: place.offset, lines_before: place.lines_before, discarding: place.discarding };
    PiecePosition { file: split.number as u64, start: split.start, end: split.end, resume: split.resume.map(resume) }
}

/// What is left, as it is written down.
pub(super) fn rest(source: &FileSource, rest: &Rest) -> Result<RestPosition> {
    let entry = |file: &Arc<InputFile>| Ok(FileEntry { path: path_bytes(source, &file.path)?, bytes: file.bytes });
    Ok(RestPosition { files: rest.files.iter().map(entry).collect::<Result<_>>()?, pieces: rest.splits.iter().map(piece).collect() })
}

/// A folder that is moved with its job file still has the files of its checkpoints.
fn path_bytes(source: &FileSource, path: &Path) -> Result<Vec<u8>> {
    let path = path.strip_prefix(&source.base).unwrap_or(path);
    #[cfg(unix)]
    let bytes = Some(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec());
    #[cfg(not(unix))]
    let bytes = path.to_str().map(|path| path.as_bytes().to_vec());
    bytes.ok_or_else(|| {
        let place = format!("source `{}`: {}", source.uid, path.display());
        Error::job(place, "the name can't be written into a checkpoint: it is no Unicode", "rename the file")
    })
}

fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    #[cfg(unix)]
    let path: Option<OsString> = Some(std::os::unix::ffi::OsStringExt::from_vec(bytes));
    #[cfg(not(unix))]
    let path: Option<OsString> = String::from_utf8(bytes).ok().map(OsString::from);
    path.map(PathBuf::from)
}

/// What all readers together had left of a source.
pub(super) struct Saved<'a> {
    pub(super) uid: &'a OperatorUid,
    pub(super) base: &'a Path,
    pub(super) format: &'a Format,
    pub(super) on_bad_input: OnBadInput,
}

impl Saved<'_> {
    /// Puts the positions of one checkpoint together, and looks whether the files are still there.
    pub(super) fn restore(&self, positions: Vec<FilePosition>) -> Result<(Rest, Counted)> {
        let mut counted = Counted::default();
        let (mut pieces, mut files) = (Vec::new(), None);
        for position in positions {
            counted.records_skipped = counted.records_skipped.saturating_add(position.records_skipped);
            counted.bytes_done = counted.bytes_done.saturating_add(position.bytes_done);
            pieces.extend(position.current);
            if let Some(rest) = position.rest {
                pieces.extend(rest.pieces);
                if files.replace(rest.files).is_some() {
                    return Err(damaged(self.uid, "it has parts of more than one checkpoint"));
                }
            }
        }
        let Some(files) = files else { return Err(damaged(self.uid, "a part of it is missing: that with the list of files")) };
        let files = files.into_iter().map(|entry| self.file(entry)).collect::<Result<Vec<_>>>()?;
        let mut splits = pieces.into_iter().map(|piece| self.split(&files, &piece)).collect::<Result<Vec<_>>>()?;
        splits.sort_by_key(|split| (split.number, split.start));
        let overlap = |(a, b): (&Split, &Split)| a.number == b.number && a.end.is_none_or(|end| end > b.start);
        if splits.iter().zip(splits.iter().skip(1)).any(overlap) {
            return Err(damaged(self.uid, "two of its pieces of files overlap"));
        }
        self.look_at_files(&splits)?;
        Ok((Rest { files, splits }, counted))
    }

    fn file(&self, entry: FileEntry) -> Result<Arc<InputFile>> {
        let path = path_of(entry.path).ok_or_else(|| damaged(self.uid, "it names a file that this system can't have"))?;
        Ok(Arc::new(InputFile::new(self.base.join(path), entry.bytes)))
    }

    fn split(&self, files: &[Arc<InputFile>], piece: &PiecePosition) -> Result<Split> {
        let number = usize::try_from(piece.file).unwrap_or(usize::MAX);
        let file = files.get(number).ok_or_else(|| damaged(self.uid, "it names a file that isn't in its list"))?;
        let fits = match piece.end {
            Some(end) => piece.start < end && end <= file.bytes && piece.resume.is_none() && !file.gzip,
            None => piece.start == 0,
        };
        if !fits {
            return Err(damaged(self.uid, "a piece of a file has bounds that make no sense"));
        }
        if piece.end.is_some() && matches!(self.format, Format::Csv(_)) {
            return Err(another_source(self.uid, "it is one of lines, and the source reads CSV"));
        }
        let resume = piece.resume.as_ref();
        let resume = resume.map(|place| Place { offset: place.offset, lines_before: place.lines_before, discarding: place.discarding });
        Ok(Split { file: Arc::clone(file), number, start: piece.start, end: piece.end, resume })
    }

    /// A file that is gone or has got smaller is better told now than when its turn comes.
    fn look_at_files(&self, splits: &[Split]) -> Result<()> {
        let mut seen = None;
        for split in splits.iter().filter(|split| seen.replace(split.number) != Some(split.number)) {
            match fs::metadata(&split.file.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.on_bad_input == OnBadInput::Skip => {}
                Err(error) => return Err(unreadable(self.uid, split, &error)),
                Ok(metadata) if metadata.len() < split.file.bytes && self.on_bad_input == OnBadInput::Fail => return Err(shrunk(self.uid, split)),
                Ok(_) => {}
            }
        }
        Ok(())
    }
}
