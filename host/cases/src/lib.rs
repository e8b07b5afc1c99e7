//! Cases of plugins: what goes in, what has to come out, what state is left. Each is run as a job would run it, cut in several ways, and compared.
//!
//! The format is in `docs/plugin-cases.md`. Nothing here knows jobs: an operator's subtasks are driven directly, over real snapshots in memory.

mod field;
mod case;
mod read;
mod plugins;
mod snapshot;
mod outcome;
mod operator;
mod run;
mod mode;
mod compare;
mod suite;
mod text;
mod junit;

pub use case::Case;
pub use compare::Difference;
pub use junit::junit;
pub use mode::Mode;
pub use plugins::Plugins;
pub use read::read;
pub use suite::{CaseResult, ModeFailure, Verdict, run};
pub use text::{case_text, failure_text};
