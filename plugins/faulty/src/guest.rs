//! The faults, over the contract's raw bindings.

use std::cell::{Cell, RefCell};
use std::hint::black_box;

use weir_guest::bindings::exports::weir::operator::operator::{
    CallContext, ColumnResult, FunctionDescription, FunctionKind, Guest, KeyTable, PluginDescription, Port, StateDescriptor, StateKind, Subtask,
};
use weir_guest::bindings::weir::log::log::{Level, log};
use weir_guest::bindings::weir::output::output::emit;
use weir_guest::bindings::weir::state::keyed::{ColumnParam, put};
use weir_guest::bindings::weir::types::types::Failure;
use weir_guest::native::{Column, NO_TIMESTAMP, OwnedColumn, Row, Rows};

use super::{FUNCTIONS, POISON};

struct Faulty;

weir_guest::bindings::export!(Faulty with_types_in weir_guest::bindings);

thread_local! {
    static FUNCTION: RefCell<String> = const { RefCell::new(String::new()) };
    static SEEN: Cell<usize> = const { Cell::new(0) };
}

impl Guest for Faulty {
    fn describe() -> PluginDescription {
        let function = |(name, keyed, doc): &(&str, bool, &str)| {
            let port = |name: &str, key: &str| Port {
                name: name.to_owned(),
                key_codec: if *keyed { "utf8" } else { key }.to_owned(),
                value_codec: "utf8".to_owned(),
            };
            let count =
                StateDescriptor { name: "count".to_owned(), kind: StateKind::Value, value_codec: "u64-le".to_owned(), schema_version: 1, ttl: 0 };
            FunctionDescription {
                name: (*name).to_owned(),
                doc: (*doc).to_owned(),
                kind: if *keyed { FunctionKind::Keyed } else { FunctionKind::Stateless },
                inputs: vec![port("in", "any")],
                outputs: vec![port("out", "none")],
                states: if *keyed { vec![count] } else { Vec::new() },
            }
        };
        PluginDescription {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sdk: "rust, raw bindings".to_owned(),
            functions: FUNCTIONS.iter().map(function).collect(),
        }
    }

    fn open(function: String, _config: Vec<(String, String)>, _subtask: Subtask) -> Result<(), String> {
        match function.as_str() {
            "open-fails" => return Err("this function never opens".to_owned()),
            "open-traps" => trap(),
            "open-loops" => spin(),
            _ => {}
        }
        FUNCTION.with(|open| open.replace(function));
        Ok(())
    }

    fn process(_input: u32, records: Vec<u8>, keys: KeyTable, _context: CallContext) -> Result<(), Failure> {
        let function = FUNCTION.with_borrow(String::clone);
        let rows: Vec<Row<'_>> = Rows::new(&records).map_while(Result::ok).collect();
        let poison = rows.iter().position(|row| row.value == POISON);
        match (function.as_str(), poison) {
            ("trap", Some(_)) | ("trap-always", _) => trap(),
            ("loop", Some(_)) => spin(),
            ("memory-bomb", Some(_)) => memory_bomb(),
            ("recursion", Some(_)) => drop(black_box(recurse(black_box(1)))),
            ("lying-rows", _) => emit(0, &lying_rows()),
            ("huge-output", _) => (0..64).for_each(|_| emit(0, &one_row(16 << 20))),
            ("huge-emit", _) => emit(0, &one_row(1 << 30)),
            ("undeclared-output", _) => emit(9, &records),
            ("undeclared-state", _) => put(9, &[0], one_number(1)),
            ("undeclared-slot", _) => put(0, &[1_000_000], one_number(1)),
            ("lying-column", _) => put(0, &[0], ColumnParam { lengths: &[1000], data: &[1, 2, 3] }),
            ("bad-pointer", _) => bad_pointer(),
            ("log-flood", Some(_)) => (0..1_000_000).for_each(|_| log(Level::Error, "")),
            ("small-emits", Some(_)) => (0..2_000_000).for_each(|_| emit(0, &header(u32::MAX, 0))),
            ("keyed-trap", _) => keyed_trap(&keys, poison.is_some()),
            _ => {}
        }
        let failure = |row: Option<usize>, message: &str| Err(Failure { row: row.map(|row| row as u32), message: message.to_owned() });
        match (function.as_str(), poison) {
            ("emit-after-failure", Some(_)) => {
                emit(0, &records);
                failure(Some(0), "refused after emitting")
            }
            ("failure-row" | "log-flood", Some(row)) => failure(Some(row), "this record is poison"),
            ("huge-message", Some(row)) => failure(Some(row), &"no ".repeat(4 << 20)),
            ("failure-row-out-of-range", Some(_)) => failure(Some(1_000_000), "a record that isn't there"),
            ("failure-whole", Some(_)) => failure(None, "there is poison in this call"),
            ("remembers" | "counts-batch", _) => {
                emit(0, &numbered(&rows, |at| if function == "remembers" { SEEN.get() + at } else { rows.len() }));
                SEEN.set(SEEN.get() + rows.len());
                Ok(())
            }
            ("lying-rows" | "huge-output" | "huge-emit" | "undeclared-output" | "bad-pointer", _) => Ok(()),
            _ => {
                emit(0, &without_keys(&function, &records, &rows));
                Ok(())
            }
        }
    }

    fn on_timers(_: bool, _: Vec<u8>, _: KeyTable, _: CallContext) -> Result<(), Failure> {
        Err(Failure { row: None, message: "this plugin sets no timers".to_owned() })
    }

    fn finish(_: CallContext) -> Result<(), Failure> {
        Ok(())
    }

    fn migrate(_: String, _: u32, _: ColumnResult) -> Result<ColumnResult, Failure> {
        Err(Failure { row: None, message: "this plugin has one version of its state".to_owned() })
    }
}

fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

fn spin() -> ! {
    loop {
        black_box(0);
    }
}

/// Ends in a trap when the host refuses to grow the memory.
fn memory_bomb() {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(vec![1; 1 << 20]));
        black_box(&hoard);
    }
}

/// The local array keeps the compiler from turning the recursion into a loop.
#[expect(unconditional_recursion, reason = "the fault itself")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    let below = recurse(black_box(depth + 1));
    below.wrapping_add(frame.iter().sum())
}

/// A row that claims more bytes than there are.
fn lying_rows() -> Vec<u8> {
    let mut row = header(1000, 4_000_000_000);
    row.extend_from_slice(b"short");
    row
}

/// One row whose value has this many bytes.
fn one_row(bytes: usize) -> Vec<u8> {
    let mut row = header(u32::MAX, bytes as u32);
    row.resize(row.len() + bytes, b'x');
    row
}

fn header(key_length: u32, value_length: u32) -> Vec<u8> {
    [&key_length.to_le_bytes()[..], &value_length.to_le_bytes(), &NO_TIMESTAMP.to_le_bytes()].concat()
}

fn one_number(number: u64) -> ColumnParam<'static> {
    // Leaked: a fault needs no better.
    ColumnParam { lengths: &[8], data: Box::leak(Box::new(number.to_le_bytes())) }
}

/// The import as the component model lowers it, with a range that no memory has.
fn bad_pointer() {
    #[link(wasm_import_module = "weir:output/output@0.1.0")]
    unsafe extern "C" {
        #[link_name = "emit"]
        fn raw_emit(output: i32, pointer: *const u8, length: usize);
    }
    // SAFETY: none; whether the host survives it is the question.
    unsafe { raw_emit(0, std::ptr::without_provenance(0xffff_0000), 0x7fff_ffff) }
}

/// Counts the records of each key into state 0, then traps if there is poison.
fn keyed_trap(keys: &KeyTable, poisoned: bool) {
    let Some(before) = keys.values.first() else { trap() };
    let before = Column { lengths: &before.lengths, data: &before.data };
    let mut column = OwnedColumn::default();
    let mut slots = Vec::new();
    for (slot, value) in before.iter().enumerate() {
        let count = value.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
        let more = keys.slots.iter().filter(|&&of| of as usize == slot).count() as u64;
        slots.push(slot as u32);
        column.push(Some(&(count + more).to_le_bytes()));
    }
    put(0, &slots, ColumnParam { lengths: &column.lengths, data: &column.data });
    if poisoned {
        trap();
    }
}

/// For each record its number, as text.
fn numbered(rows: &[Row<'_>], number: impl Fn(usize) -> usize) -> Vec<u8> {
    let mut out = Vec::new();
    for at in 1..=rows.len() {
        let text = number(at).to_string();
        out.extend_from_slice(&header(u32::MAX, text.len() as u32));
        out.extend_from_slice(text.as_bytes());
    }
    out
}

/// The records as the function's output port declares them: stateless functions emit no keys.
fn without_keys(function: &str, records: &[u8], rows: &[Row<'_>]) -> Vec<u8> {
    if FUNCTIONS.iter().any(|(name, keyed, _)| *name == function && *keyed) {
        return records.to_vec();
    }
    let mut out = Vec::with_capacity(records.len());
    for row in rows {
        out.extend_from_slice(&u32::MAX.to_le_bytes());
        out.extend_from_slice(&(row.value.len() as u32).to_le_bytes());
        out.extend_from_slice(&row.timestamp.to_le_bytes());
        out.extend_from_slice(row.value);
    }
    out
}
