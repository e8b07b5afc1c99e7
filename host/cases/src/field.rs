//! A key or a value as a case writes it: its bytes, whether other bytes are the same, and how bytes are shown.

use std::borrow::Cow;

use serde_json::{Number, Value as Json};
use weir_model::codec::{Codec, NumberCodec};
use weir_model::section::{Value, ValueKind};

/// A key or a value, read but not yet made bytes: its codec is the port's.
#[derive(Debug, Clone)]
pub(crate) enum Field {
    /// To be written by the codec.
    Plain(Value),
    /// These bytes.
    Bytes(Vec<u8>),
    /// This text, so many times, whatever the codec.
    Text(String, usize),
    /// This JSON, as it stands; compared as a value.
    Json(String),
    /// This number, whatever the codec.
    Number(NumberCodec, String),
}

/// What stands for the number of a repetition in texts.
const PLACE: &str = "{i}";

impl Field {
    /// The bytes under `codec`, of repetition `i` if the record is repeated.
    ///
    /// # Errors
    /// Why the codec can't write it.
    pub(crate) fn encode(&self, codec: &Codec, i: Option<u64>) -> Result<Vec<u8>, String> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            Self::Text(text, times) => Ok(fill(text, i).repeat(*times).into_bytes()),
            Self::Json(text) => Ok(fill(text, i).into_owned().into_bytes()),
            Self::Number(number, text) => number_bytes(*number, &fill(text, i)),
            Self::Plain(value) => plain(value, codec, i),
        }
    }

    /// Whether `found` is what this stands for; JSON is compared as a value, unless it is given as text.
    pub(crate) fn is(&self, codec: &Codec, i: Option<u64>, found: &[u8]) -> bool {
        let Ok(bytes) = self.encode(codec, i) else { return false };
        match self {
            Self::Plain(_) | Self::Json(_) => same(codec, &bytes, found),
            Self::Bytes(_) | Self::Text(..) | Self::Number(..) => bytes == found,
        }
    }

    /// How it is shown under `codec`.
    pub(crate) fn show(&self, codec: &Codec, i: Option<u64>) -> String {
        match (self.encode(codec, i), self) {
            (Ok(bytes), _) => show(codec, &bytes),
            (Err(_), Self::Plain(value)) => format!("{} (which no {codec} can be)", value.show()),
            (Err(why), _) => why,
        }
    }
}

/// Whether two values of a codec are the same; JSON counts as what it says.
pub(crate) fn same(codec: &Codec, one: &[u8], other: &[u8]) -> bool {
    if one == other || *codec != Codec::Json {
        return one == other;
    }
    match (serde_json::from_slice(one), serde_json::from_slice(other)) {
        (Ok(one), Ok(other)) => same_json(&one, &other),
        _ => false,
    }
}

/// A whole number is the same with and without a fraction of zero: not every language has both.
fn same_json(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one == other || is_same_fraction(one, other),
        (Json::Array(one), Json::Array(other)) => one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_json(one, other)),
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| same_json(value, other)))
        }
        _ => one == other,
    }
}

fn is_same_fraction(one: &Number, other: &Number) -> bool {
    (one.is_f64() || other.is_f64()) && one.as_f64() == other.as_f64()
}

fn fill(text: &str, i: Option<u64>) -> Cow<'_, str> {
    match i {
        Some(i) if text.contains(PLACE) => Cow::Owned(text.replace(PLACE, &i.to_string())),
        _ => Cow::Borrowed(text),
    }
}

fn plain(value: &Value, codec: &Codec, i: Option<u64>) -> Result<Vec<u8>, String> {
    let refuse = |forms: &str| Err(format!("{} can't be a value of codec {codec}: write {forms}", value.show()));
    match (codec, &value.kind) {
        (Codec::Utf8 | Codec::Bytes | Codec::Any, ValueKind::String(text)) => Ok(fill(text, i).into_owned().into_bytes()),
        (Codec::Json, _) => {
            let json = filled(value, i).to_json().map_err(str::to_owned)?;
            serde_json::to_vec(&json).map_err(|error| error.to_string())
        }
        (Codec::Bool, ValueKind::Bool(flag)) => Ok(vec![u8::from(*flag)]),
        (Codec::Number(number), ValueKind::String(text)) => number_bytes(*number, &fill(text, i)),
        (Codec::Number(number), ValueKind::Integer(integer)) => number_bytes(*number, &integer.to_string()),
        (Codec::Number(NumberCodec::F64), ValueKind::Float(float)) => Ok(float.to_le_bytes().to_vec()),
        (Codec::Utf8, _) => refuse("text in quotes, or bytes as { hex = \"00ff\" }"),
        (Codec::Bool, _) => refuse("true or false, or bytes as { hex = \"00\" }"),
        (Codec::Number(_), _) => refuse("a number, or bytes as { hex = \"00ff\" }"),
        (Codec::Bytes | Codec::Any | Codec::None, _) => refuse("text, bytes as { hex = \"00ff\" }, or a number as { u64 = 1 }"),
        (Codec::Named(_), _) => refuse("bytes as { hex = \"00ff\" }"),
    }
}

/// The value with the number of the repetition in all its texts.
fn filled(value: &Value, i: Option<u64>) -> Value {
    let kind = match &value.kind {
        ValueKind::String(text) => ValueKind::String(fill(text, i).into_owned()),
        ValueKind::Array(items) => ValueKind::Array(items.iter().map(|item| filled(item, i)).collect()),
        ValueKind::Table(table) => ValueKind::Table(table.iter().map(|(key, value)| (key.clone(), filled(value, i))).collect()),
        other => other.clone(),
    };
    Value { line: value.line, kind }
}

fn number_bytes(codec: NumberCodec, text: &str) -> Result<Vec<u8>, String> {
    let text = text.trim();
    let bytes = match codec {
        NumberCodec::U32 => text.parse::<u32>().ok().map(|number| number.to_le_bytes().to_vec()),
        NumberCodec::U64 => text.parse::<u64>().ok().map(|number| number.to_le_bytes().to_vec()),
        NumberCodec::I32 => text.parse::<i32>().ok().map(|number| number.to_le_bytes().to_vec()),
        NumberCodec::I64 => text.parse::<i64>().ok().map(|number| number.to_le_bytes().to_vec()),
        NumberCodec::F64 => text.parse::<f64>().ok().map(|number| number.to_le_bytes().to_vec()),
    };
    bytes.ok_or_else(|| format!("`{text}` is no number of codec {}", Codec::Number(codec)))
}

/// Characters that are shown of a value.
const CHARS_MAX: usize = 160;

/// Bytes as a person reads them: text in quotes, numbers and JSON as they are, the rest in hexadecimal.
pub(crate) fn show(codec: &Codec, bytes: &[u8]) -> String {
    let mut rendered = Vec::new();
    codec.render_text(bytes, &mut rendered);
    let text = String::from_utf8_lossy(&rendered);
    let is_plain = match codec {
        Codec::Utf8 | Codec::Bytes | Codec::Any | Codec::None => std::str::from_utf8(bytes).is_err(),
        Codec::Json | Codec::Bool | Codec::Number(_) | Codec::Named(_) => true,
    };
    let mut shown: String = text.chars().take(CHARS_MAX).flat_map(|letter| escaped(letter, !is_plain)).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        shown.push_str(&format!("… ({} bytes)", bytes.len()));
    }
    if is_plain { shown } else { format!("\"{shown}\"") }
}

/// A character that a terminal shows as it is, or its escape; in quotes, those are escaped too.
fn escaped(letter: char, in_quotes: bool) -> Vec<char> {
    match letter {
        '\'' => vec![letter],
        '"' | '\\' if !in_quotes => vec![letter],
        letter => letter.escape_debug().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: ValueKind) -> Field {
        Field::Plain(Value { line: 1, kind })
    }

    fn text(text: &str) -> Field {
        value(ValueKind::String(text.to_owned()))
    }

    #[test]
    fn a_field_becomes_bytes_by_the_codec_of_its_port() {
        let check = |field: Field, codec: &str, expected: Result<&[u8], &str>| {
            let found = field.encode(&Codec::from_name(codec), Some(7));
            match (&found, expected) {
                (Ok(bytes), Ok(expected)) => assert_eq!(bytes, expected, "{field:?}"),
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
                _ => panic!("{field:?} as {codec}: {found:?}"),
            }
        };
        check(text("key-{i}"), "utf8", Ok(b"key-7"));
        check(text("{i}"), "u32-le", Ok(&[7, 0, 0, 0]));
        check(text("18446744073709551615"), "u64-le", Ok(&[255; 8]));
        check(value(ValueKind::Integer(-1)), "i32-le", Ok(&[255; 4]));
        check(value(ValueKind::Integer(-1)), "u32-le", Err("`-1` is no number of codec u32-le"));
        check(value(ValueKind::Integer(2)), "f64-le", Ok(&2.0_f64.to_le_bytes()));
        check(value(ValueKind::Float(-0.0)), "f64-le", Ok(&(-0.0_f64).to_le_bytes()));
        check(value(ValueKind::Float(1.5)), "u64-le", Err("`1.5` can't be a value of codec u64-le: write a number"));
        check(value(ValueKind::Bool(true)), "bool", Ok(&[1]));
        check(value(ValueKind::Array(vec![])), "json", Ok(b"[]"));
        check(text("a{i}"), "json", Ok(b"\"a7\""));
        check(text("a"), "postcard:T/1", Err("write bytes as"));
        check(Field::Bytes(vec![0xff]), "utf8", Ok(&[0xff]));
        check(Field::Text("ab".to_owned(), 3), "json", Ok(b"ababab"));
        check(Field::Number(NumberCodec::U32, "1".to_owned()), "bytes", Ok(&[1, 0, 0, 0]));
    }

    #[test]
    fn json_is_compared_as_what_it_says() {
        let check = |expected: &str, found: &str, is_same: bool| {
            assert_eq!(Field::Json(expected.to_owned()).is(&Codec::Json, None, found.as_bytes()), is_same, "{expected} and {found}");
        };
        check(r#"{"a":1,"b":[2]}"#, r#"{ "b": [2], "a": 1.0 }"#, true);
        check("1", "2", false);
        check("18446744073709551615", "18446744073709551614", false);
        check("[1]", "[1,1]", false);
        check("{}", r#"{"a":null}"#, false);
        check("null", "nul", false);
        assert!(!Field::Text("{ }".to_owned(), 1).is(&Codec::Json, None, b"{}"), "text is compared as it stands");
    }

    #[test]
    fn values_are_shown_short_and_without_what_steers_a_terminal() {
        let check = |codec: &str, bytes: &[u8], expected: &str| assert_eq!(show(&Codec::from_name(codec), bytes), expected);
        check("utf8", "a\"\u{1b}ö".as_bytes(), "\"a\\\"\\u{1b}ö\"");
        check("utf8", &[0xff], "0xff");
        check("json", br#"{"a":"b"}"#, r#"{"a":"b"}"#);
        check("u64-le", &[1, 0, 0, 0, 0, 0, 0, 0], "1");
        check("utf8", "x".repeat(200).as_bytes(), &format!("\"{}… (200 bytes)\"", "x".repeat(160)));
    }
}
