//! Migrations tried on what a snapshot holds, before a job goes on from it: nothing of it is kept.

use std::ops::ControlFlow;

use weir_checkpoint::compare::{Comparison, NodeComparison, StateComparison, Verdict};
use weir_checkpoint::savepoint::Snapshot;
use weir_model::describe::StateKind;
use weir_model::graph::OnError;
use weir_model::id::{OperatorUid, SubtaskIndex};
use weir_model::time::SharedClock;
use weir_model::{Error, Result};
use weir_plugin::{OperatorSubtask, TriedMigration};
use weir_state::{KeyedState, StateRow};

use super::SnapshotRows;
use crate::build::open_operator;
use crate::plan::{Plan, PlannedNode, PlannedOperator};

/// Values that are in memory at a time, and their bytes, about.
const PIECE_VALUES: u64 = 1 << 16;
const PIECE_BYTES: usize = 64 << 20;
/// Keys whose failure is kept.
const REFUSED_MAX: usize = 20;

/// How many values of each state are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Samples {
    /// All of them.
    All,
    /// This many, those that come first; which keys these are, their hash has decided.
    First(u64),
}

/// What a migration did to the values of one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryRun {
    /// The node.
    pub uid: OperatorUid,
    /// The state.
    pub state: String,
    /// The oldest schema version that values had, and the one that they were brought to.
    pub versions: (u32, u32),
    /// Values that can be migrated.
    pub migrated: u64,
    /// Bytes of those before and after, without their keys.
    pub bytes: (u64, u64),
    /// Values that can't be migrated.
    pub failed: u64,
    /// The first keys of those, and why.
    pub refused: Vec<(Vec<u8>, String)>,
    /// Nanoseconds that the migration took, without the reading of the snapshot.
    pub took_ns: u64,
    /// Whether there are values that were not tried.
    pub is_sample: bool,
    /// Why a job would fail.
    pub refusal: Option<Error>,
}

/// Tries every migration that a comparison of `plan` with `snapshot` has found.
///
/// # Errors
/// When the snapshot can't be read. What a function does wrong is part of what comes back.
pub async fn dry_run(plan: &Plan, snapshot: &Snapshot, compared: &Comparison, samples: Samples, clock: &SharedClock) -> Result<Vec<DryRun>> {
    let mut all = Vec::new();
    for node in &compared.nodes {
        let planned = plan.nodes.iter().find(|planned| planned.uid == node.uid);
        let Some((planned, operator)) = planned.and_then(|planned| Some((planned, planned.operator()?))) else { continue };
        for state in node.states.iter().filter(|state| state.verdict == Verdict::Migrated) {
            let trial = Trial { plan, planned, operator, node, state, snapshot, samples, clock };
            all.extend(trial.run().await?);
        }
    }
    Ok(all)
}

/// The migrations of one state.
struct Trial<'a> {
    plan: &'a Plan,
    planned: &'a PlannedNode,
    operator: &'a PlannedOperator,
    node: &'a NodeComparison,
    state: &'a StateComparison,
    snapshot: &'a Snapshot,
    samples: Samples,
    clock: &'a SharedClock,
}

/// Some values of older schema versions.
struct Piece {
    state: KeyedState,
    values: u64,
    is_last: bool,
}

impl Trial<'_> {
    async fn run(&self) -> Result<Option<DryRun>> {
        let (Some(before), Some(now)) = (&self.node.before, &self.state.now) else { return Ok(None) };
        let oldest = self.state.before.last().map_or(now.schema_version, |oldest| oldest.schema_version);
        let mut run = DryRun {
            uid: self.node.uid.clone(),
            state: self.state.name.clone(),
            versions: (oldest, now.schema_version),
            migrated: 0,
            bytes: (0, 0),
            failed: 0,
            refused: Vec::new(),
            took_ns: 0,
            is_sample: false,
            refusal: None,
        };
        let files = before.subtasks.iter().flat_map(|subtask| &subtask.files).cloned().collect();
        let groups = 0..self.snapshot.manifest().max_parallelism;
        let mut rows = SnapshotRows::open(self.snapshot.store(), files, Some(&self.state.name), groups).await?;
        let mut subtask = match self.subtask() {
            Ok(subtask) => subtask,
            Err(error) => return Ok(Some(DryRun { refusal: Some(error), ..run })),
        };
        let mut left = if let Samples::First(values) = self.samples { values } else { u64::MAX };
        loop {
            let piece = self.piece(&mut rows, left).await?;
            left -= piece.values.min(left);
            let begun_ns = self.clock.monotonic_ns();
            let tried = subtask.try_migrations(piece.state);
            run.took_ns += self.clock.monotonic_ns() - begun_ns;
            match tried {
                Ok(tried) => tried.into_iter().for_each(|tried| run.count(tried)),
                Err(error) => return Ok(Some(DryRun { refusal: Some(error), is_sample: true, ..run })),
            }
            if piece.is_last || left == 0 {
                run.is_sample = !piece.is_last;
                break;
            }
        }
        run.refusal = self.refusal(&run);
        Ok(Some(run))
    }

    fn subtask(&self) -> Result<OperatorSubtask> {
        open_operator(self.plan, self.planned, self.operator, (SubtaskIndex(0), Vec::new(), self.empty()), None)
    }

    fn empty(&self) -> KeyedState {
        let mut state = KeyedState::new(&self.operator.function.states, 0);
        state.set_time(self.clock.wall_ms());
        state
    }

    /// The next values of older schema versions.
    async fn piece(&self, rows: &mut SnapshotRows, values_max: u64) -> Result<Piece> {
        let mut state = self.empty();
        let other = |why: String| Error::incompatible(format!("`{}`: its migration can't be tried", self.node.uid), why, "use another savepoint");
        let numbers = state.accept(rows.states(), &|_| false).map_err(|error| other(error.to_string()))?;
        let current = self.state.now.as_ref().map_or(0, |now| now.schema_version);
        let is_older: Vec<bool> = rows.states().iter().map(|state| state.schema_version < current).collect();
        let is_list = self.state.now.as_ref().is_some_and(|now| now.kind == StateKind::List);
        let (mut values, mut bytes, mut failed) = (0, 0, None);
        let is_more = rows
            .next(|row| {
                let is_older = is_older.get(row.state).copied().unwrap_or_default();
                let Some(number) = numbers.get(row.state).copied().flatten().filter(|_| is_older) else { return ControlFlow::Continue(()) };
                failed = state.load(&StateRow { state: number, ..*row }).err();
                // Where the items of a list begin and end is no value.
                values += u64::from(!(is_list && row.sub_key.is_some_and(<[u8]>::is_empty)));
                bytes += row.key.len() + row.value.map_or(0, <[u8]>::len);
                let is_full = values >= PIECE_VALUES.min(values_max) || bytes >= PIECE_BYTES || failed.is_some();
                if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .await?;
        if let Some(error) = failed {
            return Err(other(error.to_string()));
        }
        state.loaded();
        Ok(Piece { state, values, is_last: !is_more })
    }

    /// Why a job would fail: not if it goes on without the records of such keys.
    fn refusal(&self, run: &DryRun) -> Option<Error> {
        let (_, why) = run.refused.first().filter(|_| self.operator.on_error == OnError::Fail)?;
        Some(Error::incompatible(
            format!("`{}` would fail when it comes to keys whose state can't be migrated", self.node.uid),
            why.clone(),
            "mend the migration, or set on-error = \"skip\" or \"dead-letter\" to go on without the records of such keys",
        ))
    }
}

impl DryRun {
    fn count(&mut self, tried: TriedMigration) {
        self.migrated += tried.migrated;
        self.bytes = (self.bytes.0 + tried.bytes.0, self.bytes.1 + tried.bytes.1);
        self.failed += tried.failed;
        let room = REFUSED_MAX.saturating_sub(self.refused.len());
        self.refused.extend(tried.refused.into_iter().take(room));
    }
}
