//! Which key a number belongs to.

/// The most keys there can be: a product with the stride fits into 64 bits.
const KEYS_MAX: u64 = STRIDE - 1;
/// A prime above every number of keys, so that steps of this size come by each of them once.
const STRIDE: u64 = (1 << 31) - 1;

/// The key of an index: no two have the same, and nothing in their bytes is in order. `SplitMix64` (Steele, Lea, Flood 2014).
#[must_use]
#[inline]
pub fn key_of(index: u64) -> u64 {
    let z = index.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The index that comes `number`th when each of `keys` indices comes once: neighbours come far apart.
#[must_use]
#[inline]
pub fn place_in_fill(number: u64, keys: u64) -> u64 {
    number * STRIDE % keys
}

/// The order of keys: first each one once, then the indices in a row, each some times, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    keys: u64,
    hits: u64,
}

impl Sweep {
    /// So many keys, each `hits` times in a row; `None` when one of them is 0 or too large.
    #[must_use]
    pub fn new(keys: u64, hits: u64) -> Option<Self> {
        let fits = |number| (1..=KEYS_MAX).contains(&number);
        (fits(keys) && fits(hits)).then_some(Self { keys, hits })
    }

    /// The key of record `number`, counted from 0, and how often that key has come with it.
    #[must_use]
    #[inline]
    pub fn record(&self, number: u64) -> (u64, u64) {
        let Some(behind) = number.checked_sub(self.keys) else {
            return (key_of(place_in_fill(number, self.keys)), 1);
        };
        let (turn, hit) = (behind / self.hits, behind % self.hits);
        (key_of(turn % self.keys), 2 + turn / self.keys * self.hits + hit)
    }
}

impl Default for Sweep {
    fn default() -> Self {
        Self { keys: 1, hits: 1 }
    }
}
