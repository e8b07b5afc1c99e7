//! What `[checkpointing]`, `[state]`, `[restart]`, `[flink]` and `-D` come to.

use super::*;
use crate::settings::{CheckpointMode, CheckpointSettings, RestartStrategy, Retention, StateSettings};
use std::time::Duration;

/// Parses the word count with `tables` behind it and looks for each of `expected` in what the graph says about checkpoints, state and restarts.
fn check(tables: &str, arguments: &[&str], expected: &[&str]) {
    let graph = parse_with(&format!("{WORD_COUNT}{tables}"), arguments).unwrap_or_else(|error| panic!("{error} for\n{tables}\n{arguments:?}"));
    let said = format!("{} {:?} {:?} {:?}", outline(&graph), graph.checkpointing, graph.state, graph.restart);
    for part in expected {
        assert!(said.contains(part), "{part:?} is not in\n{said}\nfor\n{tables}\n{arguments:?}");
    }
}

#[test]
fn defaults_are_flinks_but_for_the_folder_and_increments() {
    let graph = parse_with(WORD_COUNT, &[]).unwrap();
    assert_eq!((graph.checkpointing, graph.state, graph.restart), (None, StateSettings::default(), RestartStrategy::None));
    let graph = parse_with(WORD_COUNT, &["-D execution.checkpointing.interval=3s"]).unwrap();
    let expected = CheckpointSettings {
        interval: Some(Duration::from_secs(3)),
        mode: CheckpointMode::ExactlyOnce,
        min_pause: Duration::ZERO,
        timeout: Duration::from_mins(10),
        max_concurrent: 1,
        tolerable_failures: 0,
        retention: Retention::DeleteOnCancellation,
        num_retained: 1,
        unaligned: false,
        aligned_timeout: Duration::ZERO,
        dir: "jobs/checkpoints".to_owned(),
        savepoint_dir: None,
    };
    assert_eq!((graph.checkpointing, graph.restart), (Some(expected), RestartStrategy::EXPONENTIAL_DELAY));
    check("[restart]\nstrategy = 'fixed-delay'", &[], &["FixedDelay { attempts: 1, delay: 1s }"]);
    check("[restart]\nstrategy = 'failure-rate'", &[], &["FailureRate { max_failures: 1, interval: 60s, delay: 1s }"]);
}

#[test]
fn every_key_of_the_tables_is_read() {
    let checkpointing = r#"[checkpointing]
interval = "10s"
mode = "exactly-once"
min-pause = "5s"
timeout = "1min"
max-concurrent-checkpoints = 1
tolerable-failed-checkpoints = 2
externalized-checkpoint-retention = "retain-on-cancellation"
num-retained = 3
unaligned = true
aligned-checkpoint-timeout = "100ms"
dir = "../state/${N}"
savepoint-dir = "s3://bucket/savepoints""#;
    let expected = "CheckpointSettings { interval: Some(10s), mode: ExactlyOnce, min_pause: 5s, timeout: 60s, max_concurrent: 1, tolerable_failures: 2, \
        retention: RetainOnCancellation, num_retained: 3, unaligned: true, aligned_timeout: 100ms, dir: \"jobs/../state/3\", \
        savepoint_dir: Some(\"s3://bucket/savepoints\") }";
    check(checkpointing, &[], &[expected]);
    let state = "[state]\nbackend = 'disk'\nincremental = false\nlocal-dir = 'work'\nmemory = '64MiB'";
    check(state, &[], &["StateSettings { backend: Disk, incremental: false, local_dir: Some(\"jobs/work\"), memory_bytes: 67108864 }"]);
    check("[restart]\nstrategy = 'fixed-delay'\nattempts = 0\ndelay = '5s'", &[], &["FixedDelay { attempts: 0, delay: 5s }"]);
    let rate = "[restart]\nstrategy = 'failure-rate'\nmax-failures-per-interval = 3\nfailure-rate-interval = '5min'\ndelay = '0s'";
    check(rate, &[], &["FailureRate { max_failures: 3, interval: 300s, delay: 0ns }"]);
    let exponential = "[restart]\nstrategy = 'exponential-delay'\ninitial-backoff = '10ms'\nmax-backoff = '20ms'\nbackoff-multiplier = 2\n\
        reset-backoff-threshold = '1s'\njitter-factor = 0\nattempts-before-reset-backoff = 9";
    let expected = "ExponentialDelay { initial: 10ms, max: 20ms, multiplier: 2.0, reset_after: 1s, jitter: 0.0, attempts: Some(9) }";
    check(exponential, &[], &[expected]);
}

#[test]
fn a_folder_is_relative_to_the_job_file_and_a_url_stays_as_it_is() {
    let check = |dir: &str, expected: &str| {
        check(&format!("[checkpointing]\ninterval = '1s'\ndir = '{dir}'"), &[], &[&format!("dir: {expected:?}")]);
        check("[checkpointing]\ninterval = '1s'\ndir = 'x'", &[&format!("-D state.checkpoints.dir={dir}")], &[&format!("dir: {expected:?}")]);
    };
    check("a/b", "jobs/a/b");
    check("/a", "/a");
    check("2024", "jobs/2024");
    check("a:b", "jobs/a:b");
    check("s3://bucket/a", "s3://bucket/a");
    check("file:///a", "file:///a");
    check("file:/a", "file:/a");
    check("memory://", "memory://");
}

#[test]
fn a_table_without_an_interval_is_checked_and_waits_for_one() {
    let tables = "[checkpointing]\ntimeout = '1min'\nunaligned = true\n[restart]\njitter-factor = 0.5";
    let graph = parse_with(&format!("{WORD_COUNT}{tables}"), &[]).unwrap();
    assert_eq!((graph.checkpointing, graph.restart), (None, RestartStrategy::None));
    check(tables, &["-D execution.checkpointing.interval=1s"], &["timeout: 60s", "unaligned: true", "jitter: 0.5"]);
}

#[test]
fn a_pause_between_checkpoints_means_one_at_a_time() {
    let several = "[checkpointing]\ninterval = '1s'\nmax-concurrent-checkpoints = 3";
    check(several, &[], &["max_concurrent: 3"]);
    check(&format!("{several}\nmin-pause = '1s'"), &[], &["min_pause: 1s", "max_concurrent: 1"]);
}

#[test]
fn each_of_flinks_keys_reaches_its_setting() {
    let on = "[checkpointing]\ninterval = '1h'";
    let check_both = |key: &str, value: &str, beside: &[&str], expected: &str| {
        let arguments: Vec<_> = beside.iter().map(|argument| format!("-D {argument}")).chain([format!("-D {key}={value}")]).collect();
        check(on, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), &[expected]);
        let interval = if key.ends_with("checkpointing.interval") { "" } else { "'execution.checkpointing.interval' = '1h'\n" };
        let beside: String =
            beside.iter().filter_map(|argument| argument.split_once('=')).map(|(key, value)| format!("'{key}' = '{value}'\n")).collect();
        check(&format!("[flink]\n{interval}{beside}'{key}' = '{value}'"), &[], &[expected]);
    };
    for (key, value, expected) in [
        ("execution.checkpointing.interval", "10 s", "interval: Some(10s)"),
        ("execution.checkpointing.interval", "60000", "interval: Some(60s)"),
        ("execution.checkpointing.mode", "AT_LEAST_ONCE", "mode: AtLeastOnce"),
        ("execution.checkpointing.mode", "EXACTLY_ONCE", "mode: ExactlyOnce"),
        ("execution.checkpointing.min-pause", "500", "min_pause: 500ms"),
        ("execution.checkpointing.timeout", "2 min", "timeout: 120s"),
        ("execution.checkpointing.max-concurrent-checkpoints", "2", "max_concurrent: 2"),
        ("execution.checkpointing.tolerable-failed-checkpoints", "5", "tolerable_failures: 5"),
        ("execution.checkpointing.externalized-checkpoint-retention", "DELETE_ON_CANCELLATION", "DeleteOnCancellation"),
        ("execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION", "RetainOnCancellation"),
        ("execution.checkpointing.externalized-checkpoint-retention", "NO_EXTERNALIZED_CHECKPOINTS", "retention: None"),
        ("execution.checkpointing.num-retained", "4", "num_retained: 4"),
        ("state.checkpoints.num-retained", "4", "num_retained: 4"),
        ("execution.checkpointing.unaligned.enabled", "true", "unaligned: true"),
        ("execution.checkpointing.unaligned", "true", "unaligned: true"),
        ("execution.checkpointing.dir", "/d", "dir: \"/d\""),
        ("state.checkpoints.dir", "/d", "dir: \"/d\""),
        ("execution.checkpointing.savepoint-dir", "/s", "savepoint_dir: Some(\"/s\")"),
        ("state.savepoints.dir", "/s", "savepoint_dir: Some(\"/s\")"),
        ("execution.checkpointing.storage", "jobmanager", "dir: \"memory://\""),
        ("state.checkpoint-storage", "filesystem", "dir: \"jobs/checkpoints\""),
        ("execution.checkpointing.incremental", "false", "incremental: false"),
        ("state.backend.incremental", "false", "incremental: false"),
        ("state.backend.type", "rocksdb", "backend: Disk"),
        ("state.backend", "HASHMAP", "backend: Memory"),
        ("state.backend", "filesystem", "backend: Memory"),
        ("restart-strategy.type", "none", " None"),
        ("restart-strategy", "fixeddelay", "FixedDelay"),
        ("restart-strategy", "off", " None"),
        ("restart-strategy.exponential-delay.initial-backoff", "2 s", "initial: 2s"),
        ("restart-strategy.exponential-delay.max-backoff", "90000", "max: 90s"),
        ("restart-strategy.exponential-delay.backoff-multiplier", "1.2", "multiplier: 1.2"),
        ("restart-strategy.exponential-delay.reset-backoff-threshold", "1 d", "reset_after: 86400s"),
        ("restart-strategy.exponential-delay.jitter-factor", "0.2", "jitter: 0.2"),
        ("restart-strategy.exponential-delay.attempts-before-reset-backoff", "8", "attempts: Some(8)"),
        ("restart-strategy.exponential-delay.attempts-before-reset-backoff", "2147483647", "attempts: None"),
        ("parallelism.default", "7", "p=7"),
        ("pipeline.max-parallelism", "64", "max=64"),
    ] {
        check_both(key, value, &[], expected);
    }
    let unaligned = &["execution.checkpointing.unaligned=true"];
    check_both("execution.checkpointing.aligned-checkpoint-timeout", "30", unaligned, "aligned_timeout: 30ms");
    check_both("execution.checkpointing.alignment-timeout", "1 s", unaligned, "aligned_timeout: 1s");
    check_both("state.backend.rocksdb.localdir", "/l", &["state.backend.type=rocksdb"], "local_dir: Some(\"/l\")");
    let fixed = &["restart-strategy.type=fixed-delay"];
    check_both("restart-strategy.fixed-delay.attempts", "3", fixed, "attempts: 3");
    check_both("restart-strategy.fixed-delay.delay", "250", fixed, "delay: 250ms");
    let rate = &["restart-strategy.type=failure-rate"];
    check_both("restart-strategy.failure-rate.max-failures-per-interval", "3", rate, "max_failures: 3");
    check_both("restart-strategy.failure-rate.failure-rate-interval", "5 min", rate, "interval: 300s");
    check_both("restart-strategy.failure-rate.delay", "10 s", rate, "delay: 10s");
    check_both("state.backend", "disk", &[], "backend: Disk");
}

#[test]
fn the_command_line_wins_over_own_keys_and_these_over_flinks() {
    let flink = "[flink]\nexecution.checkpointing.interval = '1s'\nparallelism.default = 3\npipeline.name = 'other'";
    let both = format!("{flink}\n[checkpointing]\ninterval = '2s'");
    check(flink, &[], &["word-count p=3", "interval: Some(1s)"]);
    check(&both, &[], &["interval: Some(2s)"]);
    check(&both, &["-D execution.checkpointing.interval=3s"], &["interval: Some(3s)"]);
    check(&both, &["-D checkpointing.interval=3s"], &["interval: Some(3s)"]);
    check(&both, &["-D flink.execution.checkpointing.interval=3s"], &["interval: Some(3s)"]);
    check("", &["-D checkpointing.interval=3s", "-D execution.checkpointing.interval=40"], &["interval: Some(40ms)"]);
    check("", &["-D execution.checkpointing.interval=40", "-D checkpointing.interval=3s"], &["interval: Some(3s)"]);
    // What the command line gives needs no variable in the file.
    let variable = "[flink]\nexecution.checkpointing.interval = '${NOPE}'";
    check(variable, &["-D checkpointing.interval=3s"], &["interval: Some(3s)"]);
    check("[flink]\nexecution.checkpointing.interval = '${N}000'", &[], &["interval: Some(3s)"]);
}

#[test]
fn what_the_command_line_makes_useless_in_the_file_is_passed_over() {
    check("[restart]\nstrategy = 'fixed-delay'\nattempts = 3", &["-D restart-strategy=none"], &[" None"]);
    check("[flink]\nrestart-strategy.type = 'fixed-delay'\nrestart-strategy.fixed-delay.attempts = 3", &["-D restart.strategy=off"], &[" None"]);
    check("[state]\nbackend = 'disk'\nmemory = '1GiB'", &["-D state.backend=memory"], &["backend: Memory", "memory_bytes: 268435456"]);
    let unaligned = "[checkpointing]\ninterval = '1s'\nunaligned = true\naligned-checkpoint-timeout = '1s'";
    check(unaligned, &["-D checkpointing.unaligned=false"], &["unaligned: false, aligned_timeout: 0ns"]);
    check(unaligned, &["-D checkpointing.mode=at-least-once"], &["mode: AtLeastOnce", "unaligned: false, aligned_timeout: 0ns"]);
    let folder = "[checkpointing]\ninterval = '1s'\ndir = '/d'";
    check(folder, &["-D state.checkpoint-storage=jobmanager"], &["dir: \"memory://\""]);
    check("[checkpointing]\ninterval = '1s'\nstorage = 'jobmanager'", &["-D checkpointing.dir=/d"], &["dir: \"/d\""]);
}
