//! How others reach a job that runs, and what they have to do with its end.

use std::sync::Arc;

use weir_checkpoint::paths;
use weir_model::{Error, ErrorKind, Result};
use weir_runtime::{JobHandle, JobReport};

use crate::args::RunArgs;
use crate::job::PlannedJob;
use crate::machine::{self, Machine};
use crate::output;
use crate::reach::{Desk, EndedBy, serve};
use crate::registry::{self, CheckpointPlace, Ended, JobId, Record, Registration, RunFolder};
use crate::summary::Outcome;

/// A job that runs, with its registration if there is one.
pub(super) struct Reachable {
    desk: Arc<Desk>,
    registration: Option<Registration>,
}

impl Reachable {
    /// Registers the job, and answers whoever asks for something from then on. A job that can't be registered runs all the same, with a warning.
    pub(super) fn new(job: &PlannedJob, handle: &JobHandle, args: &RunArgs, machine: &Machine) -> Self {
        let desk = Arc::new(Desk::new(handle.control(), Arc::clone(&machine.clock), args.quiet));
        let id = JobId::of(machine.seed(), machine.seed());
        let record = Record {
            job_file: machine::absolute(&args.job.file.display().to_string()),
            working_folder: std::env::current_dir().map(|folder| folder.display().to_string()).unwrap_or_default(),
            checkpoints: job
                .plan
                .checkpointing
                .as_ref()
                .map(|settings| CheckpointPlace { dir: machine::absolute(&settings.dir), job: paths::job_id(&job.plan.name) }),
            ..Record::new(id.clone(), &job.plan.name, std::process::id(), machine.clock.wall_ms())
        };
        let registered = RunFolder::make(&machine::run_dir()).and_then(|folder| Ok((folder.clone(), Registration::new(folder, record)?)));
        let registration = match registered {
            Ok((folder, (registration, listener))) => {
                tokio::spawn(serve(listener, Arc::clone(&desk)));
                // Whoever starts jobs and never lists them shouldn't fill the folder.
                let now_ms = machine.clock.wall_ms();
                tokio::spawn(async move { drop(registry::jobs(&folder, now_ms).await) });
                if !args.quiet {
                    output::note(&output::printable(&format!("job {id} ({})", job.plan.name)));
                }
                Some(registration)
            }
            Err(error) => {
                output::note(&output::printable(&format!("warning: no other command reaches this job: {error}")));
                None
            }
        };
        Self { desk, registration }
    }

    /// Where requests for the job are dealt with.
    pub(super) fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }

    /// How the job ended, given what its tasks say and what was asked of it.
    pub(super) async fn outcome(&self, ended: &Result<JobReport>) -> Outcome {
        outcome(ended, self.desk.ended_by().await)
    }

    /// Says how it ended; nobody reaches it any more.
    pub(super) fn end(&mut self, outcome: &Outcome, now_ms: i64) {
        if let Some(registration) = &mut self.registration {
            registration.end(ended(outcome, now_ms));
        }
    }
}

fn outcome(ended: &Result<JobReport>, asked: Option<EndedBy>) -> Outcome {
    match (ended, asked) {
        (Ok(_), Some(EndedBy::Cancel(savepoint))) => Outcome::Cancelled(savepoint),
        (Err(Error { kind: ErrorKind::Interrupted, .. }), Some(EndedBy::Cancel(savepoint))) => Outcome::Cancelled(savepoint),
        (Ok(_), Some(EndedBy::Stop(savepoint))) => Outcome::Stopped(savepoint),
        (Ok(report), None) if report.stopped => Outcome::Interrupted,
        (Ok(_), None) => Outcome::Done,
        (Err(error), _) => Outcome::Failed(error.clone()),
    }
}

fn ended(outcome: &Outcome, ended_ms: i64) -> Ended {
    let (word, savepoint, error) = match outcome {
        Outcome::Done => (registry::Outcome::Done, None, None),
        Outcome::Interrupted => (registry::Outcome::Interrupted, None, None),
        Outcome::Stopped(savepoint) => (registry::Outcome::Stopped, Some(savepoint.clone()), None),
        Outcome::Cancelled(savepoint) => (registry::Outcome::Cancelled, savepoint.clone(), None),
        Outcome::Failed(error) if error.kind == ErrorKind::Interrupted => (registry::Outcome::Interrupted, None, None),
        Outcome::Failed(error) => (registry::Outcome::Failed, None, Some(error.into())),
    };
    Ended { ended_ms, outcome: word, savepoint, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_what_somebody_asked_for_unless_the_job_failed() {
        let report = |stopped| Ok(JobReport { elapsed_ns: 1, stopped, last_checkpoint: None });
        let error = |kind| Error::new(kind, "a", "b", "c");
        let place = || "/sp".to_owned();
        let at = || Some(place());
        let check = |ended: Result<JobReport>, asked: Option<EndedBy>, expected: Outcome| assert_eq!(outcome(&ended, asked), expected);
        check(report(false), None, Outcome::Done);
        check(report(true), None, Outcome::Interrupted);
        check(report(true), Some(EndedBy::Stop(place())), Outcome::Stopped(place()));
        check(report(false), Some(EndedBy::Stop(place())), Outcome::Stopped(place()));
        check(report(true), Some(EndedBy::Cancel(None)), Outcome::Cancelled(None));
        check(Err(error(ErrorKind::Interrupted)), Some(EndedBy::Cancel(at())), Outcome::Cancelled(at()));
        check(Err(error(ErrorKind::Interrupted)), None, Outcome::Failed(error(ErrorKind::Interrupted)));
        check(Err(error(ErrorKind::Job)), Some(EndedBy::Cancel(None)), Outcome::Failed(error(ErrorKind::Job)));
        check(Err(error(ErrorKind::Job)), Some(EndedBy::Stop(place())), Outcome::Failed(error(ErrorKind::Job)));
    }
}
