//! A job: attempts one after another, until one ends well or the restart strategy gives up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder as RuntimeBuilder, Handle, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use weir_checkpoint::compare::DroppedState;
use weir_checkpoint::manifest::OwnerEpoch;
use weir_checkpoint::restart::{RestartDecision, RestartPolicy};
use weir_checkpoint::retain::Retained;
use weir_checkpoint::store::{JobLock, Store};
use weir_model::id::{CheckpointId, OperatorUid};
use weir_model::settings::{CheckpointSettings, RestartStrategy, Retention};
use weir_model::time::SharedClock;
use weir_model::{Error, ErrorKind, Result};
use weir_state::KeyedState;

use crate::attempt::{Attempt, AttemptEnd, Begins, Failed, Returns};
use crate::build::job_metrics;
use crate::chain::bug;
use crate::command::Handback;
use crate::commit::Committers;
use crate::control::{JobControl, Request};
use crate::executor::Executor;
use crate::live::{Live, Phase};
use crate::metrics::JobMetrics;
use crate::plan::Plan;
use crate::restore::{Place, shut_down};

/// What a job is started with.
#[derive(Clone)]
pub struct JobOptions {
    /// Where time comes from.
    pub clock: SharedClock,
    /// Threads for the data plane.
    pub threads: usize,
    /// Keeps chosen keys from colliding in hash tables; results don't depend on it.
    pub seed: u64,
    /// What the first attempt starts from.
    pub start: StartFrom,
    /// State of a checkpoint that is given up.
    pub dropped: Vec<DroppedState>,
    /// Whether the state of every node that the job hasn't is given up (Flink's `allowNonRestoredState`).
    pub drops_gone: bool,
    /// Whether a savepoint that the job starts from is the job's from then on, to be deleted when it isn't needed any more (Flink's claim mode `CLAIM`).
    pub claims: bool,
    /// Who claims the job's checkpoint folder: a text that no other process gives, such as host, process number and time.
    pub claimant: String,
}

impl JobOptions {
    /// Goes on from the newest checkpoint, if there is one, and gives up nothing.
    #[must_use]
    pub fn new(clock: SharedClock, threads: usize, seed: u64, claimant: String) -> Self {
        Self { clock, threads, seed, start: StartFrom::default(), dropped: Vec::new(), drops_gone: false, claims: false, claimant }
    }
}

/// What the first attempt of a job with checkpoints starts from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StartFrom {
    /// The newest checkpoint in the job's folder; the beginning if there is none.
    #[default]
    Newest,
    /// This one of them.
    Checkpoint(CheckpointId),
    /// A savepoint, or a retained checkpoint of any job, by its location. The job's own checkpoints stay until it has a new one.
    Savepoint(String),
    /// The beginning; the checkpoints of earlier runs are deleted.
    Fresh,
}

/// Something that a user wants to know while the job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEvent {
    /// The job goes on from a checkpoint.
    Restored {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// When it was complete: wall-clock time, milliseconds since the Unix epoch.
        completed_ms: i64,
        /// Its folder, as a user would name it.
        location: String,
    },
    /// New versions of operators were taken back, and the job goes on with those before, from the barrier of the swap.
    Returned {
        /// The operators.
        uids: Vec<OperatorUid>,
        /// Why.
        why: String,
    },
    /// The job has failed and starts again.
    Restarting {
        /// Why it failed.
        why: Error,
        /// From the failure to the start.
        delay_ms: u64,
    },
}

/// Starts jobs.
#[derive(Debug)]
pub struct Job;

/// A running job. Dropping it cancels the job.
pub struct JobHandle {
    supervisor: JoinHandle<Result<JobReport>>,
    metrics: Arc<JobMetrics>,
    stop: watch::Sender<bool>,
    control: JobControl,
    events: Option<UnboundedReceiver<JobEvent>>,
    executor: Executor,
    /// `None` once it has been shut down, and in a runtime of the caller's.
    runtime: Option<Runtime>,
}

/// How a job ended.
#[derive(Debug, Clone)]
pub struct JobReport {
    /// Nanoseconds from the start of the tasks to the end of the last one.
    pub elapsed_ns: u64,
    /// Whether it was told to stop before its input ended.
    pub stopped: bool,
    /// With checkpoints and a job that was stopped: the checkpoint that the next run goes on from.
    pub last_checkpoint: Option<CheckpointId>,
}

/// What all attempts at a job share.
pub(crate) struct Shared {
    pub(crate) plan: Arc<Plan>,
    pub(crate) options: JobOptions,
    pub(crate) executor: Executor,
    pub(crate) metrics: Arc<JobMetrics>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) committers: Arc<Committers>,
    pub(crate) store: Option<Arc<Store>>,
    /// Keeps a second process of this machine from taking over a job that is well.
    pub(crate) _lock: Option<JobLock>,
    pub(crate) events: UnboundedSender<JobEvent>,
    /// What runs.
    pub(crate) live: Arc<Live>,
    /// What is asked of the job.
    pub(crate) requests: Arc<Mutex<UnboundedReceiver<Request>>>,
    /// The number of the newest attempt of a job with checkpoints.
    pub(crate) owner: AtomicU64,
    /// The number of the first one in this process; 0 before it.
    pub(crate) first_owner: AtomicU64,
    /// State that tasks leave for an attempt that goes on with it.
    pub(crate) handback: Arc<Handback>,
}

impl Job {
    /// Opens everything that the plan names, restores the newest checkpoint if there is one, and starts the tasks.
    ///
    /// # Errors
    /// When an input is missing, an output can't be written, a checkpoint can't be restored, or an operator can't be opened. Nothing runs then.
    pub fn start(plan: &Arc<Plan>, options: &JobOptions) -> Result<JobHandle> {
        let failed = |error: std::io::Error| Error::job("the job can't start", format!("its threads can't be made: {error}"), "free some resources");
        let mut control = RuntimeBuilder::new_multi_thread();
        let control = control.worker_threads(1).thread_name("weir-control").enable_all().build().map_err(failed)?;
        let store = match &plan.checkpointing {
            None => None,
            Some(settings) => Some(Arc::new(Store::open(&settings.dir, &weir_checkpoint::paths::job_id(&plan.name))?)),
        };
        let executor = Executor::threads(control.handle().clone());
        let started = control.block_on(async {
            if let Some(store) = &store {
                store.reach().await?;
            }
            let started = Self::start_in(plan, options, executor.clone(), store).await;
            if started.is_err() {
                executor.close().await;
            }
            started
        });
        match started {
            Ok(mut handle) => {
                handle.runtime = Some(control);
                Ok(handle)
            }
            Err(error) => {
                control.shutdown_background();
                Err(error)
            }
        }
    }

    /// The same in the caller's runtime of one thread, with checkpoints in `store`: for simulations.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn simulate(plan: &Arc<Plan>, options: &JobOptions, store: Option<Arc<Store>>) -> Result<JobHandle> {
        Self::start_in(plan, options, Executor::inline(Handle::current(), options.seed), store).await
    }

    async fn start_in(plan: &Arc<Plan>, options: &JobOptions, executor: Executor, store: Option<Arc<Store>>) -> Result<JobHandle> {
        let (stop, stopped) = watch::channel(false);
        let (sender, events) = unbounded_channel();
        let metrics = job_metrics(plan);
        let live = Arc::new(Live::new(plan, &metrics));
        let (control, requests) = JobControl::new(stop.clone(), Arc::clone(&live));
        let shared = Shared {
            plan: Arc::clone(plan),
            options: options.clone(),
            metrics: Arc::clone(&metrics),
            live,
            requests: Arc::new(Mutex::new(requests)),
            stop: stopped,
            committers: Arc::new(Committers::of(plan)),
            _lock: store.as_ref().map(|store| store.lock()).transpose()?,
            store,
            events: sender,
            owner: AtomicU64::new(0),
            first_owner: AtomicU64::new(0),
            handback: Arc::default(),
            executor: executor.clone(),
        };
        let first = Attempt::open(&shared, Begins::First(options.start.clone())).await.map_err(|failed| failed.error)?;
        let supervisor = executor.control().spawn(supervise(shared, first));
        Ok(JobHandle { supervisor, metrics, stop, control, events: Some(events), executor, runtime: None })
    }
}

/// Runs attempts until one ends well or there is no point in another.
async fn supervise(shared: Shared, first: Attempt) -> Result<JobReport> {
    let clock = &shared.options.clock;
    let start_ns = clock.monotonic_ns();
    let mut policy = RestartPolicy::new(shared.plan.restart, shared.options.seed);
    let mut attempt: Result<Attempt, Failed> = Ok(first);
    loop {
        let ended = match attempt {
            Ok(attempt) => attempt.run(&shared).await,
            Err(failed) => Err(failed),
        };
        let Failed { error, may_restart, returns } = match ended {
            Ok(AttemptEnd { last_checkpoint }) => {
                let elapsed_ns = clock.monotonic_ns().saturating_sub(start_ns);
                // With checkpoints, the last one says which came first: the signal or the end of the input.
                let stopped = if shared.store.is_some() { last_checkpoint.is_some() } else { *shared.stop.borrow() };
                return Ok(JobReport { elapsed_ns, stopped, last_checkpoint });
            }
            Err(failed) => failed,
        };
        if let Some(Returns { to, in_memory, uids, why }) = returns.filter(|_| may_restart).map(|returns| *returns) {
            drop(shared.events.send(JobEvent::Returned { uids, why }));
            shared.metrics.reset();
            let kept = if in_memory { handed_back(&shared) } else { BTreeMap::new() };
            attempt = Attempt::open(&shared, Begins::Return(to, kept)).await;
            continue;
        }
        // What the user's own doing explains, or what the job file asks for, would only fail again.
        if !may_restart || error.kind != ErrorKind::Job || *shared.stop.borrow() || shared.plan.restart == RestartStrategy::None {
            return Err(failed(&shared, error).await);
        }
        let delay_ms = match policy.on_failure(clock.monotonic_ns() / 1_000_000) {
            RestartDecision::After { delay_ms } => delay_ms,
            RestartDecision::GiveUp { why } => return Err(failed(&shared, Error { why: format!("{}; {why}", error.why), ..error }).await),
        };
        shared.live.set_phase(Phase::Restarting);
        drop(shared.events.send(JobEvent::Restarting { why: error.clone(), delay_ms }));
        if let Some(ended) = wait_to_restart(&shared, delay_ms, &error).await {
            return Err(failed(&shared, ended).await);
        }
        shared.metrics.restarts.add(1);
        shared.metrics.reset();
        attempt = Attempt::open(&shared, Begins::Again).await;
        shared.live.set_phase(Phase::Running);
    }
}

/// Waits for the next attempt; gives why there will be none, if somebody has ended the job meanwhile.
async fn wait_to_restart(shared: &Shared, delay_ms: u64, error: &Error) -> Option<Error> {
    let mut stop = shared.stop.clone();
    let mut requests = shared.requests.lock().await;
    let delay = tokio::time::sleep(Duration::from_millis(delay_ms));
    tokio::pin!(delay);
    loop {
        tokio::select! {
            biased;
            () = &mut delay => return None,
            _ = stop.changed() => return Some(Error { kind: ErrorKind::Interrupted, ..error.clone() }),
            Some(request) = requests.recv() => match request {
                Request::Cancel(reply) => {
                    drop(reply.send(Ok(())));
                    return Some(shared.live.cancel());
                }
                other => other.refuse(&Error::job("nothing was done", "the job has failed and is about to start again", "ask again when it runs: see `weir info`")),
            },
        }
    }
}

/// What tasks have left, as it was at the barrier of the swap; nothing if some of it can't be undone: then it is read again.
fn handed_back(shared: &Shared) -> BTreeMap<Place, KeyedState> {
    shared.handback.is_wanted.store(false, Ordering::Release);
    let mut states = std::mem::take(&mut *shared.handback.states.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    let undone = states.values_mut().try_for_each(KeyedState::undo);
    if undone.is_ok() { states } else { BTreeMap::new() }
}

/// The job has failed for good: deletes its checkpoints if the job file wants that.
async fn failed(shared: &Shared, error: Error) -> Error {
    let keeps = |settings: &CheckpointSettings| match settings.retention {
        Retention::None => false,
        Retention::DeleteOnCancellation => !shared.live.is_cancelled(),
        Retention::RetainOnCancellation => true,
    };
    if let (Some(store), false) = (&shared.store, shared.plan.checkpointing.as_ref().is_none_or(keeps))
        && let Err(left) = delete_all(shared, store).await
    {
        tracing::warn!("{left}");
    }
    error
}

async fn delete_all(shared: &Shared, store: &Store) -> Result<()> {
    if !store.record_ended(OwnerEpoch(shared.owner.load(Ordering::Relaxed))).await? {
        return Ok(());
    }
    let mut manifests: Vec<_> = store.survey().await?.into_iter().filter_map(|found| found.manifest.ok()).collect();
    manifests.retain(|manifest| manifest.owner_epoch.0 <= shared.owner.load(Ordering::Relaxed));
    manifests.sort_by_key(|manifest| manifest.checkpoint);
    let mut retained = Retained::new(1);
    manifests.iter().for_each(|manifest| retained.found(manifest));
    store.delete(&retained.give_up()).await?;
    store.delete_components().await
}

impl JobHandle {
    /// What the job has counted so far.
    #[must_use]
    pub fn metrics(&self) -> Arc<JobMetrics> {
        Arc::clone(&self.metrics)
    }

    /// What happens to the job, from its start on; the first call has it.
    pub fn events(&mut self) -> Option<UnboundedReceiver<JobEvent>> {
        self.events.take()
    }

    /// Tells the job to end before its input does. Without checkpoints the sources end, and what is under way goes through to the sinks as if their
    /// input had ended; with them a last checkpoint is taken, from which the next run goes on.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// A way to stop the job from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> watch::Sender<bool> {
        self.stop.clone()
    }

    /// A way to ask the running job for something, from anywhere.
    #[must_use]
    pub fn control(&self) -> JobControl {
        self.control.clone()
    }

    /// Waits for the end of the job.
    ///
    /// # Errors
    /// What the first task that failed says, when the job isn't started again. No output gets its final place then that no checkpoint names.
    pub async fn wait(mut self) -> Result<JobReport> {
        let ended = (&mut self.supervisor).await;
        self.executor.close().await;
        match ended {
            Ok(ended) => ended,
            Err(join) if join.is_panic() => Err(bug("the job's supervisor", crate::attempt::panic_text(join.into_panic()))),
            Err(_) => Err(shut_down()),
        }
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        self.supervisor.abort();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
