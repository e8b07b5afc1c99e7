//! How each fail point is reached: in which scenario, at which passage, and after what.

use weir_model::fail_point::FailPoint;

use crate::crash::case::{Case, Disturbance, Run};
use crate::crash::{SCENARIOS, Scenario, Storage};

/// How a run comes to a point.
#[derive(Debug, Clone, Copy)]
struct Way {
    scenario: &'static str,
    /// Which passage.
    at: u64,
    /// Fail points of a run before.
    before: Option<&'static str>,
}

/// Where a run is killed so that the next one goes on from a checkpoint whose output is not recorded as committed.
pub const BEFORE_RESTORE: &str = "all-committed-not-recorded=kill@2";

/// Whether only a run passes there that goes on from a checkpoint.
#[must_use]
pub fn is_of_restore(point: FailPoint) -> bool {
    matches!(
        point,
        FailPoint::ManifestRead
            | FailPoint::StateHalfLoaded
            | FailPoint::HandlesNotRecommitted
            | FailPoint::HalfRecommitted
            | FailPoint::FirstRecordBeforeNextCheckpoint
    )
}

/// Whether only a job passes there of which somebody asks a savepoint or a swap.
#[must_use]
pub fn is_asked_for(point: FailPoint) -> bool {
    matches!(
        point,
        FailPoint::SavepointHalfCopied | FailPoint::V2Compiled | FailPoint::V2Instantiated | FailPoint::V1Drained | FailPoint::RollbackStarted
    )
}

/// The points that every job can pass, in their order.
#[must_use]
pub fn unasked() -> Vec<FailPoint> {
    FailPoint::ALL.iter().copied().filter(|point| !is_asked_for(*point)).collect()
}

fn way(point: FailPoint) -> Way {
    // The second checkpoint: the first has nothing before it.
    let way = Way { scenario: "text", at: 2, before: None };
    match point {
        // Only a source that hasn't come to its end has another record.
        FailPoint::FirstRecordBeforeNextCheckpoint => Way { scenario: "generator, three retained", at: 1, before: Some(BEFORE_RESTORE) },
        _ if is_of_restore(point) => Way { at: 1, before: Some(BEFORE_RESTORE), ..way },
        FailPoint::TimeoutRacesAck | FailPoint::CancelledDuringUpload => Way { at: 1, ..way },
        FailPoint::InFlightHalfWritten => Way { scenario: "joined, unaligned", at: 1, ..way },
        FailPoint::CommitSentResponseLost => Way { scenario: "text, in S3", ..way },
        FailPoint::StoppedButRunning => Way { at: 1, ..way },
        _ => way,
    }
}

/// `WEIR_FAIL_POINTS` that arm a point at a passage, and what leads there.
#[must_use]
pub fn armed(point: FailPoint, act: &str, at: u64) -> String {
    let with = match point {
        // A checkpoint is given up because a sink's part of it fails.
        FailPoint::TimeoutRacesAck => "sink-flushed-not-acked=error@3,",
        // A task fails.
        FailPoint::CancelledDuringUpload => "snapshot-frozen=error@5,",
        _ => "",
    };
    format!("{with}{}={act}@{at}", point.name())
}

/// The scenario of that name.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn scenario(name: &str) -> &'static Scenario {
    SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap_or_else(|| panic!("there is no scenario {name:?}"))
}

/// Whether a job of that kind can pass there.
#[must_use]
pub fn is_passed_in(point: FailPoint, scenario: &Scenario) -> bool {
    match point {
        // Only a sink in an object store commits by a request.
        FailPoint::CommitSentResponseLost => scenario.storage == Storage::S3,
        // Only a disk has files that are half there.
        FailPoint::StateFileHalfWritten
        | FailPoint::StateFileNotSynced
        | FailPoint::ManifestHalfWritten
        | FailPoint::ManifestSyncedNotRenamed
        | FailPoint::ManifestRenamedDirNotSynced => scenario.storage == Storage::Folders,
        FailPoint::InFlightHalfWritten => scenario.checkpointing.contains("unaligned"),
        point => !is_asked_for(point),
    }
}

/// A case that is killed at `point` in its last disturbed run.
#[must_use]
pub fn kill_at(point: FailPoint) -> Case {
    disturb_at(point, "kill")
}

/// A case in which the step at `point` fails.
#[must_use]
pub fn fail_at(point: FailPoint) -> Case {
    disturb_at(point, "error")
}

fn disturb_at(point: FailPoint, act: &str) -> Case {
    let Way { scenario: name, at, before } = way(point);
    let scenario = *scenario(name);
    let run = |points: String| Run { disturbance: Disturbance::Points(points), parallelism: scenario.parallelism };
    let mut runs: Vec<Run> = before.map(|points| run(points.to_owned())).into_iter().collect();
    runs.push(run(armed(point, act, at)));
    Case { scenario, runs, last_parallelism: scenario.parallelism }
}
