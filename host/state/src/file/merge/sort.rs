//! Rows that come in any order, collected and sorted: state that is given other key groups.

use weir_model::describe::StateDescriptor;

use super::place::RowPlace;
use super::write::StateFilesWriter;
use crate::captured::prefix;
use crate::file::StateFile;
use crate::row::StateRow;

/// What is sorted at a time, bytes.
const SORTED_BYTES: usize = 128 << 20;

/// Collects rows, each address once, and writes them as files in order.
#[derive(Debug)]
pub struct RowSorter {
    states: Vec<StateDescriptor>,
    rows: Vec<(Order, RowPlace)>,
    bytes: Vec<u8>,
}

/// State, key group, and the beginning of the key: what decides in most cases.
type Order = (u32, u32, u64);

impl RowSorter {
    /// For rows of these states, of which the versions of a name stand together, the newest first.
    #[must_use]
    pub fn new(states: &[StateDescriptor]) -> Self {
        Self { states: states.to_vec(), rows: Vec::new(), bytes: Vec::new() }
    }

    /// Adds a row; `true`: there are so many, 128 MiB of them, that they should become files now.
    pub fn push(&mut self, row: &StateRow<'_>) -> bool {
        let order = (row.state as u32, row.key_group.0, prefix(row.key));
        self.rows.push((order, RowPlace::put(row, &mut self.bytes)));
        self.bytes.len() + self.rows.len() * size_of::<(Order, RowPlace)>() >= SORTED_BYTES
    }

    /// The rows as files, which together are in order; then it is empty.
    pub fn take_files(&mut self) -> Vec<StateFile> {
        let Self { states, rows, bytes } = self;
        let row = |(order, place): &(Order, RowPlace)| place.read(bytes, order.0 as usize);
        rows.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| row(a).map(|a| (a.key, a.sub_key)).cmp(&row(b).map(|b| (b.key, b.sub_key)))));
        let mut writer = StateFilesWriter::new(states);
        let mut files: Vec<_> = rows.iter().filter_map(|sorted| writer.push(&row(sorted)?)).collect();
        files.extend(writer.finish());
        rows.clear();
        bytes.clear();
        files
    }
}
