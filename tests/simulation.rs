//! Simulated jobs: whatever a seed does to clock, scheduler, store and process, the committed output is exact. `cargo xtask torture --seeds N` runs more of them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test says what went wrong by panicking")]

use weir_tests::simulation::{self, campaign};

/// Seeds in a CI run.
const SEEDS: u64 = 60;
/// Threads for them.
const THREADS: u64 = 2;

#[test]
fn simulated_jobs_are_exact() {
    let report = campaign::run(1, SEEDS, THREADS, |_| {});
    assert!(report.violations.is_empty(), "{report}\n{}", report.violations.join("\n"));
    assert_eq!(report.seeds, SEEDS);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 1..=12 {
        let (first, second) = (simulation::run(seed).trace, simulation::run(seed).trace);
        for (number, (one, other)) in first.lines().iter().zip(second.lines()).enumerate() {
            assert_eq!(one, other, "seed {seed}, line {number}");
        }
        assert_eq!(first.hash(), second.hash(), "seed {seed}: {} and {} lines", first.lines().len(), second.lines().len());
    }
    assert_ne!(simulation::run(1).trace.hash(), simulation::run(2).trace.hash());
}

#[test]
#[ignore = "runs many seeds: WEIR_SEEDS=2000 WEIR_SEED=1 cargo test --release --workspace --test simulation many_seeds -- --ignored --nocapture"]
fn many_seeds() {
    let number = |name| std::env::var(name).map_or(1, |text| text.parse().unwrap());
    let report = campaign::run(number("WEIR_SEED"), number("WEIR_SEEDS"), THREADS, |text| println!("{text}"));
    println!("{report}");
    assert!(report.violations.is_empty());
}

#[test]
#[ignore = "shows one seed: WEIR_SEED=7 cargo test --release --workspace --test simulation one_seed -- --ignored --nocapture"]
fn one_seed() {
    let seed = std::env::var("WEIR_SEED").unwrap().parse().unwrap();
    let outcome = simulation::run(seed);
    outcome.trace.lines().iter().for_each(|line| println!("{line}"));
    println!("{:?}", outcome.trace.counts);
    if let Some(why) = outcome.violation {
        panic!("{why}");
    }
}
