//! What a source does with a line of JSON: check it, and find the key in it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::bad_input::BadInput;

/// Checks that `line` is one JSON value; else what is wrong and the byte of the line that shows it.
pub(super) fn check(line: &[u8]) -> Result<(), (BadInput, usize)> {
    serde_json::from_slice::<IgnoredAny>(line).map(drop).map_err(|error| malformed(&error))
}

/// The text of `field` of the object in `line`, which is checked as a whole: a string without its quotes, another scalar as it stands.
///
/// Of several fields of that name the last counts, as everywhere.
pub(super) fn key<'a>(line: &'a [u8], field: &str) -> Result<Cow<'a, str>, (BadInput, usize)> {
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let found = FindField { field }.deserialize(&mut deserializer).and_then(|found| deserializer.end().map(|()| found));
    let raw = match found {
        Ok(found) => found.ok_or_else(|| (BadInput::KeyMissing(field.to_owned()), 0))?.get(),
        // A scalar or a list is sound JSON without fields; only what is no JSON at all is malformed.
        Err(error) if error.is_data() && check(line).is_ok() => return Err((BadInput::KeyOutsideObject(field.to_owned()), 0)),
        Err(error) => return Err(check(line).err().unwrap_or_else(|| malformed(&error))),
    };
    match raw.as_bytes().first() {
        Some(b'"') => match raw.get(1..raw.len().saturating_sub(1)) {
            Some(plain) if memchr::memchr(b'\\', plain.as_bytes()).is_none() => Ok(Cow::Borrowed(plain)),
            _ => serde_json::from_str(raw).map(Cow::Owned).map_err(|error| malformed(&error)),
        },
        Some(b'{' | b'[') => Err((BadInput::KeyNotScalar(field.to_owned()), 0)),
        _ if raw == "null" => Err((BadInput::KeyMissing(field.to_owned()), 0)),
        _ => Ok(Cow::Borrowed(raw)),
    }
}

/// The parser's complaint without its own line number, which is always 1, and with its column as a byte.
fn malformed(error: &serde_json::Error) -> (BadInput, usize) {
    let text = error.to_string();
    let why = text.split_once(" at line ").map_or(text.as_str(), |(why, _)| why);
    (BadInput::Json(why.to_owned()), error.column().saturating_sub(1))
}

/// Visits an object and keeps the value of one field as the bytes that it stands as.
struct FindField<'f> {
    field: &'f str,
}

impl<'de> DeserializeSeed<'de> for FindField<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FindField<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(IsField { field: self.field })? {
            if is_it {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Compares a field's name without copying it.
struct IsField<'f> {
    field: &'f str,
}

impl<'de> DeserializeSeed<'de> for IsField<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsField<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_json_value_passes_and_anything_else_is_located() {
        let bad = |line: &str, at: usize| {
            let (why, offset) = check(line.as_bytes()).unwrap_err();
            assert!(matches!(why, BadInput::Json(_)) && !why.to_string().contains("line"), "{line}: {why}");
            assert_eq!(offset, at, "{line}: {why}");
        };
        for line in ["{}", "[1, 2]", "null", " 1.5e3 ", r#""ü""#, r#"{"a":{"b":[true]}}"#] {
            assert_eq!(check(line.as_bytes()), Ok(()), "{line}");
        }
        assert_eq!(check(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).as_bytes()), Ok(()));
        bad("{\"a\":}", 5);
        bad("{\"a\":1", 5);
        bad("{} {}", 3);
        bad("nul", 2);
    }

    #[test]
    fn a_key_is_a_scalar_of_an_object() {
        let good = |line: &str, expected: &str| assert_eq!(key(line.as_bytes(), "k").unwrap(), expected, "{line}");
        let bad = |line: &str, expected: BadInput| assert_eq!(key(line.as_bytes(), "k").unwrap_err().0, expected, "{line}");
        good(r#"{"a":{"k":1},"k":"x y"}"#, "x y");
        good(r#"{"k":"a\"b\u00fc"}"#, "a\"bü");
        good(r#"{"k": 12345678901234567890123 }"#, "12345678901234567890123");
        good(r#"{"k":1.50,"z":[]}"#, "1.50");
        good(r#"{"k":true}"#, "true");
        good(r#"{"k":"first","\u006b":"last"}"#, "last");
        good(r#"{"k":""}"#, "");
        bad(r#"{"a":1}"#, BadInput::KeyMissing("k".into()));
        bad(r#"{"k":null}"#, BadInput::KeyMissing("k".into()));
        bad(r#"{"k":[1]}"#, BadInput::KeyNotScalar("k".into()));
        bad("[1]", BadInput::KeyOutsideObject("k".into()));
        bad("7", BadInput::KeyOutsideObject("k".into()));
        for line in [r#"{"k":1"#, r#"{"k":1}}"#, r#"{"k"}"#, "", "[1", "x", r#"{"k":"\ud800"}"#] {
            assert!(matches!(key(line.as_bytes(), "k").unwrap_err().0, BadInput::Json(_)), "{line}");
        }
    }
}
