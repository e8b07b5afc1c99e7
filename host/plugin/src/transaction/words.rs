//! What messages say of a failed call, a record and a key.

use std::fmt::Write;

use weir_model::Error;
use weir_model::rows::{Batch, Row};

use super::Identity;
use crate::error::{Breakage, CallError};

/// Why a call over `batch` failed.
pub(super) fn explain(result: &Result<(), CallError>, batch: &Batch) -> String {
    match result {
        Err(CallError::Refused { row: Some(row), message }) if *row as usize >= batch.len() => {
            format!("the guest broke the contract: it refused record {row} of a call with {} records ({message})", batch.len())
        }
        Err(error) => error.to_string(),
        Ok(()) => String::new(),
    }
}

/// The error of a job that fails because of the record at `at`.
pub(super) fn failure(identity: &Identity, result: &Result<(), CallError>, batch: &Batch, at: usize) -> Error {
    let breakage = match result {
        Err(CallError::Broken(breakage)) => Some(breakage),
        _ => None,
    };
    let alone = !matches!(breakage, Some(Breakage::Deadline(_))) || batch.len() == 1;
    let record = match batch.iter().nth(at) {
        Some(row) if alone => format!("on the record {}", excerpt(&row)),
        _ => format!("on one of {} records", batch.len()),
    };
    identity.error(format!("{record}: {}", explain(result, batch)), breakage)
}

/// Characters that are shown of a key or a value.
const CHARS_MAX: usize = 80;

/// The start of a record, readable.
fn excerpt(row: &Row<'_>) -> String {
    match row.key {
        Some(key) => format!("with key \"{}\" and value \"{}\"", show(key), show(row.value)),
        None => format!("\"{}\"", show(row.value)),
    }
}

/// The start of a key: as text if it is text, else in hexadecimal.
pub(super) fn excerpt_key(key: &[u8]) -> String {
    let is_text = std::str::from_utf8(key).is_ok_and(|text| !text.chars().any(char::is_control));
    if is_text {
        return format!("\"{}\"", show(key));
    }
    let mut shown = "0x".to_owned();
    for byte in key.iter().take(CHARS_MAX / 2) {
        // Writing to a String can't fail.
        let _ = write!(shown, "{byte:02x}");
    }
    if key.len() > CHARS_MAX / 2 {
        let _ = write!(shown, "… ({} bytes)", key.len());
    }
    shown
}

fn show(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..bytes.len().min(4 * CHARS_MAX)).unwrap_or_default());
    let mut shown: String = text.chars().take(CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().count() > CHARS_MAX || bytes.len() > 4 * CHARS_MAX {
        let _ = write!(shown, "… ({} bytes)", bytes.len());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_as_text_if_it_is_text() {
        let check = |key: &[u8], shown: &str| assert_eq!(excerpt_key(key), shown);
        check(b"word", "\"word\"");
        check("Grün\"".as_bytes(), "\"Grün\\\"\"");
        check(b"", "\"\"");
        check(&7u64.to_le_bytes(), "0x0700000000000000");
        check(&[0xff, 0x00], "0xff00");
        check("x".repeat(100).as_bytes(), &format!("\"{}… (100 bytes)\"", "x".repeat(80)));
        check(&[0; 41], &format!("0x{}… (41 bytes)", "00".repeat(40)));
    }
}
