//! The keyed state of one subtask: which keys there are, their values, and the staged writes of the call that is running.
//!
//! Entries are addressed by state name and key (the descriptor's number stands for the name while a job runs). Nothing here
//! knows who calls it, where bytes are stored, or what they mean.

mod index;
mod keyed;
mod prefetch;
mod small_bytes;
mod staged;
mod sub_keys;

pub use keyed::{KeyTable, KeyedState};
pub use staged::{Column, MISSING, OwnedColumn, Page, Scope, Staged, StateError};
