//! The checkpoint protocol as pure decisions, and the one place where checkpoints touch storage.
//!
//! `trigger` to `stats` decide and describe: facts in, a decision out, no clock, no file. `store` alone does I/O, and `savepoint` through it.

pub mod trigger;
pub mod coordinator;
pub mod align;
pub mod manifest;
pub mod permit;
pub mod paths;
pub mod compare;
pub mod resolve;
pub mod retain;
pub mod trial;
pub mod restart;
pub mod stats;
pub mod swaps;
pub mod store;
pub mod savepoint;
#[cfg(any(test, feature = "testing"))]
pub mod faulty;
