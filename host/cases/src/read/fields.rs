//! Keys and values as cases write them, and records made of them.

use std::collections::BTreeMap;

use weir_model::Result;
use weir_model::codec::NumberCodec;
use weir_model::section::{Section, Value, ValueKind};

use super::millis;
use crate::case::Records;
use crate::field::Field;

/// The forms of numbers whose codec is said with them.
const NUMBERS: [(&str, NumberCodec); 5] =
    [("u32", NumberCodec::U32), ("u64", NumberCodec::U64), ("i32", NumberCodec::I32), ("i64", NumberCodec::I64), ("f64", NumberCodec::F64)];

/// The most bytes that one value may be repeated to.
const BYTES_MAX: usize = 256 << 20;
/// The most records that one may be repeated to.
const REPEAT_MAX: u64 = 1_000_000;

/// Takes a key or a value.
///
/// # Errors
/// When it is one of the special forms, and wrong.
pub(super) fn field(section: &mut Section, key: &'static str) -> Result<Option<Field>> {
    let Some(value) = section.take(key) else { return Ok(None) };
    of_value(section, key, value).map(Some)
}

/// Takes a key or a value that must be there.
pub(super) fn required(section: &mut Section, key: &'static str, example: &str) -> Result<Field> {
    match field(section, key)? {
        Some(field) => Ok(field),
        None => Err(section.missing(key, example)),
    }
}

/// What a value stands for: `{ hex = "00ff" }` and its like, or itself.
pub(super) fn of_value(section: &Section, key: &str, value: Value) -> Result<Field> {
    let ValueKind::Table(table) = &value.kind else { return Ok(Field::Plain(value)) };
    let line = value.line;
    let refuse = |why: &str, remedy: &str| Err(section.key_error(line, key, why, remedy));
    let names: Vec<&str> = table.keys().map(String::as_str).collect();
    match (names.as_slice(), text_of(table)) {
        (["hex"], Some(text)) => match bytes_of_hex(text) {
            Some(bytes) => Ok(Field::Bytes(bytes)),
            None => refuse("it isn't hexadecimal", "write two digits a byte, such as { hex = \"00ff\" }"),
        },
        (["json"], Some(text)) => match serde_json::from_str::<serde_json::Value>(&text.replace("{i}", "0")) {
            Ok(_) => Ok(Field::Json(text.to_owned())),
            Err(error) => refuse(&format!("it isn't JSON: {error}"), "mend it; for text that is meant not to be JSON, write { text = \"…\" }"),
        },
        (["text"], Some(text)) => Ok(Field::Text(text.to_owned(), 1)),
        (["text", "times"], _) => repeated(section, key, line, table),
        ([name], text) => match (NUMBERS.iter().find(|(form, _)| form == name), table.values().next(), text) {
            (Some((_, codec)), _, Some(text)) => Ok(Field::Number(*codec, text.to_owned())),
            (Some((_, codec)), Some(Value { kind: ValueKind::Integer(number), .. }), _) => Ok(Field::Number(*codec, number.to_string())),
            (Some((_, codec)), Some(Value { kind: ValueKind::Float(number), .. }), _) => Ok(Field::Number(*codec, number.to_string())),
            _ => Ok(Field::Plain(value)),
        },
        _ => Ok(Field::Plain(value)),
    }
}

fn text_of(table: &BTreeMap<String, Value>) -> Option<&str> {
    match table.values().next().map(|value| &value.kind) {
        Some(ValueKind::String(text)) => Some(text),
        _ => None,
    }
}

fn repeated(section: &Section, key: &str, line: usize, table: &BTreeMap<String, Value>) -> Result<Field> {
    match (table.get("text").map(|text| &text.kind), table.get("times").map(|times| &times.kind)) {
        (Some(ValueKind::String(text)), Some(ValueKind::Integer(times))) => {
            let times = usize::try_from(*times).ok().filter(|times| text.len().checked_mul(*times).is_some_and(|bytes| bytes <= BYTES_MAX));
            let why = format!("that is more than {} MiB, or less than nothing", BYTES_MAX >> 20);
            times.map(|times| Field::Text(text.clone(), times)).ok_or_else(|| section.key_error(line, key, why, "repeat it less often"))
        }
        _ => Err(section.key_error(line, key, "`text` and `times` are a text and a number", "write { text = \"ab\", times = 1000 }")),
    }
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| letter.to_digit(16).and_then(|digit| digit.try_into().ok()))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks(2).map(|pair| if let [high, low] = pair { Some(high << 4 | low) } else { None });
    pairs.collect()
}

/// Takes `repeat`.
pub(super) fn repeat(section: &mut Section) -> Result<Option<u64>> {
    match section.take_u64("repeat")? {
        Some((repeat, line)) if repeat > REPEAT_MAX => {
            Err(section.key_error(line, "repeat", format!("{repeat} records are too many"), format!("write a number up to {REPEAT_MAX}")))
        }
        found => Ok(found.map(|(repeat, _)| repeat)),
    }
}

/// Reads what is a record, from a table of the input or the output.
pub(super) fn record(section: &mut Section) -> Result<Records> {
    section.know(&["key", "value", "timestamp", "repeat", "port"]);
    let line = section.line();
    let repeat = repeat(section)?;
    let port = section.take_string("port")?.map(|(port, _)| port);
    let timestamp = millis(section, "timestamp")?;
    let key = field(section, "key")?;
    let value = required(section, "value", "1")?;
    Ok(Records { line, repeat, port, key, value, timestamp })
}
