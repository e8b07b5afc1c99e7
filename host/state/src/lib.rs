//! The keyed state of one subtask: which keys there are, their values, and the staged writes of the call that is running.
//!
//! Entries are addressed by state name and key (the descriptor's number stands for the name while a job runs). Nothing here
//! knows who calls it, where bytes are stored, or what they mean.

mod column;
mod small_bytes;
mod prefetch;
mod index;
mod sub_keys;
mod keyed;
mod staged;

pub use column::{Column, MISSING, OwnedColumn, StateError};
pub use keyed::{KeyTable, KeyedState};
pub use staged::{Page, Scope, Staged};
