//! Values of older versions that can, and that can't, be migrated.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use weir_model::graph::OnError;
use weir_state::KeyedState;

use crate::OperatorSubtask;
use crate::transaction::tests::{Scripted, UNMIGRATABLE, feed, kept, new_version, subtask_of};

/// A subtask that has seen `records` in schema version 1 and is now of version 2, and its guest.
fn upgraded(on_error: OnError, records: &str) -> (OperatorSubtask, Scripted) {
    let mut subtask = subtask_of(on_error, Scripted::default());
    feed(&mut subtask, records).unwrap();
    let guest = Scripted { schema_version: 2, ..Scripted::default() };
    subtask.replace(new_version(guest.clone())).unwrap();
    (subtask, guest)
}

#[test]
fn the_values_of_a_batchs_keys_are_migrated_before_its_call_and_the_others_in_the_background() {
    let (mut subtask, _) = upgraded(OnError::Fail, "a:1 b:1 a:1 c:5");
    assert!(subtask.has_stale());
    assert_eq!(feed(&mut subtask, "a:1 d:1").unwrap().0, "a=3 d=1");
    assert_eq!(kept(&mut subtask), "a=3v2 b=1v1 c=5v1 d=1v2");
    assert_eq!(subtask.counts().migrated, 1);
    let calls = (0..100).take_while(|_| subtask.migrate_some(1).unwrap()).count();
    assert!(calls < 99);
    assert_eq!(kept(&mut subtask), "a=3v2 b=1v2 c=5v2 d=1v2");
    assert_eq!((subtask.counts().migrated, subtask.has_stale()), (3, false));
    assert_eq!(feed(&mut subtask, "c:1").unwrap().0, "c=6");
}

#[test]
fn what_was_migrated_stays_so_although_the_call_fails() {
    let (mut subtask, _) = upgraded(OnError::Skip, "a:1");
    assert_eq!(feed(&mut subtask, "a:trap").unwrap().0, "");
    assert_eq!((kept(&mut subtask).as_str(), subtask.counts().migrated), ("a=1v2", 1));
}

#[test]
fn records_of_a_key_that_cannot_be_migrated_are_set_aside_and_no_others() {
    let check = |sum: u64, words: &str, on_error: OnError| {
        let (mut subtask, guest) = upgraded(on_error, &format!("a:1 b:{sum} c:2 d:{sum} e:3"));
        let (emitted, dead) = feed(&mut subtask, "a:1 b:1 c:refuse b:2 e:1 x:1").unwrap();
        let is_kept = on_error == OnError::DeadLetter;
        assert_eq!((emitted.as_str(), dead.as_str()), ("a=2 e=4 x=1", if is_kept { "b:1 b:2 c:refuse" } else { "" }), "{words}");
        assert_eq!(kept(&mut subtask), format!("a=2v2 b={sum}v1 c=2v2 d={sum}v1 e=4v2 x=1v2"), "{words}");
        while subtask.migrate_some(2).unwrap() {}
        assert_eq!(kept(&mut subtask), format!("a=2v2 b={sum}v1 c=2v2 d={sum}v1 e=4v2 x=1v2"), "{words}");
        // A refused value isn't asked for again.
        let asked = guest.values_migrated.load(Ordering::Relaxed);
        assert_eq!(feed(&mut subtask, "b:1 a:1 d:1").unwrap().0, "a=3", "{words}");
        assert_eq!(guest.values_migrated.load(Ordering::Relaxed), asked, "{words}");
        let counts = subtask.counts();
        assert_eq!((counts.migrated, counts.unmigratable, counts.skipped + counts.dead_letters), (3, 2, 5), "{words}");
        assert!(subtask.has_stale());
    };
    for (sum, words) in UNMIGRATABLE {
        check(sum, words, OnError::Skip);
        check(sum, words, OnError::DeadLetter);
    }
}

#[test]
fn a_key_that_came_with_one_that_cannot_be_migrated_is_forgotten_if_its_record_is_refused() {
    let (mut subtask, _) = upgraded(OnError::Skip, "b:13");
    feed(&mut subtask, "b:1 new:refuse").unwrap();
    assert_eq!((subtask.keys(), subtask.counts().skipped), (1, 2));
}

#[test]
fn a_dead_letter_says_which_value_could_not_be_migrated() {
    let (mut subtask, _) = upgraded(OnError::DeadLetter, "b:13");
    let mut outputs = crate::Outputs::default();
    subtask.begin(0, crate::transaction::tests::batch("b:1"));
    subtask.step(crate::CallContext { watermark: 0, processing_time: 0 }, &mut outputs).unwrap();
    assert_eq!(outputs.dead_letters[0].error, "state n of key \"b\" can't be migrated from schema version 1: 13 is odd");
    assert_eq!(outputs.dead_letters[0].operator.digest, "fedcba9876543210");
}

#[test]
fn a_dry_run_counts_what_can_and_what_cannot_be_migrated_whatever_the_policy() {
    let check = |sum: u64, words: &str| {
        for on_error in [OnError::Fail, OnError::Skip] {
            let (mut subtask, _) = upgraded(on_error, &format!("a:1 b:{sum} c:2 d:{sum} e:3"));
            let state = std::mem::replace(subtask.state_mut().unwrap(), KeyedState::new(&[], 0));
            let tried = subtask.try_migrations(state);
            if sum == 77 {
                // Every one of them would cost a deadline.
                assert!(tried.unwrap_err().why.contains("one of 5 keys"), "{words}");
                continue;
            }
            let tried = tried.unwrap();
            assert_eq!(tried.len(), 1, "{tried:?}");
            assert_eq!((tried[0].state, tried[0].from_version, tried[0].migrated, tried[0].failed), (0, 1, 3, 2), "{words}");
            assert_eq!(tried[0].bytes.0, 3 * 8, "{words}");
            assert_eq!(tried[0].refused.keys().map(Vec::as_slice).collect::<Vec<_>>(), [b"b", b"d"], "{words}");
            assert!(tried[0].refused.values().all(|why| why.contains(words)), "{tried:?}");
        }
    };
    for (sum, words) in UNMIGRATABLE {
        check(sum, words);
    }
}

#[test]
fn a_job_that_may_not_lose_a_record_fails_with_the_key_that_cannot_be_migrated() {
    let check = |sum: u64, words: &str, whys: &[&str]| {
        let in_batch = |subtask: &mut OperatorSubtask| feed(subtask, "a:1 b:1 c:1").map(drop);
        let in_background = |subtask: &mut OperatorSubtask| subtask.migrate_some(100).map(drop);
        for work in [&in_batch as &dyn Fn(&mut OperatorSubtask) -> weir_model::Result<()>, &in_background] {
            let error = work(&mut upgraded(OnError::Fail, &format!("a:1 b:{sum} c:1")).0).unwrap_err();
            assert!(error.what.contains("operator count (function count, plugin sha256:fedcba987654) failed"), "{error}");
            assert!(error.why.contains("state n of") && error.why.contains("from schema version 1") && error.why.contains(words), "{error}");
            assert!(whys.iter().all(|why| error.why.contains(why)) && !error.remedy.is_empty(), "{error}");
        }
    };
    for (sum, words) in UNMIGRATABLE {
        check(sum, words, if sum == 77 { &["one of 3 keys"] } else { &["key \"b\""] });
    }
}

#[test]
fn many_values_that_cannot_be_migrated_cost_no_square() {
    // Values handed to the guest for each value, at the most.
    let check = |bad_every: usize, sum: u64, times_max: u64| {
        let records: Vec<_> = (0..10_000).map(|at| format!("{at}:{}", if at % bad_every == 0 { sum } else { 1 })).collect();
        let (mut subtask, guest) = upgraded(OnError::Skip, &records.join(" "));
        while subtask.migrate_some(10_000).unwrap() {}
        let counts = subtask.counts();
        assert_eq!(counts.unmigratable, 10_000_u64.div_ceil(bad_every as u64));
        assert_eq!(counts.migrated + counts.unmigratable, 10_000);
        let times = guest.values_migrated.load(Ordering::Relaxed) / 10_000;
        assert!(times <= times_max, "one bad value of {sum} in {bad_every}: each was tried {times} times");
    };
    check(1, 13, 20);
    check(2, 13, 20);
    check(100, 13, 20);
    check(2, 66, 20);
    check(1000, 66, 4);
    check(1000, 77, 4);
}

#[test]
fn a_value_passes_through_the_versions_in_between_or_not_as_it_was_last_migrated() {
    let (mut subtask, _) = upgraded(OnError::Fail, "a:1 b:2");
    feed(&mut subtask, "a:1").unwrap();
    let third = Scripted { schema_version: 3, values_migrated: Arc::default(), ..Scripted::default() };
    subtask.replace(new_version(third)).unwrap();
    assert_eq!(kept(&mut subtask), "a=2v2 b=2v1");
    assert_eq!(feed(&mut subtask, "a:1 b:1 c:1").unwrap().0, "a=3 b=3 c=1");
    assert_eq!(kept(&mut subtask), "a=3v3 b=3v3 c=1v3");
}
