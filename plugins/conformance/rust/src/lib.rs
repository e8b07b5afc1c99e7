//! The functions that every SDK has to offer alike, in Rust: what the cases in `tests/conformance` are run against.

mod keyed;
mod pass;
mod stateless;

use keyed::{Clear, Count, Distinct, History, Last, Ledger, Sum1, Sum2};
use pass::{PassBool, PassBytes, PassF64, PassI32, PassI64, PassU32, PassU64, PassUtf8};
use stateless::{Even, Extract, Greet, Reverse, Strict, Times, Tokenize};

weir_guest::export! {
    /// The text with its code points in reverse order.
    "reverse" => Reverse,
    /// Keeps even numbers.
    "even" => Even,
    /// Splits at ASCII whitespace and lower-cases A to Z; each word with the number 1.
    "tokenize" => Tokenize,
    /// The string at the path in config `field` of a JSON object.
    "extract" => Extract,
    /// Bytes, decoded and encoded again.
    "pass-bytes" => PassBytes,
    /// Text, decoded and encoded again.
    "pass-utf8" => PassUtf8,
    /// Numbers, decoded and encoded again.
    "pass-u32" => PassU32,
    /// Numbers, decoded and encoded again.
    "pass-u64" => PassU64,
    /// Numbers, decoded and encoded again.
    "pass-i32" => PassI32,
    /// Numbers, decoded and encoded again.
    "pass-i64" => PassI64,
    /// Numbers, decoded and encoded again.
    "pass-f64" => PassF64,
    /// True and false, decoded and encoded again.
    "pass-bool" => PassBool,
    /// Passes text on, but refuses `bad`, fails at `throw`, and refuses `double` after emitting it.
    "strict" => Strict,
    /// Puts config `greeting` before the text and counts it in `greeted`.
    "greet" => Greet,
    /// The timestamp of the record, the watermark and the time of the call.
    "times" => Times,
    /// Adds up the numbers of each key.
    "count" => Count,
    /// A list a key: appended to, asked for by `?` and `#`, cleared by `!`, replaced by `=a,b`.
    "history" => History,
    /// A map a key, of names to amounts.
    "ledger" => Ledger,
    /// The value before, unless that is a second old.
    "last" => Last,
    /// Sums as whole numbers: schema version 1.
    "sum-1" => Sum1,
    /// The same sums as fractions: schema version 2.
    "sum-2" => Sum2,
    /// As `count`, but 0 clears the state.
    "clear" => Clear,
    /// The number of distinct values of each key, whenever there is a new one.
    "distinct" => Distinct,
}
