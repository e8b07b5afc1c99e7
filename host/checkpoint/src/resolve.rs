//! What a restore starts from: which checkpoint, and what each new subtask takes from the old ones.

use std::ops::Range;

use weir_model::id::{CheckpointId, OperatorUid, Parallelism, SubtaskIndex};
use weir_model::key_group::MaxParallelism;
use weir_model::{Error, Result};

use crate::compare::Comparison;
use crate::manifest::{FileEntry, Manifest, ManifestError, OperatorSnapshot, OwnerEpoch};
use crate::paths;

mod choose;

#[cfg(test)]
mod tests;

pub use choose::{Chosen, Found, Origin, OriginFrom, choose};

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
        self.operators.iter().find(|operator| operator.uid == *uid)
    }
}

/// What a node takes from a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorRestore {
    /// Its UID in the job.
    pub uid: OperatorUid,
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

/// What every node of a job takes from a snapshot that it has been held against.
#[must_use]
pub fn plan(compared: &Comparison, max_parallelism: MaxParallelism) -> RestorePlan {
    let mut operators = Vec::new();
    for node in &compared.nodes {
        let (Some(old), Some(new)) = (&node.before, &node.now) else { continue };
        // All given up, a node starts as if the snapshot didn't know it.
        if node.is_given_up {
            continue;
        }
        let subtasks = new.parallelism.subtasks().map(|index| subtask(old, new.parallelism, max_parallelism, index)).collect();
        operators.push(OperatorRestore { uid: new.uid.clone(), snapshot: old.clone(), subtasks });
    }
    RestorePlan { operators }
}

fn subtask(old: &OperatorSnapshot, parallelism: Parallelism, max_parallelism: MaxParallelism, index: SubtaskIndex) -> SubtaskRestore {
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
