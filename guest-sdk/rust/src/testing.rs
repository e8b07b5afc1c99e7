//! Tests of operators without Wasm: a small host in memory that keeps the contract's rules.
//!
//! ```
//! use weir_guest::testing::Harness;
//! # use weir_guest::{Collector, KeyedContext, KeyedProcess, OpenContext, Result, Utf8, ValueState};
//! # struct Count { count: ValueState<u64> }
//! # impl KeyedProcess for Count {
//! #     type Key = Utf8;
//! #     type In = u64;
//! #     type Out = (Utf8, u64);
//! #     fn open(ctx: &mut OpenContext) -> Self { Self { count: ctx.value_state("count") } }
//! #     fn process(&mut self, word: &str, n: u64, _: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
//! #         let total = self.count.get().unwrap_or(0) + n;
//! #         self.count.set(total);
//! #         out.collect((word, total));
//! #         Ok(())
//! #     }
//! # }
//! # weir_guest::export! { "count" => Count }
//!
//! let mut harness = Harness::new::<Count>();
//! harness.push("to", 1u64).push("be", 1u64).push("to", 1u64);
//! harness.push("bad", "not a number");
//! harness.process_at_every_batch_size();
//!
//! assert_eq!(harness.records::<(Utf8, u64)>(), [("to", 1), ("be", 1), ("to", 2)]);
//! assert_eq!(harness.value::<u64>("count", "to"), Some(2));
//! assert_eq!(harness.failures()[0].record, Some(3));
//!
//! let saved = harness.snapshot();
//! let mut later = Harness::new::<Count>();
//! later.restore(&saved);
//! later.push("to", 5u64).process(1);
//! assert_eq!(later.records::<(Utf8, u64)>(), [("to", 7)]);
//! ```

mod harness;
mod restore;
mod services;
mod store;

pub use harness::{Harness, Refusal};
pub use store::Snapshot;

/// What [`Harness::push`] takes as a key or a value: the bytes as the codec of that type has them.
pub trait ToBytes {
    /// The bytes.
    fn to_bytes(&self) -> Vec<u8>;
}

impl<T: ToBytes + ?Sized> ToBytes for &T {
    fn to_bytes(&self) -> Vec<u8> {
        (**self).to_bytes()
    }
}

macro_rules! to_bytes {
    ($($type:ty, $value:ident => $bytes:expr;)*) => {$(
        impl ToBytes for $type {
            fn to_bytes(&self) -> Vec<u8> {
                let $value = self;
                $bytes
            }
        }
    )*};
}

to_bytes! {
    str, text => text.as_bytes().to_vec();
    String, text => text.as_bytes().to_vec();
    [u8], bytes => bytes.to_vec();
    Vec<u8>, bytes => bytes.clone();
    u32, number => number.to_le_bytes().to_vec();
    u64, number => number.to_le_bytes().to_vec();
    i32, number => number.to_le_bytes().to_vec();
    i64, number => number.to_le_bytes().to_vec();
    f64, number => number.to_le_bytes().to_vec();
    bool, flag => vec![u8::from(*flag)];
}
