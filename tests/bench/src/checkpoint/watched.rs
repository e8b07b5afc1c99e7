//! When an operator's calls end: what it emits, it emits then.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use weir_model::time::SharedClock;
use weir_plugin::{Breakage, Call, CallError, Guest, Migrate, Services};
use weir_runtime::GuestMaker;
use weir_state::OwnedColumn;

use crate::usage::{cpu_ns, thread_cpu_ns};

/// The calls of all subtasks of an operator.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls {
    by_subtask: Arc<Mutex<BTreeMap<u32, Vec<End>>>>,
    /// When the newest guest was made.
    made_ns: Arc<AtomicU64>,
}

/// The end of a call.
#[derive(Debug, Clone, Copy)]
struct End {
    at_ns: u64,
    thread: u64,
    /// What the thread had computed until then.
    thread_cpu_ns: u64,
    /// What the whole process had.
    process_cpu_ns: u64,
}

/// A time without the end of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Gap {
    pub(crate) ms: f64,
    /// How much of it the operator's thread was computing, where it is known: the rest it waited for records or for a processor.
    pub(crate) cpu_ms: Option<f64>,
    /// How much all threads of the process computed in it.
    pub(crate) process_cpu_ms: f64,
}

impl Calls {
    /// Notes the calls of the guests that `make` makes.
    pub(crate) fn watch(&self, make: GuestMaker, clock: SharedClock) -> GuestMaker {
        let calls = self.clone();
        Arc::new(move |subtask, limits| {
            let index = subtask.index;
            let guest = make(subtask, limits)?;
            calls.made_ns.store(clock.monotonic_ns(), Ordering::Relaxed);
            Ok(Box::new(Watched { guest, index, calls: calls.clone(), clock: Arc::clone(&clock) }))
        })
    }

    /// The longest gap that lies in `range` at least in part, over all subtasks.
    pub(crate) fn longest_gap(&self, range: &Range<u64>) -> Gap {
        let by_subtask = self.by_subtask.lock().unwrap_or_else(PoisonError::into_inner);
        let gaps = by_subtask.values().flat_map(|ends| {
            let from = ends.partition_point(|end| end.at_ns <= range.start).saturating_sub(1);
            let ends = ends.get(from..).unwrap_or_default();
            let pairs = ends.iter().zip(ends.iter().skip(1));
            pairs.take_while(|(before, _)| before.at_ns < range.end).map(|(before, after)| Gap::between(before, after))
        });
        gaps.max_by(|a, b| a.ms.total_cmp(&b.ms)).unwrap_or_default()
    }

    /// The first and the last end, of all subtasks; `None`: there was no call.
    pub(crate) fn ends(&self) -> Option<(u64, u64)> {
        let by_subtask = self.by_subtask.lock().unwrap_or_else(PoisonError::into_inner);
        let first = by_subtask.values().filter_map(|ends| ends.first()).map(|end| end.at_ns).min()?;
        Some((first, by_subtask.values().filter_map(|ends| ends.last()).map(|end| end.at_ns).max()?))
    }

    /// When the newest guest was made: what came before it was another attempt's.
    pub(crate) fn made_ns(&self) -> u64 {
        self.made_ns.load(Ordering::Relaxed)
    }

    fn ended(&self, subtask: u32, end: End) {
        self.by_subtask.lock().unwrap_or_else(PoisonError::into_inner).entry(subtask).or_default().push(end);
    }
}

impl Gap {
    fn between(before: &End, after: &End) -> Self {
        let ms = |ns: u64| ns as f64 / 1e6;
        let cpu_ns = after.thread_cpu_ns.saturating_sub(before.thread_cpu_ns);
        Self {
            ms: ms(after.at_ns.saturating_sub(before.at_ns)),
            cpu_ms: (before.thread == after.thread).then(|| ms(cpu_ns)),
            process_cpu_ms: ms(after.process_cpu_ns.saturating_sub(before.process_cpu_ns)),
        }
    }
}

struct Watched {
    guest: Box<dyn Guest>,
    index: u32,
    calls: Calls,
    clock: SharedClock,
}

impl Guest for Watched {
    fn call(&mut self, call: &Call<'_>, services: Box<Services>) -> (Box<Services>, Result<(), CallError>) {
        let result = self.guest.call(call, services);
        let at_ns = self.clock.monotonic_ns();
        self.calls.ended(self.index, End { at_ns, thread: thread(), thread_cpu_ns: thread_cpu_ns(), process_cpu_ns: cpu_ns() });
        result
    }

    fn migrate(&mut self, migrate: &Migrate<'_>) -> Result<OwnedColumn, CallError> {
        self.guest.migrate(migrate)
    }

    fn renew(&mut self) -> Result<(), Breakage> {
        self.guest.renew()
    }

    fn is_worn(&self) -> bool {
        self.guest.is_worn()
    }
}

/// A number of the calling thread.
fn thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local!(static NUMBER: Cell<u64> = const { Cell::new(0) });
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_is_found_even_when_it_only_touches_the_range() {
        let calls = Calls::default();
        let end = |at_ms: u64, thread| End { at_ns: at_ms * 1_000_000, thread, thread_cpu_ns: at_ms * 500_000, process_cpu_ns: at_ms * 700_000 };
        [end(1, 1), end(2, 1), end(12, 1), end(13, 1), end(16, 2), end(17, 2)].into_iter().for_each(|end| calls.ended(0, end));
        calls.ended(1, end(14, 3));
        assert_eq!(calls.ends(), Some((1_000_000, 17_000_000)));
        let check = |from_ms: u64, to_ms: u64, ms: f64, cpu_ms| {
            let expected = Gap { ms, cpu_ms, process_cpu_ms: ms * 7.0 / 10.0 };
            assert_eq!(calls.longest_gap(&(from_ms * 1_000_000..to_ms * 1_000_000)), expected, "{from_ms} to {to_ms}");
        };
        check(0, 100, 10.0, Some(5.0));
        check(5, 6, 10.0, Some(5.0));
        check(13, 14, 3.0, None);
        check(16, 100, 1.0, Some(0.5));
        check(50, 100, 0.0, None);
    }
}
