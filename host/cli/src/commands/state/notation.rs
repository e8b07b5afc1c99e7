//! Keys, sub-keys and values as a user reads and types them, by the codec that their state names.

use serde_json::Value;
use weir_model::codec::{Codec, NumberCodec};
use weir_model::describe::StateKind;

/// Bytes of a codec as text. What can't be read as the codec says is in hexadecimal, `0x…`.
pub(super) fn text(codec: &Codec, bytes: &[u8]) -> String {
    if is_opaque(codec) || matches!(codec, Codec::Bool) && !matches!(bytes, [0 | 1]) {
        return hex(bytes);
    }
    let mut text = Vec::new();
    codec.render_text(bytes, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Bytes of a codec as JSON: numbers, truth values and JSON as themselves, all else as the string of [`text`].
pub(crate) fn json(codec: &Codec, bytes: &[u8]) -> Value {
    let text = text(codec, bytes);
    match codec {
        Codec::Json | Codec::Bool | Codec::Number(_) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        _ => Value::String(text),
    }
}

/// The bytes that a text stands for.
pub(super) fn parse(codec: &Codec, text: &str) -> Result<Vec<u8>, String> {
    let expected = |what: &str| format!("`{text}` is not {what}");
    match codec {
        Codec::Utf8 | Codec::Json => Ok(text.as_bytes().to_vec()),
        Codec::Bool => match text {
            "true" => Ok(vec![1]),
            "false" => Ok(vec![0]),
            _ => Err(expected("`true` or `false`")),
        },
        Codec::Number(number) => parse_number(*number, text).ok_or_else(|| expected(&format!("a number of type {codec}"))),
        _ => unhex(text).ok_or_else(|| expected("a key in hexadecimal, such as 0x01ff")),
    }
}

fn parse_number(number: NumberCodec, text: &str) -> Option<Vec<u8>> {
    Some(match number {
        NumberCodec::U32 => text.parse::<u32>().ok()?.to_le_bytes().to_vec(),
        NumberCodec::U64 => text.parse::<u64>().ok()?.to_le_bytes().to_vec(),
        NumberCodec::I32 => text.parse::<i32>().ok()?.to_le_bytes().to_vec(),
        NumberCodec::I64 => text.parse::<i64>().ok()?.to_le_bytes().to_vec(),
        NumberCodec::F64 => text.parse::<f64>().ok()?.to_le_bytes().to_vec(),
    })
}

/// A sub-key as text: an item of a list by its place, from 0. How the sub-keys of a map are to be read isn't written down: they are text where they are
/// printable text that doesn't look like hexadecimal, else hexadecimal.
pub(super) fn sub_key_text(kind: StateKind, sub_key: &[u8]) -> String {
    if let (StateKind::List, Ok(place)) = (kind, sub_key.try_into()) {
        return u64::from_be_bytes(place).to_string();
    }
    match str::from_utf8(sub_key) {
        Ok(text) if !text.starts_with("0x") && !text.chars().any(char::is_control) => text.to_owned(),
        _ => hex(sub_key),
    }
}

/// The sub-key that a text stands for.
pub(super) fn parse_sub_key(kind: StateKind, text: &str) -> Result<Vec<u8>, String> {
    if kind == StateKind::List {
        return text.parse::<u64>().map(|place| place.to_be_bytes().to_vec()).map_err(|_| format!("`{text}` is not the place of an item, from 0"));
    }
    match text.starts_with("0x") {
        true => unhex(text).ok_or_else(|| format!("`{text}` is not hexadecimal")),
        false => Ok(text.as_bytes().to_vec()),
    }
}

/// Whether bytes of the codec mean something to its owner only.
pub(super) fn is_opaque(codec: &Codec) -> bool {
    matches!(codec, Codec::Bytes | Codec::Any | Codec::None | Codec::Named(_))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?.as_bytes();
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some((digit(high)? << 4 | digit(low)?) as u8),
        _ => None,
    };
    digits.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bytes_are_shown_as_they_can_be_typed() {
        let check = |codec: &str, bytes: &[u8], shown: &str, value: Value| {
            let codec = Codec::from_name(codec);
            assert_eq!((text(&codec, bytes).as_str(), json(&codec, bytes)), (shown, value));
            assert_eq!(parse(&codec, shown).as_deref(), Ok(bytes), "{shown}");
        };
        check("utf8", "Straße".as_bytes(), "Straße", json!("Straße"));
        check("bytes", b"ab", "0x6162", json!("0x6162"));
        check("bytes", b"", "0x", json!("0x"));
        check("json", br#"{"a":1}"#, r#"{"a":1}"#, json!({"a": 1}));
        check("bool", &[1], "true", json!(true));
        check("bool", &[0], "false", json!(false));
        check("u32-le", &7u32.to_le_bytes(), "7", json!(7));
        check("u64-le", &u64::MAX.to_le_bytes(), "18446744073709551615", json!(u64::MAX));
        check("i32-le", &(-7i32).to_le_bytes(), "-7", json!(-7));
        check("i64-le", &i64::MIN.to_le_bytes(), "-9223372036854775808", json!(i64::MIN));
        check("f64-le", &1.5f64.to_le_bytes(), "1.5", json!(1.5));
        check("f64-le", &f64::INFINITY.to_le_bytes(), "inf", json!("inf"));
        check("postcard:Seen/01", &[1, 255], "0x01ff", json!("0x01ff"));
    }

    #[test]
    fn what_isn_t_of_its_codec_is_shown_in_hexadecimal() {
        let check = |codec: &str, bytes: &[u8]| assert_eq!(json(&Codec::from_name(codec), bytes), json!(hex(bytes)), "{codec}");
        check("u64-le", &[1, 2]);
        check("bool", &[2]);
        check("utf8", &[0xff]);
        check("json", &[0xff]);
    }

    #[test]
    fn a_key_that_can_t_be_of_its_codec_is_refused() {
        let check = |codec: &str, text: &str| {
            let why = parse(&Codec::from_name(codec), text).unwrap_err();
            assert!(why.contains(text), "{why}");
        };
        check("u32-le", "-1");
        check("u64-le", "whale");
        check("bool", "1");
        check("bytes", "ab");
        check("bytes", "0x1");
        check("postcard:T/1", "0x+f");
        check("bytes", "0xäö");
    }

    #[test]
    fn a_sub_key_is_a_place_in_a_list_and_text_in_a_map_where_it_is_text() {
        let check = |kind, bytes: &[u8], text: &str| {
            assert_eq!(sub_key_text(kind, bytes), text);
            assert_eq!(parse_sub_key(kind, text).as_deref(), Ok(bytes));
        };
        check(StateKind::List, &258u64.to_be_bytes(), "258");
        check(StateKind::Map, b"index.html", "index.html");
        check(StateKind::Map, b"0x61", "0x30783631");
        check(StateKind::Map, &7u64.to_le_bytes(), "0x0700000000000000");
        check(StateKind::Map, &[0xff], "0xff");
        check(StateKind::Map, b"", "");
        assert!(parse_sub_key(StateKind::List, "last").is_err() && parse_sub_key(StateKind::Map, "0xg0").is_err());
    }
}
