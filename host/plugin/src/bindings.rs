//! The contract as Rust types, a module per version.

pub(crate) mod v0_1;
