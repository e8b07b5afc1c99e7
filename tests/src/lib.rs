//! What the tests share: where the built things are, how an operator or a job is run, and an independent recount.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test helper that can't go on has found a failure")]

pub mod built;
pub mod job;
pub mod operator;
pub mod oracle;
pub mod process;
