//! An operator that throws at random, to show that a job with checkpoints counts exactly all the same.

use weir_guest::{Collector, Error, KeyedContext, KeyedProcess, OpenContext, Result, Utf8, ValueState};

weir_guest::export! {
    /// Adds up the numbers of each word, as word-count's `count` does, but throws at one record in `one-in` (1000), by chance.
    "count" => Count,
}

/// Adds up the numbers of each word, and throws now and then.
pub struct Count {
    count: ValueState<u64>,
    one_in: u64,
    random: u64,
}

impl KeyedProcess for Count {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        let one_in = ctx.config_or("one-in", 1000);
        if one_in == 0 {
            ctx.refuse("config `one-in` must be 1 or more");
        }
        Self { count: ctx.value_state("count"), one_in, random: 0 }
    }

    fn process(&mut self, word: &str, n: u64, ctx: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        // A guest has no randomness of its own; the time of the call differs from attempt to attempt, and that is chance enough.
        self.random = mix(self.random ^ ctx.processing_time().unsigned_abs());
        if self.random.is_multiple_of(self.one_in) {
            return Err(Error::new("thrown by chance"));
        }
        let total = self.count.get().unwrap_or(0) + n;
        self.count.set(total);
        out.collect((word, total));
        Ok(())
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
