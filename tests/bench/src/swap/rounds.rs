//! Rounds of runs, and their figures: what the job can take, swaps at four fifths of that, a savepoint, the run from it, and the bare programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use weir_model::time::{Clock, SystemClock};

use super::bare::totals;
use super::job::Load;
use super::live::Run;
use crate::arguments::Arguments;
use crate::checkpoint::{first_line, show_keys};
use crate::figure::{Figure, Goal, Spread};
use crate::usage::{load, tell};

/// Without output for a swap that changes no state, milliseconds.
const SAME_P50_MS_MAX: f64 = 3.0;
const SAME_P99_MS_MAX: f64 = 15.0;
/// For one with a new schema version.
const MIGRATED_P99_MS_MAX: f64 = 50.0;
/// From a trap to the output of the version before.
const RETURN_P99_MS_MAX: f64 = 200.0;
/// The source's rate, of that which the job can take.
const RATE: f64 = 0.8;
/// The schema versions that `key-count` has a migration to.
const MIGRATIONS: u64 = 4;

/// How much of everything.
struct Size {
    keys: u64,
    interval_ms: u64,
    quiet_ms: u64,
    same: u64,
    trapped: u64,
    migrated_ms: u64,
}

const FULL: Size = Size { keys: 10_000_000, interval_ms: 1000, quiet_ms: 5000, same: 25, trapped: 5, migrated_ms: 4000 };
const CHECK: Size = Size { keys: 5_000, interval_ms: 100, quiet_ms: 300, same: 3, trapped: 1, migrated_ms: 50 };

/// What all rounds measured.
pub(super) struct Rounds {
    keys: u64,
    pub(super) results: Vec<Value>,
}

impl Rounds {
    pub(super) fn run(arguments: &Arguments) -> Result<Self, String> {
        let size = if arguments.check { CHECK } else { FULL };
        let is_wanted = |part: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == part);
        let (with_swaps, with_bare) = (is_wanted("swap"), is_wanted("savepoint"));
        let mut results = Vec::new();
        for number in 0..arguments.runs {
            tell(&format!("swap: round {} of {}, load {}", number + 1, arguments.runs, load()));
            results.push(round(&size, with_swaps, with_bare)?);
        }
        Ok(Self { keys: size.keys, results })
    }
}

fn round(size: &Size, with_swaps: bool, with_bare: bool) -> Result<Value, String> {
    let (load_before, full_speed) = (load(), Load { keys: size.keys, rate: 0, interval_ms: size.interval_ms });
    let dir = empty_dir()?;
    let alone =
        Run { dir, load: full_speed, quiet_ms: size.quiet_ms, same: 0, trapped: 0, migrated: 0, migrated_ms: 0, from: None, savepoints: false };
    let most = rate(&alone.measure()?)?;
    let at_rate = Load { rate: (most * RATE) as u64, ..full_speed };
    let (same, trapped, migrated) = if with_swaps { (size.same, size.trapped, MIGRATIONS) } else { (0, 0, 0) };
    let run = Run { dir: empty_dir()?, load: at_rate, same, trapped, savepoints: true, ..alone };
    let mut swapped = run.measure()?;
    let savepoint = text(&swapped, "/stopped/location")?;
    let begun_ms = SystemClock::new().wall_ms();
    let again = Run { same: 0, trapped: 0, migrated, migrated_ms: size.migrated_ms, quiet_ms: 0, from: Some(savepoint.clone()), ..run };
    let mut goes_on = again.measure()?;
    let bare = if with_bare { bare(&savepoint, &again.dir)? } else { Value::Null };
    for run in [&mut swapped, &mut goes_on] {
        let (found, counted) = (totals(&text(run, "/stopped/location")?)?, number(run, "/ends/records")?);
        if number(&found, "/records")? != counted || number(&found, "/rows")? != size.keys as f64 {
            return Err(format!("the savepoint has {found}, but {} keys of {counted} records were counted", size.keys));
        }
        // A record says nothing of where it was made.
        run.pointer_mut("/stopped").and_then(Value::as_object_mut).map(|stopped| stopped.remove("location"));
    }
    Ok(
        json!({ "load_before": load_before, "most_a_second": most, "rate": at_rate.rate, "begun_ms": begun_ms, "swapped": swapped, "again": goes_on, "bare": bare }),
    )
}

/// Writes the savepoint's rows to a file, and reads them from there.
fn bare(savepoint: &str, dir: &Path) -> Result<Value, String> {
    let (this, file) = (std::env::current_exe().map_err(explain)?, dir.join("bare"));
    let copied = Command::new(&this).arg("copy-bare").arg(savepoint).arg(&file).output().map_err(explain)?;
    if !copied.status.success() {
        return Err(format!("copy-bare failed: {}", String::from_utf8_lossy(&copied.stderr)));
    }
    let written: Value = serde_json::from_slice(&copied.stdout).map_err(|error| error.to_string())?;
    let (lines, seconds) = first_line(Command::new(&this).arg("load-bare").arg(&file), 1)?;
    if lines.first().map(String::as_str) != written.get("rows").map(Value::to_string).as_deref() {
        return Err(format!("load-bare read {lines:?} rows of {written}"));
    }
    Ok(json!({ "written": written, "read_s": seconds.elapsed }))
}

fn rate(run: &Value) -> Result<f64, String> {
    Ok(number(run, "/quiet/records")? / number(run, "/quiet/elapsed_ns")? * 1e9)
}

fn number(value: &Value, at: &str) -> Result<f64, String> {
    value.pointer(at).and_then(Value::as_f64).ok_or_else(|| format!("there is no {at} in {value}"))
}

fn text(value: &Value, at: &str) -> Result<String, String> {
    Ok(value.pointer(at).and_then(Value::as_str).ok_or_else(|| format!("there is no {at} in {value}"))?.to_owned())
}

/// An empty folder for a run.
fn empty_dir() -> Result<PathBuf, String> {
    let dir = std::env::current_dir().map_err(explain)?.join("target/bench/swap");
    match fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(format!("{}: {error}", dir.display())),
        _ => {}
    }
    fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    Ok(dir)
}

fn explain(error: std::io::Error) -> String {
    error.to_string()
}

/// What is asked of a figure.
#[derive(Debug, Clone, Copy)]
enum Of {
    Percentile(usize, Goal),
    Median,
}

impl Rounds {
    pub(super) fn figures(&self) -> Vec<Figure> {
        use Of::{Median, Percentile};
        let nothing = |percent| Percentile(percent, Goal::Nothing);
        let at_most = |percent, limit| Percentile(percent, Goal::AtMost(limit));
        let restored = self.difference("/again/ends/first_output_ms", "/begun_ms");
        let read_bare = self.each(|round| number(round, "/bare/read_s").ok());
        let told = [
            ("swap", "rate-max", "M records/s", Median, self.each(|round| Some(number(round, "/most_a_second").ok()? / 1e6))),
            ("swap", "rate", "M records/s", Median, self.each(|round| Some(rate(round.get("swapped")?).ok()? / 1e6))),
            ("swap", "same.gap-p50", "ms", at_most(50, SAME_P50_MS_MAX), self.all("/swapped/same", "gap_ms")),
            ("swap", "same.gap-p99", "ms", at_most(99, SAME_P99_MS_MAX), self.all("/swapped/same", "gap_ms")),
            ("swap", "same.gap-cpu-p99", "ms", nothing(99), self.all("/swapped/same", "gap_cpu_ms")),
            ("swap", "same.preparing-p99", "ms", nothing(99), self.all("/swapped/same", "preparing_gap_ms")),
            ("swap", "same.switching-p99", "ms", nothing(99), self.all("/swapped/same", "switching_gap_ms")),
            ("swap", "same.held-p99", "us", nothing(99), self.all("/swapped/same", "held_us")),
            ("swap", "same.took", "ms", Median, self.all("/swapped/same", "took_ms")),
            ("swap", "without.gap-p50", "ms", nothing(50), self.all("/swapped/quiet/gaps_ms", "")),
            ("swap", "without.gap-p99", "ms", nothing(99), self.all("/swapped/quiet/gaps_ms", "")),
            ("swap", "migrated.gap-p99", "ms", at_most(99, MIGRATED_P99_MS_MAX), self.all("/again/migrated", "gap_ms")),
            ("swap", "migrated.gap-cpu-p99", "ms", nothing(99), self.all("/again/migrated", "gap_cpu_ms")),
            ("swap", "migrated.held-p99", "us", nothing(99), self.all("/again/migrated", "held_us")),
            ("swap", "migrated.after-p99", "ms", nothing(99), self.all("/again/migrated", "after_ms")),
            ("swap", "returned.gap-p50", "ms", nothing(50), self.all("/swapped/trapped", "gap_ms")),
            ("swap", "returned.gap-p99", "ms", at_most(99, RETURN_P99_MS_MAX), self.all("/swapped/trapped", "gap_ms")),
            ("swap", "returned.on-trial", "ms", Median, self.all("/swapped/trapped", "on_trial_ms")),
            ("swap", "returned.process-cpu-p99", "ms", nothing(99), self.all("/swapped/trapped", "gap_process_cpu_ms")),
            ("swap", "stop-and-run", "s", Median, self.difference("/again/ends/first_output_ms", "/swapped/ends/last_output_ms")),
            ("savepoint", "take", "s", Median, self.seconds("/swapped/savepoint/took_ms")),
            ("savepoint", "take-gap", "ms", Median, self.each(|round| number(round, "/swapped/savepoint/gap_ms").ok())),
            ("savepoint", "take-and-stop", "s", Median, self.seconds("/swapped/stopped/took_ms")),
            ("savepoint", "take-bare", "s", Median, self.seconds("/bare/written/took_ms")),
            ("savepoint", "take-and-stop-over-bare", "ratio", Median, self.ratio("/swapped/stopped/took_ms", "/bare/written/took_ms")),
            ("savepoint", "bytes", "MB", Median, self.each(|round| Some(number(round, "/swapped/stopped/bytes").ok()? / 1e6))),
            ("savepoint", "bytes-over-bare", "ratio", Median, self.ratio("/swapped/stopped/bytes", "/bare/written/bytes")),
            ("savepoint", "restore", "s", Median, restored.clone()),
            ("savepoint", "restore-bare", "s", Median, read_bare.clone()),
            ("savepoint", "restore-over-bare", "ratio", Median, restored.iter().zip(&read_bare).map(|(restored, read)| restored / read).collect()),
        ];
        let figure = |(part, what, unit, of, values): (&str, &str, &'static str, Of, Vec<f64>)| {
            let name = format!("{part}.{}.{what}", show_keys(self.keys));
            match of {
                Percentile(percent, goal) => Figure::percentile(name, values, percent, unit, goal),
                Median => Some(Figure::median(name, Spread::of(values)?, unit, Goal::Nothing)),
            }
        };
        told.into_iter().filter_map(figure).collect()
    }
    fn each(&self, of: impl Fn(&Value) -> Option<f64>) -> Vec<f64> {
        self.results.iter().filter_map(of).collect()
    }

    /// What all items of the lists at `at` have under `key`; without a key, the items themselves.
    fn all(&self, at: &str, key: &str) -> Vec<f64> {
        let items = self.results.iter().filter_map(|round| round.pointer(at)?.as_array()).flatten();
        items.filter_map(|item| if key.is_empty() { item.as_f64() } else { item.get(key)?.as_f64() }).collect()
    }

    /// Seconds between two moments in milliseconds.
    fn difference(&self, later: &str, earlier: &str) -> Vec<f64> {
        self.each(|round| Some((number(round, later).ok()? - number(round, earlier).ok()?) / 1000.0))
    }

    fn seconds(&self, at: &str) -> Vec<f64> {
        self.each(|round| Some(number(round, at).ok()? / 1000.0))
    }

    /// Round by round.
    fn ratio(&self, of: &str, to: &str) -> Vec<f64> {
        self.each(|round| Some(number(round, of).ok()? / number(round, to).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_gathered_over_all_rounds() {
        let round = |gaps: [f64; 2], to_ms: u64| {
            json!({ "swapped": { "same": [{ "gap_ms": gaps[0] }, { "gap_ms": gaps[1] }], "stopped": { "took_ms": to_ms } }, "begun_ms": 1000,
                                                          "again": { "ends": { "first_output_ms": to_ms } } })
        };
        let rounds = Rounds { keys: 10_000_000, results: vec![round([1.0, 2.0], 3000), round([4.0, 3.0], 5000)] };
        let figures = rounds.figures();
        let check = |name: &str, line: &str| assert_eq!(figures.iter().find(|figure| figure.name == name).unwrap().line(), line);
        check("swap.10M.same.gap-p50", "figure swap.10M.same.gap-p50 2.000 ms goal <= 3 met");
        check("swap.10M.same.gap-p99", "figure swap.10M.same.gap-p99 4.000 ms goal <= 15 met");
        check("savepoint.10M.restore", "figure savepoint.10M.restore 4.000 s");
        check("savepoint.10M.take-and-stop", "figure savepoint.10M.take-and-stop 5.000 s");
        assert!(figures.iter().all(|figure| figure.name != "savepoint.10M.take-bare"));
    }
}
