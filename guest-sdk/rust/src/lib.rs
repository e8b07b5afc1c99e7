//! Write operators for stream jobs in Rust: plain types with one method, compiled to a WebAssembly component.
//!
//! An operator implements one of [`Map`], [`Filter`], [`FlatMap`] and [`KeyedProcess`] (each has an example), and [`export!`] names it:
//!
//! ```
//! use weir_guest::{Collector, FlatMap, KeyedContext, KeyedProcess, OpenContext, Result, Utf8, ValueState};
//!
//! #[derive(Default)]
//! struct Tokenize;
//!
//! impl FlatMap for Tokenize {
//!     type In = Utf8;
//!     type Out = (Utf8, u64);
//!
//!     fn flat_map(&mut self, line: &str, out: &mut Collector<Self::Out>) -> Result<()> {
//!         line.split_whitespace().for_each(|word| out.collect((word, 1)));
//!         Ok(())
//!     }
//! }
//!
//! struct Count {
//!     count: ValueState<u64>,
//! }
//!
//! impl KeyedProcess for Count {
//!     type Key = Utf8;
//!     type In = u64;
//!     type Out = (Utf8, u64);
//!
//!     fn open(ctx: &mut OpenContext) -> Self {
//!         Self { count: ctx.value_state("count") }
//!     }
//!
//!     fn process(&mut self, word: &str, n: u64, _ctx: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
//!         let total = self.count.get().unwrap_or(0) + n;
//!         self.count.set(total);
//!         out.collect((word, total));
//!         Ok(())
//!     }
//! }
//!
//! weir_guest::export! {
//!     /// Splits lines into words.
//!     "tokenize" => Tokenize,
//!     /// Counts words.
//!     "count" => Count,
//! }
//! ```
//!
//! **Types** of records are [codecs](Codec): `String`, numbers, [`Json<T>`] and [`Postcard<T>`] are simple; [`Utf8`] and [`Bytes`] borrow and
//! allocate nothing. A pair is a record with a key.
//!
//! **State** is [`ValueState`], [`ListState`] and [`MapState`], declared in `open`, always of the key of the record at hand. The host holds it.
//! Fields of an operator are good for scratch space and configuration only: an instance may be replaced between any two calls.
//! When a state's type changes, [`StateOptions::migrate_to`] says how a value of the old type becomes one of the new.
//!
//! **Errors**: an `Err` refuses the record that is being processed, and so do bytes that can't be decoded. The job's policy decides whether
//! it fails, skips the record or sets it aside. Nothing of a refused record is ever seen.
//!
//! **Batches** are invisible: the host cuts the stream where it likes, and results must not depend on it. [`testing::Harness`] tests an operator
//! natively under `cargo test`, at several batch sizes.
//!
//! **Timers** are in the contract and not in this version of the SDK.

// The generated bindings name the crate from the outside.
#[cfg(target_arch = "wasm32")]
extern crate self as weir_guest;

mod codec;
mod collector;
mod column;
mod context;
mod describe;
mod driver;
mod error;
mod export;
mod operator;
mod raw;
mod record;
mod rows;
mod shared;
mod state;

pub mod native;
pub mod testing;
pub mod text;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod bindings;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod component;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub use wit_bindgen::rt as __wit_bindgen_rt;

pub use codec::{Bytes, Codec, Json, Postcard, StateCodec, Utf8};
pub use collector::Collector;
pub use context::{Counter, KeyedContext, OpenContext};
pub use error::{Error, Result};
#[doc(hidden)]
pub use export::function;
pub use export::{Export, Function};
pub use native::Level;
pub use operator::{Filter, FlatMap, KeyedProcess, Map};
pub use record::{Record, RowBuffer};
pub use state::{Entries, ListState, MapState, StateOptions, ValueState};
