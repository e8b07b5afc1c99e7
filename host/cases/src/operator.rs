//! An operator of some subtasks, as a job runs it: instances over keyed state, restored by key group, swapped between two calls.

mod guest;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use weir_model::codec::Codec;
use weir_model::describe::{FunctionDescription, FunctionKind};
use weir_model::graph::OnError;
use weir_model::id::{Parallelism, SubtaskIndex};
use weir_model::key_group::MaxParallelism;
use weir_model::section::did_you_mean;
use weir_plugin::{Breakage, Identity, InstanceLimits, NewVersion, OperatorSubtask, OutputPort, Plugin, Services, Subtask};
use weir_state::{KeyedState, StateFile};

use crate::outcome::End;
use crate::snapshot;
use guest::Replaceable;

/// What the operator is called.
const UID: &str = "case";

/// Everything of an operator that stays the same while a case runs.
pub(crate) struct Setting<'a> {
    pub(crate) config: &'a [(String, String)],
    pub(crate) on_error: OnError,
    pub(crate) groups: MaxParallelism,
    /// After this time a call is ended.
    pub(crate) call_timeout: Duration,
}

/// What runs.
#[derive(Clone)]
pub(crate) struct Code {
    pub(crate) plugin: Plugin,
    pub(crate) function: FunctionDescription,
}

/// The operator.
pub(crate) struct Operator<'a> {
    setting: Setting<'a>,
    pub(crate) code: Code,
    pub(crate) parallelism: Parallelism,
    pub(crate) lanes: Vec<Lane>,
    /// What subtasks that are gone have counted.
    counted: BTreeMap<String, u64>,
    /// The checkpoint that it was last started from; 0: none.
    checkpoint: u64,
}

/// One subtask.
pub(crate) struct Lane {
    pub(crate) subtask: OperatorSubtask,
    /// The files that hold its state as of the last checkpoint.
    chain: Vec<StateFile>,
    /// Set when its instance is to be lost.
    lost: Arc<AtomicBool>,
}

impl Code {
    /// The function of a plugin.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(crate) fn new(plugin: &Plugin, function: &str) -> Result<Self, End> {
        let description = plugin.description();
        let found = description.function(function).cloned().ok_or_else(|| {
            let known: Vec<&str> = description.functions.iter().map(|function| function.name.as_str()).collect();
            End::Unfit(format!("the plugin {} has no function `{function}` ({})", description.name, did_you_mean(function, &known)))
        });
        Ok(Self { plugin: plugin.clone(), function: found? })
    }

    pub(crate) fn is_keyed(&self) -> bool {
        self.function.kind == FunctionKind::Keyed
    }
}

impl<'a> Operator<'a> {
    /// Opens the subtasks.
    ///
    /// # Errors
    /// How the run ends when one can't be opened.
    pub(crate) fn open(setting: Setting<'a>, code: Code, parallelism: Parallelism) -> Result<Self, End> {
        let mut operator = Self { setting, code, parallelism, lanes: Vec::new(), counted: BTreeMap::new(), checkpoint: 0 };
        operator.lanes = operator.lanes_over(Vec::new(), parallelism, 0)?;
        Ok(operator)
    }

    /// A checkpoint; then new subtasks, so many of them, of this code, start from it.
    ///
    /// # Errors
    /// How the run ends when they can't.
    pub(crate) fn restart(&mut self, code: Code, parallelism: Parallelism, now_ms: i64) -> Result<(), End> {
        let mut chains = Vec::new();
        for lane in &mut self.lanes {
            lane.checkpoint()?;
            lane.subtask.counters().for_each(|(name, count)| *self.counted.entry(name.to_owned()).or_default() += count);
            chains.push(std::mem::take(&mut lane.chain));
        }
        self.checkpoint += 1;
        // A job's old process is gone before the new one begins.
        self.lanes.clear();
        let was = std::mem::replace(&mut self.code, code);
        if was.function.kind != self.code.function.kind {
            return Err(End::Failed(format!("the function was {} and is {} now", was.function.kind, self.code.function.kind)));
        }
        self.lanes = self.lanes_over(chains, parallelism, now_ms)?;
        self.parallelism = parallelism;
        Ok(())
    }

    /// New subtasks over the state in `chains`, one of each subtask before.
    fn lanes_over(&self, chains: Vec<Vec<StateFile>>, parallelism: Parallelism, now_ms: i64) -> Result<Vec<Lane>, End> {
        let is_same = chains.len() == parallelism.get() as usize;
        let mut lanes = Vec::new();
        for index in parallelism.subtasks() {
            let state = self.state(&chains, &self.setting.groups.range(index, parallelism), u64::from(index.0), now_ms)?;
            // Files of other key groups are nobody's base: the next checkpoint is a full one.
            let chain = chains.get(index.as_usize()).filter(|_| is_same).cloned().unwrap_or_default();
            lanes.push(self.lane(index, parallelism, state, chain)?);
        }
        Ok(lanes)
    }

    fn state(&self, chains: &[Vec<StateFile>], groups: &Range<u32>, seed: u64, now_ms: i64) -> Result<KeyedState, End> {
        let mut state = KeyedState::new(&self.code.function.states, seed).tracked(self.setting.groups);
        state.set_time(now_ms);
        for chain in chains.iter().filter(|_| self.code.is_keyed()) {
            snapshot::load(&mut state, chain, groups).map_err(|why| End::Failed(format!("its state can't be restored: {why}")))?;
        }
        state.loaded();
        self.check_migrations(&self.code, &state.stale_versions())?;
        Ok(state)
    }

    fn lane(&self, index: SubtaskIndex, parallelism: Parallelism, state: KeyedState, chain: Vec<StateFile>) -> Result<Lane, End> {
        let lost = Arc::default();
        let guest = self.guest(&self.code, index, parallelism, &lost)?;
        // Where a key is declared, there has to be one.
        let ports = self.code.function.outputs.iter().map(|port| OutputPort { keyed: port.key != Codec::None }).collect();
        let services = Services::new(UID, ports, self.limits(&self.code.plugin), state);
        let subtask = OperatorSubtask::new(identity(&self.code), &self.code.function, self.setting.on_error, guest, services);
        Ok(Lane { subtask, chain, lost })
    }

    fn guest(&self, code: &Code, index: SubtaskIndex, parallelism: Parallelism, lost: &Arc<AtomicBool>) -> Result<Box<Replaceable>, End> {
        let guest = code.plugin.instantiate(self.place(code, index, parallelism), self.limits(&code.plugin)).map_err(|breakage| match breakage {
            Breakage::Open(why) => End::RefusedOpen(why),
            other => End::Failed(format!("it can't be started: {other}")),
        })?;
        Ok(Box::new(Replaceable { guest, lost: Arc::clone(lost) }))
    }

    fn place(&self, code: &Code, index: SubtaskIndex, parallelism: Parallelism) -> Subtask {
        Subtask {
            uid: UID.to_owned(),
            function: code.function.clone(),
            config: self.setting.config.to_vec(),
            index: index.0,
            parallelism: parallelism.get(),
            max_parallelism: self.setting.groups.get(),
            checkpoint: self.checkpoint,
        }
    }

    fn limits(&self, plugin: &Plugin) -> InstanceLimits {
        InstanceLimits { call_timeout: self.setting.call_timeout, ..plugin.default_limits() }
    }

    /// Asks for the migrations that are needed, as a job does before it goes on.
    fn check_migrations(&self, code: &Code, stale: &[(usize, u32)]) -> Result<(), End> {
        for (state, from) in stale {
            let Some(state) = code.function.states.get(*state) else { continue };
            let place = self.place(code, SubtaskIndex(0), self.parallelism);
            let migrates = code.plugin.migrates(place, self.limits(&code.plugin), &state.name, *from);
            migrates.map_err(|why| End::Failed(format!("state {} has no migration from schema version {from}: {why}", state.name)))?;
        }
        Ok(())
    }

    /// Another version takes over the state where it is, at a barrier.
    ///
    /// # Errors
    /// How the run ends when it can't.
    pub(crate) fn swap(&mut self, code: Code) -> Result<(), End> {
        if let Some(why) = self.code.function.change_to(&code.function) {
            return Err(End::Failed(format!("it can't be swapped: {why}")));
        }
        let mut guests = Vec::new();
        for (index, lane) in self.parallelism.subtasks().zip(&self.lanes) {
            guests.push(self.guest(&code, index, self.parallelism, &lane.lost)?);
        }
        let mut stale = Vec::new();
        for (lane, guest) in self.lanes.iter_mut().zip(guests) {
            let scope = lane.subtask.state_mut().map(|state| snapshot::freeze(state, &lane.chain));
            let version = NewVersion { identity: identity(&code), function: code.function.clone(), guest, dropped_states: Vec::new() };
            lane.subtask.replace(version).map_err(|error| End::Failed(error.why))?;
            if let (Some(scope), Some(state)) = (scope, lane.subtask.state_mut()) {
                snapshot::write(state, scope, &mut lane.chain).map_err(|error| End::Failed(error.to_string()))?;
                stale.extend(state.stale_versions());
            }
        }
        stale.sort_unstable();
        stale.dedup();
        self.check_migrations(&code, &stale)?;
        self.code = code;
        Ok(())
    }

    /// The instances are lost before their next call.
    pub(crate) fn lose_instances(&self) {
        self.lanes.iter().for_each(|lane| lane.lost.store(true, Ordering::Relaxed));
    }

    /// What was counted so far.
    pub(crate) fn counters(&self) -> BTreeMap<String, u64> {
        let mut all = self.counted.clone();
        for (name, count) in self.lanes.iter().flat_map(|lane| lane.subtask.counters()) {
            *all.entry(name.to_owned()).or_default() += count;
        }
        all
    }
}

impl Lane {
    fn checkpoint(&mut self) -> Result<(), End> {
        let Some(state) = self.subtask.state_mut() else { return Ok(()) };
        let scope = snapshot::freeze(state, &self.chain);
        snapshot::write(state, scope, &mut self.chain).map_err(|error| End::Failed(error.to_string()))
    }
}

fn identity(code: &Code) -> Identity {
    Identity { uid: UID.to_owned(), function: code.function.name.clone(), digest: code.plugin.digest().to_string() }
}
