//! Whole jobs in a simulation: the clock, the order in which tasks run, the store's faults and what is done to the job all follow from a seed.
//!
//! One seed is one [`case::Case`]: a job, and processes that run it one after another over the same objects and the same output folder. Each of
//! them but the last is disturbed. A process is a runtime of one thread whose time is simulated; to kill it is to drop that runtime. What must
//! hold: the committed output is the recount of the input, the checkpoints that were committed form one line, nothing hangs, every failure is explained
//! by what was done to the job, and no garbage stays. Everything that happens is written down, so that two runs of a seed can be compared.

pub mod campaign;
pub mod case;
mod lineage;
mod network;
mod points;
mod process;
mod shape;
mod trace;
mod world;

use std::sync::Arc;

use crate::job::JobFolder;
use case::Case;
use process::{How, Process};
use world::World;

pub use trace::{Count, Trace};

/// What came of a seed.
#[derive(Debug)]
pub struct Outcome {
    /// What happened, in order.
    pub trace: Trace,
    /// What must not be.
    pub violation: Option<String>,
}

/// Runs the case of a seed.
///
/// # Panics
/// When the code under test does, outside of a task.
#[must_use]
pub fn run(seed: u64) -> Outcome {
    let case = Case::of(seed);
    let folder = JobFolder::new();
    let world = Arc::new(World::new());
    let violation = run_case(&case, &folder, &world).err();
    let trace = world.take_trace();
    let violation = violation.map(|why| {
        let kept = folder.keep();
        format!("seed {seed}: {case}\n  {why}\n  folder {}", kept.display())
    });
    Outcome { trace, violation }
}

fn run_case(case: &Case, folder: &JobFolder, world: &Arc<World>) -> Result<(), String> {
    case.shape.prepare(folder);
    let expected = case.shape.expected(folder)?;
    for (number, run) in case.runs.iter().enumerate() {
        let is_last = number + 1 == case.runs.len();
        world.count(Count::Processes);
        // What an earlier process has left is deleted by the next one that has a checkpoint to go on from.
        let (restarts, restores) = (world.counted(Count::Restarts), world.counted(Count::Restores));
        let mut is_clean = is_last && !world.is_expecting();
        let process = Process { case, number, run, folder, world };
        let how = process.run().map_err(|why| format!("run {number}: {why}"))?;
        is_clean &= world.counted(Count::Restarts) == restarts && (number == 0 || world.counted(Count::Restores) > restores);
        world.say(&format!("process {number} ended: {how:?}"));
        if let Some(why) = world.broken() {
            return Err(format!("run {number}: {why}"));
        }
        match how {
            How::Killed => world.count(Count::Kills),
            How::Stopped => world.count(Count::Stops),
            How::Failed => world.count(Count::Failures),
            How::Done => {}
        }
        if world.has_ended() || how == How::Done {
            let garbage = world.garbage();
            if is_clean && !garbage.is_empty() {
                return Err(format!("the job has ended and left {garbage:?}"));
            }
            world.add(Count::Garbage, garbage.len() as u64);
            break;
        }
        if is_last {
            return Err(format!("the last run, which nothing disturbs, ended as {how:?}"));
        }
    }
    world.deliver_all();
    match (world.broken(), &expected) {
        (Some(why), _) => Err(why),
        (None, Some(expected)) => expected.check(folder),
        (None, None) => Ok(()),
    }
}
