//! One case: a scenario, runs that are disturbed one after another, and a last one that isn't.

use std::fmt;
use std::time::Duration;

use crate::crash::{Expected, Scenario};
use crate::job::JobFolder;
use crate::process::{Ended, Running};

/// A run that takes longer hangs: an undisturbed one takes a fraction of a second.
const LIMIT: Duration = Duration::from_secs(30);
/// What a process that SIGKILL has ended gives as its code.
pub const KILLED: i32 = 128 + libc::SIGKILL;
/// What a job that was stopped before its input ended gives as its code.
const INTERRUPTED: i32 = 4;
/// What a job that has failed gives as its code.
const FAILED: i32 = 1;

/// What happens to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disturbance {
    /// Armed fail points, as `WEIR_FAIL_POINTS` has them.
    Points(String),
    /// SIGKILL after a while.
    Kill(Duration),
    /// SIGINT after a while.
    Interrupt(Duration),
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What happens to it.
    pub disturbance: Disturbance,
    /// Subtasks of a node.
    pub parallelism: u32,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.disturbance {
            Disturbance::Points(points) => f.write_str(points)?,
            Disturbance::Kill(after) => write!(f, "killed after {after:?}")?,
            Disturbance::Interrupt(after) => write!(f, "interrupted after {after:?}")?,
        }
        write!(f, " (-p {})", self.parallelism)
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By SIGKILL.
    Killed,
    /// By SIGINT, with a checkpoint to go on from.
    Interrupted,
    /// A step that was made to fail ended it.
    Failed,
    /// The disturbance came too late, or the job got over it.
    Done,
}

/// What is run, in order; the last run follows by itself.
#[derive(Debug, Clone)]
pub struct Case {
    /// The job.
    pub scenario: Scenario,
    /// The runs that are disturbed.
    pub runs: Vec<Run>,
    /// Subtasks of a node in the last run.
    pub last_parallelism: u32,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.scenario.name)?;
        self.runs.iter().try_for_each(|run| write!(f, "{run}, then "))?;
        write!(f, "to the end (-p {})", self.last_parallelism)
    }
}

impl Case {
    /// Runs it in `folder`, which is [`Scenario::folder`], and checks what came out; gives how each run ended, as far as there were any.
    ///
    /// # Errors
    /// The violation.
    ///
    /// # Panics
    /// When a run hangs or panics.
    pub fn run(&self, folder: &JobFolder, expected: &Expected) -> Result<Vec<How>, String> {
        let mut hows = Vec::new();
        for run in &self.runs {
            let how = run.run(folder).map_err(|why| format!("{run}: {why}"))?;
            hows.push(how);
            if how == How::Done {
                expected.check(folder)?;
                return Ok(hows);
            }
        }
        let ended = last_run(folder, self.last_parallelism);
        if ended.code != 0 && !was_over(&ended, folder) {
            return Err(format!("the last run ended with code {}: {}", ended.code, ended.stderr));
        }
        expected.check(folder)?;
        Ok(hows)
    }
}

impl Run {
    /// Runs it to whatever end.
    ///
    /// # Errors
    /// When it ends in a way that its disturbance doesn't explain.
    ///
    /// # Panics
    /// When it hangs or panics.
    pub fn run(&self, folder: &JobFolder) -> Result<How, String> {
        let points = if let Disturbance::Points(points) = &self.disturbance { Some(points.as_str()) } else { None };
        let mut running = start(folder, self.parallelism, points);
        match self.disturbance {
            Disturbance::Points(_) => {}
            Disturbance::Kill(after) => running.signal_after(libc::SIGKILL, after),
            Disturbance::Interrupt(after) => running.signal_after(libc::SIGINT, after),
        }
        let ended = running.wait();
        match (&self.disturbance, ended.code) {
            (_, 0) => Ok(How::Done),
            (Disturbance::Points(_) | Disturbance::Kill(_), KILLED) => Ok(How::Killed),
            (Disturbance::Interrupt(_), INTERRUPTED) => Ok(How::Interrupted),
            // Before the process has taken the signal over.
            (Disturbance::Interrupt(_), code) if code == 128 + libc::SIGINT => Ok(How::Killed),
            (Disturbance::Points(points), FAILED) if points.contains("=error") && is_injected(&ended) => Ok(How::Failed),
            _ if was_over(&ended, folder) => Ok(How::Killed),
            (_, code) => Err(format!("it ended with code {code}: {}", ended.stderr)),
        }
    }
}

/// Whether a run failed with the error of a fail point, told as errors are.
fn is_injected(ended: &Ended) -> bool {
    let told = ended.told();
    format!("{told:?}").contains("a test made this step fail")
}

/// Whether a process found nothing to do: one that was killed after its job had ended left nothing to go on from, and the next one must not write over
/// what is there.
pub(super) fn was_over(ended: &Ended, folder: &JobFolder) -> bool {
    ended.code == 2 && ended.stderr.contains("overwrite") && !has_manifest(folder)
}

/// Whether there is a checkpoint to go on from.
fn has_manifest(folder: &JobFolder) -> bool {
    folder
        .names("checkpoints/crash")
        .iter()
        .any(|name| name.starts_with("chk-") && folder.path().join("checkpoints/crash").join(name).join("_metadata").exists())
}

/// A run that nothing disturbs.
///
/// # Panics
/// When it hangs or panics.
#[must_use]
pub fn last_run(folder: &JobFolder, parallelism: u32) -> Ended {
    start(folder, parallelism, None).wait()
}

/// The same from a checkpoint that the user names, if there is one.
#[must_use]
pub(super) fn last_run_from(folder: &JobFolder, parallelism: u32, checkpoint: Option<&str>) -> Ended {
    let parallelism = parallelism.to_string();
    let mut words = vec!["run", "job.toml", "-q", "-p", &parallelism];
    words.extend(checkpoint.into_iter().flat_map(|checkpoint| ["--restore-from", checkpoint]));
    folder.weir(&words).limit(LIMIT).run()
}

fn start(folder: &JobFolder, parallelism: u32, points: Option<&str>) -> Running {
    let weir = folder.weir(&["run", "job.toml", "-q", "-p", &parallelism.to_string()]).limit(LIMIT);
    match points {
        None => weir.start(),
        Some(points) => weir.env("WEIR_FAIL_POINTS", points).start(),
    }
}
