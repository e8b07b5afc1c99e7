//! `weir checkpoints`: what the checkpoints of a running or ended job were like.

use std::path::Path;

use weir_checkpoint::paths;
use weir_checkpoint::stats::{CheckpointRecord, CheckpointStats, Kind, Status};
use weir_checkpoint::store::Store;
use weir_model::{Error, Result};

use crate::args::CheckpointsArgs;
use crate::exit_code::ExitCode;
use crate::job;
use crate::machine::{self, Machine};
use crate::output::{self, Table};
use crate::reach;
use crate::registry::{CheckpointPlace, Wanted};

/// Checkpoints that are listed unless all are asked for.
const LISTED: usize = 20;

/// Shows the history, or one checkpoint of it.
///
/// # Errors
/// When the job has no checkpoint folder, or it can't be read.
pub(crate) fn run(args: &CheckpointsArgs, machine: &Machine) -> Result<ExitCode> {
    let (CheckpointPlace { dir, job: job_id }, read) = reach::run(async {
        let place = place(args, machine).await?;
        let read = read(&place).await?;
        Ok((place, read))
    })?;
    let (status, complete, is_locked) = read;
    let Some(status) = status else {
        if complete > 0 {
            let why = format!("{dir}/{job_id} has {complete} of them, and no {} yet", paths::STATUS);
            return Err(Error::usage("there is no history of the checkpoints", why, "look again in a second, or run the job"));
        }
        let why = format!("there is no {} in {dir}/{job_id}", paths::STATUS);
        return Err(Error::usage("there are no checkpoints", why, "run the job with an `interval` in [checkpointing]"));
    };
    let stats = CheckpointStats::from_json(&status)?;
    let record = match args.checkpoint {
        None => None,
        Some(wanted) => {
            let unknown =
                || Error::usage(format!("chk-{wanted}"), "it is not among the last checkpoints of the job", "leave it out to see which there are");
            let mut all = stats.in_progress.iter().chain(&stats.history);
            Some(all.find(|record| record.checkpoint == wanted.0).ok_or_else(unknown)?)
        }
    };
    if args.json {
        // Numbers, texts and lists: there is nothing in them that JSON can't hold.
        let one = |record| serde_json::to_string_pretty(record).unwrap_or_default();
        let text = record.map_or_else(|| String::from_utf8_lossy(&status).into_owned(), one);
        output::print(&format!("{}\n", text.trim_end()))?;
        return Ok(ExitCode::Done);
    }
    let width = machine::terminal_columns(&std::io::stdout());
    let mut text = match record {
        None => history(&stats, machine.clock.wall_ms(), width),
        Some(record) => details(record, width),
    };
    if !stats.in_progress.is_empty() && is_locked == Some(false) {
        text += "\nno process of this machine runs the job: what is said to be under way ended with the last one\n";
    }
    output::print(&text)?;
    Ok(ExitCode::Done)
}

/// The job's status among its checkpoints, how many of them there are, and whether a process of this machine holds the folder.
pub(super) async fn read(place: &CheckpointPlace) -> Result<(Option<Vec<u8>>, usize, Option<bool>)> {
    // Looking must not make folders.
    if !is_there(place) {
        return Ok((None, 0, None));
    }
    let store = Store::open(&place.dir, &place.job)?;
    store.reach().await?;
    Ok((store.get_status().await?.map(|status| status.to_vec()), store.survey().await?.len(), store.is_locked()))
}

/// Whether there may be something in the job's folder.
pub(super) fn is_there(place: &CheckpointPlace) -> bool {
    place.dir.contains("://") || Path::new(&place.dir).join(&place.job).is_dir()
}

/// The checkpoint folder and the job's name in it: from a job file, from the job's folder itself, or from what is known of a job.
async fn place(args: &CheckpointsArgs, machine: &Machine) -> Result<CheckpointPlace> {
    let named = &args.job;
    let text = named.to_string_lossy();
    let none = |remedy: &str| Error::usage(text.clone(), "the job takes no checkpoints", remedy);
    if named.extension().is_some_and(|extension| extension == "toml") {
        let graph = job::read_graph(named, &args.define, machine)?;
        let settings = graph.checkpointing.ok_or_else(|| none("set `interval` in [checkpointing], or name the job's checkpoint folder"))?;
        return Ok(CheckpointPlace { dir: settings.dir, job: paths::job_id(&graph.name) });
    }
    if text.contains('/') || named.is_dir() {
        let text = text.trim_end_matches('/');
        let (dir, job) = text.rsplit_once('/').unwrap_or((".", text));
        return Ok(CheckpointPlace { dir: dir.to_owned(), job: job.to_owned() });
    }
    let found = reach::Found::look(&text, Wanted::Any, machine).await?;
    found.record.checkpoints.ok_or_else(|| none("set `interval` in [checkpointing]"))
}

fn history(stats: &CheckpointStats, now_ms: i64, width: Option<u16>) -> String {
    let totals = stats.totals;
    let count = output::count;
    let (triggered, completed, failed) = (count(totals.triggered), count(totals.completed), count(totals.failed));
    let mut text = format!("{}: {triggered} triggered, {completed} completed, {failed} failed", stats.job);
    if let Some(restored) = stats.restored {
        text += &format!("; restored {} times, last from chk-{}", count(totals.restored), restored.checkpoint);
    }
    text += "\n\n";
    let mut table = Table::new(&[">ID", "KIND", "STATUS", ">TRIGGERED", ">DURATION", ">WRITTEN", ">FULL SIZE"]);
    let records = stats.in_progress.iter().rev().chain(&stats.history);
    for record in records.clone().take(LISTED) {
        let age_s = now_ms.saturating_sub(record.triggered_ms).max(0) as f64 / 1e3;
        table.row([
            format!("chk-{}", record.checkpoint),
            kind(record).to_owned(),
            status(record),
            format!("{} ago", output::seconds(age_s)),
            output::seconds(record.duration_ms as f64 / 1e3),
            output::bytes(record.bytes),
            output::bytes(record.full_bytes),
        ]);
    }
    text += &table.render(width);
    for late in &stats.in_progress {
        text += &format!("\nchk-{} is under way:\n{}", late.checkpoint, operators(late, width));
    }
    for failed in records.take(LISTED) {
        if let Status::Failed { cause } = &failed.status {
            text += &format!("\nchk-{} failed: {}\n", failed.checkpoint, output::printable(cause));
        }
    }
    text
}

fn details(record: &CheckpointRecord, width: Option<u16>) -> String {
    let mut text = format!(
        "chk-{}: {}, {}, {}; {} written, {} in all\n",
        record.checkpoint,
        kind(record),
        status(record),
        output::seconds(record.duration_ms as f64 / 1e3),
        output::bytes(record.bytes),
        output::bytes(record.full_bytes)
    );
    if let Status::Failed { cause } = &record.status {
        text += &format!("{}\n", output::printable(cause));
    }
    text + "\n" + &operators(record, width)
}

fn operators(record: &CheckpointRecord, width: Option<u16>) -> String {
    let mut table = Table::new(&[
        "NODE",
        ">ACKED",
        ">START DELAY",
        ">ALIGNMENT",
        ">SYNC",
        ">ASYNC",
        ">WRITTEN",
        ">FULL SIZE",
        ">IN FLIGHT",
        "WAITS FOR SUBTASKS",
    ]);
    for operator in &record.operators {
        let ms = |ms: u64| format!("{} ms", output::count(ms));
        let us = |us: u64| format!("{:.1} ms", us as f64 / 1e3);
        let timings = operator.timings;
        let missing: Vec<_> = operator.missing.iter().map(ToString::to_string).collect();
        table.row([
            operator.uid.clone(),
            format!("{}/{}", operator.acked, operator.total),
            ms(timings.start_delay_ms),
            ms(timings.alignment_ms),
            us(timings.sync_us),
            us(timings.async_us),
            output::bytes(timings.bytes),
            output::bytes(timings.full_bytes),
            output::bytes(timings.in_flight_bytes),
            missing.join(", "),
        ]);
    }
    let mut text = table.render(width);
    if record.status != Status::Completed {
        for holder in record.holders() {
            let subtasks: Vec<_> = holder.missing.iter().map(ToString::to_string).collect();
            let word = if subtasks.len() == 1 { "subtask" } else { "subtasks" };
            text += &format!("held up by {} ({word} {})\n", holder.uid, subtasks.join(", "));
        }
    }
    text
}

fn kind(record: &CheckpointRecord) -> &'static str {
    match record.kind {
        Kind::Checkpoint => "checkpoint",
        Kind::Drain => "last, input ended",
        Kind::Stop => "last, stopped",
        Kind::Savepoint => "savepoint",
        Kind::Swap => "swap",
    }
}

fn status(record: &CheckpointRecord) -> String {
    match &record.status {
        Status::InProgress => {
            let (acked, total) = record.operators.iter().fold((0, 0), |(acked, total), operator| (acked + operator.acked, total + operator.total));
            format!("in progress, {acked}/{total}")
        }
        Status::Completed => "completed".to_owned(),
        Status::Failed { .. } => "failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_checkpoint::stats::{OperatorRecord, SubtaskTimings, Totals};

    #[test]
    fn the_history_says_who_is_late_and_why_a_checkpoint_failed() {
        let record = |checkpoint, status, missing: &[u32]| CheckpointRecord {
            checkpoint,
            kind: Kind::Checkpoint,
            status,
            triggered_ms: 1_000,
            duration_ms: 20,
            bytes: 2048,
            full_bytes: 4096,
            operators: vec![OperatorRecord {
                uid: "count".to_owned(),
                acked: 2 - missing.len() as u32,
                total: 2,
                missing: missing.to_vec(),
                inputs: Vec::new(),
                timings: SubtaskTimings { sync_us: 1234, async_us: 12_000, alignment_ms: 3, ..SubtaskTimings::default() },
            }],
        };
        let stats = CheckpointStats {
            format_version: 1,
            job: "words".to_owned(),
            updated_ms: 0,
            totals: Totals { triggered: 3, completed: 1, failed: 1, restored: 0, restarts: 2 },
            restored: None,
            in_progress: vec![record(3, Status::InProgress, &[1])],
            history: vec![record(2, Status::Failed { cause: "the disk is full".to_owned() }, &[]), record(1, Status::Completed, &[])],
        };
        let text = history(&stats, 3_000, None);
        for expected in [
            "words: 3 triggered, 1 completed, 1 failed",
            "in progress, 1/2",
            "chk-2 failed: the disk is full",
            "chk-3 is under way",
            "12.0 ms",
            "1.2 ms",
            "held up by count (subtask 1)",
            "4.0 KiB",
        ] {
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
        let waits = text.lines().find(|line| line.starts_with("count")).unwrap();
        assert!(waits.ends_with('1'), "{waits}");
    }
}
