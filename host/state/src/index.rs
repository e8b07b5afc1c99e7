//! From the hash of a key to its entry: open addressing with linear probing, deletion by backward shift.
//!
//! A slot is one word: the upper half is a tag of the hash, the lower half the entry's number plus one; 0 is an empty slot. So a miss
//! costs one load, and a hit touches no entry but its own (but for one tag in four billion). The 64-bit hash that came with the
//! record is mixed with a seed before use, so that chosen keys don't pile up in one place of the table. Against keys chosen to have
//! equal hashes that is no help, for the hash is not secret: once they show, the table is built again from the keys' bytes.

use std::hash::{DefaultHasher, Hasher};

use crate::huge_pages::prefer_huge_pages;
use crate::prefetch::prefetch;

/// The number of an entry in [`crate::KeyedState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntryId(pub(crate) u32);

impl EntryId {
    pub(crate) const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

const SLOTS_MIN: usize = 16;

/// Entries with the tag of a key but not the key that one search may meet. Even among 2^26 keys, eight happen once in 10^18 searches.
const STRANGERS_MAX: usize = 8;

/// Slots that one search may walk over. In a table of 2^32 slots that is 5/8 full, the longest run by chance is about 230.
pub(crate) const WALK_MAX: usize = 512;

/// What a key's place in the table is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placing {
    /// The hash that came with the record.
    ByHash,
    /// A secret hash of the key's bytes: slower, and no keys collide in it on purpose.
    ByKey,
}

/// What a search for a key found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search {
    /// The key's entry, if it has one.
    pub(crate) entry: Option<EntryId>,
    /// Whether the way there was longer than chance explains.
    pub(crate) crowded: bool,
}

/// The table. Its length is a power of two and it is never more than 5/8 full.
#[derive(Debug)]
pub(crate) struct KeyIndex {
    slots: Vec<u64>,
    pub(crate) used: usize,
    seed: u64,
    placing: Placing,
    /// Slots read by searches.
    #[cfg(test)]
    pub(crate) walked: std::cell::Cell<usize>,
}

/// A hash as the table uses it: where to look first, and the tag to look for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Probe {
    start: usize,
    pub(crate) tag: u32,
}

impl KeyIndex {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            slots: vec![0; SLOTS_MIN],
            used: 0,
            seed,
            placing: Placing::ByHash,
            #[cfg(test)]
            walked: std::cell::Cell::default(),
        }
    }

    /// Makes room for `more` insertions, so that none of them moves the table.
    pub(crate) fn reserve(&mut self, more: usize) {
        let needed = (self.used + more) * 8 / 5 + 1;
        if needed <= self.slots.len() {
            return;
        }
        let mut larger = vec![0; needed.next_power_of_two()];
        prefer_huge_pages(&mut larger);
        let old = std::mem::replace(&mut self.slots, larger);
        let mask = self.mask();
        // The tag is enough to place a word again: it holds the bits that `start` is taken from.
        for word in old.into_iter().filter(|word| *word != 0) {
            let mut at = start_of((word >> 32) as u32, mask);
            while let Some(slot) = self.slots.get_mut(at) {
                if *slot == 0 {
                    *slot = word;
                    break;
                }
                at = (at + 1) & mask;
            }
        }
    }

    #[inline]
    fn mask(&self) -> usize {
        self.slots.len() - 1
    }

    /// Builds the table again from the keys' bytes, and places by them from now on.
    pub(crate) fn place_by_key<'a>(&mut self, keys: impl Iterator<Item = (EntryId, &'a [u8])>) {
        self.placing = Placing::ByKey;
        self.slots.fill(0);
        self.used = 0;
        for (id, key) in keys {
            self.insert(self.probe_key(key), id);
        }
    }

    /// Whether [`Self::probe_hash`] is the place of a key.
    #[inline]
    pub(crate) fn is_by_hash(&self) -> bool {
        self.placing == Placing::ByHash
    }

    /// Where this key with this hash would be.
    pub(crate) fn probe(&self, hash: u64, key: &[u8]) -> Probe {
        match self.placing {
            Placing::ByHash => self.probe_hash(hash),
            Placing::ByKey => self.probe_key(key),
        }
    }

    fn probe_key(&self, key: &[u8]) -> Probe {
        // SipHash-1-3. The standard library sets its key to zero, so the secret is the first word hashed.
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        hasher.write(key);
        let tag = hasher.finish() as u32;
        Probe { start: start_of(tag, self.mask()), tag }
    }

    /// Where the key with this hash would be while keys are placed by their hashes.
    #[inline]
    pub(crate) fn probe_hash(&self, hash: u64) -> Probe {
        // Folded multiplication, as in wyhash and foldhash: https://github.com/wangyi-fudan/wyhash
        let product = u128::from(hash ^ self.seed) * 0x9e37_79b9_7f4a_7c15_u128;
        let tag = (product >> 64) as u32 ^ product as u32;
        Probe { start: start_of(tag, self.mask()), tag }
    }

    /// Asks the processor to bring the slot where a search will start.
    #[inline]
    pub(crate) fn prefetch(&self, probe: Probe) {
        if let Some(slot) = self.slots.get(probe.start) {
            prefetch(slot);
        }
    }

    /// The first entry with the tag of `probe`: right but for one time in billions, found without touching an entry.
    #[inline]
    pub(crate) fn candidate(&self, probe: Probe) -> Option<EntryId> {
        self.walk(probe, |_| true).0
    }

    /// The entry with the tag of `probe` for which `is_it` is true.
    pub(crate) fn find(&self, probe: Probe, mut is_it: impl FnMut(EntryId) -> bool) -> Search {
        let mut strangers = 0;
        let (entry, end) = self.walk(probe, |id| {
            let found = is_it(id);
            strangers += usize::from(!found);
            found
        });
        let walked = end.wrapping_sub(probe.start) & self.mask();
        // By key there is nothing to flee from, and nowhere to flee to.
        Search { entry, crowded: self.is_by_hash() && (strangers > STRANGERS_MAX || walked > WALK_MAX) }
    }

    /// The entry with the tag of `probe` for which `is_it` is true, and the slot where the search ended.
    #[inline]
    fn walk(&self, probe: Probe, mut is_it: impl FnMut(EntryId) -> bool) -> (Option<EntryId>, usize) {
        let mask = self.mask();
        let mut at = probe.start;
        loop {
            #[cfg(test)]
            self.walked.set(self.walked.get() + 1);
            let word = self.slots.get(at).copied().unwrap_or(0);
            if word == 0 {
                return (None, at);
            }
            let id = EntryId((word as u32).wrapping_sub(1));
            if (word >> 32) as u32 == probe.tag && is_it(id) {
                return (Some(id), at);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds an entry that isn't there yet.
    pub(crate) fn insert(&mut self, probe: Probe, id: EntryId) {
        let had = self.slots.len();
        self.reserve(1);
        let mask = self.mask();
        let mut at = if had == self.slots.len() { probe.start } else { start_of(probe.tag, mask) };
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == 0 {
                *slot = u64::from(probe.tag) << 32 | (u64::from(id.0) + 1);
                break;
            }
            at = (at + 1) & mask;
        }
        self.used += 1;
    }

    /// Takes an entry out and moves those behind it forward, so that no marker stays.
    pub(crate) fn remove(&mut self, probe: Probe, id: EntryId) {
        let mask = self.mask();
        let read = |slots: &[u64], at: usize| slots.get(at).copied().unwrap_or(0);
        let mut hole = probe.start;
        loop {
            match read(&self.slots, hole) {
                0 => return,
                word if word as u32 == id.0 + 1 => break,
                _ => hole = (hole + 1) & mask,
            }
        }
        self.used -= 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let word = read(&self.slots, at);
            let moved = if word == 0 { 0 } else { word };
            let start = start_of((word >> 32) as u32, mask);
            // A word may move into the hole unless its own first slot lies behind the hole.
            let stays = word != 0 && (at.wrapping_sub(start) & mask) < (at.wrapping_sub(hole) & mask);
            if stays {
                continue;
            }
            if let Some(slot) = self.slots.get_mut(hole) {
                *slot = moved;
            }
            if word == 0 {
                return;
            }
            hole = at;
        }
    }
}

/// The first slot for a tag: its upper bits, spread over the table.
#[inline]
fn start_of(tag: u32, mask: usize) -> usize {
    // Tables of up to 2^32 slots use the tag itself; it is already mixed.
    tag as usize & mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn the_index_agrees_with_a_map(operations in proptest::collection::vec((0u64..200, any::<bool>()), 0..2000), seed: u64) {
            let mut index = KeyIndex::new(seed);
            let mut hashes: Vec<u64> = Vec::new();
            let mut model: BTreeMap<u64, EntryId> = BTreeMap::new();
            for (hash, insert) in operations {
                let hash = hash.wrapping_mul(0x0101_0101_0101_0101);
                let probe = index.probe_hash(hash);
                let found = index.find(probe, |id| hashes[id.as_usize()] == hash).entry;
                prop_assert_eq!(found, model.get(&hash).copied());
                match (insert, found) {
                    (true, None) => {
                        let id = EntryId(u32::try_from(hashes.len()).unwrap());
                        hashes.push(hash);
                        index.insert(probe, id);
                        model.insert(hash, id);
                    }
                    (false, Some(id)) => {
                        index.remove(probe, id);
                        model.remove(&hash);
                    }
                    _ => {}
                }
            }
            for (hash, id) in model {
                prop_assert_eq!(index.find(index.probe_hash(hash), |id| hashes[id.as_usize()] == hash).entry, Some(id));
            }
        }
    }
}
