//! Holds up the tasks of a simulation at random, so that each seed sees another of the orders that threads could run them in.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::coop::consume_budget;
use tokio::time::{Sleep, sleep};
use weir_connect::random::Random;

/// The steps that a task may make before the runtime makes it give way.
const BUDGET: u64 = 128;
/// The longest that a task is held up, milliseconds.
const PAUSE_MS_MAX: u64 = 4;

/// Where hold-ups come from.
#[derive(Debug, Clone)]
pub(super) struct Jitter {
    seeds: Arc<AtomicU64>,
    /// Every so manieth time, about.
    one_in: u64,
}

/// A future that is held up.
pub(super) struct HeldUp<F> {
    inner: Pin<Box<F>>,
    random: Random,
    one_in: u64,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self { one_in: 1 << (1 + random.next_u64() % 6), seeds: Arc::new(AtomicU64::new(random.next_u64())) }
    }

    pub(super) fn hold_up<F: Future>(&self, inner: F) -> HeldUp<F> {
        let random = Random::new(self.seeds.fetch_add(1, Ordering::Relaxed));
        HeldUp { inner: Box::pin(inner), random, one_in: self.one_in, pause: None }
    }
}

impl<F: Future> HeldUp<F> {
    fn below(&mut self, end: u64) -> u64 {
        self.random.next_u64() % end
    }

    fn is_time(&mut self) -> bool {
        self.random.next_u64().is_multiple_of(self.one_in)
    }
}

impl<F: Future> Future for HeldUp<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if self.pause.is_none() && self.is_time() {
            let pause = Duration::from_millis(1 + self.below(PAUSE_MS_MAX));
            self.pause = Some(Box::pin(sleep(pause)));
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        // With less of its budget left it gives way sooner, between any two of its steps.
        if self.is_time() {
            for _ in 0..self.below(BUDGET) {
                ready!(pin!(consume_budget()).poll(context));
            }
        }
        self.inner.as_mut().poll(context)
    }
}
