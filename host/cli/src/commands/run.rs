//! `weir run`: a job in the foreground, from the job file to the closing summary.

mod reachable;

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder as RuntimeBuilder;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use weir_model::id::CheckpointId;
use weir_model::{Error, Result};
use weir_runtime::{Job, JobEvent, JobHandle, JobOptions, JobReport, StartFrom};

use crate::args::{ClaimMode, Global, RunArgs};
use crate::commands::promises;
use crate::exit_code::ExitCode;
use crate::job::PlannedJob;
use crate::machine::{self, Machine};
use crate::progress::{self, Progress};
use crate::reach::{Desk, SavepointAsk, Then};
use crate::signals::Signals;
use crate::summary::{Outcome, Summary, Used};
use crate::{atomic_file, output};
use reachable::Reachable;

/// How often the progress on the screen changes.
const TICK: Duration = Duration::from_millis(200);

/// Runs the job until its input ends, it fails, or the user ends it.
///
/// # Errors
/// When the job can't start, fails, or its summary can't be written.
pub(crate) fn run(args: RunArgs, global: Global, machine: &Machine) -> Result<ExitCode> {
    check_summary_place(args.summary.as_deref())?;
    let failed = |error: std::io::Error| Error::job("the job can't start", error.to_string(), "free some resources");
    // The control side: signals and progress. The data plane has threads of its own.
    let control = RuntimeBuilder::new_current_thread().enable_all().build().map_err(failed)?;
    let result = control.block_on(drive(Arc::new(args), global, machine.clone()));
    // A job that is still being started after an interruption is not waited for.
    control.shutdown_background();
    result
}

/// A summary that couldn't be written should be known before a job has run for a day.
fn check_summary_place(path: Option<&Path>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() || !parent.is_dir() {
        let why = if path.is_dir() { "it is a folder".to_owned() } else { format!("there is no folder {}", parent.display()) };
        return Err(Error::usage(format!("--summary {}", path.display()), why, "name a file in a folder that is there"));
    }
    Ok(())
}

/// A job that runs.
struct Started {
    job: PlannedJob,
    handle: JobHandle,
    start_ns: u64,
    startup_cpu_seconds: f64,
}

fn start(args: &RunArgs, global: &Global, machine: &Machine) -> Result<Started> {
    let start = start_from(args);
    let job = PlannedJob::load(&args.job, global, machine, &start)?;
    if args.json && job.prints() {
        return Err(Error::usage(
            "--json",
            "the job has a print sink: its records go to standard output, and the summary would stand among them",
            "use `--summary FILE.json`, or another connector for that sink",
        ));
    }
    if job.plan.checkpointing.is_none() && start != StartFrom::Newest {
        let option = match start {
            StartFrom::Fresh => "--fresh",
            StartFrom::Savepoint(_) => "--from-savepoint",
            StartFrom::Newest | StartFrom::Checkpoint(_) => "--restore-from",
        };
        return Err(Error::usage(option, "the job takes no checkpoints", "leave it out, or set `interval` or `savepoint-dir` in [checkpointing]"));
    }
    if !args.quiet {
        promises::show(&job);
    }
    let options = JobOptions {
        start,
        dropped: args.drop_state.clone(),
        drops_gone: args.allow_non_restored_state,
        claims: args.claim_mode == Some(ClaimMode::Claim),
        ..JobOptions::new(Arc::clone(&machine.clock), machine.cores(), machine.seed(), machine.claimant())
    };
    let (start_ns, startup_cpu_seconds) = (machine.clock.monotonic_ns(), machine::cpu_seconds());
    let handle = Job::start(&job.plan, &options)?;
    Ok(Started { job, handle, start_ns, startup_cpu_seconds })
}

/// What the job starts from.
fn start_from(args: &RunArgs) -> StartFrom {
    match (&args.from_savepoint, args.restore_from) {
        (Some(location), _) => StartFrom::Savepoint(location.clone()),
        (None, Some(checkpoint)) => StartFrom::Checkpoint(checkpoint),
        (None, None) if args.fresh => StartFrom::Fresh,
        (None, None) => StartFrom::Newest,
    }
}

async fn drive(args: Arc<RunArgs>, global: Global, machine: Machine) -> Result<ExitCode> {
    let mut signals = Signals::take()?;
    // Starting may take long (a plugin is compiled, a pipe is opened): a signal must be able to end it.
    let starting = {
        let (args, machine) = (Arc::clone(&args), machine.clone());
        tokio::task::spawn_blocking(move || start(&args, &global, &machine))
    };
    let started = tokio::select! {
        joined = starting => joined.map_err(|error| Error::job("the job can't start", error.to_string(), "this is a bug of weir: please report it"))??,
        name = signals.next() => {
            output::note(&format!("{name}: ended before the job had started"));
            return Ok(ExitCode::Interrupted);
        }
    };
    let Started { job, handle, start_ns, startup_cpu_seconds } = started;
    let metrics = handle.metrics();
    let mut reachable = Reachable::new(&job, &handle, &args, &machine);
    let progress = shows_progress(&args, &job).then(|| Progress::start(&metrics, start_ns));
    let on_signal = match &job.plan.checkpointing {
        None => OnSignal::Stop,
        Some(settings) if settings.savepoint_dir.is_some() => OnSignal::StopWithSavepoint,
        Some(_) => OnSignal::StopWithCheckpoint,
    };
    let ended = watch(handle, &mut signals, on_signal, progress, &mut reachable, &machine).await;
    let outcome = reachable.outcome(&ended).await;
    reachable.end(&outcome, machine.clock.wall_ms());
    if !args.quiet {
        tell_how_to_go_on(&outcome, ended.as_ref().ok().and_then(|report| report.last_checkpoint), &job.file);
    }
    let elapsed_ns = ended.map_or_else(|_| machine.clock.monotonic_ns().saturating_sub(start_ns), |report| report.elapsed_ns);
    let used = Used {
        startup_seconds: start_ns as f64 / 1e9,
        startup_cpu_seconds,
        seconds: elapsed_ns as f64 / 1e9,
        cpu_seconds: machine::cpu_seconds() - startup_cpu_seconds,
        peak_rss_bytes: machine::peak_rss_bytes(),
    };
    close(&args, &Summary { plan: &job.plan, metrics: &metrics, outcome, used })
}

/// Progress is for a terminal that nothing else writes to.
fn shows_progress(args: &RunArgs, job: &PlannedJob) -> bool {
    let records_in_between = job.prints() && std::io::stdout().is_terminal();
    !args.quiet && std::io::stderr().is_terminal() && !records_in_between
}

fn tell_how_to_go_on(outcome: &Outcome, last_checkpoint: Option<CheckpointId>, file: &str) {
    match (outcome, last_checkpoint) {
        (Outcome::Stopped(savepoint) | Outcome::Cancelled(Some(savepoint)), _) => {
            let text = format!("{} with a savepoint: `weir run {file} -s {savepoint}` goes on from it", outcome.name());
            output::note(&output::printable(&text));
        }
        (Outcome::Interrupted, Some(checkpoint)) => {
            output::note(&format!("stopped with checkpoint {checkpoint}: the next `weir run {file}` goes on from it"));
        }
        _ => {}
    }
}

/// What the first signal does to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnSignal {
    Stop,
    StopWithCheckpoint,
    StopWithSavepoint,
}

impl OnSignal {
    fn text(self) -> &'static str {
        match self {
            Self::Stop => "the sources end, what is under way goes through to the sinks",
            Self::StopWithCheckpoint => "a last checkpoint is taken, from which the next run goes on",
            Self::StopWithSavepoint => "the job stops with a savepoint",
        }
    }
}

/// Stops the job with a savepoint; with a checkpoint if that fails: whoever has sent the signal wants it to end.
async fn stop_with_savepoint(desk: Arc<Desk>, stopper: watch::Sender<bool>) {
    if desk.savepoint(SavepointAsk { then: Then::Stop, ..SavepointAsk::default() }).await.is_err() {
        output::note("the job stops without a savepoint: a last checkpoint is taken, from which the next run goes on");
        stopper.send_replace(true);
    }
}

/// Waits for the end of the job; passes the first signal on to it, and ends the process at the second.
async fn watch(
    mut handle: JobHandle,
    signals: &mut Signals,
    on_signal: OnSignal,
    mut progress: Option<Progress>,
    reachable: &mut Reachable,
    machine: &Machine,
) -> Result<JobReport> {
    let (metrics, stopper) = (handle.metrics(), handle.stopper());
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut stopping = false;
    let mut events = handle.events();
    let ended = handle.wait();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            biased;
            event = next_event(&mut events) => output::note(&event_text(&event, machine.clock.wall_ms())),
            ended = &mut ended => return ended,
            name = signals.next() => {
                if stopping {
                    reachable.end(&Outcome::Interrupted, machine.clock.wall_ms());
                    progress::clear();
                    output::note(&format!("{name} again: ended at once; output may be incomplete"));
                    std::process::exit(ExitCode::Interrupted.number().into());
                }
                stopping = true;
                output::note(&format!("{name}: {}; once more to end at once", on_signal.text()));
                if on_signal == OnSignal::StopWithSavepoint {
                    tokio::spawn(stop_with_savepoint(reachable.desk(), stopper.clone()));
                } else {
                    stopper.send_replace(true);
                }
            }
            _ = ticks.tick(), if progress.is_some() => {
                if let Some(progress) = &mut progress {
                    progress.tick(&metrics, machine.clock.monotonic_ns());
                }
            }
        }
    }
}

/// The next thing that the job has to say; waits for ever when there will be none.
async fn next_event(events: &mut Option<UnboundedReceiver<JobEvent>>) -> JobEvent {
    if let Some(receiver) = events {
        if let Some(event) = receiver.recv().await {
            return event;
        }
        *events = None;
    }
    std::future::pending().await
}

fn event_text(event: &JobEvent, now_ms: i64) -> String {
    match event {
        JobEvent::Restored { checkpoint, completed_ms, location } => {
            let age = output::seconds(now_ms.saturating_sub(*completed_ms).max(0) as f64 / 1e3);
            format!("the job goes on from checkpoint {checkpoint}, complete {age} ago ({location})")
        }
        JobEvent::Returned { uids, why } => {
            let uids: Vec<_> = uids.iter().map(ToString::to_string).collect();
            output::printable(&format!("the new version of {} was taken back, with the state of the one before: {why}", uids.join(", ")))
        }
        JobEvent::Restarting { why, delay_ms } => {
            let text = format!("the job has failed and starts again in {}: {}: {}", output::seconds(*delay_ms as f64 / 1e3), why.what, why.why);
            output::printable(&text)
        }
    }
}

/// Shows and writes the summary.
fn close(args: &RunArgs, summary: &Summary<'_>) -> Result<ExitCode> {
    let written = args.summary.as_deref().map_or(Ok(()), |path| write_summary(path, summary));
    let printed = if args.json { output::print_json(&summary.json()) } else { Ok(()) };
    if let Outcome::Failed(error) = &summary.outcome {
        return Err(error.clone());
    }
    if !args.quiet && !args.json {
        output::note(summary.text(machine::terminal_columns(&std::io::stderr())).trim_end());
    }
    written.and(printed)?;
    Ok(if summary.outcome == Outcome::Done { ExitCode::Done } else { ExitCode::Interrupted })
}

fn write_summary(path: &Path, summary: &Summary<'_>) -> Result<()> {
    let text = format!("{:#}\n", summary.json());
    atomic_file::write(path, text.as_bytes()).map_err(|error| {
        Error::job(format!("--summary {}", path.display()), format!("it can't be written: {error}"), "make room, or name another file")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_where_no_summary_can_be_written_is_known_before_the_job_runs() {
        let check = |path: Option<&str>, why: Option<&str>| {
            let found = check_summary_place(path.map(Path::new));
            assert_eq!(found.err().map(|error| error.why).as_deref(), why, "{path:?}");
        };
        check(None, None);
        check(Some("summary.json"), None);
        check(Some("/dev/null"), None);
        check(Some("/no/such/summary.json"), Some("there is no folder /no/such"));
        check(Some("/"), Some("it is a folder"));
    }
}
