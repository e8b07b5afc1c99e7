//! A folder of part files as a sink: one for each subtask, under its final name only when it is whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use weir_model::describe::Port;
use weir_model::id::{OperatorUid, Parallelism};
use weir_model::rows::Batch;
use weir_model::section::Section;
use weir_model::{Error, Result};

use super::render::{Renderer, SinkFormat};

/// Bytes that are gathered before they are written.
const WRITE_BYTES: usize = 1 << 18;
/// What is behind the name of a file that is still being written.
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
        Ok(Self { place, folder: base.join(path), format, header: header.is_some_and(|(header, _)| header), overwrite })
    }

    pub(super) fn open(&self, uid: &OperatorUid, parallelism: Parallelism, input: &Port) -> Result<Vec<FileWriter>> {
        self.clear_folder().map_err(|error| match error {
            Refusal::Occupied(name) => Error::usage(
                &self.place,
                format!("the folder `{}` holds `{name}` already", self.folder.display()),
                "name another folder, move the part files away, or set overwrite = true to replace them",
            ),
            Refusal::Io(path, error) => Error::usage(
                &self.place,
                format!("`{}` can't be used: {error}", path.display()),
                "name a folder that can be made and written, and check its permissions",
            ),
        })?;
        let renderer = Renderer::new(self.format, input);
        let writers = parallelism.subtasks().map(|subtask| {
            let name = format!("part-{subtask}.{}", self.format.extension());
            let path = self.folder.join(&name);
            let unfinished = self.folder.join(name + UNFINISHED);
            let file = File::create(&unfinished).map_err(|error| file_error(uid, &unfinished, &error))?;
            let buffer = if self.header { renderer.csv_header().to_vec() } else { Vec::new() };
            Ok(FileWriter { uid: uid.clone(), renderer: renderer.clone(), path, unfinished, file: Some(file), buffer, is_empty: true })
        });
        writers.collect()
    }

    /// Makes the folder and removes earlier part files, if that is allowed. An unfinished one may belong to a job that still runs.
    fn clear_folder(&self) -> Result<(), Refusal> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| Refusal::Io(path, error)
        };
        fs::create_dir_all(&self.folder).map_err(failed(&self.folder))?;
        for entry in fs::read_dir(&self.folder).map_err(failed(&self.folder))? {
            let entry = entry.map_err(failed(&self.folder))?;
            let Some(name) = entry.file_name().to_str().filter(|name| is_part_file(name)).map(str::to_owned) else { continue };
            if !self.overwrite {
                return Err(Refusal::Occupied(name));
            }
            fs::remove_file(entry.path()).map_err(failed(&entry.path()))?;
        }
        Ok(())
    }
}

/// Why a folder is not written to.
enum Refusal {
    Occupied(String),
    Io(PathBuf, io::Error),
}

/// Whether a sink writes files of that name: `part-3.csv`, `part-3.csv.inprogress`. Whatever else is in a folder is left alone.
fn is_part_file(name: &str) -> bool {
    let finished = name.strip_suffix(UNFINISHED).unwrap_or(name);
    let parts = finished.strip_prefix("part-").and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(number, extension)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) && ["txt", "csv", "jsonl"].contains(&extension)
    })
}

/// Writes one part file.
#[derive(Debug)]
pub(super) struct FileWriter {
    uid: OperatorUid,
    renderer: Renderer,
    path: PathBuf,
    unfinished: PathBuf,
    /// Gone once the file is finished.
    file: Option<File>,
    buffer: Vec<u8>,
    /// Nothing is in the file yet.
    is_empty: bool,
}

impl FileWriter {
    pub(super) fn write(&mut self, batch: &Batch) -> Result<()> {
        self.renderer.render(batch, &mut self.buffer);
        if self.buffer.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        let written = match &mut self.file {
            Some(file) => {
                self.is_empty &= self.buffer.is_empty();
                file.write_all(&self.buffer)
            }
            None if self.buffer.is_empty() => Ok(()),
            None => Err(io::Error::other("it was finished already")),
        };
        written.map_err(|error| file_error(&self.uid, &self.unfinished, &error))?;
        self.buffer.clear();
        self.buffer.shrink_to(2 * WRITE_BYTES);
        Ok(())
    }

    /// The content is on the disk before the file gets its name, and the name before this returns.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.flush()?;
        let Some(file) = self.file.take() else { return Ok(()) };
        file.sync_all().map_err(|error| file_error(&self.uid, &self.unfinished, &error))?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::rename(&self.unfinished, &self.path)
            .and_then(|()| File::open(folder))
            .and_then(|folder| folder.sync_all())
            .map_err(|error| file_error(&self.uid, &self.path, &error))
    }
}

impl Drop for FileWriter {
    /// A job that never got to write, because something else of it could not start, leaves nothing in its way when it is started again.
    fn drop(&mut self) {
        if self.file.take().is_some() && self.is_empty {
            drop(fs::remove_file(&self.unfinished));
        }
    }
}

fn file_error(uid: &OperatorUid, path: &Path, error: &io::Error) -> Error {
    Error::job(format!("sink `{uid}`: {}", path.display()), format!("it can't be written: {error}"), "check the disk and the folder's permissions")
}

#[cfg(test)]
mod tests;
