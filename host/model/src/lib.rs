//! The words every other crate of weir shares: errors, ids, rows and batches, key groups, codecs, settings, the job graph.
//!
//! Nothing here does I/O, runs a task, or knows WebAssembly.

pub mod codec;
pub mod describe;
pub mod element;
pub mod error;
pub mod graph;
pub mod id;
pub mod job_file;
pub mod key_group;
pub mod quantity;
pub mod rows;
pub mod section;
pub mod time;

pub use error::{Error, ErrorKind, Result};
