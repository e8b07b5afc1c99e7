//! A dead letter as a record: JSON that says whose it was, why it is here, and what it was, byte for byte.

use serde_json::json;
use weir_model::describe::Port;
use weir_model::rows::{NO_TIMESTAMP, push_row};
use weir_plugin::DeadLetter;

/// Appends the dead letter to `rows` as a record without a key. `port` is the input that the record came in by: it says how to show it.
pub(crate) fn push_dead_letter(letter: &DeadLetter, port: Option<&Port>, rows: &mut Vec<u8>) {
    let show = |bytes: &[u8], key: bool| {
        let mut text = Vec::new();
        if let Some(port) = port {
            let codec = if key { &port.key } else { &port.value };
            codec.render_text(bytes, &mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    };
    let mut raw = Vec::new();
    // The record came out of a row, so it fits one.
    let _ = push_row(&mut raw, letter.key.as_deref(), &letter.value, letter.timestamp);
    let raw: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    let json = json!({
        "uid": letter.operator.uid,
        "function": letter.operator.function,
        "plugin": format!("sha256:{}", letter.operator.digest),
        "error": letter.error,
        "timestamp": (letter.timestamp != NO_TIMESTAMP).then_some(letter.timestamp),
        "key": letter.key.as_deref().map(|key| show(key, true)),
        "value": show(&letter.value, false),
        "row": raw,
    });
    // A row of 2 GiB would be needed to overflow one; calls are limited far below.
    let _ = push_row(rows, None, json.to_string().as_bytes(), letter.timestamp);
}
