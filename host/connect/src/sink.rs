//! Where records go: the screen, files, or nowhere.

mod file;
mod print;
mod render;

use std::path::Path;

use weir_model::Result;
use weir_model::describe::Port;
use weir_model::id::{OperatorUid, Parallelism};
use weir_model::rows::Batch;
use weir_model::section::{Section, did_you_mean};

pub use file::FileSinkConfig;
pub use print::PrintConfig;

/// The connectors that a sink can name.
const CONNECTORS: &[&str] = &["print", "file", "blackhole"];

/// A sink as the job file says it.
#[derive(Debug, Clone)]
pub enum SinkConfig {
    /// Standard output.
    Print(PrintConfig),
    /// A folder with a file for each subtask.
    File(FileSinkConfig),
    /// Takes everything and keeps nothing.
    Blackhole,
}

impl SinkConfig {
    /// Reads the keys of `connector`; relative paths start at `base`. Nothing outside of the section is looked at.
    ///
    /// # Errors
    /// A usage error for an unknown connector, and for a key that is missing, unknown or wrong.
    pub fn parse(connector: &str, section: Section, base: &Path) -> Result<Self> {
        match connector {
            "print" => PrintConfig::parse(section).map(Self::Print),
            "file" => FileSinkConfig::parse(section, base).map(Self::File),
            "blackhole" => section.finish().map(|()| Self::Blackhole),
            other => Err(section.error(format!("there is no sink connector `{other}`"), did_you_mean(other, CONNECTORS))),
        }
    }

    /// The most subtasks that the sink can be written by; `None`: any number. Those of `print` write whole batches in turn.
    #[must_use]
    pub fn parallelism_max(&self) -> Option<Parallelism> {
        match self {
            Self::Print(_) | Self::File(_) | Self::Blackhole => None,
        }
    }

    /// The folder that the sink writes files to. Two sinks of a job must not have the same one; it is without `.`, but links and `..` in it
    /// stand as they are.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::File(config) => Some(config.folder()),
            Self::Print(_) | Self::Blackhole => None,
        }
    }

    /// Opens the sink for `parallelism` subtasks: one writer for each, in order. `input` says how the records are to be read.
    ///
    /// # Errors
    /// A usage error when a folder holds part files already and may not be overwritten, when another sink or run is writing to it, or when it
    /// can't be made or written.
    pub fn open(&self, uid: &OperatorUid, parallelism: Parallelism, input: &Port) -> Result<Vec<SinkWriter>> {
        match self {
            Self::Print(config) => Ok(parallelism.subtasks().map(|_| SinkWriter(Writer::Print(config.open(uid, input)))).collect()),
            Self::File(config) => {
                let writers = config.open(uid, parallelism, input)?;
                Ok(writers.into_iter().map(|writer| SinkWriter(Writer::File(writer))).collect())
            }
            Self::Blackhole => Ok(parallelism.subtasks().map(|_| SinkWriter(Writer::Blackhole)).collect()),
        }
    }
}

/// Writes what one subtask of a sink gets.
#[derive(Debug)]
pub struct SinkWriter(Writer);

#[derive(Debug)]
enum Writer {
    Print(print::PrintWriter),
    File(file::FileWriter),
    Blackhole,
}

impl SinkWriter {
    /// Takes a batch; a file may keep some of it in memory until [`Self::flush`].
    ///
    /// # Errors
    /// When the disk or standard output refuses it. Of kind [`weir_model::ErrorKind::Interrupted`] when nobody reads standard output
    /// any more.
    pub fn write(&mut self, batch: &Batch) -> Result<()> {
        match &mut self.0 {
            Writer::Print(writer) => writer.write(batch),
            Writer::File(writer) => writer.write(batch),
            Writer::Blackhole => Ok(()),
        }
    }

    /// Hands everything that was written to the system, so that others can see it.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn flush(&mut self) -> Result<()> {
        match &mut self.0 {
            Writer::Print(writer) => writer.flush(),
            Writer::File(writer) => writer.flush(),
            Writer::Blackhole => Ok(()),
        }
    }

    /// Ends the writing: what was written is on the disk when this returns, a file not yet under its final name. Nothing can be written
    /// afterwards. A writer that is dropped now, without [`Self::commit`], leaves its file as an unfinished one.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn finish(&mut self) -> Result<()> {
        match &mut self.0 {
            Writer::Print(writer) => writer.flush(),
            Writer::File(writer) => writer.finish(),
            Writer::Blackhole => Ok(()),
        }
    }

    /// Gives a file its final name, once all tasks of the job have ended well; again: does nothing more. The last writer of a sink to
    /// commit removes the part files of an earlier run that none of them has replaced.
    ///
    /// # Errors
    /// When the disk refuses it, and for a file that is not finished.
    pub fn commit(&mut self) -> Result<()> {
        match &mut self.0 {
            Writer::File(writer) => writer.commit(),
            Writer::Print(_) | Writer::Blackhole => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::section;

    #[test]
    fn connectors_are_known_by_name() {
        let parse = |connector: &str, lines: &str| SinkConfig::parse(connector, section("sinks.out", lines), Path::new(""));
        assert!(matches!(parse("blackhole", ""), Ok(SinkConfig::Blackhole)));
        assert!(matches!(parse("print", ""), Ok(SinkConfig::Print(_))));
        let check = |connector: &str, lines: &str, expected: &str| {
            let text = parse(connector, lines).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        };
        check("prnt", "", "job.toml:1: [sinks.out]: there is no sink connector `prnt` (did you mean `print`?)");
        check("blackhole", "path = \"x\"", "there is no key `path`");
        check("file", "", "`path` is missing");
        check("print", "format = \"xml\"", "`xml` is not one of its values");
    }

    #[test]
    fn a_blackhole_takes_everything() {
        let input = Port { name: "out".into(), key: weir_model::codec::Codec::None, value: weir_model::codec::Codec::Utf8 };
        let writers = SinkConfig::Blackhole.open(&OperatorUid::new("out").unwrap(), Parallelism::new(3).unwrap(), &input).unwrap();
        assert_eq!(writers.len(), 3);
        for mut writer in writers {
            writer.write(&Batch::default()).unwrap();
            writer.finish().unwrap();
            writer.commit().unwrap();
        }
    }

    #[test]
    fn only_files_have_a_folder_and_dots_make_no_other() {
        let folder = |connector: &str, lines: &str, base: &str| {
            let config = SinkConfig::parse(connector, section("sinks.out", lines), Path::new(base)).unwrap();
            config.folder().map(|folder| folder.to_str().unwrap().to_owned())
        };
        for (path, base, expected) in [("out", "", "out"), ("./out/", "", "out"), ("a/./out", "/jobs/.", "/jobs/a/out"), ("/out", "/jobs", "/out")] {
            assert_eq!(folder("file", &format!("path = \"{path}\""), base).as_deref(), Some(expected), "{path}");
        }
        assert_eq!((folder("print", "", ""), folder("blackhole", "", "")), (None, None));
    }
}
