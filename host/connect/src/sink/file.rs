//! A folder of part files as a sink: one for each subtask, under its final name only when the whole job has ended well.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use weir_model::describe::Port;
use weir_model::id::{OperatorUid, Parallelism};
use weir_model::rows::Batch;
use weir_model::section::Section;
use weir_model::{Error, Result};

use super::render::{Renderer, SinkFormat};

/// Bytes that are gathered before they are written.
const WRITE_BYTES: usize = 1 << 18;
/// What is behind the name of a file whose job has not ended well yet.
const UNFINISHED: &str = ".inprogress";

/// A folder of part files as the job file says it.
#[derive(Debug, Clone)]
pub struct FileSinkConfig {
    /// Where `path` stands in the job file, for messages.
    place: String,
    folder: PathBuf,
    format: SinkFormat,
    header: bool,
    overwrite: bool,
}

impl FileSinkConfig {
    pub(super) fn parse(mut section: Section, base: &Path) -> Result<Self> {
        let (path, line) = section.require_string("path", "\"output\"")?;
        let format = SinkFormat::take(&mut section)?;
        let header = section.take_bool("header")?;
        if let Some((_, line)) = header.filter(|_| format != SinkFormat::Csv) {
            return Err(section.key_error(line, "header", "only format = \"csv\" has one", "remove it, or set format = \"csv\""));
        }
        let overwrite = section.take_bool("overwrite")?.is_some_and(|(overwrite, _)| overwrite);
        let place = section.key_place(line, "path");
        section.finish()?;
        // Without `.`, so that equal folders are equal paths wherever the job file can be seen to say so.
        let folder: PathBuf = base.join(path).components().filter(|component| *component != Component::CurDir).collect();
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        Ok(Self { place, folder, format, header: header.is_some_and(|(header, _)| header), overwrite })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn open(&self, uid: &OperatorUid, parallelism: Parallelism, input: &Port) -> Result<Vec<FileWriter>> {
        self.check_folder().map_err(|refusal| self.refuse(refusal))?;
        let names: Vec<_> = parallelism.subtasks().map(|subtask| format!("part-{subtask}.{}", self.format.extension())).collect();
        let output = Arc::new(Output {
            folder: self.folder.clone(),
            overwrite: self.overwrite,
            names: names.iter().cloned().collect(),
            unnamed: AtomicUsize::new(names.len()),
        });
        let renderer = Renderer::new(self.format, input);
        let writers = names.into_iter().map(|name| {
            let path = self.folder.join(&name);
            let unfinished = self.folder.join(name + UNFINISHED);
            let file = self.create(&unfinished).map_err(|error| file_error(uid, &unfinished, &error))?;
            let buffer = if self.header { renderer.csv_header().to_vec() } else { Vec::new() };
            let (output, renderer) = (Arc::clone(&output), renderer.clone());
            Ok(FileWriter { uid: uid.clone(), renderer, output, path, unfinished, file, stage: Stage::Writing, buffer, is_empty: true })
        });
        writers.collect()
    }

    /// Makes the folder and looks whether it may be written to. Earlier parts stay until the job has ended well.
    fn check_folder(&self) -> Result<(), Refusal> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| Refusal::Io(path, error)
        };
        fs::create_dir_all(&self.folder).map_err(failed(&self.folder))?;
        let names = part_files(&self.folder).map_err(failed(&self.folder))?;
        let (unfinished, finished): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.ends_with(UNFINISHED));
        for name in &unfinished {
            let file = File::open(self.folder.join(name)).map_err(failed(&self.folder.join(name)))?;
            if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
                return Err(Refusal::AtWork(name.clone()));
            }
        }
        match (finished.into_iter().next(), unfinished.into_iter().next()) {
            (Some(name), _) if !self.overwrite => Err(Refusal::Occupied(name)),
            (None, Some(name)) if !self.overwrite => Err(Refusal::Unfinished(name)),
            _ => Ok(()),
        }
    }

    /// Makes an unfinished part and marks it as being written: whoever finds it locked leaves the folder alone.
    fn create(&self, unfinished: &Path) -> io::Result<File> {
        // What an interrupted run left is replaced as a whole, not emptied: nothing else can lose its content by that.
        if self.overwrite
            && let Err(error) = fs::remove_file(unfinished)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let file = File::create_new(unfinished)?;
        // Some file systems have no locks; there the name alone has to do.
        drop(file.try_lock());
        Ok(file)
    }

    fn refuse(&self, refusal: Refusal) -> Error {
        let folder = self.folder.display();
        match refusal {
            Refusal::Occupied(name) => Error::usage(
                &self.place,
                format!("the folder `{folder}` holds `{name}` already"),
                "name another folder, move the part files away, or set overwrite = true to replace them",
            ),
            Refusal::Unfinished(name) => Error::usage(
                &self.place,
                format!("the folder `{folder}` holds `{name}`, which belongs to a run that didn't finish"),
                format!("remove `{}`, name another folder, or set overwrite = true to replace it", self.folder.join(&name).display()),
            ),
            Refusal::AtWork(name) => Error::usage(
                &self.place,
                format!("the folder `{folder}` holds `{name}`, which another sink or another run is writing now"),
                "name another folder, or wait until that run has ended",
            ),
            Refusal::Io(path, error) => Error::usage(
                &self.place,
                format!("`{}` can't be used: {error}", path.display()),
                "name a folder that can be made and written, and check its permissions",
            ),
        }
    }
}

/// Why a folder is not written to.
enum Refusal {
    Occupied(String),
    Unfinished(String),
    AtWork(String),
    Io(PathBuf, io::Error),
}

/// The names of the part files in `folder`, finished or not.
fn part_files(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().to_str().filter(|name| is_part_file(name)).map(str::to_owned));
    }
    Ok(names)
}

/// Whether a sink writes files of that name: `part-3.csv`, `part-3.csv.inprogress`. Whatever else is in a folder is left alone.
fn is_part_file(name: &str) -> bool {
    let finished = name.strip_suffix(UNFINISHED).unwrap_or(name);
    let parts = finished.strip_prefix("part-").and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(number, extension)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) && ["txt", "csv", "jsonl"].contains(&extension)
    })
}

/// What the writers of one sink have in common.
#[derive(Debug)]
struct Output {
    folder: PathBuf,
    overwrite: bool,
    /// The final names of all parts.
    names: BTreeSet<String>,
    /// Parts that don't have their final name yet.
    unnamed: AtomicUsize,
}

impl Output {
    /// Removes the parts of an earlier run that this one has not replaced.
    fn remove_earlier(&self) -> io::Result<()> {
        for name in part_files(&self.folder)?.difference(&self.names) {
            fs::remove_file(self.folder.join(name))?;
        }
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

/// Writes one part file.
#[derive(Debug)]
pub(super) struct FileWriter {
    uid: OperatorUid,
    renderer: Renderer,
    output: Arc<Output>,
    path: PathBuf,
    unfinished: PathBuf,
    /// Open, and so locked, until the writer goes.
    file: File,
    stage: Stage,
    buffer: Vec<u8>,
    /// Nothing is in the file yet.
    is_empty: bool,
}

/// How far a part file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Writing,
    /// Whole and on the disk.
    Finished,
    /// Under its final name.
    Named,
}

impl FileWriter {
    pub(super) fn write(&mut self, batch: &Batch) -> Result<()> {
        self.renderer.render(batch, &mut self.buffer);
        if self.buffer.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        let written = match self.stage {
            Stage::Writing => {
                self.is_empty &= self.buffer.is_empty();
                self.file.write_all(&self.buffer)
            }
            Stage::Finished | Stage::Named if self.buffer.is_empty() => Ok(()),
            Stage::Finished | Stage::Named => Err(io::Error::other("it was finished already")),
        };
        written.map_err(|error| file_error(&self.uid, &self.unfinished, &error))?;
        self.buffer.clear();
        self.buffer.shrink_to(2 * WRITE_BYTES);
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<()> {
        self.flush()?;
        if self.stage == Stage::Writing {
            self.file.sync_all().map_err(|error| file_error(&self.uid, &self.unfinished, &error))?;
            self.stage = Stage::Finished;
        }
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        if self.stage == Stage::Writing {
            return Err(file_error(&self.uid, &self.unfinished, &io::Error::other("it is not finished")));
        }
        self.name().map_err(|error| file_error(&self.uid, &self.path, &error))?;
        // The last one: until then, every part that this run has not replaced is still there.
        if self.output.overwrite && self.output.unnamed.load(Ordering::Acquire) == 0 {
            self.output.remove_earlier().map_err(|error| file_error(&self.uid, &self.output.folder, &error))?;
        }
        Ok(())
    }

    fn name(&mut self) -> io::Result<()> {
        if self.stage == Stage::Finished {
            fs::rename(&self.unfinished, &self.path)?;
            self.stage = Stage::Named;
            self.output.unnamed.fetch_sub(1, Ordering::AcqRel);
        }
        self.output.sync()
    }
}

impl Drop for FileWriter {
    /// A job that never got to write, because something else of it could not start, leaves nothing in its way when it is started again.
    fn drop(&mut self) {
        if self.stage != Stage::Named && self.is_empty {
            drop(fs::remove_file(&self.unfinished));
        }
    }
}

fn file_error(uid: &OperatorUid, path: &Path, error: &io::Error) -> Error {
    Error::job(format!("sink `{uid}`: {}", path.display()), format!("it can't be written: {error}"), "check the disk and the folder's permissions")
}

#[cfg(test)]
mod tests;
