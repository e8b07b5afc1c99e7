//! One simulated process: a runtime of one thread on simulated time, with a job in it that ends by itself, is stopped, or is killed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;
use weir_checkpoint::store::Store;
use weir_model::Error;
use weir_model::time::SharedClock;
use weir_runtime::metrics::JobMetrics;
use weir_runtime::{Job, JobEvent, JobOptions, Plan};

use super::case::{Case, Disturbance, Run};
use super::network::Network;
use super::points;
use super::trace::Count;
use super::world::{FOLDER, World, WorldClock, without_folder};
use crate::job::JobFolder;

/// A process that takes longer, on its own clock, hangs.
const LIMIT: Duration = Duration::from_mins(20);
/// How often a second owner tries to start.
const TRIES: u32 = 40;
/// From one try to the next.
const TRY_AGAIN: Duration = Duration::from_millis(30);

/// What a failure may be explained with: what the simulation does to a job, as the job tells it.
const EXPLANATIONS: &[&str] = &[
    "nothing was done",
    "the connection broke",
    "the listing broke off",
    "didn't answer in time",
    "the store is out of reach",
    "a test made this step fail",
    "had not acknowledged it",
    "the increment before this one could not be written",
    "was written by another attempt",
    "another process runs the same job",
    "has taken the job over",
];

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Its job has ended.
    Done,
    /// It was killed.
    Killed,
    /// Its job was stopped, with a checkpoint to go on from.
    Stopped,
    /// Its job failed, and that is explained.
    Failed,
}

/// One process of a case.
pub(super) struct Process<'a> {
    pub(super) case: &'a Case,
    pub(super) number: usize,
    pub(super) run: &'a Run,
    pub(super) folder: &'a JobFolder,
    pub(super) world: &'a Arc<World>,
}

impl Process<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// What must not be.
    pub(super) fn run(&self) -> Result<How, String> {
        let plans = [self.plan()?, self.plan()?];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().map_err(|error| error.to_string())?;
        runtime.block_on(async {
            self.world.begin();
            self.world.say(&format!("process {}: {}", self.number, self.run));
            let how = self.live(plans).await;
            self.world.end();
            how
        })
    }

    fn plan(&self) -> Result<Arc<Plan>, String> {
        self.case.shape.plan(self.folder, self.run.parallelism)
    }

    async fn live(&self, [first, second]: [Arc<Plan>; 2]) -> Result<How, String> {
        let Run { weather, disturbance, seed, .. } = self.run;
        let death = if let Disturbance::Die(death) = disturbance { Some(*death) } else { None };
        let network = Arc::new(Network::new(self.world, weather.clone(), death, *seed));
        let store = Store::over(network, FOLDER).map_err(|error| error.to_string())?.with_patience(self.case.patience);
        let store = Arc::new(store);
        let _armed = points::arm(self.world, *disturbance);
        let kill_at = if let Disturbance::Kill(at) = disturbance { Some(*at) } else { None };
        let jobs = async {
            let Disturbance::Second(at) = *disturbance else { return self.job(0, &first, &store).await };
            let (first, second) = tokio::join!(self.job(0, &first, &store), self.second(at, &second, &store));
            Ok(match (first?, second?) {
                (How::Done, _) | (_, How::Done) => How::Done,
                (how, _) => how,
            })
        };
        tokio::select! {
            biased;
            () = self.world.killed() => Ok(How::Killed),
            () = self.world.deliver() => Err("requests are delivered for as long as the process lives".to_owned()),
            () = sleep(kill_at.unwrap_or_default()), if kill_at.is_some() => Ok(How::Killed),
            () = sleep(LIMIT) => Err(format!("it hangs: the job hasn't ended after {LIMIT:?} of simulated time")),
            how = jobs => how,
        }
    }

    /// Somebody who wants the same job to run, too.
    async fn second(&self, at: Duration, plan: &Arc<Plan>, store: &Arc<Store>) -> Result<How, String> {
        sleep(at).await;
        let mut how = How::Failed;
        for _ in 0..TRIES {
            if self.world.has_ended() {
                break;
            }
            self.world.count(Count::SecondOwners);
            how = self.job(1, plan, store).await?;
            if how != How::Failed {
                break;
            }
            sleep(TRY_AGAIN).await;
        }
        Ok(how)
    }

    async fn job(&self, number: u64, plan: &Arc<Plan>, store: &Arc<Store>) -> Result<How, String> {
        let clock: SharedClock = Arc::new(WorldClock(Arc::clone(self.world)));
        let claimant = format!("process {} job {number}", self.number);
        let options = JobOptions::new(clock, 1, self.run.seed ^ number, claimant);
        let mut handle = match Job::simulate(plan, &options, Some(Arc::clone(store))).await {
            Ok(handle) => handle,
            Err(error) => return self.failed(number, &error),
        };
        let _counting = Counting { metrics: handle.metrics(), world: self.world };
        let (mut events, stopper) = (handle.events(), handle.stopper());
        let mut stop_at = if let Disturbance::Stop(at) = self.run.disturbance { Some(at) } else { None };
        let ended = handle.wait();
        tokio::pin!(ended);
        let ended = loop {
            tokio::select! {
                biased;
                event = next(&mut events) => self.happened(number, &event)?,
                ended = &mut ended => break ended,
                () = sleep(stop_at.unwrap_or_default().saturating_sub(self.world.process_time())), if stop_at.is_some() => {
                    stop_at = None;
                    self.world.say("stop");
                    stopper.send_replace(true);
                }
            }
        };
        while let Some(event) = events.as_mut().and_then(|events| events.try_recv().ok()) {
            self.happened(number, &event)?;
        }
        match ended {
            Ok(report) => Ok(report.last_checkpoint.map_or(How::Done, |_| How::Stopped)),
            Err(error) => self.failed(number, &error),
        }
    }

    fn happened(&self, number: u64, event: &JobEvent) -> Result<(), String> {
        match event {
            JobEvent::Restored { checkpoint, .. } => {
                self.world.count(Count::Restores);
                self.world.say(&format!("job {number}: restored checkpoint {checkpoint}"));
                Ok(())
            }
            JobEvent::Returned { uids, why } => Err(format!("job {number}: nobody has swapped {uids:?}: {why}")),
            JobEvent::Restarting { why, .. } => {
                self.world.count(Count::Restarts);
                self.failed(number, why).map(drop)
            }
        }
    }

    /// A failure must be explained by what was done to the job.
    fn failed(&self, number: u64, error: &Error) -> Result<How, String> {
        let text = without_folder(&error.to_string(), self.folder.path());
        self.world.say(&format!("job {number}: failed: {text}"));
        let is_second = matches!(self.run.disturbance, Disturbance::Second(_));
        // Of two owners, the older may find that the newer has taken away what it was about to read.
        let is_in_the_way = ["another run is writing", "is missing"].iter().any(|text_of_both| text.contains(text_of_both));
        let shares_folder = is_second && (is_in_the_way || self.world.has_ended() && text.contains("already"));
        let is_calm = self.number + 1 == self.case.runs.len();
        if shares_folder || !is_calm && EXPLANATIONS.iter().any(|explanation| text.contains(explanation)) {
            return Ok(How::Failed);
        }
        Err(format!("the job failed, and nothing explains it: {text}"))
    }
}

/// The next event of a job; waits for ever when there will be none.
async fn next(events: &mut Option<UnboundedReceiver<JobEvent>>) -> JobEvent {
    if let Some(receiver) = events {
        if let Some(event) = receiver.recv().await {
            return event;
        }
        *events = None;
    }
    std::future::pending().await
}

/// Adds up the checkpoints of a job when that is over, however it ends.
struct Counting<'a> {
    metrics: Arc<JobMetrics>,
    world: &'a World,
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        self.world.add(Count::Completed, self.metrics.completed_checkpoints.get());
        self.world.add(Count::Failed, self.metrics.failed_checkpoints.get());
    }
}
