//! The table `[checkpointing]`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::section::Section;
use crate::settings::{CheckpointMode, CheckpointSettings, Retention};

use super::document::Table;
use super::flink::Aliases;
use super::tables::{is_overruled, join_text, single, take_location, take_u32};

/// Flink's least interval and timeout.
const DURATION_MIN: Duration = Duration::from_millis(10);
/// Flink's default.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(10);
/// Where checkpoints go when the job file says nothing, beside it.
const DEFAULT_DIR: &str = "checkpoints";
/// Where checkpoints go with Flink's storage "jobmanager".
const MEMORY_DIR: &str = "memory://";

const MODES: &[(&str, CheckpointMode)] = &[("exactly-once", CheckpointMode::ExactlyOnce), ("at-least-once", CheckpointMode::AtLeastOnce)];
const RETENTIONS: &[(&str, Retention)] = &[
    ("delete-on-cancellation", Retention::DeleteOnCancellation),
    ("retain-on-cancellation", Retention::RetainOnCancellation),
    ("none", Retention::None),
];
const FLINK_RETENTIONS: &[(&str, Retention)] = &[("no-externalized-checkpoints", Retention::None)];

/// A value and its line.
type At<T> = (T, usize);

/// Reads `[checkpointing]`; `None`: it has neither an interval nor a place for savepoints, so that no snapshot is ever taken.
///
/// # Errors
/// A usage error for a value that is wrong by itself or beside another one, also when there is no interval.
pub(super) fn read(root: &mut Table, file: &Arc<str>, base: &Path, aliases: &Aliases) -> Result<Option<CheckpointSettings>> {
    let Some(mut section) = single(root, "checkpointing", file, aliases) else { return Ok(None) };
    let interval = take_bounded(&mut section, "interval", "leave it out for no checkpoints")?;
    let mode = section.take_flink_choice("mode", MODES, &[])?;
    let min_pause = section.take_duration("min-pause")?.map_or(Duration::ZERO, |(pause, _)| pause);
    let timeout = take_bounded(&mut section, "timeout", "leave it out for \"10min\"")?.unwrap_or(DEFAULT_TIMEOUT);
    let max_concurrent = take_u32(&mut section, "max-concurrent-checkpoints", 1, "no checkpoint could ever start")?;
    let tolerable_failures = take_u32(&mut section, "tolerable-failed-checkpoints", 0, "")?.map_or(0, |(failures, _)| failures);
    let retention = section.take_flink_choice("externalized-checkpoint-retention", RETENTIONS, FLINK_RETENTIONS)?;
    let num_retained = take_u32(&mut section, "num-retained", 1, "a job that fails needs its newest checkpoint")?.map_or(1, |(number, _)| number);
    let unaligned = section.take_bool("unaligned")?;
    let aligned_timeout = section.take_duration("aligned-checkpoint-timeout")?;
    let dir = take_dir(&mut section, base)?;
    let savepoint_dir = take_location(&mut section, "savepoint-dir", base)?.map(|(dir, _)| dir);
    let place = section.without_keys();
    section.finish()?;
    let unaligned = check_unaligned(&place, unaligned, mode, max_concurrent)?;
    let aligned_timeout = check_aligned_timeout(&place, aligned_timeout, unaligned)?;
    if interval.is_none() && savepoint_dir.is_none() {
        return Ok(None);
    }
    Ok(Some(CheckpointSettings {
        interval,
        mode: mode.map_or(CheckpointMode::ExactlyOnce, |(mode, _)| mode),
        min_pause,
        timeout,
        // A pause after each checkpoint means that there is one at a time, as in Flink.
        max_concurrent: if min_pause.is_zero() { max_concurrent.map_or(1, |(number, _)| number) } else { 1 },
        tolerable_failures,
        retention: retention.map_or(Retention::DeleteOnCancellation, |(retention, _)| retention),
        num_retained,
        unaligned: matches!(unaligned, Some((true, _))),
        aligned_timeout,
        dir: dir.map_or_else(|| join_text(&place, base, DEFAULT_DIR), Ok)?,
        savepoint_dir,
    }))
}

/// Takes a duration that Flink bounds from below.
fn take_bounded(section: &mut Section, key: &'static str, instead: &str) -> Result<Option<Duration>> {
    match section.take_duration(key)? {
        Some((duration, line)) if duration < DURATION_MIN => {
            let remedy = format!("write 10 ms or more, such as `{key} = \"10s\"`, or {instead}");
            Err(section.key_error(line, key, "it is shorter than 10 ms", remedy))
        }
        duration => Ok(duration.map(|(duration, _)| duration)),
    }
}

/// Takes where checkpoints lie: `dir`, or what Flink's `storage` stands for.
fn take_dir(section: &mut Section, base: &Path) -> Result<Option<String>> {
    let in_memory = section.take_flink_choice("storage", &[("filesystem", false), ("jobmanager", true)], &[])?;
    match (in_memory, take_location(section, "dir", base)?) {
        (Some((true, line)), Some((dir, dir_line))) => match (is_overruled(line, dir_line), is_overruled(dir_line, line)) {
            (true, _) => Ok(Some(MEMORY_DIR.to_owned())),
            (_, true) => Ok(Some(dir)),
            _ => {
                let why = "\"jobmanager\" keeps checkpoints in memory, and `dir` names a folder for them";
                Err(section.key_error(line, "storage", why, "remove one of the two; only checkpoints in a folder outlive the process"))
            }
        },
        (Some((true, _)), None) => Ok(Some(MEMORY_DIR.to_owned())),
        (_, dir) => Ok(dir.map(|(dir, _)| dir)),
    }
}

/// Whether barriers overtake, and the line that says so; `None`: nothing says so.
fn check_unaligned(
    place: &Section,
    unaligned: Option<At<bool>>,
    mode: Option<At<CheckpointMode>>,
    max_concurrent: Option<At<u32>>,
) -> Result<Option<At<bool>>> {
    let Some((true, line)) = unaligned else { return Ok(unaligned) };
    match (mode, max_concurrent) {
        (Some((CheckpointMode::AtLeastOnce, mode_line)), _) => {
            let overruled = is_overruled(mode_line, line);
            let why = "with the mode \"at-least-once\" no barrier waits, so that none has anything to overtake";
            let remedy = "set `mode` to \"exactly-once\", or remove `unaligned`";
            if overruled { Ok(Some((false, mode_line))) } else { Err(place.key_error(line, "unaligned", why, remedy)) }
        }
        (_, Some((number, _))) if number > 1 => {
            let why = format!("max-concurrent-checkpoints is {number}, and barriers may overtake for one checkpoint at a time");
            Err(place.key_error(line, "unaligned", why, "set `max-concurrent-checkpoints` to 1, or remove `unaligned`"))
        }
        _ => Ok(unaligned),
    }
}

fn check_aligned_timeout(place: &Section, timeout: Option<At<Duration>>, unaligned: Option<At<bool>>) -> Result<Duration> {
    match timeout {
        Some((timeout, line)) if !timeout.is_zero() && !matches!(unaligned, Some((true, _))) => {
            let why = "it says when barriers begin to overtake, and without `unaligned` they never do";
            let remedy = "set `unaligned` to true, or remove `aligned-checkpoint-timeout`";
            let overruled = unaligned.is_some_and(|(_, by_line)| is_overruled(by_line, line));
            if overruled { Ok(Duration::ZERO) } else { Err(place.key_error(line, "aligned-checkpoint-timeout", why, remedy)) }
        }
        timeout => Ok(timeout.map_or(Duration::ZERO, |(timeout, _)| timeout)),
    }
}
