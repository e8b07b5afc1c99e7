//! Counts words: lines are split, and each word is counted under its own key.

use weir_guest::{Collector, FlatMap, KeyedContext, KeyedProcess, OpenContext, Result, Utf8, ValueState};

weir_guest::export! {
    /// Splits lines into lower-cased words, each with the number 1.
    "tokenize" => Tokenize,
    /// Adds up the numbers of each word and emits the sum so far.
    "count" => Count,
}

#[derive(Default)]
struct Tokenize;

impl FlatMap for Tokenize {
    type In = Utf8;
    type Out = (Utf8, u64);

    fn flat_map(&mut self, line: &str, out: &mut Collector<Self::Out>) -> Result<()> {
        for word in line.to_ascii_lowercase().split_ascii_whitespace() {
            out.collect((word, 1));
        }
        Ok(())
    }
}

struct Count {
    count: ValueState<u64>,
}

impl KeyedProcess for Count {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self { count: ctx.value_state("count") }
    }

    fn process(&mut self, word: &str, n: u64, _ctx: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        let total = self.count.get().unwrap_or(0) + n;
        self.count.set(total);
        out.collect((word, total));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_guest::testing::Harness;

    #[test]
    fn a_line_becomes_its_words() {
        let mut tokenize = Harness::new::<Tokenize>();
        tokenize.push_value("The dog\tthe fox").push_value("");
        tokenize.process_at_every_batch_size();
        assert_eq!(tokenize.records::<(Utf8, u64)>(), [("the", 1), ("dog", 1), ("the", 1), ("fox", 1)]);
    }

    #[test]
    fn a_word_is_counted_under_its_own_key() {
        let mut count = Harness::new::<Count>();
        count.push("the", 1u64).push("dog", 1u64).push("the", 2u64);
        count.process_at_every_batch_size();
        assert_eq!(count.records::<(Utf8, u64)>(), [("the", 1), ("dog", 1), ("the", 3)]);
    }
}
