//! A plugin may trap, loop, allocate, recurse and lie: the host names it, keeps within its limits, and goes on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

use weir_model::Error;
use weir_model::graph::OnError;
use weir_model::rows::{BatchBuilder, NO_TIMESTAMP};
use weir_plugin::{CallContext, InstanceLimits, Outputs, Step};
use weir_tests::operator::{faulty, limits, run, start, start_within};

/// A function that fails on poison: the job fails with `why` in its words, or goes on without the poison.
fn check(function: &str, why: &str) {
    let plugin = faulty();
    let error: Error = run(&plugin, function, OnError::Fail, &["a", "poison", "b"]).expect_err(function);
    let place = format!("operator bad-one (function {function}, plugin sha256:{})", plugin.digest().short());
    assert!(error.what.contains(&place), "{function}: {error}");
    assert!(error.why.contains(why), "{function}: {error}");
    assert!(!error.remedy.is_empty(), "{function}: {error}");
    assert!(error.why.len() < 5000, "{function}: an error of {} bytes", error.why.len());

    let (emitted, dead) = run(&plugin, function, OnError::DeadLetter, &["a", "poison", "b", "poison"]).unwrap();
    assert_eq!((emitted, dead), (vec!["a".to_owned(), "b".to_owned()], vec!["poison".to_owned(); 2]), "{function}");
}

/// A function that does wrong whatever it gets: the job fails with `why`; with `skip`, nothing of it is ever seen.
fn check_hopeless(function: &str, why: &str) {
    let plugin = faulty();
    let error: Error = run(&plugin, function, OnError::Fail, &["poison"]).expect_err(function);
    assert!(error.what.contains(&format!("function {function},")) && error.why.contains(why), "{function}: {error}");
    let (emitted, dead) = run(&plugin, function, OnError::DeadLetter, &["poison", "poison"]).unwrap();
    assert_eq!((emitted.len(), dead.len()), (0, 2), "{function}");
}

#[test]
fn a_function_that_breaks_on_one_record_loses_only_that_record() {
    check("trap", "unreachable");
    check("loop", "deadline of 200 ms");
    check("memory-bomb", "memory limit of 32768 KiB");
    check("recursion", "call stack is exhausted");
    check("failure-row", "this record is poison");
    check("failure-whole", "there is poison in this call");
    check("huge-message", "no no no");
    check("log-flood", "this record is poison");
    check("small-emits", "limit of 64 MiB of output");
    check("failure-row-out-of-range", "refused record 1000000");
    check("keyed-trap", "unreachable");
}

#[test]
fn a_function_that_always_breaks_is_never_seen() {
    check_hopeless("trap-always", "unreachable");
    check_hopeless("lying-rows", "malformed rows");
    check_hopeless("huge-output", "limit of 64 MiB of output");
    check_hopeless("undeclared-output", "emitted to output 9");
    check_hopeless("undeclared-state", "state 9 is not declared");
    check_hopeless("undeclared-slot", "slot 1000000 is not a key of this call");
    check_hopeless("lying-column", "column");
    check_hopeless("bad-pointer", "pointer");
    check_hopeless("huge-emit", "memory limit");
}

#[test]
fn what_a_refusing_call_emitted_is_never_seen() {
    // It refuses the first record as long as there is poison among the rest, having emitted all of them each time.
    let (emitted, dead) = run(&faulty(), "emit-after-failure", OnError::DeadLetter, &["a", "poison", "b"]).unwrap();
    assert_eq!((emitted.join(" "), dead.join(" ")), ("b".to_owned(), "a poison".to_owned()));
}

#[test]
fn a_function_that_does_not_open_is_named_at_the_start() {
    let check = |function: &str, why: &str| {
        let error = start(&faulty(), function, OnError::Skip).err().unwrap_or_else(|| panic!("{function} opened"));
        assert!(error.what.contains(function) && error.why.contains(why), "{function}: {error}");
    };
    check("open-fails", "could not be opened");
    check("open-traps", "unreachable");
    check("open-loops", "deadline of 200 ms");
}

#[test]
fn the_well_behaved_function_is_untouched_by_its_neighbours() {
    let plugin = faulty();
    for _ in 0..3 {
        drop(run(&plugin, "trap", OnError::Fail, &["poison"]));
        let (emitted, dead) = run(&plugin, "echo", OnError::Fail, &["a", "b"]).unwrap();
        assert_eq!((emitted, dead), (vec!["a".to_owned(), "b".to_owned()], Vec::new()));
    }
}

#[test]
fn a_worn_instance_is_replaced_and_nothing_is_lost() {
    let plugin = faulty();
    // Keyed, so that what an instance must not keep would show: the counts live in the host.
    let tight = InstanceLimits { recycle_calls: 2, ..limits() };
    let mut subtask = start_within(&plugin, "keyed-trap", OnError::Fail, tight).unwrap();
    let mut outputs = Outputs::default();
    for _ in 0..10 {
        let mut batch = BatchBuilder::default();
        batch.push(Some(b"k"), b"v", NO_TIMESTAMP).unwrap();
        subtask.begin(0, batch.take());
        while subtask.step(CallContext { watermark: NO_TIMESTAMP, processing_time: 0 }, &mut outputs).unwrap() == Step::More {}
    }
    let emitted: usize = outputs.batches.iter().map(|(_, batch)| batch.len()).sum();
    assert_eq!((emitted, subtask.keys(), subtask.counts().recycled, subtask.counts().broken), (10, 1, 4, 0));
}
