//! Gives part files their final names, and takes away what no checkpoint names.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use weir_checkpoint::permit::CommitPermit;
use weir_model::fail_point::{FailPoint, pass};
use weir_model::id::OperatorUid;
use weir_model::{Error, Result};
use xxhash_rust::xxh3::Xxh3Default;

use super::super::destination::file_error;
use super::super::folder::{self, AtWork, Folder};
use super::super::on_disk::{FileHandle, Record, handles_by_name};
use super::super::part::{END_MARKER, PartName};
use super::super::settings::PartSettings;
use super::at_work;

/// Bytes that are read at once when a file is held against its checksum.
const READ_BYTES: usize = 1 << 18;

/// Commits the parts in one folder.
#[derive(Debug)]
pub(in crate::sink) struct FileCommitter {
    uid: OperatorUid,
    settings: Arc<PartSettings>,
    folder: PathBuf,
    /// What was committed at the end of a job without checkpoints: all that is not to be replaced.
    committed: Mutex<Vec<PartName>>,
}

impl FileCommitter {
    pub(super) fn new(uid: OperatorUid, settings: Arc<PartSettings>, folder: PathBuf) -> Self {
        Self { uid, settings, folder, committed: Mutex::default() }
    }

    pub(in crate::sink) fn commit(&self, permit: &CommitPermit, handles: &[Vec<u8>]) -> Result<()> {
        let handles = self.decode(handles)?;
        let at_end = permit.checkpoint().is_none();
        if at_end {
            // From here on it would speak of the wrong parts.
            self.remove_if_there(END_MARKER)?;
        }
        let last = handles.len().saturating_sub(1);
        for (number, (name, handle)) in handles.iter().enumerate() {
            self.rename(name, handle)?;
            if number < last {
                pass(FailPoint::SomeRenamed)?;
            }
        }
        if !handles.is_empty() {
            self.on(&self.folder, folder::sync(&self.folder))?;
        }
        if at_end {
            self.committed.lock().unwrap_or_else(PoisonError::into_inner).extend(handles.into_keys());
        }
        Ok(())
    }

    pub(in crate::sink) fn abort_others(&self, keep: &[Vec<u8>]) -> Result<()> {
        let keep = self.decode(keep)?;
        self.on(&self.folder, folder::make(&self.folder))?;
        // Not held: the writers that come next take it.
        let locked = self.on(&self.folder, Folder::lock(&self.folder))?;
        let taken = locked.map_err(|AtWork| at_work(&self.settings, &self.folder))?;
        for name in self.on(&self.folder, folder::names(&self.folder))? {
            if let Some(part) = PartName::parse_unfinished(&name)
                && !keep.contains_key(&part)
            {
                self.remove_if_there(&name)?;
            }
        }
        for (name, handle) in &keep {
            self.verify(&taken.unfinished(name), handle)?;
        }
        self.on(&self.folder, taken.sync())
    }

    pub(in crate::sink) fn finish(&self, permit: &CommitPermit) -> Result<()> {
        if self.settings.overwrite && permit.checkpoint().is_none() {
            let committed = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
            for name in self.on(&self.folder, folder::names(&self.folder))? {
                if !committed.iter().any(|part| part.as_str() == name) {
                    self.remove_if_there(&name)?;
                }
            }
        }
        if self.settings.end_marker {
            let marker = self.folder.join(END_MARKER);
            self.on(&marker, File::create(&marker).and_then(|file| file.sync_all()))?;
        }
        self.on(&self.folder, folder::sync(&self.folder))
    }

    /// The handles by the names of their parts.
    fn decode(&self, handles: &[Vec<u8>]) -> Result<BTreeMap<PartName, FileHandle>> {
        handles_by_name(&self.uid, handles, |record| match record {
            Record::File(handle) => Some((handle.name.clone(), handle)),
            _ => None,
        })
    }

    /// Commits one part, unless that was done already.
    fn rename(&self, name: &PartName, handle: &FileHandle) -> Result<()> {
        let (unfinished, path) = (self.folder.join(name.unfinished()), self.folder.join(name.as_str()));
        let (found, committed) = (self.length_of(&unfinished)?, self.length_of(&path)?);
        match (found, committed) {
            (None, Some(length)) if length == handle.length => Ok(()),
            (None, None) => Err(self.lost(&path, format!("it is gone, and so is `{}`, which was to become it", unfinished.display()))),
            (None, Some(length)) => Err(self.wrong_length(&path, length, handle)),
            (Some(length), _) if length != handle.length => Err(self.wrong_length(&unfinished, length, handle)),
            (Some(_), Some(length)) if length != handle.length && !self.settings.overwrite => Err(Error::job(
                format!("sink `{}`: {}", self.uid, path.display()),
                "a part is to get this name, but another file has it, which this job didn't write",
                "move that file away and run the job again",
            )),
            (Some(_), _) => self.on(&path, fs::rename(&unfinished, &path)),
        }
    }

    /// Whether a part that is to be committed is what was written, if it isn't committed already.
    fn verify(&self, unfinished: &Path, handle: &FileHandle) -> Result<()> {
        let Some(length) = self.length_of(unfinished)? else { return Ok(()) };
        if length != handle.length {
            return Err(self.wrong_length(unfinished, length, handle));
        }
        let mut hash = Xxh3Default::new();
        let mut buffer = vec![0; READ_BYTES];
        let mut file = self.on(unfinished, File::open(unfinished))?;
        loop {
            let read = self.on(unfinished, file.read(&mut buffer))?;
            match buffer.get(..read) {
                None | Some([]) => break,
                Some(bytes) => hash.update(bytes),
            }
        }
        if hash.digest() == handle.checksum { Ok(()) } else { Err(self.lost(unfinished, "its content is not what was written".to_owned())) }
    }

    fn length_of(&self, path: &Path) -> Result<Option<u64>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(file_error(&self.uid, &path.display(), &error)),
        }
    }

    fn remove_if_there(&self, name: &str) -> Result<()> {
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error(&self.uid, &path.display(), &error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn wrong_length(&self, path: &Path, length: u64, handle: &FileHandle) -> Error {
        self.lost(path, format!("it has {length} bytes; {} were written", handle.length))
    }

    fn lost(&self, path: &Path, why: String) -> Error {
        Error::job(
            format!("sink `{}`: {}", self.uid, path.display()),
            why,
            "put the file back, set `path` to where it is, or restore from a checkpoint that was taken before it was written",
        )
    }

    fn on<T>(&self, path: &Path, result: io::Result<T>) -> Result<T> {
        result.map_err(|error| file_error(&self.uid, &path.display(), &error))
    }
}
