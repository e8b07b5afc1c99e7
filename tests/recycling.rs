//! Instances of plugins are replaced while records flow: memory stays bounded, and nothing is lost or counted twice.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test says what went wrong by panicking, and what it has measured"
)]

use weir_model::graph::OnError;
use weir_model::rows::{BatchBuilder, NO_TIMESTAMP};
use weir_plugin::{CallContext, EngineOptions, InstanceLimits, Outputs, Plugin, PluginEngine, Step};
use weir_tests::{built, languages, operator};

/// Batches of each language; `WEIR_BATCHES` says another number.
const BATCHES: u64 = 2_000;
/// Every so many calls an instance is replaced, so that it happens often also in a short run.
const CALLS: u64 = 300;
const RECORDS: u64 = 8;
const KEYS: u64 = 500;

/// Resident memory of this process, MiB.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Counts records in small batches; every count that is emitted must be the right one.
fn check(language: &str, batches: u64, limits: InstanceLimits) {
    let engine = PluginEngine::new(EngineOptions { cache_dir: Some(built::cache()), compiler: None }).unwrap();
    let plugin = Plugin::load(&engine, &languages::plugin(language)).unwrap();
    let limits = InstanceLimits { recycle_bytes: plugin.default_limits().recycle_bytes, ..limits };
    let mut subtask = operator::start_within(&plugin, "count", OnError::Fail, limits).unwrap();
    let mut counts = vec![0u64; usize::try_from(KEYS).unwrap()];
    let mut next = 0u64;
    let (mut settled_mib, mut peak_mib) = (0, 0);
    for batch in 0..batches {
        let mut rows = BatchBuilder::default();
        let mut keys = Vec::new();
        for _ in 0..RECORDS {
            next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            keys.push(next >> 33);
            rows.push(Some(format!("k{}", (next >> 33) % KEYS).as_bytes()), &1u64.to_le_bytes(), NO_TIMESTAMP).unwrap();
        }
        let mut outputs = Outputs::default();
        subtask.begin(0, rows.take());
        while subtask.step(CallContext { watermark: NO_TIMESTAMP, processing_time: 0 }, &mut outputs).unwrap() == Step::More {}
        let emitted: Vec<u64> = outputs
            .batches
            .iter()
            .flat_map(|(_, rows)| rows.iter().map(|row| u64::from_le_bytes(row.value.try_into().unwrap())).collect::<Vec<_>>())
            .collect();
        let expected: Vec<u64> = keys
            .iter()
            .map(|key| {
                let count = &mut counts[usize::try_from(key % KEYS).unwrap()];
                *count += 1;
                *count
            })
            .collect();
        assert_eq!(emitted, expected, "{language}, batch {batch}");
        if batch % 100 == 99 {
            let now = resident_mib();
            // The first instances fill the allocator and the page tables.
            settled_mib = if batch < batches / 4 { now } else { settled_mib };
            peak_mib = peak_mib.max(now);
        }
    }
    let recycled = subtask.counts().recycled;
    eprintln!("{language}: {batches} batches, {recycled} instances replaced, resident {settled_mib} MiB after a quarter, at most {peak_mib} MiB");
    assert!(recycled + 1 >= batches / limits.recycle_calls, "{language}: {recycled} instances were replaced");
    let worn_mib = limits.recycle_bytes >> 20;
    assert!(
        peak_mib <= settled_mib + worn_mib,
        "{language}: {settled_mib} MiB grew to {peak_mib} MiB; an instance is replaced beyond {worn_mib} MiB"
    );
}

#[test]
fn operators_neither_grow_without_bounds_nor_lose_a_record_when_they_are_replaced() {
    let asked = std::env::var("WEIR_BATCHES").ok().map(|batches| batches.parse::<u64>().unwrap());
    let batches = asked.unwrap_or(BATCHES);
    let as_in_a_job = InstanceLimits::default().recycle_calls;
    let (built, _) = languages::built();
    // The smallest instances come first: what a larger one has left behind would hide what the next one takes.
    for language in ["rust", "go", "javascript", "python"].into_iter().filter(|language| built.contains(language)) {
        // In a long run, instances also get as old as they do in a job.
        for recycle_calls in [Some(CALLS), asked.map(|_| as_in_a_job)].into_iter().flatten() {
            check(language, batches, InstanceLimits { recycle_calls, ..InstanceLimits::default() });
        }
    }
}
