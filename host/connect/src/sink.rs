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

    /// Opens the sink for `parallelism` subtasks: one writer for each, in order. `input` says how the records are to be read.
    ///
    /// # Errors
    /// A usage error when a folder holds part files already, or can't be made or written.
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

    /// Ends the writing: what was written is on the disk, under its final name, when this returns. Nothing can be written afterwards.
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
        }
    }
}
