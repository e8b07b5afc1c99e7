//! Checkpoints of keyed state as files, in memory: what a job writes to its checkpoint folder and reads again.

use std::ops::Range;

use weir_state::{KeyedState, RestoreError, SnapshotScope, StateError, StateFile, StateFileIndex};

/// Files that build on each other, before there is a full one again.
const CHAIN_FILES_MAX: usize = 8;

/// Freezes the state: everything when `chain` can't be built on, otherwise what has changed.
pub(crate) fn freeze(state: &mut KeyedState, chain: &[StateFile]) -> SnapshotScope {
    let can_build = !chain.is_empty() && chain.len() < CHAIN_FILES_MAX;
    state.freeze(if can_build { SnapshotScope::Changes } else { SnapshotScope::Full })
}

/// Writes what was frozen behind `chain`, or in its place.
///
/// # Errors
/// Never, of state in memory.
pub(crate) fn write(state: &mut KeyedState, scope: SnapshotScope, chain: &mut Vec<StateFile>) -> Result<(), StateError> {
    if scope == SnapshotScope::Full {
        chain.clear();
    }
    while state.is_capturing() {
        let Some(mut captured) = state.capture(usize::MAX) else { continue };
        while let Some(file) = captured.next_file()? {
            chain.push(file);
        }
    }
    Ok(())
}

/// Loads the rows of these key groups.
///
/// # Errors
/// When the function can't take over the states of the files.
pub(crate) fn load(state: &mut KeyedState, chain: &[StateFile], key_groups: &Range<u32>) -> Result<(), String> {
    for file in chain {
        let index = StateFileIndex::parse(&file.bytes, &file.info).map_err(|error| error.to_string())?;
        let numbers = state.accept(index.states(), &|_| false).map_err(|error| error.to_string())?;
        for range in index.ranges(key_groups) {
            let bytes = file.bytes.get(range.start as usize..range.end as usize).unwrap_or_default();
            let loaded = index.read(&range, bytes, key_groups, |mut row| -> Result<(), RestoreError> {
                let Some(number) = numbers.get(row.state).copied().flatten() else { return Ok(()) };
                row.state = number;
                Ok(state.load(&row)?)
            });
            loaded.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}
