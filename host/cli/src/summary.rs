//! What a job did, when it has ended.

use serde_json::{Value, json};
use weir_model::Error;
use weir_runtime::metrics::{JobMetrics, NodeMetrics, SubtaskMetrics};
use weir_runtime::{Plan, PlannedKind};

use crate::output::{self, Table, bytes, count, percent, seconds};

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its input ended.
    Done,
    /// It was told to stop, and did.
    Interrupted,
    /// It was stopped with this savepoint.
    Stopped(String),
    /// It was cancelled, perhaps with this savepoint.
    Cancelled(Option<String>),
    /// It failed, or nobody wanted its output any more.
    Failed(Error),
}

impl Outcome {
    /// The word for it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Interrupted => "interrupted",
            Self::Stopped(_) => "stopped",
            Self::Cancelled(_) => "cancelled",
            Self::Failed(error) if error.kind == weir_model::ErrorKind::Interrupted => "interrupted",
            Self::Failed(_) => "failed",
        }
    }
}

/// What the whole process used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Used {
    /// From the start of the process to that of the job: reading, compiling, opening.
    pub(crate) startup_seconds: f64,
    /// CPU seconds of that time.
    pub(crate) startup_cpu_seconds: f64,
    /// From the start of the job to its end.
    pub(crate) seconds: f64,
    /// CPU seconds of that time, in all threads.
    pub(crate) cpu_seconds: f64,
    /// The most memory resident at once.
    pub(crate) peak_rss_bytes: u64,
}

/// What a job did.
pub(crate) struct Summary<'a> {
    /// What ran.
    pub(crate) plan: &'a Plan,
    /// What it counted.
    pub(crate) metrics: &'a JobMetrics,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// What it took.
    pub(crate) used: Used,
}

/// Terminals narrower than this show records and time only.
const COLUMNS_FOR_BYTES: u16 = 110;

/// A column that is only there when one of its figures isn't 0.
type Extra = (&'static str, &'static str, fn(&SubtaskMetrics) -> u64);

const EXTRAS: [Extra; 5] = [
    ("keys", ">KEYS", |subtask| subtask.keys.get()),
    ("skipped", ">SKIPPED", |subtask| subtask.skipped.get()),
    ("dead_letters", ">DEAD LETTERS", |subtask| subtask.dead_letters.get()),
    ("broken_instances", ">BROKEN INSTANCES", |subtask| subtask.broken_instances.get()),
    ("recycled_instances", ">RECYCLED INSTANCES", |subtask| subtask.recycled_instances.get()),
];

impl Summary<'_> {
    /// Records and bytes that the sources have read.
    fn read(&self) -> (u64, u64) {
        let sources = self.nodes().filter(|(kind, _)| *kind == "source");
        sources.fold((0, 0), |(records, bytes), (_, node)| {
            (records + node.sum(|subtask| &subtask.records_out), bytes + node.sum(|subtask| &subtask.bytes_in))
        })
    }

    /// Each node with the word for what it is.
    fn nodes(&self) -> impl Iterator<Item = (&'static str, &NodeMetrics)> {
        let kinds = self.plan.nodes.iter().map(|node| match node.kind {
            PlannedKind::Source(_) => "source",
            PlannedKind::Operator(_) => "operator",
            PlannedKind::Sink(_) => "sink",
        });
        kinds.zip(&self.metrics.nodes)
    }

    /// Checkpoints completed and failed, and restarts, since the job was started.
    fn protocol(&self) -> (u64, u64, u64) {
        (self.metrics.completed_checkpoints.get(), self.metrics.failed_checkpoints.get(), self.metrics.restarts.get())
    }

    fn cpu_seconds_per_million_records(&self) -> Option<f64> {
        let (records, _) = self.read();
        (records > 0).then(|| self.used.cpu_seconds * 1e6 / records as f64)
    }

    /// The summary for a person; a terminal of few `columns` gets fewer figures.
    pub(crate) fn text(&self, columns: Option<u16>) -> String {
        let (records, read_bytes) = self.read();
        let rate = if self.used.seconds > 0.0 { records as f64 / self.used.seconds } else { 0.0 };
        let per_million = self.cpu_seconds_per_million_records().map(|cpu| format!(" ({cpu:.2} s per million records)")).unwrap_or_default();
        let mut text = format!(
            "{}: {} in {}, {} records and {} read, {} records/s\nCPU {}{per_million}, peak memory {}, start {}\n\n",
            self.plan.name,
            self.outcome.name(),
            seconds(self.used.seconds),
            count(records),
            bytes(read_bytes),
            count(rate as u64),
            seconds(self.used.cpu_seconds),
            bytes(self.used.peak_rss_bytes),
            seconds(self.used.startup_seconds),
        );
        if self.plan.checkpointing.is_some() || self.metrics.restarts.get() > 0 {
            let (completed, failed, restarts) = self.protocol();
            let again = if restarts == 0 { "" } else { "; the figures are those since the last restart" };
            text.truncate(text.trim_end().len());
            let figures = [completed, failed, restarts].map(count);
            let [completed, failed, restarts] = figures;
            text.push_str(&format!("\ncheckpoints: {completed} completed, {failed} failed; restarts: {restarts}{again}\n\n"));
        }
        // Wider lines than the terminal's are better than broken figures.
        text.push_str(&self.table(columns.is_none_or(|columns| columns >= COLUMNS_FOR_BYTES)).render(None));
        for (_, node) in self.nodes() {
            let counters = node.counters.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            for (name, total) in counters.iter() {
                text.push_str(&output::printable(&format!("{} counted {name}: {}\n", node.uid, count(*total))));
            }
        }
        text
    }

    fn table(&self, with_bytes: bool) -> Table {
        let mut heading = vec!["NODE", ">RECORDS IN", ">RECORDS OUT"];
        if with_bytes {
            heading.extend([">BYTES IN", ">BYTES OUT"]);
        }
        heading.extend([">BUSY", ">IDLE", ">BACK-PRESSURED"]);
        let extra = |node: &NodeMetrics, of: fn(&SubtaskMetrics) -> u64| node.subtasks.iter().map(|subtask| of(subtask)).sum::<u64>();
        let extras: Vec<_> = EXTRAS.iter().filter(|(.., of)| self.metrics.nodes.iter().any(|node| extra(node, *of) > 0)).collect();
        heading.extend(extras.iter().map(|(_, heading, _)| *heading));
        let mut table = Table::new(&heading);
        for (_, node) in self.nodes() {
            let available_ns = self.used.seconds * 1e9 * node.subtasks.len() as f64;
            let share = |ns: u64| percent(if available_ns > 0.0 { ns as f64 / available_ns } else { 0.0 });
            let mut cells = vec![
                format!("{} ×{}", node.uid, node.subtasks.len()),
                count(node.sum(|subtask| &subtask.records_in)),
                count(node.sum(|subtask| &subtask.records_out)),
            ];
            if with_bytes {
                cells.extend([bytes(node.sum(|subtask| &subtask.bytes_in)), bytes(node.sum(|subtask| &subtask.bytes_out))]);
            }
            let times = [node.sum(|subtask| &subtask.busy_ns), node.sum(|subtask| &subtask.idle_ns), node.sum(|subtask| &subtask.back_pressured_ns)];
            cells.extend(times.map(share));
            cells.extend(extras.iter().map(|(.., of)| count(extra(node, *of))));
            table.row(cells);
        }
        table
    }

    /// The summary as data. The names of the fields are stable.
    pub(crate) fn json(&self) -> Value {
        let (records, read_bytes) = self.read();
        let (checkpoints_completed, checkpoints_failed, restarts) = self.protocol();
        let mut value = json!({
            "job": self.plan.name,
            "checkpoints_completed": checkpoints_completed,
            "checkpoints_failed": checkpoints_failed,
            "restarts": restarts,
            "outcome": self.outcome.name(),
            "seconds": self.used.seconds,
            "cpu_seconds": self.used.cpu_seconds,
            "cpu_seconds_per_million_records": self.cpu_seconds_per_million_records(),
            "startup_seconds": self.used.startup_seconds,
            "startup_cpu_seconds": self.used.startup_cpu_seconds,
            "peak_rss_bytes": self.used.peak_rss_bytes,
            "records_read": records,
            "bytes_read": read_bytes,
            "nodes": self.nodes().map(|(kind, node)| node_json(kind, node)).collect::<Vec<_>>(),
        });
        if let (Value::Object(fields), Outcome::Stopped(savepoint) | Outcome::Cancelled(Some(savepoint))) = (&mut value, &self.outcome) {
            fields.insert("savepoint".to_owned(), savepoint.as_str().into());
        }
        if let (Value::Object(fields), Outcome::Failed(error)) = (&mut value, &self.outcome)
            && let Value::Object(error) = output::error_json(error)
        {
            fields.extend(error);
        }
        value
    }
}

fn node_json(kind: &str, node: &NodeMetrics) -> Value {
    let subtasks: Vec<Value> = node.subtasks.iter().map(|subtask| figures(|of| of(subtask))).collect();
    let mut value = figures(|of| node.subtasks.iter().map(|subtask| of(subtask)).sum());
    if let Value::Object(fields) = &mut value {
        let counters = node.counters.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        fields.insert("uid".to_owned(), node.uid.as_str().into());
        fields.insert("kind".to_owned(), kind.into());
        fields.insert("parallelism".to_owned(), node.subtasks.len().into());
        fields.insert("counters".to_owned(), json!(*counters));
        fields.insert("subtasks".to_owned(), subtasks.into());
    }
    value
}

/// The figures of a subtask, or of several together.
fn figures(of: impl Fn(fn(&SubtaskMetrics) -> u64) -> u64) -> Value {
    let mut value = json!({
        "records_in": of(|subtask| subtask.records_in.get()),
        "records_out": of(|subtask| subtask.records_out.get()),
        "bytes_in": of(|subtask| subtask.bytes_in.get()),
        "bytes_out": of(|subtask| subtask.bytes_out.get()),
        "busy_ns": of(|subtask| subtask.busy_ns.get()),
        "idle_ns": of(|subtask| subtask.idle_ns.get()),
        "back_pressured_ns": of(|subtask| subtask.back_pressured_ns.get()),
    });
    if let Value::Object(fields) = &mut value {
        fields.extend(EXTRAS.iter().map(|(name, _, figure)| ((*name).to_owned(), of(*figure).into())));
    }
    value
}

#[cfg(test)]
mod tests;
