//! Counts of numbers, for jobs with millions of small keys: numbers in a row become keys all over the place, and each key is counted.
//!
//! Whoever knows the number of a record can tell its key and what its count has to be, see [`Sweep`]: a job that was killed and goes on can be checked
//! without a second job.

mod keys;

pub use keys::{Sweep, key_of, place_in_fill};

use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_guest::{Collector, FlatMap, KeyedContext, KeyedProcess, OpenContext, Postcard, Result, StateOptions, ValueState};

weir_guest::export! {
    /// Gives each number a key, as `Sweep` says: config `keys` (1,000,000) and `hits` (16).
    "spread" => Spread,
    /// Adds up the numbers of each key and emits the sum so far.
    "count" => Count,
    /// The same as `count`, and goes on with its sums: the state's schema version 2 also counts the records of each key.
    "count-2" => Later<2>,
    /// The same as `count-2` at schema version 3: another step of migration.
    "count-3" => Later<3>,
    /// The same at schema version 4.
    "count-4" => Later<4>,
    /// The same at schema version 5.
    "count-5" => Later<5>,
    /// The same as `count`, but traps on the records of some keys: one in config `trap-one-in` (0: on none).
    "count-or-trap" => CountOrTrap,
    /// Takes sums and emits nothing.
    "ignore" => Ignore,
    /// The same as `count`, but a sum that nobody has added to for half a second is forgotten.
    "count-briefly" => CountBriefly,
}

/// Gives each number a key.
#[derive(Debug, Default)]
pub struct Spread {
    sweep: Sweep,
}

impl FlatMap for Spread {
    type In = u64;
    type Out = (u64, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        let (keys, hits) = (ctx.config_or("keys", 1_000_000), ctx.config_or("hits", 16));
        let sweep = Sweep::new(keys, hits);
        if sweep.is_none() {
            ctx.refuse("config `keys` and `hits` must be 1 to 2147483646");
        }
        Self { sweep: sweep.unwrap_or_default() }
    }

    #[inline]
    fn flat_map(&mut self, number: u64, out: &mut Collector<Self::Out>) -> Result<()> {
        out.collect((self.sweep.record(number).0, 1));
        Ok(())
    }
}

/// Adds up the numbers of each key and emits the sum so far.
pub struct Count {
    count: ValueState<u64>,
}

impl KeyedProcess for Count {
    type Key = u64;
    type In = u64;
    type Out = (u64, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self { count: ctx.value_state("count") }
    }

    #[inline]
    fn process(&mut self, key: u64, n: u64, _ctx: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        let total = self.count.get().unwrap_or(0) + n;
        self.count.set(total);
        out.collect((key, total));
        Ok(())
    }
}

/// What is kept of a key since schema version 2. In version 1 it was the sum alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// The sum of its numbers.
    pub sum: u64,
    /// How many records have added to it since version 2.
    pub records: u64,
}

/// Adds up the numbers of each key and emits the sum so far; keeps the number of records too. `VERSION` is the state's schema version, 2 or more: each but the
/// first changes nothing and is migrated to all the same.
pub struct Later<const VERSION: u32> {
    count: ValueState<Postcard<Sum>>,
}

impl<const VERSION: u32> KeyedProcess for Later<VERSION> {
    type Key = u64;
    type In = u64;
    type Out = (u64, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        let mut history = StateOptions::<u64>::new().migrate_to(2, |sum| Ok(Sum { sum, records: 0 }));
        for version in 3..=VERSION {
            history = history.migrate_to(version, Ok);
        }
        Self { count: ctx.value_state_with("count", history) }
    }

    #[inline]
    fn process(&mut self, key: u64, n: u64, _ctx: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        let Sum { sum, records } = self.count.get().unwrap_or_default();
        let now = Sum { sum: sum + n, records: records + 1 };
        self.count.set(now);
        out.collect((key, now.sum));
        Ok(())
    }
}

/// Adds up the numbers of each key, but for some keys.
pub struct CountOrTrap {
    count: Count,
    trap_one_in: u64,
}

impl KeyedProcess for CountOrTrap {
    type Key = u64;
    type In = u64;
    type Out = (u64, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self { count: Count::open(ctx), trap_one_in: ctx.config_or("trap-one-in", 0) }
    }

    #[inline]
    fn process(&mut self, key: u64, n: u64, ctx: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        assert!(self.trap_one_in == 0 || !key.is_multiple_of(self.trap_one_in), "key {key} is one of those that it was told to trap on");
        self.count.process(key, n, ctx, out)
    }
}

/// Takes sums and emits nothing.
#[derive(Debug, Default)]
pub struct Ignore;

impl FlatMap for Ignore {
    type In = (u64, u64);
    type Out = (u64, u64);

    #[inline]
    fn flat_map(&mut self, _: (u64, u64), _: &mut Collector<Self::Out>) -> Result<()> {
        Ok(())
    }
}

/// Adds up the numbers of each key, and forgets a sum that nobody has added to for half a second.
pub struct CountBriefly(Count);

/// How long a sum is remembered.
const REMEMBERED: Duration = Duration::from_millis(500);

impl KeyedProcess for CountBriefly {
    type Key = u64;
    type In = u64;
    type Out = (u64, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self(Count { count: ctx.value_state_with("count", StateOptions::new().ttl(REMEMBERED)) })
    }

    fn process(&mut self, key: u64, n: u64, ctx: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        self.0.process(key, n, ctx, out)
    }
}

#[cfg(test)]
mod tests;
