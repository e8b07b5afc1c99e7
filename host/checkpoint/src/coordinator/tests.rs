//! The coordinator against random orders of events, and each of Flink's settings alone.

use std::time::Duration;

use proptest::prelude::*;
use weir_model::settings::{CheckpointMode, Retention};

use super::*;

pub(crate) fn settings(interval_ms: u64, min_pause_ms: u64, max_concurrent: u32) -> CheckpointSettings {
    CheckpointSettings {
        interval: Some(Duration::from_millis(interval_ms)),
        mode: CheckpointMode::ExactlyOnce,
        min_pause: Duration::from_millis(min_pause_ms),
        timeout: Duration::from_millis(100),
        max_concurrent,
        tolerable_failures: 0,
        retention: Retention::RetainOnCancellation,
        num_retained: 1,
        unaligned: false,
        aligned_timeout: Duration::ZERO,
        dir: "memory://tests".to_owned(),
        savepoint_dir: None,
    }
}

fn error(why: &str) -> Error {
    Error::job("a test", why, "look at the test")
}

/// An action in short.
fn short(action: &Action) -> String {
    match action {
        Action::Trigger(barrier) => match barrier.kind {
            BarrierKind::Checkpoint => format!("trigger {}", barrier.checkpoint),
            BarrierKind::Drain => format!("drain {}", barrier.checkpoint),
            BarrierKind::Stop => format!("stop {}", barrier.checkpoint),
            BarrierKind::Savepoint => format!("savepoint {}", barrier.checkpoint),
            BarrierKind::Swap => format!("swap {}", barrier.checkpoint),
        },
        Action::Unalign(barrier) => format!("unalign {}", barrier.checkpoint),
        Action::WriteManifest(id) => format!("write {id}"),
        Action::WriteSavepoint(id) => format!("keep {id}"),
        Action::Commit(id) => format!("commit {id}"),
        Action::NotifyCompleted(id) => format!("notify {id}"),
        Action::Abort { checkpoint, .. } => format!("abort {checkpoint}"),
        Action::Fail(_) => "fail".to_owned(),
        Action::Finish => "finish".to_owned(),
    }
}

/// `time event` lines, each with the actions expected after `=>`.
#[track_caller]
fn check(settings: &CheckpointSettings, tasks: u32, sources: u32, script: &str) {
    let mut coordinator = Coordinator::new(settings, tasks, sources, CheckpointId::FIRST, 0);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (step, expected) = line.split_once("=>").unwrap();
        let words: Vec<_> = step.split_whitespace().collect();
        let number = |place: usize| words[place].parse::<u64>().unwrap();
        let checkpoint = || CheckpointId(number(2));
        let event = match words[1] {
            "tick" => Event::Tick,
            "ack" => Event::Acked { checkpoint: checkpoint(), task: TaskId(number(3) as u32) },
            "decline" => Event::Declined { checkpoint: checkpoint(), task: TaskId(0), why: error("declined") },
            "written" => Event::ManifestWritten { checkpoint: checkpoint() },
            "unwritten" => Event::ManifestFailed { checkpoint: checkpoint(), why: error("no space") },
            "committed" => Event::Committed { checkpoint: checkpoint() },
            "uncommitted" => Event::CommitFailed { checkpoint: checkpoint(), why: error("no answer") },
            "lost" => Event::Lost { why: error("fenced") },
            "ended" => Event::SourceEnded { task: TaskId(number(2) as u32) },
            "stop" => Event::Stop,
            "drain" => Event::Drain,
            "savepoint" => Event::Savepoint,
            "swap" => Event::Swap,
            other => panic!("{other}"),
        };
        let actions: Vec<_> = coordinator.on(event, number(0), 0).iter().map(short).collect();
        assert_eq!(actions.join(", "), expected.trim(), "after {step}");
    }
}

#[test]
fn a_checkpoint_is_complete_when_all_have_acknowledged_and_everything_is_committed() {
    check(
        &settings(10, 0, 1),
        2,
        1,
        "9 tick => 
         10 tick => trigger 1
         11 ack 1 0 => 
         11 ack 1 0 => 
         12 ack 1 7 => 
         12 ack 9 1 => 
         13 ack 1 1 => write 1
         14 committed 1 => 
         15 written 1 => commit 1
         15 written 1 => 
         16 committed 1 => notify 1
         17 committed 1 => 
         20 tick => trigger 2",
    );
}

#[test]
fn a_savepoint_waits_for_what_is_under_way_and_holds_up_nobody_once_it_is_acknowledged() {
    check(
        &settings(10, 0, 2),
        1,
        1,
        "10 tick => trigger 1
         11 savepoint => 
         20 tick => 
         21 ack 1 0 => write 1
         22 written 1 => commit 1
         23 committed 1 => notify 1, savepoint 2
         30 tick => 
         31 ack 2 0 => keep 2, trigger 3
         32 ack 3 0 => write 3
         33 written 3 => commit 3
         34 committed 3 => notify 3",
    );
}

#[test]
fn a_savepoint_that_fails_is_no_failure_of_the_job() {
    check(
        &settings(10, 0, 1),
        1,
        1,
        "1 savepoint => savepoint 1
         2 decline 1 => abort 1
         10 tick => trigger 2",
    );
}

#[test]
fn a_swap_follows_right_behind_a_checkpoint_and_nothing_runs_beside_it() {
    check(
        &settings(10, 0, 2),
        1,
        1,
        "5 swap => trigger 1
         10 tick => 
         11 ack 1 0 => write 1
         12 written 1 => commit 1
         13 committed 1 => notify 1, swap 2
         20 tick => 
         21 ack 2 0 => write 2
         22 written 2 => commit 2
         23 committed 2 => notify 2
         30 tick => trigger 3",
    );
}

#[test]
fn a_swap_that_isn_t_written_down_fails_the_attempt() {
    check(
        &settings(10, 0, 1),
        1,
        1,
        "5 swap => trigger 1
         6 ack 1 0 => write 1
         7 written 1 => commit 1
         8 committed 1 => notify 1, swap 2
         9 decline 2 => abort 2, fail",
    );
}

#[test]
fn what_was_asked_for_comes_before_the_end() {
    check(
        &settings(10, 0, 1),
        1,
        1,
        "10 tick => trigger 1
         11 savepoint => 
         12 stop => 
         13 ack 1 0 => write 1
         14 written 1 => commit 1
         15 committed 1 => notify 1, savepoint 2
         16 ack 2 0 => keep 2, stop 3
         17 ack 3 0 => write 3
         18 written 3 => commit 3
         19 committed 3 => notify 3, finish",
    );
}

#[test]
fn one_that_is_due_waits_for_room() {
    check(
        &settings(10, 0, 1),
        1,
        1,
        "10 tick => trigger 1
         20 tick => 
         31 ack 1 0 => write 1
         32 written 1 => commit 1
         33 committed 1 => notify 1, trigger 2
         40 tick => 
         41 ack 2 0 => write 2
         41 written 2 => commit 2
         42 committed 2 => notify 2, trigger 3",
    );
}

#[test]
fn a_later_one_subsumes_an_older_one_and_manifests_are_written_in_order() {
    check(
        &settings(10, 0, 3),
        2,
        1,
        "10 tick => trigger 1
         20 tick => trigger 2
         30 tick => trigger 3
         31 ack 2 0 => 
         32 ack 2 1 => write 2
         33 ack 3 0 => 
         34 ack 3 1 => 
         35 ack 1 0 => 
         36 ack 1 1 => 
         37 written 2 => abort 1, commit 2
         38 committed 2 => notify 2, write 3
         39 written 3 => commit 3",
    );
}

#[test]
fn a_checkpoint_that_takes_too_long_is_aborted_and_its_late_acks_mean_nothing() {
    let tolerant = CheckpointSettings { tolerable_failures: 1, ..settings(100, 0, 1) };
    check(
        &tolerant,
        2,
        1,
        "100 tick => trigger 1
         101 ack 1 0 => 
         199 tick => 
         200 tick => abort 1, trigger 2
         201 ack 1 1 => 
         202 ack 2 0 => 
         203 ack 2 1 => write 2
         400 tick => 
         401 written 2 => commit 2",
    );
}

#[test]
fn failures_are_tolerated_in_a_row_only() {
    let tolerant = CheckpointSettings { tolerable_failures: 1, ..settings(10, 0, 1) };
    check(
        &tolerant,
        1,
        1,
        "10 tick => trigger 1
         11 decline 1 => abort 1
         11 decline 1 => 
         20 tick => trigger 2
         21 ack 2 0 => write 2
         22 decline 2 => 
         22 written 2 => commit 2
         23 committed 2 => notify 2
         30 tick => trigger 3
         31 ack 3 0 => write 3
         32 unwritten 3 => abort 3
         40 tick => trigger 4
         41 decline 4 => abort 4, fail
         50 tick => ",
    );
}

#[test]
fn a_failed_commit_or_a_newer_owner_is_never_tolerated() {
    let tolerant = CheckpointSettings { tolerable_failures: 9, ..settings(10, 0, 1) };
    check(&tolerant, 1, 1, "10 tick => trigger 1\n11 ack 1 0 => write 1\n12 written 1 => commit 1\n13 uncommitted 1 => fail\n99 tick => ");
    check(&tolerant, 1, 1, "10 tick => trigger 1\n11 ack 1 0 => write 1\n12 lost => fail\n13 written 1 => ");
}

#[test]
fn the_last_checkpoint_waits_for_those_under_way_and_is_tried_again() {
    let tolerant = CheckpointSettings { tolerable_failures: 1, ..settings(10, 50, 1) };
    check(
        &tolerant,
        2,
        2,
        "5 ended 0 => 
         6 ended 0 => 
         10 tick => trigger 1
         11 ended 1 => 
         12 stop => 
         13 ack 1 0 => 
         14 ack 1 1 => write 1
         15 written 1 => commit 1
         16 committed 1 => notify 1, drain 2
         17 decline 2 => abort 2
         18 tick => 
         217 tick => drain 3
         218 ack 3 0 => 
         219 ack 3 1 => write 3
         220 written 3 => commit 3
         221 committed 3 => notify 3, finish
         230 tick => ",
    );
    check(
        &settings(10, 50, 1),
        1,
        1,
        "1 stop => stop 1\n2 ended 0 => \n3 ack 1 0 => write 1\n4 written 1 => commit 1\n5 committed 1 => notify 1, finish",
    );
}

#[test]
fn an_unaligned_checkpoint_overtakes_at_once_or_after_its_patience_and_the_last_never_does() {
    let patient = CheckpointSettings { unaligned: true, aligned_timeout: Duration::from_millis(5), ..settings(10, 0, 1) };
    let impatient = CheckpointSettings { aligned_timeout: Duration::ZERO, ..patient.clone() };
    check(&impatient, 1, 1, "10 tick => trigger 1, unalign 1\n20 tick => ");
    check(&patient, 1, 1, "10 tick => trigger 1\n14 tick => \n15 tick => unalign 1\n16 tick => ");
    check(&patient, 1, 1, "10 tick => trigger 1\n14 ack 1 0 => write 1\n15 tick => ");
    check(&impatient, 1, 1, "1 stop => stop 1\n9 tick => ");
}

/// Chances of a random run, each a number that picks one of the things that can happen.
fn chances() -> impl Strategy<Value = Vec<(u8, u8, u16)>> {
    proptest::collection::vec((any::<u8>(), any::<u8>(), 0u16..40), 1..400)
}

/// What is known about a checkpoint from outside.
#[derive(Debug, Default)]
struct Seen {
    acked: BTreeSet<u32>,
    triggered_ms: u64,
    kind: Option<BarrierKind>,
    is_aborted: bool,
    is_written: bool,
    is_committing: bool,
    is_notified: bool,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn no_order_of_events_completes_a_checkpoint_that_isn_t_whole(
        chances in chances(), tasks in 1u32..4, concurrent in 1u32..4, min_pause in 0u64..60, tolerable in 0u32..4, unaligned: bool,
    ) {
        let settings = CheckpointSettings { tolerable_failures: tolerable, unaligned, aligned_timeout: Duration::from_millis(30), ..settings(20, min_pause, concurrent) };
        let mut coordinator = Coordinator::new(&settings, tasks, tasks, CheckpointId(7), 0);
        let mut seen = BTreeMap::<u64, Seen>::new();
        let (mut asked_for, mut swap_failed) = (0i32, false);
        let (mut now_ms, mut last_end_ms, mut in_row, mut is_over, mut last_kind) = (0u64, None::<u64>, 0u32, false, None);
        for (what, which, passed) in chances {
            let wake = coordinator.next_wake_ms();
            now_ms += u64::from(passed);
            // Before it is due a tick does nothing; when it is due it does something.
            if let Some(wake_ms) = wake.filter(|wake_ms| *wake_ms <= now_ms) {
                now_ms = wake_ms;
            }
            let ids: Vec<_> = seen.keys().copied().collect();
            let id = CheckpointId(if ids.is_empty() { 7 } else { ids[ids.len() - 1 - (usize::from(which) / 3) % ids.len().min(4)] });
            let task = u32::from(which) % (tasks + 1);
            let pending = |phase: fn(&Seen) -> bool| seen.iter().find(|(_, one)| !one.is_aborted && phase(one)).map(|(id, _)| CheckpointId(*id));
            let event = if wake.is_some_and(|wake_ms| wake_ms == now_ms) { Event::Tick } else { match what % 32 {
                0 => Event::Declined { checkpoint: id, task: TaskId(task), why: error("declined") },
                1 => Event::ManifestFailed { checkpoint: id, why: error("unwritten") },
                2 if which < 20 => Event::CommitFailed { checkpoint: id, why: error("uncommitted") },
                3 if which < 20 => Event::Stop,
                4 => Event::SourceEnded { task: TaskId(task % tasks) },
                5 if which < 60 && !coordinator.is_ending() => Event::Savepoint,
                6 if which < 60 && !coordinator.is_ending() => Event::Swap,
                5..=9 => Event::Tick,
                10..=14 => Event::ManifestWritten { checkpoint: pending(|one| one.is_written && !one.is_committing).unwrap_or(id) },
                15..=18 => Event::Committed { checkpoint: pending(|one| one.is_committing && !one.is_notified).unwrap_or(id) },
                _ => Event::Acked { checkpoint: id, task: TaskId(task) },
            } };
            let is_early_tick = event == Event::Tick && wake.is_none_or(|wake_ms| wake_ms > now_ms);
            let is_due_tick = event == Event::Tick && !is_early_tick;
            if let (Event::Acked { checkpoint, task }, Some(one)) = (&event, seen.get_mut(&id.0)) {
                prop_assert_eq!(*checkpoint, id);
                if task.0 < tasks && !one.is_aborted { one.acked.insert(task.0); }
            }
            let is_fatal = matches!(event, Event::CommitFailed { .. });
            if !is_over {
                asked_for += match event { Event::Savepoint => 1, Event::Swap => 2, _ => 0 };
            }
            let written = if let Event::ManifestWritten { checkpoint } = event { Some(checkpoint.0) } else { None };
            let actions = coordinator.on(event, now_ms, 0);
            prop_assert!(!is_early_tick || actions.is_empty(), "an early tick did {:?}", actions);
            prop_assert!(!is_due_tick || !actions.is_empty(), "a tick that was due at {now_ms} did nothing");
            prop_assert!(!is_over || actions.is_empty(), "after the end: {:?}", actions);
            for action in actions {
                match action {
                    Action::Trigger(barrier) => {
                        let id = barrier.checkpoint.0;
                        prop_assert!(seen.keys().next_back().is_none_or(|last| *last < id), "ids ascend");
                        prop_assert!(last_kind.is_none_or(|kind| kind == barrier.kind), "nothing follows a last one but another try");
                        if barrier.kind.is_last() {
                            last_kind = Some(barrier.kind);
                            prop_assert!(seen.values().all(|one| one.is_aborted || one.is_notified), "the last one waits");
                        } else {
                            let is_asked_for = asked_for > 0;
                            asked_for -= i32::from(is_asked_for);
                            prop_assert!(is_asked_for || barrier.kind == BarrierKind::Checkpoint, "nobody asked for it");
                            let alone = seen.values().all(|one| one.is_aborted || one.is_notified);
                            prop_assert!(!is_asked_for || alone, "what was asked for runs alone");
                            prop_assert!(is_asked_for || last_end_ms.is_none_or(|end_ms| now_ms >= end_ms + min_pause), "min-pause");
                        }
                        seen.insert(id, Seen { triggered_ms: now_ms, kind: Some(barrier.kind), ..Seen::default() });
                        let under_way = seen.values().filter(|one| !one.is_aborted && !one.is_notified).count();
                        prop_assert!(under_way <= if unaligned { 1 } else { concurrent as usize }, "max-concurrent");
                    }
                    Action::Unalign(barrier) => prop_assert!(unaligned && !barrier.kind.is_last()),
                    Action::WriteManifest(id) => {
                        prop_assert!(seen.values().all(|one| one.is_aborted || one.is_notified || !one.is_written), "one at a time");
                        let one = seen.get_mut(&id.0).unwrap();
                        prop_assert!(!one.is_aborted && !one.is_written && one.acked.len() == tasks as usize, "an incomplete checkpoint is written");
                        one.is_written = true;
                    }
                    Action::WriteSavepoint(id) => {
                        let one = seen.get_mut(&id.0).unwrap();
                        prop_assert!(one.kind == Some(BarrierKind::Savepoint) && one.acked.len() == tasks as usize && !one.is_notified);
                        one.is_notified = true;
                        last_end_ms = Some(now_ms);
                    }
                    Action::Commit(id) => {
                        prop_assert_eq!(written, Some(id.0));
                        prop_assert!(seen.iter().all(|(other, one)| *other <= id.0 || !one.is_committing), "commits in the order of ids");
                        let one = seen.get_mut(&id.0).unwrap();
                        prop_assert!(one.is_written && !one.is_aborted && !one.is_committing);
                        one.is_committing = true;
                        in_row = 0;
                    }
                    Action::NotifyCompleted(id) => {
                        let one = seen.get_mut(&id.0).unwrap();
                        prop_assert!(one.is_committing && !one.is_notified, "complete twice");
                        one.is_notified = true;
                        last_end_ms = Some(now_ms);
                    }
                    Action::Abort { checkpoint, why } => {
                        let one = seen.get_mut(&checkpoint.0).unwrap();
                        prop_assert!(!one.is_committing && !one.is_aborted);
                        one.is_aborted = true;
                        last_end_ms = Some(now_ms);
                        prop_assert!(!one.is_notified);
                        swap_failed |= one.kind == Some(BarrierKind::Swap);
                        if !why.why.contains("was complete before it") && one.kind != Some(BarrierKind::Savepoint) { in_row += 1; }
                        if why.what.contains("given up") { prop_assert!(now_ms >= one.triggered_ms + 100); }
                    }
                    Action::Fail(_) => {
                        prop_assert!(is_fatal || swap_failed || in_row > tolerable, "failed after {in_row} of {tolerable}");
                        is_over = true;
                    }
                    Action::Finish => is_over = true,
                }
            }
            prop_assert!(is_over || in_row <= tolerable);
            let is_late = |one: &&Seen| !one.is_aborted && !one.is_written && one.acked.len() < tasks as usize && now_ms >= one.triggered_ms + 100;
            prop_assert!(is_over || seen.values().find(is_late).is_none(), "the timeout passed unnoticed");
        }
    }
}
