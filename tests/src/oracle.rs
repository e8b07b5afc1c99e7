//! An independent recount of words: it reads a text one character at a time and shares nothing with the operators.

use std::collections::BTreeMap;

/// How often each word of `text` occurs. A word is a run of characters that Unicode calls letters or numbers, lower-cased as a text of its own.
#[must_use]
pub fn count_words(text: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let mut word = String::new();
    for character in text.chars() {
        if character.is_alphabetic() || character.is_numeric() {
            word.push(character);
        } else {
            count(&mut counts, &mut word);
        }
    }
    count(&mut counts, &mut word);
    counts
}

fn count(counts: &mut BTreeMap<String, u64>, word: &mut String) {
    if word.is_empty() {
        return;
    }
    let lower = word.to_lowercase();
    word.clear();
    match counts.get_mut(&lower) {
        Some(count) => *count += 1,
        None => drop(counts.insert(lower, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_by_hand() {
        let check = |text: &str, expected: &[(&str, u64)]| {
            let expected: BTreeMap<String, u64> = expected.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect();
            assert_eq!(count_words(text), expected, "{text:?}");
        };
        check("", &[]);
        check(" .,\r\n", &[]);
        check("To be, or not to be", &[("be", 2), ("not", 1), ("or", 1), ("to", 2)]);
        check("ΣΊΣΥΦΟΣ Straße e\u{301}a", &[("a", 1), ("e", 1), ("straße", 1), ("σίσυφος", 1)]);
    }
}
