//! What two versions emitted of one batch, as multisets of records.

use std::collections::{BTreeMap, BTreeSet};

use weir_model::key_group::hash_key;
use weir_model::rows::{Batch, Row};
use weir_state::KeyedState;

use super::report::{EXAMPLE_BYTES_MAX, EXAMPLES_MAX, ShadowCounts, ShadowExample, ShadowRow};

/// Hashes of differing keys that are kept: beyond that they are only counted as "at least".
const KEYS_MAX: usize = 1 << 20;
/// Emitted bytes of one batch that are kept for examples.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// Differing records of a batch that are looked at for examples.
const CANDIDATES_MAX: usize = 1000;

/// A record and its key, as hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub(super) row: u64,
    /// `None`: it has no key.
    key: Option<u64>,
}

/// The fingerprint of a record of a port.
pub(super) fn fingerprint(port: usize, key: Option<&[u8]>, value: &[u8], timestamp: i64) -> Fingerprint {
    let key = key.map(hash_key);
    let parts = [port as u64, key.unwrap_or_default(), hash_key(value), timestamp as u64];
    let mut bytes = [0; 32];
    bytes.chunks_exact_mut(8).zip(parts).for_each(|(bytes, part)| bytes.copy_from_slice(&part.to_le_bytes()));
    Fingerprint { row: hash_key(&bytes), key }
}

/// What one version emitted of a batch.
#[derive(Debug, Default)]
pub(super) struct Emitted {
    prints: Vec<Fingerprint>,
    /// The records themselves, from the first on; some may be missing at the end.
    kept: Vec<(usize, Batch)>,
    kept_rows: usize,
    kept_bytes: usize,
}

impl Emitted {
    /// Adds batches with their port's number; their bytes too if `keep`.
    pub(super) fn add(&mut self, batches: &[(usize, Batch)], keep: bool) {
        for (port, batch) in batches {
            let is_all_kept = self.kept_rows == self.prints.len();
            self.prints.extend(batch.iter().map(|row| fingerprint(*port, row.key, row.value, row.timestamp)));
            if keep && is_all_kept && self.kept_bytes + batch.bytes().len() <= KEPT_BYTES_MAX {
                self.kept_rows += batch.len();
                self.kept_bytes += batch.bytes().len();
                self.kept.push((*port, batch.clone()));
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.prints.clear();
        self.kept.clear();
        (self.kept_rows, self.kept_bytes) = (0, 0);
    }

    /// The places of all records, in order of their fingerprints.
    #[expect(clippy::indexing_slicing, reason = "places of this list")]
    fn sorted(&self) -> Vec<(u64, usize)> {
        let mut places: Vec<_> = (0..self.prints.len()).map(|at| (self.prints[at].row, at)).collect();
        places.sort_unstable();
        places
    }

    /// The records at these places, as far as they are kept, with their port.
    fn rows(&self, places: &BTreeSet<usize>) -> Vec<(usize, Row<'_>)> {
        let rows = self.kept.iter().flat_map(|(port, batch)| batch.iter().map(|row| (*port, row)));
        rows.enumerate().filter(|(at, _)| places.contains(at)).map(|(_, row)| row).collect()
    }
}

/// What was found in all batches so far.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) counts: ShadowCounts,
    differing_keys: BTreeSet<u64>,
}

impl Comparison {
    pub(super) fn wants_examples(&self) -> bool {
        self.counts.examples.len() < EXAMPLES_MAX
    }

    /// Notes how much state the new version has.
    pub(super) fn copied(&mut self, state: Option<&KeyedState>) {
        if let Some(state) = state {
            self.counts.keys_copied = state.len() as u64;
            self.counts.copied_bytes = state.memory_bytes() as u64;
        }
    }

    /// Compares what both emitted of a batch.
    pub(super) fn compare(&mut self, old: &Emitted, new: &Emitted) {
        self.counts.emitted += old.prints.len() as u64;
        if old.prints == new.prints {
            return;
        }
        let (only_old, only_new) = differences(&old.sorted(), &new.sorted());
        self.counts.only_old += only_old.len() as u64;
        self.counts.only_new += only_new.len() as u64;
        for (emitted, places) in [(old, &only_old), (new, &only_new)] {
            for key in places.iter().filter_map(|at| emitted.prints.get(*at)?.key) {
                if self.differing_keys.len() < KEYS_MAX {
                    self.differing_keys.insert(key);
                } else if !self.differing_keys.contains(&key) {
                    self.counts.keys_differing_at_least = true;
                }
            }
        }
        self.counts.keys_differing = self.differing_keys.len() as u64;
        if self.wants_examples() {
            self.add_examples(old, &only_old, new, &only_new);
        }
    }

    /// Pairs records of both by port and key, in order.
    fn add_examples(&mut self, old: &Emitted, only_old: &[usize], new: &Emitted, only_new: &[usize]) {
        let first = |places: &[usize]| places.iter().copied().collect::<BTreeSet<_>>().into_iter().take(CANDIDATES_MAX).collect();
        let mut pairs: BTreeMap<_, [Vec<ShadowRow>; 2]> = BTreeMap::new();
        let (old, new) = (old.rows(&first(only_old)), new.rows(&first(only_new)));
        for (port, row) in &old {
            let [olds, _] = pairs.entry((*port, row.key)).or_default();
            olds.push(shown(row));
        }
        for (port, row) in &new {
            let [_, news] = pairs.entry((*port, row.key)).or_default();
            news.push(shown(row));
        }
        for ((output, key), [olds, news]) in pairs {
            let (mut olds, mut news) = (olds.into_iter(), news.into_iter());
            loop {
                let (old, new) = (olds.next(), news.next());
                if (old.is_none() && new.is_none()) || !self.wants_examples() {
                    break;
                }
                self.counts.examples.push(ShadowExample { output, key: key.map(cut), old, new });
            }
        }
    }

    /// Records that the new version has set aside, against those that the live one has.
    pub(super) fn compare_failed(&mut self, new: Vec<(u64, String)>, old: &[u64]) {
        let mut left: BTreeMap<u64, u64> = BTreeMap::new();
        old.iter().for_each(|print| *left.entry(*print).or_default() += 1);
        for (print, why) in new {
            match left.get_mut(&print).filter(|count| **count > 0) {
                Some(count) => *count -= 1,
                None => {
                    self.counts.failed += 1;
                    self.counts.first_failure.get_or_insert(why);
                }
            }
        }
    }
}

/// The places of what only one of two sorted lists has.
fn differences(old: &[(u64, usize)], new: &[(u64, usize)]) -> (Vec<usize>, Vec<usize>) {
    let (mut only_old, mut only_new) = (Vec::new(), Vec::new());
    let (mut olds, mut news) = (old.iter().peekable(), new.iter().peekable());
    loop {
        match (olds.peek(), news.peek()) {
            (Some((a, _)), Some((b, _))) if a == b => {
                olds.next();
                news.next();
            }
            (Some((a, _)), Some((b, _))) if a > b => only_new.extend(news.next().map(|(_, at)| *at)),
            (Some(_), _) => only_old.extend(olds.next().map(|(_, at)| *at)),
            (None, Some(_)) => only_new.extend(news.next().map(|(_, at)| *at)),
            (None, None) => return (only_old, only_new),
        }
    }
}

fn shown(row: &Row<'_>) -> ShadowRow {
    ShadowRow { value: cut(row.value), timestamp: row.timestamp }
}

fn cut(bytes: &[u8]) -> Vec<u8> {
    bytes.get(..EXAMPLE_BYTES_MAX).unwrap_or(bytes).to_vec()
}

#[cfg(test)]
mod tests {
    use weir_model::rows::BatchBuilder;

    use super::*;

    type Record = (usize, Option<&'static str>, &'static str, i64);

    /// Each record in a batch of its own.
    fn emitted(records: &[Record]) -> Emitted {
        let mut emitted = Emitted::default();
        for (port, key, value, timestamp) in records {
            let mut batch = BatchBuilder::default();
            batch.push(key.map(str::as_bytes), value.as_bytes(), *timestamp).unwrap();
            emitted.add(&[(*port, batch.take())], true);
        }
        emitted
    }

    #[test]
    fn records_are_compared_by_port_key_value_and_timestamp_in_any_order() {
        let check = |old: &[Record], new: &[Record], only: (u64, u64), keys: u64| {
            let mut comparison = Comparison::default();
            comparison.compare(&emitted(old), &emitted(new));
            let counts = comparison.counts;
            assert_eq!(((counts.only_old, counts.only_new), counts.keys_differing), (only, keys), "{old:?} {new:?}");
            assert_eq!(counts.examples.is_empty(), only == (0, 0));
            assert_eq!(counts.examples.iter().filter(|example| example.old.is_some()).count() as u64, only.0);
            assert_eq!(counts.examples.iter().filter(|example| example.new.is_some()).count() as u64, only.1);
        };
        let a: Record = (0, Some("a"), "1", 0);
        let b: Record = (0, Some("b"), "1", 0);
        check(&[], &[], (0, 0), 0);
        check(&[a, b, a], &[a, a, b], (0, 0), 0);
        check(&[a, a], &[a], (1, 0), 1);
        check(&[a], &[a, b, b], (0, 2), 1);
        check(&[a], &[b], (1, 1), 2);
        check(&[a], &[(1, a.1, a.2, a.3)], (1, 1), 1);
        check(&[a], &[(0, Some("a"), "2", 0)], (1, 1), 1);
        check(&[a], &[(0, Some("a"), "1", 1)], (1, 1), 1);
        check(&[(0, None, "1", 0)], &[(0, Some(""), "1", 0)], (1, 1), 1);
        check(&[(0, None, "1", 0)], &[(0, None, "2", 0)], (1, 1), 0);
        check(&[(0, Some("a1"), "", 0)], &[(0, Some("a"), "1", 0)], (1, 1), 2);
    }

    #[test]
    fn what_the_live_version_sets_aside_as_often_has_not_failed() {
        let check = |old: &[u64], new: &[u64], failed: u64| {
            let mut comparison = Comparison::default();
            comparison.compare_failed(new.iter().map(|print| (*print, format!("no {print}"))).collect(), old);
            assert_eq!(comparison.counts.failed, failed, "{old:?} {new:?}");
            assert_eq!(comparison.counts.first_failure.is_some(), failed > 0);
        };
        check(&[], &[], 0);
        check(&[1, 2], &[2, 1], 0);
        check(&[1, 2, 1], &[1], 0);
        check(&[1], &[1, 1, 1], 2);
        check(&[1, 1], &[2, 1], 1);
    }

    #[test]
    fn without_their_bytes_records_are_still_counted() {
        let mut comparison = Comparison::default();
        let mut old = emitted(&[(0, Some("a"), "1", 0)]);
        let mut batch = BatchBuilder::default();
        batch.push(Some(b"b"), &vec![0; KEPT_BYTES_MAX], 0).unwrap();
        old.add(&[(0, batch.take())], true);
        comparison.compare(&old, &Emitted::default());
        assert_eq!((comparison.counts.only_old, comparison.counts.examples.len()), (2, 1));
    }
}
