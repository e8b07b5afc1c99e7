//! Words are what Unicode says, and counts are right.

use std::collections::BTreeMap;

use weir_guest::testing::Harness;

use super::*;

fn check(line: &str, words: &[&str]) {
    let mut harness = Harness::new::<Tokenize>();
    harness.timestamp(5).push_value(line).process_at_every_batch_size();
    let expected: Vec<_> = words.iter().map(|word| (*word, 1)).collect();
    assert_eq!(harness.records::<(Utf8, u64)>(), expected, "{line:?}");
    assert!(harness.rows().iter().all(|row| row.timestamp == 5));
}

#[test]
fn lines_are_split_on_everything_that_is_not_alphanumeric() {
    check("", &[]);
    check("word", &["word"]);
    check("To be, or not to be: that is the question:", &["to", "be", "or", "not", "to", "be", "that", "is", "the", "question"]);
    check("  'Tis R2D2_c3PO\t--x\0y", &["tis", "r2d2", "c3po", "x", "y"]);
    check(&"Honorificabilitudinitatibus ".repeat(20), &["honorificabilitudinitatibus"; 20]);
}

#[test]
fn words_are_lower_cased_as_unicode_has_it() {
    check("Straße STRASSE", &["straße", "strasse"]);
    check("ΣΊΣΥΦΟΣ ΟΔΥΣΣΕΎΣ-Σ", &["σίσυφος", "οδυσσεύς", "σ"]);
    check("İstanbul", &["i\u{307}stanbul"]);
    check("naïve «Ça va?» ½ ⅷ", &["naïve", "ça", "va", "½", "ⅷ"]);
    check("東京 ТОЛСТОЙ — Dostojewski", &["東京", "толстой", "dostojewski"]);
    // A combining mark alone is not alphanumeric, so it separates.
    check("e\u{301}a", &["e", "a"]);
}

#[test]
fn a_line_that_is_not_text_is_refused_alone() {
    let mut harness = Harness::new::<Tokenize>();
    harness.push_value("one").push_value(vec![b'x', 0xff]).push_value("two").process_at_every_batch_size();
    assert_eq!(harness.records::<(Utf8, u64)>(), [("one", 1), ("two", 1)]);
    assert_eq!(harness.failures().iter().map(|failure| failure.record).collect::<Vec<_>>(), [Some(1)]);
}

#[test]
fn counts_go_on_after_a_restore() {
    let mut harness = Harness::new::<Count>();
    harness.push("to", 1u64).push("be", 1u64).new_instance().push("to", 2u64).process_at_every_batch_size();
    assert_eq!(harness.records::<(Utf8, u64)>(), [("to", 1), ("be", 1), ("to", 3)]);
    let mut later = Harness::new::<Count>();
    later.restore(&harness.snapshot()).push("to", 1u64).process(7);
    assert_eq!(later.records::<(Utf8, u64)>(), [("to", 4)]);
    assert_eq!(later.value::<u64>("count", "be"), Some(1));
}

#[test]
fn the_plays_are_counted_as_a_plain_loop_counts_them() {
    let text = include_str!("../input/shakespeare.txt");
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for word in text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()) {
        *expected.entry(word.to_lowercase()).or_default() += 1;
    }
    let mut tokenize = Harness::new::<Tokenize>();
    for line in text.lines() {
        tokenize.push_value(line);
    }
    tokenize.process(1024);
    let mut count = Harness::new::<Count>();
    for (word, n) in tokenize.records::<(Utf8, u64)>() {
        count.push(word, n);
    }
    count.process(1024);
    let found: BTreeMap<String, u64> = count.records::<(String, u64)>().into_iter().collect();
    assert_eq!(found, expected);
}
