//! `weir savepoint ID` and `weir stop ID`: a savepoint of a running job, which goes on or ends with it.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use weir_model::{Error, Result};

use crate::args::{StopArgs, TakeArgs};
use crate::exit_code::ExitCode;
use crate::machine::{self, Machine};
use crate::output;
use crate::reach::{self, Answer, Ask, Client, Found, SavepointAsk, SavepointTaken, Then};
use crate::registry::{Ended, Outcome, Record};

/// Signs of life of a job after which a request that it hasn't refused is taken.
const SIGNS_MAX: u32 = 10;

/// `weir savepoint ID`.
///
/// # Errors
/// When there is no such job, or the savepoint can't be taken.
pub(crate) fn savepoint(args: &TakeArgs, machine: &Machine) -> Result<ExitCode> {
    let ask = SavepointAsk { dir: args.dir.as_deref().map(machine::absolute), then: Then::GoOn, include_plugins: args.include_plugins };
    reach::run(async {
        let (found, mut client) = reach::running(&args.job, machine).await?;
        let record = &found.record;
        if args.detached {
            taken(&mut client, ask).await?;
            return if args.json {
                output::print_json(&json!({"job": record.id, "name": record.name}))
            } else {
                output::note(&format!("the job has taken the request; `weir checkpoints {}` shows how it goes", record.id.short()));
                Ok(())
            };
        }
        let savepoint = take(&mut client, ask).await?;
        show(args.json, record, Some(&savepoint), None)
    })?;
    Ok(ExitCode::Done)
}

/// `weir stop`.
///
/// # Errors
/// When there is no such job, it can't be stopped, or it fails as it ends.
pub(crate) fn stop(args: &StopArgs, machine: &Machine) -> Result<ExitCode> {
    let then = if args.drain { Then::Drain } else { Then::Stop };
    let ask = SavepointAsk { dir: args.savepoint_path.as_deref().map(machine::absolute), then, include_plugins: args.include_plugins };
    reach::run(async {
        let (found, mut client) = reach::running(&args.job, machine).await?;
        let savepoint = take(&mut client, ask).await?;
        ended(args.json, &mut client, &found, Some(&savepoint), machine).await
    })?;
    Ok(ExitCode::Done)
}

/// Takes a savepoint, with its progress on a terminal.
pub(super) async fn take(client: &mut Client, ask: SavepointAsk) -> Result<SavepointTaken> {
    client.ask(&Ask::Savepoint(ask)).await;
    let bar = std::io::stderr().is_terminal().then(progress_bar);
    let show = |done: u64, total: u64, _: Option<&str>| {
        if let Some(bar) = bar.as_ref().filter(|_| total > 0) {
            bar.set_length(total);
            bar.set_position(done.min(total));
        }
    };
    let savepoint = client.answer(show, |answer| if let Answer::Savepoint(savepoint) = answer { Some(savepoint) } else { None }).await;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    savepoint
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    match ProgressStyle::with_template("savepoint [{bar:30}] {percent}%, {elapsed}") {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

/// Waits until the job writes the savepoint, or at least hasn't refused to for a while.
async fn taken(client: &mut Client, ask: SavepointAsk) -> Result<()> {
    client.ask(&Ask::Savepoint(ask)).await;
    for _ in 0..SIGNS_MAX {
        match client.next().await? {
            Some(Answer::Progress { total: 0, .. }) => {}
            Some(_) => return Ok(()),
            None => return Err(Error::job("the savepoint", "the job ended before it had taken the request", "`weir list --all` shows how it ended")),
        }
    }
    Ok(())
}

/// Waits for the end of a job that was told to end, and shows it.
///
/// # Errors
/// When it failed instead.
pub(super) async fn ended(is_json: bool, client: &mut Client, found: &Found, savepoint: Option<&SavepointTaken>, machine: &Machine) -> Result<()> {
    client.until_end().await?;
    let after = found.after(machine).await?;
    show(is_json, &found.record, savepoint, Some(&after))?;
    let name = || format!("job {} ({})", found.record.id.short(), found.record.name);
    match after.ended {
        Some(Ended { error: Some(failure), .. }) => Err(failure.into()),
        Some(Ended { outcome: Outcome::Killed, .. }) => {
            Err(Error::job(name(), "its process was killed as it ended", "`weir run` with its job file goes on from the last checkpoint"))
        }
        Some(_) => Ok(()),
        None => Err(Error::job(name(), "it has hung up and still runs", "`weir list` shows how it is")),
    }
}

/// Shows what has come of it: the savepoint's place alone on standard output, for scripts.
fn show(is_json: bool, job: &Record, savepoint: Option<&SavepointTaken>, after: Option<&Record>) -> Result<()> {
    let outcome = after.map(|after| after.ended.as_ref().map_or("running", |ended| ended.outcome.name()));
    if is_json {
        let mut value = json!({"job": job.id, "name": job.name, "savepoint": savepoint});
        if let (Value::Object(fields), Some(outcome)) = (&mut value, outcome) {
            fields.insert("outcome".to_owned(), outcome.into());
        }
        return output::print_json(&value);
    }
    if let Some(savepoint) = savepoint {
        let (rows, bytes, took) = (output::count(savepoint.rows), output::bytes(savepoint.bytes), output::seconds(savepoint.took_ms as f64 / 1e3));
        output::note(&format!("savepoint {}: {rows} rows, {bytes}, {took}", savepoint.checkpoint));
        output::print(&format!("{}\n", output::printable(&savepoint.location)))?;
    }
    if let Some(outcome) = outcome {
        output::note(&output::printable(&format!("job {} ({}): {outcome}", job.id.short(), job.name)));
    }
    Ok(())
}
