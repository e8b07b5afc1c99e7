//! Counts with other states than one value: a map, a list, one more, another, none.

use weir_guest::{Collector, KeyedContext, KeyedProcess, ListState, Map, MapState, OpenContext, Result, StateCodec, Utf8, ValueState};

use crate::count::{Count, First, Sum, Version};

/// Counts in a map from the length of the word, in bytes.
pub struct ByLength<V: Version>(MapState<u64, V::Codec>);

impl<V: Version> ByLength<V> {
    fn open_as(name: &str, ctx: &mut OpenContext) -> Self {
        Self(ctx.map_state_with(name, V::options()))
    }
}

impl<V: Version> KeyedProcess for ByLength<V> {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self::open_as("by-length", ctx)
    }

    fn process(&mut self, word: &str, n: u64, _: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        let length_bytes = word.len() as u64;
        let mut kept = self.0.get(length_bytes).unwrap_or_default();
        out.collect((word, kept.add(n)));
        self.0.insert(length_bytes, V::Codec::lend_value(&kept));
        Ok(())
    }
}

/// As [`ByLength`], but its map is called `count`, as the value of [`Count`] is.
pub struct CountMap(ByLength<First>);

impl KeyedProcess for CountMap {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self(ByLength::open_as("count", ctx))
    }

    fn process(&mut self, word: &str, n: u64, ctx: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        self.0.process(word, n, ctx, out)
    }
}

/// Keeps all numbers in a list, and emits how many there are.
pub struct Increments<V: Version>(ListState<V::Codec>);

impl<V: Version> KeyedProcess for Increments<V> {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self(ctx.list_state_with("increments", V::options()))
    }

    fn process(&mut self, word: &str, n: u64, _: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        let mut item = <V::Codec as StateCodec>::Value::default();
        item.add(n);
        self.0.add(V::Codec::lend_value(&item));
        out.collect((word, self.0.len()));
        Ok(())
    }
}

/// Emits the number before, and keeps the newest.
pub struct LastOnly(ValueState<u64>);

impl LastOnly {
    fn replace(&mut self, n: u64) -> u64 {
        self.0.update(|last| last.replace(n)).unwrap_or(0)
    }
}

impl KeyedProcess for LastOnly {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self(ctx.value_state("last"))
    }

    fn process(&mut self, word: &str, n: u64, _: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        out.collect((word, self.replace(n)));
        Ok(())
    }
}

/// Counts, and keeps the newest number too.
pub struct CountAndLast {
    count: Count<First>,
    last: LastOnly,
}

impl KeyedProcess for CountAndLast {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self { count: Count::open(ctx), last: LastOnly::open(ctx) }
    }

    fn process(&mut self, word: &str, n: u64, ctx: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        self.last.replace(n);
        self.count.process(word, n, ctx, out)
    }
}

/// Knows no count: emits the word with 1.
#[derive(Debug, Default)]
pub struct Stateless;

impl Map for Stateless {
    type In = (Utf8, u64);
    type Out = (Utf8, u64);

    fn map<'a>(&'a mut self, (word, _): (&'a str, u64)) -> Result<(&'a str, u64)> {
        Ok((word, 1))
    }
}
