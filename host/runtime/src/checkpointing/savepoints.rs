//! Savepoints that somebody has asked for: from the request to the folder that is whole by itself.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use weir_checkpoint::coordinator::Event;
use weir_checkpoint::manifest::Manifest;
use weir_checkpoint::savepoint::{self, abandon};
use weir_checkpoint::store::Store;
use weir_model::fail_point::{FailPoint, pass};
use weir_model::id::{CheckpointId, PluginDigest};
use weir_model::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

use super::{Checkpointing, Done};
use crate::control::{SavepointReport, SavepointRequest, Then};
use crate::live::Phase;
use crate::plan::Plan;
use crate::savepoint::{Compose, Running, Work, bytes_to_read, compose};

/// A savepoint that somebody waits for.
pub(crate) struct Asked {
    request: SavepointRequest,
    dir: String,
    reply: oneshot::Sender<Result<SavepointReport>>,
    since_ns: u64,
}

/// A savepoint that is there.
pub(crate) struct Composed {
    location: String,
    rows: u64,
    bytes: u64,
}

/// The savepoints of an attempt.
#[derive(Default)]
pub(crate) struct Savepoints {
    /// Asked for, and not begun.
    wanted: VecDeque<Asked>,
    /// By number: their barriers are on their way.
    begun: BTreeMap<CheckpointId, Asked>,
    /// Being written.
    written: BTreeMap<CheckpointId, Asked>,
    /// That of the last checkpoint.
    last: Option<Asked>,
}

impl Savepoints {
    /// Whether files of the job's checkpoints are being read for one.
    pub(crate) fn is_reading(&self) -> bool {
        !self.begun.is_empty() || !self.written.is_empty() || self.last.is_some()
    }

    /// The barrier of one is sent.
    pub(crate) fn begin(&mut self, checkpoint: CheckpointId) {
        if let Some(asked) = self.wanted.pop_front() {
            self.begun.insert(checkpoint, asked);
        }
    }

    /// The snapshot for one could not be taken.
    pub(crate) fn abort(&mut self, checkpoint: CheckpointId, why: &Error) {
        if let Some(asked) = self.begun.remove(&checkpoint) {
            drop(asked.reply.send(Err(why.clone())));
        }
    }

    /// The attempt has ended, and with it all that are under way.
    pub(crate) fn fail_all(&mut self, why: &Error) {
        let all = self.wanted.drain(..).chain(std::mem::take(&mut self.begun).into_values());
        let all = all.chain(std::mem::take(&mut self.written).into_values()).chain(self.last.take());
        for asked in all {
            let what = format!("the savepoint was not taken: {}", why.what);
            drop(asked.reply.send(Err(Error { what, ..why.clone() })));
        }
    }
}

impl Checkpointing {
    /// What follows from the wish for a savepoint.
    pub(super) fn savepoint_wanted(&mut self, request: SavepointRequest, reply: oneshot::Sender<Result<SavepointReport>>) -> Option<Event> {
        let dir = match self.savepoint_dir(&request) {
            Ok(dir) => dir,
            Err(error) => {
                drop(reply.send(Err(error)));
                return None;
            }
        };
        let then = request.then;
        let asked = Asked { request, dir, reply, since_ns: self.clock.monotonic_ns() };
        match then {
            Then::GoOn | Then::Cancel => {
                self.savepoints.wanted.push_back(asked);
                Some(Event::Savepoint)
            }
            Then::Stop | Then::Drain => {
                self.state.stopping = true;
                self.live.set_phase(Phase::Ending);
                self.savepoints.last = Some(asked);
                Some(if then == Then::Drain { Event::Drain } else { Event::Stop })
            }
        }
    }

    /// Where a savepoint goes.
    fn savepoint_dir(&self, request: &SavepointRequest) -> Result<String> {
        if self.coordinator.is_ending() {
            return Err(Error::usage(
                "the savepoint was not taken",
                "the job is ending",
                "see `weir list`; a job that was stopped goes on from its last checkpoint",
            ));
        }
        let settings = self.plan.checkpointing.as_ref();
        request.dir.clone().or_else(|| settings.and_then(|settings| settings.savepoint_dir.clone())).ok_or_else(|| {
            Error::usage(
                "the savepoint was not taken",
                "nobody says where it should go",
                "name a folder or URL, or set `savepoint-dir` in [checkpointing]",
            )
        })
    }

    /// All tasks have acknowledged: makes the folder, beside the stream.
    pub(super) fn write_savepoint(&mut self, checkpoint: CheckpointId) {
        let (Some(asked), Some(manifest)) = (self.savepoints.begun.remove(&checkpoint), self.manifest_of(checkpoint)) else { return };
        let work = self.composing(manifest, &asked);
        self.savepoints.written.insert(checkpoint, asked);
        self.start(self.executor.offload(work), move |composed| Done::Saved(checkpoint, composed));
    }

    fn composing(&self, manifest: Manifest, asked: &Asked) -> impl Future<Output = Result<Composed>> + Send + 'static {
        let (store, live, executor) = (Arc::clone(&self.store), Arc::clone(&self.live), self.executor.clone());
        let (plan, file) = (Arc::clone(&self.plan), Arc::clone(&self.file));
        let (dir, includes_plugins) = (asked.dir.clone(), asked.request.include_plugins);
        let unique = xxh3_64(format!("{} {}", self.clock.wall_ms(), self.clock.monotonic_ns()).as_bytes());
        async move {
            let to = savepoint::create(&dir, &manifest.job.id, unique)?;
            let plugins = if includes_plugins { plugins_of([&plan, &file], &store).await? } else { Vec::new() };
            let progress = live.begin_savepoint(bytes_to_read(&manifest));
            let run = |work: Work| -> Running { executor.offload(work) };
            let what = Compose { manifest: &manifest, from: &store, to: &to, kind: manifest.kind, plugins: &plugins, progress };
            let composed = compose(what, &run).await;
            live.begin_savepoint(0);
            let put = async {
                let composed = composed?;
                pass(FailPoint::SavepointHalfCopied)?;
                to.put_savepoint(&composed).await.map(|()| composed)
            };
            let composed = match put.await {
                Ok(composed) => composed,
                Err(error) => {
                    // What is half written is nobody's; if it can't be deleted either, the first error is the one to tell.
                    drop(abandon(&to).await);
                    return Err(error);
                }
            };
            let files = composed.files();
            let (rows, bytes) = files.fold((0, 0), |(rows, bytes), file| (rows + file.rows, bytes + file.bytes));
            Ok(Composed { location: to.location().to_owned(), rows, bytes })
        }
    }

    /// A savepoint is there, or can't be; `Err`: the job was to be cancelled then.
    pub(super) fn savepoint_written(&mut self, checkpoint: CheckpointId, composed: Result<Composed>) -> Result<()> {
        let Some(asked) = self.savepoints.written.remove(&checkpoint) else { return Ok(()) };
        let cancels = asked.request.then == Then::Cancel && composed.is_ok();
        match &composed {
            Ok(_) => self.history.completed(checkpoint, self.clock.wall_ms()),
            Err(why) => self.history.failed(checkpoint, why, self.clock.wall_ms()),
        }
        self.answer(asked, checkpoint, composed);
        self.delete_deferred();
        if cancels { Err(self.live.cancel()) } else { Ok(()) }
    }

    /// Makes a savepoint of the last checkpoint, if one was asked for.
    pub(super) async fn save_last(&mut self, manifest: &Manifest) {
        let Some(asked) = self.savepoints.last.take() else { return };
        let mut manifest = manifest.clone();
        // All of it is committed.
        manifest.operators.iter_mut().flat_map(|operator| &mut operator.subtasks).for_each(|subtask| subtask.handles.clear());
        let checkpoint = manifest.checkpoint;
        let work = self.composing(manifest, &asked);
        let composed = self.executor.offload(work).await.unwrap_or_else(|| Err(crate::restore::shut_down()));
        let composed = composed.map_err(|error| Error {
            what: format!("the job has stopped with checkpoint {checkpoint}, and its savepoint was not written: {}", error.what),
            ..error
        });
        self.answer(asked, checkpoint, composed);
    }

    fn answer(&self, asked: Asked, checkpoint: CheckpointId, composed: Result<Composed>) {
        let took_ms = self.clock.monotonic_ns().saturating_sub(asked.since_ns) / 1_000_000;
        let report = composed.map(|Composed { location, rows, bytes }| SavepointReport { location, checkpoint, rows, bytes, took_ms });
        // Whoever has asked may be gone.
        drop(asked.reply.send(report));
    }
}

/// The plugins of these plans, as they are kept with the checkpoints; one that isn't kept is read from its file.
async fn plugins_of(plans: [&Plan; 2], store: &Store) -> Result<Vec<(PluginDigest, Bytes)>> {
    let mut plugins: Vec<(PluginDigest, Bytes)> = Vec::new();
    for operator in plans.into_iter().flat_map(|plan| &plan.nodes).filter_map(|node| node.operator()) {
        if plugins.iter().any(|(digest, _)| *digest == operator.digest) {
            continue;
        }
        let kept = store.get_component(operator.digest).await?;
        let read = || operator.file.as_ref().and_then(|file| std::fs::read(file).ok()).map(Bytes::from);
        match kept.or_else(read).filter(|bytes| weir_plugin::digest_of(bytes) == operator.digest) {
            Some(bytes) => plugins.push((operator.digest, bytes)),
            None => {
                let what = format!("the plugin sha256:{} can't become part of the savepoint", operator.digest.short());
                return Err(Error::job(
                    what,
                    "its file is gone or has changed, and it isn't kept",
                    "bring the file back that the job was started with",
                ));
            }
        }
    }
    Ok(plugins)
}
