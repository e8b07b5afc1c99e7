//! What the design of the job file has and this version has not: refused by name, so that nobody relies on it.

use crate::error::Error;

/// This version, as messages say it.
const VERSION: &str = concat!("weir ", env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));

/// Flink's keys for later versions (with everything below them), and what weir doesn't do without them.
const FLINK_KEYS: &[(&str, &str)] = &[
    ("execution.savepoint", "start from a savepoint that a key names (`weir run -s` does)"),
    ("execution.savepoint-restore-mode", "start from a savepoint that a key names (`weir run -s` does)"),
    ("execution.state-recovery", "start from a savepoint that a key names (`weir run -s` does)"),
];

/// The error for something that a later version will do.
pub(super) fn not_yet(what: String, lacking: &str, remedy: String) -> Error {
    Error::usage(what, format!("{VERSION} does not {lacking} yet"), remedy)
}

/// What weir doesn't do yet that Flink's `key` would ask for.
pub(super) fn flink_key(key: &str) -> Option<&'static str> {
    let asks = |prefix: &str| key.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    FLINK_KEYS.iter().find(|(prefix, _)| asks(prefix)).map(|(_, lacking)| *lacking)
}
