//! A swap of versions: from the request over its barrier to the end of its trial.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use weir_checkpoint::coordinator::Event;
use weir_checkpoint::manifest::{Manifest, NextVersion, Probation};
use weir_checkpoint::swaps::{SwapHistory, SwapOutcome, SwapRecord};
use weir_checkpoint::trial::{Facts, violation};
use weir_model::fail_point::{FailPoint, pass};
use weir_model::id::CheckpointId;
use weir_model::{Error, Result};

use super::{Checkpointing, Done};
use crate::attempt::{Failed, Returns};
use crate::command::{Command, TaskSwap};
use crate::control::{ShadowReport, SwapReport, SwapRequest};
use crate::live::SwapPhase;
use crate::shadow_report::report;
use crate::swap::{Prepared, prepare};

/// How often a version on trial is looked at.
const TRIAL_POLL: Duration = Duration::from_millis(20);

/// A swap that isn't at its barrier's end yet.
pub(crate) struct Swapping {
    request: SwapRequest,
    reply: oneshot::Sender<Result<SwapReport>>,
    stage: Stage,
    shadow: Option<ShadowReport>,
    held_us: u64,
}

/// How far it is.
enum Stage {
    /// The new version is loaded, checked and instantiated.
    Preparing,
    /// It runs beside the old one, until then.
    Shadow { prepared: Box<Prepared>, until: Instant, waits_for: Option<usize> },
    /// Its barrier is wanted or on its way; the plan that runs behind it.
    Barrier { prepared: Box<Prepared>, checkpoint: Option<CheckpointId> },
}

/// New versions on trial in this attempt.
pub(crate) struct Trial {
    pub(crate) probation: Probation,
    /// What the operators had counted when it began, in the order of its UIDs.
    base: Vec<Facts>,
    /// Whether everything since can be undone in memory: not when the process is another one by now.
    in_memory: bool,
    /// Why it must end.
    violated: Option<String>,
}

impl Checkpointing {
    /// What follows from the wish for a swap.
    pub(super) fn swap_wanted(&mut self, request: SwapRequest, reply: oneshot::Sender<Result<SwapReport>>) {
        if let Err(error) = self.may_swap() {
            drop(reply.send(Err(error)));
            return;
        }
        self.live.begin_swap(&request.uids, request.digest);
        let work = prepare(Arc::clone(&self.plan), request.clone(), Arc::clone(&self.store));
        self.swapping = Some(Swapping { request, reply, stage: Stage::Preparing, shadow: None, held_us: 0 });
        self.start(self.executor.offload(work), |prepared| Done::Prepared(Box::new(prepared)));
    }

    fn may_swap(&self) -> Result<()> {
        let why = if self.coordinator.is_ending() {
            "the job is ending".to_owned()
        } else if let Some(swapping) = &self.swapping {
            format!("a swap of {} is under way", uids(&swapping.request.uids))
        } else if let Some(trial) = &self.trial {
            format!("{} is on trial for {} more checkpoints", uids(&trial.probation.uids), trial.probation.left)
        } else {
            return Ok(());
        };
        Err(Error::usage("nothing was swapped", why, "wait until that is over: `weir info` says how far it is"))
    }

    /// The new version is ready, or can't be used.
    pub(super) fn swap_prepared(&mut self, prepared: Result<Prepared>) -> Result<Option<Event>> {
        let Some(mut swapping) = self.swapping.take() else { return Ok(None) };
        let mut prepared = match prepared {
            Ok(prepared) if !self.coordinator.is_ending() => Box::new(prepared),
            Ok(_) => return self.refuse(swapping, Error::usage("nothing was swapped", "the job is ending", "swap it when it runs again")),
            Err(error) => return self.refuse(swapping, error),
        };
        pass(FailPoint::V2Compiled)?;
        if let Some(duration) = swapping.request.shadow {
            for (task, versions) in self.by_task(&mut prepared.shadows).into_iter().filter(|(_, versions)| !versions.is_empty()) {
                let _ = task.commands.send(Command::BeginShadow(versions));
            }
            self.live.set_swap_phase(&swapping.request.uids, SwapPhase::Shadow);
            swapping.stage = Stage::Shadow { prepared, until: Instant::now() + duration, waits_for: None };
            self.swapping = Some(swapping);
            return Ok(None);
        }
        self.want_barrier(swapping, prepared)
    }

    /// Hands each task what it swaps, and wants the barrier.
    fn want_barrier(&mut self, mut swapping: Swapping, mut prepared: Box<Prepared>) -> Result<Option<Event>> {
        let on_trial = swapping.request.probation > 0;
        // All tasks: on trial, everything must be undoable.
        for (task, versions) in self.by_task(&mut prepared.versions) {
            *task.swap.lock().unwrap_or_else(PoisonError::into_inner) = Some(TaskSwap { versions, on_trial });
        }
        pass(FailPoint::V2Instantiated)?;
        self.live.set_swap_phase(&swapping.request.uids, SwapPhase::Barrier);
        swapping.stage = Stage::Barrier { prepared, checkpoint: None };
        self.swapping = Some(swapping);
        Ok(Some(Event::Swap))
    }

    /// When a shadow run ends; `None`: there is none that runs.
    pub(super) fn shadow_until(&self) -> Option<Instant> {
        match &self.swapping.as_ref()?.stage {
            Stage::Shadow { until, waits_for: None, .. } => Some(*until),
            _ => None,
        }
    }

    /// The time of a shadow run is over.
    pub(super) fn end_shadow(&mut self) {
        let tasks = self.tasks.len();
        if let Some(Swapping { stage: Stage::Shadow { waits_for, .. }, .. }) = &mut self.swapping {
            *waits_for = Some(tasks);
            self.tell(|| Command::EndShadow, |_| true);
        }
    }

    /// A task has ended its part of a shadow run.
    pub(super) fn shadowed(&mut self, counts: Vec<(usize, weir_plugin::ShadowCounts)>) -> Result<Option<Event>> {
        let Some(swapping) = &mut self.swapping else { return Ok(None) };
        report(swapping.shadow.get_or_insert_default(), &self.plan, counts);
        let Stage::Shadow { waits_for: Some(left), .. } = &mut swapping.stage else { return Ok(None) };
        *left -= 1;
        if *left > 0 {
            return Ok(None);
        }
        let Some(swapping) = self.swapping.take() else { return Ok(None) };
        let shown = swapping.shadow.clone().unwrap_or_default();
        let differing = shown.differing.max(shown.failed);
        let allowed = swapping.request.diff_max * shown.records as f64;
        if let Some(broken) = &shown.broken {
            return self.refuse(
                swapping,
                Error::incompatible("nothing was swapped", format!("the new version broke beside the old one: {broken}"), "mend the new version"),
            );
        }
        if differing as f64 > allowed {
            let why = format!("{differing} of {} records differ ({} keys), and {allowed:.0} may", shown.records, shown.keys);
            let error = Error::incompatible("nothing was swapped", why, "see the examples; allow more with `--max-diff`, or mend the new version");
            return self.refuse(swapping, error);
        }
        let Swapping { request, reply, stage, shadow, held_us } = swapping;
        let Stage::Shadow { prepared, .. } = stage else { return Ok(None) };
        self.want_barrier(Swapping { request, reply, stage: Stage::Preparing, shadow, held_us }, prepared)
    }

    /// Nothing was swapped: says so to whoever wanted it, and writes it down.
    fn refuse(&mut self, swapping: Swapping, why: Error) -> Result<Option<Event>> {
        self.live.end_swap();
        self.record_swap(|history, at_ms| history.push(record(&swapping.request, at_ms, SwapOutcome::Refused, Some(&why))));
        let why = match &swapping.shadow {
            // Numbers alone help nobody.
            Some(shadow) => Error { why: format!("{}{}", why.why, crate::shadow_report::examples(shadow)), ..why },
            None => why,
        };
        drop(swapping.reply.send(Err(why)));
        Ok(None)
    }

    /// The barrier of a swap is sent.
    pub(super) fn swap_begun(&mut self, at: CheckpointId) {
        if let Some(Swapping { stage: Stage::Barrier { checkpoint, .. }, .. }) = &mut self.swapping {
            *checkpoint = Some(at);
        }
    }

    /// A task has passed the barrier.
    pub(super) fn swapped(&mut self, held_us: u64) {
        if let Some(swapping) = &mut self.swapping {
            swapping.held_us = swapping.held_us.max(held_us);
        }
    }

    /// What the manifest of a checkpoint says of swaps. With that of the barrier, the new plan is the one that runs.
    pub(super) fn note_swap(&mut self, manifest: &mut Manifest) {
        let is_last = manifest.kind != weir_checkpoint::manifest::ManifestKind::Checkpoint;
        // Whoever stops the job on trial, or whose input ends, has seen enough.
        manifest.probation = self.trial.as_ref().filter(|_| !is_last).and_then(|trial| trial.probation.after(manifest.checkpoint));
        let Some(Swapping { stage: Stage::Barrier { prepared, checkpoint: Some(at) }, request, .. }) = &self.swapping else { return };
        if *at != manifest.checkpoint {
            return;
        }
        for operator in manifest.operators.iter_mut().filter(|operator| request.uids.contains(&operator.uid)) {
            let live = prepared.plan.nodes.iter().find(|node| node.uid == operator.uid).and_then(|node| node.operator());
            operator.next = live.map(|live| NextVersion { digest: live.digest, function: live.function.name.clone() });
            operator.has_component = true;
        }
        if request.probation > 0 {
            let (uids, thresholds) = (request.uids.clone(), request.thresholds);
            let probation = Probation { since: *at, left: request.probation, uids, thresholds };
            manifest.probation = Some(probation.clone());
            let base = self.facts(&probation);
            self.retained.pin(Some(*at));
            self.trial = Some(Trial { probation, base, in_memory: true, violated: None });
        }
        self.plan = Arc::clone(&prepared.plan);
    }

    /// A checkpoint is complete and, if it may be, committed: that of a swap makes the new version durable; one on trial counts.
    pub(super) fn swap_completed(&mut self, manifest: &Manifest) {
        let at = manifest.checkpoint;
        if matches!(&self.swapping, Some(Swapping { stage: Stage::Barrier { checkpoint, .. }, .. }) if *checkpoint == Some(at)) {
            let Some(Swapping { request, reply, shadow, held_us, stage: Stage::Barrier { prepared, .. } }) = self.swapping.take() else { return };
            self.live.set_plan(&self.plan);
            let outcome = if self.trial.is_some() { SwapOutcome::OnTrial } else { SwapOutcome::Live };
            let (before, digest) = (prepared.before.clone(), prepared.digest);
            self.record_swap(|history, at_ms| {
                let from = before.iter().map(|(_, digest)| digest.to_string()).collect();
                history.push(SwapRecord { from, to: digest.to_string(), checkpoint: Some(at.0), ..record(&request, at_ms, outcome, None) });
            });
            drop(reply.send(Ok(SwapReport { checkpoint: at, before: prepared.before, digest, shadow, probation: request.probation, held_us })));
        }
        if self.trial.is_none() && self.swapping.is_none() {
            self.live.end_swap();
        }
        let Some(trial) = &mut self.trial else { return };
        match &manifest.probation {
            Some(probation) => {
                trial.probation = probation.clone();
                let (uids, left) = (probation.uids.clone(), probation.left);
                self.live.set_swap_phase(&uids, SwapPhase::Probation(left));
            }
            None if at > trial.probation.since => self.end_trial(),
            None => {}
        }
    }

    /// The new versions stay.
    fn end_trial(&mut self) {
        self.trial = None;
        self.retained.pin(None);
        self.live.end_swap();
        self.tell(|| Command::EndTrial, |_| true);
        self.record_swap(|history, _| history.settle(SwapOutcome::Live, None));
    }

    /// Goes on with a trial that an attempt before has begun.
    pub(crate) fn resume_trial(&mut self, probation: Probation) {
        let base = self.facts(&probation);
        self.retained.pin(Some(probation.since));
        self.live.set_swap_phase(&probation.uids, SwapPhase::Probation(probation.left));
        self.trial = Some(Trial { probation, base, in_memory: false, violated: None });
    }

    /// When a version on trial is to be looked at.
    pub(super) fn trial_poll(&self) -> Option<Duration> {
        self.trial.as_ref().map(|_| TRIAL_POLL)
    }

    /// Looks at what the versions on trial have counted.
    pub(super) fn look_at_trial(&mut self) {
        let Some(trial) = &self.trial else { return };
        let now = self.facts(&trial.probation);
        let facts = trial.probation.uids.iter().zip(now.iter().zip(&trial.base));
        let violated = facts.filter_map(|(uid, (now, base))| violation(uid, since(*now, *base), trial.probation.thresholds)).next();
        if let (Some(why), Some(trial)) = (violated, &mut self.trial) {
            trial.violated.get_or_insert(why);
        }
    }

    /// An operator on trial has failed for good.
    pub(super) fn on_trial_failed(&mut self, why: &Error) {
        if let Some(trial) = &mut self.trial {
            trial.violated.get_or_insert(format!("{}: {}", why.what, why.why));
        } else {
            self.early_violation.get_or_insert(format!("{}: {}", why.what, why.why));
        }
    }

    /// What is to be done about a version on trial that must not stay, as soon as there is something to return to.
    pub(super) fn return_if_violated(&mut self) -> Result<(), Failed> {
        if let Some(trial) = &mut self.trial {
            trial.violated = trial.violated.take().or(self.early_violation.take());
        }
        let Some(Trial { probation, in_memory, violated: Some(why), .. }) = &self.trial else { return Ok(()) };
        // Its checkpoint is complete when whoever wanted the swap has been told.
        if self.swapping.is_some() {
            return Ok(());
        }
        pass(FailPoint::RollbackStarted)?;
        let (to, uids_text, why) = (probation.since, uids(&probation.uids), why.clone());
        let returns = Box::new(Returns { to, in_memory: *in_memory, uids: probation.uids.clone(), why: why.clone() });
        self.handback.is_wanted.store(*in_memory, std::sync::atomic::Ordering::Release);
        self.record_swap(|history, _| history.settle(SwapOutcome::Returned, Some(why.clone())));
        let error = Error::job(format!("the new version of {uids_text} was taken back"), why, "nothing: the job goes on with the version before");
        Err(Failed { error, may_restart: true, returns: Some(returns) })
    }

    /// The attempt has failed: whoever waits for a swap is told.
    pub(super) fn swap_failed(&mut self, why: &Error) {
        if let Some(swapping) = self.swapping.take() {
            self.live.end_swap();
            let error = Error { what: format!("nothing was swapped: {}", why.what), ..why.clone() };
            self.record_swap(|history, at_ms| history.push(record(&swapping.request, at_ms, SwapOutcome::Refused, Some(&error))));
            drop(swapping.reply.send(Err(error)));
        }
    }

    fn facts(&self, probation: &Probation) -> Vec<Facts> {
        let facts = probation.uids.iter().map(|uid| {
            let Some(node) = self.metrics.nodes.iter().find(|node| node.uid == *uid) else { return Facts::default() };
            Facts {
                records: node.sum(|subtask| &subtask.records_in),
                refused: node.sum(|subtask| &subtask.skipped) + node.sum(|subtask| &subtask.dead_letters),
                traps: node.sum(|subtask| &subtask.broken_instances),
                call_ms: node.subtasks.iter().map(|subtask| subtask.call_max_ns.get()).max().unwrap_or_default() / 1_000_000,
            }
        });
        facts.collect()
    }

    /// Changes the record of swaps, beside the stream: it is for people.
    fn record_swap(&mut self, change: impl FnOnce(&mut SwapHistory, i64)) {
        change(&mut self.swaps, self.clock.wall_ms());
        let (store, json) = (Arc::clone(&self.store), self.swaps.to_json());
        self.start(self.executor.offload(async move { store.put_swaps(json).await }), Done::HistoryWritten);
    }
}

/// What has come since.
fn since(now: Facts, base: Facts) -> Facts {
    // The longest call is counted from the swap on.
    Facts {
        records: now.records.saturating_sub(base.records),
        refused: now.refused.saturating_sub(base.refused),
        traps: now.traps.saturating_sub(base.traps),
        call_ms: now.call_ms,
    }
}

fn uids(uids: &[weir_model::id::OperatorUid]) -> String {
    uids.iter().map(|uid| format!("`{uid}`")).collect::<Vec<_>>().join(", ")
}

fn record(request: &SwapRequest, at_ms: i64, outcome: SwapOutcome, why: Option<&Error>) -> SwapRecord {
    SwapRecord {
        at_ms,
        uids: request.uids.iter().map(ToString::to_string).collect(),
        from: Vec::new(),
        to: request.digest.map(|digest| digest.to_string()).unwrap_or_default(),
        function: request.function.clone(),
        checkpoint: None,
        outcome,
        why: why.map(|why| format!("{}: {}", why.what, why.why)),
    }
}
