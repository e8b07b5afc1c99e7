//! What the design of the job file has and this version has not: refused by name, so that nobody relies on it.

use crate::error::Error;

/// This version, as messages say it.
const VERSION: &str = concat!("weir ", env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));

/// Tables of later versions, and what weir doesn't do without them.
pub(super) const TABLES: &[(&str, &str)] = &[
    ("checkpointing", "take checkpoints"),
    ("state", "keep state anywhere but in memory"),
    ("restart", "restart failed jobs"),
    ("flink", "read Flink's keys from a table"),
];

/// Keys of `[plugins.NAME]` that grant a capability in later versions.
pub(super) const CAPABILITIES: &[&str] = &["clock", "random", "env"];

/// Keys of `-D` for later versions (with everything below them), and what weir doesn't do without them.
const ARGUMENTS: &[(&str, &str)] = &[
    ("execution.checkpointing", "take checkpoints"),
    ("execution.savepoint", "take savepoints"),
    ("state.checkpoints", "take checkpoints"),
    ("state.checkpoint-storage", "take checkpoints"),
    ("state.savepoints", "take savepoints"),
    ("restart-strategy", "restart failed jobs"),
];

/// The error for something that a later version will do.
pub(super) fn not_yet(what: String, lacking: &str, remedy: String) -> Error {
    Error::usage(what, format!("{VERSION} does not {lacking} yet"), remedy)
}

/// What weir doesn't do yet that the table called `name` would ask for.
pub(super) fn table(name: &str) -> Option<&'static str> {
    TABLES.iter().find(|(table, _)| *table == name).map(|(_, lacking)| *lacking)
}

/// What weir doesn't do yet that `-D key=…` would ask for.
pub(super) fn argument(key: &str) -> Option<&'static str> {
    let asks = |prefix: &str| key.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    ARGUMENTS.iter().chain(TABLES).find(|(prefix, _)| asks(prefix)).map(|(_, lacking)| *lacking)
}
