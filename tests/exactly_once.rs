//! Jobs that are killed, fail or are stopped anywhere, and run again: what they commit is what an undisturbed run commits. `cargo xtask torture` does more of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what went wrong by panicking")]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use weir_model::fail_point::FailPoint;
use weir_tests::crash::case::{Case, Disturbance, How, Run};
use weir_tests::crash::mutation::{Base, Verdict};
use weir_tests::crash::points::{self, fail_at, is_passed_in, kill_at};
use weir_tests::crash::swaps::{SwapCase, Swapped};
use weir_tests::crash::{Expected, SCENARIOS, random};

/// Kills at random in a CI run.
const RANDOM_KILLS: u64 = 24;
/// Damaged files in a CI run.
const MUTATIONS: u64 = 40;
/// Swaps in a CI run, and cases that must be enough for them.
const SWAPS: u64 = 20;
const SWAP_CASES_MAX: u64 = 20;
/// How often a case is run until it comes to its point.
const TRIES: u32 = 8;
/// For the random cases of this file.
const SEED: u64 = 0x005e_ed00;

/// The recount of a scenario, made once.
fn expected(case: &Case) -> &'static Expected {
    static ALL: Mutex<BTreeMap<&str, &Expected>> = Mutex::new(BTreeMap::new());
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    all.entry(case.scenario.name).or_insert_with(|| Box::leak(Box::new(case.scenario.expected())))
}

/// Runs a case; its folder stays if it goes wrong, or hangs.
fn check(case: &Case) -> Vec<How> {
    let folder = case.scenario.folder();
    let outcome =
        catch_unwind(AssertUnwindSafe(|| case.run(&folder, expected(case)))).unwrap_or_else(|_| Err("see the panic before this one".into()));
    outcome.unwrap_or_else(|why| panic!("{case}\n{why}\nsee {}", folder.keep().display()))
}

/// All points that `of` says, each in its own case, over two threads.
fn at_each_point(of: fn(FailPoint) -> Case, then: impl Fn(FailPoint, &Case, &[How]) + Sync) {
    let (even, odd): (Vec<_>, Vec<_>) = points::unasked().into_iter().enumerate().partition(|(number, _)| number % 2 == 0);
    std::thread::scope(|scope| {
        for half in [even, odd] {
            let then = &then;
            scope.spawn(move || {
                for (_, point) in half {
                    let case = of(point);
                    then(point, &case, &check(&case));
                }
            });
        }
    });
}

#[test]
fn a_job_that_nobody_disturbs_is_exact_in_every_scenario() {
    for scenario in SCENARIOS {
        let case = Case { scenario: *scenario, runs: Vec::new(), last_parallelism: scenario.parallelism };
        drop(check(&case));
    }
}

#[test]
fn a_job_that_is_killed_at_any_point_is_exact() {
    at_each_point(kill_at, |point, case, hows| {
        let is_reached = |hows: &[How]| hows.len() == case.runs.len() && hows.iter().all(|how| *how == How::Killed);
        // Whether a checkpoint is taken before the first record comes, and so has no state, is up to the machine.
        let comes_again = || (1..TRIES).any(|_| is_reached(&check(case)));
        assert!(is_reached(hows) || comes_again(), "{} wasn't reached in {TRIES} tries: {hows:?} of {case}", point.name());
    });
}

#[test]
fn points_that_a_scenario_is_said_not_to_pass_are_not_passed() {
    for name in ["text", "text, in S3"] {
        let scenario = *points::scenario(name);
        for point in FailPoint::ALL.iter().filter(|point| !is_passed_in(**point, &scenario)) {
            let disturbance = Disturbance::Points(format!("{}=kill@1", point.name()));
            let runs = vec![Run { disturbance, parallelism: scenario.parallelism }];
            let case = Case { scenario, runs, last_parallelism: scenario.parallelism };
            assert_eq!(check(&case), [How::Done], "{} in {name}", point.name());
        }
    }
}

#[test]
fn a_step_that_fails_at_any_point_costs_nothing() {
    at_each_point(fail_at, |_, _, _| {});
}

/// A node that had a task of its own and is chained afterwards: what lay before it is older than what its predecessor makes of what lay before that.
#[test]
fn records_in_flight_keep_their_order_when_a_job_goes_on_in_fewer_tasks() {
    let scenario = *points::scenario("text, unaligned into one sink");
    for checkpoint in 2..8 {
        let disturbance = Disturbance::Points(format!("durable-not-notified=kill@{checkpoint}"));
        let runs = vec![Run { disturbance, parallelism: 2 }];
        drop(check(&Case { scenario, runs, last_parallelism: 1 }));
    }
}

/// A checkpoint that one task has acknowledged and another has declined, while an older one is still being completed: what it has written is what later
/// increments build on.
#[test]
fn what_an_aborted_checkpoint_has_written_stays_as_long_as_a_later_one_needs_it() {
    let scenario = *points::scenario("joined, two at a time");
    for declined in 5..13 {
        let disturbance = Disturbance::Points(format!("sink-flushed-not-acked=error@{declined},all-committed-not-recorded=kill@6"));
        let runs = vec![Run { disturbance, parallelism: 2 }];
        drop(check(&Case { scenario, runs, last_parallelism: 2 }));
    }
}

#[test]
fn a_job_that_is_killed_at_random_is_exact() {
    for seed in 0..RANDOM_KILLS {
        drop(check(&random::case(SEED + seed, None)));
    }
}

#[test]
fn a_job_whose_operators_are_swapped_and_taken_back_and_killed_meanwhile_is_exact() {
    let expected = SwapCase::scenario().expected();
    let (next, done) = (AtomicU64::new(SEED), Mutex::new(Swapped::default()));
    let is_enough = |done: Swapped| done.swaps >= SWAPS && done.returned > 0 && done.kills > 0;
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let so_far = *done.lock().unwrap();
            if is_enough(so_far) {
                return;
            }
            // How many swaps a job sees before it ends is up to the machine.
            assert!(seed < SEED + SWAP_CASES_MAX, "{so_far:?}");
            let (case, folder) = (SwapCase::of(seed), SwapCase::scenario().folder());
            let swapped = case.run(&folder, &expected).unwrap_or_else(|why| panic!("seed {seed}: {case}\n{why}\nsee {}", folder.keep().display()));
            *done.lock().unwrap() += swapped;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(work);
        }
    });
}

#[test]
fn a_damaged_checkpoint_is_refused_by_name_or_harmless() {
    let base = Base::new(points::scenario("generator, three retained"), "some-notified=kill@12");
    let mut refused = 0;
    for seed in 0..MUTATIONS {
        let mutation = base.mutation(SEED + seed);
        match base.check(&mutation) {
            Ok(Verdict::Refused) => refused += 1,
            Ok(Verdict::Exact) => {}
            Err(why) => panic!("{mutation}\n{why}"),
        }
    }
    assert!(refused > 0, "nothing was refused");
}
