//! Codec names: how the bytes of a key or a value are to be read.

use std::fmt;
use std::io::Write;

/// How bytes are to be read. Two connected ports must name the same codec; the name is what is compared and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Codec {
    /// `none`: records carry no key. Only as a key codec.
    None,
    /// `any`: an input that takes whatever comes, unread. Never names an output.
    Any,
    /// `utf8`: text.
    Utf8,
    /// `bytes`: opaque.
    Bytes,
    /// `json`: one JSON value as UTF-8 text.
    Json,
    /// `bool`: one byte, 0 or 1.
    Bool,
    /// `u32-le`, `u64-le`, `i32-le`, `i64-le`, `f64-le`: a number, little-endian.
    Number(NumberCodec),
    /// Any other name, such as `postcard:<type>/<fingerprint>`: comparable, but opaque to the host.
    Named(String),
}

/// The fixed-width number codecs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberCodec {
    /// Four bytes, unsigned.
    U32,
    /// Eight bytes, unsigned.
    U64,
    /// Four bytes, two's complement.
    I32,
    /// Eight bytes, two's complement.
    I64,
    /// Eight bytes, IEEE 754.
    F64,
}

impl Codec {
    /// The codec that `name` names.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "none" | "" => Self::None,
            "any" => Self::Any,
            "utf8" => Self::Utf8,
            "bytes" => Self::Bytes,
            "json" => Self::Json,
            "bool" => Self::Bool,
            "u32-le" => Self::Number(NumberCodec::U32),
            "u64-le" => Self::Number(NumberCodec::U64),
            "i32-le" => Self::Number(NumberCodec::I32),
            "i64-le" => Self::Number(NumberCodec::I64),
            "f64-le" => Self::Number(NumberCodec::F64),
            other => Self::Named(other.to_owned()),
        }
    }

    /// The name that is compared and shown.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::None => "none",
            Self::Any => "any",
            Self::Utf8 => "utf8",
            Self::Bytes => "bytes",
            Self::Json => "json",
            Self::Bool => "bool",
            Self::Number(NumberCodec::U32) => "u32-le",
            Self::Number(NumberCodec::U64) => "u64-le",
            Self::Number(NumberCodec::I32) => "i32-le",
            Self::Number(NumberCodec::I64) => "i64-le",
            Self::Number(NumberCodec::F64) => "f64-le",
            Self::Named(name) => name,
        }
    }

    /// Whether an input of this codec takes what an output of codec `output` emits.
    #[must_use]
    pub fn accepts(&self, output: &Self) -> bool {
        *self == Self::Any || self == output
    }

    /// Appends `bytes` as a person reads them: text as it is, numbers in decimal, what can't be read as text in hexadecimal (`0x…`).
    pub fn render_text(&self, bytes: &[u8], out: &mut Vec<u8>) {
        match (self, std::str::from_utf8(bytes)) {
            (Self::Utf8 | Self::Json, Ok(_)) => out.extend_from_slice(bytes),
            (Self::Bool, _) if bytes.len() == 1 => out.extend_from_slice(if bytes == [0] { b"false" } else { b"true" }),
            (Self::Number(number), _) => match number.read(bytes) {
                // Writing to a Vec can't fail.
                Some(number) => drop(write!(out, "{number}")),
                None => render_hex(bytes, out),
            },
            (Self::Bytes | Self::Any | Self::None, Ok(_)) => out.extend_from_slice(bytes),
            _ => render_hex(bytes, out),
        }
    }

    /// Appends `bytes` as one JSON value: numbers and JSON as themselves, everything else as a string of [`Self::render_text`].
    pub fn render_json(&self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Json if std::str::from_utf8(bytes).is_ok() => out.extend_from_slice(bytes),
            Self::Number(number) if number.read(bytes).is_some_and(Number::is_json) => self.render_text(bytes, out),
            Self::Bool if bytes.len() == 1 => self.render_text(bytes, out),
            _ => {
                let mut text = Vec::new();
                self.render_text(bytes, &mut text);
                // Rendered text is UTF-8 in every case above, and writing to a Vec can't fail.
                drop(serde_json::to_writer(out, &String::from_utf8_lossy(&text)));
            }
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A number as its codec reads it.
#[derive(Debug, Clone, Copy)]
enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl Number {
    /// JSON has no infinities and no NaN.
    fn is_json(self) -> bool {
        match self {
            Self::Float(value) => value.is_finite(),
            Self::Unsigned(_) | Self::Signed(_) => true,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
        }
    }
}

impl NumberCodec {
    fn read(self, bytes: &[u8]) -> Option<Number> {
        Some(match self {
            Self::U32 => Number::Unsigned(u32::from_le_bytes(bytes.try_into().ok()?).into()),
            Self::U64 => Number::Unsigned(u64::from_le_bytes(bytes.try_into().ok()?)),
            Self::I32 => Number::Signed(i32::from_le_bytes(bytes.try_into().ok()?).into()),
            Self::I64 => Number::Signed(i64::from_le_bytes(bytes.try_into().ok()?)),
            Self::F64 => Number::Float(f64::from_le_bytes(bytes.try_into().ok()?)),
        })
    }
}

fn render_hex(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"0x");
    for byte in bytes {
        drop(write!(out, "{byte:02x}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_rendered_as_their_codec_reads_them() {
        let check = |codec: &str, bytes: &[u8], text: &str, json: &str| {
            let codec = Codec::from_name(codec);
            let (mut as_text, mut as_json) = (Vec::new(), Vec::new());
            codec.render_text(bytes, &mut as_text);
            codec.render_json(bytes, &mut as_json);
            assert_eq!((String::from_utf8(as_text).unwrap(), String::from_utf8(as_json).unwrap()), (text.to_owned(), json.to_owned()));
        };
        check("utf8", "a\"ö".as_bytes(), "a\"ö", r#""a\"ö""#);
        check("utf8", &[0xff], "0xff", r#""0xff""#);
        check("bytes", b"ab", "ab", r#""ab""#);
        check("json", br#"{"a":1}"#, r#"{"a":1}"#, r#"{"a":1}"#);
        check("u64-le", &7u64.to_le_bytes(), "7", "7");
        check("i32-le", &(-7i32).to_le_bytes(), "-7", "-7");
        check("f64-le", &1.5f64.to_le_bytes(), "1.5", "1.5");
        check("f64-le", &f64::NAN.to_le_bytes(), "NaN", r#""NaN""#);
        check("u64-le", &[1, 2], "0x0102", r#""0x0102""#);
        check("bool", &[1], "true", "true");
        check("postcard:T/1", &[1, 2], "0x0102", r#""0x0102""#);
    }

    #[test]
    fn names_survive_a_round_trip() {
        for name in ["none", "any", "utf8", "bytes", "json", "bool", "u32-le", "u64-le", "i32-le", "i64-le", "f64-le", "postcard:T/1"] {
            assert_eq!(Codec::from_name(name).name(), name);
        }
    }
}
