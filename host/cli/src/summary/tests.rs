//! Summaries of jobs that were counted by hand.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use weir_connect::sink::SinkConfig;
use weir_connect::source::SourceConfig;
use weir_model::ErrorKind;
use weir_model::id::{OperatorUid, Parallelism};
use weir_model::key_group::MaxParallelism;
use weir_model::section::Section;
use weir_model::settings::{RestartStrategy, StateSettings};
use weir_runtime::PlannedNode;

use super::*;

fn plan() -> Plan {
    let section = |name: &str| Section::new("job.toml".into(), name, 1, BTreeMap::new());
    let node = |uid: &str, kind| PlannedNode {
        uid: OperatorUid::new(uid).unwrap(),
        renamed_from: None,
        parallelism: Parallelism::ONE,
        outputs: Vec::new(),
        kind,
    };
    let nodes = vec![
        node("lines", PlannedKind::Source(SourceConfig::parse("stdin", section("sources.lines"), Path::new("")).unwrap())),
        node("gone", PlannedKind::Sink(SinkConfig::parse("blackhole", section("sinks.gone"), Path::new("")).unwrap())),
    ];
    let max_parallelism = MaxParallelism::default_for(Parallelism::ONE);
    Plan {
        name: "demo".to_owned(),
        max_parallelism,
        max_parallelism_is_set: false,
        checkpointing: None,
        state: StateSettings::default(),
        restart: RestartStrategy::None,
        nodes,
        edges: Vec::new(),
        chains: Vec::new(),
        plugins: BTreeMap::new(),
        found: Vec::new(),
    }
}

fn metrics(records: u64, skipped: u64) -> JobMetrics {
    let node =
        |uid: &str, subtask| NodeMetrics { uid: OperatorUid::new(uid).unwrap(), subtasks: vec![Arc::new(subtask)], counters: Mutex::default() };
    let (source, sink) = (SubtaskMetrics::default(), SubtaskMetrics::default());
    source.records_out.set(records);
    source.bytes_in.set(records * 32);
    source.bytes_out.set(records * 48);
    source.busy_ns.set(500_000_000);
    source.skipped.set(skipped);
    sink.records_in.set(records);
    sink.back_pressured_ns.set(1_000_000_000);
    let metrics = JobMetrics::new(vec![node("lines", source), node("gone", sink)]);
    metrics.nodes[0].counters.lock().unwrap().insert("odd".to_owned(), 1_500);
    metrics
}

const USED: Used = Used { startup_seconds: 0.02, startup_cpu_seconds: 0.01, seconds: 2.0, cpu_seconds: 3.0, peak_rss_bytes: 30 << 20 };

#[test]
fn the_text_has_the_job_and_a_line_for_each_node() {
    let (plan, metrics) = (plan(), metrics(2_000_000, 0));
    let summary = Summary { plan: &plan, metrics: &metrics, outcome: Outcome::Done, used: USED };
    let expected = "\
demo: done in 2.00 s, 2,000,000 records and 61.0 MiB read, 1,000,000 records/s
CPU 3.00 s (1.50 s per million records), peak memory 30.0 MiB, start 20 ms

NODE      RECORDS IN  RECORDS OUT  BYTES IN  BYTES OUT  BUSY  IDLE  BACK-PRESSURED
lines ×1           0    2,000,000  61.0 MiB   91.6 MiB   25%    0%              0%
gone ×1    2,000,000            0       0 B        0 B    0%    0%             50%
lines counted odd: 1,500
";
    assert_eq!(summary.text(None), expected);
    let narrow = summary.text(Some(80));
    assert!(narrow.lines().all(|line| line.chars().count() <= 80) && !narrow.contains("BYTES"), "{narrow}");
}

#[test]
fn what_went_wrong_has_a_column_only_when_something_did() {
    let (plan, metrics) = (plan(), metrics(0, 3));
    let summary = Summary { plan: &plan, metrics: &metrics, outcome: Outcome::Interrupted, used: USED };
    let text = summary.text(None);
    assert!(text.starts_with("demo: interrupted in 2.00 s, 0 records"), "{text}");
    assert!(text.contains("SKIPPED") && !text.contains("KEYS") && !text.contains("per million"), "{text}");
}

#[test]
fn the_json_has_stable_names() {
    let (plan, metrics) = (plan(), metrics(2_000_000, 3));
    let error = Error::new(ErrorKind::Job, "what", "why", "do");
    let summary = Summary { plan: &plan, metrics: &metrics, outcome: Outcome::Failed(error), used: USED }.json();
    let check = |pointer: &str, expected: Value| assert_eq!(summary.pointer(pointer), Some(&expected), "{pointer}");
    check("/job", "demo".into());
    check("/outcome", "failed".into());
    check("/error/why", "why".into());
    check("/seconds", 2.0.into());
    check("/cpu_seconds_per_million_records", 1.5.into());
    check("/records_read", 2_000_000.into());
    check("/bytes_read", 64_000_000.into());
    check("/peak_rss_bytes", (30 << 20).into());
    check("/nodes/0/uid", "lines".into());
    check("/nodes/0/kind", "source".into());
    check("/nodes/0/skipped", 3.into());
    check("/nodes/0/counters/odd", 1_500.into());
    check("/nodes/1/subtasks/0/back_pressured_ns", 1_000_000_000.into());
}
