//! What an attempt starts from: the state, positions and overtaken batches that a checkpoint holds for each subtask.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use weir_checkpoint::compare::{DroppedState, GivenUp};
use weir_checkpoint::manifest::{FileEntry, FileScope};
use weir_checkpoint::resolve::{FileToRead, RestorePlan};
use weir_checkpoint::store::Store;
use weir_model::fail_point::{FailPoint, pass};
use weir_model::id::{CheckpointId, SubtaskIndex};
use weir_model::key_group::{MaxParallelism, hash_key};
use weir_model::rows::{Batch, BatchBuilder};
use weir_model::{Error, ErrorKind, Result};
use weir_state::{KeyedState, RestoreError};

use crate::executor::Executor;
use crate::in_flight;
use crate::origin::Origin;
use crate::plan::{Plan, PlannedNode};
use crate::state_file;

/// A subtask of a node.
pub(crate) type Place = (usize, u32);

/// What an attempt starts from.
#[derive(Default)]
pub(crate) struct Restored {
    /// The checkpoint that it goes on from; `None`: it starts from the beginning.
    pub(crate) from: Option<CheckpointId>,
    /// By source or sink: what its subtasks had written down, in whatever number they were.
    pub(crate) positions: BTreeMap<usize, Vec<Vec<u8>>>,
    /// By subtask of a keyed operator: its state.
    pub(crate) states: BTreeMap<Place, KeyedState>,
    /// By subtask of a keyed operator whose key groups are the same as before: the files that hold that state.
    pub(crate) files: BTreeMap<Place, Vec<FileEntry>>,
    /// By subtask: batches that a barrier had overtaken, with their input.
    pub(crate) in_flight: BTreeMap<Place, Vec<(u32, Batch)>>,
}

/// Makes the empty state of a subtask of a keyed node.
pub(crate) type NewState<'a> = dyn Fn(&PlannedNode, SubtaskIndex) -> Result<KeyedState> + Send + Sync + 'a;

/// What a job is restored from.
pub(crate) struct RestoreFrom<'a> {
    /// What each node takes.
    pub(crate) wanted: &'a RestorePlan,
    pub(crate) origin: &'a Origin,
    /// What is given up of what it has.
    pub(crate) given_up: GivenUp<'a>,
    /// State that is in memory already, as the snapshot has it.
    pub(crate) kept: BTreeMap<Place, KeyedState>,
}

/// Reads what a snapshot holds for the nodes of `plan`, which has been held against it.
///
/// # Errors
/// When a file can't be read or doesn't verify.
pub(crate) async fn restore(
    plan: &Plan,
    RestoreFrom { wanted, origin, given_up, mut kept }: RestoreFrom<'_>,
    executor: &Executor,
    now_ms: i64,
    new_state: &NewState<'_>,
) -> Result<Restored> {
    let mut restored = Restored { from: Some(origin.durable.manifest().checkpoint), ..Restored::default() };
    let mut loads = Vec::new();
    for (number, node) in plan.nodes.iter().enumerate() {
        let Some(wanted) = wanted.of(&node.uid) else { continue };
        if node.operator().is_none() {
            restored.positions.insert(number, wanted.positions());
        }
        for (subtask, wanted_here) in node.parallelism.subtasks().zip(&wanted.subtasks) {
            let place = (number, subtask.0);
            for file in &wanted_here.in_flight {
                let batches = read_in_flight(file, &origin.files, plan.max_parallelism).await?;
                restored.in_flight.entry(place).or_default().extend(batches);
            }
            if !node.is_keyed() {
                continue;
            }
            // Files of another folder are nobody's base: the first checkpoint is a full one.
            if origin.is_own && wanted_here.files.iter().all(|file| file.is_own) {
                restored.files.insert(place, wanted_here.files.iter().map(|file| file.file.clone()).collect());
            }
            if let Some(state) = kept.remove(&place) {
                restored.states.insert(place, state);
                continue;
            }
            let old = wanted.snapshot.uid.clone();
            let dropped = given_up.states.iter().filter(|dropped| dropped.uid == old).cloned().collect();
            let load = Load {
                node: node.uid.to_string(),
                snapshot: origin.name.clone(),
                dropped,
                state: new_state(node, subtask)?,
                store: Arc::clone(&origin.files),
                now_ms,
            };
            loads.push((place, executor.offload(load.run(wanted_here.files.clone()))));
        }
    }
    for (place, loading) in loads {
        let Some(state) = loading.await else { return Err(shut_down()) };
        restored.states.insert(place, state?);
    }
    Ok(restored)
}

pub(crate) fn shut_down() -> Error {
    Error::new(ErrorKind::Interrupted, "the job", "it is being shut down", "run it again")
}

/// The error for a file that isn't what the manifest says.
fn refuse(file: &FileEntry, why: String) -> Error {
    Error::job(
        format!("the checkpoint's file {}", file.path),
        why,
        "restore from an older checkpoint with --restore-from, if one is retained, or start from the beginning with --fresh",
    )
}

/// The loading of one subtask's state.
struct Load {
    node: String,
    /// What messages call the snapshot.
    snapshot: String,
    /// What is given up of it.
    dropped: Vec<DroppedState>,
    state: KeyedState,
    store: Arc<Store>,
    /// What expires by now isn't loaded: wall-clock time, milliseconds since the Unix epoch.
    now_ms: i64,
}

impl Load {
    async fn run(mut self, files: Vec<FileToRead>) -> Result<KeyedState> {
        // Increments may hold the same keys again; room for twice the keys of the full files at most is no waste to speak of.
        let full: u64 = files.iter().filter(|file| file.file.scope == FileScope::Full).map(|file| file.file.rows).sum();
        let rows = files.iter().map(|file| file.file.rows).sum::<u64>().min(full.saturating_mul(2));
        self.state.set_time(self.now_ms);
        self.state.reserve(usize::try_from(rows).unwrap_or(0));
        for FileToRead { file, key_groups, .. } in files {
            self.file(&file, key_groups).await?;
            pass(FailPoint::StateHalfLoaded)?;
        }
        self.state.loaded();
        Ok(self.state)
    }

    async fn file(&mut self, file: &FileEntry, key_groups: Range<u32>) -> Result<()> {
        let index = state_file::index(&self.store, file, &refuse).await?;
        if file.rows == 0 {
            return Ok(());
        }
        let is_given_up = |name: &str| self.dropped.iter().any(|dropped| dropped.state.as_deref().is_none_or(|state| state == name));
        let numbers = self.state.accept(index.states(), &is_given_up).map_err(|error| {
            let what = format!("`{}` can't be restored from {}", self.node, self.snapshot);
            Error::incompatible(what, error.to_string(), "use the plugin version that took it, or start from the beginning with --fresh")
        })?;
        for range in index.ranges(&key_groups) {
            let bytes = state_file::read(&self.store, file, range.clone(), &refuse).await?;
            let state = &mut self.state;
            let result = index.read(&range, &bytes, &key_groups, |mut row| -> Result<(), RestoreError> {
                // Every number of the file has an entry; what is given up has no number here.
                let Some(number) = numbers.get(row.state).copied().flatten() else { return Ok(()) };
                row.state = number;
                Ok(state.load(&row)?)
            });
            result.map_err(|error| refuse(file, error.to_string()))?;
        }
        Ok(())
    }
}

/// The overtaken batches of a file, as far as they belong to the key groups that are wanted.
async fn read_in_flight(wanted: &FileToRead, store: &Store, groups: MaxParallelism) -> Result<Vec<(u32, Batch)>> {
    let FileToRead { file, key_groups, .. } = wanted;
    let bytes = state_file::read(store, file, 0..file.bytes, &refuse).await?;
    let mut batches = in_flight::decode(&bytes, file.checksum).map_err(|why| refuse(file, why.to_owned()))?;
    // Without key groups, its records have no keys and one reader.
    if !key_groups.is_empty() {
        batches.iter_mut().for_each(|(_, batch)| *batch = keep(batch, key_groups, groups));
    }
    Ok(batches)
}

/// The rows whose keys belong to `key_groups`, in order.
fn keep(batch: &Batch, key_groups: &Range<u32>, groups: MaxParallelism) -> Batch {
    let mut kept = BatchBuilder::default();
    for row in batch.iter() {
        let hash = hash_key(row.key.unwrap_or_default());
        if key_groups.contains(&groups.key_group(hash).0) {
            kept.push_hashed(&row, hash);
        }
    }
    kept.take()
}
