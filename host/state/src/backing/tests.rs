//! What the model test of snapshots can't see: failing disks, the folder's end, and that the table stays small.

use std::path::Path;

use weir_model::codec::Codec;
use weir_model::id::Parallelism;
use weir_model::key_group::{MaxParallelism, hash_key};
use weir_model::rows::BatchBuilder;

use weir_model::describe::{StateDescriptor, StateKind};

use crate::{Captured, KeyTable, KeyedState, OwnedColumn, Scope, SnapshotScope, Staged, StateError};

const MEMORY_BYTES: u64 = 64 << 10;
const BATCH: u64 = 100;

fn states() -> Vec<StateDescriptor> {
    vec![StateDescriptor { name: "s".to_owned(), kind: StateKind::Value, value: Codec::Bytes, schema_version: 1, ttl_ms: 0 }]
}

fn new_state(dir: &Path) -> KeyedState {
    let groups = MaxParallelism::new(Parallelism::new(16).unwrap(), Parallelism::ONE).unwrap();
    KeyedState::new(&states(), 1).tracked(groups).on_disk(dir, MEMORY_BYTES).unwrap()
}

/// Puts values of so many bytes under 100 keys.
fn put(state: &mut KeyedState, first: u64, value_bytes: usize) -> Result<(), StateError> {
    let keys = (first..first + BATCH).map(u64::to_le_bytes);
    let mut builder = BatchBuilder::default();
    keys.clone().for_each(|key| builder.push(Some(&key), b"", 0).unwrap());
    let batch = builder.take().with_hashes(keys.map(|key| hash_key(&key)).collect());
    let (mut table, mut slots, mut staged, mut values) = (KeyTable::default(), Vec::new(), Staged::default(), OwnedColumn::default());
    state.number(&batch, &mut table, &mut slots)?;
    slots.iter().for_each(|_| values.push(Some(&vec![1; value_bytes])));
    staged.put(Scope { state, table: &table }, 0, slots, values).unwrap();
    staged.apply(state, &table);
    Ok(())
}

fn fill(state: &mut KeyedState) {
    (0..50).for_each(|batch| put(state, batch * BATCH, 8).unwrap());
}

fn full(state: &mut KeyedState) -> Captured {
    state.freeze(SnapshotScope::Full);
    state.capture(1).unwrap()
}

const fn moves_between_threads<T: Send + Sync>() {}
const _: () = moves_between_threads::<super::Backing>();
const _: () = moves_between_threads::<Captured>();

#[test]
fn the_table_stays_small_whatever_values_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = new_state(&dir.path().join("state"));
    for batch in 0..100 {
        put(&mut state, batch * BATCH, (batch % 7 * 40) as usize).unwrap();
        let live = state.cells.entries.len() - state.free.len();
        let bytes = state.cells.bytes(live);
        assert!(bytes < MEMORY_BYTES as usize / 2 + BATCH as usize * 400, "{bytes} bytes after batch {batch}");
    }
    assert_eq!(state.len(), 10_000);
    assert_eq!(full(&mut state).into_file().unwrap().info.rows, 10_000);
}

#[test]
fn a_disk_that_fails_stops_everything_and_no_snapshot_is_made_of_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = new_state(&dir.path().join("state"));
    fill(&mut state);
    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
    let error = (50..100).find_map(|batch| put(&mut state, batch * BATCH, 8).err());
    let Some(StateError::Disk { what, .. }) = &error else { panic!("{error:?}") };
    assert!(what.contains(&dir.path().display().to_string()), "{what}");
    assert_eq!(put(&mut state, 0, 8).err(), error, "it doesn't recover by itself");
    assert_eq!(full(&mut state).into_file().err(), error);
}

#[test]
fn a_disk_that_fails_at_a_freeze_makes_no_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = new_state(&dir.path().join("state"));
    fill(&mut state);
    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
    let error = full(&mut state).into_file().err();
    assert!(matches!(error, Some(StateError::Disk { .. })), "{error:?}");
    assert_eq!(put(&mut state, 0, 8).err(), error);
}

#[test]
fn the_folder_is_deleted_with_the_last_snapshot_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("state");
    let mut state = new_state(&dir);
    fill(&mut state);
    let captured = full(&mut state);
    put(&mut state, 0, 9).unwrap();
    drop(state);
    assert!(dir.exists());
    assert_eq!(captured.into_file().unwrap().info.rows, 5000);
    assert!(!dir.exists());
}

#[test]
fn a_folder_in_use_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x"), "").unwrap();
    assert!(KeyedState::new(&states(), 1).on_disk(dir.path(), MEMORY_BYTES).is_err());
    assert!(dir.path().join("x").exists());
}
