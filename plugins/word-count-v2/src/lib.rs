//! Word count, version 2: it also keeps when each word was last seen. Jobs that run version 1 go on with it, and keep their counts.

use serde::{Deserialize, Serialize};
use weir_guest::{Collector, FlatMap, KeyedContext, KeyedProcess, OpenContext, Postcard, Result, StateOptions, Utf8, ValueState};
use words::words;

weir_guest::export! {
    plugin "word-count";
    /// Splits lines into lower-cased words, each with the number 1.
    "tokenize" => Tokenize,
    /// Adds up the numbers of each word and emits the sum so far; keeps when the word was last seen.
    "count" => Count,
}

/// Splits lines into lower-cased words, each with the number 1: as version 1 does.
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

/// What is kept of a word since schema version 2. In version 1 it was the count alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The sum of its numbers.
    pub count: u64,
    /// When the word was last seen, milliseconds since the Unix epoch: its latest event time, or the host's time for records without one.
    /// `None`: not since version 2.
    pub last_ms: Option<i64>,
}

/// Adds up the numbers of each word, emits the sum so far, and keeps when the word was last seen.
pub struct Count {
    count: ValueState<Postcard<Seen>>,
}

impl KeyedProcess for Count {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        let history = StateOptions::<u64>::new().migrate_to(2, |count| Ok(Seen { count, last_ms: None }));
        Self { count: ctx.value_state_with("count", history) }
    }

    #[inline]
    fn process(&mut self, word: &str, n: u64, ctx: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        let Seen { count, last_ms } = self.count.get().unwrap_or_default();
        let now_ms = ctx.timestamp().unwrap_or_else(|| ctx.processing_time());
        let seen = Seen { count: count + n, last_ms: last_ms.max(Some(now_ms)) };
        self.count.set(seen);
        out.collect((word, seen.count));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
