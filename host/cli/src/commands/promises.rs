//! What a job with checkpoints can promise about each record, said before it starts.

use weir_connect::sink::Promise;
use weir_connect::source::Replay;
use weir_model::settings::{CheckpointMode, CheckpointSettings};
use weir_runtime::{Plan, PlannedKind};

use crate::job::PlannedJob;
use crate::output;

/// Shows it on standard error; nothing for a job without checkpoints.
pub(crate) fn show(job: &PlannedJob) {
    if let Some(settings) = &job.plan.checkpointing {
        output::note(&text(&job.plan, settings));
    }
}

fn text(plan: &Plan, settings: &CheckpointSettings) -> String {
    let mode = match settings.mode {
        CheckpointMode::ExactlyOnce => "exactly once",
        CheckpointMode::AtLeastOnce => "at least once",
    };
    let interval = settings.interval.map_or("when asked for".to_owned(), |interval| format!("every {}", output::seconds(interval.as_secs_f64())));
    let mut lines = vec![format!("checkpoints: {interval}, {mode}, in {}/{}", settings.dir, weir_checkpoint::paths::job_id(&plan.name))];
    if settings.dir.starts_with("memory://") {
        lines.push("checkpoints in memory end with this process, and take at most 5 MiB a file".to_owned());
    }
    for node in &plan.nodes {
        match &node.kind {
            PlannedKind::Source(config) => {
                if let Replay::Never { why } = config.replay() {
                    lines.push(format!("source {}: at most once: {why}", node.uid));
                }
            }
            PlannedKind::Sink(config) => {
                if let Promise::AtLeastOnce { why } = config.promise() {
                    lines.push(format!("sink {}: at least once: {why}", node.uid));
                }
            }
            PlannedKind::Operator(_) => {}
        }
    }
    lines.join("\n")
}
