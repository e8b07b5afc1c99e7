//! A savepoint with another number of key groups: each row goes where its key belongs now.

use std::ops::ControlFlow;

use weir_checkpoint::manifest::{FileEntry, HASH_FUNCTION, Manifest, OperatorSnapshot, SubtaskSnapshot};
use weir_checkpoint::paths;
use weir_model::id::Parallelism;
use weir_model::key_group::{MaxParallelism, hash_key};
use weir_model::{Error, Result};
use weir_state::{RowSorter, StateRow};

use super::{Compose, SnapshotRows, put, put_components, refuse_in_flight, write_rows};

/// How state is to be divided.
#[derive(Debug, Clone, Copy)]
pub struct NewGroups {
    /// The number of key groups.
    pub max_parallelism: MaxParallelism,
    /// How many subtasks each keyed operator is divided for; `None`: as many as before, as far as there are key groups.
    pub parallelism: Option<Parallelism>,
}

/// Writes the files of a savepoint whose state is divided into other key groups; positions and commit handles stay as they are. The rows are sorted 128 MiB at a
/// time, and what was sorted lies in the new folder until it is merged: about as many bytes as the state has. The savepoint exists when the manifest that
/// comes back is put.
///
/// # Errors
/// When a file can't be read, doesn't verify or can't be written; and when the keys were placed by a function that isn't known.
pub async fn rekey(what: Compose<'_>, groups: NewGroups) -> Result<Manifest> {
    refuse_in_flight(what.manifest)?;
    if what.manifest.hash_function != HASH_FUNCTION {
        let why = format!("its keys were placed by the function {}, and this weir uses {HASH_FUNCTION}", what.manifest.hash_function);
        return Err(Error::incompatible("the savepoint can't be given other key groups", why, "use the weir that took it"));
    }
    let max_parallelism = groups.max_parallelism.get();
    let mut manifest = Manifest { kind: what.kind, max_parallelism, retained: Vec::new(), probation: None, ..what.manifest.clone() };
    for operator in manifest.operators.iter_mut().filter(|operator| operator.subtasks.iter().any(|subtask| !subtask.files.is_empty())) {
        divide(operator, &what, groups).await?;
    }
    put_components(&what, &mut manifest).await?;
    Ok(manifest)
}

/// Divides the state of one operator anew.
async fn divide(operator: &mut OperatorSnapshot, what: &Compose<'_>, groups: NewGroups) -> Result<()> {
    let parts = Parallelism::new(operator.parallelism.min(groups.max_parallelism.get())).unwrap_or(Parallelism::ONE);
    let parallelism = groups.parallelism.unwrap_or(parts);
    let sorted = sort(operator, what, groups.max_parallelism).await?;
    let mut subtasks = Vec::new();
    for subtask in parallelism.subtasks() {
        let range = groups.max_parallelism.range(subtask, parallelism);
        let overlaps = |file: &&FileEntry| file.key_groups.is_empty() || file.key_groups.start < range.end && range.start < file.key_groups.end;
        let files = sorted.iter().filter(overlaps).cloned().collect();
        let rows = SnapshotRows::open(what.to, files, None, range).await?;
        let files = write_rows(rows, what.to, &operator.uid, subtask.0).await?;
        subtasks.push(SubtaskSnapshot { files, ..SubtaskSnapshot::default() });
    }
    let leftovers: Vec<_> = sorted.into_iter().map(|file| file.path).collect();
    what.to.delete_files(&leftovers).await?;
    operator.parallelism = parallelism.get();
    operator.subtasks = subtasks;
    Ok(())
}

/// Writes the state of an operator as files that are each in the new order.
async fn sort(operator: &OperatorSnapshot, what: &Compose<'_>, groups: MaxParallelism) -> Result<Vec<FileEntry>> {
    let files: Vec<_> = operator.subtasks.iter().flat_map(|subtask| subtask.files.iter().cloned()).collect();
    let mut rows = SnapshotRows::open(what.from, files, None, 0..what.manifest.max_parallelism).await?.telling(what.progress.clone());
    let mut sorter = RowSorter::new(rows.states());
    let mut sorted = Vec::new();
    loop {
        let is_more = rows
            .next(|row| {
                let key_group = groups.key_group(hash_key(row.key));
                let is_full = sorter.push(&StateRow { key_group, ..*row });
                if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .await?;
        for file in sorter.take_files() {
            sorted.push(put(what.to, sorted_file(operator, sorted.len()), file).await?);
        }
        if !is_more {
            return Ok(sorted);
        }
    }
}

/// A file that is there while state is divided anew.
fn sorted_file(operator: &OperatorSnapshot, number: usize) -> String {
    paths::savepoint_file(&operator.uid, 0, number).replace(".state", ".sorted")
}
