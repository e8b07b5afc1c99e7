//! Where records go: the screen, files, an object store, or nowhere; what a checkpoint names becomes visible when it is complete.

mod render;
mod part;
mod settings;
mod on_disk;
mod folder;
mod bucket;
mod destination;
mod parts;
mod file;
mod object;
mod print;

use std::path::Path;

use weir_checkpoint::permit::CommitPermit;
use weir_model::Result;
use weir_model::describe::Port;
use weir_model::fail_point::{FailPoint, pass};
use weir_model::id::{CheckpointId, OperatorUid, Parallelism};
use weir_model::rows::Batch;
use weir_model::section::{Section, did_you_mean};
use weir_model::time::SharedClock;

pub use file::FileSinkConfig;
pub use object::ObjectSinkConfig;
pub use print::PrintConfig;

/// The connectors that a sink can name.
const CONNECTORS: &[&str] = &["print", "file", "blackhole"];

/// A sink as the job file says it.
#[derive(Debug, Clone)]
pub enum SinkConfig {
    /// Standard output.
    Print(PrintConfig),
    /// A folder of part files.
    File(FileSinkConfig),
    /// The same as objects of a store.
    Object(ObjectSinkConfig),
    /// Takes everything and keeps nothing.
    Blackhole,
}

/// What there is of a sink's output when its writers are opened.
#[derive(Debug, Clone, Copy)]
pub enum SinkStart<'a> {
    /// Nothing of this job: what is there belongs to somebody else, or is to be replaced.
    Fresh {
        /// Whether output becomes visible before the job ends. Then earlier output that may be overwritten goes at once, else at the end.
        checkpoints: bool,
    },
    /// Whatever the checkpoint says; [`Committer::abort_others`] and [`Committer::commit`] come first. The states of all old writers, in any
    /// number and order. None at all when the job died before its first checkpoint, or the sink is new: then nothing there is of this job.
    Restored(&'a [Vec<u8>]),
    /// The same, but output that was prepared is not committed yet, and is to stay as it is.
    HeldBack {
        /// The states of all old writers.
        states: &'a [Vec<u8>],
        /// The handles of that output.
        handles: &'a [Vec<u8>],
    },
}

impl<'a> SinkStart<'a> {
    fn states(self) -> &'a [Vec<u8>] {
        match self {
            Self::Fresh { .. } => &[],
            Self::Restored(states) | Self::HeldBack { states, .. } => states,
        }
    }

    fn held_back(self) -> &'a [Vec<u8>] {
        match self {
            Self::Fresh { .. } | Self::Restored(_) => &[],
            Self::HeldBack { handles, .. } => handles,
        }
    }

    fn with_checkpoints(self) -> bool {
        !matches!(self, Self::Fresh { checkpoints: false })
    }

    /// Whether this sink can have committed anything. The state of a sink of another kind is empty.
    fn has_committed(self) -> bool {
        self.states().iter().any(|state| !state.is_empty())
    }
}

/// What a sink promises about each record when a job is restored from a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// It is seen once.
    ExactlyOnce,
    /// It may be seen again.
    AtLeastOnce {
        /// Why that can't be helped: a sentence for the user, without a capital letter and a full stop.
        why: &'static str,
    },
}

impl SinkConfig {
    /// Reads the keys of `connector`; relative paths start at `base`. Nothing outside of the section is looked at, but for the environment
    /// when there is an object store to be opened.
    ///
    /// # Errors
    /// A usage error for an unknown connector, for a key that is missing, unknown or wrong, and for an object store that can't be opened.
    pub fn parse(connector: &str, section: Section, base: &Path) -> Result<Self> {
        match connector {
            "print" => PrintConfig::parse(section).map(Self::Print),
            "file" => {
                let (settings, path) = settings::PartSettings::parse(section)?;
                match path.strip_prefix("file://") {
                    None if path.contains("://") => ObjectSinkConfig::new(settings, &path).map(Self::Object),
                    local => Ok(Self::File(FileSinkConfig::new(settings, local.unwrap_or(&path), base))),
                }
            }
            "blackhole" => section.finish().map(|()| Self::Blackhole),
            other => Err(section.error(format!("there is no sink connector `{other}`"), did_you_mean(other, CONNECTORS))),
        }
    }

    /// The most subtasks that the sink can be written by; `None`: any number. Those of `print` write whole batches in turn.
    #[must_use]
    pub fn parallelism_max(&self) -> Option<Parallelism> {
        match self {
            Self::Print(_) | Self::File(_) | Self::Object(_) | Self::Blackhole => None,
        }
    }

    /// The folder that the sink writes to, or the URL of one. Two sinks of a job must not have the same one; it is without `.`, but links and
    /// `..` in it stand as they are.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::File(config) => Some(config.folder()),
            Self::Object(config) => Some(config.folder()),
            Self::Print(_) | Self::Blackhole => None,
        }
    }

    /// What the sink promises about each record.
    #[must_use]
    pub fn promise(&self) -> Promise {
        match self {
            Self::Print(_) => Promise::AtLeastOnce {
                why: "standard output can't be taken back: after a failure records since the last checkpoint are printed again",
            },
            Self::File(_) | Self::Object(_) | Self::Blackhole => Promise::ExactlyOnce,
        }
    }

    /// Opens the sink for `parallelism` subtasks: one writer for each, in order. `input` says how the records are to be read; `clock` is what
    /// the age of a part is measured with.
    ///
    /// # Errors
    /// A usage error when a folder holds part files already and may not be overwritten, when another sink or run is writing to it, or when it
    /// can't be made or written; when an object store doesn't answer; and for a state that can't be read.
    pub async fn open(
        &self,
        uid: &OperatorUid,
        parallelism: Parallelism,
        input: &Port,
        clock: &SharedClock,
        start: SinkStart<'_>,
    ) -> Result<Vec<SinkWriter>> {
        let taken = match self {
            Self::Print(config) => return Ok(parallelism.subtasks().map(|_| SinkWriter(Writer::Print(config.open(uid, input)))).collect()),
            Self::Blackhole => return Ok(parallelism.subtasks().map(|_| SinkWriter(Writer::Blackhole)).collect()),
            Self::File(config) => config.take(uid, start)?,
            Self::Object(config) => config.take(uid, start).await?,
        };
        Ok(taken.open(uid, parallelism, input, clock).into_iter().map(|writer| SinkWriter(Writer::Parts(Box::new(writer)))).collect())
    }

    /// What makes the sink's output visible: one for all subtasks.
    #[must_use]
    pub fn committer(&self, uid: &OperatorUid) -> Committer {
        Committer(match self {
            Self::File(config) => Commits::File(config.committer(uid)),
            Self::Object(config) => Commits::Object(config.committer(uid)),
            Self::Print(_) | Self::Blackhole => Commits::Nothing,
        })
    }
}

/// Writes what one subtask of a sink gets. As long as one is there, a folder is locked against other runs.
#[derive(Debug)]
pub struct SinkWriter(Writer);

#[derive(Debug)]
enum Writer {
    Print(print::PrintWriter),
    Parts(Box<parts::PartsWriter>),
    Blackhole,
}

impl SinkWriter {
    /// Takes a batch; a part may keep some of it in memory until [`Self::flush`].
    ///
    /// # Errors
    /// When the disk or standard output refuses it. Of kind [`weir_model::ErrorKind::Interrupted`] when nobody reads standard output
    /// any more. After an error of a part nothing can be written or prepared any more.
    pub fn write(&mut self, batch: &Batch) -> Result<()> {
        match &mut self.0 {
            Writer::Print(writer) => writer.write(batch),
            Writer::Parts(writer) => writer.write(batch),
            Writer::Blackhole => Ok(()),
        }
    }

    /// Hands everything that was written to the system.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn flush(&mut self) -> Result<()> {
        match &mut self.0 {
            Writer::Print(writer) => writer.flush(),
            Writer::Parts(writer) => writer.flush(),
            Writer::Blackhole => Ok(()),
        }
    }

    /// Ends what belongs to `checkpoint` (or, for a job without checkpoints, what belongs to the job); quick. What is written from now on
    /// belongs to the next one.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Prepared> {
        match &mut self.0 {
            Writer::Print(writer) => writer.flush().map(|()| Prepared(None)),
            Writer::Parts(writer) => writer.prepare(checkpoint).map(|parts| Prepared(Some(parts))),
            Writer::Blackhole => Ok(Prepared(None)),
        }
    }

    /// Says that everything which `checkpoint` names is committed: later checkpoints don't name it any more.
    pub fn completed(&mut self, checkpoint: CheckpointId) {
        if let Writer::Parts(writer) = &mut self.0 {
            writer.completed(checkpoint);
        }
    }
}

/// What a writer has prepared for a checkpoint. It may be dropped: then the next checkpoint's names the same, and more. As the writer does, it
/// keeps a folder locked.
#[derive(Debug)]
pub struct Prepared(Option<parts::PreparedParts>);

/// What a checkpoint has to say of one writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedState {
    /// For [`SinkStart::Restored`].
    pub state: Vec<u8>,
    /// For [`Committer::commit`]: all of the writer's output that isn't known to be committed.
    pub handles: Vec<Vec<u8>>,
}

impl Prepared {
    /// Makes the output outlive the machine's fall. It stays invisible.
    ///
    /// # Errors
    /// When a disk or a store refuses it. What an object store refused is tried again with the next checkpoint; what a disk refused is lost,
    /// and so each later checkpoint fails too.
    pub async fn make_durable(self) -> Result<PreparedState> {
        match self.0 {
            Some(parts) => parts.make_durable().await,
            None => Ok(PreparedState { state: Vec::new(), handles: Vec::new() }),
        }
    }
}

/// Makes the output of a sink visible, whoever wrote it.
#[derive(Debug)]
pub struct Committer(Commits);

#[derive(Debug)]
enum Commits {
    File(file::FileCommitter),
    Object(object::ObjectCommitter),
    Nothing,
}

impl Committer {
    /// Whether the sink has output that waits for a commit.
    #[must_use]
    pub const fn takes_handles(&self) -> bool {
        !matches!(self.0, Commits::Nothing)
    }

    /// Commits what `handles` name; what is committed already is left as it is.
    ///
    /// # Errors
    /// When something that is to be committed is gone, isn't what was written, or is refused by the disk or the store. What was committed stays.
    pub async fn commit(&self, permit: &CommitPermit, handles: &[Vec<u8>]) -> Result<()> {
        match &self.0 {
            Commits::File(committer) => committer.commit(permit, handles)?,
            Commits::Object(committer) => committer.commit(permit, handles).await?,
            Commits::Nothing => {}
        }
        if handles.is_empty() { Ok(()) } else { pass(FailPoint::SomeCommitted) }
    }

    /// Takes away what earlier writers of this sink left and no handle in `keep` names, and holds what they name against what is there. For a
    /// restore; before writers are opened, and after those of the last attempt, and what they prepared, are gone.
    ///
    /// # Errors
    /// A usage error when another run is writing; otherwise as [`Self::commit`].
    pub async fn abort_others(&self, keep: &[Vec<u8>]) -> Result<()> {
        match &self.0 {
            Commits::File(committer) => committer.abort_others(keep),
            Commits::Object(committer) => committer.abort_others(keep).await,
            Commits::Nothing => Ok(()),
        }
    }

    /// Ends the output once the job has ended well and everything is committed (not when it was stopped to go on later): removes the parts of
    /// an earlier run that were to be replaced, and sets the end marker.
    ///
    /// # Errors
    /// When the disk or the store refuses it.
    pub async fn finish(&self, permit: &CommitPermit) -> Result<()> {
        match &self.0 {
            Commits::File(committer) => committer.finish(permit),
            Commits::Object(committer) => committer.finish(permit).await,
            Commits::Nothing => Ok(()),
        }
    }
}

#[cfg(test)]
mod crash_tests;

#[cfg(test)]
mod tests;
