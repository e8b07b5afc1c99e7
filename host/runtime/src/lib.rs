//! From a job graph to running tasks: what is chained, what is exchanged, who waits for whom, and how it ends.

mod binding;
mod build;
mod chain;
mod dead_letter;
mod exchange;
mod gate;
pub mod job;
pub mod metrics;
pub mod plan;
mod task;

pub use job::{Job, JobHandle, JobOptions, JobReport};
pub use plan::{Edge, Exchange, GuestMaker, Plan, PlannedKind, PlannedNode, PlannedOperator};
