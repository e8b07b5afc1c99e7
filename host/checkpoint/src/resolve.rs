//! What a restore starts from: which checkpoint, and what each new subtask takes from the old ones.

use std::ops::Range;

use weir_model::id::{CheckpointId, OperatorUid, Parallelism};
use weir_model::key_group::MaxParallelism;
use weir_model::{Error, Result};

use crate::manifest::{FileEntry, HASH_FUNCTION, Manifest, ManifestError, OperatorKind, OperatorSnapshot, OwnerEpoch};
use crate::paths;

mod choose;

#[cfg(test)]
mod tests;

pub use choose::{Found, Origin, choose};

/// A node of the job that is to be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOperator {
    /// Its UID.
    pub uid: OperatorUid,
    /// What it is.
    pub kind: OperatorKind,
    /// How many subtasks it runs as now.
    pub parallelism: Parallelism,
}

/// What a job takes from a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorePlan {
    /// The nodes of the job that the checkpoint knows, in the job's order. Those that it doesn't know start empty and aren't here.
    pub operators: Vec<OperatorRestore>,
}

impl RestorePlan {
    /// What a node takes; `None`: it starts empty.
    #[must_use]
    pub fn of(&self, uid: &OperatorUid) -> Option<&OperatorRestore> {
        self.operators.iter().find(|operator| operator.snapshot.uid == *uid)
    }
}

/// What a node takes from a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorRestore {
    /// All that the checkpoint has of it: positions or writer states of all old subtasks, handles, state descriptors.
    pub snapshot: OperatorSnapshot,
    /// What each new subtask reads.
    pub subtasks: Vec<SubtaskRestore>,
}

impl OperatorRestore {
    /// The positions (or writer states) of all old subtasks, in order.
    #[must_use]
    pub fn positions(&self) -> Vec<Vec<u8>> {
        self.snapshot.subtasks.iter().map(|subtask| subtask.position.clone()).collect()
    }
}

/// What a new subtask reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubtaskRestore {
    /// State files in the order in which they are to be read: those of one old subtask after those of another, base before changes.
    pub files: Vec<FileToRead>,
    /// Overtaken records; of those with a key only the ones in the range.
    pub in_flight: Vec<FileToRead>,
}

/// A file, and what of it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileToRead {
    /// The file.
    pub file: FileEntry,
    /// The key groups that are wanted of it; empty when its rows have no keys: then all of it is wanted.
    pub key_groups: Range<u32>,
    /// Whether the file belongs to the one old subtask whose place the new one takes: then it can go on with the file as its own base.
    pub is_own: bool,
}

/// What may be in a checkpoint and not in the job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GivenUp<'a> {
    /// The state of these nodes.
    pub state_of: &'a [OperatorUid],
    /// Output of any sink: it is committed already.
    pub output: bool,
}

/// What every node of `job` takes from a checkpoint.
///
/// # Errors
/// An incompatible pair: other key groups, another kind of node, or a node that is gone and whose state or output isn't given up.
pub fn plan(manifest: &Manifest, max_parallelism: MaxParallelism, job: &[JobOperator], given_up: GivenUp<'_>) -> Result<RestorePlan> {
    let name = paths::checkpoint(manifest.checkpoint);
    check_key_groups(manifest, max_parallelism, &name)?;
    for gone in manifest.operators.iter().filter(|old| job.iter().all(|new| new.uid != old.uid)) {
        check_gone(gone, given_up, &name)?;
    }
    let mut operators = Vec::new();
    for new in job {
        let Some(old) = manifest.operators.iter().find(|old| old.uid == new.uid) else { continue };
        if old.kind != new.kind {
            return Err(Error::incompatible(
                format!("`{}` can't be restored from {name}", new.uid),
                format!("that UID was of kind {} and is of kind {} now", old.kind, new.kind),
                "give the new node another UID",
            ));
        }
        let subtasks = new.parallelism.subtasks().map(|index| subtask(old, new.parallelism, max_parallelism, index)).collect();
        operators.push(OperatorRestore { snapshot: old.clone(), subtasks });
    }
    Ok(RestorePlan { operators })
}

fn check_key_groups(manifest: &Manifest, max_parallelism: MaxParallelism, name: &str) -> Result<()> {
    if manifest.hash_function != HASH_FUNCTION {
        return Err(Error::incompatible(
            format!("{name} can't be restored"),
            format!("its keys were placed by the function {}, and this weir uses {HASH_FUNCTION}", manifest.hash_function),
            "use the weir that took the checkpoint",
        ));
    }
    if manifest.max_parallelism != max_parallelism.get() {
        return Err(Error::incompatible(
            format!("{name} can't be restored"),
            format!(
                "it has max-parallelism {}, and the job has {max_parallelism}",
                manifest.max_parallelism,
                max_parallelism = max_parallelism.get()
            ),
            format!("set `max-parallelism = {}` in [job]", manifest.max_parallelism),
        ));
    }
    Ok(())
}

fn check_gone(gone: &OperatorSnapshot, given_up: GivenUp<'_>, name: &str) -> Result<()> {
    let uid = &gone.uid;
    if !given_up.output && gone.subtasks.iter().any(|subtask| !subtask.handles.is_empty()) {
        return Err(Error::incompatible(
            format!("the sink `{uid}` of {name} isn't in the job any more"),
            "the checkpoint holds output of it that may not be committed yet",
            format!("run the job once with `{uid}`, stop it, and take the sink out then"),
        ));
    }
    let is_empty =
        |subtask: &crate::manifest::SubtaskSnapshot| subtask.files.is_empty() && subtask.in_flight.is_none() && subtask.position.is_empty();
    if given_up.state_of.contains(uid) || gone.kind == OperatorKind::Sink || gone.subtasks.iter().all(is_empty) {
        return Ok(());
    }
    let has_state = |subtask: &crate::manifest::SubtaskSnapshot| !subtask.files.is_empty() || !subtask.position.is_empty();
    let (why, otherwise) = if gone.subtasks.iter().any(has_state) {
        ("its state would be lost", "give the state up")
    } else {
        ("records on their way to it, which the unaligned checkpoint holds, would be lost", "stop the job with Ctrl-C first, or give them up")
    };
    Err(Error::incompatible(
        format!("`{uid}` of {name} isn't in the job any more"),
        why,
        format!("bring the UID back, or {otherwise} with `--drop-state {uid}`"),
    ))
}

fn subtask(old: &OperatorSnapshot, parallelism: Parallelism, max_parallelism: MaxParallelism, index: weir_model::id::SubtaskIndex) -> SubtaskRestore {
    let range = max_parallelism.range(index, parallelism);
    let is_same = old.parallelism == parallelism.get();
    let mut restore = SubtaskRestore::default();
    for (place, subtask) in (0u32..).zip(&old.subtasks) {
        let is_own = is_same && place == index.0;
        let wanted = |file: &FileEntry| {
            let overlap = file.key_groups.start.max(range.start)..file.key_groups.end.min(range.end);
            // Rows without keys go where their old subtask would be among the new ones; each has exactly one reader.
            let has_keys = !file.key_groups.is_empty();
            let is_wanted = if has_keys { !overlap.is_empty() } else { place % parallelism.get() == index.0 };
            let key_groups = if has_keys { overlap } else { 0..0 };
            is_wanted.then(|| FileToRead { file: file.clone(), key_groups, is_own })
        };
        restore.files.extend(subtask.files.iter().filter_map(wanted));
        restore.in_flight.extend(subtask.in_flight.iter().filter_map(wanted));
    }
    restore
}
