//! Text whose words follow Zipf's law: a benchmark's input, the same bytes for the same seed.
//!
//! The word of a rank is a run of syllables of a consonant and a vowel, so that words are distinct and frequent ones are short. A line
//! has 8 to 12 words, starts with a capital, ends with a full stop, and every second one has a comma: a tokenizer has real work.

use std::io::{self, Write};

use crate::random::Random;
use crate::zipf::Zipf;

const CONSONANTS: &[u8; 20] = b"bcdfghjklmnpqrstvwxz";
const VOWELS: &[u8; 5] = b"aeiou";
const SYLLABLES: u32 = 100;
/// The word, from 0, that a comma follows in every second line.
const COMMA_AFTER: usize = 3;
/// Bytes that are gathered before they are written.
const WRITE_BYTES: usize = 1 << 18;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ZipfTextSummary {
    /// Bytes, newlines included.
    pub bytes: u64,
    /// Lines.
    pub lines: u64,
    /// Words.
    pub words: u64,
    /// How many of the distinct words are certain to occur; all of them unless the text is too short to hold them.
    pub distinct: u32,
}

/// Writes lines until there are at least `bytes` bytes, with `distinct` distinct words at exponent 1.
///
/// Each distinct word occurs at least once: the ranks are also walked in order, some words of each line, until they are used up.
///
/// # Errors
/// What `out` answers.
pub fn write_zipf_text(mut out: impl Write, bytes: u64, distinct: u32, seed: u64) -> io::Result<ZipfTextSummary> {
    let zipf = Zipf::new(distinct, 1.0);
    let mut random = Random::new(seed);
    let mut summary = ZipfTextSummary::default();
    // As many walked words in a line as it takes at 60 bytes a line.
    let walked_per_line = (u64::from(distinct) * 60).div_ceil(bytes.max(1)).max(1);
    let mut buffer = Vec::with_capacity(WRITE_BYTES + 1024);
    while summary.bytes < bytes {
        let before = buffer.len();
        let words = words_in_line(summary.lines);
        let walked = walked_per_line.min(u64::from(distinct - summary.distinct));
        let cover = summary.distinct..summary.distinct + walked.min(words as u64 - 1) as u32;
        summary.distinct = cover.end;
        push_line(&mut buffer, summary.lines, words, &zipf, &mut random, cover);
        buffer.push(b'\n');
        summary.bytes += (buffer.len() - before) as u64;
        summary.lines += 1;
        summary.words += words as u64;
        if buffer.len() >= WRITE_BYTES {
            out.write_all(&buffer)?;
            buffer.clear();
        }
    }
    out.write_all(&buffer)?;
    out.flush()?;
    Ok(summary)
}

/// How many words line `line`, from 0, has: 8 to 12 in turn.
pub(crate) fn words_in_line(line: u64) -> usize {
    8 + (line % 5) as usize
}

/// Appends line `line` without its newline. The words after the first are the ranks in `cover`, then random ones.
pub(crate) fn push_line(out: &mut Vec<u8>, line: u64, words: usize, zipf: &Zipf, random: &mut Random, mut cover: std::ops::Range<u32>) {
    let start = out.len();
    for place in 0..words {
        if place > 0 {
            out.push(b' ');
        }
        let walked = if place > 0 { cover.next() } else { None };
        push_word(out, walked.unwrap_or_else(|| zipf.sample(random)));
        if place == COMMA_AFTER && line % 2 == 1 {
            out.push(b',');
        }
    }
    if let Some(first) = out.get_mut(start) {
        first.make_ascii_uppercase();
    }
    out.push(b'.');
}

/// Appends the word of `rank`: the first hundred ranks have one syllable, the next ten thousand two, and so on.
#[inline]
fn push_word(out: &mut Vec<u8>, rank: u32) {
    let (mut rest, mut syllables, mut of_this_length) = (u64::from(rank), 1, u64::from(SYLLABLES));
    while rest >= of_this_length {
        rest -= of_this_length;
        of_this_length *= u64::from(SYLLABLES);
        syllables += 1;
    }
    let mut rest = rest as u32;
    for _ in 0..syllables {
        let syllable = rest % SYLLABLES;
        rest /= SYLLABLES;
        // Both indexes are in range by their remainders.
        out.push(CONSONANTS.get((syllable / 5) as usize).copied().unwrap_or(b'b'));
        out.push(VOWELS.get((syllable % 5) as usize).copied().unwrap_or(b'a'));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn words_are_distinct_and_get_longer_with_their_rank() {
        let word = |rank| {
            let mut out = Vec::new();
            push_word(&mut out, rank);
            String::from_utf8(out).unwrap()
        };
        assert_eq!([0, 1, 99, 100, 101, 10_099, 10_100].map(word), ["ba", "be", "zu", "baba", "beba", "zuzu", "bababa"]);
        assert_eq!((0..20_000).map(word).collect::<BTreeSet<_>>().len(), 20_000);
    }

    #[test]
    fn the_text_has_the_promised_shape() {
        let mut text = Vec::new();
        let summary = write_zipf_text(&mut text, 500_000, 2_000, 42).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(summary.bytes, text.len() as u64);
        assert!(text.len() >= 500_000 && text.len() < 500_200);
        assert_eq!(summary.lines, text.lines().count() as u64);
        let mut counts = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let words: Vec<_> = line.split(' ').collect();
            assert_eq!(words.len(), 8 + number % 5);
            assert!(line.ends_with('.') && line.starts_with(|c: char| c.is_ascii_uppercase()), "{line}");
            assert_eq!(line.matches(',').count(), number % 2, "{line}");
            for word in words {
                *counts.entry(word.trim_end_matches(['.', ',']).to_ascii_lowercase()).or_insert(0u64) += 1;
            }
        }
        assert_eq!((counts.len(), summary.distinct), (2_000, 2_000));
        assert_eq!(counts.values().sum::<u64>(), summary.words);
        // Rank 0 is about twice as frequent as rank 1.
        let ratio = counts["ba"] as f64 / counts["be"] as f64;
        assert!((1.8..2.2).contains(&ratio), "{ratio}");
    }

    #[test]
    fn a_seed_gives_the_same_bytes_and_another_seed_others() {
        let text = |seed| {
            let mut text = Vec::new();
            write_zipf_text(&mut text, 10_000, 100, seed).unwrap();
            text
        };
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
    }

    #[test]
    fn a_text_too_short_for_its_words_is_no_trouble() {
        let summary = write_zipf_text(io::sink(), 100, 1_000_000, 1).unwrap();
        assert!(summary.distinct < 100);
        assert_eq!(write_zipf_text(io::sink(), 0, 10, 1).unwrap(), ZipfTextSummary::default());
        assert_eq!(write_zipf_text(io::sink(), 1_000, 1, 1).unwrap().distinct, 1);
    }
}
