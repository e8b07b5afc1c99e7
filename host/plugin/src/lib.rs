//! Plugins: a WebAssembly component is loaded, checked, limited, and called one batch at a time, each call a transaction.
//!
//! Nothing here knows jobs, tasks, checkpoints or connectors: another engine could be the caller.

mod bindings;
pub mod error;
mod limits;
mod services;
mod guest;
mod wasi;
mod host_functions;
mod compile_cache;
pub mod compile;
pub mod engine;
mod functions;
mod encode;
pub mod load;
mod instance;
pub mod transaction;

pub use compile::Compiler;
pub use encode::{CONTRACT_FILES, encode_component, module_of_text};
pub use engine::{EngineOptions, PluginEngine};
pub use error::{Breakage, CallError};
pub use guest::{Call, CallContext, Guest, Migrate, Subtask, Work};
pub use limits::InstanceLimits;
pub use load::{Plugin, digest_of};
pub use services::{OutputPort, Services};
pub use transaction::{
    DeadLetter, EXAMPLE_BYTES_MAX, Identity, NewVersion, OperatorSubtask, Outputs, ShadowCounts, ShadowExample, ShadowRow, Step, TransactionCounts,
    TriedMigration,
};
pub use wasi::Capabilities;
