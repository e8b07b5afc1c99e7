//! State larger than memory: the table as a cache over a store on disk.
//!
//! A key is in the table with everything under it, or not at all. What the table has of a key counts, whatever the store has; of any other
//! key the store's rows count, unless the key is among those that are gone.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use weir_model::key_group::KeyGroup;

use crate::bitmap::Bitmap;
use crate::captured::Captured;
use crate::cells::Cells;
use crate::column::StateError;
use crate::disk::{DiskError, DiskScan, DiskStore, Replace, RowKey, split_stored, stored};
use crate::index::EntryId;
use crate::keyed::KeyedState;
use crate::migration::Pass;
use crate::row::{SnapshotScope, StateRow};
use crate::saved_states::SavedStates;
use crate::tracker::Tracker;

/// What a table over a store keeps besides its entries.
#[derive(Debug)]
pub(crate) struct Backing {
    store: DiskStore,
    /// What the table may take.
    table_bytes_max: usize,
    /// Entries that changed since they were written to the store.
    unwritten: Bitmap,
    /// Entries of whose keys the store may have rows.
    stored: Bitmap,
    /// Entries that were in a batch since the hand came by.
    used: Bitmap,
    /// Keys that are gone, with their hashes; the store still has rows of them.
    gone: BTreeMap<Box<[u8]>, u64>,
    /// About what those take.
    gone_bytes: usize,
    /// Keys that only the store has.
    away: usize,
    /// The hand of the clock: the entry to look at next.
    hand: usize,
    /// Whether runs in the store wait to be merged.
    merge_due: bool,
    /// After this, nothing in the store is believed.
    failed: Option<StateError>,
}

/// When the table is full, this part of it makes room: its rows are in memory twice for a moment. Each time makes a run, and all runs are merged
/// with most of the store sooner or later, so fewer are better.
const EVICTED_SHARE: usize = 4;

/// The entries that a full snapshot writes in one run, at most.
const RUN_ENTRIES_MAX: usize = 64 << 10;

/// What a key that is gone takes besides its bytes, roughly.
const GONE_BYTES: usize = 64;

impl Backing {
    /// Notes that something under an entry's key was written or deleted.
    #[inline]
    pub(crate) fn changed(&mut self, id: EntryId) {
        self.unwritten.set(id.as_usize());
    }

    /// Notes that a key is no longer in the table because nothing lies under it.
    pub(crate) fn freed(&mut self, id: EntryId, hash: u64, key: &[u8]) {
        self.unwritten.take(id.as_usize());
        if self.stored.take(id.as_usize()) {
            self.gone.insert(key.into(), hash);
            self.gone_bytes += GONE_BYTES + key.len();
        }
    }

    /// Keys that only the store has.
    pub(crate) fn away(&self) -> usize {
        self.away
    }

    /// Notes that entries are in a batch.
    pub(crate) fn used(&mut self, ids: &[EntryId]) {
        ids.iter().for_each(|id| self.used.set(id.as_usize()));
    }
}

/// The key group by which the rows of a key are sorted.
fn group_of(tracker: Option<&Tracker>, hash: u64) -> KeyGroup {
    // Without snapshots nobody asks for the rows of one group.
    tracker.map_or(KeyGroup(0), |tracker| tracker.key_group(hash))
}

fn address(state: usize, key_group: KeyGroup, key: &[u8], sub_key: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    RowKey { state: state as u32, key_group, key, sub_key }.encode(&mut bytes);
    bytes
}

/// A row as the store takes it: where it is, and what to write there; `None` deletes, and all sub-keys if there is none in the address.
type Change = (Vec<u8>, Option<Vec<u8>>);

impl KeyedState {
    /// The state as a cache over files in `dir`, which is made if need be and must be empty, and is deleted in the end. The table and the cache of
    /// the files take about `memory_bytes` together, whatever the state takes. But a key's maps and lists are in memory as a whole while the key
    /// is in a batch, and so are the changes since the last freeze, packed, until they are captured. To be called before anything is put.
    ///
    /// # Errors
    /// When the folder isn't empty or can't be written.
    pub fn on_disk(mut self, dir: &Path, memory_bytes: u64) -> Result<Self, DiskError> {
        let store = DiskStore::create(dir, memory_bytes / 2)?;
        if let Some(tracker) = &mut self.tracker {
            tracker.evicts();
        }
        self.backing = Some(Box::new(Backing {
            store,
            table_bytes_max: usize::try_from(memory_bytes / 2).unwrap_or(usize::MAX),
            unwritten: Bitmap::default(),
            stored: Bitmap::default(),
            used: Bitmap::default(),
            gone: BTreeMap::new(),
            gone_bytes: 0,
            away: 0,
            hand: 0,
            merge_due: false,
            failed: None,
        }));
        Ok(self)
    }

    /// Brings what the store has of entries that were just made.
    pub(crate) fn bring(&mut self, created: &[EntryId]) -> Result<(), StateError> {
        let Some(backing) = &mut self.backing else { return Ok(()) };
        let mut created = created.to_vec();
        if !backing.gone.is_empty() {
            created.retain(|id| {
                let is_gone = self.cells.entry(*id).is_some_and(|entry| backing.gone.remove(&*entry.key).is_some());
                if is_gone {
                    backing.stored.set(id.as_usize());
                    backing.gone_bytes -= GONE_BYTES + self.cells.entry(*id).map_or(0, |entry| entry.key.len());
                }
                !is_gone
            });
        }
        if backing.away == 0 {
            return Ok(());
        }
        // In the order of the store, so that neighbours are read together.
        let tracker = self.tracker.as_deref();
        created.sort_by_cached_key(|id| self.cells.entry(*id).map(|entry| (group_of(tracker, entry.hash).0, entry.key.to_vec())));
        for id in created {
            let found = bring_entry(&backing.store, &mut self.cells, self.tracker.as_deref(), id, &mut self.pass);
            if found.map_err(|error| backing.fail(error))? {
                backing.stored.set(id.as_usize());
                backing.away -= 1;
                if let Some(tracker) = &mut self.tracker {
                    tracker.returned(id);
                }
            }
        }
        Ok(())
    }

    /// Makes room in the table if need be. No call may be running.
    pub(crate) fn make_room(&mut self) -> Result<(), StateError> {
        let Some(backing) = &mut self.backing else { return Ok(()) };
        if let Some(failed) = &backing.failed {
            return Err(failed.clone());
        }
        if backing.merge_due {
            backing.merge_due = backing.store.merge_some().map_err(|error| backing.fail(error))?;
        }
        let live = self.cells.entries.len() - self.free.len();
        let bytes = self.cells.bytes(live);
        let bytes_max = backing.table_bytes_max;
        if bytes + backing.gone_bytes <= bytes_max {
            return Ok(());
        }
        let too_many = (bytes + bytes_max / EVICTED_SHARE).saturating_sub(bytes_max);
        let count = (too_many / (bytes / live.max(1)).max(1)).clamp(1, live.max(1));
        let victims = self.least_used(count);
        self.write_out(&victims)?;
        victims.into_iter().for_each(|id| self.evict(id));
        Ok(())
    }

    /// So many entries that weren't in a batch lately, or more recently used ones when there are no more.
    fn least_used(&mut self, count: usize) -> Vec<EntryId> {
        let (Some(backing), entries) = (&mut self.backing, &self.cells.entries) else { return Vec::new() };
        let mut victims = Vec::with_capacity(count);
        // In the second round, no entry counts as used any more.
        for _ in 0..2 * entries.len() {
            if victims.len() >= count {
                break;
            }
            if backing.hand >= entries.len() {
                backing.hand = 0;
            }
            let is_free = entries.get(backing.hand).is_none_or(|entry| entry.is_free());
            if !is_free && !backing.used.take(backing.hand) {
                victims.push(EntryId(backing.hand as u32));
            }
            backing.hand += 1;
        }
        victims.sort_unstable();
        victims.dedup();
        victims
    }

    /// Takes an entry that is written out of the table.
    fn evict(&mut self, id: EntryId) {
        if self.cells.is_vacant(id) {
            // Left by a call of which nobody heard again.
            return self.remove_vacant(std::iter::once(id));
        }
        if let Some(tracker) = &mut self.tracker {
            tracker.evict(&self.cells, id, &self.expiry);
        }
        if let Some(backing) = &mut self.backing {
            backing.stored.take(id.as_usize());
            backing.away += 1;
        }
        self.cells.clear(id);
        self.free_entry(id);
    }

    /// Writes those of `ids` that have changed, and the keys that are gone, as one run.
    fn write_out(&mut self, ids: &[EntryId]) -> Result<(), StateError> {
        let Some(backing) = &mut self.backing else { return Ok(()) };
        let (cells, tracker) = (&self.cells, self.tracker.as_deref());
        let mut rows: Vec<Change> = Vec::new();
        backing.gone_bytes = 0;
        for (key, hash) in std::mem::take(&mut backing.gone) {
            rows.extend(cells.layout.on_disk().map(|number| (address(number, group_of(tracker, hash), &key, None), None)));
        }
        for id in ids {
            if backing.unwritten.take(id.as_usize()) {
                let is_stored = backing.stored.get(id.as_usize());
                backing.stored.set(id.as_usize());
                changes_of(cells, tracker, *id, is_stored, &mut rows);
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        rows.sort_unstable();
        let has_sub_keys = cells.layout.has_sub_keys();
        let ingested = backing.store.ingest(Replace::new(&backing.store, rows.into_iter(), &has_sub_keys));
        ingested.map_err(|error| backing.fail(error))?;
        backing.merge_due = true;
        Ok(())
    }

    /// Writes everything to the store and makes that the frozen view, which nothing changes any more.
    pub(crate) fn freeze_disk(&mut self) {
        let ids: Vec<_> = (0..self.cells.entries.len() as u32).map(EntryId).collect();
        let failed = self.backing.as_ref().and_then(|backing| backing.failed.clone());
        let written = failed.map_or(Ok(()), Err).and_then(|()| ids.chunks(RUN_ENTRIES_MAX).try_for_each(|run| self.write_out(run)));
        let Self { tracker: Some(tracker), backing: Some(backing), cells, expiry, free, .. } = self else { return };
        let rows = backing.store.rows_estimate() as u64;
        let view = written.map(|()| DiskView { scan: backing.store.scan(&[]), expiry: expiry.clone(), rows });
        let captured = Captured::on_disk(SnapshotScope::Full, view).of(Arc::new(cells.layout.saved()));
        tracker.freeze_disk(cells, free, captured, expiry);
    }

    /// The rows of keys that only the store has, in order, expired or not.
    pub(crate) fn each_row_away(&self, mut each: impl FnMut(StateRow<'_>)) -> Result<(), StateError> {
        let Some(backing) = &self.backing else { return Ok(()) };
        let all = each_stored(&mut backing.store.scan(&[]), |row| {
            let hash = weir_model::key_group::hash_key(row.key);
            if self.find(hash, row.key).is_none() && !backing.gone.contains_key(row.key) {
                each(row);
            }
            ControlFlow::Continue(())
        });
        all.map(drop)
    }
}

impl Backing {
    /// Remembers that the store can't be used any more.
    fn fail(&mut self, error: DiskError) -> StateError {
        let error = StateError::from(error);
        self.failed = Some(error.clone());
        error
    }
}

/// All that is in the store at one moment.
#[derive(Debug)]
pub(crate) struct DiskView {
    scan: DiskScan,
    expiry: crate::expiry::Expiry,
    /// About how many rows: no fewer than there are.
    pub(crate) rows: u64,
}

impl DiskView {
    /// The rows of these states that aren't expired, in the order and with the numbers of a file.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn for_each(
        &mut self,
        states: &SavedStates,
        mut each: impl FnMut(&StateRow<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StateError> {
        let Self { scan, expiry, .. } = self;
        each_stored(scan, |row| match states.get(row.state) {
            Some(saved) if row.written_s >= expiry.live_from_s(saved.state) => each(&StateRow { state: saved.number, ..row }),
            // Expired, or left by a state that was given up.
            _ => ControlFlow::Continue(()),
        })
    }
}

/// Goes on with a scan until there is no row any more, or `each` breaks off.
fn each_stored(scan: &mut DiskScan, mut each: impl FnMut(StateRow<'_>) -> ControlFlow<()>) -> Result<ControlFlow<()>, StateError> {
    let mut key = Vec::new();
    while let Some(row) = scan.next() {
        let (address, value) = row?;
        let decoded = RowKey::decode(&address, &mut key).zip(split_stored(&value));
        let (RowKey { state, key_group, key, sub_key }, (written_s, value)) = decoded.ok_or_else(|| scan.malformed())?;
        if each(StateRow { state: state as usize, key_group, key, sub_key, value: Some(value), written_s }).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Brings what the store has of an entry's key, and says whether it has anything. What is left there of a state that was given up isn't brought.
fn bring_entry(store: &DiskStore, cells: &mut Cells, tracker: Option<&Tracker>, id: EntryId, pass: &mut Pass) -> Result<bool, DiskError> {
    let Some(entry) = cells.entry(id) else { return Ok(false) };
    let (key_group, key, layout) = (group_of(tracker, entry.hash), entry.key.clone(), Arc::clone(&cells.layout));
    let mut found = false;
    for number in layout.on_disk() {
        let family = layout.family_of(number).filter(|(family, _)| !family.is_clearing);
        let mut bring = |sub_key: Option<&[u8]>, row: &[u8]| {
            found = true;
            let (Some((written_s, value)), Some((family, version))) = (split_stored(row), family) else { return };
            if version != family.current {
                pass.found_stale();
            }
            cells.put_row(id, &StateRow { state: number, key_group, key: &key, sub_key, value: Some(value), written_s });
        };
        if layout.is_sub_keyed(number) {
            // An empty sub-key is the first.
            let prefix = address(number, key_group, &key, Some(&[]));
            for row in store.scan(&prefix) {
                let (address, value) = row?;
                bring(address.get(prefix.len()..), &value);
            }
        } else if let Some(value) = store.get(&address(number, key_group, &key, None))? {
            bring(None, &value);
        }
    }
    Ok(found)
}

/// What makes the store's rows of an entry's key those of the table.
fn changes_of(cells: &Cells, tracker: Option<&Tracker>, id: EntryId, is_stored: bool, rows: &mut Vec<Change>) {
    let Some(entry) = cells.entry(id).filter(|entry| !entry.is_free()) else { return };
    let key_group = group_of(tracker, entry.hash);
    let at = |number: usize, sub_key: Option<&[u8]>| address(number, key_group, &entry.key, sub_key);
    let first = rows.len();
    for family in cells.layout.families.iter().filter(|family| !family.is_clearing) {
        cells.rows_at(family, id, key_group, 0, |row| {
            rows.push((at(row.state, row.sub_key), row.value.map(|value| stored(row.written_s, value))));
        });
    }
    if is_stored {
        // Of whatever version or state they are. Of all sub-keys, where there are any: they come before those that are put.
        let deletions: Vec<_> = cells.layout.on_disk().map(|number| at(number, None)).collect();
        let own = first..rows.len();
        let is_put = |address: &Vec<u8>| rows.get(own.clone()).is_some_and(|own| own.iter().any(|(put, _)| put == address));
        let deletions: Vec<_> = deletions.into_iter().filter(|address| !is_put(address)).map(|address| (address, None)).collect();
        rows.extend(deletions);
    }
}

mod older;
#[cfg(test)]
mod tests;
