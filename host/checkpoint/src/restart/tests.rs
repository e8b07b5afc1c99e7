//! Flink's strategies, failure by failure.

use super::*;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Failures at these times, each with the delay until the restart; `None`: given up.
#[track_caller]
fn check(strategy: RestartStrategy, failures: &[(u64, Option<u64>)]) {
    let mut policy = RestartPolicy::new(strategy, 1);
    for (now_ms, expected) in failures {
        let delay_ms = match policy.on_failure(*now_ms) {
            RestartDecision::After { delay_ms } => Some(delay_ms),
            RestartDecision::GiveUp { .. } => None,
        };
        assert_eq!(delay_ms, *expected, "at {now_ms}");
    }
}

#[test]
fn none_gives_up_at_once() {
    check(RestartStrategy::None, &[(5, None)]);
}

#[test]
fn fixed_delay_restarts_so_often_and_never_forgets() {
    check(RestartStrategy::FixedDelay { attempts: 2, delay: ms(10) }, &[(0, Some(10)), (1_000_000, Some(10)), (9_000_000, None)]);
}

#[test]
fn failure_rate_counts_failures_within_the_interval() {
    let strategy = RestartStrategy::FailureRate { max_failures: 2, interval: ms(100), delay: ms(5) };
    check(strategy, &[(0, Some(5)), (10, Some(5)), (100, None)]);
    check(strategy, &[(0, Some(5)), (10, Some(5)), (101, Some(5)), (111, Some(5)), (200, None)]);
}

fn exponential(jitter: f64, attempts: Option<u64>) -> RestartStrategy {
    RestartStrategy::ExponentialDelay { initial: ms(100), max: ms(1000), multiplier: 2.0, reset_after: ms(5000), jitter, attempts }
}

#[test]
fn exponential_delay_grows_to_its_maximum_and_begins_anew_after_a_quiet_time() {
    check(
        exponential(0.0, None),
        &[
            (0, Some(100)),
            (100, Some(200)),
            (400, Some(400)),
            (900, Some(800)),
            (1800, Some(1000)),
            (3000, Some(1000)),
            (8999, Some(1000)),
            (14_999, Some(100)),
        ],
    );
    // A failure while a restart is waited for changes nothing.
    check(exponential(0.0, None), &[(0, Some(100)), (30, Some(70)), (100, Some(200))]);
    check(exponential(0.0, Some(2)), &[(0, Some(100)), (100, Some(200)), (300, None)]);
    check(exponential(0.0, Some(1)), &[(0, Some(100)), (6000, Some(100)), (6100, None)]);
}

#[test]
fn jitter_stays_in_its_bounds_and_follows_the_seed() {
    let delays = |seed| {
        let mut policy = RestartPolicy::new(exponential(0.5, None), seed);
        let mut now_ms = 0;
        (0..6)
            .map(|_| match policy.on_failure(now_ms) {
                RestartDecision::After { delay_ms } => {
                    now_ms += delay_ms;
                    delay_ms
                }
                RestartDecision::GiveUp { why } => panic!("{why}"),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(delays(1), delays(1));
    assert_ne!(delays(1), delays(2));
    for seed in 0..100 {
        for (delay_ms, base_ms) in delays(seed).into_iter().zip([100, 200, 400, 800, 1000, 1000]) {
            assert!((base_ms / 2).max(100) <= delay_ms && delay_ms <= (base_ms * 3 / 2).min(1000), "{delay_ms} around {base_ms}");
        }
    }
}
