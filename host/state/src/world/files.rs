//! Files as a restore reads them, for tests.

use std::ops::Range;

use weir_model::describe::StateDescriptor;

use super::GROUPS;
use crate::{KeyedState, RestoreError, StateFile, StateFileIndex, StateRow};

/// The rows of a file, each with its state, read as a restore reads them.
pub(crate) fn each_row(file: &StateFile, mut each: impl FnMut(StateRow<'_>, &StateDescriptor)) {
    let read = read_file(
        file,
        &(0..GROUPS),
        |index| index.states().to_vec(),
        |states, row| {
            each(row, &states[row.state]);
            Ok(())
        },
    );
    read.unwrap();
}

/// Reads the rows of some key groups, with something made of the index.
fn read_file<T>(
    file: &StateFile,
    key_groups: &Range<u32>,
    make: impl FnOnce(&StateFileIndex) -> T,
    mut each: impl FnMut(&mut T, StateRow<'_>) -> Result<(), RestoreError>,
) -> Result<(), RestoreError> {
    let bytes = |range: &Range<u64>| &file.bytes[range.start as usize..range.end as usize];
    let index = StateFileIndex::parse(bytes(&StateFileIndex::tail_bytes(file.info.bytes)), &file.info)?;
    let mut made = make(&index);
    for range in index.ranges(key_groups) {
        index.read(&range, bytes(&range), key_groups, |row| each(&mut made, row))?;
    }
    Ok(())
}

/// Loads a file, giving up what the function doesn't have. Whether there was any.
pub(crate) fn load_file(state: &mut KeyedState, file: &StateFile, key_groups: &Range<u32>) -> Result<bool, RestoreError> {
    let mut gives_up = false;
    let own = state.states();
    let accept = |index: &StateFileIndex| {
        let numbers = state.accept(index.states(), &|name| own.iter().all(|state| state.name != name)).unwrap();
        gives_up = numbers.contains(&None);
        (state, numbers)
    };
    read_file(file, key_groups, accept, |(state, numbers), row| match numbers[row.state] {
        Some(number) => Ok(state.load(&StateRow { state: number, ..row })?),
        None => Ok(()),
    })?;
    Ok(gives_up)
}
