//! The kinds of operators: implement one of these traits and name the type in [`crate::export!`].

use crate::codec::Codec;
use crate::collector::Collector;
use crate::context::{KeyedContext, OpenContext};
use crate::error::Result;
use crate::record::Record;

/// One record in, one record out.
///
/// ```
/// use weir_guest::{Map, OpenContext, Result};
///
/// /// Adds a tax to prices in cents.
/// #[derive(Default)]
/// struct AddTax {
///     percent: u64,
/// }
///
/// impl Map for AddTax {
///     type In = u64;
///     type Out = u64;
///
///     fn open(ctx: &mut OpenContext) -> Self {
///         Self { percent: ctx.config_or("percent", 19) }
///     }
///
///     fn map(&mut self, cents: u64) -> Result<u64> {
///         Ok(cents + cents * self.percent / 100)
///     }
/// }
///
/// weir_guest::export! { "add-tax" => AddTax }
/// ```
///
/// Input and output may borrow: `fn map<'a>(&'a mut self, line: &'a str) -> Result<&'a str>` with `type In = Utf8; type Out = Utf8`.
pub trait Map: Default + 'static {
    /// The records that come.
    type In: Record;
    /// The records that go.
    type Out: Record;

    /// Reads the configuration; by default there is none.
    fn open(_ctx: &mut OpenContext) -> Self {
        Self::default()
    }

    /// The record for a record.
    ///
    /// # Errors
    /// When the record is refused.
    fn map<'a>(&'a mut self, record: <Self::In as Record>::View<'a>) -> Result<<Self::Out as Record>::View<'a>>;
}

/// Some records pass, the others don't. What passes is the record as it came, byte for byte.
///
/// ```
/// use weir_guest::{Filter, Result, Utf8};
///
/// /// Keeps lines that mention an error.
/// #[derive(Default)]
/// struct Errors;
///
/// impl Filter for Errors {
///     type In = Utf8;
///
///     fn filter(&mut self, line: &str) -> Result<bool> {
///         Ok(line.contains("error"))
///     }
/// }
///
/// weir_guest::export! { "errors" => Errors }
/// ```
///
/// With an input without key, as here, records pass without the key that they may have had; take pairs (`type In = (Utf8, Utf8)`) to keep it.
pub trait Filter: Default + 'static {
    /// The records that come and go.
    type In: Record;

    /// Reads the configuration; by default there is none.
    fn open(_ctx: &mut OpenContext) -> Self {
        Self::default()
    }

    /// Whether the record passes.
    ///
    /// # Errors
    /// When the record is refused.
    fn filter(&mut self, record: <Self::In as Record>::View<'_>) -> Result<bool>;
}

/// One record in, any number of records out.
///
/// ```
/// use weir_guest::{Collector, FlatMap, Result};
///
/// /// Splits lines into words.
/// #[derive(Default)]
/// struct Tokenize;
///
/// impl FlatMap for Tokenize {
///     type In = String;
///     type Out = (String, u64);
///
///     fn flat_map(&mut self, line: String, out: &mut Collector<Self::Out>) -> Result<()> {
///         for word in line.split_whitespace() {
///             out.collect((word.to_lowercase(), 1));
///         }
///         Ok(())
///     }
/// }
///
/// weir_guest::export! { "tokenize" => Tokenize }
/// ```
///
/// The same without an allocation per record: borrowed types, nothing else.
///
/// ```
/// use weir_guest::{Collector, FlatMap, Result, Utf8};
///
/// #[derive(Default)]
/// struct Tokenize;
///
/// impl FlatMap for Tokenize {
///     type In = Utf8;
///     type Out = (Utf8, u64);
///
///     fn flat_map(&mut self, line: &str, out: &mut Collector<Self::Out>) -> Result<()> {
///         for word in line.split_whitespace() {
///             out.collect((word, 1));
///         }
///         Ok(())
///     }
/// }
///
/// weir_guest::export! { "tokenize" => Tokenize }
/// ```
pub trait FlatMap: Default + 'static {
    /// The records that come.
    type In: Record;
    /// The records that go.
    type Out: Record;

    /// Reads the configuration; by default there is none.
    fn open(_ctx: &mut OpenContext) -> Self {
        Self::default()
    }

    /// Hands the records for a record to `out`.
    ///
    /// # Errors
    /// When the record is refused; what it has collected is void then.
    fn flat_map(&mut self, record: <Self::In as Record>::View<'_>, out: &mut Collector<Self::Out>) -> Result<()>;
}

/// One record of a key in, any number of records out, with state per key.
///
/// ```
/// use weir_guest::{Collector, KeyedContext, KeyedProcess, OpenContext, Result, ValueState};
///
/// /// Counts records by key.
/// struct Count {
///     seen: ValueState<u64>,
/// }
///
/// impl KeyedProcess for Count {
///     type Key = String;
///     type In = u64;
///     type Out = (String, u64);
///
///     fn open(ctx: &mut OpenContext) -> Self {
///         Count { seen: ctx.value_state("seen") }
///     }
///
///     fn process(&mut self, key: &String, n: u64, _ctx: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
///         let total = self.seen.get().unwrap_or(0) + n;
///         self.seen.set(total);
///         out.collect((key.clone(), total));
///         Ok(())
///     }
/// }
///
/// weir_guest::export! { "count" => Count }
/// ```
///
/// With `type Key = Utf8` the key is a `&str`. `#[inline]` on a short `process` saves about a fifth of its time in Wasm. State must be held in the declared states only: fields of the operator are shared by all keys and
/// are lost whenever the host makes a new instance.
pub trait KeyedProcess: Sized + 'static {
    /// The key's codec.
    type Key: Codec;
    /// The codec of the values that come.
    type In: Codec;
    /// The records that go.
    type Out: Record;

    /// Declares the states and reads the configuration.
    fn open(ctx: &mut OpenContext) -> Self;

    /// Handles one record of a key.
    ///
    /// # Errors
    /// When the record is refused; what it has collected and written to states is void then.
    fn process(
        &mut self,
        key: <Self::Key as Codec>::Ref<'_>,
        record: <Self::In as Codec>::View<'_>,
        ctx: &mut KeyedContext,
        out: &mut Collector<Self::Out>,
    ) -> Result<()>;
}
