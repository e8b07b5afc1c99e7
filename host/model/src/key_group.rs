//! Which subtask owns a key: Flink's key groups over a fixed 64-bit hash.
//!
//! Both functions are fixed for ever: a savepoint is laid out by them. The 64-bit hash is XXH3-64 with seed 0 of the key's bytes; its
//! low 32 bits play the part of Java's `hashCode` in Flink's `KeyGroupRangeAssignment.computeKeyGroupForKeyHash`, so that a key
//! class which returns those 32 bits puts a key into the same group on a Flink cluster.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::id::{Parallelism, SubtaskIndex};

/// The number of key groups of a job, which is the most subtasks a keyed operator can ever have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxParallelism(Parallelism);

/// One of the shares into which all keys are divided; state moves between subtasks by whole key groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyGroup(pub u32);

/// The hash of a key that is carried with a record from the exchange on: XXH3-64, seed 0.
#[inline]
#[must_use]
pub fn hash_key(key: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(key)
}

impl MaxParallelism {
    /// Checks that no operator could have more subtasks than there are key groups.
    ///
    /// # Errors
    /// A usage error when `parallelism` is larger.
    pub fn new(groups: Parallelism, parallelism: Parallelism) -> Result<Self> {
        if parallelism > groups {
            return Err(Error::usage(
                format!("parallelism {parallelism} is larger than max-parallelism {groups}"),
                "a keyed operator can't have more subtasks than there are key groups",
                "raise max-parallelism (only before the first savepoint) or lower parallelism",
            ));
        }
        Ok(Self(groups))
    }

    /// Flink's default (`computeDefaultMaxParallelism`): 1.5 times the parallelism rounded up to a power of two, 128 to 32,768.
    #[must_use]
    pub fn default_for(parallelism: Parallelism) -> Self {
        let p = parallelism.get();
        let groups = (p + p / 2).next_power_of_two().clamp(128, Parallelism::MAX.get());
        Self(Parallelism::new(groups).unwrap_or(Parallelism::MAX))
    }

    /// The number of key groups.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The key group of a key, from its [`hash_key`].
    #[inline]
    #[must_use]
    pub fn key_group(self, hash: u64) -> KeyGroup {
        let (murmur, groups) = (flink_murmur(hash as u32), self.0.get());
        // The default is a power of two, and a division for each record is worth avoiding.
        KeyGroup(if groups.is_power_of_two() { murmur & (groups - 1) } else { murmur % groups })
    }

    /// The subtask that owns a key group (Flink: `computeOperatorIndexForKeyGroup`).
    #[inline]
    #[must_use]
    pub fn subtask(self, group: KeyGroup, parallelism: Parallelism) -> SubtaskIndex {
        SubtaskIndex(group.0 * parallelism.get() / self.0.get())
    }

    /// The key groups that a subtask owns (Flink: `computeKeyGroupRangeForOperatorIndex`).
    #[must_use]
    pub fn range(self, subtask: SubtaskIndex, parallelism: Parallelism) -> Range<u32> {
        let (groups, p) = (self.0.get(), parallelism.get());
        (subtask.0 * groups).div_ceil(p)..((subtask.0 + 1) * groups).div_ceil(p)
    }
}

/// Flink's `MathUtils.murmurHash` of a 32-bit code: one murmur3 round and its finalizer, made non-negative as Java does it.
#[inline]
fn flink_murmur(code: u32) -> u32 {
    let mut h = code.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    h = h.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    h ^= 4;
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^= h >> 16;
    // Java: `code >= 0 ? code : code != MIN_VALUE ? -code : 0`.
    match (h as i32).checked_abs() {
        Some(positive) => positive as u32,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(n: u32) -> Parallelism {
        Parallelism::new(n).unwrap()
    }

    #[test]
    fn the_hash_is_pinned_for_ever() {
        // From the reference implementation of XXH3 (xxHash 0.8), seed 0.
        assert_eq!(hash_key(b""), 0x2d06_8005_38d3_94c2);
        assert_eq!(hash_key(b"a"), 0xe6c6_32b6_1e96_4e1f);
        assert_eq!(hash_key(b"abc"), 0x78af_5f94_892f_3950);
    }

    #[test]
    fn each_key_group_has_one_owner_and_each_subtask_a_range() {
        for groups in [1, 2, 7, 128, 200, 4096] {
            for parallelism in (1..=groups).step_by(1 + groups as usize / 9) {
                let max = MaxParallelism::new(p(groups), p(parallelism)).unwrap();
                let mut next = 0;
                for subtask in p(parallelism).subtasks() {
                    let range = max.range(subtask, p(parallelism));
                    assert_eq!(range.start, next);
                    next = range.end;
                    for group in range {
                        assert_eq!(max.subtask(KeyGroup(group), p(parallelism)), subtask);
                    }
                }
                assert_eq!(next, groups);
            }
        }
    }

    #[test]
    fn key_groups_are_those_of_flink() {
        // Printed by `KeyGroupRangeAssignment.computeKeyGroupForKeyHash` of Apache Flink 2.3.0 for max-parallelism 128, 32,768 and 200.
        let check = |hash: u32, groups: [u32; 3]| {
            let ours = [128, 32_768, 200].map(|max| MaxParallelism::new(p(max), p(1)).unwrap().key_group(u64::from(hash)).0);
            assert_eq!(ours, groups, "{hash}");
        };
        check(0, [94, 31_198, 54]);
        check(1, [86, 16_342, 78]);
        check(u32::MAX, [80, 15_184, 48]);
        check(42, [29, 28_189, 165]);
        check(0x8000_0000, [108, 10_348, 132]);
        check(0x7fff_ffff, [62, 19_646, 134]);
        check(1_311_228_371, [86, 13_910, 78]);
        check(3_735_928_559, [36, 11_940, 20]);
        check(4_171_510_507, [93, 6_877, 157]);
        // The upper half of the 64 bits takes no part.
        check(0, MaxParallelism::new(p(128), p(1)).map(|max| [max.key_group(7 << 32).0, 31_198, 54]).unwrap());
    }

    #[test]
    fn key_group_ranges_are_those_of_flink() {
        // Printed by `computeKeyGroupRangeForOperatorIndex` of Apache Flink 2.3.0, whose ranges include their end.
        let check = |groups, parallelism, subtask, first: u32, last: u32| {
            let max = MaxParallelism::new(p(groups), p(parallelism)).unwrap();
            assert_eq!(max.range(SubtaskIndex(subtask), p(parallelism)), first..last + 1);
        };
        check(128, 3, 0, 0, 42);
        check(128, 3, 2, 86, 127);
        check(200, 7, 2, 58, 85);
        check(200, 7, 6, 172, 199);
        check(32_768, 100, 4, 1311, 1638);
        check(32_768, 100, 8, 2622, 2949);
    }

    #[test]
    fn the_default_max_parallelism_is_flinks() {
        let check = |parallelism, groups| assert_eq!(MaxParallelism::default_for(p(parallelism)).get(), groups);
        check(1, 128);
        check(85, 128);
        check(86, 256);
        check(128, 256);
        check(200, 512);
        check(1000, 2048);
        check(32_768, 32_768);
    }
}
