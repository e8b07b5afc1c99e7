//! `weir info`: everything that is known of a job, running or ended.

use std::time::Duration;

use serde_json::{Value, json};
use weir_checkpoint::stats::{CheckpointStats, Status as CheckpointStatus};
use weir_model::Result;

use super::checkpoints;
use crate::args::InfoArgs;
use crate::exit_code::ExitCode;
use crate::machine::{self, Machine};
use crate::output::{self, Table, bytes, count, percent, rough_count, seconds};
use crate::reach::{self, Client, Found, Node, Status};
use crate::registry::{Record, Wanted};

/// The time over which rates are taken.
const RATE_WINDOW: Duration = Duration::from_millis(300);

/// Digits of a digest that are shown.
const DIGEST_DIGITS: usize = 12;

/// What is known of a job.
struct Info {
    job: Record,
    /// Of a job that runs and answers: now, and a moment ago.
    status: Option<(Status, Status)>,
    checkpoints: Option<CheckpointStats>,
}

/// Shows it.
///
/// # Errors
/// When there is no such job, or it doesn't answer.
pub(crate) fn run(args: &InfoArgs, machine: &Machine) -> Result<ExitCode> {
    let info = reach::run(look(&args.job, machine))?;
    if args.json {
        output::print_json(&info.json())?;
    } else {
        output::print(&info.text(machine.clock.wall_ms(), machine::terminal_columns(&std::io::stdout())))?;
    }
    Ok(ExitCode::Done)
}

async fn look(name: &str, machine: &Machine) -> Result<Info> {
    let found = Found::look(name, Wanted::Any, machine).await?;
    let status = match found.record.ended {
        Some(_) => None,
        None => {
            let mut client = Client::connect(&found.folder, &found.record).await?;
            let before = client.status().await?;
            tokio::time::sleep(RATE_WINDOW).await;
            Some((client.status().await?, before))
        }
    };
    // A job can be looked at although its store is away.
    let checkpoints = match &found.record.checkpoints {
        Some(place) => checkpoints::read(place).await.ok().and_then(|(status, ..)| CheckpointStats::from_json(&status?).ok()),
        None => None,
    };
    Ok(Info { job: found.record, status, checkpoints })
}

impl Info {
    fn text(&self, now_ms: i64, width: Option<u16>) -> String {
        let job = &self.job;
        let mut lines = vec![format!("{} ({})", job.name, job.id)];
        let mut line = |name: &str, text: String| lines.push(format!("  {name:<12}{text}"));
        let elapsed = |from_ms: i64, to_ms: i64| seconds(to_ms.saturating_sub(from_ms).max(0) as f64 / 1e3);
        match (&job.ended, &self.status) {
            (Some(ended), _) => {
                line(
                    "state",
                    format!("{}, {} ago, after {}", ended.outcome.name(), elapsed(ended.ended_ms, now_ms), elapsed(job.started_ms, ended.ended_ms)),
                );
                if let Some(savepoint) = &ended.savepoint {
                    line("savepoint", savepoint.clone());
                }
                if let Some(error) = &ended.error {
                    line("error", format!("{}: {}", error.what, error.why));
                    line("do", error.remedy.clone());
                }
            }
            (None, Some((status, _))) => {
                line("state", format!("{} for {}; restarts: {}", status.phase, elapsed(job.started_ms, now_ms), count(status.restarts)));
            }
            (None, None) => line("state", "running".to_owned()),
        }
        line("process", format!("{}, weir {}", job.pid, job.weir));
        line("job file", job.job_file.clone());
        line("started in", job.working_folder.clone());
        if let Some(place) = &job.checkpoints {
            line("checkpoints", format!("{}; in {}/{}", self.checkpoint_summary(now_ms), place.dir, place.job));
        }
        if let Some(swap) = self.status.as_ref().and_then(|(status, _)| status.swap.as_ref()) {
            let left = swap.probation.map(|left| format!(" for {left} more checkpoints")).unwrap_or_default();
            line(
                "swap",
                format!(
                    "{}: from {} to {}, {}{left}",
                    swap.uids.join(", "),
                    short(&swap.before),
                    swap.digest.as_deref().map_or("the new version", short),
                    swap.phase
                ),
            );
        }
        let mut text = output::printable(&(lines.join("\n") + "\n"));
        if let Some((status, before)) = &self.status {
            text += &format!("\n{}", nodes(status, before).render(width));
            for node in status.nodes.iter().filter(|node| node.is_swapped()) {
                let named = node.file_digest.as_deref().map_or("another", short);
                text += &format!("{} was swapped: the job file names {named}\n", node.uid);
            }
        }
        text
    }

    fn checkpoint_summary(&self, now_ms: i64) -> String {
        let since_start = self.status.as_ref().map(|(status, _)| (status.completed_checkpoints, status.failed_checkpoints));
        let all = self.checkpoints.as_ref().map(|stats| (stats.totals.completed, stats.totals.failed));
        let (completed, failed) = since_start.or(all).unwrap_or_default();
        let mut text = format!("{} completed, {} failed", count(completed), count(failed));
        let last = self.checkpoints.iter().flat_map(|stats| &stats.history).find(|record| record.status == CheckpointStatus::Completed);
        if let Some(last) = last {
            let age = seconds(now_ms.saturating_sub(last.triggered_ms).max(0) as f64 / 1e3);
            text += &format!("; last chk-{}, {} ago, {}", last.checkpoint, age, bytes(last.full_bytes));
        }
        text
    }

    fn json(&self) -> Value {
        let mut value = json!(self.job);
        if let Value::Object(fields) = &mut value {
            let status = self.status.as_ref().map(|(status, before)| {
                let mut value = json!(status);
                let ns = status.at_ns.saturating_sub(before.at_ns);
                let shown = value.get_mut("nodes").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut);
                for ((fields, now), before) in shown.zip(&status.nodes).zip(&before.nodes) {
                    let rates = Rates::of(now, before, ns);
                    fields.insert("busy_share".to_owned(), rates.busy_share.into());
                    fields.insert("records_in_per_second".to_owned(), rates.records_in_per_second.into());
                    fields.insert("records_out_per_second".to_owned(), rates.records_out_per_second.into());
                    fields.insert("swapped".to_owned(), now.is_swapped().into());
                }
                value
            });
            fields.remove("format_version");
            fields.insert("status".to_owned(), status.into());
            fields.insert("checkpoint_totals".to_owned(), json!(self.checkpoints.as_ref().map(|stats| stats.totals)));
        }
        value
    }
}

/// What a node did in a moment.
struct Rates {
    /// The share of its subtasks' time in which they worked, from 0 to 1.
    busy_share: f64,
    records_in_per_second: f64,
    records_out_per_second: f64,
}

impl Rates {
    fn of(now: &Node, before: &Node, ns: u64) -> Self {
        let per = |now: u64, before: u64, ns: f64| if ns > 0.0 { now.saturating_sub(before) as f64 / ns } else { 0.0 };
        Self {
            busy_share: per(now.busy_ns, before.busy_ns, ns as f64 * f64::from(now.parallelism)).min(1.0),
            records_in_per_second: per(now.records_in, before.records_in, ns as f64 / 1e9),
            records_out_per_second: per(now.records_out, before.records_out, ns as f64 / 1e9),
        }
    }
}

fn nodes(status: &Status, before: &Status) -> Table {
    let mut table = Table::new(&["NODE", "KIND", "FUNCTION", "PLUGIN", ">RECORDS IN", ">RECORDS OUT", ">/S", ">KEYS", ">BUSY"]);
    for (now, before_node) in status.nodes.iter().zip(&before.nodes) {
        let rates = Rates::of(now, before_node, status.at_ns.saturating_sub(before.at_ns));
        // Nothing comes into a source.
        let rate = if now.records_in == 0 { rates.records_out_per_second } else { rates.records_in_per_second };
        let swapped = if now.is_swapped() { ", swapped" } else { "" };
        table.row([
            format!("{} ×{}", now.uid, now.parallelism),
            now.kind.clone(),
            now.function.clone().unwrap_or_default(),
            now.digest.as_deref().map(|digest| format!("{}{swapped}", short(digest))).unwrap_or_default(),
            count(now.records_in),
            count(now.records_out),
            rough_count(rate as u64),
            if now.keys > 0 { count(now.keys) } else { String::new() },
            percent(rates.busy_share),
        ]);
    }
    table
}

fn short(digest: &str) -> &str {
    digest.get(..DIGEST_DIGITS).unwrap_or(digest)
}

#[cfg(test)]
mod tests;
