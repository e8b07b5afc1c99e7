//! A job: its tasks on threads of their own, watched until the last one ends or the first one fails.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder as RuntimeBuilder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;
use weir_connect::sink::SinkWriter;
use weir_model::time::SharedClock;
use weir_model::{Error, ErrorKind, Result};

use crate::build::{Built, build};
use crate::chain::bug;
use crate::metrics::JobMetrics;
use crate::plan::Plan;
use crate::task::{Task, TaskError};

/// What a job is started with.
#[derive(Clone)]
pub struct JobOptions {
    /// Where time comes from.
    pub clock: SharedClock,
    /// Threads for the data plane.
    pub threads: usize,
    /// Keeps chosen keys from colliding in hash tables; results don't depend on it.
    pub seed: u64,
}

/// Starts jobs.
#[derive(Debug)]
pub struct Job;

/// A running job. Dropping it cancels the job.
pub struct JobHandle {
    tasks: JoinSet<Result<Vec<SinkWriter>, TaskError>>,
    cancelled: Arc<AtomicBool>,
    metrics: Arc<JobMetrics>,
    stop: watch::Sender<bool>,
    clock: SharedClock,
    start_ns: u64,
    /// `None` once it has been shut down.
    runtime: Option<Runtime>,
}

/// How a job ended.
#[derive(Debug, Clone)]
pub struct JobReport {
    /// Nanoseconds from the start of the tasks to the end of the last one.
    pub elapsed_ns: u64,
    /// Whether it was told to stop before its input ended.
    pub stopped: bool,
}

impl Job {
    /// Opens everything that the plan names and starts the tasks.
    ///
    /// # Errors
    /// When an input is missing, an output can't be written, or an operator can't be opened. Nothing runs then.
    pub fn start(plan: &Plan, options: &JobOptions) -> Result<JobHandle> {
        let failed = |error: std::io::Error| Error::job("the job can't start", format!("its threads can't be made: {error}"), "free some resources");
        let (stop, stopped) = watch::channel(false);
        let Built { tasks, metrics, cancelled } = build(plan, &options.clock, &stopped, options.seed)?;
        // One thread more than tasks would only sleep.
        let threads = options.threads.min(tasks.len()).max(1);
        let runtime = RuntimeBuilder::new_multi_thread().worker_threads(threads).thread_name("weir-data").enable_time().build().map_err(failed)?;
        let start_ns = options.clock.monotonic_ns();
        let mut set = JoinSet::new();
        for task in tasks {
            set.spawn_on(run(task, Arc::clone(&metrics)), runtime.handle());
        }
        Ok(JobHandle { tasks: set, cancelled, metrics, stop, clock: Arc::clone(&options.clock), start_ns, runtime: Some(runtime) })
    }
}

async fn run(task: Task, metrics: Arc<JobMetrics>) -> Result<Vec<SinkWriter>, TaskError> {
    task.run(&metrics.nodes).await
}

impl JobHandle {
    /// What the job has counted so far.
    #[must_use]
    pub fn metrics(&self) -> Arc<JobMetrics> {
        Arc::clone(&self.metrics)
    }

    /// Tells the sources to end. What is under way goes through to the sinks, and the job ends as if its input had.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// A way to stop the job from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> watch::Sender<bool> {
        self.stop.clone()
    }

    /// Waits for the end of the job, and when all of it has ended well, puts the sinks' output in its place. Needs a runtime with a timer.
    ///
    /// # Errors
    /// What the first task that failed says. The others are cancelled then, and no sink's output gets its final place.
    pub async fn wait(mut self) -> Result<JobReport> {
        let mut failure: Option<Error> = None;
        let mut writers = Vec::new();
        loop {
            // A task that is inside a guest's call or a slow read can't be interrupted: after a failure, nobody waits long for it.
            let grace = if failure.is_some() { CANCEL_GRACE } else { Duration::MAX };
            let Ok(Some(ended)) = tokio::time::timeout(grace, self.tasks.join_next()).await else { break };
            let error = match ended {
                Ok(Ok(done)) => {
                    writers.extend(done);
                    continue;
                }
                Ok(Err(TaskError::Cancelled)) => continue,
                Ok(Err(TaskError::Failed(error))) => error,
                Err(join) if join.is_cancelled() => continue,
                Err(join) => bug("a task of the job panicked", panic_text(join.into_panic())),
            };
            // An error that the user's own doing explains (a closed pipe) says less than one that the job met.
            if failure.as_ref().is_none_or(|first| first.kind == ErrorKind::Interrupted && error.kind != ErrorKind::Interrupted) {
                failure = Some(error);
            }
            self.cancel();
        }
        let elapsed_ns = self.clock.monotonic_ns().saturating_sub(self.start_ns);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        if let Some(error) = failure {
            return Err(error);
        }
        writers.iter_mut().try_for_each(SinkWriter::commit)?;
        Ok(JobReport { elapsed_ns, stopped: *self.stop.borrow() })
    }

    fn cancel(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.tasks.abort_all();
    }
}

/// How long the other tasks may take to notice that one has failed.
const CANCEL_GRACE: Duration = Duration::from_secs(1);

impl Drop for JobHandle {
    fn drop(&mut self) {
        self.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn panic_text(payload: Box<dyn std::any::Any + Send>) -> String {
    let payload = AssertUnwindSafe(payload);
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a message".to_owned())
}
