//! Counts whose state `count` differs in layout, version or codec.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_guest::{Collector, Error, Json, KeyedContext, KeyedProcess, OpenContext, Postcard, Result, StateCodec, StateOptions, Utf8, ValueState};

/// What is kept of a word: it gives the count.
pub trait Sum: Clone + Default + 'static {
    /// Adds a number; the count with it.
    fn add(&mut self, n: u64) -> u64;
}

impl Sum for u64 {
    fn add(&mut self, n: u64) -> u64 {
        *self += n;
        *self
    }
}

/// Schema version 2: also the number of records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithRecords {
    /// The count.
    pub count: u64,
    /// How many records have added to it since version 2.
    pub records: u64,
}

impl Sum for WithRecords {
    fn add(&mut self, n: u64) -> u64 {
        self.records += 1;
        self.count.add(n)
    }
}

/// Schema version 3: also the largest number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithLargest {
    /// The largest number that was added since version 3.
    pub largest: Option<u64>,
    /// How many records have added to the count since version 2.
    pub records: u64,
    /// The count.
    pub count: u64,
}

impl Sum for WithLargest {
    fn add(&mut self, n: u64) -> u64 {
        self.largest = self.largest.max(Some(n));
        self.records += 1;
        self.count.add(n)
    }
}

/// A version of what is kept of a word.
pub trait Version: 'static {
    /// How it is written.
    type Codec: StateCodec<Value: Sum>;

    /// Its schema version and its history.
    fn options() -> StateOptions<Self::Codec>;
}

macro_rules! versions {
    ($($(#[doc = $doc:literal])* $name:ident: $codec:ty = $options:expr;)*) => {$(
        $(#[doc = $doc])*
        pub struct $name;

        impl Version for $name {
            type Codec = $codec;

            fn options() -> StateOptions<$codec> {
                $options
            }
        }
    )*};
}

versions! {
    /// Schema version 1: the count alone.
    First: u64 = StateOptions::new();
    /// Schema version 2, from 1.
    Second: Postcard<WithRecords> = First::options().migrate_to(2, |count| Ok(WithRecords { count, records: 0 }));
    /// Schema version 3, from 1 and 2.
    Third: Postcard<WithLargest> = Second::options().migrate_to(3, |WithRecords { count, records }| Ok(WithLargest { largest: None, records, count }));
    /// Schema version 2, from nothing.
    Unmigrated: Postcard<WithRecords> = StateOptions::new().schema_version(2);
    /// Schema version 2, from even counts of version 1.
    Picky: Postcard<WithRecords> = First::options().migrate_to(2, even);
    /// Schema version 1, but JSON.
    AsJson: Json<u64> = StateOptions::new();
    /// Schema version 1, for two seconds.
    Brief: u64 = StateOptions::new().ttl(Duration::from_secs(2));
}

fn even(count: u64) -> Result<WithRecords> {
    if count.is_multiple_of(2) { Ok(WithRecords { count, records: 0 }) } else { Err(Error::new(format!("{count} is odd"))) }
}

/// Adds up the numbers of each word.
pub struct Count<V: Version>(ValueState<V::Codec>);

impl<V: Version> Count<V> {
    /// Adds to the word's count and gives it.
    pub(crate) fn add(&mut self, n: u64) -> u64 {
        self.0.update(|kept| kept.get_or_insert_default().add(n))
    }
}

impl<V: Version> KeyedProcess for Count<V> {
    type Key = Utf8;
    type In = u64;
    type Out = (Utf8, u64);

    fn open(ctx: &mut OpenContext) -> Self {
        Self(ctx.value_state_with("count", V::options()))
    }

    fn process(&mut self, word: &str, n: u64, _: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        out.collect((word, self.add(n)));
        Ok(())
    }
}
