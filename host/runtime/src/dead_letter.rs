//! A dead letter as a record: JSON that says whose it was, why it is here, and what it was, byte for byte.

use serde_json::json;
use weir_model::describe::Port;
use weir_model::rows::{Batch, BatchBuilder, NO_TIMESTAMP, push_row};
use weir_model::{Error, Result};
use weir_plugin::DeadLetter;

/// Bytes of a key or value that are shown as text; `row` has all of them.
const SHOWN_BYTES_MAX: usize = 64 * 1024;

/// The dead letter as one record without a key. `port` is the input that the record came in by: it says how to show it.
///
/// # Errors
/// When the record is so large that its letter doesn't fit a row: it must not be lost, so the job fails.
pub(crate) fn dead_letter_record(letter: &DeadLetter, port: Option<&Port>) -> Result<Batch> {
    let show = |bytes: &[u8], key: bool| {
        let mut text = Vec::new();
        let start = bytes.get(..bytes.len().min(SHOWN_BYTES_MAX)).unwrap_or_default();
        match port {
            Some(port) if key => port.key.render_text(start, &mut text),
            Some(port) => port.value.render_text(start, &mut text),
            None => text.extend_from_slice(start),
        }
        String::from_utf8_lossy(&text).into_owned()
    };
    let too_large = |_| {
        let bytes = letter.value.len() + letter.key.as_ref().map_or(0, Vec::len);
        Error::job(
            format!("operator {} can't set a record aside", letter.operator.uid),
            format!("the record has {bytes} bytes, and its dead letter would have more than 4 GiB; the operator said: {}", letter.error),
            "limit the size of records at the source (`line-bytes-max`)",
        )
    };
    let mut raw = Vec::new();
    push_row(&mut raw, letter.key.as_deref(), &letter.value, letter.timestamp).map_err(too_large)?;
    let json = json!({
        "uid": letter.operator.uid,
        "function": letter.operator.function,
        "plugin": format!("sha256:{}", letter.operator.digest),
        "error": letter.error,
        "timestamp": (letter.timestamp != NO_TIMESTAMP).then_some(letter.timestamp),
        "key": letter.key.as_deref().map(|key| show(key, true)),
        "value": show(&letter.value, false),
        "row": raw.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
    });
    let mut record = BatchBuilder::default();
    record.push(None, json.to_string().as_bytes(), letter.timestamp).map_err(too_large)?;
    Ok(record.take())
}
