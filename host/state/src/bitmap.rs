//! One bit an entry: which entries have changed, are waiting, or are in a file already.

/// A set of small numbers that grows as numbers are set.
#[derive(Debug, Default)]
pub(crate) struct Bitmap {
    words: Vec<u64>,
}

/// The numbers that share a word.
pub(crate) const WORD_BITS: usize = 64;

const fn word_and_bit(at: usize) -> (usize, u64) {
    (at / WORD_BITS, 1 << (at % WORD_BITS))
}

impl Bitmap {
    #[inline]
    pub(crate) fn get(&self, at: usize) -> bool {
        let (word, bit) = word_and_bit(at);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    #[inline]
    pub(crate) fn set(&mut self, at: usize) {
        let (word, bit) = word_and_bit(at);
        if word >= self.words.len() {
            self.words.resize((word + 1).next_power_of_two(), 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
        }
    }

    /// Sets all numbers below `end`, and no others.
    pub(crate) fn set_below(&mut self, end: usize) {
        self.words.clear();
        self.words.resize(end / WORD_BITS, u64::MAX);
        (end - end % WORD_BITS..end).for_each(|at| self.set(at));
    }

    /// Clears all.
    pub(crate) fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Clears a bit and says what it was.
    #[inline]
    pub(crate) fn take(&mut self, at: usize) -> bool {
        let (word, bit) = word_and_bit(at);
        self.words.get_mut(word).is_some_and(|word| {
            let was = *word & bit != 0;
            *word &= !bit;
            was
        })
    }

    /// Clears the numbers from `64 * word` on, and says which of them were set, the lowest in the lowest bit.
    #[inline]
    pub(crate) fn take_word(&mut self, word: usize) -> u64 {
        self.words.get_mut(word).map_or(0, std::mem::take)
    }
}
