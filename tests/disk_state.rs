//! State that is larger than its memory: on disk, counted right, also over a kill.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use weir_tests::crash::case::KILLED;
use weir_tests::job::JobFolder;

/// Keys of 8 bytes with values of 8 bytes: more than four times the memory of 1 MiB, without what a table takes besides.
const KEYS: u64 = 270_000;
const MEMORY_BYTES: u64 = 1 << 20;
/// Each key comes twice.
const TIMES: u64 = 2;
const LIMIT: Duration = Duration::from_secs(90);

fn job(state: &str) -> String {
    let last = KEYS * TIMES - 1;
    format!(
        "[job]\nname = \"disk\"\nparallelism = 1\n[checkpointing]\ninterval = \"300ms\"\n[state]\n{state}\n\
         [plugins.key-count]\npath = \"${{PLUGINS}}/key_count.wasm\"\n\
         [sources.numbers]\nconnector = \"generator\"\nkind = \"sequence\"\nto = {last}\n\
         [operators.spread]\nplugin = \"key-count\"\nfunction = \"spread\"\ninput = \"numbers\"\nconfig = {{ keys = {KEYS}, hits = 1 }}\n\
         [operators.count]\nplugin = \"key-count\"\nfunction = \"count\"\ninput = \"spread\"\n\
         [sinks.out]\nconnector = \"file\"\npath = \"out\"\ninput = \"count\"\n"
    )
}

/// Bytes of all files below a folder.
fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { bytes_in(&entry.path()) } else { entry.metadata().map_or(0, |metadata| metadata.len()) }).sum()
}

/// Every key was counted to its end, each count once.
fn check_out(folder: &JobFolder) {
    let mut counts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for part in folder.parts("out") {
        for (key, count) in part.lines().filter_map(|line| line.split_once('\t')) {
            counts.entry(key.to_owned()).or_default().push(count.parse().unwrap());
        }
    }
    assert_eq!(counts.len() as u64, KEYS);
    for (key, mut counts) in counts {
        counts.sort_unstable();
        assert!(counts.iter().copied().eq(1..=TIMES), "{key} has {counts:?}");
    }
}

#[test]
fn state_of_four_times_its_memory_is_counted_right_over_a_kill_and_into_the_other_backend() {
    const STATE_BYTES: u64 = KEYS * 16;
    const { assert!(STATE_BYTES >= 4 * MEMORY_BYTES) };
    let on_disk = job("backend = \"disk\"\nmemory = \"1MiB\"\nlocal-dir = \"work\"");
    let folder = JobFolder::new();
    let running = folder.job(&on_disk, &[]).env("WEIR_FAIL_POINTS", "all-committed-not-recorded=kill@6").limit(LIMIT).start();
    running.until_poll(|| bytes_in(&folder.path().join("work")) > MEMORY_BYTES);
    drop(running.wait().with_code(KILLED));
    // What the dead process had in its working folder is nobody's: the checkpoint has it all.
    let running = folder.job(&on_disk, &[]).env("WEIR_FAIL_POINTS", "all-committed-not-recorded=kill@4").limit(LIMIT).start();
    drop(running.wait().with_code(KILLED));
    drop(folder.job(&job("backend = \"memory\""), &[]).limit(LIMIT).run().with_code(0));
    check_out(&folder);
}
