//! What a job's checkpoints were like, for people: kept in step with the protocol, written beside the checkpoints.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use weir_checkpoint::coordinator::TaskId;
use weir_checkpoint::stats::{CheckpointStats, OperatorTasks, Stats, SubtaskTimings};
use weir_model::Error;
use weir_model::element::Barrier;
use weir_model::graph::NodeIndex;
use weir_model::id::CheckpointId;

use crate::checkpointing::TaskSide;
use crate::plan::Plan;
use crate::upload::TaskAck;

/// How often what has changed is written, at most.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// The history of a job's checkpoints, as far as an attempt knows it.
#[derive(Debug)]
pub(crate) struct History {
    stats: Stats,
    uids: Vec<String>,
    /// When what has changed is to be written.
    due: Option<Instant>,
    last_written: Option<Instant>,
}

impl History {
    pub(crate) fn new(plan: &Plan, tasks: &[TaskSide], before: Option<CheckpointStats>, restored: Option<CheckpointId>, now_ms: i64) -> Self {
        let mut by_node: BTreeMap<usize, Vec<TaskId>> = BTreeMap::new();
        for (task, side) in (0..).map(TaskId).zip(tasks) {
            side.nodes.iter().for_each(|node| by_node.entry(*node).or_default().push(task));
        }
        let uids: Vec<_> = plan.nodes.iter().map(|node| node.uid.to_string()).collect();
        let operators = uids.iter().enumerate();
        let operators = operators.map(|(node, uid)| OperatorTasks {
            uid: uid.clone(),
            tasks: by_node.remove(&node).unwrap_or_default(),
            inputs: plan.inputs(NodeIndex(node)).filter_map(|edge| uids.get(edge.from.0).cloned()).collect(),
        });
        let mut stats = Stats::new(&plan.name, operators.collect(), before);
        if let Some(checkpoint) = restored {
            stats.restored(checkpoint, now_ms);
        }
        Self { stats, uids, due: None, last_written: None }
    }

    /// The process has started the job again so many times.
    pub(crate) fn restarted(&mut self, restarts: u64) {
        self.stats.restarted(restarts);
    }

    pub(crate) fn triggered(&mut self, barrier: Barrier) {
        self.stats.triggered(barrier);
        self.changed();
    }

    pub(crate) fn acked(&mut self, ack: &TaskAck) {
        let us = |ns: u64| ns / 1000;
        let timings = ack.nodes.iter().filter_map(|node| {
            let timings = SubtaskTimings {
                start_delay_ms: ack.timings.start_delay_ms,
                alignment_ms: ack.timings.alignment_ms,
                sync_us: us(ack.timings.sync_ns),
                async_us: us(ack.async_ns),
                bytes: node.written_bytes,
                full_bytes: node.snapshot.files.iter().map(|file| file.bytes).sum(),
                in_flight_bytes: node.snapshot.in_flight.as_ref().map_or(0, |file| file.bytes),
            };
            Some((self.uids.get(node.node)?.as_str(), timings))
        });
        self.stats.acked(ack.checkpoint, ack.task, &timings.collect::<Vec<_>>());
        self.changed();
    }

    pub(crate) fn completed(&mut self, checkpoint: CheckpointId, now_ms: i64) {
        self.stats.completed(checkpoint, now_ms);
        self.changed();
    }

    pub(crate) fn failed(&mut self, checkpoint: CheckpointId, why: &Error, now_ms: i64) {
        self.stats.failed(checkpoint, why, now_ms);
        self.changed();
    }

    /// The attempt ends with this error, and with it every checkpoint that is under way.
    pub(crate) fn attempt_failed(&mut self, why: &Error, now_ms: i64) {
        self.stats.attempt_failed(why, now_ms);
    }

    /// What is to be written.
    pub(crate) fn status(&mut self, now_ms: i64) -> Vec<u8> {
        self.due = None;
        self.last_written = Some(Instant::now());
        self.stats.snapshot(now_ms).to_json()
    }

    /// Waits until something is to be written; for ever when nothing has changed.
    pub(crate) async fn due(due: Option<Instant>) {
        match due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.due
    }

    fn changed(&mut self) {
        if self.due.is_none() {
            // The first change at once: a job may be killed before long.
            self.due = Some(self.last_written.map_or_else(Instant::now, |last| last + WRITE_INTERVAL));
        }
    }
}
