//! How far a running job is, on a terminal.

use std::collections::VecDeque;
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use weir_runtime::metrics::{JobMetrics, NodeMetrics};

use crate::output::{bytes, percent, printable, rough_count, seconds};

/// Nodes that have a line each; a screen has only so many.
const NODES_MAX: usize = 12;
/// The time over which records per second are taken.
const RATE_WINDOW_NS: u64 = 2_000_000_000;

/// What is on the screen now, if anything.
static SHOWN: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Does something that writes to the terminal, with the progress out of the way.
pub(crate) fn aside<R>(write: impl FnOnce() -> R) -> R {
    let shown = SHOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    match shown {
        Some(shown) => shown.suspend(write),
        None => write(),
    }
}

fn show(shown: Option<MultiProgress>) {
    *SHOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = shown;
}

/// The progress of one job. Dropping it clears the screen of it.
pub(crate) struct Progress {
    lines: MultiProgress,
    head: ProgressBar,
    nodes: Vec<ProgressBar>,
    start_ns: u64,
    last: Sample,
    /// Time and records read, the oldest first.
    history: VecDeque<(u64, u64)>,
}

impl Progress {
    /// Shows the progress of a job that started at `now_ns`.
    pub(crate) fn start(metrics: &JobMetrics, now_ns: u64) -> Self {
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let head = match metrics.bytes_total() {
            Some(total) => styled(ProgressBar::new(total), "[{bar:20}] {wide_msg}"),
            None => styled(ProgressBar::no_length(), "{spinner} {wide_msg}"),
        };
        let head = lines.add(head);
        let shown = metrics.nodes.len().min(NODES_MAX);
        let nodes = (0..shown).map(|_| lines.add(styled(ProgressBar::no_length(), "{wide_msg}"))).collect();
        show(Some(lines.clone()));
        Self { lines, head, nodes, start_ns: now_ns, last: Sample::take(metrics, now_ns), history: VecDeque::new() }
    }

    /// Brings the screen up to date.
    pub(crate) fn tick(&mut self, metrics: &JobMetrics, now_ns: u64) {
        let sample = Sample::take(metrics, now_ns);
        self.history.push_back((now_ns, sample.records_read));
        while self.history.front().is_some_and(|(ns, _)| now_ns.saturating_sub(*ns) > RATE_WINDOW_NS) {
            self.history.pop_front();
        }
        let (from_ns, from_records) = self.history.front().copied().unwrap_or((now_ns, sample.records_read));
        let rate = per_second(sample.records_read.saturating_sub(from_records), now_ns.saturating_sub(from_ns));
        let elapsed_ns = now_ns.saturating_sub(self.start_ns);
        if let Some(total) = metrics.bytes_total() {
            self.head.set_position(sample.bytes_read.min(total));
        } else {
            self.head.tick();
        }
        self.head.set_message(head_line(&sample, metrics.bytes_total(), rate, elapsed_ns));
        let name_width = metrics.nodes.iter().take(NODES_MAX).map(|node| node.uid.as_str().len()).max().unwrap_or_default();
        for (((line, node), now), last) in self.nodes.iter().zip(&metrics.nodes).zip(&sample.nodes).zip(&self.last.nodes) {
            let window_ns = now_ns.saturating_sub(self.last.at_ns).saturating_mul(node.subtasks.len() as u64);
            line.set_message(node_line(node.uid.as_str(), name_width, now, last, window_ns));
        }
        self.last = sample;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        show(None);
        // Nothing can be done about a terminal that is gone.
        drop(self.lines.clear());
        // The lines would draw themselves once more as they are dropped.
        self.lines.set_draw_target(ProgressDrawTarget::hidden());
    }
}

/// Removes the progress from the screen for good, for an end of the process in its middle.
pub(crate) fn clear() {
    let shown = SHOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    drop(shown.map(|shown| shown.clear()));
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

/// What has been counted at some moment.
struct Sample {
    at_ns: u64,
    records_read: u64,
    bytes_read: u64,
    nodes: Vec<NodeSample>,
}

#[derive(Clone, Copy, Default)]
struct NodeSample {
    records_in: u64,
    records_out: u64,
    busy_ns: u64,
    idle_ns: u64,
    back_pressured_ns: u64,
}

impl Sample {
    fn take(metrics: &JobMetrics, at_ns: u64) -> Self {
        let nodes = metrics.nodes.iter().map(|node| NodeSample {
            records_in: node.sum(|subtask| &subtask.records_in),
            records_out: node.sum(|subtask| &subtask.records_out),
            busy_ns: node.sum(|subtask| &subtask.busy_ns),
            idle_ns: node.sum(|subtask| &subtask.idle_ns),
            back_pressured_ns: node.sum(|subtask| &subtask.back_pressured_ns),
        });
        let (records_read, bytes_read) = read_by_sources(&metrics.nodes);
        Self { at_ns, records_read, bytes_read, nodes: nodes.collect() }
    }
}

/// Records and bytes that the sources have read: they are the nodes that nothing comes into.
fn read_by_sources(nodes: &[NodeMetrics]) -> (u64, u64) {
    let sources = nodes.iter().filter(|node| node.sum(|subtask| &subtask.records_in) == 0);
    sources.fold((0, 0), |(records, bytes), node| (records + node.sum(|subtask| &subtask.records_out), bytes + node.sum(|subtask| &subtask.bytes_in)))
}

fn per_second(number: u64, ns: u64) -> f64 {
    if ns == 0 { 0.0 } else { number as f64 / (ns as f64 / 1e9) }
}

fn head_line(sample: &Sample, bytes_total: Option<u64>, records_per_second: f64, elapsed_ns: u64) -> String {
    let read = match bytes_total {
        Some(total) if total > 0 => {
            let share = sample.bytes_read as f64 / total as f64;
            format!("{} of {} ({})", bytes(sample.bytes_read), bytes(total), percent(share))
        }
        _ => bytes(sample.bytes_read),
    };
    let elapsed = seconds(elapsed_ns as f64 / 1e9);
    format!("{read}, {} records, {}/s, {elapsed}", rough_count(sample.records_read), rough_count(records_per_second as u64))
}

fn node_line(name: &str, name_width: usize, now: &NodeSample, last: &NodeSample, window_ns: u64) -> String {
    let share = |now: u64, last: u64| if window_ns == 0 { 0.0 } else { now.saturating_sub(last) as f64 / window_ns as f64 };
    format!(
        "  {:<name_width$}  in {:>7}  out {:>7}  busy {:>4}  idle {:>4}  back-pressured {:>4}",
        printable(name),
        rough_count(now.records_in),
        rough_count(now.records_out),
        percent(share(now.busy_ns, last.busy_ns)),
        percent(share(now.idle_ns, last.idle_ns)),
        percent(share(now.back_pressured_ns, last.back_pressured_ns)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_how_far_the_job_is() {
        let sample = Sample { at_ns: 0, records_read: 40_000, bytes_read: 1 << 20, nodes: Vec::new() };
        let check = |total, expected: &str| assert_eq!(head_line(&sample, total, 12_345.6, 3_400_000_000), expected);
        check(Some(4 << 20), "1.0 MiB of 4.0 MiB (25%), 40.0 k records, 12.3 k/s, 3.40 s");
        check(Some(0), "1.0 MiB, 40.0 k records, 12.3 k/s, 3.40 s");
        check(None, "1.0 MiB, 40.0 k records, 12.3 k/s, 3.40 s");
    }

    #[test]
    fn a_nodes_line_shows_shares_of_the_last_moment() {
        let last = NodeSample { busy_ns: 1_000, ..NodeSample::default() };
        let now = NodeSample { records_in: 7, records_out: 1_234, busy_ns: 1_500, idle_ns: 0, back_pressured_ns: 250 };
        let expected = "  count   in       7  out   1,234  busy  50%  idle   0%  back-pressured  25%";
        assert_eq!(node_line("count", 6, &now, &last, 1_000), expected);
        assert!(node_line("count", 6, &now, &last, 0).contains("busy   0%"));
    }

    #[test]
    fn the_templates_are_understood() {
        for template in ["[{bar:20}] {wide_msg}", "{spinner} {wide_msg}", "{wide_msg}"] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
