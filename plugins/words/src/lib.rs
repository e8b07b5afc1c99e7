//! What a word is, for all versions of word-count. No plugin of its own: a crate that exports functions can't be linked into another one.
//!
//! A word is a run of characters that Unicode calls alphanumeric, lower-cased as a text of its own by the rules of `str::to_lowercase`: a capital
//! sigma at the end of a word becomes `ς` and elsewhere `σ` ("ΣΊΣΥΦΟΣ" → "σίσυφος"), `İ` becomes `i` with a dot above (two characters), and
//! `ß` stays as it is.

use weir_guest::text::{is_ascii, push_ascii_lowercase};

/// Hands the words of `line` to `each`, in order. `lower` is scratch space, kept by the caller for its room.
#[inline]
pub fn words(line: &str, lower: &mut String, mut each: impl FnMut(&str)) {
    if is_ascii(line) {
        lower.clear();
        push_ascii_lowercase(line, lower);
        ascii_words(lower, each);
    } else {
        for word in line.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()) {
            each(&word.to_lowercase());
        }
    }
}

/// The words of a line of lower-case ASCII, byte by byte.
#[inline]
fn ascii_words(line: &str, mut each: impl FnMut(&str)) {
    let mut start = 0;
    for (at, byte) in line.bytes().enumerate() {
        if !byte.is_ascii_alphanumeric() {
            if let Some(word) = line.get(start..at).filter(|word| !word.is_empty()) {
                each(word);
            }
            start = at + 1;
        }
    }
    if let Some(word) = line.get(start..).filter(|word| !word.is_empty()) {
        each(word);
    }
}
