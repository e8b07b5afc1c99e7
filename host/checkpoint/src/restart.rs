//! Whether and when a failed job starts again: Flink's four strategies.

use std::collections::VecDeque;
use std::time::Duration;

use weir_model::settings::RestartStrategy;

use crate::trigger::whole_ms;

#[cfg(test)]
mod tests;

/// What happens after a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestartDecision {
    /// The job starts again.
    After {
        /// From the failure, milliseconds.
        delay_ms: u64,
    },
    /// The job has failed for good.
    GiveUp {
        /// Why it doesn't start again.
        why: String,
    },
}

/// A strategy with what it remembers of earlier failures.
#[derive(Debug, Clone)]
pub struct RestartPolicy {
    strategy: RestartStrategy,
    /// Failures so far; with exponential delay those since the last quiet time.
    failures: u64,
    /// The times of the last failures, for the failure rate.
    recent_ms: VecDeque<u64>,
    /// Exponential delay: the delay before jitter of the next failure.
    delay_ms: f64,
    /// Exponential delay: when the last failure's restart happens.
    restart_ms: u64,
    random: u64,
}

impl RestartPolicy {
    /// A policy that has seen no failure. `seed` decides the jitter.
    #[must_use]
    pub const fn new(strategy: RestartStrategy, seed: u64) -> Self {
        Self { strategy, failures: 0, recent_ms: VecDeque::new(), delay_ms: 0.0, restart_ms: 0, random: seed }
    }

    /// The job has failed. `now_ms` is monotonic.
    pub fn on_failure(&mut self, now_ms: u64) -> RestartDecision {
        match self.strategy {
            RestartStrategy::None => RestartDecision::GiveUp { why: "the restart strategy is `none`".to_owned() },
            RestartStrategy::FixedDelay { attempts, delay } => self.fixed(attempts, delay),
            RestartStrategy::FailureRate { max_failures, interval, delay } => self.rate(max_failures, interval, delay, now_ms),
            RestartStrategy::ExponentialDelay { initial, max, multiplier, reset_after, jitter, attempts } => {
                // A failure while a restart is waited for belongs to the failure before.
                if self.failures > 0 && now_ms < self.restart_ms {
                    return RestartDecision::After { delay_ms: self.restart_ms - now_ms };
                }
                if self.failures == 0 || now_ms - self.restart_ms >= whole_ms(reset_after) {
                    self.failures = 0;
                    self.delay_ms = millis(initial);
                }
                self.failures += 1;
                if let Some(attempts) = attempts.filter(|attempts| self.failures > *attempts) {
                    return give_up_after(attempts);
                }
                let delay_ms = self.jittered(self.delay_ms, jitter).min(millis(max)).max(millis(initial)) as u64;
                self.delay_ms = (self.delay_ms * multiplier).min(millis(max));
                self.restart_ms = now_ms.saturating_add(delay_ms);
                RestartDecision::After { delay_ms }
            }
        }
    }

    fn fixed(&mut self, attempts: u64, delay: Duration) -> RestartDecision {
        self.failures += 1;
        if self.failures > attempts { give_up_after(attempts) } else { RestartDecision::After { delay_ms: whole_ms(delay) } }
    }

    /// Flink's `FailureRateRestartBackoffTimeStrategy`: gives up when the last `max_failures` failures and this one lie within the interval.
    fn rate(&mut self, max_failures: u64, interval: Duration, delay: Duration, now_ms: u64) -> RestartDecision {
        let kept = usize::try_from(max_failures).unwrap_or(usize::MAX);
        let is_full = self.recent_ms.len() >= kept;
        let is_too_often = is_full && self.recent_ms.front().is_none_or(|first_ms| now_ms.saturating_sub(*first_ms) <= whole_ms(interval));
        if is_too_often {
            return RestartDecision::GiveUp { why: format!("it has failed more than {max_failures} times within {} ms", whole_ms(interval)) };
        }
        if is_full {
            self.recent_ms.pop_front();
        }
        self.recent_ms.push_back(now_ms);
        RestartDecision::After { delay_ms: whole_ms(delay) }
    }

    /// A delay up to `jitter` of itself longer or shorter.
    fn jittered(&mut self, delay_ms: f64, jitter: f64) -> f64 {
        // SplitMix64; its upper 53 bits are a fraction in 0 to 1.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let fraction = ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
        delay_ms * (1.0 + jitter * (2.0 * fraction - 1.0))
    }
}

fn millis(duration: Duration) -> f64 {
    whole_ms(duration) as f64
}

fn give_up_after(attempts: u64) -> RestartDecision {
    RestartDecision::GiveUp { why: format!("it has started again {attempts} times, as often as it may") }
}
