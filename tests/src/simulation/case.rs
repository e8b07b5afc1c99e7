//! What a seed stands for: a job, and the processes that run it, each with its weather and what is done to it.

use std::fmt;
use std::time::Duration;

use weir_checkpoint::faulty::Rates;
use weir_checkpoint::store::Patience;
use weir_connect::random::Random;
use weir_model::fail_point::FailPoint;

use super::network::{Death, Weather};
use super::shape::Shape;

/// Processes that are disturbed, at most.
const RUNS_MAX: u64 = 4;
/// Operations on the store, about as many as a process does.
const OPERATIONS: u64 = 160;
/// Faults end after that time, so that a job must come to its end.
const WEATHER: Duration = Duration::from_secs(20);
/// Subtasks of a node.
const PARALLELISM_MAX: u64 = 3;

/// One simulation.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it follows from.
    pub seed: u64,
    /// The job.
    pub shape: Shape,
    /// How long the store is given.
    pub patience: Patience,
    /// The processes; nothing disturbs the last one.
    pub runs: Vec<Run>,
}

/// One process.
#[derive(Debug, Clone)]
pub struct Run {
    /// Subtasks of a node, unless it says otherwise.
    pub parallelism: u32,
    /// What the store is like.
    pub weather: Weather,
    /// What is done to it.
    pub disturbance: Disturbance,
    /// For the hash tables, the scheduler and the faults.
    pub seed: u64,
}

/// What is done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// Nothing.
    None,
    /// It is killed at that time.
    Kill(Duration),
    /// It is killed at an operation on the store.
    Die(Death),
    /// A step fails, and then perhaps the process is killed.
    Fail {
        /// Where.
        point: FailPoint,
        /// At which passage.
        passage: u64,
        /// Whether the process is killed.
        kill: bool,
    },
    /// It is told to stop.
    Stop(Duration),
    /// Somebody starts the same job a second time.
    Second(Duration),
}

impl Case {
    /// The case of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let shape = Shape::random(&mut random);
        let ms = |ms: u64| Duration::from_millis(ms);
        let patience = Patience {
            deadline: ms(one_of(&mut random, &[300, 2000, 8000])),
            try_timeout: ms(one_of(&mut random, &[40, 250])),
            pause: ms(1),
            pause_max: ms(one_of(&mut random, &[4, 100])),
            is_retried: true,
        };
        let mut runs: Vec<Run> = (0..below(&mut random, RUNS_MAX)).map(|_| disturbed(&mut random, &shape)).collect();
        let (parallelism, seed_of_run) = (parallelism(&mut random, &shape), random.next_u64());
        runs.push(Run { parallelism, weather: Weather::default(), disturbance: Disturbance::None, seed: seed_of_run });
        Self { seed, shape, patience, runs }
    }
}

fn disturbed(random: &mut Random, shape: &Shape) -> Run {
    let busy_ms = 2 * shape.length.as_millis() as u64;
    let some_time = |random: &mut Random| Duration::from_millis(below(random, busy_ms));
    let disturbance = match below(random, 16) {
        0 => Disturbance::None,
        1..5 => Disturbance::Kill(some_time(random)),
        5..7 => Disturbance::Die(Death::Before(1 + below(random, OPERATIONS))),
        7..9 => Disturbance::Die(Death::After(1 + below(random, OPERATIONS))),
        9..12 => Disturbance::Fail { point: point(random), passage: passage(random), kill: below(random, 2) == 0 },
        12..14 => Disturbance::Stop(some_time(random)),
        _ => Disturbance::Second(some_time(random)),
    };
    Run { parallelism: parallelism(random, shape), weather: weather(random, busy_ms), disturbance, seed: random.next_u64() }
}

fn parallelism(random: &mut Random, shape: &Shape) -> u32 {
    if below(random, 3) == 0 { 1 + below(random, PARALLELISM_MAX) as u32 } else { shape.parallelism }
}

fn point(random: &mut Random) -> FailPoint {
    let all = FailPoint::ALL;
    all.get(below(random, all.len() as u64) as usize).copied().unwrap_or(FailPoint::SomeAcked)
}

/// Early ones more often than late ones.
fn passage(random: &mut Random) -> u64 {
    let max = 1 + below(random, 24);
    1 + below(random, max)
}

fn weather(random: &mut Random, busy_ms: u64) -> Weather {
    let rates = match below(random, 8) {
        0..2 => Rates::default(),
        2..5 => Rates { errors: 40, lost_responses: 40, silences: 8, slow: 200, slow_ms_max: 60, broken_lists: 50, partial_lists: 0 },
        5 => Rates { errors: 400, slow: 100, slow_ms_max: 10, ..Rates::default() },
        6 => Rates { lost_responses: 300, silences: 40, ..Rates::default() },
        _ => Rates { slow: 500, slow_ms_max: 1 + below(random, 2000), broken_lists: 300, ..Rates::default() },
    };
    let outage = (below(random, 4) == 0).then(|| {
        let start = Duration::from_millis(below(random, busy_ms));
        start..start + Duration::from_millis(10 + below(random, 4000))
    });
    let late = if below(random, 2) == 0 { 0 } else { 1 + below(random, 120) as u32 };
    let late_max = Duration::from_millis(one_of(random, &[50, 1000, 20_000]));
    Weather { rates, late, late_max, outages: outage.into_iter().collect(), until: WEATHER }
}

/// A number below `end`.
pub(super) fn below(random: &mut Random, end: u64) -> u64 {
    random.next_u64() % end.max(1)
}

/// One of some numbers.
pub(super) fn one_of(random: &mut Random, numbers: &[u64]) -> u64 {
    numbers.get(below(random, numbers.len() as u64) as usize).copied().unwrap_or_default()
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.shape)?;
        self.runs.iter().try_for_each(|run| write!(f, "; {run}"))
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-p {} {:?}", self.parallelism, self.disturbance)?;
        let Weather { rates, late, late_max, outages, .. } = &self.weather;
        if *rates != Rates::default() {
            let Rates { errors, lost_responses, silences, slow, slow_ms_max, broken_lists, .. } = rates;
            write!(f, " errors {errors} lost {lost_responses} silent {silences} slow {slow} ({slow_ms_max} ms) broken lists {broken_lists}")?;
        }
        if *late > 0 {
            write!(f, " late {late} ({late_max:?})")?;
        }
        outages.iter().try_for_each(|outage| write!(f, " outage {outage:?}"))
    }
}
