//! The words every other crate of weir shares: errors, ids, rows and batches, key groups, codecs, settings, the job graph.
//!
//! Nothing here does I/O, runs a task, or knows WebAssembly.

pub mod error;
pub mod id;
pub mod time;
pub mod rows;
pub mod element;
pub mod key_group;
pub mod codec;
pub mod describe;
pub mod section;
pub mod quantity;
pub mod settings;
pub mod graph;
pub mod job_file;
pub mod fail_point;

pub use error::{Error, ErrorKind, Result};
