//! Counts that an upgrade must not stay with: they trap, refuse, lie, dawdle or emit something else.

use std::marker::PhantomData;

use weir_guest::{Collector, Error, KeyedContext, KeyedProcess, OpenContext, Result, Utf8};

use crate::count::{Count, First};

/// What happens from a count on.
pub trait Fault: 'static {
    /// What is emitted instead of `count`.
    ///
    /// # Errors
    /// When the record is refused.
    fn strike(count: u64) -> Result<u64>;
}

/// It traps.
pub struct Trap;

impl Fault for Trap {
    fn strike(count: u64) -> Result<u64> {
        panic!("the count is {count}, and it was told to trap");
    }
}

/// The record is refused.
pub struct Refuse;

impl Fault for Refuse {
    fn strike(count: u64) -> Result<u64> {
        Err(Error::new(format!("the count would be {count}, and it was told to refuse")))
    }
}

/// The output is wrong.
pub struct Wrong;

impl Fault for Wrong {
    fn strike(count: u64) -> Result<u64> {
        Ok(count + 1000)
    }
}

/// Counts well until a count reaches config `at`.
pub struct At<F: Fault> {
    count: Count<First>,
    at: u64,
    fault: PhantomData<fn(F)>,
}

impl<F: Fault> KeyedProcess for At<F> {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self { count: Count::open(ctx), at: ctx.config_or("at", u64::MAX), fault: PhantomData }
    }

    fn process(&mut self, word: &str, n: u64, _: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        let count = self.count.add(n);
        out.collect((word, if count < self.at { count } else { F::strike(count)? }));
        Ok(())
    }
}

/// Counts, after it has gone round in a circle for config `spins` times.
pub struct Slow {
    count: Count<First>,
    spins: u64,
}

impl KeyedProcess for Slow {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self { count: Count::open(ctx), spins: ctx.config_or("spins", 0) }
    }

    fn process(&mut self, word: &str, n: u64, ctx: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        for spin in 0..self.spins {
            std::hint::black_box(spin);
        }
        self.count.process(word, n, ctx, out)
    }
}

/// Counts, and emits the count as text.
pub struct OtherOutput(Count<First>);

impl KeyedProcess for OtherOutput {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, Utf8);

    fn open(ctx: &mut OpenContext) -> Self {
        Self(Count::open(ctx))
    }

    fn process(&mut self, word: &str, n: u64, _: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        out.collect((word, &self.0.add(n).to_string()));
        Ok(())
    }
}
