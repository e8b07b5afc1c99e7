//! From a job graph to running tasks: what is chained, what is exchanged, who waits for whom, and how it ends.

pub mod plan;
mod binding;
mod planner;
pub mod metrics;
pub mod live;
pub mod control;
mod exchange;
mod gate;
mod dead_letter;
mod chain;
mod source_head;
mod full_order;
mod command;
mod snapshot;
mod task;
mod in_flight;
mod upload;
mod commit;
mod history;
mod checkpointing;
mod origin;
mod versions;
mod swap;
mod shadow_report;
mod state_file;
pub mod savepoint;
mod restore;
mod executor;
mod build;
mod attempt;
pub mod job;

pub use binding::LostPlugins;
pub use control::JobControl;
pub use job::{Job, JobEvent, JobHandle, JobOptions, JobReport, StartFrom};
pub use plan::{Edge, Exchange, GuestMaker, Plan, PlannedKind, PlannedNode, PlannedOperator, PluginSettings};
