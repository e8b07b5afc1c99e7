//! Versions of one operator, for tests of upgrades: each function stands for what `count` may have become in a newer plugin.
//!
//! All but `stateless-count` are keyed by word; all take a number and emit the word with its running count, unless they say otherwise.

mod count;
mod faults;
mod shapes;

pub use count::{AsJson, Brief, Count, First, Picky, Second, Sum, Third, Unmigrated, Version, WithLargest, WithRecords};
pub use faults::{At, Fault, OtherOutput, Refuse, Slow, Trap, Wrong};
pub use shapes::{ByLength, CountAndLast, CountMap, Increments, LastOnly, Stateless};

weir_guest::export! {
    /// State `count`: the count alone.
    "count-1" => Count<First>,
    /// State `count` at schema version 2, with a migration from 1: also the number of records.
    "count-2" => Count<Second>,
    /// State `count` at schema version 3, with migrations from 1 and 2: also the largest number.
    "count-3" => Count<Third>,
    /// As `count-2`, but without the migration.
    "count-2-no-migration" => Count<Unmigrated>,
    /// As `count-2`, but its migration refuses odd counts.
    "count-2-picky" => Count<Picky>,
    /// State `count` as JSON, although its schema version is 1.
    "count-json" => Count<AsJson>,
    /// State `count` is a map: from the length of the word to its count.
    "count-map" => CountMap,
    /// As `count-1`, with a state `last`: the newest number.
    "count-and-last" => CountAndLast,
    /// State `last` only. Emits the number before this one, at first 0.
    "last-only" => LastOnly,
    /// State `by-length`: a map from the length of the word to its count.
    "map-1" => ByLength<First>,
    /// As `map-1` at schema version 2, with a migration from 1.
    "map-2" => ByLength<Second>,
    /// As `map-1`, but an entry expires two seconds after it was last written.
    "map-brief" => ByLength<Brief>,
    /// State `increments`: the list of all numbers. Emits how many there are.
    "list-1" => Increments<First>,
    /// As `list-1` at schema version 2, with a migration from 1.
    "list-2" => Increments<Second>,
    /// As `count-1`, but traps on a record that brings a count to config `at` (never) or beyond.
    "trap-at" => At<Trap>,
    /// As `count-1`, but refuses a record that brings a count to config `at` (never) or beyond.
    "refuse-at" => At<Refuse>,
    /// As `count-1`, but from config `at` (never) on it emits 1000 more than the count.
    "wrong-at" => At<Wrong>,
    /// As `count-1`, but goes round in a circle config `spins` (0) times for each record.
    "slow" => Slow,
    /// No state: emits the word with 1.
    "stateless-count" => Stateless,
    /// As `count-1`, but emits the count as text.
    "other-output" => OtherOutput,
}

#[cfg(test)]
mod tests;
