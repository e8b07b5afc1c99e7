//! Many seeds, several at a time, watched from outside, and a report.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::{Count, Outcome};

/// A seed that takes longer, on the wall, hangs without giving way to anything.
const LIMIT: Duration = Duration::from_secs(60);

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Report {
    /// Seeds that were run.
    pub seeds: u64,
    /// How often what happened.
    pub counts: BTreeMap<Count, u64>,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Runs `count` seeds from `first` on, in `threads` threads; `told` hears of every violation at once, and of the report now and then.
#[must_use]
pub fn run(first: u64, count: u64, threads: u64, mut told: impl FnMut(&str)) -> Report {
    let next = AtomicU64::new(0);
    let (sender, ended) = channel();
    let mut report = Report::default();
    let mut under_way: BTreeMap<u64, Instant> = BTreeMap::new();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || work(first, count, next, &sender));
        }
        drop(sender);
        loop {
            match ended.recv_timeout(Duration::from_secs(1)) {
                Ok((seed, None)) => drop(under_way.insert(seed, now())),
                Ok((seed, Some(outcome))) => {
                    under_way.remove(&seed);
                    report.add(seed, outcome, &mut told);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if let Some((seed, _)) = under_way.iter().find(|(_, began)| began.elapsed() > LIMIT) {
                told(&format!("VIOLATION seed {seed} hangs: it has run for {LIMIT:?} without giving way ({})", again(*seed)));
                // A thread can't be ended.
                std::process::exit(1);
            }
        }
    });
    report
}

#[expect(clippy::disallowed_methods, reason = "a simulation that hangs is noticed from outside of its own time")]
fn now() -> Instant {
    Instant::now()
}

/// What to type to see a seed again.
fn again(seed: u64) -> String {
    format!("again: WEIR_SEED={seed} cargo test --release --workspace --test simulation one_seed -- --ignored --nocapture")
}

fn work(first: u64, count: u64, next: &AtomicU64, ended: &Sender<(u64, Option<Outcome>)>) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return;
        }
        let seed = first.wrapping_add(number);
        drop(ended.send((seed, None)));
        let outcome = catch_unwind(AssertUnwindSafe(|| super::run(seed))).unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
            Outcome { trace: super::Trace::default(), violation: Some(format!("seed {seed}: it panicked: {}", text.unwrap_or("without a message"))) }
        });
        drop(ended.send((seed, Some(outcome))));
    }
}

impl Report {
    fn add(&mut self, seed: u64, outcome: Outcome, told: &mut impl FnMut(&str)) {
        self.seeds += 1;
        outcome.trace.counts.into_iter().for_each(|(what, count)| *self.counts.entry(what).or_default() += count);
        if let Some(why) = outcome.violation {
            told(&format!("VIOLATION {why}\n  {}", again(seed)));
            self.violations.push(why);
        }
        if self.seeds.is_multiple_of(200) {
            told(&format!("{} seeds, {} violations", self.seeds, self.violations.len()));
        }
    }

    fn of(&self, what: Count) -> u64 {
        self.counts.get(&what).copied().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |what| self.of(what);
        writeln!(
            f,
            "{} simulated jobs in {} processes: {} killed, {} stopped, {} failed; {} restarts inside of one, {} second owners, {} restores",
            self.seeds,
            of(Count::Processes),
            of(Count::Kills),
            of(Count::Stops),
            of(Count::Failures),
            of(Count::Restarts),
            of(Count::SecondOwners),
            of(Count::Restores)
        )?;
        writeln!(f, "{} checkpoints completed, {} failed; {} steps made to fail", of(Count::Completed), of(Count::Failed), of(Count::Points))?;
        write!(
            f,
            "{} operations on the store: {} errors, {} lost responses, {} silences, {} done late, {} slow, {} broken listings, {} in outages",
            of(Count::Operations),
            of(Count::Errors),
            of(Count::LostResponses),
            of(Count::Silences),
            of(Count::Late),
            of(Count::Slow),
            of(Count::BrokenLists),
            of(Count::Outages)
        )?;
        let garbage = of(Count::Garbage);
        if garbage > 0 { write!(f, "; {garbage} files left behind by them") } else { Ok(()) }
    }
}
