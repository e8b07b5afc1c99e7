//! Version 2 goes on where version 1 has stopped.

use weir_guest::testing::Harness;

use super::*;

fn seen(harness: &Harness, word: &str) -> Option<Seen> {
    harness.value::<Postcard<Seen>>("count", word)
}

#[test]
fn the_last_time_is_the_latest_event_time_or_the_hosts() {
    let mut count = Harness::new::<Count>();
    count.processing_time(1000).push("host", 1u64).timestamp(70).push("event", 2u64).timestamp(50).push("event", 1u64);
    count.process_at_every_batch_size();
    assert_eq!(count.records::<(Utf8, u64)>(), [("host", 1), ("event", 2), ("event", 3)]);
    assert_eq!(seen(&count, "host"), Some(Seen { count: 1, last_ms: Some(1000) }));
    assert_eq!(seen(&count, "event"), Some(Seen { count: 3, last_ms: Some(70) }));
}

#[test]
fn the_counts_of_version_1_go_on() {
    let mut old = Harness::new::<word_count::Count>();
    old.push("to", 1u64).push("be", 1u64).push("to", 2u64).process(1024);
    let mut new = Harness::new::<Count>();
    new.restore(&old.snapshot());
    assert_eq!(seen(&new, "to"), Some(Seen { count: 3, last_ms: None }));
    new.timestamp(5).push("to", 1u64).push("or", 1u64).process_at_every_batch_size();
    assert_eq!(new.records::<(Utf8, u64)>(), [("to", 4), ("or", 1)]);
    assert_eq!(seen(&new, "to"), Some(Seen { count: 4, last_ms: Some(5) }));
    assert_eq!(seen(&new, "be"), Some(Seen { count: 1, last_ms: None }), "migrated although it didn't come again");
}

#[test]
fn lines_are_split_into_the_words_of_version_1() {
    let (mut old, mut new) = (Harness::new::<word_count::Tokenize>(), Harness::new::<Tokenize>());
    for line in ["To be, or not to be", "", "Straße ΣΊΣΥΦΟΣ"] {
        old.push_value(line);
        new.push_value(line);
    }
    new.process_at_every_batch_size();
    assert_eq!(new.rows(), old.process(1024).rows());
    assert_eq!(new.rows().len(), 8);
}

#[test]
fn both_versions_are_the_same_plugin_with_the_same_ports() {
    let (old, new) = (word_count::plugin().describe(), plugin().describe());
    assert_eq!((new.name.as_str(), new.version.as_str()), (old.name.as_str(), "2.0.0"));
    for (old, new) in old.functions.iter().zip(&new.functions) {
        assert_eq!((&new.name, new.kind, &new.inputs, &new.outputs), (&old.name, old.kind, &old.inputs, &old.outputs));
    }
    let versions = [&old, &new].map(|plugin| plugin.functions[1].states[0].schema_version);
    assert_eq!(versions, [1, 2]);
}
