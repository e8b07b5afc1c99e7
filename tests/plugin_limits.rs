//! Deadlines and memory limits, measured: alone in its process, so that nothing else is counted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

use std::time::Instant;

use weir_model::graph::OnError;
use weir_tests::operator::{MEMORY_BYTES_MAX, TICK, TIMEOUT, faulty, run};

/// Calls with a deadline, at most, until one is ended in time.
const TRIES: usize = 30;

/// Peak resident memory of this process, bytes.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a deadline is a promise about the machine's time")]
fn deadlines_and_memory_limits_are_kept() {
    let plugin = faulty();
    let before_bytes = peak_bytes();
    for function in ["memory-bomb", "huge-output", "huge-emit", "recursion", "huge-message", "log-flood", "small-emits"] {
        drop(run(&plugin, function, OnError::Fail, &["poison"]));
    }
    let grown_bytes = peak_bytes() - before_bytes;
    // The guest's memory, once more for what is copied out of it, and the output that one call may hold.
    assert!(grown_bytes < 2 * MEMORY_BYTES_MAX + (80 << 20), "the host grew by {grown_bytes} bytes");

    let mut late = Vec::new();
    while late.len() < TRIES && late.iter().all(|late| *late > 2 * TICK) {
        let start = Instant::now();
        run(&plugin, "loop", OnError::Fail, &["poison"]).expect_err("loop");
        let took = start.elapsed();
        assert!(took >= TIMEOUT, "a call was ended before its deadline: {took:?}");
        late.push(took - TIMEOUT);
    }
    println!("deadline of {TIMEOUT:?} overrun by {late:?}; memory grown by {grown_bytes} bytes");
    // Two ticks; the best of many tries, because a crowded machine may keep any one thread from running.
    assert!(late.iter().any(|late| *late <= 2 * TICK), "deadlines overrun by {late:?}");
}
