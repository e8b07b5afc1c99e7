//! What the status says of a checkpoint as it goes on.

use super::*;

fn barrier(checkpoint: u64, triggered_ms: i64) -> Barrier {
    Barrier { checkpoint: CheckpointId(checkpoint), kind: BarrierKind::Checkpoint, triggered_ms }
}

fn timings(sync_us: u64, bytes: u64) -> SubtaskTimings {
    SubtaskTimings { sync_us, bytes, full_bytes: bytes * 10, ..SubtaskTimings::default() }
}

/// `lines` is chained to nothing; `count` and `out` share the tasks 1 and 2.
fn stats(before: Option<CheckpointStats>) -> Stats {
    let operator = |uid: &str, tasks: &[u32], inputs: &[&str]| OperatorTasks {
        uid: uid.to_owned(),
        tasks: tasks.iter().map(|task| TaskId(*task)).collect(),
        inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
    };
    Stats::new("job", vec![operator("lines", &[0], &[]), operator("count", &[1, 2], &["lines"]), operator("out", &[1, 2], &["count"])], before)
}

#[test]
fn a_running_checkpoint_says_who_is_missing_and_an_ended_one_how_it_went() {
    let mut stats = stats(None);
    stats.triggered(barrier(1, 100));
    stats.acked(CheckpointId(1), TaskId(2), &[("count", timings(3, 7)), ("out", timings(1, 1))]);
    stats.acked(CheckpointId(1), TaskId(2), &[("count", timings(9, 9))]);
    let now = stats.snapshot(130);
    let running = &now.in_progress[0];
    assert_eq!((running.duration_ms, running.bytes, running.full_bytes), (30, 8, 80));
    assert_eq!(
        running.operators.iter().map(|operator| (operator.uid.as_str(), operator.missing.clone())).collect::<Vec<_>>(),
        [("lines", vec![0]), ("count", vec![0]), ("out", vec![0])]
    );
    let holders = |stats: &Stats| stats.snapshot(130).in_progress[0].holders().iter().map(|one| one.uid.clone()).collect::<Vec<_>>();
    assert_eq!(holders(&stats), ["lines"]);
    stats.acked(CheckpointId(1), TaskId(0), &[("lines", timings(0, 0))]);
    assert_eq!(holders(&stats), ["count"]);
    stats.acked(CheckpointId(1), TaskId(1), &[("count", timings(2, 5)), ("out", timings(4, 0))]);
    stats.completed(CheckpointId(1), 150);
    stats.triggered(barrier(2, 200));
    stats.failed(CheckpointId(2), &Error::job("checkpoint 2", "disk full", "make room"), 210);
    let now = stats.snapshot(220);
    assert_eq!(now.totals, Totals { triggered: 2, completed: 1, failed: 1, restored: 0, restarts: 0 });
    assert_eq!(now.history[0].status, Status::Failed { cause: "checkpoint 2: disk full".to_owned() });
    let complete = now.newest_completed().unwrap();
    assert_eq!(
        (complete.duration_ms, complete.operators[1].timings),
        (50, SubtaskTimings { sync_us: 3, bytes: 12, full_bytes: 120, ..timings(0, 0) })
    );
}

#[test]
fn the_status_goes_on_over_attempts_and_through_json() {
    let mut first = stats(None);
    first.triggered(barrier(1, 0));
    let left = CheckpointStats::from_json(&first.snapshot(5).to_json()).unwrap();
    assert_eq!(left, first.snapshot(5));
    let mut second = stats(Some(left));
    second.restored(CheckpointId(1), 9);
    second.restarted(4);
    for id in 2..200 {
        second.triggered(barrier(id, 0));
        second.completed(CheckpointId(id), 1);
    }
    let now = second.snapshot(10);
    assert_eq!(now.totals, Totals { triggered: 199, completed: 198, failed: 1, restored: 1, restarts: 4 });
    assert_eq!((now.history.len(), now.history[0].checkpoint, now.restored.unwrap().checkpoint), (100, 199, 1));
}

#[test]
fn figures_have_flink_s_names_too() {
    let mut stats = stats(None);
    stats.triggered(barrier(1, 100));
    stats.acked(CheckpointId(1), TaskId(2), &[("count", timings(3, 7))]);
    stats.completed(CheckpointId(1), 150);
    stats.triggered(barrier(2, 160));
    let status: serde_json::Value = serde_json::from_slice(&stats.snapshot(170).to_json()).unwrap();
    let metrics = &status["metrics"];
    let check = |name: &str, value: Option<u64>| assert_eq!(metrics.get(name).map(serde_json::Value::as_u64), Some(value), "{name}");
    check("numberOfInProgressCheckpoints", Some(1));
    check("numberOfCompletedCheckpoints", Some(1));
    check("numberOfFailedCheckpoints", Some(0));
    check("totalNumberOfCheckpoints", Some(2));
    check("lastCheckpointDuration", Some(50));
    check("lastCheckpointSize", Some(7));
    check("lastCheckpointFullSize", Some(70));
    check("lastCheckpointRestoreTimestamp", None);
    check("numRestarts", Some(0));
}

#[test]
fn a_status_that_isn_t_one_is_refused() {
    let check = |json: &[u8], why: &str| assert!(CheckpointStats::from_json(json).unwrap_err().to_string().contains(why));
    check(b"", "EOF");
    check(b"{}", "missing field");
    let other = CheckpointStats { format_version: 9, ..CheckpointStats::default() };
    check(&other.to_json(), "format version is 9");
}
