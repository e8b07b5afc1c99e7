//! Seeded random numbers: xoshiro256++, set up by splitmix64.
//!
//! Both are by David Blackman and Sebastiano Vigna and in the public domain (<https://prng.di.unimi.it/xoshiro256plusplus.c>,
//! <https://prng.di.unimi.it/splitmix64.c>). They are written out here so that a seed gives the same records for ever.

/// One step of splitmix64, which turns any state, 0 included, into well-mixed bits.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A xoshiro256++ generator. Not for secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The generator of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self { state: std::array::from_fn(|_| split_mix(&mut state)) }
    }

    /// The generator of one subtask among `parallelism`: another stream for each of the three numbers.
    #[must_use]
    pub fn for_subtask(seed: u64, subtask: u32, parallelism: u32) -> Self {
        let mut state = seed;
        let mixed = split_mix(&mut state);
        Self::new(mixed ^ (u64::from(parallelism) << 32 | u64::from(subtask)))
    }

    /// What [`Self::from_state`] makes the same generator of.
    #[must_use]
    pub fn state(&self) -> [u64; 4] {
        self.state
    }

    /// The generator that goes on from a state; `None` for all zeros, which it never leaves.
    #[must_use]
    pub fn from_state(state: [u64; 4]) -> Option<Self> {
        (state != [0; 4]).then_some(Self { state })
    }

    /// 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_mix_gives_the_published_numbers() {
        let mut state = 1_234_567;
        let numbers: Vec<u64> = (0..3).map(|_| split_mix(&mut state)).collect();
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn xoshiro_gives_the_published_numbers() {
        let mut random = Random { state: [1, 2, 3, 4] };
        let numbers: Vec<u64> = (0..4).map(|_| random.next_u64()).collect();
        assert_eq!(numbers, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn a_generator_goes_on_from_its_state() {
        let mut random = Random::new(9);
        random.next_u64();
        let mut again = Random::from_state(random.state()).unwrap();
        assert_eq!(again.next_u64(), random.next_u64());
        assert_eq!(Random::from_state([0; 4]), None);
    }

    #[test]
    fn each_subtask_has_a_stream_of_its_own() {
        let first = |seed, subtask, parallelism| Random::for_subtask(seed, subtask, parallelism).next_u64();
        let mut streams: Vec<u64> = [(1, 0, 1), (1, 0, 2), (1, 1, 2), (2, 0, 1), (2, 1, 2)].map(|(s, i, p)| first(s, i, p)).to_vec();
        assert_eq!(first(1, 1, 2), first(1, 1, 2));
        streams.sort_unstable();
        streams.dedup();
        assert_eq!(streams.len(), 5);
    }
}
