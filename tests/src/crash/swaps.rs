//! Swaps under load: one after another while the job runs, is killed, and runs again, each time with another build of the same code, or with a version
//! that doesn't last: it traps or refuses on trial and is taken back, or is refused beside the old one.

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use weir_checkpoint::swaps::{SwapHistory, SwapOutcome};
use weir_connect::random::Random;
use weir_model::fail_point::FailPoint;

use crate::crash::case::KILLED;
use crate::crash::points::{scenario, unasked};
use crate::crash::random::below;
use crate::crash::{Expected, Scenario};
use crate::job::JobFolder;
use crate::process::Running;

/// The job that is swapped in: it takes two seconds or so at this rate.
const SCENARIO: &str = "generator, three retained";
const RATE: &str = "sources.more.rate=800";
/// A run that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// Builds of the same code.
const BUILDS: u64 = 3;
/// Points that only a swap passes, and how often one does in a run, or less.
const OF_SWAPS: [(FailPoint, u64); 4] =
    [(FailPoint::V2Compiled, 6), (FailPoint::V2Instantiated, 6), (FailPoint::V1Drained, 6), (FailPoint::RollbackStarted, 3)];
/// Counts from which a version that doesn't last fails: the commonest word comes to any of them in a fraction of a run.
const AT_MAX: u64 = 400;
/// More checkpoints than a run has: a version that doesn't last must not outlast its trial.
const WHOLE_RUN: &str = "100000";
/// How long a version runs beside the old one.
const SHADOW: &str = "20ms";
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
}

impl AddAssign for Swapped {
    fn add_assign(&mut self, Self { swaps, returned, refused, lost, kills }: Self) {
        self.swaps += swaps;
        self.returned += returned;
        self.refused += refused;
        self.lost += lost;
        self.kills += kills;
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
        let mut run = || match below(&mut random, 3) {
            0 => Disturbed::Killed(Duration::from_millis(50 + below(&mut random, 1200))),
            1 => {
                let (point, times) = OF_SWAPS.get(below(&mut random, OF_SWAPS.len() as u64) as usize).copied().unwrap_or((FailPoint::V1Drained, 6));
                Disturbed::Point(format!("{}=kill@{}", point.name(), 1 + below(&mut random, times)))
            }
            _ => {
                let points = unasked();
                let point = points.get(below(&mut random, points.len() as u64) as usize).copied().unwrap_or(FailPoint::SomeAcked);
                Disturbed::Point(format!("{}=kill@{}", point.name(), 1 + below(&mut random, 60)))
            }
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
        for run in &self.runs {
            let mut running = self.start(folder, if let Disturbed::Point(points) = run { Some(points) } else { None });
            let after = if let Disturbed::Killed(after) = run { Some(*after) } else { None };
            swap_on(folder, &mut running, after, &mut random, &mut swapped);
            let ended = running.wait();
            match ended.code {
                KILLED => swapped.kills += 1,
                // It was done before the kill came.
                0 => return expected.check(folder).map(|()| Swapped { returned: returned(folder), ..swapped }),
                code => return Err(format!("it ended with code {code}: {}", ended.stderr)),
            }
        }
        let mut running = self.start(folder, None);
        swap_on(folder, &mut running, None, &mut random, &mut swapped);
        let ended = running.wait();
        if ended.code != 0 {
            return Err(format!("the last run ended with code {}: {}", ended.code, ended.stderr));
        }
        expected.check(folder)?;
        Ok(Swapped { returned: returned(folder), ..swapped })
    }

    fn start(&self, folder: &JobFolder, points: Option<&str>) -> Running {
        let (parallelism, at) = (self.parallelism.to_string(), format!("operators.count.config.at={}", self.at));
        let weir = folder.weir(&["run", "job.toml", "-q", "-p", &parallelism, "-D", RATE, "-D", &at]).limit(LIMIT);
        match points {
            None => weir.start(),
            Some(points) => weir.env("WEIR_FAIL_POINTS", points).start(),
        }
    }
}

/// Swaps one operator or both, to one build after another, until the process has ended; kills it `after` a while.
fn swap_on(folder: &JobFolder, running: &mut Running, after: Option<Duration>, random: &mut Random, swapped: &mut Swapped) {
    let mut number = below(random, BUILDS);
    while !running.has_ended() {
        if after.is_some_and(|after| running.age() >= after) {
            running.signal(libc::SIGKILL);
            return;
        }
        number = (number + 1) % BUILDS;
        let words = words(number, random);
        match folder.weir(&words.iter().map(String::as_str).collect::<Vec<_>>()).limit(LIMIT).run().code {
            0 => swapped.swaps += 1,
            INCOMPATIBLE => swapped.refused += 1,
            _ => swapped.lost += 1,
        }
    }
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
