//! Writes the snapshots of one task, one after another and beside the stream, and acknowledges them.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use weir_checkpoint::coordinator::TaskId;
use weir_checkpoint::manifest::{FileEntry, FileScope, OwnerEpoch, SubtaskSnapshot};
use weir_checkpoint::paths;
use weir_checkpoint::store::Store;
use weir_connect::sink::PreparedState;
use weir_model::describe::StateDescriptor;
use weir_model::fail_point::{FailPoint, pass};
use weir_model::id::{CheckpointId, OperatorUid, SubtaskIndex};
use weir_model::rows::Batch;
use weir_model::time::SharedClock;
use weir_model::{Error, Result};
use weir_state::{Captured, SnapshotScope, StateError};

use crate::command::Report;
use crate::executor::Executor;
use crate::full_order::FullOrder;
use crate::in_flight;
use crate::snapshot::{Part, SnapshotJob, Timings};

/// Increments on one full file: beyond that, reading them back costs more than writing the state anew.
const INCREMENTS_MAX: usize = 64;
/// The increments on a full file may have so many times its bytes before it is written anew.
const INCREMENTS_BYTES_FACTOR: u64 = 4;

/// What a task has contributed to a checkpoint.
#[derive(Debug)]
pub(crate) struct TaskAck {
    pub(crate) task: TaskId,
    pub(crate) checkpoint: CheckpointId,
    /// By node of the task.
    pub(crate) nodes: Vec<NodeAck>,
    pub(crate) timings: Timings,
    /// From the end of the synchronous part until everything was durable.
    pub(crate) async_ns: u64,
}

/// What one subtask of a node has contributed.
#[derive(Debug)]
pub(crate) struct NodeAck {
    pub(crate) node: usize,
    pub(crate) subtask: SubtaskIndex,
    pub(crate) snapshot: SubtaskSnapshot,
    /// The states that its files have values of.
    pub(crate) states: Vec<StateDescriptor>,
    /// Bytes that were written for this checkpoint.
    pub(crate) written_bytes: u64,
}

/// Writes a task's snapshots.
pub(crate) struct Uploader {
    pub(crate) task: TaskId,
    pub(crate) subtask: SubtaskIndex,
    pub(crate) nodes: Vec<UploadNode>,
    pub(crate) store: Arc<Store>,
    pub(crate) clock: SharedClock,
    /// Keeps the names of this attempt's files apart from those of all others.
    pub(crate) owner: OwnerEpoch,
    pub(crate) incremental: bool,
}

/// One node of the task.
pub(crate) struct UploadNode {
    pub(crate) node: usize,
    pub(crate) uid: OperatorUid,
    /// The states that were captured last.
    pub(crate) states: Vec<StateDescriptor>,
    /// The files that together hold what was captured so far: a full one, then increments.
    pub(crate) files: Vec<FileEntry>,
    /// Those of the subtask, if the node's input is exchanged by key; else none.
    pub(crate) key_groups: Range<u32>,
    /// Read by the task at the next barrier.
    pub(crate) needs_full: Arc<FullOrder>,
}

impl Uploader {
    /// Writes what comes until the task has gone away.
    pub(crate) async fn run(mut self, mut jobs: UnboundedReceiver<SnapshotJob>, reports: UnboundedSender<Report>, executor: Executor) {
        while let Some(job) = jobs.recv().await {
            let (task, checkpoint) = (self.task, job.barrier.checkpoint);
            let written = executor.offload(async move {
                let written = self.write(job).await;
                (self, written)
            });
            let report = match written.await {
                Some((uploader, written)) => {
                    self = uploader;
                    written.map_or_else(|why| Report::Declined { task, checkpoint, why }, |ack| Report::Acked(Box::new(ack)))
                }
                // The runtime is being shut down.
                None => return,
            };
            if reports.send(report).is_err() {
                return;
            }
        }
    }

    async fn write(&mut self, job: SnapshotJob) -> Result<TaskAck> {
        let SnapshotJob { barrier, parts, in_flight, timings } = job;
        let checkpoint = barrier.checkpoint;
        let mut acks = Vec::new();
        let mut failure = None;
        // After a failure the others are written all the same: their next increments build on these.
        for (at, part) in parts.into_iter().enumerate() {
            match self.write_part(at, checkpoint, part).await {
                Ok(ack) => acks.extend(ack),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if let Some(error) = failure {
            return Err(error);
        }
        let entry = self.write_in_flight(checkpoint, &in_flight).await?;
        // A source reads from no channel: the batches belong to the first node of a task that has a gate.
        if let Some(first) = acks.first_mut() {
            first.written_bytes += entry.as_ref().map_or(0, |entry| entry.bytes);
            first.snapshot.in_flight = entry;
        }
        pass(FailPoint::StateFileDurableNotAcked)?;
        let async_ns = self.clock.monotonic_ns().saturating_sub(timings.frozen_at_ns);
        Ok(TaskAck { task: self.task, checkpoint, nodes: acks, timings, async_ns })
    }

    async fn write_part(&mut self, at: usize, checkpoint: CheckpointId, part: Part) -> Result<Option<NodeAck>> {
        let mut snapshot = SubtaskSnapshot::default();
        let mut written_bytes = 0;
        match part {
            Part::Stateless => {}
            Part::Source(position) => snapshot.position = position,
            Part::Sink(prepared) => {
                let PreparedState { state, handles } = prepared.make_durable().await?;
                pass(FailPoint::SinkFlushedNotAcked)?;
                (snapshot.position, snapshot.handles) = (state, handles);
            }
            Part::Keyed(scope, captured) => {
                if let (Some(node), Some(captured)) = (self.nodes.get_mut(at), &captured) {
                    node.states = captured.states().to_vec();
                }
                written_bytes = self.write_rows(at, checkpoint, scope, captured).await?;
                snapshot.files = self.nodes.get(at).map(|node| node.files.clone()).unwrap_or_default();
            }
        }
        let ack = |node: &UploadNode| NodeAck { node: node.node, subtask: self.subtask, snapshot, states: node.states.clone(), written_bytes };
        Ok(self.nodes.get(at).map(ack))
    }

    /// Writes the rows of a keyed node and brings its list of files up to date; gives the bytes written.
    async fn write_rows(&mut self, at: usize, checkpoint: CheckpointId, scope: SnapshotScope, captured: Option<Captured>) -> Result<u64> {
        let Some(node) = self.nodes.get_mut(at) else { return Ok(0) };
        if scope == SnapshotScope::Changes && node.files.is_empty() {
            return Err(Error::job(
                format!("operator {}, checkpoint {checkpoint}", node.uid),
                "the increment before this one could not be written",
                "nothing: the next checkpoint writes everything",
            ));
        }
        let written = match captured {
            Some(captured) if !(scope == SnapshotScope::Changes && captured.is_empty()) => {
                let path = |number: usize| {
                    let part = if number == 0 { scope_name(scope).to_owned() } else { format!("{}-{number}", scope_name(scope)) };
                    paths::state_file(&node.uid, self.owner, checkpoint, self.subtask.0, &part)
                };
                write_files(&self.store, path, captured).await
            }
            _ => Ok(Vec::new()),
        };
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                // What wasn't written now is in no later increment.
                node.files.clear();
                node.needs_full.need();
                return Err(error);
            }
        };
        if scope == SnapshotScope::Full {
            node.files.clear();
        }
        let bytes = written.iter().map(|entry| entry.bytes).sum();
        node.files.extend(written);
        let (full, increments): (Vec<&FileEntry>, Vec<&FileEntry>) = node.files.iter().partition(|file| file.scope == FileScope::Full);
        let sum = |files: &[&FileEntry]| files.iter().map(|file| file.bytes).sum::<u64>();
        let is_due = increments.len() >= INCREMENTS_MAX || sum(&increments) > sum(&full).saturating_mul(INCREMENTS_BYTES_FACTOR);
        if !self.incremental {
            node.needs_full.need();
        } else if is_due {
            node.needs_full.make_due();
        }
        Ok(bytes)
    }

    async fn write_in_flight(&self, checkpoint: CheckpointId, batches: &[(u32, Batch)]) -> Result<Option<FileEntry>> {
        let (Some(first), false) = (self.nodes.first(), batches.is_empty()) else { return Ok(None) };
        pass(FailPoint::InFlightHalfWritten)?;
        let bytes = in_flight::encode(batches);
        let entry = FileEntry {
            path: paths::state_file(&first.uid, self.owner, checkpoint, self.subtask.0, "in-flight"),
            scope: FileScope::Full,
            rows: batches.iter().map(|(_, batch)| batch.len() as u64).sum(),
            bytes: bytes.len() as u64,
            checksum: in_flight::checksum(&bytes),
            key_groups: first.key_groups.clone(),
        };
        self.store.put_file(&entry.path, Bytes::from(bytes)).await?;
        Ok(Some(entry))
    }
}

/// Writes captured rows, file after file, so that little of what comes from a disk is in memory at a time.
async fn write_files(store: &Store, path: impl Fn(usize) -> String, mut captured: Captured) -> Result<Vec<FileEntry>> {
    let mut written = Vec::new();
    let failed = |error| state_failed("the state can't be read from its working files", &error);
    while let Some(file) = captured.next_file().map_err(failed)? {
        let entry = entry_of(path(written.len()), &file.info);
        store.put_file(&entry.path, Bytes::from(file.bytes)).await?;
        written.push(entry);
    }
    Ok(written)
}

/// The error of a disk that holds the working files of state.
pub(crate) fn state_failed(what: impl Into<String>, error: &StateError) -> Error {
    let remedy = if let StateError::Disk { remedy, .. } = error { *remedy } else { "see the error" };
    Error::job(what, error.to_string(), remedy)
}

fn scope_name(scope: SnapshotScope) -> &'static str {
    match scope {
        SnapshotScope::Full => "full",
        SnapshotScope::Changes => "changes",
    }
}

fn entry_of(path: String, info: &weir_state::StateFileInfo) -> FileEntry {
    let scope = match info.scope {
        SnapshotScope::Full => FileScope::Full,
        SnapshotScope::Changes => FileScope::Changes,
    };
    FileEntry { path, scope, rows: info.rows, bytes: info.bytes, checksum: info.checksum, key_groups: info.key_groups.clone() }
}
