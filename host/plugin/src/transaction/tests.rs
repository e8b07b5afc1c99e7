//! The transaction rule against guests that misbehave on purpose.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weir_model::codec::Codec;
use weir_model::describe::{Port, StateDescriptor, StateKind};
use weir_model::rows::NO_TIMESTAMP;
use weir_state::{KeyedState, OwnedColumn};

use super::*;
use crate::limits::InstanceLimits;
use crate::services::OutputPort;

/// Counts values per key in its state and emits each count; what a value does is written in the value.
struct Scripted {
    broken: bool,
    rows_seen: Arc<AtomicU64>,
}

impl Guest for Scripted {
    fn call(&mut self, call: &Call<'_>, mut services: Box<Services>) -> (Box<Services>, Result<(), CallError>) {
        assert!(!self.broken, "a broken instance was called again");
        let Work::Process { rows, slots, values, .. } = call.work else { return (services, Ok(())) };
        let mut counts: Vec<u64> = values[0].iter().map(|value| value.map_or(0, |v| u64::from_le_bytes(v.try_into().unwrap()))).collect();
        let mut out = BatchBuilder::default();
        let mut result = Ok(());
        let batch = Batch::from_bytes(rows.to_vec()).unwrap();
        self.rows_seen.fetch_add(batch.len() as u64, Ordering::Relaxed);
        for (at, row) in batch.iter().enumerate() {
            match row.value {
                b"refuse" => result = Err(CallError::Refused { row: Some(at as u32), message: "no".to_owned() }),
                b"refuse-call" => result = Err(CallError::Refused { row: None, message: "no".to_owned() }),
                b"lie" => result = Err(CallError::Refused { row: Some(9999), message: "no".to_owned() }),
                b"trap" => result = Err(CallError::Broken(Breakage::Trap("boom".to_owned()))),
                b"slow" => result = Err(CallError::Broken(Breakage::Deadline(Duration::from_secs(5)))),
                _ => {}
            }
            let count = &mut counts[slots[at] as usize];
            *count += 1;
            out.push(row.key, &count.to_le_bytes(), row.timestamp).unwrap();
            if result.is_err() {
                break;
            }
        }
        // Staged whatever the result: the host must not let it be seen.
        let mut column = OwnedColumn::default();
        counts.iter().for_each(|count| column.push(Some(&count.to_le_bytes())));
        services.put(0, (0..counts.len() as u32).collect(), column).unwrap();
        services.emit(0, out.take().bytes().to_vec()).unwrap();
        services.count("calls", 1);
        self.broken = matches!(result, Err(CallError::Broken(_)));
        (services, result)
    }

    fn renew(&mut self) -> Result<(), Breakage> {
        self.broken = false;
        Ok(())
    }

    fn is_worn(&self) -> bool {
        false
    }
}

fn subtask(on_error: OnError, rows_seen: &Arc<AtomicU64>) -> OperatorSubtask {
    let port = Port { name: "in".to_owned(), key: Codec::Utf8, value: Codec::Utf8 };
    let function = FunctionDescription {
        name: "count".to_owned(),
        doc: String::new(),
        kind: FunctionKind::Keyed,
        inputs: vec![port.clone()],
        outputs: vec![port],
        states: vec![StateDescriptor { name: "n".to_owned(), kind: StateKind::Value, value: Codec::Bytes, schema_version: 1, ttl_ms: 0 }],
    };
    let state = KeyedState::new(&function.states, 0);
    let services = Services::new("count", vec![OutputPort { keyed: false }], InstanceLimits::default(), state);
    let identity = Identity { uid: "count".to_owned(), function: "count".to_owned(), digest: "0123456789abcdef".to_owned() };
    OperatorSubtask::new(identity, &function, on_error, Box::new(Scripted { broken: false, rows_seen: Arc::clone(rows_seen) }), services)
}

/// `key:value` records through a subtask: what was emitted as `key=count`, the dead letters as `key:value`, or the error.
fn run(on_error: OnError, records: &str) -> (String, String, TransactionCounts, Option<Error>) {
    let mut subtask = subtask(on_error, &Arc::default());
    let mut builder = BatchBuilder::default();
    for record in records.split_whitespace() {
        let (key, value) = record.split_once(':').unwrap();
        builder.push(Some(key.as_bytes()), value.as_bytes(), NO_TIMESTAMP).unwrap();
    }
    let mut outputs = Outputs::default();
    let context = CallContext { watermark: i64::MIN, processing_time: 0 };
    subtask.begin(0, builder.take());
    let result = loop {
        match subtask.step(context, &mut outputs) {
            Ok(Step::More) => {}
            Ok(Step::Done) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let emitted: Vec<_> = outputs
        .batches
        .iter()
        .flat_map(|(_, batch)| batch.iter().map(|row| format!("{}={}", text(row.key.unwrap()), u64::from_le_bytes(row.value.try_into().unwrap()))))
        .collect();
    let dead: Vec<_> = outputs.dead_letters.iter().map(|letter| format!("{}:{}", text(letter.key.as_ref().unwrap()), text(&letter.value))).collect();
    (emitted.join(" "), dead.join(" "), subtask.counts(), result.err())
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
