//! `cargo xtask torture`: kills jobs over and over, damages their checkpoints, simulates them by the seed, and says how often which point was hit.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use weir_model::fail_point::FailPoint;
use weir_model::time::{Clock, SystemClock};
use weir_tests::crash::case::{Case, Disturbance, How};
use weir_tests::crash::mutation::{Base, Verdict};
use weir_tests::crash::points::{kill_at, scenario, unasked};
use weir_tests::crash::swaps::{SwapCase, Swapped};
use weir_tests::crash::{Expected, SCENARIOS, random};
use weir_tests::simulation::campaign;

const USAGE: &str = "usage: weir-torture [--kills N] [--swaps N] [--mutations N] [--seeds N] [--seed S] [--only SEED] [--jobs N]";

/// What is damaged: scenarios, and where each is killed before. The newest checkpoint's output is not committed, or is.
const BASES: [(&str, &str); 4] = [
    ("joined, unaligned", "two-coordinators=kill@3"),
    ("joined, unaligned", "all-committed-not-recorded=kill@3"),
    ("generator, three retained", "some-notified=kill@12"),
    ("gzip, full checkpoints", "durable-not-notified=kill@2"),
];

/// What was asked for.
#[derive(Debug)]
struct Request {
    /// Processes to kill.
    kills: u64,
    /// Versions to swap in.
    swaps: u64,
    /// Files to damage.
    mutations: u64,
    /// Jobs to simulate.
    seeds: u64,
    /// The first seed.
    seed: u64,
    /// One case, to see it again.
    only: Option<u64>,
    /// Cases at a time.
    jobs: u64,
}

/// What came of it.
#[derive(Debug, Default)]
struct Report {
    kills: u64,
    cases: u64,
    at_points: BTreeMap<FailPoint, u64>,
    at_random: u64,
    interrupted: u64,
    failed: u64,
    swapped: Swapped,
    refused: u64,
    exact: u64,
    violations: Vec<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(request) = parse(&arguments) else {
        say(USAGE);
        return ExitCode::from(2);
    };
    let bases = if request.mutations > 0 { BASES.map(|(name, point)| Base::new(scenario(name), point)).into() } else { Vec::new() };
    // A violation is told once, in the report.
    std::panic::set_hook(Box::new(|_| {}));
    let clock = SystemClock::default();
    let start_ns = clock.monotonic_ns();
    let report = Mutex::new(Report::default());
    kills(&request, &report);
    swaps(&request, &report);
    mutations(&request, &bases, &report);
    let simulated = (request.seeds > 0).then(|| campaign::run(request.seed, request.seeds, request.jobs, say));
    let seconds = (clock.monotonic_ns() - start_ns) as f64 / 1e9;
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(simulated) = simulated {
        say(&simulated.to_string());
        report.violations.extend(simulated.violations);
    }
    say(&text(&request, &report, seconds));
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(arguments: &[String]) -> Option<Request> {
    let mut request = Request { kills: 0, swaps: 0, mutations: 0, seeds: 0, seed: 1, only: None, jobs: 2 };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let number = words.next()?.parse().ok()?;
        match word.as_str() {
            "--kills" => request.kills = number,
            "--swaps" => request.swaps = number,
            "--mutations" => request.mutations = number,
            "--seeds" => request.seeds = number,
            "--seed" => request.seed = number,
            "--only" => request.only = Some(number),
            "--jobs" => request.jobs = number,
            _ => return None,
        }
    }
    if request.kills == 0 && request.swaps == 0 && request.mutations == 0 && request.seeds == 0 && request.only.is_none() {
        None
    } else {
        Some(request)
    }
}

/// Runs `work` for one seed after another, several at a time, until it says that it is enough.
fn in_parallel(request: &Request, work: impl Fn(u64) -> bool + Sync) {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..request.jobs.max(1) {
            scope.spawn(|| while work(next.fetch_add(1, Ordering::Relaxed)) {});
        }
    });
}

fn kills(request: &Request, report: &Mutex<Report>) {
    let expected: BTreeMap<&str, Expected> = SCENARIOS.iter().map(|scenario| (scenario.name, scenario.expected())).collect();
    in_parallel(request, |number| {
        if locked(report).kills >= request.kills && !(request.only.is_some() && number == 0) {
            return false;
        }
        let seed = request.only.unwrap_or(request.seed + number);
        let case = case(seed, if request.only.is_some() { None } else { Some(number) });
        let folder = case.scenario.folder();
        let outcome = match expected.get(case.scenario.name) {
            Some(expected) => catch_unwind(AssertUnwindSafe(|| case.run(&folder, expected))).unwrap_or_else(|payload| Err(panic_text(&payload))),
            None => Ok(Vec::new()),
        };
        let mut report = locked(report);
        report.cases += 1;
        match outcome {
            Ok(hows) => count(&mut report, &case, &hows),
            Err(why) => {
                // A process was killed all the same.
                report.kills += 1;
                let folder = folder.keep();
                let told = format!("seed {seed}: {case}\n  {why}\n  folder {}", folder.display());
                say(&format!("VIOLATION {told}"));
                report.violations.push(told);
            }
        }
        if report.cases.is_multiple_of(50) {
            say(&format!("{} cases, {} kills, {} violations", report.cases, report.kills, report.violations.len()));
        }
        true
    });
}

/// Each point in its own way first (`number` counts the cases, unless one is wanted again); then by the seed, every second one at a point of its own.
fn case(seed: u64, number: Option<u64>) -> Case {
    let points = unasked();
    let point = |number: u64| points.get(number as usize % points.len()).copied();
    match number.and_then(point) {
        Some(first) if number.is_some_and(|number| number < points.len() as u64) => kill_at(first),
        _ => random::case(seed, if seed.is_multiple_of(2) { point(seed / 2) } else { None }),
    }
}

fn count(report: &mut Report, case: &Case, hows: &[How]) {
    for (run, how) in case.runs.iter().zip(hows) {
        match how {
            How::Killed => {
                report.kills += 1;
                match point_of(&run.disturbance) {
                    Some(point) => *report.at_points.entry(point).or_default() += 1,
                    None => report.at_random += 1,
                }
            }
            How::Interrupted => report.interrupted += 1,
            How::Failed => report.failed += 1,
            How::Done => {}
        }
    }
}

/// Where a run is killed.
fn point_of(disturbance: &Disturbance) -> Option<FailPoint> {
    let Disturbance::Points(points) = disturbance else { return None };
    let killed = points.split(',').find_map(|word| word.split_once("=kill"))?;
    FailPoint::named(killed.0)
}

/// Jobs whose operators are swapped all the time, and which are killed meanwhile.
fn swaps(request: &Request, report: &Mutex<Report>) {
    if request.swaps == 0 {
        return;
    }
    let expected = SwapCase::scenario().expected();
    in_parallel(request, |number| {
        if locked(report).swapped.swaps >= request.swaps {
            return false;
        }
        let case = SwapCase::of(request.seed + number);
        let folder = SwapCase::scenario().folder();
        let outcome = catch_unwind(AssertUnwindSafe(|| case.run(&folder, &expected))).unwrap_or_else(|payload| Err(panic_text(&payload)));
        let mut report = locked(report);
        report.cases += 1;
        match outcome {
            Ok(swapped) => report.swapped += swapped,
            Err(why) => {
                let told = format!("seed {}: {case}\n  {why}\n  folder {}", request.seed + number, folder.keep().display());
                say(&format!("VIOLATION {told}"));
                report.violations.push(told);
            }
        }
        report.violations.len() < 20
    });
}

fn mutations(request: &Request, bases: &[Base], report: &Mutex<Report>) {
    in_parallel(request, |number| {
        if number >= request.mutations {
            return false;
        }
        let Some(base) = bases.get(number as usize % bases.len().max(1)) else { return false };
        let mutation = base.mutation(request.seed + number);
        let outcome = catch_unwind(AssertUnwindSafe(|| base.check(&mutation))).unwrap_or_else(|payload| Err(panic_text(&payload)));
        let mut report = locked(report);
        match outcome {
            Ok(Verdict::Refused) => report.refused += 1,
            Ok(Verdict::Exact) => report.exact += 1,
            Err(why) => {
                let told = format!("mutation {number} of seed {}: {mutation}\n  {why}", request.seed);
                say(&format!("VIOLATION {told}"));
                report.violations.push(told);
            }
        }
        true
    });
}

fn locked(report: &Mutex<Report>) -> std::sync::MutexGuard<'_, Report> {
    report.lock().unwrap_or_else(PoisonError::into_inner)
}

fn panic_text(payload: &Box<dyn std::any::Any + Send>) -> String {
    let text = payload.downcast_ref::<String>().cloned().or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "it panicked".to_owned())
}

/// The report.
fn text(request: &Request, report: &Report, seconds: f64) -> String {
    let mut text = String::new();
    if request.kills > 0 {
        let at_points: u64 = report.at_points.values().sum();
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{} processes killed in {} cases: {at_points} at points, {} at random times",
            report.kills, report.cases, report.at_random
        );
        let _ = writeln!(text, "{} stopped by SIGINT, {} failed by an injected error", report.interrupted, report.failed);
        for point in &unasked() {
            let hits = report.at_points.get(point).copied().unwrap_or_default();
            let _ = writeln!(text, "{hits:>7}  {}", point.name());
        }
    }
    if request.swaps > 0 {
        let Swapped { swaps, returned, refused, lost, kills, kills_returning } = report.swapped;
        let _ =
            writeln!(text, "{swaps} swaps in {} cases: {returned} taken back on trial; {refused} more broke beside the old version", report.cases);
        let _ = writeln!(text, "{kills} processes killed, {kills_returning} of them at a roll-back; {lost} swaps came to nothing");
    }
    if request.mutations > 0 {
        let _ = writeln!(text, "{} damaged files: {} refused by name, {} exact all the same", request.mutations, report.refused, report.exact);
    }
    for violation in &report.violations {
        let _ = writeln!(text, "VIOLATION {violation}");
    }
    let _ = write!(text, "{} violations, seed {}, {seconds:.0} s", report.violations.len(), request.seed);
    text
}

fn say(text: &str) {
    // Nobody may be listening any more.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
