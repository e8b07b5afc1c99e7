//! Swaps under load: one after another while the job runs, is killed, and runs again, each time with another build of the same code.

use std::fmt;
use std::time::Duration;

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
/// Points that only a swap passes.
const OF_SWAPS: [FailPoint; 3] = [FailPoint::V2Compiled, FailPoint::V2Instantiated, FailPoint::V1Drained];

/// Runs that are disturbed, and a last one that isn't; operators are swapped in all of them.
#[derive(Debug, Clone)]
pub struct SwapCase {
    runs: Vec<Disturbed>,
    parallelism: u32,
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
    /// Swaps of which nobody heard again, because the job was killed or had ended, or that came beside another.
    pub lost: u64,
    /// Processes that were killed.
    pub kills: u64,
}

impl fmt::Display for SwapCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "swaps at parallelism {}", self.parallelism)?;
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
                let point = OF_SWAPS.get(below(&mut random, OF_SWAPS.len() as u64) as usize).copied().unwrap_or(FailPoint::V1Drained);
                Disturbed::Point(format!("{}=kill@{}", point.name(), 1 + below(&mut random, 6)))
            }
            _ => {
                let points = unasked();
                let point = points.get(below(&mut random, points.len() as u64) as usize).copied().unwrap_or(FailPoint::SomeAcked);
                Disturbed::Point(format!("{}=kill@{}", point.name(), 1 + below(&mut random, 60)))
            }
        };
        let runs = vec![run(), run()];
        Self { runs, parallelism: 1 + (seed % 3) as u32, seed }
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
        let code = std::fs::read(crate::built::plugin("word_count")).map_err(|error| error.to_string())?;
        for number in 0..BUILDS {
            // A custom section behind the code changes nothing but the digest.
            folder.write(&format!("build-{number}.wasm"), [code.as_slice(), &[0, 3, 1, b'b', number as u8]].concat());
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
                0 => return expected.check(folder).map(|()| swapped),
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
        Ok(swapped)
    }

    fn start(&self, folder: &JobFolder, points: Option<&str>) -> Running {
        let parallelism = self.parallelism.to_string();
        let weir = folder.weir(&["run", "job.toml", "-q", "-p", &parallelism, "-D", RATE]).limit(LIMIT);
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
        let build = format!("build-{number}.wasm");
        let mut words = vec!["swap", "crash", "count"];
        if below(random, 3) == 0 {
            words.push("tokenize");
        }
        words.push(&build);
        let probation = below(random, 4).to_string();
        words.extend(["--probation", &probation]);
        match folder.weir(&words).limit(LIMIT).run().code {
            0 => swapped.swaps += 1,
            _ => swapped.lost += 1,
        }
    }
}
