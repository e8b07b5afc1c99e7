//! Taking back everything since a moment: of each key that changes, what was there before is kept.
//!
//! Images of keys are a log. A key may have several, for its entry may leave the table and come back: they are put back the newest first, so that the oldest
//! holds.

use std::sync::Arc;

use weir_model::key_group::KeyGroup;

use crate::bitmap::Bitmap;
use crate::captured::{read_row, write_row};
use crate::cells::Cells;
use crate::column::StateError;
use crate::index::EntryId;
use crate::keyed::KeyedState;
use crate::layout::Layout;
use crate::migration::Pass;
use crate::row::StateRow;

/// What it takes to take everything back.
#[derive(Debug)]
pub(crate) struct Undo {
    layout: Arc<Layout>,
    needs_full: bool,
    clearing: Option<usize>,
    /// Entries whose keys have an image, or had when they were in the table last.
    has_image: Bitmap,
    /// Images, back to back: of each the hash of its key and the number of its rows, then a row for the key, then those.
    chunks: Vec<Vec<u8>>,
    /// Where each begins: its chunk, and the byte there.
    images: Vec<(u32, u32)>,
    /// Room for one.
    scratch: Vec<u8>,
    bytes_max: usize,
    /// There were more images than that: none is kept.
    is_given_up: bool,
}

const CHUNK_BYTES: usize = 1 << 20;

/// Images beyond this many bytes aren't kept: a long trial must not cost as much memory as the state, and to put them back would take longer than to read a
/// checkpoint.
const BYTES_MAX: usize = 256 << 20;

/// On disk, room is made after so many keys.
const KEYS_AT_ONCE: usize = 256;

impl Undo {
    /// Notes that a key has an entry now. What lies under it, if it comes from the disk, is still to be brought.
    pub(crate) fn created(&mut self, id: EntryId) {
        self.has_image.take(id.as_usize());
    }

    /// To be called before anything under a key changes, or its last value is gone.
    #[inline]
    pub(crate) fn before_change(&mut self, cells: &Cells, id: EntryId) {
        if !self.has_image.get(id.as_usize()) {
            self.keep(cells, id);
        }
    }

    #[inline(never)]
    fn keep(&mut self, cells: &Cells, id: EntryId) {
        let Some(entry) = cells.entry(id).filter(|_| !self.is_given_up) else { return };
        self.has_image.set(id.as_usize());
        let mut rows: u64 = 0;
        self.scratch.clear();
        self.scratch.extend_from_slice(&entry.hash.to_le_bytes());
        self.scratch.extend_from_slice(&rows.to_le_bytes());
        let of_key = StateRow { state: 0, key_group: KeyGroup(0), key: &entry.key, sub_key: None, value: None, written_s: 0 };
        write_row(&mut self.scratch, &of_key);
        // States that the function no longer has, too: they are not cleared as long as this is kept.
        for family in cells.layout.families.iter().filter(|family| !family.is_clearing) {
            cells.rows_at(family, id, KeyGroup(0), 0, |row| {
                write_row(&mut self.scratch, &StateRow { key: &[], ..row });
                rows += 1;
            });
        }
        if let Some(count) = self.scratch.get_mut(8..16) {
            count.copy_from_slice(&rows.to_le_bytes());
        }
        if self.chunks.last().is_none_or(|chunk| chunk.capacity() - chunk.len() < self.scratch.len()) {
            if self.bytes() + self.scratch.len().max(CHUNK_BYTES) > self.bytes_max {
                (self.is_given_up, self.chunks, self.images) = (true, Vec::new(), Vec::new());
                return;
            }
            self.chunks.push(Vec::with_capacity(self.scratch.len().max(CHUNK_BYTES)));
        }
        let number = self.chunks.len() as u32 - 1;
        if let Some(chunk) = self.chunks.last_mut() {
            self.images.push((number, chunk.len() as u32));
            chunk.extend_from_slice(&self.scratch);
        }
    }

    fn bytes(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(Vec::capacity).sum();
        chunks + self.images.capacity() * size_of::<(u32, u32)>()
    }

    /// The image that begins at a place: hash, key, and its rows one after the other.
    fn image(&self, (chunk, at): (u32, u32)) -> Option<(u64, &[u8], impl Iterator<Item = StateRow<'_>>)> {
        let bytes = self.chunks.get(chunk as usize)?.get(at as usize..)?;
        let (hash, bytes) = bytes.split_first_chunk()?;
        let (rows, bytes) = bytes.split_first_chunk()?;
        let (of_key, mut rest) = read_row(bytes)?;
        let rows = (0..u64::from_le_bytes(*rows)).map_while(move |_| {
            let (row, behind) = read_row(rest)?;
            rest = behind;
            Some(row)
        });
        Some((u64::from_le_bytes(*hash), of_key.key, rows))
    }
}

impl KeyedState {
    /// From now on, [`Self::undo`] can take back everything; what was kept before is dropped. To be called right after [`Self::freeze`] and before
    /// [`Self::adopt`]. From the first change of a key on, what it had takes memory: [`Self::undo_bytes`]. When that would be more than 256 MiB, it is given up.
    pub fn begin_undo(&mut self) {
        self.begin_undo_within(BYTES_MAX);
    }

    pub(crate) fn begin_undo_within(&mut self, bytes_max: usize) {
        self.undo = Some(Box::new(Undo {
            layout: Arc::clone(&self.cells.layout),
            needs_full: self.needs_full,
            clearing: self.clearing,
            has_image: Bitmap::default(),
            chunks: Vec::new(),
            images: Vec::new(),
            scratch: Vec::new(),
            bytes_max,
            is_given_up: false,
        }));
    }

    /// Nothing will be taken back any more.
    pub fn end_undo(&mut self) {
        self.undo = None;
    }

    /// The memory that is needed to take everything back, in bytes, about; 0 when nothing can be.
    #[must_use]
    pub fn undo_bytes(&self) -> usize {
        self.undo.as_ref().map_or(0, |undo| undo.bytes())
    }

    /// Makes everything what it was at [`Self::begin_undo`], the function's states included, and counts it as unchanged since the freeze before. Views that
    /// [`Self::capture`] has not returned are given up. Nothing happens when nothing was begun. No call may be running.
    ///
    /// # Errors
    /// [`StateError::Disk`] when the disk fails, [`StateError::NotKept`] when what was there has become too much: then the state can't be used any more.
    pub fn undo(&mut self) -> Result<(), StateError> {
        let Some(undo) = self.undo.take() else { return Ok(()) };
        if undo.is_given_up {
            return Err(StateError::NotKept { bytes_max: undo.bytes_max });
        }
        if let Some(tracker) = &mut self.tracker {
            tracker.reset(0, &[]);
        }
        let mut layout = Layout::clone(&self.cells.layout);
        layout.revert(&undo.layout);
        self.cells.follow(layout);
        self.expiry.follow(&self.states());
        (self.needs_full, self.clearing, self.pass) = (undo.needs_full, undo.clearing, Pass::default());
        for images in undo.images.rchunks(KEYS_AT_ONCE) {
            images.iter().rev().filter_map(|at| undo.image(*at)).try_for_each(|(hash, key, rows)| self.put_back(hash, key, rows))?;
            self.make_room()?;
        }
        if let Some(tracker) = &mut self.tracker {
            tracker.reset(self.cells.entries.len(), &self.free);
        }
        Ok(())
    }

    fn put_back<'a>(&mut self, hash: u64, key: &[u8], rows: impl Iterator<Item = StateRow<'a>>) -> Result<(), StateError> {
        self.index.reserve(1);
        let (id, is_new) = self.find_or_create(hash, key).ok_or(StateError::Full { entries_max: self.entries_max })?;
        if is_new {
            self.bring(&[id])?;
        }
        self.changed(id);
        self.cells.clear(id);
        rows.for_each(|row| self.cells.put_row(id, &row));
        if self.cells.is_vacant(id) {
            self.free_entry(id);
        }
        Ok(())
    }
}
