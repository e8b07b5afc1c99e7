//! Drives the checkpoint protocol of one attempt: what happens goes to the coordinator, what it decides is done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedMutexGuard, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use weir_checkpoint::coordinator::{Action, Coordinator, Event};
use weir_checkpoint::manifest::{HASH_FUNCTION, JobIdentity, Manifest, ManifestKind, OperatorSnapshot, OwnerEpoch, SubtaskSnapshot};
use weir_checkpoint::permit::DurableCheckpoint;
use weir_checkpoint::retain::{Doomed, Retained};
use weir_checkpoint::savepoint::Snapshot;
use weir_checkpoint::store::{PutError, Store};
use weir_checkpoint::swaps::SwapHistory;
use weir_model::describe::StateDescriptor;
use weir_model::element::{Barrier, BarrierKind};
use weir_model::fail_point::{FailPoint, pass};
use weir_model::id::{CheckpointId, OperatorUid};
use weir_model::time::SharedClock;
use weir_model::{Error, Result};
use weir_plugin::NewVersion;

use crate::attempt::Failed;
use crate::command::{Command, Handback, Report, SwapSlot};
use crate::commit::Committers;
use crate::control::Request;
use crate::executor::{Executor, Offloaded};
use crate::history::History;
use crate::live::{Live, Phase};
use crate::metrics::JobMetrics;
use crate::plan::Plan;
use crate::restore::shut_down;
use crate::swap::Prepared;
use crate::upload::{NodeAck, TaskAck};

mod savepoints;
mod swapping;

pub(crate) use savepoints::{Composed, Savepoints};
pub(crate) use swapping::{Swapping, Trial};

/// The coordinator's side of an attempt.
pub(crate) struct Checkpointing {
    /// What the job file says.
    pub(crate) file: Arc<Plan>,
    /// What runs.
    pub(crate) plan: Arc<Plan>,
    pub(crate) live: Arc<Live>,
    /// What is asked of the job while this attempt runs.
    pub(crate) requests: OwnedMutexGuard<UnboundedReceiver<Request>>,
    pub(crate) savepoints: Savepoints,
    pub(crate) swapping: Option<Swapping>,
    pub(crate) trial: Option<Trial>,
    /// Why a version on trial failed before its trial had begun.
    pub(crate) early_violation: Option<String>,
    pub(crate) swaps: SwapHistory,
    pub(crate) handback: Arc<Handback>,
    /// Output that an attempt before has prepared and this one is to commit, once a trial is over.
    pub(crate) held_back: HeldBack,
    /// A savepoint that the job has claimed: it is deleted once there is a checkpoint.
    pub(crate) claimed: Option<Snapshot>,
    pub(crate) clock: SharedClock,
    pub(crate) store: Arc<Store>,
    pub(crate) owner: OwnerEpoch,
    pub(crate) executor: Executor,
    pub(crate) committers: Arc<Committers>,
    pub(crate) coordinator: Coordinator,
    pub(crate) tasks: Vec<TaskSide>,
    pub(crate) reports: UnboundedReceiver<Report>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) retained: Retained,
    pub(crate) history: History,
    pub(crate) metrics: Arc<JobMetrics>,
    /// Says why when the attempt fails elsewhere.
    pub(crate) failed: oneshot::Receiver<Error>,
    pub(crate) state: UnderWay,
}

/// What the coordinator knows of a task.
pub(crate) struct TaskSide {
    pub(crate) commands: UnboundedSender<Command>,
    pub(crate) is_source: bool,
    /// The nodes of its chain.
    pub(crate) nodes: Vec<usize>,
    /// Its number among the subtasks of each of them.
    pub(crate) subtask: u32,
    /// Where it finds new versions at the barrier of a swap.
    pub(crate) swap: SwapSlot,
}

/// What has come of the checkpoints that aren't complete.
#[derive(Default)]
pub(crate) struct UnderWay {
    barriers: BTreeMap<CheckpointId, Barrier>,
    acks: BTreeMap<CheckpointId, Vec<NodeAck>>,
    durable: BTreeMap<CheckpointId, Arc<DurableCheckpoint>>,
    /// By checkpoint: the files that its acknowledgements have named, until a manifest of it or of a later one exists.
    acked_files: BTreeMap<CheckpointId, BTreeSet<String>>,
    io: JoinSet<Done>,
    stopping: bool,
    /// A checkpoint has failed since the last one that is complete.
    has_failed: bool,
    /// A newer owner has taken the job over.
    is_fenced: bool,
    /// What is to be deleted once no savepoint is being made of it any more.
    deferred: Vec<Doomed>,
}

/// A step of I/O that has ended.
enum Done {
    Written(CheckpointId, Result<DurableCheckpoint, PutError>),
    Committed(CheckpointId, Result<()>),
    Deleted(Result<()>),
    HistoryWritten(Result<()>),
    Saved(CheckpointId, Result<Composed>),
    Prepared(Box<Result<Prepared>>),
}

impl Checkpointing {
    /// Drives the protocol until the last checkpoint is complete and the tasks are told to end; gives that checkpoint.
    ///
    /// # Errors
    /// What makes the attempt fail.
    pub(crate) async fn run(mut self) -> Result<(Arc<DurableCheckpoint>, Retained, History), Failed> {
        let ended = self.drive().await;
        match ended {
            Ok(last) => {
                self.save_last(last.manifest()).await;
                while self.state.io.join_next().await.is_some() {}
                Ok((last, self.retained, self.history))
            }
            Err(mut failed) => {
                self.savepoints.fail_all(&failed.error);
                self.swap_failed(&failed.error);
                // The status belongs to whoever owns the job, and nobody waits long for it.
                if !self.state.is_fenced {
                    self.history.attempt_failed(&failed.error, self.clock.wall_ms());
                    let store = Arc::clone(&self.store);
                    let status = self.history.status(self.clock.wall_ms());
                    let written = self.executor.offload(async move { store.put_status(status).await });
                    drop(tokio::time::timeout(LAST_STATUS_GRACE, written).await);
                }
                // A job that another process has taken over is not to be taken back.
                failed.may_restart &= !self.state.is_fenced;
                Err(failed)
            }
        }
    }

    async fn drive(&mut self) -> Result<Arc<DurableCheckpoint>, Failed> {
        loop {
            let event = self.next().await?;
            let (now_ms, wall_ms) = (self.now_ms(), self.clock.wall_ms());
            if let Some(event) = event {
                for action in self.coordinator.on(event, now_ms, wall_ms) {
                    if let Some(last) = self.act(action)? {
                        return Ok(last);
                    }
                }
            }
            self.return_if_violated()?;
        }
    }

    fn now_ms(&self) -> u64 {
        self.clock.monotonic_ns() / 1_000_000
    }

    /// Waits for the next thing that the coordinator should know.
    async fn next(&mut self) -> Result<Option<Event>> {
        let wake_ms = self.coordinator.next_wake_ms();
        let sleep_ms = wake_ms.map_or(u64::MAX, |wake_ms| wake_ms.saturating_sub(self.now_ms()));
        let history_due = self.history.due_at();
        let (shadow_until, trial_poll) = (self.shadow_until(), self.trial_poll());
        tokio::select! {
            biased;
            Ok(error) = &mut self.failed => Err(error),
            report = self.reports.recv() => self.reported(report.ok_or_else(shut_down)?),
            done = self.state.io.join_next(), if !self.state.io.is_empty() => match done {
                Some(Ok(done)) => self.done(done),
                _ => Err(shut_down()),
            },
            changed = self.stop.changed(), if !self.state.stopping => {
                self.state.stopping = true;
                self.live.set_phase(Phase::Ending);
                changed.map_err(|_| shut_down())?;
                Ok(Some(Event::Stop))
            }
            request = self.requests.recv() => self.requested(request.ok_or_else(shut_down)?),
            () = sleep_until(shadow_until) => {
                self.end_shadow();
                Ok(None)
            }
            () = tokio::time::sleep(trial_poll.unwrap_or_default()), if trial_poll.is_some() => {
                self.look_at_trial();
                Ok(None)
            }
            () = tokio::time::sleep(Duration::from_millis(sleep_ms.min(WAKE_MS_MAX))), if wake_ms.is_some() => Ok(Some(Event::Tick)),
            () = History::due(history_due) => {
                self.write_history();
                Ok(None)
            }
        }
    }

    fn requested(&mut self, request: Request) -> Result<Option<Event>> {
        match request {
            Request::Savepoint(request, reply) => Ok(self.savepoint_wanted(request, reply)),
            Request::Swap(request, reply) => {
                self.swap_wanted(*request, reply);
                Ok(None)
            }
            Request::Cancel(reply) => {
                drop(reply.send(Ok(())));
                Err(self.live.cancel())
            }
        }
    }

    fn reported(&mut self, report: Report) -> Result<Option<Event>> {
        Ok(Some(match report {
            Report::Swapped { held_us } => {
                self.swapped(held_us);
                return Ok(None);
            }
            Report::OnTrialFailed { why } => {
                self.on_trial_failed(&why);
                return Ok(None);
            }
            Report::Shadowed(counts) => return self.shadowed(counts),
            Report::SourceEnded(task) => Event::SourceEnded { task },
            Report::Declined { task, checkpoint, why } => Event::Declined { checkpoint, task, why },
            Report::Acked(ack) => {
                self.history.acked(&ack);
                let TaskAck { task, checkpoint, nodes, .. } = *ack;
                let files = nodes.iter().flat_map(|node| node.snapshot.files.iter().chain(&node.snapshot.in_flight));
                self.state.acked_files.entry(checkpoint).or_default().extend(files.map(|file| file.path.clone()));
                self.state.acks.entry(checkpoint).or_default().extend(nodes);
                pass(FailPoint::SomeAcked)?;
                Event::Acked { checkpoint, task }
            }
        }))
    }

    fn done(&mut self, done: Done) -> Result<Option<Event>> {
        Ok(Some(match done {
            Done::Written(checkpoint, Ok(durable)) => {
                pass(FailPoint::DurableNotNotified)?;
                self.state.durable.insert(checkpoint, Arc::new(durable));
                Event::ManifestWritten { checkpoint }
            }
            Done::Written(checkpoint, Err(PutError::Failed(why))) => Event::ManifestFailed { checkpoint, why },
            Done::Written(_, Err(PutError::Fenced(why))) => {
                self.state.is_fenced = true;
                Event::Lost { why }
            }
            Done::Written(_, Err(PutError::Unknown(why))) => Event::Lost { why },
            Done::Committed(checkpoint, Ok(())) => Event::Committed { checkpoint },
            Done::Committed(checkpoint, Err(why)) => Event::CommitFailed { checkpoint, why },
            Done::Saved(checkpoint, composed) => {
                self.savepoint_written(checkpoint, composed)?;
                return Ok(None);
            }
            Done::Prepared(prepared) => return self.swap_prepared(*prepared),
            Done::Deleted(result) | Done::HistoryWritten(result) => {
                // Garbage costs room, and the history is for people: neither is worth the job.
                if let Err(error) = result {
                    tracing::warn!("{error}");
                }
                return Ok(None);
            }
        }))
    }

    /// Does what the coordinator has decided; gives the last checkpoint when that is complete.
    fn act(&mut self, action: Action) -> Result<Option<Arc<DurableCheckpoint>>> {
        match action {
            Action::Trigger(barrier) => {
                pass(FailPoint::TriggerDecided)?;
                self.state.barriers.insert(barrier.checkpoint, barrier);
                self.history.triggered(barrier);
                match barrier.kind {
                    BarrierKind::Savepoint => self.savepoints.begin(barrier.checkpoint),
                    BarrierKind::Swap => self.swap_begun(barrier.checkpoint),
                    BarrierKind::Checkpoint | BarrierKind::Drain | BarrierKind::Stop => {}
                }
                self.tell(|| Command::Trigger(barrier), |task| task.is_source);
            }
            Action::Unalign(barrier) => self.tell(|| Command::Unalign(barrier), |task| !task.is_source),
            Action::WriteManifest(checkpoint) => {
                pass(FailPoint::AllAckedNoManifest)?;
                self.write_manifest(checkpoint);
            }
            Action::WriteSavepoint(checkpoint) => self.write_savepoint(checkpoint),
            Action::Commit(checkpoint) => self.commit(checkpoint),
            Action::NotifyCompleted(checkpoint) => self.completed(checkpoint)?,
            Action::Abort { checkpoint, why } => {
                pass(FailPoint::TimeoutRacesAck)?;
                // The first of a row: whoever tolerates failures still wants to know.
                if !std::mem::replace(&mut self.state.has_failed, true) {
                    tracing::warn!("{}: {}", why.what, why.why);
                }
                self.savepoints.abort(checkpoint, &why);
                self.history.failed(checkpoint, &why, self.clock.wall_ms());
                self.metrics.failed_checkpoints.add(1);
                self.state.barriers.remove(&checkpoint);
                self.state.acks.remove(&checkpoint);
                self.tell(|| Command::Aborted(checkpoint), |_| true);
            }
            Action::Fail(error) => return Err(error),
            Action::Finish => {
                self.tell(|| Command::Finish, |_| true);
                return self.state.durable.pop_last().map(|(_, last)| Some(last)).ok_or_else(shut_down);
            }
        }
        Ok(None)
    }

    fn tell(&self, command: impl Fn() -> Command, whom: impl Fn(&TaskSide) -> bool) {
        // A task that is gone has failed; whoever watches the tasks knows.
        self.tasks.iter().filter(|task| whom(task)).for_each(|task| {
            let _ = task.commands.send(command());
        });
    }

    /// What all tasks have acknowledged, as a manifest.
    fn manifest_of(&mut self, checkpoint: CheckpointId) -> Option<Manifest> {
        let barrier = self.state.barriers.remove(&checkpoint)?;
        let acks = self.state.acks.remove(&checkpoint).unwrap_or_default();
        let mut operators = operators(&self.plan, &self.file, acks);
        self.held_back.add_to(&mut operators);
        Some(Manifest {
            checkpoint,
            owner_epoch: self.owner,
            kind: match barrier.kind {
                BarrierKind::Checkpoint | BarrierKind::Swap => ManifestKind::Checkpoint,
                BarrierKind::Savepoint => ManifestKind::Savepoint,
                BarrierKind::Drain => ManifestKind::Drain,
                BarrierKind::Stop => ManifestKind::Stop,
            },
            job: JobIdentity { name: self.plan.name.clone(), id: weir_checkpoint::paths::job_id(&self.plan.name) },
            max_parallelism: self.plan.max_parallelism.get(),
            hash_function: HASH_FUNCTION.to_owned(),
            triggered_ms: barrier.triggered_ms,
            completed_ms: self.clock.wall_ms(),
            retained: self.retained.newest_first(),
            probation: None,
            operators,
        })
    }

    fn write_manifest(&mut self, checkpoint: CheckpointId) {
        let Some(mut manifest) = self.manifest_of(checkpoint) else { return };
        self.note_swap(&mut manifest);
        let store = Arc::clone(&self.store);
        let work = async move { store.put_manifest(&manifest).await };
        self.start(self.executor.offload(work), move |written| Done::Written(checkpoint, written));
    }

    fn commit(&mut self, checkpoint: CheckpointId) {
        let Some(durable) = self.state.durable.get(&checkpoint).map(Arc::clone) else { return };
        let (store, committers) = (Arc::clone(&self.store), Arc::clone(&self.committers));
        let work = async move {
            // On trial, nobody sees what a new version has made: it may be taken back.
            if is_held_back(durable.manifest()) {
                return Ok(());
            }
            committers.commit(&durable).await?;
            pass(FailPoint::AllCommittedNotRecorded)?;
            store.record_committed(checkpoint).await
        };
        self.start(self.executor.offload(work), move |committed| Done::Committed(checkpoint, committed));
    }

    fn completed(&mut self, checkpoint: CheckpointId) -> Result<()> {
        let Some(durable) = self.state.durable.get(&checkpoint).map(Arc::clone) else { return Ok(()) };
        self.state.durable = self.state.durable.split_off(&checkpoint);
        self.state.acks = self.state.acks.split_off(&checkpoint);
        self.history.completed(checkpoint, self.clock.wall_ms());
        self.metrics.completed_checkpoints.add(1);
        self.state.has_failed = false;
        if !is_held_back(durable.manifest()) {
            self.held_back = HeldBack::default();
            for task in &self.tasks {
                let _ = task.commands.send(Command::Completed(checkpoint));
                pass(FailPoint::SomeNotified)?;
            }
        }
        self.swap_completed(durable.manifest());
        if let Some(claimed) = self.claimed.take() {
            self.start(self.executor.offload(async move { claimed.dispose().await.map(drop) }), Done::Deleted);
        }
        let mut doomed = self.retained.completed(durable.manifest());
        // What an older checkpoint that was aborted has written is needed as long as a manifest names it, or an acknowledgement for a later checkpoint, be that
        // one aborted, too: what is written after it builds on it.
        let later = self.state.acked_files.split_off(&checkpoint.next());
        let older = std::mem::replace(&mut self.state.acked_files, later);
        let live = self.retained.live_files();
        let is_needed = |path: &String| live.contains(path) || self.state.acked_files.values().any(|files| files.contains(path));
        doomed.files.extend(older.into_values().flatten().filter(|path| !is_needed(path)));
        self.delete(doomed);
        Ok(())
    }

    fn delete(&mut self, doomed: Doomed) {
        if doomed.is_empty() {
            return;
        }
        if self.savepoints.is_reading() {
            self.state.deferred.push(doomed);
            return;
        }
        let store = Arc::clone(&self.store);
        let work = async move { store.delete(&doomed).await };
        self.start(self.executor.offload(work), Done::Deleted);
    }

    /// Deletes what was kept for savepoints.
    fn delete_deferred(&mut self) {
        if !self.savepoints.is_reading() {
            std::mem::take(&mut self.state.deferred).into_iter().for_each(|doomed| self.delete(doomed));
        }
    }

    /// All tasks, with the new versions that each is to run.
    fn by_task(&self, versions: &mut Vec<(usize, u32, NewVersion)>) -> Vec<(&TaskSide, Vec<(usize, NewVersion)>)> {
        let mut tasks: Vec<_> = self.tasks.iter().map(|task| (task, Vec::new())).collect();
        for (node, subtask, version) in versions.drain(..) {
            if let Some((_, own)) = tasks.iter_mut().find(|(task, _)| task.subtask == subtask && task.nodes.contains(&node)) {
                own.push((node, version));
            }
        }
        tasks
    }

    fn write_history(&mut self) {
        let (store, status) = (Arc::clone(&self.store), self.history.status(self.clock.wall_ms()));
        let work = async move { store.put_status(status).await };
        self.start(self.executor.offload(work), Done::HistoryWritten);
    }

    fn start<T: Send + 'static>(&mut self, work: Offloaded<T>, done: impl FnOnce(T) -> Done + Send + 'static) {
        self.state.io.spawn(async move {
            match work.await {
                Some(result) => done(result),
                None => Done::Deleted(Err(shut_down())),
            }
        });
    }
}

/// How long a failed attempt waits for its status to be written.
const LAST_STATUS_GRACE: Duration = Duration::from_secs(2);

/// The longest that the coordinator sleeps at a time.
const WAKE_MS_MAX: u64 = 60_000;

/// The acknowledgements of all tasks by node.
fn operators(plan: &Plan, file: &Plan, acks: Vec<NodeAck>) -> Vec<OperatorSnapshot> {
    let mut by_node: BTreeMap<usize, BTreeMap<u32, (Vec<StateDescriptor>, SubtaskSnapshot)>> = BTreeMap::new();
    for ack in acks {
        by_node.entry(ack.node).or_default().insert(ack.subtask.0, (ack.states, ack.snapshot));
    }
    let nodes = plan.nodes.iter().zip(&file.nodes).enumerate();
    let snapshot = |(number, (node, in_file))| {
        let acks = by_node.remove(&number).unwrap_or_default();
        let mut snapshot = Plan::operator_snapshot(node, in_file, Vec::new());
        for (states, subtask) in acks.into_values() {
            // Values of older schema versions that nobody has needed since.
            snapshot.states.extend(states.into_iter().filter(|state| !snapshot.states.contains(state)).collect::<Vec<_>>());
            snapshot.subtasks.push(subtask);
        }
        snapshot
    };
    nodes.map(snapshot).collect()
}

/// Whether what a checkpoint names is not to be committed: it came after a swap that may still be taken back.
fn is_held_back(manifest: &Manifest) -> bool {
    manifest.probation.as_ref().is_some_and(|probation| !probation.lets_commit(manifest.checkpoint))
}

/// Commit handles by sink.
#[derive(Default)]
pub(crate) struct HeldBack(BTreeMap<OperatorUid, Vec<Vec<u8>>>);

impl HeldBack {
    /// All that a checkpoint names.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        Self(manifest.handles().map(|(uid, handles)| (uid.clone(), handles)).collect())
    }

    /// Those of a sink.
    pub(crate) fn sink(&self, uid: &OperatorUid) -> &[Vec<u8>] {
        self.0.get(uid).map(Vec::as_slice).unwrap_or_default()
    }

    /// Makes them part of a checkpoint.
    fn add_to(&self, operators: &mut [OperatorSnapshot]) {
        for operator in operators {
            if let (Some(handles), Some(first)) = (self.0.get(&operator.uid), operator.subtasks.first_mut()) {
                first.handles.extend(handles.iter().cloned());
            }
        }
    }
}

/// Waits until then; for ever if there is no such time.
async fn sleep_until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => std::future::pending().await,
    }
}
