//! Reads every file of a snapshot and sees that it is what its manifest says.

use std::ops::ControlFlow;

use weir_checkpoint::manifest::{FileEntry, Manifest};
use weir_checkpoint::store::Store;
use weir_model::Result;
use weir_model::id::Parallelism;
use weir_model::key_group::{MaxParallelism, hash_key};

use super::rows::refuse;
use super::{SnapshotRows, StateRow};
use crate::{in_flight, state_file};

/// Reads every file; gives how many rows were read, and what is wrong with which file: its path and the error.
pub async fn verify(manifest: &Manifest, store: &Store) -> Vec<(FileEntry, Result<u64>)> {
    let mut checked = Vec::new();
    for subtask in manifest.operators.iter().flat_map(|operator| &operator.subtasks) {
        for file in &subtask.files {
            checked.push((file.clone(), verify_state(file, manifest.max_parallelism, store).await));
        }
        if let Some(file) = &subtask.in_flight {
            checked.push((file.clone(), verify_in_flight(file, store).await));
        }
    }
    checked
}

async fn verify_state(file: &FileEntry, max_parallelism: u32, store: &Store) -> Result<u64> {
    let groups = Parallelism::new(max_parallelism).and_then(|groups| MaxParallelism::new(groups, Parallelism::ONE).ok());
    let mut rows = SnapshotRows::open(store, vec![file.clone()], None, 0..max_parallelism).await?;
    let mut is_misplaced = false;
    let each = |row: &StateRow<'_>| {
        is_misplaced =
            groups.is_none_or(|groups| groups.key_group(hash_key(row.key)) != row.key_group) || !file.key_groups.contains(&row.key_group.0);
        if is_misplaced { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    rows.next(each).await?;
    if is_misplaced {
        return Err(refuse(store, file, "it has a row in a key group that isn't its key's".to_owned()));
    }
    Ok(file.rows)
}

async fn verify_in_flight(file: &FileEntry, store: &Store) -> Result<u64> {
    let refuse = |file: &FileEntry, why: String| refuse(store, file, why);
    state_file::check_size(store, file, &refuse).await?;
    let bytes = state_file::read(store, file, 0..file.bytes, &refuse).await?;
    in_flight::decode(&bytes, file.checksum).map_err(|why| refuse(file, why.to_owned()))?;
    Ok(file.rows)
}
