//! A version beside another: it finds what differs, and changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::span;
use weir_model::describe::StateDescriptor;
use weir_model::graph::OnError;

use super::{ShadowCounts, ShadowExample, ShadowRow};
use crate::transaction::tests::{Scripted, feed, function, kept, new_version, subtask_of};
use crate::{CallContext, NewVersion, Outputs};

/// Batches before the shadow begins, batches beside it, and both versions; the counts, after it was checked that the live version has done what it
/// does alone.
fn shadowed(on_error: OnError, before: &[&str], beside: &[&str], live: &Scripted, new: NewVersion) -> ShadowCounts {
    let mut alone = subtask_of(on_error, live.clone());
    let mut subtask = subtask_of(on_error, live.clone());
    for records in before {
        assert_eq!(feed(&mut subtask, records).unwrap(), feed(&mut alone, records).unwrap());
    }
    subtask.begin_shadow(new, 7);
    for records in beside {
        assert_eq!(feed(&mut subtask, records).unwrap(), feed(&mut alone, records).unwrap());
    }
    let (mut outputs, mut alone_outputs) = (Outputs::default(), Outputs::default());
    let context = CallContext { watermark: 0, processing_time: 0 };
    subtask.finish(context, &mut outputs).unwrap();
    alone.finish(context, &mut alone_outputs).unwrap();
    assert_eq!(outputs.batches, alone_outputs.batches);
    let counts = subtask.end_shadow().unwrap();
    assert_eq!(kept(&mut subtask), kept(&mut alone));
    assert_eq!((subtask.counts(), subtask.keys()), (alone.counts(), alone.keys()));
    assert_eq!(subtask.counters().collect::<Vec<_>>(), alone.counters().collect::<Vec<_>>());
    assert_eq!(subtask.shadow_counts(), None);
    counts
}

fn row(sum: u64) -> Option<ShadowRow> {
    Some(ShadowRow { value: sum.to_le_bytes().to_vec(), timestamp: i64::MIN })
}

#[test]
fn the_same_code_differs_in_nothing() {
    let batches = ["a:1 b:trap c:2 a:1", "", "b:refuse a:1 c:refuse-call d:lie x:1", "a:1 a:1"];
    let counts = shadowed(OnError::Skip, &["a:5 b:3"], &batches, &Scripted::default(), new_version(Scripted::default()));
    let expect = ShadowCounts { records: 11, emitted: 7, keys_copied: 4, copied_bytes: counts.copied_bytes, ..ShadowCounts::default() };
    assert_eq!(counts, expect);
    assert!(counts.copied_bytes > 0);
}

#[test]
fn a_newer_schema_version_migrates_its_copies_only() {
    let new = Scripted { schema_version: 2, ..Scripted::default() };
    let migrated = Arc::clone(&new.values_migrated);
    let counts = shadowed(OnError::Fail, &["a:5 b:3 c:4"], &["a:1 b:1", "a:1 d:1"], &Scripted::default(), new_version(new));
    assert_eq!((counts.only_old, counts.only_new, counts.keys_copied, counts.ended), (0, 0, 3, None));
    assert_eq!(migrated.load(Ordering::Relaxed), 2);
}

#[test]
fn records_that_differ_are_counted_with_their_keys_and_shown() {
    let new = Scripted { wrong_from: 6, ..Scripted::default() };
    let counts = shadowed(OnError::Fail, &["a:4"], &["a:1 b:1 a:1", "b:9 a:1", "c:1"], &Scripted::default(), new_version(new));
    assert_eq!((counts.records, counts.emitted, counts.only_old, counts.only_new, counts.keys_differing), (6, 6, 3, 3, 2));
    let example = |key: &str, sum| ShadowExample { output: 0, key: Some(key.into()), old: row(sum), new: row(sum + 1000) };
    assert_eq!(counts.examples, [example("a", 6), example("a", 7), example("b", 10)]);
    assert!(!counts.keys_differing_at_least);
}

#[test]
fn examples_are_few_however_much_differs() {
    let records: Vec<_> = (0..5000).map(|at| format!("k{at}:1")).collect();
    let new = Scripted { wrong_from: 0, ..Scripted::default() };
    let counts = shadowed(OnError::Fail, &[], &[&records.join(" "), "k1:1"], &Scripted::default(), new_version(new));
    assert_eq!((counts.only_old, counts.only_new, counts.keys_differing, counts.examples.len()), (5001, 5001, 5000, 10));
}

#[test]
fn a_record_that_only_the_new_version_cannot_handle_has_failed() {
    let check = |on_error, act: &'static str| {
        let new = Scripted { takes: ("4", act), ..Scripted::default() };
        let counts = shadowed(on_error, &["a:1"], &["a:1 b:4 c:1 b:1"], &Scripted::default(), new_version(new));
        assert_eq!((counts.failed, counts.only_old, counts.only_new, counts.ended), (1, 2, 1, None), "{act}");
        assert!(!counts.first_failure.unwrap().is_empty());
        let old = counts.examples.iter().map(|example| example.old.clone()).collect::<Vec<_>>();
        assert_eq!(old, [row(4), row(5)]);
    };
    for act in ["refuse", "refuse-call", "trap"] {
        check(OnError::Fail, act);
        check(OnError::Skip, act);
        check(OnError::DeadLetter, act);
    }
}

#[test]
fn a_record_that_neither_can_handle_is_no_difference() {
    let counts = shadowed(OnError::DeadLetter, &[], &["a:trap a:1 a:trap"], &Scripted::default(), new_version(Scripted::default()));
    assert_eq!((counts.failed, counts.first_failure), (0, None));
}

#[test]
fn a_shadow_that_cannot_go_on_says_why_and_leaves_the_live_version_alone() {
    let check = |new: NewVersion, records: u64, why: &str| {
        let traps: Vec<_> = (0..101).map(|at| format!("k{at}:4")).collect();
        let counts = shadowed(OnError::Fail, &["a:1"], &["a:1 b:1", &traps.join(" "), "b:1"], &Scripted::default(), new);
        assert!(counts.ended.as_ref().is_some_and(|ended| ended.contains(why)), "{counts:?}");
        assert_eq!((counts.records, counts.only_old, counts.only_new), (records, 0, 0), "{counts:?}");
    };
    let other = StateDescriptor { name: "other".to_owned(), ..function(1).states.remove(0) };
    let mut without_state = new_version(Scripted::default());
    without_state.function.states = vec![other];
    check(without_state, 0, "no state n");
    check(new_version(Scripted { takes: ("4", "slow"), ..Scripted::default() }), 2, "deadline");
    check(new_version(Scripted { takes: ("4", "trap"), ..Scripted::default() }), 2, "broke more than 100 times");
}

/// Counts log lines.
struct Lines(Arc<AtomicU64>);

impl tracing::Subscriber for Lines {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[test]
fn what_a_shadow_logs_is_not_taken_for_the_live_versions_words() {
    let lines = Arc::new(AtomicU64::new(0));
    tracing::subscriber::with_default(Lines(Arc::clone(&lines)), || {
        let mut subtask = subtask_of(OnError::Fail, Scripted::default());
        feed(&mut subtask, "a:1").unwrap();
        let one_call = lines.swap(0, Ordering::Relaxed);
        assert!(one_call > 0, "a call is logged");
        subtask.begin_shadow(new_version(Scripted { takes: ("2", "refuse"), ..Scripted::default() }), 7);
        feed(&mut subtask, "a:2 b:1 c:1").unwrap();
        assert_eq!((subtask.end_shadow().unwrap().failed, lines.load(Ordering::Relaxed)), (1, one_call));
    });
}
