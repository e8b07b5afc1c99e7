//! One attempt at a job: opened from a checkpoint or from the beginning, run until its tasks have ended, and taken down.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder as RuntimeBuilder, Runtime};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio::task::{JoinError, JoinSet};
use weir_checkpoint::compare::GivenUp;
use weir_checkpoint::coordinator::Coordinator;
use weir_checkpoint::manifest::{ManifestKind, OwnerEpoch, Probation};
use weir_checkpoint::permit::{CommitPermit, DurableCheckpoint};
use weir_checkpoint::resolve;
use weir_checkpoint::retain::Retained;
use weir_checkpoint::savepoint::Snapshot;
use weir_checkpoint::stats::CheckpointStats;
use weir_checkpoint::store::{Begin, Start, Store};
use weir_checkpoint::swaps::SwapHistory;
use weir_connect::sink::{Prepared, PreparedState};
use weir_model::fail_point::{FailPoint, pass};
use weir_model::id::{CheckpointId, OperatorUid};
use weir_model::settings::{CheckpointSettings, RestartStrategy};
use weir_model::{Error, ErrorKind, Result};
use weir_state::KeyedState;

use crate::build::{Built, Ground, Participant, build, check_sinks, new_state};
use crate::chain::bug;
use crate::checkpointing::{Checkpointing, HeldBack, Savepoints, TaskSide, UnderWay};
use crate::command::Report;
use crate::control::Request;
use crate::history::History;
use crate::job::{JobEvent, Shared, StartFrom};
use crate::live::Live;
use crate::origin::Origin;
use crate::plan::Plan;
use crate::restore::{Place, RestoreFrom, Restored, restore, shut_down};
use crate::task::TaskError;
use crate::versions::{GoesOn, compare_plan, keep_plugins, live_plan};

/// How long the other tasks may take to notice that one has failed, when nothing is to be started after them.
const CANCEL_GRACE: Duration = Duration::from_secs(1);
/// How long the tasks of a failed attempt may take to go away before the next one: an operator's call has its own deadline in that time.
const RESTART_GRACE: Duration = Duration::from_mins(2);

/// One attempt at a job.
pub(crate) struct Attempt {
    tasks: JoinSet<Result<Vec<(usize, Prepared)>, TaskError>>,
    uploads: JoinSet<()>,
    cancelled: Arc<AtomicBool>,
    /// The data plane; `None` in a simulation.
    data: Option<Runtime>,
    checkpointing: Option<Checkpointing>,
    /// Tells the protocol that the attempt has failed.
    fail: Option<oneshot::Sender<Error>>,
    /// What is asked of a job without checkpoints.
    requests: Option<OwnedMutexGuard<UnboundedReceiver<Request>>>,
    /// The last checkpoint of a job that had ended already: only its commits were still to be made.
    ended: Option<(Arc<DurableCheckpoint>, Retained)>,
}

/// How an attempt ended that went well.
#[derive(Debug)]
pub(crate) struct AttemptEnd {
    /// The checkpoint that the next run goes on from.
    pub(crate) last_checkpoint: Option<CheckpointId>,
}

/// How an attempt ended that didn't go well.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// Whether everything of it has gone away, so that another may take its place.
    pub(crate) may_restart: bool,
    /// A version on trial is taken back: to where the next attempt returns.
    pub(crate) returns: Option<Box<Returns>>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, may_restart: true, returns: None }
    }
}

/// Versions on trial that are taken back.
#[derive(Debug)]
pub(crate) struct Returns {
    /// The checkpoint of their swap.
    pub(crate) to: CheckpointId,
    /// Whether tasks hand back their state, which can be undone in memory.
    pub(crate) in_memory: bool,
    pub(crate) uids: Vec<OperatorUid>,
    pub(crate) why: String,
}

/// What an attempt begins with.
pub(crate) enum Begins {
    /// The first one: what the user says.
    First(StartFrom),
    /// After a failure: the newest there is.
    Again,
    /// The checkpoint of a swap, with the versions before it; and state that is in memory as it was then.
    Return(CheckpointId, BTreeMap<Place, KeyedState>),
}

impl Begins {
    /// What that is in the store, and the state in memory.
    fn split(self) -> (Begin, BTreeMap<Place, KeyedState>) {
        let begin = match self {
            Self::Return(checkpoint, kept) => return (Begin::Return(checkpoint), kept),
            Self::Again | Self::First(StartFrom::Newest) => Begin::Newest,
            Self::First(StartFrom::Checkpoint(checkpoint)) => Begin::From(checkpoint),
            Self::First(StartFrom::Savepoint(location)) => Begin::Savepoint(location),
            Self::First(StartFrom::Fresh) => Begin::Fresh,
        };
        (begin, BTreeMap::new())
    }
}

/// What the protocol of an attempt begins with.
struct Beginning<'a> {
    settings: &'a CheckpointSettings,
    store: &'a Arc<Store>,
    start: Start,
    before: Option<CheckpointStats>,
    held_back: HeldBack,
    trial: Option<Probation>,
    swaps: SwapHistory,
    claimed: Option<Snapshot>,
    requests: OwnedMutexGuard<UnboundedReceiver<Request>>,
}

impl Beginning<'_> {
    /// The protocol over these tasks.
    fn protocol(
        self,
        shared: &Shared,
        plan: &Arc<Plan>,
        sides: Vec<TaskSide>,
        reports: UnboundedReceiver<Report>,
        failed: oneshot::Receiver<Error>,
    ) -> Checkpointing {
        let Self { settings, store, start, before, held_back, trial, swaps, claimed, requests } = self;
        let clock = &shared.options.clock;
        let sources = sides.iter().filter(|side| side.is_source).count();
        let coordinator = Coordinator::new(settings, sides.len() as u32, sources as u32, start.first, clock.monotonic_ns() / 1_000_000);
        let restored = start.from.checkpoint().map(DurableCheckpoint::checkpoint);
        let mut history = History::new(plan, &sides, before, restored, clock.wall_ms());
        history.restarted(shared.metrics.restarts.get());
        let mut checkpointing = Checkpointing {
            file: Arc::clone(&shared.plan),
            plan: Arc::clone(plan),
            live: Arc::clone(&shared.live),
            requests,
            savepoints: Savepoints::default(),
            swapping: None,
            trial: None,
            early_violation: None,
            swaps,
            handback: Arc::clone(&shared.handback),
            held_back,
            claimed,
            clock: Arc::clone(clock),
            store: Arc::clone(store),
            owner: start.epoch,
            executor: shared.executor.clone(),
            committers: Arc::clone(&shared.committers),
            coordinator,
            tasks: sides,
            reports,
            stop: shared.stop.clone(),
            retained: start.retained,
            history,
            metrics: Arc::clone(&shared.metrics),
            failed,
            state: UnderWay::default(),
        };
        match trial {
            Some(trial) => checkpointing.resume_trial(trial),
            None => shared.live.end_swap(),
        }
        checkpointing
    }
}

/// What came of an attempt's tasks.
#[derive(Default)]
struct Outcome {
    failure: Option<Failed>,
    prepared: Vec<(usize, Prepared)>,
    last: Option<(Arc<DurableCheckpoint>, Retained, History)>,
}

impl Attempt {
    /// Restores what there is to be restored, opens everything else, and starts the tasks.
    pub(crate) async fn open(shared: &Shared, begins: Begins) -> Result<Self, Failed> {
        let (Some(settings), Some(store)) = (&shared.plan.checkpointing, &shared.store) else {
            let built = build(&Ground::without_checkpoints(shared), Restored::default()).await?;
            let mut attempt = Self::spawn(shared, &shared.plan, built, None)?;
            attempt.requests = Some(Arc::clone(&shared.requests).lock_owned().await);
            return Ok(attempt);
        };
        if matches!(begins, Begins::First(StartFrom::Fresh)) {
            // Before the checkpoints are given up: who can't start anew may want to go on after all.
            check_sinks(shared).await?;
        }
        let epoch = store.claim(&shared.options.claimant).await?;
        if shared.owner.swap(epoch.0, Ordering::Relaxed) >= epoch.0 {
            return Err(Failed { error: store.taken_away(), may_restart: false, returns: None });
        }
        let _ = shared.first_owner.compare_exchange(0, epoch.0, Ordering::Relaxed, Ordering::Relaxed);
        match Self::open_as(epoch, shared, settings, store, begins).await {
            Ok(attempt) => Ok(attempt),
            // What a newer owner has deleted or changed meanwhile looks like damage.
            Err(_) if matches!(store.is_superseded(epoch).await, Ok(true)) => {
                Err(Failed { error: store.superseded(epoch), may_restart: false, returns: None })
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn open_as(epoch: OwnerEpoch, shared: &Shared, settings: &CheckpointSettings, store: &Arc<Store>, begins: Begins) -> Result<Self> {
        let is_anew = matches!(begins, Begins::First(StartFrom::Fresh));
        let (begin, kept) = begins.split();
        let mut start = store.start(epoch, begin, settings.num_retained).await?;
        let origin = Origin::open(&start, store).await?;
        // An attempt before this one may have left something in the sinks even if it left no checkpoint.
        let is_fresh = epoch.0 == 1 && origin.is_none() || is_anew;
        let own = origin.as_ref().filter(|origin| origin.is_own);
        let trial = own.filter(|origin| !origin.returned).and_then(|origin| origin.manifest().probation.clone());
        // What is known to be committed belongs to whoever reads the output: it may have been taken away.
        let uncommitted = match &origin {
            Some(origin) if !(origin.is_own && store.is_committed(origin.durable.checkpoint()).await?) => Some(Arc::clone(&origin.durable)),
            _ => None,
        };
        if !is_fresh {
            shared.committers.abort_others(uncommitted.as_deref()).await?;
        }
        let is_over = own.is_some_and(|origin| origin.manifest().kind == ManifestKind::Drain);
        let mut plan = Arc::clone(&shared.plan);
        keep_plugins(&plan, store).await?;
        let restored = match &origin {
            Some(origin) if !is_over => {
                plan = Self::plan_from(&shared.plan, origin, store).await?;
                Self::restore(shared, &plan, origin, uncommitted.is_none(), kept).await?
            }
            _ => Restored::default(),
        };
        // On trial, nothing is committed that came after the swap; it is kept, and becomes part of the next checkpoint.
        let held_back = match (&uncommitted, &trial) {
            (Some(uncommitted), Some(trial)) if !trial.lets_commit(uncommitted.checkpoint()) => Some(HeldBack::of(uncommitted.manifest())),
            (Some(uncommitted), _) => {
                Self::recommit(shared, store, uncommitted, own.is_some()).await?;
                None
            }
            (None, _) => None,
        };
        if let Some(last) = origin.as_ref().filter(|_| is_over) {
            store.collect(&mut start).await?;
            let mut attempt = Self::empty();
            attempt.ended = Some((Arc::clone(&last.durable), start.retained));
            return Ok(attempt);
        }
        let on_trial = trial.as_ref().map(|trial| trial.uids.clone()).unwrap_or_default();
        let checkpoints = Some((store, epoch));
        let ground = Ground { shared, plan: Arc::clone(&plan), checkpoints, is_fresh, held_back: held_back.as_ref(), on_trial: &on_trial };
        let built = build(&ground, restored).await?;
        // Not before everything is open: whoever is refused may bring back the checkpoint that these files belong to.
        store.collect(&mut start).await?;
        shared.live.set_plan(&plan);
        // The history is for people: one that can't be read is begun anew.
        let before = store.get_status().await.ok().flatten().and_then(|bytes| CheckpointStats::from_json(&bytes).ok());
        let swaps = store.get_swaps().await.ok().flatten().and_then(|bytes| SwapHistory::from_json(&bytes).ok()).unwrap_or_default();
        let claimed = match origin {
            Some(Origin { snapshot: Some(snapshot), .. }) if shared.options.claims => Some(snapshot),
            _ => None,
        };
        let requests = Arc::clone(&shared.requests).lock_owned().await;
        Self::spawn(
            shared,
            &plan,
            built,
            Some(Beginning { settings, store, start, before, held_back: held_back.unwrap_or_default(), trial, swaps, claimed, requests }),
        )
    }

    /// What goes on from an origin. The job keeps the plugins for it, wherever they come from.
    async fn plan_from(file: &Plan, origin: &Origin, store: &Store) -> Result<Arc<Plan>> {
        let stores = [Some(&*origin.files), Some(store)];
        let from = GoesOn { manifest: origin.manifest(), name: &origin.name, returned: origin.returned, stores };
        let (plan, plugins) = live_plan(file, &from).await?;
        for (digest, bytes) in plugins {
            store.put_component(digest, bytes).await?;
        }
        Ok(Arc::new(plan))
    }

    /// Commits what `durable` names; `is_own`: it is one of the job's checkpoints, and that is recorded beside it.
    async fn recommit(shared: &Shared, store: &Arc<Store>, durable: &DurableCheckpoint, is_own: bool) -> Result<()> {
        pass(FailPoint::HandlesNotRecommitted)?;
        shared.committers.commit(durable).await?;
        pass(FailPoint::HalfRecommitted)?;
        if is_own { store.record_committed(durable.checkpoint()).await } else { Ok(()) }
    }

    /// Holds the plan against a snapshot and reads what that holds.
    async fn restore(shared: &Shared, plan: &Arc<Plan>, origin: &Origin, is_committed: bool, kept: BTreeMap<Place, KeyedState>) -> Result<Restored> {
        let manifest = origin.manifest();
        // What the user gives up is what was there before this process: not what it has written since, when it starts again after a failure.
        let is_of_this_run = origin.is_own && manifest.owner_epoch.0 >= shared.first_owner.load(Ordering::Relaxed);
        let (states, gone): (&[_], _) = if is_of_this_run { (&[], false) } else { (&shared.options.dropped, shared.options.drops_gone) };
        let given_up = GivenUp { states, gone, output: is_committed };
        let compared = compare_plan(plan, manifest, &origin.name, given_up);
        compared.check()?;
        drop(shared.events.send(JobEvent::Restored {
            checkpoint: manifest.checkpoint,
            completed_ms: manifest.completed_ms,
            location: origin.location.clone(),
        }));
        let seed = shared.options.seed;
        let new_state = |node: &_, subtask| new_state(plan, seed, node, subtask);
        let wanted = resolve::plan(&compared, plan.max_parallelism);
        let from = RestoreFrom { wanted: &wanted, origin, given_up, kept };
        restore(plan, from, &shared.executor, shared.options.clock.wall_ms(), &new_state).await
    }

    fn empty() -> Self {
        Self {
            tasks: JoinSet::new(),
            uploads: JoinSet::new(),
            cancelled: Arc::default(),
            data: None,
            checkpointing: None,
            fail: None,
            requests: None,
            ended: None,
        }
    }

    fn spawn(shared: &Shared, plan: &Arc<Plan>, built: Built, beginning: Option<Beginning<'_>>) -> Result<Self> {
        let failed = |error: std::io::Error| Error::job("the job can't start", format!("its threads can't be made: {error}"), "free some resources");
        let Built { tasks, participants, reports, reporter, cancelled } = built;
        let data = if shared.executor.is_inline() {
            None
        } else {
            // One thread more than tasks would only sleep.
            let threads = shared.options.threads.min(tasks.len()).max(1);
            let mut data = RuntimeBuilder::new_multi_thread();
            Some(data.worker_threads(threads).thread_name("weir-data").enable_time().build().map_err(failed)?)
        };
        let mut attempt = Self::empty();
        attempt.cancelled = cancelled;
        let mut sides = Vec::new();
        let control = shared.executor.control();
        for participant in participants {
            let Participant { commands, is_source, nodes, subtask, swap, .. } = participant;
            sides.push(TaskSide { commands, is_source, nodes, subtask, swap });
            let upload = participant.uploader.run(participant.jobs, reporter.clone(), shared.executor.clone());
            shared.executor.spawn_on(&mut attempt.uploads, upload, control);
        }
        if let Some(beginning) = beginning {
            let (fail, failed) = oneshot::channel();
            attempt.fail = Some(fail);
            attempt.checkpointing = Some(beginning.protocol(shared, plan, sides, reports, failed));
        }
        let handle = data.as_ref().map_or_else(|| control.clone(), |data| data.handle().clone());
        for task in tasks {
            let metrics = Arc::clone(&shared.metrics);
            shared.executor.spawn_on(&mut attempt.tasks, async move { task.run(&metrics.nodes).await }, &handle);
        }
        attempt.data = data;
        Ok(attempt)
    }

    /// Waits for the end of the attempt, and when all of it has ended well, completes the output.
    pub(crate) async fn run(mut self, shared: &Shared) -> Result<AttemptEnd, Failed> {
        if let Some((last, retained)) = self.ended.take() {
            return Ok(complete(shared, &last, retained).await?);
        }
        let outcome = self.watch(&shared.live).await;
        let returns = outcome.failure.as_ref().is_some_and(|failed| failed.returns.is_some());
        let restarts = returns || shared.plan.restart != RestartStrategy::None;
        let gone = self.take_down(shared, outcome.failure.is_some() && restarts).await;
        match (outcome.failure, outcome.last) {
            // A task that can't be ended could still write: nothing may be started beside it.
            (Some(failed), _) => Err(Failed { may_restart: failed.may_restart && gone, ..failed }),
            (None, Some((last, retained, mut history))) => {
                if let Some(store) = &shared.store {
                    // The history is for people.
                    if let Err(error) = store.put_status(history.status(shared.options.clock.wall_ms())).await {
                        tracing::warn!("{error}");
                    }
                }
                Ok(complete(shared, &last, retained).await?)
            }
            (None, None) => {
                commit_without_checkpoints(shared, outcome.prepared).await?;
                Ok(AttemptEnd { last_checkpoint: None })
            }
        }
    }

    /// Watches the tasks and the protocol until all have ended or the first has failed.
    async fn watch(&mut self, live: &Live) -> Outcome {
        let mut outcome = Outcome::default();
        let mut protocol = self.checkpointing.take().map(|checkpointing| Box::pin(checkpointing.run()));
        let mut all_ended = false;
        while !all_ended || protocol.is_some() {
            let grace = if outcome.failure.is_some() { CANCEL_GRACE } else { Duration::MAX };
            let failure = tokio::select! {
                biased;
                ended = async { match &mut protocol {
                    Some(protocol) => protocol.as_mut().await,
                    None => std::future::pending().await,
                } } => {
                    protocol = None;
                    match ended {
                        Ok(last) => {
                            outcome.last = Some(last);
                            None
                        }
                        Err(failed) => Some(failed),
                    }
                }
                Some(request) = next_request(&mut self.requests) => match request {
                    Request::Cancel(reply) => {
                        drop(reply.send(Ok(())));
                        Some(live.cancel().into())
                    }
                    other => {
                        let remedy = "set `interval` or `savepoint-dir` in [checkpointing], and run it again";
                        other.refuse(&Error::usage("nothing was done", "the job takes no checkpoints, and so no savepoints either", remedy));
                        None
                    }
                },
                ended = tokio::time::timeout(grace, self.tasks.join_next()), if !all_ended => match ended {
                    Ok(Some(Ok(Ok(prepared)))) => {
                        outcome.prepared.extend(prepared);
                        None
                    }
                    Ok(Some(other)) => failure_of(other).map(Failed::from),
                    // All have ended, or nobody waits any longer.
                    Ok(None) | Err(_) => {
                        all_ended = true;
                        None
                    }
                },
            };
            let Some(failed) = failure else { continue };
            // An error that the user's own doing explains (a closed pipe) says less than one that the job met, and that a channel is closed says nothing.
            let says_more = |first: &Failed| first.error.kind == ErrorKind::Interrupted && failed.error.kind != ErrorKind::Interrupted;
            let error = failed.error.clone();
            if outcome.failure.as_ref().is_none_or(says_more) {
                outcome.failure = Some(failed);
            }
            // The protocol writes down what has become of its checkpoints.
            let told = self.fail.take().is_some_and(|fail| fail.send(error).is_ok());
            if !told {
                protocol = None;
            }
            self.cancel();
        }
        outcome
    }

    fn cancel(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.tasks.abort_all();
    }

    /// Ends everything that still runs; `false`: something of it can't be ended. Before a restart, it waits for that.
    async fn take_down(&mut self, shared: &Shared, waits: bool) -> bool {
        self.cancel();
        if waits {
            // Whatever is injected here, the attempt has failed already.
            let _ = pass(FailPoint::CancelledDuringUpload);
        }
        let everything = async {
            while self.tasks.join_next().await.is_some() {}
            // What the tasks have handed over is dropped by whoever writes it.
            while self.uploads.join_next().await.is_some() {}
            // Nor may a commit or a deletion of this attempt run beside those of the next.
            shared.executor.idle().await;
        };
        let grace = if waits { RESTART_GRACE } else { Duration::ZERO };
        let gone = tokio::time::timeout(grace, everything).await.is_ok();
        self.uploads.abort_all();
        if let Some(data) = self.data.take() {
            data.shutdown_background();
        }
        gone || !waits
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.cancel();
        if let Some(data) = self.data.take() {
            data.shutdown_background();
        }
    }
}

/// The next thing that is asked of a job without checkpoints; for ever nothing if somebody else listens.
async fn next_request(requests: &mut Option<OwnedMutexGuard<UnboundedReceiver<Request>>>) -> Option<Request> {
    match requests {
        Some(requests) => requests.recv().await,
        None => std::future::pending().await,
    }
}

fn failure_of(ended: Result<Result<Vec<(usize, Prepared)>, TaskError>, JoinError>) -> Option<Error> {
    match ended {
        Ok(Ok(_) | Err(TaskError::Cancelled)) => None,
        Ok(Err(TaskError::Failed(error))) => Some(error),
        Err(join) if join.is_cancelled() => None,
        Err(join) => Some(bug("a task of the job panicked", panic_text(join.into_panic()))),
    }
}

pub(crate) fn panic_text(payload: Box<dyn std::any::Any + Send>) -> String {
    let payload = AssertUnwindSafe(payload);
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a message".to_owned())
}

/// Makes the output of a job without checkpoints durable, and then visible.
async fn commit_without_checkpoints(shared: &Shared, prepared: Vec<(usize, Prepared)>) -> Result<()> {
    let committers = Arc::clone(&shared.committers);
    let mut named: Vec<(OperatorUid, Prepared)> = Vec::new();
    for (node, prepared) in prepared {
        named.push((shared.plan.node(weir_model::graph::NodeIndex(node))?.uid.clone(), prepared));
    }
    let work = async move {
        let permit = CommitPermit::at_end_of_job_without_checkpoints();
        let mut handles = Vec::new();
        for (uid, prepared) in named {
            let PreparedState { handles: own, .. } = prepared.make_durable().await?;
            handles.push((uid, own));
        }
        committers.commit_all(&permit, &handles).await?;
        committers.finish(&permit).await
    };
    shared.executor.offload(work).await.ok_or_else(shut_down)?
}

/// The last checkpoint is complete and the tasks have ended: closes the output if the input had ended, and deletes what isn't to be kept.
async fn complete(shared: &Shared, last: &Arc<DurableCheckpoint>, mut retained: Retained) -> Result<AttemptEnd> {
    if last.manifest().kind == ManifestKind::Stop {
        return Ok(AttemptEnd { last_checkpoint: Some(last.checkpoint()) });
    }
    shared.committers.finish(&last.permit()).await?;
    if let Some(store) = &shared.store {
        // In this order: whoever comes after a crash in between finds either the checkpoint, or that there is nothing to go on from.
        let is_ours = store.record_ended(OwnerEpoch(shared.owner.load(Ordering::Relaxed))).await?;
        if is_ours {
            let deleted = async {
                store.delete(&retained.give_up()).await?;
                store.delete_components().await
            };
            if let Err(left) = deleted.await {
                // The job has ended well; what is left only takes room.
                tracing::warn!("{left}");
            }
        }
    }
    Ok(AttemptEnd { last_checkpoint: None })
}
