//! The transaction rule against guests that misbehave on purpose.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weir_model::codec::Codec;
use weir_model::describe::{Port, StateDescriptor, StateKind};
use weir_model::id::Parallelism;
use weir_model::key_group::MaxParallelism;
use weir_model::rows::{BatchBuilder, NO_TIMESTAMP};
use weir_state::{KeyedState, OwnedColumn, StateRow};

use super::*;
use crate::guest::Migrate;
use crate::limits::InstanceLimits;
use crate::services::{LogLevel, OutputPort};

/// Adds up values per key in its state and emits each sum; what else a value does is written in the value.
///
/// A sum is kept as eight bytes, in schema version 2 as nine, and so on. Some sums can't be migrated.
#[derive(Clone)]
pub(super) struct Scripted {
    pub(super) broken: bool,
    pub(super) rows_seen: Arc<AtomicU64>,
    pub(super) values_migrated: Arc<AtomicU64>,
    pub(super) schema_version: u32,
    /// From this sum on it emits another.
    pub(super) wrong_from: u64,
    /// A value that it acts on as if it were another.
    pub(super) takes: (&'static str, &'static str),
}

impl Default for Scripted {
    fn default() -> Self {
        Self { broken: false, rows_seen: Arc::default(), values_migrated: Arc::default(), schema_version: 1, wrong_from: u64::MAX, takes: ("", "") }
    }
}

impl Scripted {
    fn keep(&self, sum: u64, column: &mut OwnedColumn) {
        let mut bytes = sum.to_le_bytes().to_vec();
        bytes.resize(7 + self.schema_version as usize, 0);
        column.push(Some(&bytes));
    }
}

pub(super) fn sum_of(kept: &[u8]) -> u64 {
    u64::from_le_bytes(*kept.first_chunk().unwrap())
}

/// Sums that can't be migrated, and what happens then.
pub(super) const UNMIGRATABLE: [(u64, &str); 5] =
    [(13, "13 is odd"), (66, "boom"), (77, "deadline"), (88, "one of them is odd"), (99, "refused value 9999 of a call with")];

impl Guest for Scripted {
    fn call(&mut self, call: &Call<'_>, mut services: Box<Services>) -> (Box<Services>, Result<(), CallError>) {
        assert!(!self.broken, "a broken instance was called again");
        let Work::Process { rows, slots, values, .. } = call.work else { return (services, Ok(())) };
        assert!(values[0].iter().flatten().all(|value| value.len() == 7 + self.schema_version as usize), "a value of another version");
        let mut counts: Vec<u64> = values[0].iter().map(|value| value.map_or(0, sum_of)).collect();
        let mut out = BatchBuilder::default();
        let mut result = Ok(());
        let batch = Batch::from_bytes(rows.to_vec()).unwrap();
        self.rows_seen.fetch_add(batch.len() as u64, Ordering::Relaxed);
        for (at, row) in batch.iter().enumerate() {
            let value = if row.value == self.takes.0.as_bytes() { self.takes.1.as_bytes() } else { row.value };
            match value {
                b"refuse" => result = Err(CallError::Refused { row: Some(at as u32), message: "no".to_owned() }),
                b"refuse-call" => result = Err(CallError::Refused { row: None, message: "no".to_owned() }),
                b"lie" => result = Err(CallError::Refused { row: Some(9999), message: "no".to_owned() }),
                b"trap" => result = Err(CallError::Broken(Breakage::Trap("boom".to_owned()))),
                b"slow" => result = Err(CallError::Broken(Breakage::Deadline(Duration::from_secs(5)))),
                _ => {}
            }
            let count = &mut counts[slots[at] as usize];
            *count += std::str::from_utf8(value).unwrap().parse::<u64>().unwrap_or(1);
            let emitted = *count + 1000 * u64::from(*count >= self.wrong_from);
            out.push(row.key, &emitted.to_le_bytes(), row.timestamp).unwrap();
            if result.is_err() {
                break;
            }
        }
        // Staged whatever the result: the host must not let it be seen.
        let mut column = OwnedColumn::default();
        counts.iter().for_each(|count| self.keep(*count, &mut column));
        services.put(0, (0..counts.len() as u32).collect(), column).unwrap();
        services.emit(0, out.take().bytes().to_vec()).unwrap();
        services.count("calls", 1);
        services.log(LogLevel::Info, "called");
        self.broken = matches!(result, Err(CallError::Broken(_)));
        (services, result)
    }

    fn migrate(&mut self, migrate: &Migrate<'_>) -> Result<OwnedColumn, CallError> {
        assert!(!self.broken, "a broken instance was called again");
        assert_eq!(migrate.state, "n");
        assert!((1..=4096).contains(&migrate.values.lengths.len()));
        let mut migrated = OwnedColumn::default();
        for (at, value) in migrate.values.iter().enumerate() {
            let value = value.unwrap();
            assert_eq!(value.len(), 7 + migrate.from_version as usize);
            self.values_migrated.fetch_add(1, Ordering::Relaxed);
            self.broken = matches!(sum_of(value), 66 | 77);
            match sum_of(value) {
                13 => return Err(CallError::Refused { row: Some(at as u32), message: "13 is odd".to_owned() }),
                66 => return Err(Breakage::Trap("boom".to_owned()).into()),
                77 => return Err(Breakage::Deadline(migrate.timeout).into()),
                88 => return Err(CallError::Refused { row: None, message: "one of them is odd".to_owned() }),
                99 => return Err(CallError::Refused { row: Some(9999), message: "no".to_owned() }),
                sum => self.keep(sum, &mut migrated),
            }
        }
        Ok(migrated)
    }

    fn renew(&mut self) -> Result<(), Breakage> {
        self.broken = false;
        Ok(())
    }

    fn is_worn(&self) -> bool {
        false
    }
}

pub(super) fn function(schema_version: u32) -> FunctionDescription {
    let port = Port { name: "in".to_owned(), key: Codec::Utf8, value: Codec::Utf8 };
    FunctionDescription {
        name: "count".to_owned(),
        doc: String::new(),
        kind: FunctionKind::Keyed,
        inputs: vec![port.clone()],
        outputs: vec![port],
        states: vec![StateDescriptor { name: "n".to_owned(), kind: StateKind::Value, value: Codec::Bytes, schema_version, ttl_ms: 0 }],
    }
}

pub(super) fn identity(digest: &str) -> Identity {
    Identity { uid: "count".to_owned(), function: "count".to_owned(), digest: digest.to_owned() }
}

pub(super) fn new_version(guest: Scripted) -> NewVersion {
    NewVersion {
        identity: identity("fedcba9876543210"),
        function: function(guest.schema_version),
        guest: Box::new(guest),
        dropped_states: Vec::new(),
    }
}

pub(super) fn subtask_of(on_error: OnError, guest: Scripted) -> OperatorSubtask {
    let function = function(guest.schema_version);
    let state = KeyedState::new(&function.states, 0);
    let services = Services::new("count", vec![OutputPort { keyed: false }], InstanceLimits::default(), state);
    OperatorSubtask::new(identity("0123456789abcdef"), &function, on_error, Box::new(guest), services)
}

fn subtask(on_error: OnError, rows_seen: &Arc<AtomicU64>) -> OperatorSubtask {
    subtask_of(on_error, Scripted { rows_seen: Arc::clone(rows_seen), ..Scripted::default() })
}

const CONTEXT: CallContext = CallContext { watermark: i64::MIN, processing_time: 0 };

/// `key:value` records as a batch.
pub(super) fn batch(records: &str) -> Batch {
    let mut builder = BatchBuilder::default();
    for record in records.split_whitespace() {
        let (key, value) = record.split_once(':').unwrap();
        builder.push(Some(key.as_bytes()), value.as_bytes(), NO_TIMESTAMP).unwrap();
    }
    builder.take()
}

/// A batch of `key:value` records through a subtask: what was emitted as `key=sum`, and the dead letters as `key:value`.
pub(super) fn feed(subtask: &mut OperatorSubtask, records: &str) -> Result<(String, String)> {
    let mut outputs = Outputs::default();
    subtask.begin(0, batch(records));
    while subtask.step(CONTEXT, &mut outputs)? == Step::More {}
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let rows = outputs.batches.iter().flat_map(|(_, batch)| batch.iter());
    let emitted: Vec<_> = rows.map(|row| format!("{}={}", text(row.key.unwrap()), sum_of(row.value))).collect();
    let dead: Vec<_> = outputs.dead_letters.iter().map(|letter| format!("{}:{}", text(letter.key.as_ref().unwrap()), text(&letter.value))).collect();
    Ok((emitted.join(" "), dead.join(" ")))
}

/// What a subtask keeps: for each key the schema version and the sum, in order.
pub(super) fn kept(subtask: &mut OperatorSubtask) -> String {
    let mut rows = Vec::new();
    let groups = MaxParallelism::new(Parallelism::new(1).unwrap(), Parallelism::new(1).unwrap()).unwrap();
    let note = |row: StateRow<'_>| {
        let value = row.value.unwrap();
        rows.push(format!("{}={}v{}", String::from_utf8_lossy(row.key), sum_of(value), value.len() - 7));
    };
    subtask.state_mut().unwrap().for_each_row(groups, note).unwrap();
    rows.sort();
    rows.join(" ")
}

/// `key:value` records through a subtask: what was emitted as `key=count`, the dead letters as `key:value`, or the error.
fn run(on_error: OnError, records: &str) -> (String, String, TransactionCounts, Option<Error>) {
    let mut subtask = subtask(on_error, &Arc::default());
    let (ran, error) = match feed(&mut subtask, records) {
        Ok(ran) => (ran, None),
        Err(error) => (Default::default(), Some(error)),
    };
    (ran.0, ran.1, subtask.counts(), error)
}

#[test]
fn records_that_break_a_call_are_set_aside_and_nothing_else_is_lost_or_doubled() {
    let check = |records: &str, emitted: &str, dead: &str| {
        let (was_emitted, was_dead, counts, error) = run(OnError::DeadLetter, records);
        assert_eq!((was_emitted.as_str(), was_dead.as_str(), error), (emitted, dead, None), "{records}");
        assert_eq!(counts.dead_letters as usize, dead.split_whitespace().count());
        let (was_emitted, was_dead, counts, error) = run(OnError::Skip, records);
        assert_eq!((was_emitted.as_str(), was_dead.as_str(), error), (emitted, "", None), "{records}");
        assert_eq!(counts.skipped as usize, dead.split_whitespace().count());
    };
    check("a:1 b:1 a:1", "a=1 b=1 a=2", "");
    for bad in ["refuse", "refuse-call", "lie", "trap", "slow"] {
        check(&format!("a:{bad}"), "", &format!("a:{bad}"));
        check(&format!("a:1 a:{bad} b:1 a:1 c:{bad}"), "a=1 b=1 a=2", &format!("a:{bad} c:{bad}"));
        check(&format!("a:{bad} a:{bad} a:{bad} b:1"), "b=1", &format!("a:{bad} a:{bad} a:{bad}"));
    }
    check("a:1 b:trap a:refuse c:slow a:1 d:lie d:1", "a=1 a=2 d=1", "b:trap a:refuse c:slow d:lie");
}

#[test]
fn a_job_that_may_not_lose_a_record_fails_with_its_name() {
    let check = |records: &str, whys: &[&str]| {
        let (.., error) = run(OnError::Fail, records);
        let error = error.unwrap_or_else(|| panic!("{records} was let through"));
        assert!(error.what.contains("operator count (function count, plugin sha256:0123456789ab)"), "{error}");
        assert!(whys.iter().all(|why| error.why.contains(why)), "{error}");
    };
    check("a:1 b:refuse c:1", &["key \"b\"", "no"]);
    check("a:1 b:1 c:trap d:1", &["key \"c\"", "boom"]);
    check("a:1 b:lie", &["key \"b\"", "record 9999 of a call with 1 records"]);
    check("a:1 b:slow", &["one of 2 records", "deadline of 5000 ms"]);
    check("a:slow", &["key \"a\""]);
}

#[test]
fn many_bad_records_cost_no_square() {
    // Rows handed to the guest for each row of a batch, at the most.
    let check = |bad_every: usize, value: &[u8], rows_per_row_max: u64| {
        let rows_seen = Arc::default();
        let mut subtask = subtask(OnError::Skip, &rows_seen);
        let mut builder = BatchBuilder::default();
        for at in 0..20_000 {
            builder.push(Some(b"k"), if at % bad_every == 0 { value } else { b"1" }, NO_TIMESTAMP).unwrap();
        }
        subtask.begin(0, builder.take());
        let mut outputs = Outputs::default();
        while subtask.step(CallContext { watermark: i64::MIN, processing_time: 0 }, &mut outputs).unwrap() == Step::More {}
        assert_eq!(subtask.counts().skipped, 20_000_u64.div_ceil(bad_every as u64));
        let seen = rows_seen.load(Ordering::Relaxed) / 20_000;
        assert!(seen <= rows_per_row_max, "one bad record in {bad_every}: each row was tried {seen} times");
    };
    check(1, b"refuse", 20);
    check(2, b"refuse", 20);
    check(100, b"refuse", 20);
    check(10_000, b"refuse", 4);
    check(1, b"trap", 20);
    check(1000, b"trap", 20);
}

#[test]
fn output_is_handed_on_after_every_call() {
    // A batch that is halved again and again must not gather what all its parts have emitted.
    let mut subtask = subtask(OnError::Skip, &Arc::default());
    let mut builder = BatchBuilder::default();
    for at in 0..1000 {
        builder.push(Some(b"k"), if at % 10 == 0 { b"trap" } else { b"1" }, NO_TIMESTAMP).unwrap();
    }
    subtask.begin(0, builder.take());
    let (mut most, mut all) = (0, 0);
    loop {
        let mut outputs = Outputs::default();
        let step = subtask.step(CallContext { watermark: i64::MIN, processing_time: 0 }, &mut outputs).unwrap();
        let rows: usize = outputs.batches.iter().map(|(_, batch)| batch.len()).sum();
        (most, all) = (most.max(rows), all + rows);
        if step == Step::Done {
            break;
        }
    }
    assert_eq!(all, 900);
    assert!(most <= 16, "one step gave {most} rows");
}
