//! Word count: lines are split into words, words are counted. What a word is, the crate `words` says.

use weir_guest::{Collector, FlatMap, KeyedContext, KeyedProcess, OpenContext, Result, Utf8, ValueState};
use words::words;

weir_guest::export! {
    /// Splits lines into lower-cased words, each with the number 1.
    "tokenize" => Tokenize,
    /// Adds up the numbers of each word and emits the sum so far.
    "count" => Count,
}

/// Splits lines into lower-cased words, each with the number 1.
#[derive(Debug, Default)]
pub struct Tokenize {
    /// Scratch space, kept for its room.
    lower: String,
}

impl FlatMap for Tokenize {
    type In = Utf8;
    type Out = (Utf8, u64);

    fn flat_map(&mut self, line: &str, out: &mut Collector<Self::Out>) -> Result<()> {
        words(line, &mut self.lower, |word| out.collect((word, 1)));
        Ok(())
    }
}

/// Adds up the numbers of each word and emits the sum so far.
pub struct Count {
    count: ValueState<u64>,
}

impl KeyedProcess for Count {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self { count: ctx.value_state("count") }
    }

    #[inline]
    fn process(&mut self, word: &str, n: u64, _ctx: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        let total = self.count.get().unwrap_or(0) + n;
        self.count.set(total);
        out.collect((word, total));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
