//! The coordinator of a job's checkpoints: what has happened goes in, what is to be done comes out. No clock, no channel, no file.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use weir_model::Error;
use weir_model::element::{Barrier, BarrierKind};
use weir_model::id::CheckpointId;
use weir_model::settings::CheckpointSettings;

use crate::trigger::{Timetable, whole_ms};

#[cfg(test)]
pub(crate) mod tests;

/// The number of a task of a job, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u32);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// A task's part of a checkpoint is durable.
    Acked {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The task.
        task: TaskId,
    },
    /// A task can't do its part of a checkpoint.
    Declined {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The task.
        task: TaskId,
        /// Why not.
        why: Error,
    },
    /// The manifest exists and no newer owner does.
    ManifestWritten {
        /// The checkpoint.
        checkpoint: CheckpointId,
    },
    /// The manifest certainly doesn't exist.
    ManifestFailed {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// Why not.
        why: Error,
    },
    /// Everything that a checkpoint names is committed.
    Committed {
        /// The checkpoint.
        checkpoint: CheckpointId,
    },
    /// Something that a checkpoint names isn't committed, or nobody knows.
    CommitFailed {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// Why.
        why: Error,
    },
    /// The job can't go on, whatever is tolerated: a newer owner has fenced it, or nobody knows whether a manifest exists.
    Lost {
        /// Why.
        why: Error,
    },
    /// A source task has come to the end of its input; it stays alive.
    SourceEnded {
        /// The task.
        task: TaskId,
    },
    /// Somebody wants the job to stop with a last checkpoint.
    Stop,
    /// The same, but the operators finish first, as if the input had ended.
    Drain,
    /// Somebody wants a savepoint. Not to be said any more when [`Coordinator::is_ending`].
    Savepoint,
    /// New versions of operators are at hand: the tasks that run them have been told. Not to be said any more when [`Coordinator::is_ending`].
    Swap,
}

/// Something to be done, in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// To the source tasks: send this barrier.
    Trigger(Barrier),
    /// To all tasks: snapshot now, don't wait for the barriers.
    Unalign(Barrier),
    /// All tasks have acknowledged: write the manifest. One at a time, in the order of the numbers.
    WriteManifest(CheckpointId),
    /// All tasks have acknowledged a savepoint: write it. Nothing else waits for that, and no event need tell how it ended.
    WriteSavepoint(CheckpointId),
    /// The checkpoint exists: commit what it names, then record that.
    Commit(CheckpointId),
    /// To all tasks: the checkpoint is complete, and so is everything older.
    NotifyCompleted(CheckpointId),
    /// To all tasks: drop what is held for it. A state file of it may be part of a later checkpoint all the same: changes are written once.
    Abort {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// Why.
        why: Error,
    },
    /// The job fails. Nothing follows.
    Fail(Error),
    /// The last checkpoint is complete: the tasks may end. Nothing follows.
    Finish,
}

/// How far a checkpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Tasks are missing.
    Collecting,
    /// All have acknowledged; an older one is being completed.
    Acked,
    /// The manifest is being written.
    Writing,
    /// The manifest exists; what it names is being committed.
    Committing,
}

/// A checkpoint under way.
#[derive(Debug)]
struct UnderWay {
    barrier: Barrier,
    missing: BTreeSet<TaskId>,
    phase: Phase,
    expires_ms: u64,
    unalign_ms: Option<u64>,
}

/// What the last checkpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Not in sight.
    No,
    /// As soon as nothing is under way.
    Wanted(BarrierKind),
    /// The job has ended or failed.
    Over,
}

/// The coordinator. Times are monotonic milliseconds unless they say `wall`.
#[derive(Debug)]
pub struct Coordinator {
    timetable: Timetable,
    timeout_ms: u64,
    /// How long a barrier waits its turn; `None`: for ever.
    aligned_timeout_ms: Option<u64>,
    failures_max: u32,
    failures_in_row: u32,
    tasks: u32,
    sources: u32,
    sources_ended: BTreeSet<TaskId>,
    next: CheckpointId,
    under_way: BTreeMap<CheckpointId, UnderWay>,
    /// Snapshots that somebody has asked for: each begins when nothing is under way, before any periodic one.
    wanted: VecDeque<BarrierKind>,
    ending: Ending,
    /// Before that, a last checkpoint that has failed isn't tried again: what it failed for may take a while to pass.
    last_from_ms: u64,
}

/// Between two tries at the last checkpoint.
const LAST_PAUSE_MS: u64 = 200;

impl Coordinator {
    /// For a job of `tasks` tasks, `sources` of which are sources. The numbers of its checkpoints begin at `first`.
    #[must_use]
    pub fn new(settings: &CheckpointSettings, tasks: u32, sources: u32, first: CheckpointId, now_ms: u64) -> Self {
        Self {
            timetable: Timetable::new(settings, now_ms),
            timeout_ms: whole_ms(settings.timeout),
            aligned_timeout_ms: settings.unaligned.then(|| whole_ms(settings.aligned_timeout)),
            failures_max: settings.tolerable_failures,
            failures_in_row: 0,
            tasks,
            sources,
            sources_ended: BTreeSet::new(),
            next: first,
            under_way: BTreeMap::new(),
            wanted: VecDeque::new(),
            ending: Ending::No,
            last_from_ms: 0,
        }
    }

    /// Takes in one event; `now_ms` never goes back. Whatever is due by now is done, too, so a late wake-up loses nothing.
    pub fn on(&mut self, event: Event, now_ms: u64, wall_ms: i64) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.ending != Ending::Over {
            self.take_in(event, now_ms, &mut actions);
            self.expire(now_ms, &mut actions);
            self.complete_next(now_ms, &mut actions);
            self.begin(now_ms, wall_ms, &mut actions);
            self.unalign(now_ms, &mut actions);
        }
        actions
    }

    /// When [`Event::Tick`] is due unless something else happens before; `None`: never.
    #[must_use]
    pub fn next_wake_ms(&self) -> Option<u64> {
        let collecting = self.under_way.values().filter(|one| one.phase == Phase::Collecting);
        let own = collecting.flat_map(|one| one.unalign_ms.into_iter().chain([one.expires_ms])).min();
        let begins = match self.ending {
            Ending::No => self.next_periodic_ms(),
            Ending::Wanted(_) if self.under_way.is_empty() => Some(self.last_from_ms),
            Ending::Wanted(_) | Ending::Over => None,
        };
        own.into_iter().chain(begins).min()
    }

    /// The tasks that a checkpoint still waits for.
    pub fn missing(&self, checkpoint: CheckpointId) -> impl Iterator<Item = TaskId> {
        self.under_way.get(&checkpoint).into_iter().flat_map(|one| one.missing.iter().copied())
    }

    /// Whether a last checkpoint is wanted or taken: nothing else can be asked for any more.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending != Ending::No
    }

    /// The checkpoints under way, oldest first.
    pub fn under_way(&self) -> impl Iterator<Item = CheckpointId> {
        self.under_way.keys().copied()
    }

    /// When the next checkpoint may begin that nobody asks for; `None`: not before something has ended.
    fn next_periodic_ms(&self) -> Option<u64> {
        // Nothing begins beside a snapshot that somebody has asked for: if it was complete first, the other would be void.
        let is_asked_for = |one: &UnderWay| matches!(one.barrier.kind, BarrierKind::Savepoint | BarrierKind::Swap);
        let is_free = self.wanted.is_empty() && !self.under_way.values().any(is_asked_for);
        self.timetable.next_ms(self.under_way.len()).filter(|_| is_free)
    }

    fn take_in(&mut self, event: Event, now_ms: u64, actions: &mut Vec<Action>) {
        match event {
            Event::Tick => {}
            Event::Acked { checkpoint, task } => self.acked(checkpoint, task),
            Event::Declined { checkpoint, why, .. } => self.failed(checkpoint, Phase::Collecting, why, now_ms, actions),
            Event::ManifestFailed { checkpoint, why } => self.failed(checkpoint, Phase::Writing, why, now_ms, actions),
            Event::ManifestWritten { checkpoint } => self.written(checkpoint, now_ms, actions),
            Event::Committed { checkpoint } => self.committed(checkpoint, now_ms, actions),
            Event::CommitFailed { why, .. } | Event::Lost { why } => self.fail(why, actions),
            Event::SourceEnded { task } => {
                self.sources_ended.insert(task);
                if self.sources_ended.len() >= self.sources as usize {
                    self.want_end(BarrierKind::Drain);
                }
            }
            Event::Stop => self.want_end(BarrierKind::Stop),
            Event::Drain => self.want_end(BarrierKind::Drain),
            Event::Savepoint => self.wanted.push_back(BarrierKind::Savepoint),
            // Right behind a checkpoint, that of the swap has little to write: it is complete soon, and with it there is something to return to.
            Event::Swap => self.wanted.extend([BarrierKind::Checkpoint, BarrierKind::Swap]),
        }
    }

    /// Whoever wants the end first says which it is: a drain that is on its way can't become a stop, nor the other way round.
    fn want_end(&mut self, kind: BarrierKind) {
        if self.ending == Ending::No {
            self.ending = Ending::Wanted(kind);
        }
    }

    fn acked(&mut self, checkpoint: CheckpointId, task: TaskId) {
        if let Some(one) = self.under_way.get_mut(&checkpoint)
            && one.missing.remove(&task)
            && one.missing.is_empty()
        {
            one.phase = Phase::Acked;
        }
    }

    fn written(&mut self, checkpoint: CheckpointId, now_ms: u64, actions: &mut Vec<Action>) {
        let Some(one) = self.under_way.get_mut(&checkpoint).filter(|one| one.phase == Phase::Writing) else { return };
        one.phase = Phase::Committing;
        self.failures_in_row = 0;
        while let Some((older, _)) = self.under_way.first_key_value().filter(|(id, _)| **id < checkpoint) {
            let older = *older;
            let why =
                Error::job(format!("checkpoint {older}"), format!("checkpoint {checkpoint} was complete before it"), "nothing needs to be done");
            self.drop_one(older, why, now_ms, actions);
        }
        actions.push(Action::Commit(checkpoint));
    }

    fn committed(&mut self, checkpoint: CheckpointId, now_ms: u64, actions: &mut Vec<Action>) {
        if self.under_way.get(&checkpoint).is_none_or(|one| one.phase != Phase::Committing) {
            return;
        }
        let Some(one) = self.under_way.remove(&checkpoint) else { return };
        self.timetable.ended(now_ms);
        actions.push(Action::NotifyCompleted(checkpoint));
        if one.barrier.kind.is_last() {
            self.ending = Ending::Over;
            actions.push(Action::Finish);
        }
    }

    /// A failure that counts: too many in a row are a failure of the job.
    fn failed(&mut self, checkpoint: CheckpointId, phase: Phase, why: Error, now_ms: u64, actions: &mut Vec<Action>) {
        if self.ending == Ending::Over || self.under_way.get(&checkpoint).is_none_or(|one| one.phase != phase) {
            return;
        }
        let kind = self.under_way.get(&checkpoint).map(|one| one.barrier.kind);
        self.drop_one(checkpoint, why.clone(), now_ms, actions);
        match kind {
            // Whoever has asked for it learns of it; the job is none the worse.
            Some(BarrierKind::Savepoint) => return,
            // Some operators have their new version already, and no checkpoint says so.
            Some(BarrierKind::Swap) => {
                let what = format!("the swap at checkpoint {checkpoint} failed: {}", why.what);
                return self.fail(Error { what, ..why }, actions);
            }
            _ => self.failures_in_row += 1,
        }
        if self.failures_in_row > self.failures_max {
            let what = format!("checkpoint {checkpoint} failed, and {} in a row are tolerated: {}", self.failures_max, why.what);
            self.fail(Error { what, ..why }, actions);
        }
    }

    fn drop_one(&mut self, checkpoint: CheckpointId, why: Error, now_ms: u64, actions: &mut Vec<Action>) {
        if let Some(dropped) = self.under_way.remove(&checkpoint) {
            self.timetable.ended(now_ms);
            if dropped.barrier.kind.is_last() {
                self.last_from_ms = now_ms.saturating_add(LAST_PAUSE_MS);
            }
            actions.push(Action::Abort { checkpoint, why });
        }
    }

    fn fail(&mut self, why: Error, actions: &mut Vec<Action>) {
        self.ending = Ending::Over;
        self.under_way.clear();
        actions.push(Action::Fail(why));
    }

    /// Aborts those whose time is over. A manifest that is being written isn't aborted: it may exist already.
    fn expire(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        let is_late = |one: &&UnderWay| one.phase == Phase::Collecting && one.expires_ms <= now_ms;
        let late: Vec<_> = self.under_way.values().filter(is_late).map(|one| (one.barrier.checkpoint, one.missing.len())).collect();
        for (checkpoint, missing) in late {
            let why = Error::job(
                format!("checkpoint {checkpoint} was given up"),
                format!("after {} ms, {missing} of {} tasks had not acknowledged it", self.timeout_ms, self.tasks),
                "see `weir checkpoints` for who is late; raise `timeout`, or set `unaligned = true` if the job is backed up",
            );
            self.failed(checkpoint, Phase::Collecting, why, now_ms, actions);
        }
    }

    /// The oldest that is acknowledged by all goes on, unless another is at it.
    fn complete_next(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        let savepoint = self.under_way.iter().find(|(_, one)| one.phase == Phase::Acked && one.barrier.kind == BarrierKind::Savepoint);
        if let Some(savepoint) = savepoint.map(|(id, _)| *id) {
            self.under_way.remove(&savepoint);
            self.timetable.ended(now_ms);
            actions.push(Action::WriteSavepoint(savepoint));
        }
        if self.under_way.values().any(|one| matches!(one.phase, Phase::Writing | Phase::Committing)) {
            return;
        }
        if let Some(one) = self.under_way.values_mut().find(|one| one.phase == Phase::Acked) {
            one.phase = Phase::Writing;
            actions.push(Action::WriteManifest(one.barrier.checkpoint));
        }
    }

    fn begin(&mut self, now_ms: u64, wall_ms: i64, actions: &mut Vec<Action>) {
        let is_alone = self.under_way.is_empty();
        let kind = match (self.wanted.front(), self.ending) {
            (_, Ending::Over) => return,
            (Some(wanted), _) if is_alone => *wanted,
            (None, Ending::No) if self.next_periodic_ms().is_some_and(|due_ms| due_ms <= now_ms) => BarrierKind::Checkpoint,
            (None, Ending::Wanted(kind)) if is_alone && self.last_from_ms <= now_ms => kind,
            _ => return,
        };
        if !kind.is_last() {
            self.wanted.pop_front();
        }
        let barrier = Barrier { checkpoint: self.next, kind, triggered_ms: wall_ms };
        // No record follows a last barrier, and all that come before it belong to the checkpoint: overtaking them would gain nothing.
        // What is kept for long, or what another version is to go on from, holds no records on their way either.
        let may_overtake = kind == BarrierKind::Checkpoint;
        let unalign_ms = if may_overtake { self.aligned_timeout_ms.map(|wait_ms| now_ms.saturating_add(wait_ms)) } else { None };
        let expires_ms = now_ms.saturating_add(self.timeout_ms.max(1));
        let missing = (0..self.tasks).map(TaskId).collect();
        self.under_way.insert(self.next, UnderWay { barrier, missing, phase: Phase::Collecting, expires_ms, unalign_ms });
        if kind != BarrierKind::Savepoint {
            self.timetable.begun(now_ms);
        }
        self.next = self.next.next();
        actions.push(Action::Trigger(barrier));
    }

    fn unalign(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        for one in self.under_way.values_mut().filter(|one| one.phase == Phase::Collecting) {
            if one.unalign_ms.is_some_and(|at_ms| at_ms <= now_ms) {
                one.unalign_ms = None;
                actions.push(Action::Unalign(one.barrier));
            }
        }
    }
}
