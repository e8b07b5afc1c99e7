//! Swaps under load: one after another while the job runs, is killed, and runs again, each time with another build of the same code, or with a version
//! that doesn't last: it traps or refuses on trial and is taken back, or is refused beside the old one.

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use weir_checkpoint::swaps::{SwapHistory, SwapOutcome};
use weir_connect::random::Random;
use weir_model::fail_point::FailPoint;

use crate::crash::case::{KILLED, was_over};
use crate::crash::points::{scenario, unasked};
use crate::crash::random::below;
use crate::crash::{Expected, Scenario};
use crate::job::JobFolder;
use crate::process::{Ended, RUN_DIR, Running};

/// The job that is swapped in: it takes two seconds or so at this rate.
const SCENARIO: &str = "generator, three retained";
const RATE: &str = "sources.more.rate=800";
/// A run that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// Builds of the same code.
const BUILDS: u64 = 3;
/// Points that only a swap passes.
const OF_SWAPS: [FailPoint; 3] = [FailPoint::V2Compiled, FailPoint::V2Instantiated, FailPoint::V1Drained];
/// Counts from which a version that doesn't last fails: the commonest word comes to any of them in a fraction of a run.
const AT_MAX: u64 = 200;
/// More checkpoints than a run has: a version that doesn't last must not outlast its trial.
const WHOLE_RUN: &str = "100000";
/// How long a version runs beside the old one.
const SHADOW: &str = "20ms";
/// Before a job that couldn't be asked, or couldn't swap, is asked again: it has its next checkpoint by then.
const PAUSE: Duration = Duration::from_millis(10);
/// What a command gives as its code when a new version doesn't fit.
const INCOMPATIBLE: i32 = 3;

/// Runs that are disturbed, and a last one that isn't; operators are swapped in all of them.
#[derive(Debug, Clone)]
pub struct SwapCase {
    runs: Vec<Disturbed>,
    parallelism: u32,
    at: u64,
    seed: u64,
}

#[derive(Debug, Clone)]
enum Disturbed {
    Point(String),
    Killed(Duration),
}

impl Disturbed {
    /// Whether it comes when a version is about to be taken back.
    fn is_return(&self) -> bool {
        matches!(self, Self::Point(points) if points.starts_with(FailPoint::RollbackStarted.name()))
    }
}

/// What came of a case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swapped {
    /// Swaps whose checkpoint was complete.
    pub swaps: u64,
    /// Those of them that were taken back on trial.
    pub returned: u64,
    /// New versions that broke beside the old one, and never ran.
    pub refused: u64,
    /// Swaps of which nobody heard again, because the job was killed or had ended, or that came beside another.
    pub lost: u64,
    /// Processes that were killed.
    pub kills: u64,
    /// Those of them that were about to take a version back.
    pub kills_returning: u64,
}

impl AddAssign for Swapped {
    fn add_assign(&mut self, Self { swaps, returned, refused, lost, kills, kills_returning }: Self) {
        self.swaps += swaps;
        self.returned += returned;
        self.refused += refused;
        self.lost += lost;
        self.kills += kills;
        self.kills_returning += kills_returning;
    }
}

impl fmt::Display for SwapCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "swaps at parallelism {}, faults at count {}", self.parallelism, self.at)?;
        self.runs.iter().try_for_each(|run| match run {
            Disturbed::Point(points) => write!(f, ", {points}"),
            Disturbed::Killed(after) => write!(f, ", killed after {after:?}"),
        })
    }
}

impl SwapCase {
    /// The case of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut run = || {
            let (points, times) = match below(&mut random, 4) {
                0 => return Disturbed::Killed(Duration::from_millis(50 + below(&mut random, 1200))),
                1 => (OF_SWAPS.to_vec(), 6),
                2 => (vec![FailPoint::RollbackStarted], 2),
                _ => (unasked(), 60),
            };
            let point = points.get(below(&mut random, points.len() as u64) as usize).copied().unwrap_or(FailPoint::SomeAcked);
            Disturbed::Point(format!("{}=kill@{}", point.name(), 1 + below(&mut random, times)))
        };
        let runs = vec![run(), run()];
        Self { runs, parallelism: 1 + (seed % 3) as u32, at: 1 + below(&mut random, AT_MAX), seed }
    }

    /// The job, as its folder is made.
    #[must_use]
    pub fn scenario() -> &'static Scenario {
        scenario(SCENARIO)
    }

    /// Runs it in a folder that its scenario has prepared.
    ///
    /// # Errors
    /// What is lost, doubled, or not as it should be.
    pub fn run(&self, folder: &JobFolder, expected: &Expected) -> Result<Swapped, String> {
        for plugin in ["word_count", "upgrades"] {
            let code = std::fs::read(crate::built::plugin(plugin)).map_err(|error| error.to_string())?;
            for number in 0..BUILDS {
                // A custom section behind the code changes nothing but the digest.
                folder.write(&format!("{plugin}-{number}.wasm"), [code.as_slice(), &[0, 3, 1, b'b', number as u8]].concat());
            }
        }
        let (mut swapped, mut random) = (Swapped::default(), Random::new(self.seed ^ 0x5a5a));
        for run in self.runs.iter().map(Some).chain([None]) {
            let ended = self.swap_during(folder, run, &mut random, &mut swapped);
            match (run, ended.code) {
                (Some(run), KILLED) => {
                    swapped.kills += 1;
                    swapped.kills_returning += u64::from(run.is_return());
                }
                // It was done before the kill came.
                (_, 0) => break,
                _ if was_over(&ended, folder) => break,
                (_, code) => return Err(format!("it ended with code {code}: {}", ended.stderr)),
            }
        }
        expected.check(folder)?;
        Ok(Swapped { returned: returned(folder), ..swapped })
    }

    /// Runs the job, and swaps one operator or both, to one build after another, until it has ended.
    fn swap_during(&self, folder: &JobFolder, run: Option<&Disturbed>, random: &mut Random, swapped: &mut Swapped) -> Ended {
        let jobs_before = registered(folder);
        let mut running = self.start(folder, run);
        let mut number = below(random, BUILDS);
        while !running.has_ended() {
            if matches!(run, Some(Disturbed::Killed(after)) if running.age() >= *after) {
                running.signal(libc::SIGKILL);
                break;
            }
            if registered(folder) == jobs_before {
                // Nobody can ask it anything yet.
                std::thread::park_timeout(PAUSE);
                continue;
            }
            number = (number + 1) % BUILDS;
            let words = words(number, random);
            match folder.weir(&words.iter().map(String::as_str).collect::<Vec<_>>()).limit(LIMIT).run().code {
                0 => swapped.swaps += 1,
                INCOMPATIBLE => swapped.refused += 1,
                _ => {
                    // Mostly because the version before is still on trial.
                    swapped.lost += 1;
                    std::thread::park_timeout(PAUSE);
                }
            }
        }
        running.wait()
    }

    fn start(&self, folder: &JobFolder, run: Option<&Disturbed>) -> Running {
        let (parallelism, at) = (self.parallelism.to_string(), format!("operators.count.config.at={}", self.at));
        let weir = folder.weir(&["run", "job.toml", "-q", "-p", &parallelism, "-D", RATE, "-D", &at]).limit(LIMIT);
        match run {
            Some(Disturbed::Point(points)) => weir.env("WEIR_FAIL_POINTS", points).start(),
            _ => weir.start(),
        }
    }
}

/// How many jobs were ever registered in the folder.
fn registered(folder: &JobFolder) -> usize {
    folder.names(RUN_DIR).iter().filter(|name| name.ends_with(".json")).count()
}

/// A swap: mostly of the same code, at times of code that doesn't last.
fn words(number: u64, random: &mut Random) -> Vec<String> {
    let mut words = vec!["swap", "crash", "count"];
    let (same, faulty) = (format!("word_count-{number}.wasm"), format!("upgrades-{number}.wasm"));
    let probation = below(random, 4).to_string();
    let fault = |function| vec!["--function", function, "--probation", WHOLE_RUN];
    match below(random, 12) {
        0 => words.extend([&[faulty.as_str()][..], &fault("trap-at")].concat()),
        1 => words.extend([&[faulty.as_str()][..], &fault("refuse-at")].concat()),
        2 => words.extend([&[faulty.as_str(), "--shadow", SHADOW][..], &fault("trap-at")].concat()),
        3 => words.extend([same.as_str(), "--shadow", SHADOW, "--probation", &probation]),
        4..7 => words.extend(["tokenize", &same, "--probation", &probation]),
        _ => words.extend([same.as_str(), "--probation", &probation]),
    }
    words.into_iter().map(str::to_owned).collect()
}

/// How many versions were taken back, as the job has written it down.
fn returned(folder: &JobFolder) -> u64 {
    let history = std::fs::read(folder.path().join("checkpoints/crash/swaps.json")).unwrap_or_default();
    let history = SwapHistory::from_json(&history).unwrap_or_default();
    history.0.iter().filter(|swap| swap.outcome == SwapOutcome::Returned).count() as u64
}
