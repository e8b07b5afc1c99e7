//! What becomes of each node's state when a job goes on from a snapshot: decided for all of them before a record flows.

use std::fmt;
use std::str::FromStr;

use weir_model::codec::Codec;
use weir_model::describe::{StateDescriptor, StateKind};
use weir_model::id::{OperatorUid, Parallelism, PluginDigest};
use weir_model::key_group::MaxParallelism;
use weir_model::{Error, Result};

use crate::manifest::{FileEntry, HASH_FUNCTION, Manifest, OperatorKind, OperatorSnapshot};

mod state;
#[cfg(test)]
mod tests;

pub use state::{StateComparison, compare_states};

/// A node of the job that is to go on from a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOperator {
    /// Its UID.
    pub uid: OperatorUid,
    /// The UID that it had before.
    pub renamed_from: Option<OperatorUid>,
    /// What it is.
    pub kind: OperatorKind,
    /// How many subtasks it runs as now.
    pub parallelism: Parallelism,
    /// What it runs; `None` for a source or a sink.
    pub code: Option<Code>,
}

/// The code of an operator, as far as state cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// The function.
    pub function: String,
    /// The plugin.
    pub digest: PluginDigest,
    /// The host interfaces that the plugin uses.
    pub imports: Vec<String>,
    /// How keys are read; `None`: it has no keyed state.
    pub key_codec: Option<Codec>,
    /// Its states.
    pub states: Vec<StateDescriptor>,
}

/// State that a user gives up: all of a node, or one state of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedState {
    /// The node, by the UID that the snapshot has.
    pub uid: OperatorUid,
    /// The state; `None`: all of them, and positions and records on their way too.
    pub state: Option<String>,
}

impl FromStr for DroppedState {
    type Err = Error;

    /// `UID` or `UID.STATE`.
    fn from_str(text: &str) -> Result<Self> {
        let (uid, state) = text.split_once('.').map_or((text, None), |(uid, state)| (uid, Some(state.to_owned())));
        Ok(Self { uid: OperatorUid::new(uid)?, state })
    }
}

impl fmt::Display for DroppedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            None => self.uid.fmt(f),
            Some(state) => write!(f, "{}.{state}", self.uid),
        }
    }
}

/// What may be in a snapshot and not in the job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GivenUp<'a> {
    /// These states.
    pub states: &'a [DroppedState],
    /// The state of every node that the job hasn't (Flink's `allowNonRestoredState`).
    pub gone: bool,
    /// Output of any sink: it is committed already.
    pub output: bool,
}

impl GivenUp<'_> {
    /// Whether all state of a node is given up.
    #[must_use]
    pub fn node(&self, uid: &OperatorUid) -> bool {
        self.states.iter().any(|dropped| dropped.uid == *uid && dropped.state.is_none())
    }

    /// Whether one state of a node is given up.
    #[must_use]
    pub fn state(&self, uid: &OperatorUid, state: &str) -> bool {
        self.states.iter().any(|dropped| dropped.uid == *uid && dropped.state.as_deref().is_none_or(|name| name == state))
    }
}

/// What becomes of state, the better first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The snapshot has none: it starts empty.
    New,
    /// It goes on as it is.
    Kept,
    /// It goes on, brought to a newer schema version.
    Migrated,
    /// The user has given it up.
    Dropped,
    /// The job can't start.
    Incompatible,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::New => "new and empty",
            Self::Kept => "kept",
            Self::Migrated => "migrated",
            Self::Dropped => "dropped",
            Self::Incompatible => "incompatible",
        })
    }
}

/// A node before and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeComparison {
    /// Its UID now, or what it was if it is gone.
    pub uid: OperatorUid,
    /// What becomes of all that the snapshot has of it.
    pub verdict: Verdict,
    /// What the snapshot has of it.
    pub before: Option<OperatorSnapshot>,
    /// What it is in the job.
    pub now: Option<JobOperator>,
    /// Whether the user has given up all that the snapshot has of it.
    pub is_given_up: bool,
    /// Its states, those of the job first.
    pub states: Vec<StateComparison>,
    /// Why the job can't start.
    pub refusal: Option<Error>,
}

/// A job held against a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Every node of the job and of the snapshot: the job's first, in its order.
    pub nodes: Vec<NodeComparison>,
    /// Why the job can't start, for a reason that concerns no single node.
    pub refusal: Option<Error>,
}

impl Comparison {
    /// # Errors
    /// The first thing that keeps the job from going on from the snapshot.
    pub fn check(&self) -> Result<()> {
        self.refusals().next().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Everything that keeps the job from going on from the snapshot.
    pub fn refusals(&self) -> impl Iterator<Item = &Error> {
        self.refusal.iter().chain(self.nodes.iter().filter_map(|node| node.refusal.as_ref()))
    }
}

/// Says why there is no migration of a state (third) of a node (first, second: its function) from a schema version; `Ok`: there is one.
pub type Migrations<'a> = dyn Fn(&JobOperator, &str, u32) -> Result<(), String> + 'a;

/// Holds a job against a snapshot that is called `name` in messages.
#[must_use]
pub fn compare(
    manifest: &Manifest,
    name: &str,
    max_parallelism: MaxParallelism,
    job: &[JobOperator],
    given_up: GivenUp<'_>,
    migrations: &Migrations<'_>,
) -> Comparison {
    let mut nodes = Vec::new();
    for new in job {
        let old = before(manifest, new);
        nodes.push(node(new, old, name, given_up, migrations));
    }
    let is_gone = |old: &&OperatorSnapshot| job.iter().all(|new| before(manifest, new).is_none_or(|before| before.uid != old.uid));
    nodes.extend(manifest.operators.iter().filter(is_gone).map(|old| gone(old, name, given_up)));
    let refusal = check_key_groups(manifest, max_parallelism, name).and_then(|()| check_given_up(manifest, name, given_up.states));
    Comparison { nodes, refusal: refusal.err() }
}

/// What is given up must be there: a name that was mistyped would keep what is not wanted.
fn check_given_up(manifest: &Manifest, name: &str, given_up: &[DroppedState]) -> Result<()> {
    for dropped in given_up {
        let refuse = |why: String, known: &[&str]| {
            let known = weir_model::section::did_you_mean(&dropped.to_string(), known);
            Err(Error::usage(format!("--drop-state {dropped}"), why, format!("leave it out if that was given up before; otherwise {known}")))
        };
        let Some(operator) = manifest.operators.iter().find(|operator| operator.uid == dropped.uid) else {
            let known: Vec<_> = manifest.operators.iter().map(|operator| operator.uid.as_str()).collect();
            return refuse(format!("{name} has no node `{}`", dropped.uid), &known);
        };
        let Some(state) = &dropped.state else { continue };
        if operator.states.iter().all(|known| known.name != *state) {
            let known: Vec<_> = operator.states.iter().map(|known| format!("{}.{}", operator.uid, known.name)).collect();
            return refuse(format!("`{}` has no state `{state}` in {name}", operator.uid), &known.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
    Ok(())
}

/// What a snapshot has of a node, under its own UID or the one before.
#[must_use]
pub fn before<'a>(manifest: &'a Manifest, node: &JobOperator) -> Option<&'a OperatorSnapshot> {
    let find = |uid: &OperatorUid| manifest.operators.iter().find(|old| old.uid == *uid);
    find(&node.uid).or_else(|| find(node.renamed_from.as_ref()?))
}

fn check_key_groups(manifest: &Manifest, max_parallelism: MaxParallelism, name: &str) -> Result<()> {
    if manifest.hash_function != HASH_FUNCTION {
        return Err(Error::incompatible(
            format!("{name} can't be restored"),
            format!("its keys were placed by the function {}, and this weir uses {HASH_FUNCTION}", manifest.hash_function),
            "use the weir that took the checkpoint",
        ));
    }
    let (saved, now) = (manifest.max_parallelism, max_parallelism.get());
    if saved != now {
        return Err(Error::incompatible(
            format!("{name} can't be restored"),
            format!("it has max-parallelism {saved}, and the job has {now}"),
            format!("set `max-parallelism = {saved}` in [job], or make a savepoint with the other number of key groups: `weir savepoint rekey`"),
        ));
    }
    Ok(())
}

fn node(new: &JobOperator, old: Option<&OperatorSnapshot>, name: &str, given_up: GivenUp<'_>, migrations: &Migrations<'_>) -> NodeComparison {
    let states = new.code.as_ref().map(|code| code.states.as_slice()).unwrap_or_default();
    let compared = |verdict, states, refusal| NodeComparison {
        uid: new.uid.clone(),
        verdict,
        before: old.cloned(),
        now: Some(new.clone()),
        is_given_up: old.is_some_and(|old| given_up.node(&old.uid)),
        states,
        refusal,
    };
    let fresh = || states.iter().map(StateComparison::new).collect::<Vec<_>>();
    let Some(old) = old else { return compared(Verdict::New, fresh(), None) };
    if given_up.node(&old.uid) {
        let dropped = old.states.iter().map(StateComparison::dropped);
        return compared(Verdict::Dropped, fresh().into_iter().chain(dropped).collect(), None);
    }
    if old.kind != new.kind {
        let error = Error::incompatible(
            format!("`{}` can't be restored from {name}", new.uid),
            format!("that UID was of kind {} and is of kind {} now", old.kind, new.kind),
            format!("give the new node another UID, or give up what the snapshot has of it with `--drop-state {}`", old.uid),
        );
        return compared(Verdict::Incompatible, fresh(), Some(error));
    }
    let has_migration = |state: &str, from| migrations(new, state, from);
    let states = compare_states(&old.states, states, &|state| given_up.state(&old.uid, state), rows(old) == 0, &has_migration);
    let worst = states.iter().max_by_key(|state| state.verdict);
    let mut refusal = worst.filter(|state| state.verdict == Verdict::Incompatible).map(|state| refuse_state(new, old, state, name));
    if let (Some(saved), Some(now)) = (&old.key_codec, new.code.as_ref().and_then(|code| code.key_codec.as_ref()))
        && saved != now
        && rows(old) > 0
    {
        refusal = Some(Error::incompatible(
            format!("`{}` can't be restored from {name}", new.uid),
            format!("its keys were {saved} and are {now} now: none of them would be found again"),
            format!("keep the type of the key, or give the state up with `--drop-state {}`", old.uid),
        ));
    }
    let verdict = if refusal.is_some() { Verdict::Incompatible } else { states.iter().map(|state| state.verdict).max().unwrap_or(Verdict::Kept) };
    // A new state beside others that go on is no news of the node.
    compared(verdict.max(Verdict::Kept), states, refusal)
}

fn refuse_state(new: &JobOperator, old: &OperatorSnapshot, state: &StateComparison, name: &str) -> Error {
    let what = format!("`{}` can't be restored from {name}", new.uid);
    let drop = format!("give it up with `--drop-state {}.{}`", old.uid, state.name);
    let remedy = state.remedy.as_ref().map_or_else(|| drop.clone(), |remedy| format!("{remedy}, or {drop}"));
    Error::incompatible(what, state.why.clone(), remedy)
}

fn gone(old: &OperatorSnapshot, name: &str, given_up: GivenUp<'_>) -> NodeComparison {
    let refusal = check_gone(old, given_up, name).err();
    let verdict = if refusal.is_some() { Verdict::Incompatible } else { Verdict::Dropped };
    let states = old.states.iter().map(StateComparison::dropped).collect();
    NodeComparison { uid: old.uid.clone(), verdict, before: Some(old.clone()), now: None, is_given_up: true, states, refusal }
}

fn check_gone(gone: &OperatorSnapshot, given_up: GivenUp<'_>, name: &str) -> Result<()> {
    let uid = &gone.uid;
    if !given_up.output && gone.subtasks.iter().any(|subtask| !subtask.handles.is_empty()) {
        return Err(Error::incompatible(
            format!("the sink `{uid}` of {name} isn't in the job any more"),
            "the snapshot holds output of it that may not be committed yet",
            format!("run the job once with `{uid}`, stop it, and take the sink out then"),
        ));
    }
    let is_empty =
        |subtask: &crate::manifest::SubtaskSnapshot| subtask.files.is_empty() && subtask.in_flight.is_none() && subtask.position.is_empty();
    if given_up.gone || given_up.node(uid) || gone.kind == OperatorKind::Sink || gone.subtasks.iter().all(is_empty) {
        return Ok(());
    }
    let has_state = |subtask: &crate::manifest::SubtaskSnapshot| !subtask.files.is_empty() || !subtask.position.is_empty();
    let (why, otherwise) = if gone.subtasks.iter().any(has_state) {
        ("its state would be lost", "give the state up")
    } else {
        ("records on their way to it, which the unaligned checkpoint holds, would be lost", "stop the job with Ctrl-C first, or give them up")
    };
    Err(Error::incompatible(
        format!("`{uid}` of {name} isn't in the job any more"),
        why,
        format!("bring the UID back, write `renamed-from = \"{uid}\"` in the node that takes its place, or {otherwise} with `--drop-state {uid}`"),
    ))
}

/// The rows of state that a snapshot has of a node; those of increments may be there several times.
#[must_use]
pub fn rows(operator: &OperatorSnapshot) -> u64 {
    state_files(operator).map(|file| file.rows).sum()
}

/// The bytes of state that a snapshot has of a node.
#[must_use]
pub fn bytes(operator: &OperatorSnapshot) -> u64 {
    state_files(operator).map(|file| file.bytes).sum()
}

fn state_files(operator: &OperatorSnapshot) -> impl Iterator<Item = &FileEntry> {
    operator.subtasks.iter().flat_map(|subtask| &subtask.files)
}

/// The word for a shape of state.
pub(crate) fn kind_word(kind: StateKind) -> &'static str {
    match kind {
        StateKind::Value => "value",
        StateKind::List => "list",
        StateKind::Map => "map",
    }
}
