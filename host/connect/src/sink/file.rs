//! A folder of part files as a sink: each part appears under its final name when the checkpoint that names it is complete.

mod committer;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use weir_model::id::OperatorUid;
use weir_model::{Error, Result};

use super::SinkStart;
use super::destination::Destination;
use super::folder::{self, AtWork, Folder};
use super::on_disk::{Counters, Record, handles_by_name};
use super::part::PartName;
use super::parts::Taken;
use super::settings::PartSettings;

pub(super) use committer::FileCommitter;

/// A folder of part files as the job file says it.
#[derive(Debug, Clone)]
pub struct FileSinkConfig {
    settings: Arc<PartSettings>,
    folder: PathBuf,
}

impl FileSinkConfig {
    pub(super) fn new(settings: PartSettings, path: &str, base: &Path) -> Self {
        // Without `.`, so that equal folders are equal paths wherever the job file can be seen to say so.
        let folder: PathBuf = base.join(path).components().filter(|component| *component != Component::CurDir).collect();
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        Self { settings: Arc::new(settings), folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes the folder for the writers of this job.
    pub(super) fn take(&self, uid: &OperatorUid, start: SinkStart<'_>) -> Result<Taken> {
        let counters = Counters::read(uid, start.states())?;
        let held_back =
            handles_by_name(uid, start.held_back(), |record| if let Record::File(handle) = record { Some((handle.name, ())) } else { None })?;
        let destination = Destination::Folder(self.take_folder(start, &counters, &held_back.into_keys().collect())?);
        Ok(Taken { settings: Arc::clone(&self.settings), destination, counter_next: counters.above() })
    }

    pub(super) fn committer(&self, uid: &OperatorUid) -> FileCommitter {
        FileCommitter::new(uid.clone(), Arc::clone(&self.settings), self.folder.clone())
    }

    /// Makes and locks the folder, and looks whether it may be written to.
    fn take_folder(&self, start: SinkStart<'_>, counters: &Counters, held_back: &BTreeSet<PartName>) -> Result<Folder> {
        folder::make(&self.folder).map_err(|error| self.unusable(&self.folder, &error))?;
        let locked = Folder::lock(&self.folder).map_err(|error| self.unusable(&self.folder, &error))?;
        let taken = locked.map_err(|AtWork| at_work(&self.settings, &self.folder))?;
        let names = folder::names(&self.folder).map_err(|error| self.unusable(&self.folder, &error))?;
        let in_the_way = self.settings.in_the_way(&self.folder.display().to_string(), &names, start, counters, held_back)?;
        for path in in_the_way.into_iter().map(|name| self.folder.join(name)) {
            fs::remove_file(&path).map_err(|error| self.unusable(&path, &error))?;
        }
        taken.sync().map_err(|error| self.unusable(&self.folder, &error))?;
        // A folder that can't be written to is better known now than at the first record.
        tempfile::tempfile_in(&self.folder).map_err(|error| self.unusable(&self.folder, &error))?;
        Ok(taken)
    }

    fn unusable(&self, path: &Path, error: &io::Error) -> Error {
        let why = format!("`{}` can't be used: {error}", path.display());
        self.settings.refuse(why, "name a folder that can be made and written, and check its permissions")
    }
}

fn at_work(settings: &PartSettings, folder: &Path) -> Error {
    settings.refuse(
        format!("`{}` is a folder which another sink or another run is writing now", folder.display()),
        "name another folder, or wait until that run has ended",
    )
}

#[cfg(test)]
mod tests;
