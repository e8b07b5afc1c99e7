//! Requests, reports and status as they go through a socket, and as `--json` shows them.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_checkpoint::manifest::Thresholds;
use weir_model::id::{OperatorUid, PluginDigest};
use weir_model::{Error, Result};
use weir_runtime::control::{SavepointReport, SavepointRequest, ShadowReport, SwapReport, SwapRequest};
use weir_runtime::live::{JobStatus, NodeStatus, Phase, SwapPhase, SwapStatus};

/// A savepoint that somebody wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavepointAsk {
    /// The folder or URL, absolute.
    pub(crate) dir: Option<String>,
    pub(crate) then: Then,
    pub(crate) include_plugins: bool,
}

/// What the job does then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Then {
    #[default]
    GoOn,
    Stop,
    Drain,
    Cancel,
}

/// A savepoint that was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavepointTaken {
    pub(crate) location: String,
    pub(crate) checkpoint: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) took_ms: u64,
}

/// New versions of operators that somebody wants.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SwapAsk {
    pub(crate) uids: Vec<String>,
    /// The plugin, absolute.
    pub(crate) file: PathBuf,
    pub(crate) digest: String,
    pub(crate) function: Option<String>,
    pub(crate) dropped_states: Vec<String>,
    pub(crate) shadow_ms: Option<u64>,
    pub(crate) diff_max: f64,
    pub(crate) probation: u32,
    pub(crate) traps_max: u64,
    pub(crate) errors_ppm_max: u32,
    pub(crate) call_ms_max: Option<u64>,
}

/// Operators that go on with a new version.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SwapDone {
    pub(crate) checkpoint: u64,
    pub(crate) before: Vec<Before>,
    pub(crate) digest: String,
    pub(crate) shadow: Option<Shadow>,
    pub(crate) probation: u32,
    pub(crate) held_us: u64,
}

/// What an operator ran before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Before {
    pub(crate) uid: String,
    pub(crate) digest: String,
}

/// How a new version differs from the old one on the same records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shadow {
    pub(crate) records: u64,
    pub(crate) differing: u64,
    pub(crate) keys: u64,
    pub(crate) failed: u64,
    #[serde(default)]
    pub(crate) first_failure: Option<String>,
    pub(crate) examples: Vec<ShadowExample>,
}

/// One difference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShadowExample {
    pub(crate) uid: String,
    pub(crate) key: String,
    pub(crate) old: Option<String>,
    pub(crate) new: Option<String>,
}

/// How a job is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) name: String,
    pub(crate) phase: String,
    /// When this was so: a clock of the job's process that never jumps, nanoseconds.
    pub(crate) at_ns: u64,
    pub(crate) restarts: u64,
    pub(crate) completed_checkpoints: u64,
    pub(crate) failed_checkpoints: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) swap: Option<Swap>,
}

/// How a node is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) uid: String,
    pub(crate) kind: String,
    pub(crate) parallelism: u32,
    pub(crate) function: Option<String>,
    /// The plugin that runs.
    pub(crate) digest: Option<String>,
    /// The plugin that the job file names.
    pub(crate) file_digest: Option<String>,
    pub(crate) records_in: u64,
    pub(crate) records_out: u64,
    pub(crate) keys: u64,
    pub(crate) busy_ns: u64,
}

impl Node {
    /// Whether another version runs than the job file names.
    pub(crate) fn is_swapped(&self) -> bool {
        self.digest != self.file_digest
    }
}

/// A swap that isn't over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Swap {
    pub(crate) uids: Vec<String>,
    pub(crate) before: String,
    pub(crate) digest: Option<String>,
    /// How far it is, in words.
    pub(crate) phase: String,
    /// Checkpoints that are left of its trial.
    pub(crate) probation: Option<u32>,
}

impl From<SavepointAsk> for SavepointRequest {
    fn from(SavepointAsk { dir, then, include_plugins }: SavepointAsk) -> Self {
        use weir_runtime::control::Then as Next;
        let then = match then {
            Then::GoOn => Next::GoOn,
            Then::Stop => Next::Stop,
            Then::Drain => Next::Drain,
            Then::Cancel => Next::Cancel,
        };
        Self { dir, then, include_plugins }
    }
}

impl From<SavepointReport> for SavepointTaken {
    fn from(SavepointReport { location, checkpoint, rows, bytes, took_ms }: SavepointReport) -> Self {
        Self { location, checkpoint: checkpoint.0, rows, bytes, took_ms }
    }
}

impl TryFrom<SwapAsk> for SwapRequest {
    type Error = Error;

    fn try_from(ask: SwapAsk) -> Result<Self> {
        let is_share = (0.0..=1.0).contains(&ask.diff_max);
        let digest = PluginDigest::from_hex(&ask.digest).filter(|_| is_share);
        let unreadable = || Error::usage("the swap", "the message on the job's socket names no digest, or no share from 0 to 1", "use `weir swap`");
        Ok(Self {
            uids: ask.uids.iter().map(|uid| OperatorUid::new(uid)).collect::<Result<_>>()?,
            file: ask.file,
            digest: Some(digest.ok_or_else(unreadable)?),
            function: ask.function,
            dropped_states: ask.dropped_states,
            shadow: ask.shadow_ms.map(Duration::from_millis),
            diff_max: ask.diff_max,
            probation: ask.probation,
            thresholds: Thresholds { traps_max: ask.traps_max, errors_ppm_max: ask.errors_ppm_max, call_ms_max: ask.call_ms_max },
        })
    }
}

impl From<SwapReport> for SwapDone {
    fn from(report: SwapReport) -> Self {
        Self {
            checkpoint: report.checkpoint.0,
            before: report.before.into_iter().map(|(uid, digest)| Before { uid: uid.to_string(), digest: digest.to_string() }).collect(),
            digest: report.digest.to_string(),
            shadow: report.shadow.map(Into::into),
            probation: report.probation,
            held_us: report.held_us,
        }
    }
}

impl From<ShadowReport> for Shadow {
    fn from(ShadowReport { records, differing, keys, failed, first_failure, examples, .. }: ShadowReport) -> Self {
        let examples =
            examples.into_iter().map(|example| ShadowExample { uid: example.uid.to_string(), key: example.key, old: example.old, new: example.new });
        Self { records, differing, keys, failed, first_failure, examples: examples.collect() }
    }
}

impl Status {
    /// The status of a job at some moment of its clock.
    pub(crate) fn of(status: JobStatus, at_ns: u64) -> Self {
        let phase = match status.phase {
            Phase::Running => "running",
            Phase::Restarting => "restarting",
            Phase::Ending => "ending",
            Phase::Cancelled => "cancelled",
        };
        Self {
            name: status.name,
            phase: phase.to_owned(),
            at_ns,
            restarts: status.restarts,
            completed_checkpoints: status.completed_checkpoints,
            failed_checkpoints: status.failed_checkpoints,
            nodes: status.nodes.into_iter().map(Into::into).collect(),
            swap: status.swap.map(Into::into),
        }
    }
}

impl From<NodeStatus> for Node {
    fn from(node: NodeStatus) -> Self {
        Self {
            uid: node.uid.to_string(),
            kind: node.kind.to_string(),
            parallelism: node.parallelism.get(),
            function: node.function,
            digest: node.digest.map(|digest| digest.to_string()),
            file_digest: node.file_digest.map(|digest| digest.to_string()),
            records_in: node.records_in,
            records_out: node.records_out,
            keys: node.keys,
            busy_ns: node.busy_ns,
        }
    }
}

impl From<SwapStatus> for Swap {
    fn from(swap: SwapStatus) -> Self {
        let (phase, probation) = match swap.phase {
            SwapPhase::Preparing => ("is being checked", None),
            SwapPhase::Shadow => ("runs beside the old version", None),
            SwapPhase::Barrier => ("waits for its barrier", None),
            SwapPhase::Probation(left) => ("on trial", Some(left)),
        };
        Self {
            uids: swap.uids.iter().map(ToString::to_string).collect(),
            before: swap.before.to_string(),
            digest: swap.digest.map(|digest| digest.to_string()),
            phase: phase.to_owned(),
            probation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_that_makes_no_sense_is_refused() {
        let digest = PluginDigest([0xa7; 32]);
        let good = SwapAsk { uids: vec!["count".to_owned()], digest: digest.to_string(), diff_max: 1.0, ..SwapAsk::default() };
        assert_eq!(SwapRequest::try_from(good.clone()).unwrap().digest, Some(digest));
        for wrong in [
            SwapAsk { uids: vec!["a.b".to_owned()], ..good.clone() },
            SwapAsk { digest: String::new(), ..good.clone() },
            SwapAsk { digest: "é".repeat(32), ..good.clone() },
            SwapAsk { diff_max: 1.5, ..good.clone() },
            SwapAsk { diff_max: f64::NAN, ..good.clone() },
        ] {
            assert!(SwapRequest::try_from(wrong.clone()).is_err(), "{wrong:?}");
        }
    }
}
