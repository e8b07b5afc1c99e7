//! A case in one mode, from its first record to what it leaves behind.

use std::collections::BTreeMap;

use weir_model::codec::Codec;
use weir_model::graph::OnError;
use weir_model::id::Parallelism;
use weir_model::key_group::{MaxParallelism, hash_key};
use weir_model::rows::{BatchBuilder, NO_TIMESTAMP};
use weir_plugin::{CallContext, Outputs, Plugin, Step};

use crate::case::{Case, Event, Records, Version};
use crate::mode::Mode;
use crate::operator::{Code, Operator, Setting};
use crate::outcome::{Cell, Emitted, End, Kept, Outcome, Refused, State};
use crate::plugins::Plugins;
use crate::read::key_groups;

/// Runs a case; what goes wrong is part of what comes of it.
pub(crate) fn outcome_of(case: &Case, mode: Mode, plugins: &Plugins) -> Outcome {
    let mut outcome = Outcome { in_order: true, ..Outcome::default() };
    match Runner::start(case, mode, plugins, &mut outcome).and_then(Runner::run) {
        Ok(()) => outcome,
        Err(end) => Outcome { end, ..outcome },
    }
}

struct Runner<'a> {
    case: &'a Case,
    mode: Mode,
    plugins: &'a Plugins,
    operator: Operator<'a>,
    groups: MaxParallelism,
    outcome: &'a mut Outcome,
    context: CallContext,
    /// Records of the whole case, and in a batch.
    records: usize,
    batch: usize,
    waiting: Vec<Waiting>,
    waiting_records: usize,
    /// The input port of what waits.
    port: usize,
}

/// Records that wait for a subtask.
#[derive(Default)]
struct Waiting {
    batch: BatchBuilder,
    /// Their numbers.
    numbers: Vec<usize>,
}

/// Values that are migrated at once at the end of a case.
const MIGRATED_VALUES: usize = 4096;

impl<'a> Runner<'a> {
    fn start(case: &'a Case, mode: Mode, plugins: &'a Plugins, outcome: &'a mut Outcome) -> Result<Self, End> {
        let plugin = plugins.tested().ok_or_else(|| End::Unfit("there is no plugin".to_owned()))?;
        let groups = MaxParallelism::new(key_groups(), case.parallelism).map_err(|error| End::Unfit(error.why))?;
        let on_error = if case.fail { OnError::Fail } else { OnError::DeadLetter };
        let code = Code::new(plugin, &case.function)?;
        outcome.functions.push(code.function.clone());
        outcome.in_order = case.parallelism == Parallelism::ONE;
        let operator =
            Operator::open(Setting { config: &case.config, on_error, groups, call_timeout: plugins.call_timeout() }, code, case.parallelism)?;
        let records = usize::try_from(case.records()).unwrap_or(usize::MAX);
        let context = CallContext { watermark: NO_TIMESTAMP, processing_time: 0 };
        let batch = mode.batch(case.batch, records);
        let mut runner =
            Self { case, mode, plugins, operator, groups, outcome, context, records, batch, waiting: Vec::new(), waiting_records: 0, port: 0 };
        runner.make_room();
        Ok(runner)
    }

    fn make_room(&mut self) {
        self.waiting.resize_with(self.operator.lanes.len(), Waiting::default);
    }

    fn run(mut self) -> Result<(), End> {
        for event in &self.case.input {
            match event {
                Event::Records(records) => self.records(records)?,
                event => {
                    self.flush()?;
                    self.event(event)?;
                }
            }
        }
        self.flush()?;
        self.finish()
    }

    fn event(&mut self, event: &Event) -> Result<(), End> {
        match event {
            Event::Records(_) => {}
            Event::Watermark(watermark) => self.context.watermark = *watermark,
            Event::Time(time) => self.context.processing_time = *time,
            Event::NewInstance => self.operator.lose_instances(),
            Event::Swap(version) => {
                let code = self.code(version)?;
                self.outcome.functions.push(code.function.clone());
                self.operator.swap(code).map_err(end_of_version)?;
            }
            Event::Restore(restore) => {
                let code = match &restore.version {
                    Some(version) => self.code(version)?,
                    None => self.operator.code.clone(),
                };
                if restore.version.is_some() {
                    self.outcome.functions.push(code.function.clone());
                }
                self.restart(code, restore.parallelism.unwrap_or(self.operator.parallelism))?;
            }
        }
        Ok(())
    }

    fn code(&self, version: &Version) -> Result<Code, End> {
        let plugin: &Plugin = match &version.plugin {
            None => &self.operator.code.plugin,
            Some(named) => self.plugins.get(named).ok_or_else(|| End::Unfit(format!("there is no plugin {named:?}")))?,
        };
        Code::new(plugin, version.function.as_ref().unwrap_or(&self.operator.code.function.name))
    }

    fn restart(&mut self, code: Code, parallelism: Parallelism) -> Result<(), End> {
        self.operator.restart(code, parallelism, self.context.processing_time).map_err(end_of_version)?;
        self.outcome.in_order &= parallelism == Parallelism::ONE;
        self.make_room();
        Ok(())
    }

    fn records(&mut self, records: &Records) -> Result<(), End> {
        let inputs = &self.operator.code.function.inputs;
        let port = match &records.port {
            None => 0,
            Some(name) => inputs.iter().position(|port| port.name == *name).unwrap_or(usize::MAX),
        };
        let unfit = |why: String| End::Unfit(format!("{}:{}: the record can't be given to the function: {why}", self.case.file, records.line));
        let input = inputs.get(port).cloned().ok_or_else(|| unfit(format!("it has no input `{}`", records.port.as_deref().unwrap_or("in"))))?;
        if port != self.port {
            self.flush()?;
            self.port = port;
        }
        for i in records.numbers() {
            // The key of an input that reads none is any.
            let key_codec = if input.key == Codec::None { &Codec::Any } else { &input.key };
            let key = records.key.as_ref().map(|key| key.encode(key_codec, i)).transpose().map_err(unfit)?;
            let value = records.value.encode(&input.value, i).map_err(unfit)?;
            if self.operator.code.is_keyed() && key.is_none() {
                return Err(unfit("it has no key, and the function is keyed".to_owned()));
            }
            self.record(key.as_deref(), &value, records.timestamp.unwrap_or(NO_TIMESTAMP)).map_err(|error| match error {
                Error::Row(why) => unfit(why),
                Error::End(end) => end,
            })?;
        }
        Ok(())
    }

    /// Puts a record into its batch, and sends that off when it is full.
    fn record(&mut self, key: Option<&[u8]>, value: &[u8], timestamp: i64) -> Result<(), Error> {
        let number = self.outcome.records.len();
        self.outcome.records.push(fingerprint(key, value, timestamp));
        let lane = match key {
            Some(key) => self.groups.subtask(self.groups.key_group(hash_key(key)), self.operator.parallelism).as_usize(),
            None => number % self.waiting.len().max(1),
        };
        let Some(waiting) = self.waiting.get_mut(lane) else { return Ok(()) };
        waiting.batch.push(key, value, timestamp).map_err(|_| Error::Row("its key or its value is too long".to_owned()))?;
        waiting.numbers.push(number);
        self.waiting_records += 1;
        let restarts = self.mode.restarts_behind(number, self.records);
        if restarts || self.waiting_records >= self.batch {
            self.flush()?;
        }
        if restarts {
            self.restart(self.operator.code.clone(), self.operator.parallelism)?;
        }
        Ok(())
    }

    /// Works off what waits.
    fn flush(&mut self) -> Result<(), End> {
        self.waiting_records = 0;
        let function = self.outcome.functions.len().saturating_sub(1);
        for (lane, waiting) in self.operator.lanes.iter_mut().zip(&mut self.waiting) {
            let (batch, numbers) = (waiting.batch.take(), std::mem::take(&mut waiting.numbers));
            if numbers.is_empty() {
                continue;
            }
            let mut outputs = Outputs::default();
            lane.subtask.begin(self.port as u32, batch);
            let done = loop {
                match lane.subtask.step(self.context, &mut outputs) {
                    Ok(Step::More) => {}
                    Ok(Step::Done) => break Ok(()),
                    Err(error) => break Err(End::Failed(error.why)),
                }
            };
            take(self.outcome, function, outputs, &numbers);
            done?;
        }
        Ok(())
    }

    /// The end of the input; what is left is written down.
    fn finish(mut self) -> Result<(), End> {
        let function = self.outcome.functions.len().saturating_sub(1);
        for lane in &mut self.operator.lanes {
            let mut outputs = Outputs::default();
            lane.subtask.finish(self.context, &mut outputs).map_err(|error| End::Failed(error.why))?;
            take(self.outcome, function, outputs, &[]);
            // A job brings all values to the current version in the background.
            while lane.subtask.migrate_some(MIGRATED_VALUES).map_err(|error| End::Failed(error.why))? {}
        }
        self.outcome.counters = self.operator.counters();
        self.outcome.refused.sort_by_key(|refused| refused.record);
        self.states()
    }

    fn states(&mut self) -> Result<(), End> {
        let declared = self.operator.code.function.states.iter();
        let states = declared.map(|state| (state.name.clone(), State { kind: state.kind, keys: BTreeMap::new() }));
        let mut states: BTreeMap<String, State> = states.collect();
        for lane in &mut self.operator.lanes {
            let Some(state) = lane.subtask.state_mut() else { continue };
            state.set_time(self.context.processing_time);
            let stored = state.stored_states();
            let each = state.for_each_row(self.groups, |row| {
                let (Some(descriptor), Some(value)) = (stored.get(row.state), row.value) else { return };
                let Some(state) = states.get_mut(&descriptor.name) else { return };
                let kept: &mut Kept = state.keys.entry(row.key.to_vec()).or_default();
                let cell = Cell { bytes: value.to_vec(), codec: descriptor.value.clone() };
                match row.sub_key {
                    None => kept.value = Some(cell),
                    Some(sub_key) => drop(kept.below.insert(sub_key.to_vec(), cell)),
                }
            });
            each.map_err(|error| End::Failed(error.to_string()))?;
        }
        self.outcome.states = states;
        Ok(())
    }
}

/// Why a record didn't go in.
enum Error {
    Row(String),
    End(End),
}

impl From<End> for Error {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

/// What opened once and doesn't now, in mid-stream, ends the run.
fn end_of_version(end: End) -> End {
    match end {
        End::RefusedOpen(why) => End::Failed(format!("it can't be opened again: {why}")),
        end => end,
    }
}

/// Adds what a batch gave, whose records have these numbers.
fn take(outcome: &mut Outcome, function: usize, outputs: Outputs, numbers: &[usize]) {
    for (port, batch) in outputs.batches {
        outcome.emitted.extend(batch.iter().map(|row| Emitted {
            function,
            port,
            key: row.key.map(<[u8]>::to_vec),
            value: row.value.to_vec(),
            timestamp: row.timestamp,
        }));
    }
    // Refused records come in the order of the batch: each is the first behind the one before that is like it.
    let mut rest = numbers.iter();
    for letter in outputs.dead_letters {
        let wanted = fingerprint(letter.key.as_deref(), &letter.value, letter.timestamp);
        let found = rest.find(|number| outcome.records.get(**number) == Some(&wanted));
        let record = found.copied().unwrap_or(usize::MAX);
        outcome.refused.push(Refused { record, is_exact: numbers.len() == 1, message: letter.error });
    }
}

/// What tells a record from others.
fn fingerprint(key: Option<&[u8]>, value: &[u8], timestamp: i64) -> u64 {
    let key = key.map_or(0, |key| hash_key(key).rotate_left(1) | 1);
    let mut bytes = [key.to_le_bytes(), timestamp.to_le_bytes()].concat();
    bytes.extend_from_slice(value);
    hash_key(&bytes)
}
