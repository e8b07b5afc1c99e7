//! Cases by the seed: any scenario, killed at points and at times that nobody has thought of.

use std::time::Duration;

use weir_connect::random::Random;
use weir_model::fail_point::FailPoint;

use crate::crash::case::{Case, Disturbance, Run};
use crate::crash::points::{BEFORE_RESTORE, armed, is_of_restore, is_passed_in};
use crate::crash::{PLAIN, SCENARIOS, Scenario};

/// Runs that are disturbed, at most.
const RUNS_MAX: u64 = 4;
/// Passages of a point, at most.
const PASSAGE_MAX: u64 = 24;
/// A little more than a job takes, in microseconds.
const TIME_US_MAX: u64 = 500_000;
/// What the parallelism is changed to, at most.
const PARALLELISM_MAX: u64 = 3;

/// The case of a seed. `at` is a point that it must be killed at, if it gets there.
#[must_use]
pub fn case(seed: u64, at: Option<FailPoint>) -> Case {
    let mut random = Random::new(seed);
    let scenarios: Vec<&Scenario> = SCENARIOS.iter().filter(|scenario| at.is_none_or(|at| is_passed_in(at, scenario))).collect();
    let scenario = scenarios.get(below(&mut random, scenarios.len() as u64) as usize).copied().copied().unwrap_or(PLAIN);
    let parallelism = |random: &mut Random| match below(random, 4) {
        0 => 1 + below(random, PARALLELISM_MAX) as u32,
        _ => scenario.parallelism,
    };
    let mut runs = Vec::new();
    if at.is_some_and(is_of_restore) {
        runs.push(Run { disturbance: Disturbance::Points(BEFORE_RESTORE.to_owned()), parallelism: parallelism(&mut random) });
    }
    for number in 0..1 + below(&mut random, RUNS_MAX) {
        let disturbance = match at.filter(|_| number == 0) {
            Some(point) if passes_once(point) => Disturbance::Points(armed(point, "kill", 1)),
            Some(point) => Disturbance::Points(armed(point, "kill", passage(&mut random))),
            None => disturbance(&mut random),
        };
        runs.push(Run { disturbance, parallelism: parallelism(&mut random) });
    }
    Case { scenario, runs, last_parallelism: parallelism(&mut random) }
}

fn disturbance(random: &mut Random) -> Disturbance {
    match below(random, 10) {
        0..4 => Disturbance::Kill(Duration::from_micros(below(random, TIME_US_MAX))),
        4..8 => Disturbance::Points(armed(point(random), "kill", passage(random))),
        8 => Disturbance::Points(format!("{}=error@{},{}=kill@{}", point(random).name(), passage(random), point(random).name(), passage(random))),
        _ => Disturbance::Interrupt(Duration::from_micros(below(random, TIME_US_MAX))),
    }
}

/// Whether few runs pass there more than once.
fn passes_once(point: FailPoint) -> bool {
    is_of_restore(point) || matches!(point, FailPoint::TimeoutRacesAck | FailPoint::CancelledDuringUpload)
}

fn point(random: &mut Random) -> FailPoint {
    FailPoint::ALL.get(below(random, FailPoint::ALL.len() as u64) as usize).copied().unwrap_or(FailPoint::SomeAcked)
}

/// Early ones more often than late ones: most jobs here have few checkpoints.
fn passage(random: &mut Random) -> u64 {
    let max = 1 + below(random, PASSAGE_MAX);
    1 + below(random, max)
}

pub(crate) fn below(random: &mut Random, end: u64) -> u64 {
    random.next_u64() % end.max(1)
}
