//! Writes parts: rolls them by size, time and checkpoint, and keeps those that aren't known to be committed.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use tokio::sync::Mutex;
use weir_model::describe::Port;
use weir_model::fail_point::{FailPoint, pass};
use weir_model::id::{CheckpointId, OperatorUid, Parallelism};
use weir_model::rows::Batch;
use weir_model::time::SharedClock;
use weir_model::{Error, Result};
use xxhash_rust::xxh3::Xxh3Default;

use super::PreparedState;
use super::destination::{Destination, file_error};
use super::on_disk::{Record, WriterState};
use super::part::PartName;
use super::render::Renderer;
use super::settings::PartSettings;

/// Bytes that are gathered before they are written.
const WRITE_BYTES: usize = 1 << 18;
/// Parts that wait for their checkpoint with an open file; more of them would use up the process's files.
const OPEN_FILES_MAX: usize = 16;

/// Writes the parts of one subtask.
pub(super) struct PartsWriter {
    uid: OperatorUid,
    subtask: u32,
    counter_next: u64,
    settings: Arc<PartSettings>,
    renderer: Renderer,
    clock: SharedClock,
    destination: Arc<Destination>,
    /// Rendered for `current`, and not written yet.
    buffer: Vec<u8>,
    current: Option<OpenPart>,
    /// Whole, and not known to be committed, oldest first.
    pending: Vec<Pending>,
    /// The first thing that went wrong: records are missing from then on.
    failed: Option<Error>,
}

/// The part that is being written.
struct OpenPart {
    name: PartName,
    file: File,
    length: u64,
    hash: Box<Xxh3Default>,
    opened_ns: u64,
}

#[derive(Debug)]
struct Pending {
    part: Arc<PendingPart>,
    /// The first checkpoint that names the part.
    checkpoint: Option<CheckpointId>,
}

/// A part that is whole.
#[derive(Debug)]
pub(super) struct WholePart {
    pub(super) name: PartName,
    pub(super) length: u64,
    pub(super) checksum: u64,
}

/// A part that waits for its commit.
#[derive(Debug)]
struct PendingPart {
    whole: WholePart,
    stage: Mutex<Stage>,
}

#[derive(Debug)]
enum Stage {
    /// It may be in the system's memory only.
    Written(File),
    /// It outlives the machine's fall; its commit handle.
    Durable(Vec<u8>),
    /// The disk has refused it. To ask again would be worse than useless: the system has forgotten by then what it couldn't write.
    Lost(Error),
}

/// A place for parts that nobody else writes to.
pub(super) struct Taken {
    pub(super) settings: Arc<PartSettings>,
    pub(super) destination: Destination,
    /// Above the number of every part there is.
    pub(super) counter_next: u64,
}

impl Taken {
    /// One writer for each subtask, in order.
    pub(super) fn open(self, uid: &OperatorUid, parallelism: Parallelism, input: &Port, clock: &SharedClock) -> Vec<PartsWriter> {
        let Self { settings, destination, counter_next } = self;
        let destination = Arc::new(destination);
        let renderer = Renderer::new(settings.format, input);
        let writer = |subtask| PartsWriter {
            uid: uid.clone(),
            subtask,
            counter_next,
            settings: Arc::clone(&settings),
            renderer: renderer.clone(),
            clock: Arc::clone(clock),
            destination: Arc::clone(&destination),
            buffer: Vec::new(),
            current: None,
            pending: Vec::new(),
            failed: None,
        };
        parallelism.subtasks().map(|subtask| writer(subtask.0)).collect()
    }
}

impl PartsWriter {
    pub(super) fn write(&mut self, batch: &Batch) -> Result<()> {
        self.attempt(|writer| writer.append(batch))
    }

    /// Hands what was written to the system.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.attempt(Self::flush_current)
    }

    /// Ends the current part; what is written from now on belongs to the next checkpoint.
    pub(super) fn prepare(&mut self, checkpoint: CheckpointId) -> Result<PreparedParts> {
        self.attempt(Self::roll)?;
        self.pending.iter_mut().for_each(|pending| pending.checkpoint = pending.checkpoint.or(Some(checkpoint)));
        Ok(PreparedParts {
            uid: self.uid.clone(),
            counter_next: self.counter_next,
            destination: Arc::clone(&self.destination),
            parts: self.pending.iter().map(|pending| Arc::clone(&pending.part)).collect(),
        })
    }

    /// Forgets the parts that are committed with `checkpoint`.
    pub(super) fn completed(&mut self, checkpoint: CheckpointId) {
        self.pending.retain(|pending| pending.checkpoint.is_none_or(|named_by| named_by > checkpoint));
    }

    /// After a failure nothing goes on: a later checkpoint would lack the records that couldn't be written.
    fn attempt(&mut self, step: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        step(self).inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// Parts that wait with an open file.
    #[cfg(test)]
    pub(super) fn open_files(&self) -> usize {
        self.pending.iter().filter(|pending| matches!(*pending.part.stage.try_lock().unwrap(), Stage::Written(_))).count()
    }

    fn append(&mut self, batch: &Batch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let begins = self.current.is_none();
        if begins {
            self.begin()?;
        }
        self.renderer.render(batch, &mut self.buffer);
        if self.buffer.len() >= WRITE_BYTES {
            self.flush_current()?;
        }
        if begins && !self.pending.is_empty() {
            pass(FailPoint::NextTransactionBegun)?;
        }
        if self.is_due() { self.roll() } else { Ok(()) }
    }

    fn begin(&mut self) -> Result<()> {
        let name = PartName::new(self.subtask, self.counter_next, self.settings.format.extension());
        let file = self.destination.create(&name).map_err(|error| file_error(&self.uid, &self.destination.unfinished(&name), &error))?;
        self.counter_next += 1;
        if self.settings.header {
            self.buffer.extend_from_slice(self.renderer.csv_header());
        }
        self.current = Some(OpenPart { name, file, length: 0, hash: Box::default(), opened_ns: self.clock.monotonic_ns() });
        Ok(())
    }

    fn is_due(&self) -> bool {
        self.current.as_ref().is_some_and(|part| {
            let age_ns = self.clock.monotonic_ns().saturating_sub(part.opened_ns);
            part.length + self.buffer.len() as u64 >= self.settings.roll_bytes || u128::from(age_ns) >= self.settings.roll_interval.as_nanos()
        })
    }

    fn flush_current(&mut self) -> Result<()> {
        let Some(part) = &mut self.current else { return Ok(()) };
        part.file.write_all(&self.buffer).map_err(|error| file_error(&self.uid, &self.destination.unfinished(&part.name), &error))?;
        part.hash.update(&self.buffer);
        part.length += self.buffer.len() as u64;
        self.buffer.clear();
        self.buffer.shrink_to(2 * WRITE_BYTES);
        Ok(())
    }

    fn roll(&mut self) -> Result<()> {
        self.flush_current()?;
        let Some(OpenPart { name, file, length, hash, .. }) = self.current.take() else { return Ok(()) };
        let whole = WholePart { name, length, checksum: hash.digest() };
        let part = Arc::new(PendingPart { whole, stage: Mutex::new(Stage::Written(file)) });
        self.pending.push(Pending { part, checkpoint: None });
        let crowded = self.pending.len().checked_sub(OPEN_FILES_MAX + 1).and_then(|oldest| self.pending.get(oldest));
        crowded.map_or(Ok(()), |pending| pending.part.close(&self.uid, &self.destination))
    }
}

impl fmt::Debug for PartsWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartsWriter").field("uid", &self.uid).field("subtask", &self.subtask).finish_non_exhaustive()
    }
}

impl PendingPart {
    /// The commit handle, once the part is durable.
    async fn secure(&self, uid: &OperatorUid, destination: &Destination) -> Result<Vec<u8>> {
        let mut stage = self.stage.lock().await;
        let outcome = match &*stage {
            Stage::Written(file) => destination.secure(uid, &self.whole, file).await,
            Stage::Durable(handle) => return Ok(handle.clone()),
            Stage::Lost(error) => return Err(error.clone()),
        };
        match &outcome {
            Ok(handle) => *stage = Stage::Durable(handle.clone()),
            Err(error) if !destination.can_retry() => *stage = Stage::Lost(error.clone()),
            Err(_) => {}
        }
        outcome
    }

    /// Makes the part durable here and now, so that its file can be closed; nothing when that takes more than a local disk, or is under way.
    fn close(&self, uid: &OperatorUid, destination: &Destination) -> Result<()> {
        let Ok(mut stage) = self.stage.try_lock() else { return Ok(()) };
        if let (Destination::Folder(folder), Stage::Written(file)) = (destination, &*stage) {
            *stage = folder.secure(uid, &self.whole, file).map_or_else(Stage::Lost, Stage::Durable);
        }
        match &*stage {
            Stage::Lost(error) => Err(error.clone()),
            Stage::Written(_) | Stage::Durable(_) => Ok(()),
        }
    }
}

/// Parts that a checkpoint is going to name.
#[derive(Debug)]
pub(super) struct PreparedParts {
    uid: OperatorUid,
    counter_next: u64,
    destination: Arc<Destination>,
    parts: Vec<Arc<PendingPart>>,
}

impl PreparedParts {
    pub(super) async fn make_durable(self) -> Result<PreparedState> {
        let mut handles = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            handles.push(part.secure(&self.uid, &self.destination).await?);
        }
        if !handles.is_empty() {
            self.destination.settle(&self.uid)?;
        }
        let state = Record::Writer(WriterState { counter_next: self.counter_next }).encode(&self.uid)?;
        pass(FailPoint::SinkFlushedNotAcked)?;
        Ok(PreparedState { state, handles })
    }
}
