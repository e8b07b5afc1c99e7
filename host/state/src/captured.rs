//! The rows of a snapshot as they were captured, back to back in memory, and their order in a file.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::sync::Arc;

use weir_model::describe::StateDescriptor;
use weir_model::key_group::KeyGroup;

use crate::backing::DiskView;
use crate::column::StateError;
use crate::prefetch::prefetch;
use crate::row::{SnapshotScope, StateRow};
use crate::saved_states::SavedStates;
use crate::varint::{read_varint, write_varint};

/// Rows that no writer touches any more: a frozen view of the state, all of it or what had changed.
#[derive(Debug)]
pub struct Captured {
    scope: SnapshotScope,
    /// What the states were called when the view was frozen.
    states: Arc<SavedStates>,
    /// Rows lie in chunks, so that capturing one more never moves those before it. Of two rows for the same, the later holds.
    chunks: Vec<Vec<u8>>,
    /// Rows that are older than all in `chunks`.
    older: Vec<Vec<u8>>,
    /// Or all that was on disk.
    view: Option<Result<DiskView, StateError>>,
    /// Every row has become part of a file.
    written: bool,
    rows: u64,
    /// One more than the highest key group of any row.
    groups: usize,
}

const CHUNK_BYTES: usize = 1 << 20;

/// What a row takes besides its bytes, at most: group, time, and four numbers of at most ten bytes.
const ROW_HEAD_BYTES_MAX: usize = 2 + 4 + 4 * 10;

/// How far ahead of its use a row is asked for.
const PREFETCH_ROWS: usize = 16;

/// A row's place: its chunk in the upper half, the older ones first, and its offset in the lower. A later row has a higher one.
type RowAt = u64;

impl Captured {
    pub(crate) fn new(scope: SnapshotScope) -> Self {
        Self { scope, states: Arc::default(), chunks: Vec::new(), older: Vec::new(), view: None, written: false, rows: 0, groups: 0 }
    }

    /// A view of all that is on disk, which is read when it becomes a file; or why there is none.
    pub(crate) fn on_disk(scope: SnapshotScope, view: Result<DiskView, StateError>) -> Self {
        let rows = view.as_ref().map_or(0, |view| view.rows);
        Self { view: Some(view), rows, ..Self::new(scope) }
    }

    /// These rows, of a view that had these states.
    pub(crate) fn of(self, states: Arc<SavedStates>) -> Self {
        Self { states, ..self }
    }

    /// The states of the function when the view was frozen, and the older versions of them that rows may have: what the file will list. A name is there once
    /// for each version.
    #[must_use]
    pub fn states(&self) -> &[StateDescriptor] {
        self.states.descriptors()
    }

    /// What these rows are: all of the state, or what had changed.
    #[must_use]
    pub fn scope(&self) -> SnapshotScope {
        self.scope
    }

    /// The number of rows, deletions included; of a view on disk, about so many, and no fewer than there are.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The memory that the rows take, in bytes; none for those on disk.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.all_chunks().map(Vec::len).sum()
    }

    /// Adds a row, later than all others.
    pub(crate) fn push(&mut self, row: &StateRow<'_>) {
        push_row(&mut self.chunks, row);
        self.count(row);
    }

    /// Adds a row that is older than all that [`Self::push`] adds, before or after, and later than the older ones before it.
    pub(crate) fn push_older(&mut self, row: &StateRow<'_>) {
        push_row(&mut self.older, row);
        self.count(row);
    }

    fn count(&mut self, row: &StateRow<'_>) {
        self.rows += 1;
        self.groups = self.groups.max(row.key_group.0 as usize + 1);
    }

    fn all_chunks(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.older.iter().chain(&self.chunks)
    }

    fn chunk(&self, number: usize) -> Option<&Vec<u8>> {
        self.older.get(number).or_else(|| self.chunks.get(number.checked_sub(self.older.len())?))
    }

    /// Whether [`Self::for_each_sorted`] has given all rows.
    pub(crate) fn is_written(&self) -> bool {
        self.written
    }

    /// The rows in the order of a file: by state, key group, key, the mark that a key was cleared first, then sub-key. A row is there once. Rows on a disk go on
    /// where `each` has broken off; those in memory all come at once, and are gone then.
    ///
    /// # Errors
    /// [`StateError::Disk`] when they are on a disk that fails.
    pub(crate) fn for_each_sorted(&mut self, mut each: impl FnMut(&StateRow<'_>) -> ControlFlow<()>) -> Result<(), StateError> {
        if let Some(view) = &mut self.view {
            let ended = match view {
                Ok(view) => view.for_each(&self.states, each),
                Err(error) => Err(error.clone()),
            };
            self.written = !matches!(ended, Ok(ControlFlow::Break(())));
            return ended.map(drop);
        }
        self.written = true;
        let states = Arc::clone(&self.states);
        let rows = std::mem::replace(self, Self { written: true, ..Self::new(self.scope).of(states) });
        rows.for_each_in_memory(|row| {
            let _ = each(row);
        });
        Ok(())
    }

    fn for_each_in_memory(self, mut each: impl FnMut(&StateRow<'_>)) {
        let mut buckets = self.buckets();
        for (stored, state) in self.states.in_order() {
            // The rows of a family are in order together, whatever their versions, so that of two for the same the later holds; each version takes its own.
            let own = state.family * self.groups..(state.family + 1) * self.groups;
            for bucket in buckets.get_mut(own).unwrap_or_default() {
                if state.is_first {
                    self.sort(bucket);
                }
                self.for_each_of(bucket, |row| {
                    let is_own = if row.value.is_some() { row.state == stored } else { state.is_first };
                    if is_own {
                        each(&StateRow { state: state.number, ..*row });
                    }
                });
                if state.is_last {
                    *bucket = Vec::new();
                }
            }
        }
    }

    fn sort(&self, bucket: &mut [(u64, RowAt)]) {
        // Numbers first, in the few instructions that numbers take; then, by all there is, those that this leaves open.
        bucket.sort_unstable();
        bucket.chunk_by_mut(|(a, _), (b, _)| a == b).filter(|same| same.len() > 1).for_each(|same| {
            same.sort_unstable_by(|(_, a), (_, b)| self.compare(*a, *b));
        });
    }

    /// Those rows of a sorted bucket that no later one replaces.
    #[inline]
    fn for_each_of(&self, bucket: &[(u64, RowAt)], mut each: impl FnMut(&StateRow<'_>)) {
        let mut before: Option<(&[u8], Option<&[u8]>)> = None;
        let mut cleared: Option<(&[u8], RowAt)> = None;
        for (number, (_, at)) in bucket.iter().enumerate() {
            if let Some((_, later)) = bucket.get(number + PREFETCH_ROWS) {
                self.prefetch(*later);
            }
            let Some(row) = self.row(*at) else { continue };
            let is_cleared = cleared.is_some_and(|(key, cleared_at)| key == row.key && *at < cleared_at);
            if before != Some((row.key, row.sub_key)) && !is_cleared {
                each(&row);
                if row.value.is_none() && row.sub_key.is_none() {
                    cleared = Some((row.key, *at));
                }
            }
            before = Some((row.key, row.sub_key));
        }
    }

    /// All rows, each by the beginning of its key and its place; one list for each family of states and key group, in order of both.
    fn buckets(&self) -> Vec<Vec<(u64, RowAt)>> {
        let mut buckets: Vec<Vec<_>> = std::iter::repeat_with(Vec::new).take(self.states.families() * self.groups).collect();
        self.for_each(|at, row| {
            let family = self.states.get(row.state).map(|state| state.family);
            if let Some(bucket) = family.and_then(|family| buckets.get_mut(family * self.groups + row.key_group.0 as usize)) {
                bucket.push((prefix(row.key), at));
            }
        });
        buckets
    }

    /// The rows as they were captured.
    fn for_each(&self, mut each: impl FnMut(RowAt, &StateRow<'_>)) {
        for (number, chunk) in self.all_chunks().enumerate() {
            let mut rest = chunk.as_slice();
            while let Some((row, behind)) = read_row(rest) {
                each((number as u64) << 32 | (chunk.len() - rest.len()) as u64, &row);
                rest = behind;
            }
        }
    }

    #[inline]
    fn row(&self, at: RowAt) -> Option<StateRow<'_>> {
        let chunk = self.chunk((at >> 32) as usize)?;
        read_row(chunk.get(at as u32 as usize..)?).map(|(row, _)| row)
    }

    /// Asks the processor to bring a row.
    #[inline]
    fn prefetch(&self, at: RowAt) {
        if let Some(byte) = self.chunk((at >> 32) as usize).and_then(|chunk| chunk.get(at as u32 as usize)) {
            prefetch(byte);
        }
    }

    fn compare(&self, a: RowAt, b: RowAt) -> Ordering {
        let order = |a: &StateRow<'_>, b: &StateRow<'_>| a.key.cmp(b.key).then_with(|| a.sub_key.cmp(&b.sub_key));
        // `None` is less than any sub-key; the later row comes first.
        self.row(a).zip(self.row(b)).map_or(Ordering::Equal, |(a, b)| order(&a, &b)).then(b.cmp(&a))
    }
}

fn push_row(chunks: &mut Vec<Vec<u8>>, row: &StateRow<'_>) {
    let bytes_max = ROW_HEAD_BYTES_MAX + row.key.len() + row.sub_key.map_or(0, <[u8]>::len) + row.value.map_or(0, <[u8]>::len);
    if chunks.last().is_none_or(|chunk| chunk.capacity() - chunk.len() < bytes_max) {
        chunks.push(Vec::with_capacity(bytes_max.max(CHUNK_BYTES)));
    }
    if let Some(chunk) = chunks.last_mut() {
        write_row(chunk, row);
    }
}

/// Appends a row to a chunk.
pub(crate) fn write_row(chunk: &mut Vec<u8>, row: &StateRow<'_>) {
    chunk.extend_from_slice(&(row.key_group.0 as u16).to_le_bytes());
    chunk.extend_from_slice(&row.written_s.to_le_bytes());
    write_varint(row.state as u64, chunk);
    write_varint(row.key.len() as u64, chunk);
    // 0 stands for none.
    write_varint(row.sub_key.map_or(0, |sub_key| sub_key.len() as u64 + 1), chunk);
    write_varint(row.value.map_or(0, |value| value.len() as u64 + 1), chunk);
    chunk.extend_from_slice(row.key);
    chunk.extend_from_slice(row.sub_key.unwrap_or_default());
    chunk.extend_from_slice(row.value.unwrap_or_default());
}

/// The first eight bytes of a key, such that keys with different ones are in the same order.
#[inline]
pub(crate) fn prefix(key: &[u8]) -> u64 {
    let short = || {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        bytes
    };
    u64::from_be_bytes(key.first_chunk().copied().unwrap_or_else(short))
}

/// The row that `bytes` starts with, and what is behind it.
#[inline]
pub(crate) fn read_row(bytes: &[u8]) -> Option<(StateRow<'_>, &[u8])> {
    let (group, bytes) = bytes.split_first_chunk()?;
    let (written_s, mut rest) = bytes.split_first_chunk()?;
    let state = read_varint(&mut rest)? as usize;
    let key = read_varint(&mut rest)? as usize;
    let sub_key = read_varint(&mut rest)?.checked_sub(1);
    let value = read_varint(&mut rest)?.checked_sub(1);
    let mut take = |length: usize| {
        let (taken, behind) = rest.split_at_checked(length)?;
        rest = behind;
        Some(taken)
    };
    let key = take(key)?;
    let sub_key = match sub_key {
        Some(length) => Some(take(length as usize)?),
        None => None,
    };
    let value = match value {
        Some(length) => Some(take(length as usize)?),
        None => None,
    };
    let key_group = KeyGroup(u16::from_le_bytes(*group).into());
    Some((StateRow { state, key_group, key, sub_key, value, written_s: u32::from_le_bytes(*written_s) }, rest))
}
