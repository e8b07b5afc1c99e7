//! What has changed since the last freeze, and what of the frozen view is still to be captured.
//!
//! Freezing swaps bitmaps, whatever their size. A frozen entry is captured in its turn, or just before it is written to: copy on write.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use weir_model::key_group::{KeyGroup, MaxParallelism};

use crate::bitmap::{Bitmap, WORD_BITS};
use crate::captured::Captured;
use crate::cells::Cells;
use crate::expiry::Expiry;
use crate::index::EntryId;
use crate::layout::{Layout, Place};
use crate::row::{SnapshotScope, StateRow};
use crate::saved_states::SavedStates;
use crate::small_bytes::SmallBytes;

/// What happened under one key of a map or list state.
#[derive(Debug, Default)]
struct SubChanges {
    /// Everything that was there before is gone.
    cleared: bool,
    /// Then these were put or deleted.
    sub_keys: BTreeSet<Box<[u8]>>,
}

/// A key that is gone, with its hash.
type Tombstone = (u64, SmallBytes);

/// Changes by the place of a map or list state and entry, and keys that are gone.
#[derive(Debug, Default)]
struct Changes {
    sub_keys: BTreeMap<(Place, EntryId), SubChanges>,
    /// A key is here once: it is in a file when it is removed, and nothing makes it so again before the next freeze.
    tombstones: Vec<Tombstone>,
}

impl Changes {
    /// Forgets what happened to an entry.
    fn take_all(&mut self, cells: &Cells, id: EntryId) {
        if !self.sub_keys.is_empty() {
            cells.layout.families.iter().for_each(|family| drop(self.sub_keys.remove(&(family.place, id))));
        }
    }
}

/// A frozen view that isn't captured yet.
#[derive(Debug)]
struct Frozen {
    captured: Captured,
    /// The states at the freeze: what the function had then.
    layout: Arc<Layout>,
    /// The time of the freeze: what was expired then isn't part of the view.
    expiry: Expiry,
    changes: Changes,
    /// Entries before this word are captured.
    next_word: usize,
    /// The number of entries when it was frozen.
    entries: usize,
}

/// Change tracking for one subtask's state.
#[derive(Debug)]
pub(crate) struct Tracker {
    max_parallelism: MaxParallelism,
    /// Entries that were written since the last freeze.
    dirty: Bitmap,
    /// Of a frozen view of changes: entries to capture. Of a full one: left over from before, to be cleared.
    pending: Bitmap,
    /// Of a full frozen view: entries that were captured before their turn, or are newer than the view.
    done: Bitmap,
    /// Entries that may be in a file, so that their removal must be told.
    stored: Bitmap,
    changes: Changes,
    frozen: Option<Frozen>,
    /// Whether entries leave the table for the disk.
    evicts: bool,
    /// Rows of entries that left the table changed, and of keys that are gone since the last freeze: in order of time. Only with a disk.
    early: Captured,
    /// The states of those rows, if versions were forgotten since that some of them have.
    early_states: Option<Arc<SavedStates>>,
    /// Views that are captured and not yet asked for, the oldest first.
    finished: VecDeque<Captured>,
    /// Room for the numbers of entries that are captured together.
    batch: Vec<EntryId>,
}

impl Tracker {
    pub(crate) fn new(max_parallelism: MaxParallelism) -> Self {
        Self {
            max_parallelism,
            dirty: Bitmap::default(),
            pending: Bitmap::default(),
            done: Bitmap::default(),
            stored: Bitmap::default(),
            changes: Changes::default(),
            frozen: None,
            evicts: false,
            early: Captured::new(SnapshotScope::Changes),
            early_states: None,
            finished: VecDeque::new(),
            batch: Vec::new(),
        }
    }

    /// Counts all of so many entries as unchanged and in a file, but for those that are free.
    pub(crate) fn loaded(&mut self, entries: usize, free: &[EntryId]) {
        self.stored.set_below(entries);
        for id in free {
            self.stored.take(id.as_usize());
        }
    }

    /// Counts everything as [`Self::loaded`] does, and forgets each view that was not returned.
    pub(crate) fn reset(&mut self, entries: usize, free: &[EntryId]) {
        self.pending.clear();
        self.done.clear();
        self.finished.clear();
        self.frozen = None;
        self.unchanged();
        self.loaded(entries, free);
    }

    /// Forgets what has changed since the last freeze.
    pub(crate) fn unchanged(&mut self) {
        self.dirty.clear();
        self.changes = Changes::default();
        self.early = Captured::new(SnapshotScope::Changes);
        self.early_states = None;
    }

    /// To be called before older versions are forgotten because no value has them any more.
    pub(crate) fn forgets_older(&mut self, layout: &Layout) {
        if !self.early.is_empty() && self.early_states.is_none() {
            self.early_states = Some(Arc::new(layout.saved()));
        }
    }

    /// To be called before anything under a key is written or deleted.
    #[inline]
    pub(crate) fn before_write(&mut self, cells: &Cells, id: EntryId) {
        self.before_change(cells, id);
        self.dirty.set(id.as_usize());
    }

    /// To be called before a value is replaced by one that means the same: the frozen view has the old one.
    #[inline]
    pub(crate) fn before_change(&mut self, cells: &Cells, id: EntryId) {
        if self.frozen.is_some() {
            self.capture_first(cells, id);
        }
    }

    #[inline(never)]
    fn capture_first(&mut self, cells: &Cells, id: EntryId) {
        if self.take_pending(id) {
            self.capture_entry(cells, id);
        }
    }

    /// Whether an entry is still to be captured; then it no longer is.
    fn take_pending(&mut self, id: EntryId) -> bool {
        let at = id.as_usize();
        match &self.frozen {
            None => false,
            Some(frozen) if frozen.captured.scope() == SnapshotScope::Changes => self.pending.take(at),
            Some(frozen) => {
                let is_pending = at / WORD_BITS >= frozen.next_word && at < frozen.entries && !self.done.get(at);
                if is_pending {
                    self.done.set(at);
                }
                is_pending
            }
        }
    }

    /// Notes that a sub-key was put or deleted.
    pub(crate) fn sub_key_changed(&mut self, place: Place, id: EntryId, sub_key: &[u8]) {
        let changes = self.changes.sub_keys.entry((place, id)).or_default();
        if !changes.sub_keys.contains(sub_key) {
            changes.sub_keys.insert(sub_key.into());
        }
    }

    /// Notes that all sub-keys of an entry were deleted.
    pub(crate) fn sub_keys_cleared(&mut self, place: Place, id: EntryId) {
        self.changes.sub_keys.insert((place, id), SubChanges { cleared: true, sub_keys: BTreeSet::new() });
    }

    /// Notes that an entry lost what was under it of a state that was given up: if it goes for that, no file needs to be told, for the next stands alone.
    pub(crate) fn cleared(&mut self, id: EntryId) {
        if !self.dirty.get(id.as_usize()) {
            self.stored.take(id.as_usize());
        }
    }

    /// Notes that a key has an entry now: one that the frozen view doesn't know.
    pub(crate) fn created(&mut self, id: EntryId) {
        self.take_pending(id);
    }

    /// Notes that a key is gone, after the last of its data was deleted.
    pub(crate) fn removed(&mut self, cells: &Cells, id: EntryId, hash: u64, key: &SmallBytes) {
        self.dirty.take(id.as_usize());
        self.changes.take_all(cells, id);
        if self.stored.take(id.as_usize()) {
            if self.evicts {
                // Its place in time matters: other rows of the key may have been put there before.
                let key_group = self.max_parallelism.key_group(hash);
                cells.layout.deletions(key_group, key, |row| self.early.push_older(&row));
            } else {
                self.changes.tombstones.push((hash, key.clone()));
            }
        }
    }

    /// Keeps what entries that leave the table have for snapshots; [`Self::evict`] is called for each.
    pub(crate) fn evicts(&mut self) {
        self.evicts = true;
    }

    /// To be called before an entry leaves the table, with its data, though its key isn't gone.
    pub(crate) fn evict(&mut self, cells: &Cells, id: EntryId, expiry: &Expiry) {
        self.before_change(cells, id);
        if let (true, Some(entry)) = (self.dirty.take(id.as_usize()), cells.entry(id)) {
            let key_group = self.max_parallelism.key_group(entry.hash);
            changed_rows(cells, &cells.layout, id, key_group, expiry, &mut self.changes, |row| self.early.push_older(&row));
        }
        self.stored.take(id.as_usize());
    }

    /// Notes that an entry came from the disk: its key may be in a file.
    pub(crate) fn returned(&mut self, id: EntryId) {
        self.stored.set(id.as_usize());
    }

    /// The group of the key with a hash.
    pub(crate) fn key_group(&self, hash: u64) -> KeyGroup {
        self.max_parallelism.key_group(hash)
    }

    /// As [`Self::freeze`], of all that is on disk: nothing of it is to be captured.
    pub(crate) fn freeze_disk(&mut self, cells: &Cells, free: &[EntryId], captured: Captured, expiry: &Expiry) {
        self.unchanged();
        self.loaded(cells.entries.len(), free);
        let layout = Arc::clone(&cells.layout);
        self.frozen = Some(Frozen { captured, layout, expiry: expiry.clone(), changes: Changes::default(), next_word: 0, entries: 0 });
    }

    /// Makes what is there now the view to be captured. The view before must have been captured.
    pub(crate) fn freeze(&mut self, scope: SnapshotScope, cells: &Cells, expiry: &Expiry) {
        std::mem::swap(&mut self.dirty, &mut self.pending);
        let changes = std::mem::take(&mut self.changes);
        let early = std::mem::replace(&mut self.early, Captured::new(SnapshotScope::Changes));
        let captured = if scope == SnapshotScope::Changes { early } else { Captured::new(scope) };
        let (layout, entries) = (Arc::clone(&cells.layout), cells.entries.len());
        let states = self.early_states.take().filter(|_| scope == SnapshotScope::Changes);
        let captured = captured.of(states.unwrap_or_else(|| Arc::new(layout.saved())));
        self.frozen = Some(Frozen { captured, layout, expiry: expiry.clone(), changes, next_word: 0, entries });
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    pub(crate) fn has_finished(&self) -> bool {
        !self.finished.is_empty()
    }

    pub(crate) fn take_finished(&mut self) -> Option<Captured> {
        self.finished.pop_front()
    }

    /// Captures more of the frozen view: about `rows_max` rows. `true` when all of it is captured.
    pub(crate) fn capture(&mut self, cells: &Cells, rows_max: usize) -> bool {
        let Some(frozen) = &self.frozen else { return true };
        let (words, rows_then) = (frozen.entries.div_ceil(WORD_BITS), frozen.captured.rows().saturating_add(rows_max as u64));
        // Looking through a word without a change costs a small part of capturing a row.
        let words_then = frozen.next_word.saturating_add(rows_max.saturating_mul(WORDS_A_ROW)).min(words);
        while let Some(frozen) = &self.frozen {
            if frozen.captured.rows() >= rows_then {
                return false;
            }
            if frozen.next_word >= words_then {
                break;
            }
            self.gather(cells, words_then);
            let batch = std::mem::take(&mut self.batch);
            batch.iter().for_each(|id| self.capture_entry(cells, *id));
            self.batch = batch;
        }
        let Some(frozen) = &mut self.frozen else { return true };
        if frozen.next_word < words || !frozen.capture_tombstones(self.max_parallelism, rows_then) {
            return false;
        }
        self.finished.extend(self.frozen.take().map(|frozen| frozen.captured));
        true
    }

    /// Takes a batch of entries that are to be captured, and asks the processor to bring them.
    fn gather(&mut self, cells: &Cells, words_then: usize) {
        self.batch.clear();
        let Some(frozen) = &mut self.frozen else { return };
        while frozen.next_word < words_then && self.batch.len() < WORD_BITS {
            let word = frozen.next_word;
            let (changed, done) = (self.pending.take_word(word), self.done.take_word(word));
            let mut bits = match frozen.captured.scope() {
                SnapshotScope::Changes => changed,
                SnapshotScope::Full => !done & first_bits(frozen.entries - word * WORD_BITS),
            };
            while bits != 0 {
                let id = EntryId((word * WORD_BITS) as u32 + bits.trailing_zeros());
                bits &= bits - 1;
                cells.prefetch(id);
                self.batch.push(id);
            }
            frozen.next_word += 1;
        }
    }

    fn capture_entry(&mut self, cells: &Cells, id: EntryId) {
        let (Some(frozen), Some(entry)) = (&mut self.frozen, cells.entry(id)) else { return };
        if entry.is_free() {
            return;
        }
        self.stored.set(id.as_usize());
        let key_group = self.max_parallelism.key_group(entry.hash);
        let Frozen { captured, layout, expiry, changes, .. } = frozen;
        if captured.scope() == SnapshotScope::Full {
            cells.rows_of(layout, id, key_group, expiry, |row| captured.push(&row));
            changes.take_all(cells, id);
            return;
        }
        changed_rows(cells, layout, id, key_group, expiry, changes, |row| captured.push(&row));
    }
}

/// What has changed under an entry's key of the states of `layout`, a row each: all values, and of its sub-keys what `changes` has, which forgets it.
fn changed_rows(
    cells: &Cells,
    layout: &Layout,
    id: EntryId,
    key_group: KeyGroup,
    expiry: &Expiry,
    changes: &mut Changes,
    mut each: impl FnMut(StateRow<'_>),
) {
    let Some(entry) = cells.entry(id) else { return };
    for (state, family) in layout.live() {
        let live_from_s = expiry.live_from_s(state);
        let row = |state, sub_key, value, written_s| StateRow { state, key_group, key: &entry.key, sub_key, value, written_s };
        let Place::SubKeys(_) = family.place else {
            match cells.value(family.place, id, live_from_s) {
                Some((value, written_s)) => each(row(cells.number_of(family, id), None, Some(&**value), written_s)),
                None => each(row(family.current_number(), None, None, 0)),
            }
            continue;
        };
        let (Some(changes), Some(sub_keys)) = (changes.sub_keys.remove(&(family.place, id)), cells.sub_keys_at(family.place)) else { continue };
        let current = family.current_number();
        if changes.cleared {
            each(row(current, None, None, 0));
        }
        for sub_key in &changes.sub_keys {
            match sub_keys.get(id, sub_key).filter(|cell| cell.written_s >= live_from_s) {
                Some(cell) => each(row(cell.number(), Some(sub_key), Some(&cell.value), cell.written_s)),
                None => each(row(current, Some(sub_key), None, 0)),
            }
        }
    }
}

impl Frozen {
    /// Captures keys that were gone, until there are `rows_then` rows. `true` when all are captured.
    fn capture_tombstones(&mut self, max_parallelism: MaxParallelism, rows_then: u64) -> bool {
        // A full snapshot doesn't name them, and may forget this many for each row it has left.
        let is_full = self.captured.scope() == SnapshotScope::Full;
        let mut left = rows_then.saturating_sub(self.captured.rows());
        while left > 0 {
            let Some((hash, key)) = self.changes.tombstones.pop() else { return true };
            let key_group: KeyGroup = max_parallelism.key_group(hash);
            if !is_full {
                // The key may have come back since, and have been captured already.
                self.layout.deletions(key_group, &key, |row| self.captured.push_older(&row));
            }
            left -= 1;
        }
        self.changes.tombstones.is_empty()
    }
}

/// How many words may be looked through for each row that may be captured.
const WORDS_A_ROW: usize = 16;

/// The lowest `count` bits of a word; all of them when `count` is larger.
fn first_bits(count: usize) -> u64 {
    if count >= WORD_BITS { u64::MAX } else { (1 << count) - 1 }
}
