//! `weir list`: the jobs of this user.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use weir_model::Result;

use crate::args::ListArgs;
use crate::exit_code::ExitCode;
use crate::machine::{self, Machine};
use crate::output::{self, Table};
use crate::reach::{self, Client, Status, known_jobs};
use crate::registry::{Record, RunFolder};

/// A job that takes longer to say how it is doesn't hold up the list.
const PATIENCE: Duration = Duration::from_secs(2);

/// Lists the jobs.
///
/// # Errors
/// When the folder in which they are registered can't be used.
pub(crate) fn run(args: &ListArgs, machine: &Machine) -> Result<ExitCode> {
    let jobs = reach::run(async {
        let Some((folder, mut jobs)) = known_jobs(machine).await? else { return Ok(Vec::new()) };
        jobs.retain(|job| args.all || job.ended.is_none());
        Ok(ask_all(&folder, jobs).await)
    })?;
    let now_ms = machine.clock.wall_ms();
    if args.json {
        output::print_json(&jobs.iter().map(|(job, status)| as_json(job, status.as_ref(), now_ms)).collect::<Value>())?;
    } else if jobs.is_empty() {
        output::note(if args.all { "no job is known" } else { "no job is running; `weir list --all` shows those that have ended" });
    } else {
        output::print(&table(&jobs, args.all, now_ms).render(machine::terminal_columns(&std::io::stdout())))?;
    }
    Ok(ExitCode::Done)
}

/// Each job with its status, if it runs and answers; in the same order.
async fn ask_all(folder: &RunFolder, jobs: Vec<Record>) -> Vec<(Record, Option<Status>)> {
    let mut asked = JoinSet::new();
    for (at, job) in jobs.iter().enumerate().filter(|(_, job)| job.ended.is_none()) {
        let (folder, job) = (folder.clone(), job.clone());
        let ask = async move { Client::connect(&folder, &job).await?.status().await };
        asked.spawn(async move { (at, tokio::time::timeout(PATIENCE, ask).await) });
    }
    let mut listed: Vec<_> = jobs.into_iter().map(|job| (job, None)).collect();
    while let Some(answered) = asked.join_next().await {
        if let Ok((at, Ok(Ok(status)))) = answered
            && let Some((_, slot)) = listed.get_mut(at)
        {
            *slot = Some(status);
        }
    }
    listed
}

fn state<'a>(job: &'a Record, status: Option<&'a Status>) -> &'a str {
    match (&job.ended, status) {
        (Some(ended), _) => ended.outcome.name(),
        (None, Some(status)) => &status.phase,
        (None, None) => "not answering",
    }
}

/// For how long the job has run, milliseconds.
fn ran_ms(job: &Record, now_ms: i64) -> i64 {
    job.ended.as_ref().map_or(now_ms, |ended| ended.ended_ms).saturating_sub(job.started_ms).max(0)
}

fn table(jobs: &[(Record, Option<Status>)], is_all: bool, now_ms: i64) -> Table {
    let mut heading = vec!["ID", "NAME", "STATE", ">UPTIME", ">RESTARTS", ">PID"];
    if is_all {
        heading.push(">ENDED");
    }
    let mut table = Table::new(&heading);
    for (job, status) in jobs {
        let mut cells = vec![
            job.id.short().to_owned(),
            job.name.clone(),
            state(job, status.as_ref()).to_owned(),
            output::seconds(ran_ms(job, now_ms) as f64 / 1e3),
            status.as_ref().map(|status| output::count(status.restarts)).unwrap_or_default(),
            job.pid.to_string(),
        ];
        if is_all {
            let ago = |ended_ms: i64| format!("{} ago", output::seconds(now_ms.saturating_sub(ended_ms).max(0) as f64 / 1e3));
            cells.push(job.ended.as_ref().map(|ended| ago(ended.ended_ms)).unwrap_or_default());
        }
        table.row(cells);
    }
    table
}

fn as_json(job: &Record, status: Option<&Status>, now_ms: i64) -> Value {
    json!({
        "id": job.id,
        "name": job.name,
        "state": state(job, status),
        "pid": job.pid,
        "started_ms": job.started_ms,
        "uptime_ms": ran_ms(job, now_ms),
        "restarts": status.map(|status| status.restarts),
        "job_file": job.job_file,
        "ended": job.ended,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Ended, JobId, Outcome};

    #[test]
    fn a_list_shows_what_runs_and_what_has_ended() {
        let job = |high: u64, started_ms, ended| Record { ended, ..Record::new(JobId::of(high << 32, 0), "words", 42, started_ms) };
        let ended = Ended { ended_ms: 4_000, outcome: Outcome::Killed, savepoint: None, error: None };
        let status = Status { phase: "restarting".to_owned(), restarts: 3, ..Status::default() };
        let jobs = [(job(0x3f2a_0001, 0, None), Some(status)), (job(0x3f2a_0002, 9_000, None), None), (job(0xabcd_0003, 1_000, Some(ended)), None)];
        let expected = "\
ID        NAME   STATE          UPTIME  RESTARTS  PID     ENDED
3f2a0001  words  restarting     10.0 s         3   42
3f2a0002  words  not answering  1.00 s             42
abcd0003  words  killed         3.00 s             42  6.00 s ago
";
        let text = table(&jobs, true, 10_000).render(None);
        let squeezed = |text: &str| text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
        assert_eq!(squeezed(&text), squeezed(expected));
        assert!(!table(&jobs, false, 10_000).render(None).contains("ENDED"));
        assert_eq!(as_json(&jobs[2].0, None, 10_000)["ended"]["outcome"], "killed");
    }
}
