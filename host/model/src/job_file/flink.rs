//! Flink's keys: what each stands for in a job file, and the table `[flink]` that holds them.

mod foreign;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::section::{Value, ValueKind, nearest};

use super::document::Table;
use super::later;

/// Keys of the job file, such as `job.parallelism`, that were given under a name of Flink's, and that name.
pub(super) type Aliases = BTreeMap<String, String>;

/// Flink's keys, the older names too, and where weir keeps them.
const KEYS: &[(&str, &str)] = &[
    ("parallelism.default", "job.parallelism"),
    ("pipeline.max-parallelism", "job.max-parallelism"),
    ("pipeline.name", "job.name"),
    ("execution.checkpointing.interval", "checkpointing.interval"),
    ("execution.checkpointing.mode", "checkpointing.mode"),
    ("execution.checkpointing.min-pause", "checkpointing.min-pause"),
    ("execution.checkpointing.timeout", "checkpointing.timeout"),
    ("execution.checkpointing.max-concurrent-checkpoints", "checkpointing.max-concurrent-checkpoints"),
    ("execution.checkpointing.tolerable-failed-checkpoints", "checkpointing.tolerable-failed-checkpoints"),
    ("execution.checkpointing.externalized-checkpoint-retention", "checkpointing.externalized-checkpoint-retention"),
    ("execution.checkpointing.num-retained", "checkpointing.num-retained"),
    ("state.checkpoints.num-retained", "checkpointing.num-retained"),
    ("execution.checkpointing.unaligned.enabled", "checkpointing.unaligned"),
    ("execution.checkpointing.unaligned", "checkpointing.unaligned"),
    ("execution.checkpointing.aligned-checkpoint-timeout", "checkpointing.aligned-checkpoint-timeout"),
    ("execution.checkpointing.alignment-timeout", "checkpointing.aligned-checkpoint-timeout"),
    ("execution.checkpointing.storage", "checkpointing.storage"),
    ("state.checkpoint-storage", "checkpointing.storage"),
    ("execution.checkpointing.dir", "checkpointing.dir"),
    ("state.checkpoints.dir", "checkpointing.dir"),
    ("execution.checkpointing.savepoint-dir", "checkpointing.savepoint-dir"),
    ("state.savepoints.dir", "checkpointing.savepoint-dir"),
    ("execution.checkpointing.incremental", "state.incremental"),
    ("state.backend.incremental", "state.incremental"),
    ("state.backend.type", "state.backend"),
    ("state.backend", "state.backend"),
    ("state.backend.rocksdb.localdir", "state.local-dir"),
    ("restart-strategy.type", "restart.strategy"),
    ("restart-strategy", "restart.strategy"),
    ("restart-strategy.fixed-delay.attempts", "restart.attempts"),
    ("restart-strategy.fixed-delay.delay", "restart.delay"),
    ("restart-strategy.failure-rate.max-failures-per-interval", "restart.max-failures-per-interval"),
    ("restart-strategy.failure-rate.failure-rate-interval", "restart.failure-rate-interval"),
    ("restart-strategy.failure-rate.delay", "restart.delay"),
    ("restart-strategy.exponential-delay.initial-backoff", "restart.initial-backoff"),
    ("restart-strategy.exponential-delay.max-backoff", "restart.max-backoff"),
    ("restart-strategy.exponential-delay.backoff-multiplier", "restart.backoff-multiplier"),
    ("restart-strategy.exponential-delay.reset-backoff-threshold", "restart.reset-backoff-threshold"),
    ("restart-strategy.exponential-delay.jitter-factor", "restart.jitter-factor"),
    ("restart-strategy.exponential-delay.attempts-before-reset-backoff", "restart.attempts-before-reset-backoff"),
];

/// The key of the job file that Flink's `key` stands for, such as `job.parallelism`.
pub(super) fn own_key(key: &str) -> Option<&'static str> {
    KEYS.iter().find(|(flink, _)| *flink == key).map(|(_, own)| *own)
}

/// The keys of the job file that keys of Flink's stand for.
pub(super) fn own_keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|(_, own)| *own)
}

/// The error for a key of Flink's that has nothing to stand for: a later version's, or one that means nothing to weir.
pub(super) fn refuse(what: &str, key: &str) -> Option<Error> {
    if let Some(lacking) = later::flink_key(key) {
        return Some(later::not_yet(what.to_owned(), lacking, format!("remove `{key}`")));
    }
    let (why, remedy) = foreign::about(key)?;
    Some(Error::usage(what, why, remedy))
}

/// The key of Flink's that `key` is most likely a slip of: the part behind the last dot must look alike too.
pub(super) fn nearest_key(key: &str) -> Option<&'static str> {
    let known: Vec<_> = KEYS.iter().map(|(flink, _)| *flink).collect();
    let near = nearest(key, &known)?;
    let last = |key: &'_ str| key.rsplit('.').next().unwrap_or_default().to_owned();
    nearest(&last(key), &[&last(near)])?;
    Some(near)
}

/// Writes the keys of `[flink]` out in full: `execution.checkpointing.interval`, however they are spread over tables.
pub(super) fn flatten(root: &mut Table) {
    if let Some(Value { kind: ValueKind::Table(entries), .. }) = root.get_mut("flink") {
        let mut flat = Table::new();
        flatten_into(&mut flat, "", std::mem::take(entries));
        *entries = flat;
    }
}

fn flatten_into(flat: &mut Table, prefix: &str, entries: Table) {
    for (key, value) in entries {
        let key = format!("{prefix}{key}");
        match value.kind {
            ValueKind::Table(below) => flatten_into(flat, &format!("{key}."), below),
            _ => drop(flat.insert(key, value)),
        }
    }
}

/// Takes out of `[flink]` what stands for `own`, a key that the command line gives.
pub(super) fn shadow(root: &mut Table, own: &str) {
    if let Some(Value { kind: ValueKind::Table(entries), .. }) = root.get_mut("flink") {
        entries.retain(|key, _| own_key(key) != Some(own));
    }
}

/// Moves the keys of `[flink]` to their places, except for those that the file's own tables or the command line give.
///
/// # Errors
/// A usage error with the line of a key that weir doesn't take, or of the second one that stands for the same.
pub(super) fn merge(root: &mut Table, file: &Arc<str>, aliases: &mut Aliases) -> Result<()> {
    let Some(Value { kind: ValueKind::Table(entries), .. }) = root.remove("flink") else { return Ok(()) };
    let mut entries: Vec<_> = entries.into_iter().collect();
    entries.sort_by_key(|(_, value)| value.line);
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    for (key, value) in entries {
        let what = format!("{file}:{}: [flink] {key}", value.line);
        let Some(own) = own_key(&key) else { return Err(refuse(&what, &key).unwrap_or_else(|| unknown(what, &key))) };
        if let Some(earlier) = seen.insert(own, key.clone()) {
            return Err(Error::usage(what, format!("`{earlier}` stands for the same setting"), "keep one of the two"));
        }
        let Some((table, name)) = own.split_once('.') else { continue };
        let place = root.entry(table.to_owned()).or_insert_with(|| Value { line: value.line, kind: ValueKind::Table(Table::new()) });
        if let ValueKind::Table(place) = &mut place.kind
            && !place.contains_key(name)
        {
            place.insert(name.to_owned(), value);
            aliases.insert(own.to_owned(), key);
        }
    }
    Ok(())
}

fn unknown(what: String, key: &str) -> Error {
    let remedy = match nearest_key(key) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "remove it, or name one of Flink's keys that weir takes, such as `execution.checkpointing.interval`".to_owned(),
    };
    Error::usage(what, "weir knows no such key of Flink's", remedy)
}
