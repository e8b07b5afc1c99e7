//! The harness: queued input, run at a batch size of one's choice over state in memory.

use std::collections::BTreeMap;

use super::ToBytes;
use super::restore::adopted;
use super::services::{CallServices, Staged};
use super::store::Snapshot;
use crate::codec::StateCodec;
use crate::export::{Export, Function};
use crate::native::{Call, Failure, FunctionKind, Level, NO_TIMESTAMP, Operator, OwnedColumn, Row, Rows, StateDescriptor, StateKind, Subtask};
use crate::raw::push_row;
use crate::record::{Record, RowBuffer};

/// The batch sizes at which [`Harness::process_at_every_batch_size`] runs the input.
const BATCH_SIZES: [usize; 4] = [1, 7, 1024, usize::MAX];

/// Runs one operator natively: the same code as in Wasm below the contract.
///
/// Input is queued and runs when asked. A call is a transaction, as with every host: a record that the operator refuses is set aside in
/// [`Self::failures`], the call runs again without it, and nothing of the failed call is seen.
pub struct Harness {
    function: Function,
    states: Vec<StateDescriptor>,
    config: Vec<(String, String)>,
    queue: Vec<Item>,
    timestamp: i64,
    pushed: usize,
    outcome: Outcome,
    operator: Option<Box<dyn Operator>>,
}

/// A record that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The record's place among all that were pushed, from 0; `None`: a call as a whole, whose records are all lost.
    pub record: Option<usize>,
    /// Why.
    pub message: String,
}

/// What is in the queue.
#[derive(Debug, Clone)]
enum Item {
    Record { index: usize, row: Vec<u8> },
    Watermark(i64),
    ProcessingTime(i64),
    NewInstance,
}

/// Everything that an operator has done.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    rows: Vec<u8>,
    failures: Vec<Refusal>,
    store: Snapshot,
    log: Vec<(Level, String)>,
    counts: BTreeMap<String, u64>,
    watermark: i64,
    processing_time: i64,
}

impl Harness {
    /// A harness for an operator that [`crate::export!`] names.
    #[must_use]
    pub fn new<T: Export>() -> Self {
        Self::with_config::<T>(&[])
    }

    /// As [`Self::new`], with configuration.
    ///
    /// # Panics
    /// When the operator refuses the configuration.
    #[must_use]
    pub fn with_config<T: Export>(config: &[(&str, &str)]) -> Self {
        let function = T::function();
        let states = function.describe().states;
        let mut harness = Self {
            function,
            config: config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            queue: Vec::new(),
            timestamp: NO_TIMESTAMP,
            pushed: 0,
            outcome: Outcome {
                rows: Vec::new(),
                failures: Vec::new(),
                store: Snapshot::of(&states),
                log: Vec::new(),
                counts: BTreeMap::new(),
                watermark: i64::MIN,
                processing_time: 0,
            },
            states,
            operator: None,
        };
        match harness.open() {
            Ok(operator) => harness.operator = Some(operator),
            Err(message) => panic!("the operator refuses to open: {message}"),
        }
        harness
    }

    fn open(&self) -> Result<Box<dyn Operator>, String> {
        let subtask = Subtask { uid: self.function.name().to_owned(), index: 0, parallelism: 1, max_parallelism: 128 };
        self.function.open(&self.config, &subtask)
    }

    /// Queues a record with a key.
    pub fn push(&mut self, key: impl ToBytes, value: impl ToBytes) -> &mut Self {
        self.push_row(Some(&key.to_bytes()), &value.to_bytes())
    }

    /// Queues a record without a key.
    pub fn push_value(&mut self, value: impl ToBytes) -> &mut Self {
        self.push_row(None, &value.to_bytes())
    }

    /// Queues a typed record, such as `push_record::<(Utf8, Json<Event>)>(("key", event))`.
    ///
    /// # Panics
    /// When it can't be encoded.
    pub fn push_record<R: Record>(&mut self, record: R::View<'_>) -> &mut Self {
        let mut buffer = RowBuffer::default();
        if let Err(error) = R::write(record, self.timestamp, &mut buffer) {
            panic!("the record can't be encoded: {error}");
        }
        self.enqueue(buffer.rows)
    }

    fn push_row(&mut self, key: Option<&[u8]>, value: &[u8]) -> &mut Self {
        let mut row = Vec::new();
        if let Err(error) = push_row(&mut row, key, value, self.timestamp) {
            panic!("{error}");
        }
        self.enqueue(row)
    }

    fn enqueue(&mut self, row: Vec<u8>) -> &mut Self {
        self.queue.push(Item::Record { index: self.pushed, row });
        self.pushed += 1;
        self
    }

    /// The event time of the records that are pushed from now on, milliseconds since the Unix epoch.
    pub fn timestamp(&mut self, timestamp_ms: i64) -> &mut Self {
        self.timestamp = timestamp_ms;
        self
    }

    /// Queues a watermark, milliseconds since the Unix epoch. It ends a batch.
    pub fn watermark(&mut self, watermark_ms: i64) -> &mut Self {
        self.queue.push(Item::Watermark(watermark_ms));
        self
    }

    /// Queues a change of the host's time, milliseconds since the Unix epoch. It ends a batch.
    pub fn processing_time(&mut self, time_ms: i64) -> &mut Self {
        self.queue.push(Item::ProcessingTime(time_ms));
        self
    }

    /// Queues the loss of the instance, as after a trap: a new one goes on over the same state. It ends a batch.
    pub fn new_instance(&mut self) -> &mut Self {
        self.queue.push(Item::NewInstance);
        self
    }

    /// Runs what is queued, in batches of at most `batch_size` records.
    pub fn process(&mut self, batch_size: usize) -> &mut Self {
        let mut batch: Vec<(usize, Vec<u8>)> = Vec::new();
        for item in std::mem::take(&mut self.queue) {
            match item {
                Item::Record { index, row } => {
                    batch.push((index, row));
                    if batch.len() >= batch_size.max(1) {
                        self.run(std::mem::take(&mut batch));
                    }
                    continue;
                }
                Item::Watermark(watermark) => {
                    self.run(std::mem::take(&mut batch));
                    self.outcome.watermark = watermark;
                }
                Item::ProcessingTime(time) => {
                    self.run(std::mem::take(&mut batch));
                    self.outcome.processing_time = time;
                }
                Item::NewInstance => {
                    self.run(std::mem::take(&mut batch));
                    self.operator = None;
                }
            }
        }
        self.run(batch);
        self
    }

    /// Runs what is queued at batch sizes 1, 7, 1024 and all at once, each from the same state with an instance of its own, and keeps the outcome.
    ///
    /// # Panics
    /// When records, refusals, state or counters differ between two batch sizes.
    pub fn process_at_every_batch_size(&mut self) -> &mut Self {
        let (queue, before) = (std::mem::take(&mut self.queue), self.outcome.clone());
        let mut first: Option<Outcome> = None;
        for batch_size in BATCH_SIZES {
            self.queue = queue.clone();
            self.outcome = before.clone();
            self.operator = None;
            self.process(batch_size);
            let first = first.get_or_insert_with(|| self.outcome.clone());
            assert_eq!(*first, self.outcome, "the outcome differs between batch sizes 1 and {batch_size}");
        }
        self
    }

    /// One batch: a call, and again without the refused record while there is one.
    fn run(&mut self, mut batch: Vec<(usize, Vec<u8>)>) {
        while !batch.is_empty() {
            let Err(failure) = self.call(&batch) else { return };
            let row = failure.row.map(|row| row as usize);
            assert!(row.is_none_or(|row| row < batch.len()), "the operator refused record {row:?} of a call of {} records", batch.len());
            let record = row.map(|row| batch.remove(row).0);
            self.outcome.failures.push(Refusal { record, message: failure.message });
            if record.is_none() {
                return;
            }
        }
    }

    fn call(&mut self, batch: &[(usize, Vec<u8>)]) -> Result<(), Failure> {
        let mut operator = match self.operator.take() {
            Some(operator) => operator,
            None => self.open().unwrap_or_else(|message| panic!("the operator refuses to open: {message}")),
        };
        let records: Vec<u8> = batch.iter().flat_map(|(_, row)| row.iter().copied()).collect();
        let (slots, keys) = if self.function.kind() == FunctionKind::Keyed { number_keys(&records) } else { (Vec::new(), Vec::new()) };
        let columns: Vec<OwnedColumn> = self.states.iter().map(|state| self.column(state, &keys)).collect();
        let values: Vec<_> = columns.iter().map(OwnedColumn::as_column).collect();
        let Outcome { watermark, processing_time, .. } = self.outcome;
        let call = Call { input: 0, records: &records, slots: &slots, values: &values, watermark, processing_time };
        let mut services = CallServices { states: &self.states, keys: &keys, store: &self.outcome.store, staged: Staged::default() };
        let result = operator.process(&call, &mut services);
        let staged = services.staged;
        self.operator = Some(operator);
        result.map(|()| self.apply(staged, &keys))
    }

    /// The values of a state by slot.
    fn column(&self, state: &StateDescriptor, keys: &[Vec<u8>]) -> OwnedColumn {
        let mut column = OwnedColumn::default();
        if state.kind == StateKind::Value {
            keys.iter().for_each(|key| column.push(self.outcome.store.value(&state.name, key)));
        }
        column
    }

    /// The call returned ok.
    fn apply(&mut self, staged: Staged, keys: &[Vec<u8>]) {
        let Outcome { rows, store, log, counts, .. } = &mut self.outcome;
        rows.extend(staged.rows);
        log.extend(staged.log);
        for (name, add) in staged.counts {
            *counts.entry(name).or_default() += add;
        }
        // Addresses were checked when they were staged.
        for ((state, slot), value) in staged.values {
            if let (Some(state), Some(key)) = (self.states.get(state as usize), keys.get(slot as usize)) {
                store.set_value(&state.name, key, value);
            }
        }
        for ((state, slot), entries) in staged.entries {
            if let (Some(state), Some(key)) = (self.states.get(state as usize), keys.get(slot as usize)) {
                store.set_entries(&state.name, key, entries);
            }
        }
    }

    /// Everything emitted so far, as the codecs of `R` read it.
    ///
    /// # Panics
    /// When it is of other codecs.
    #[must_use]
    pub fn records<R: Record>(&self) -> Vec<R::View<'_>> {
        let decoded = self.rows().iter().map(R::decode).collect::<crate::Result<Vec<_>>>();
        decoded.unwrap_or_else(|error| panic!("the output is not what is asked for: {error}"))
    }

    /// Everything emitted so far, as rows.
    #[must_use]
    pub fn rows(&self) -> Vec<Row<'_>> {
        Rows::new(&self.outcome.rows).map_while(Result::ok).collect()
    }

    /// Forgets what was emitted, refused, logged and counted; state and time stay.
    pub fn forget_output(&mut self) -> &mut Self {
        self.outcome.rows.clear();
        self.outcome.failures.clear();
        self.outcome.log.clear();
        self.outcome.counts.clear();
        self
    }

    /// What was refused so far.
    #[must_use]
    pub fn failures(&self) -> &[Refusal] {
        &self.outcome.failures
    }

    /// The sum of a counter so far.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        self.outcome.counts.get(name).copied().unwrap_or(0)
    }

    /// What was logged so far.
    #[must_use]
    pub fn log(&self) -> &[(Level, String)] {
        &self.outcome.log
    }

    /// A key's value in a value state.
    ///
    /// # Panics
    /// When it is of another codec.
    #[must_use]
    pub fn value<V: StateCodec>(&self, state: &str, key: impl ToBytes) -> Option<V::Value> {
        self.outcome.store.value(state, &key.to_bytes()).map(load::<V>)
    }

    /// A key's entries in a map state, in order of the bytes of their sub-keys.
    ///
    /// # Panics
    /// When they are of other codecs.
    #[must_use]
    pub fn map_entries<K: StateCodec, V: StateCodec>(&self, state: &str, key: impl ToBytes) -> Vec<(K::Value, V::Value)> {
        let entries = self.outcome.store.entries(state, &key.to_bytes());
        entries.iter().map(|(sub_key, value)| (load::<K>(sub_key), load::<V>(value))).collect()
    }

    /// A key's items in a list state.
    ///
    /// # Panics
    /// When they are of another codec.
    #[must_use]
    pub fn list_items<V: StateCodec>(&self, state: &str, key: impl ToBytes) -> Vec<V::Value> {
        let entries = self.outcome.store.entries(state, &key.to_bytes());
        entries.iter().filter(|(sub_key, _)| !sub_key.is_empty()).map(|(_, value)| load::<V>(value)).collect()
    }

    /// The state as of the last `process`.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.outcome.store.clone()
    }

    /// Replaces all state, and goes on with a new instance. A state of an older schema version is migrated, as a host does when the operator's plugin is
    /// replaced: take the snapshot with a harness of the old operator and restore it into one of the new. States that the operator doesn't declare are kept unseen.
    ///
    /// # Panics
    /// When a state is of another kind or codec, or was written by a version that can't be migrated, or one of its values can't.
    pub fn restore(&mut self, snapshot: &Snapshot) -> &mut Self {
        let adopted = self.open().and_then(|mut operator| adopted(snapshot, &self.states, operator.as_mut()));
        self.outcome.store = adopted.unwrap_or_else(|why| panic!("the snapshot can't be restored: {why}"));
        self.operator = None;
        self
    }
}

fn load<V: StateCodec>(bytes: &[u8]) -> V::Value {
    V::load(bytes).unwrap_or_else(|error| panic!("the state is not what is asked for: {error}"))
}

/// The slot of each row's key, and the keys by slot. Rows without a key count as one key: the operator refuses them.
fn number_keys(records: &[u8]) -> (Vec<u32>, Vec<Vec<u8>>) {
    let mut numbers: BTreeMap<&[u8], u32> = BTreeMap::new();
    let mut keys = Vec::new();
    let slots = Rows::new(records).map_while(Result::ok).map(|row| {
        let key = row.key.unwrap_or_default();
        *numbers.entry(key).or_insert_with(|| {
            keys.push(key.to_vec());
            keys.len() as u32 - 1
        })
    });
    (slots.collect(), keys)
}
