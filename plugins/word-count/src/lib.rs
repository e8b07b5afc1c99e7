//! Word count: lines are split into words, words are counted.
//!
//! A word is a run of characters that Unicode calls alphanumeric, lower-cased as a text of its own by the rules of `str::to_lowercase`: a capital
//! sigma at the end of a word becomes `ς` and elsewhere `σ` ("ΣΊΣΥΦΟΣ" → "σίσυφος"), `İ` becomes `i` with a dot above (two characters), and
//! `ß` stays as it is.

use weir_guest::text::{is_ascii, push_ascii_lowercase};
use weir_guest::{Collector, FlatMap, KeyedContext, KeyedProcess, OpenContext, Result, Utf8, ValueState};

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
        if is_ascii(line) {
            self.lower.clear();
            push_ascii_lowercase(line, &mut self.lower);
            collect_ascii_words(&self.lower, out);
        } else {
            for word in line.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()) {
                out.collect((&word.to_lowercase(), 1));
            }
        }
        Ok(())
    }
}

/// Emits the words of a line of lower-case ASCII, byte by byte.
fn collect_ascii_words(line: &str, out: &mut Collector<(Utf8, u64)>) {
    let mut start = 0;
    for (at, byte) in line.bytes().enumerate() {
        if !byte.is_ascii_alphanumeric() {
            if let Some(word) = line.get(start..at).filter(|word| !word.is_empty()) {
                out.collect((word, 1));
            }
            start = at + 1;
        }
    }
    if let Some(word) = line.get(start..).filter(|word| !word.is_empty()) {
        out.collect((word, 1));
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
