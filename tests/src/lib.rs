//! What the tests share: where the built things are, how an operator or a job is run, an independent recount, and jobs that are killed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test helper that can't go on has found a failure")]

pub mod built;
pub mod crash;
pub mod job;
pub mod languages;
pub mod operator;
pub mod oracle;
pub mod process;
pub mod s3;
pub mod simulation;
