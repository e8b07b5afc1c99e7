//! From `exec` to the first record of a small word count, and the memory that it takes: alone in its process, so that nothing else is counted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

use std::time::Duration;

use weir_tests::job::{JobFolder, word_count};

/// Of the fastest run: a crowded machine may delay any one. `cargo xtask bench start` gives the figures.
const START_MAX: Duration = Duration::from_millis(50);
const RSS_BYTES_MAX: u64 = 40 << 20;
const RUNS: usize = 15;

#[test]
fn a_small_job_starts_fast_and_stays_small() {
    let folder = JobFolder::new();
    folder.write("in.txt", "to be\nor not\nto be\nthat is the question\n");
    let toml = word_count("connector = \"file\"\npath = \"in.txt\"", "connector = \"print\"");
    let run = || {
        let ended = folder.job(&toml, &["-q"]).env("WEIR_CACHE_DIR", folder.path().join("cache")).run().with_code(0);
        assert_eq!(ended.text().lines().count(), 10);
        (ended.first_output.unwrap(), ended.took, ended.peak_rss_bytes)
    };
    let (cold, _, cold_rss_bytes) = run();
    let mut runs: Vec<_> = (0..RUNS).map(|_| run()).collect();
    runs.sort();
    let (fastest, median, slowest) = (runs[0].0, runs[RUNS / 2].0, runs[RUNS - 1].0);
    let mut ends: Vec<_> = runs.iter().map(|run| run.1).collect();
    ends.sort();
    let rss_bytes = runs.iter().map(|run| run.2).max().unwrap();
    println!("first record after {median:.1?} (from {fastest:.1?} to {slowest:.1?}, {RUNS} runs), end after {:.1?}", ends[RUNS / 2]);
    println!("peak resident memory {:.1} MiB", rss_bytes as f64 / f64::from(1 << 20));
    println!("with a plugin that is not compiled yet: {cold:.1?}, {:.1} MiB", cold_rss_bytes as f64 / f64::from(1 << 20));
    assert!(fastest < START_MAX, "the first record came after {fastest:?} at best");
    assert!(rss_bytes < RSS_BYTES_MAX, "{rss_bytes} bytes were resident");
}
