//! What checkpoints cost a job that goes its usual way: throughput, pauses, bytes written.

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::checkpoint::keyed::Run;
use crate::figure::{Figure, Goal, Spread};
use crate::usage::{print, tell};

/// Throughput with checkpoints over throughput without.
const THROUGHPUT_RATIO_MIN: f64 = 0.95;
/// The longest time that the operator emits nothing while a checkpoint is taken: 99 of 100 are shorter.
const STALL_MS_MAX: f64 = 5.0;
/// That with ten times the keys over that with one time.
const STALL_GROWTH_MAX: f64 = 1.5;
/// Bytes written over the raw bytes of changed keys and values; the same for a file with everything.
pub(super) const BYTES_RATIO_MAX: f64 = 1.3;

const KEYS: [u64; 2] = [1_000_000, 10_000_000];

/// Runs at one number of keys and one parallelism.
struct Case {
    name: String,
    without: Vec<Value>,
    with: Vec<Value>,
}

/// All cases: their raw results, and the figures.
pub(crate) fn bench(arguments: &Arguments) -> Result<(Vec<Value>, Vec<Figure>), String> {
    let (mut results, mut figures) = (Vec::new(), Vec::new());
    for parallelism in [1, 2].into_iter().take(if arguments.quick { 1 } else { 2 }) {
        let mut stalls = Vec::new();
        for keys in if arguments.check { vec![5_000] } else { KEYS.to_vec() } {
            let case = run_case(keys, parallelism, arguments)?;
            if arguments.check {
                tell(&format!("{}: checkpoints are taken", case.name));
                continue;
            }
            let of_case = case.figures();
            of_case.iter().for_each(|figure| print(&format!("{}: {} {}", figure.name, figure.spread.show(3), figure.unit)));
            stalls.extend(of_case.iter().find(|figure| figure.name.ends_with("stall-p99")).map(|figure| figure.value));
            figures.extend(of_case);
            results.push(json!({ "case": case.name, "without": case.without, "with": case.with }));
        }
        if let [few, many] = stalls.as_slice() {
            let growth = many / few;
            let spread = Spread { min: growth, median: growth, max: growth };
            figures.push(Figure::median(format!("checkpoint.p{parallelism}.stall-growth"), spread, "ratio", Goal::AtMost(STALL_GROWTH_MAX)));
        }
    }
    Ok((results, figures))
}

fn run_case(keys: u64, parallelism: u32, arguments: &Arguments) -> Result<Case, String> {
    let (interval_ms, measured_ms) = if arguments.check { (100, 500) } else { (1000, arguments.seconds * 1000) };
    let name = format!("checkpoint.{}.p{parallelism}", show_keys(keys));
    let mut case = Case { name, without: Vec::new(), with: Vec::new() };
    let run = Run { keys, parallelism, interval_ms: 0, measured_ms };
    for round in 0..arguments.runs {
        tell(&format!("{}: round {} of {}", case.name, round + 1, arguments.runs));
        case.without.push(run.measure()?);
        let with = Run { interval_ms, ..run }.measure()?;
        if with.pointer("/checkpoints/0").is_none() {
            return Err(format!("{}: no checkpoint was complete in {measured_ms} ms: {with}", case.name));
        }
        case.with.push(with);
    }
    Ok(case)
}

/// `1M`, `250k`.
pub(crate) fn show_keys(keys: u64) -> String {
    if keys.is_multiple_of(1_000_000) { format!("{}M", keys / 1_000_000) } else { format!("{}k", keys / 1000) }
}

fn number(value: &Value, key: &str) -> f64 {
    value.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

impl Case {
    fn figures(&self) -> Vec<Figure> {
        let rate = |run: &Value| number(run, "records") / number(run, "elapsed_ns") * 1e9;
        let cpu = |run: &Value| number(run, "cpu_ns") / number(run, "records");
        let checkpoints = |key: &'static str| list(&self.with, "checkpoints").map(move |one| number(one, key)).filter(|value| !value.is_nan());
        let files = |full: bool| {
            let files = list(&self.with, "files").filter_map(move |file| file.as_array().filter(|file| file.first() == Some(&json!(full))));
            files.filter_map(|file| file.get(2)?.as_f64()).collect::<Vec<_>>()
        };
        let without_gaps = list(&self.without, "longest_gap_by_second_ms").filter_map(Value::as_f64).collect();
        [
            self.median("throughput", self.pairs(rate), "ratio", Goal::AtLeast(THROUGHPUT_RATIO_MIN)),
            self.median("cpu-per-record", self.pairs(cpu), "ratio", Goal::Nothing),
            self.median("cpu-without", self.without.iter().map(cpu).collect(), "ns/record", Goal::Nothing),
            self.median("rate-without", self.without.iter().map(|run| rate(run) / 1e6).collect(), "M records/s", Goal::Nothing),
            self.p99("stall-p99", checkpoints("gap_ms").collect(), Goal::AtMost(STALL_MS_MAX)),
            self.p99("stall-cpu-p99", checkpoints("gap_cpu_ms").collect(), Goal::Nothing),
            self.p99("gap-without-p99", without_gaps, Goal::Nothing),
            self.median("duration", checkpoints("duration_ms").collect(), "ms", Goal::Nothing),
            self.median("bytes-per-change", files(false), "ratio", Goal::AtMost(BYTES_RATIO_MAX)),
            self.median("full-size", files(true), "ratio", Goal::AtMost(BYTES_RATIO_MAX)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Run by run, so that a machine that gets slower counts for both.
    fn pairs(&self, of: impl Fn(&Value) -> f64) -> Vec<f64> {
        self.with.iter().zip(&self.without).map(|(with, without)| of(with) / of(without)).collect()
    }

    fn median(&self, what: &str, values: Vec<f64>, unit: &'static str, goal: Goal) -> Option<Figure> {
        Spread::of(values).map(|spread| Figure::median(format!("{}.{what}", self.name), spread, unit, goal))
    }

    /// Of milliseconds, the one that 99 of 100 don't exceed.
    fn p99(&self, what: &str, values: Vec<f64>, goal: Goal) -> Option<Figure> {
        Figure::percentile(format!("{}.{what}", self.name), values, 99, "ms", goal)
    }
}

/// What all runs have under `key`, one after the other.
fn list<'a>(runs: &'a [Value], key: &'a str) -> impl Iterator<Item = &'a Value> {
    runs.iter().filter_map(move |run| run.get(key)?.as_array()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_run_by_run() {
        let run = |records: u64| json!({ "records": records, "elapsed_ns": 1000, "cpu_ns": 10 });
        let case = Case { name: "x".to_owned(), without: vec![run(100), run(50)], with: vec![run(90), run(50)] };
        assert_eq!(case.pairs(|run| number(run, "records")), [0.9, 1.0]);
    }
}
