//! From a job graph to running tasks: what is chained, what is exchanged, who waits for whom, and how it ends.

pub mod plan;
mod binding;
mod planner;
pub mod metrics;
mod exchange;
mod gate;
mod dead_letter;
mod chain;
mod task;
mod build;
pub mod job;

pub use job::{Job, JobHandle, JobOptions, JobReport};
pub use plan::{Edge, Exchange, GuestMaker, Plan, PlannedKind, PlannedNode, PlannedOperator};
