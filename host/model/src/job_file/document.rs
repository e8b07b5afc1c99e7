//! TOML text to values that know their lines, and TOML's own complaints in plain words.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use crate::error::{Error, Result};
use crate::section::{Value, ValueKind, shorten};

/// A table of values by name.
pub(super) type Table = BTreeMap<String, Value>;

/// Where the lines of a text start.
struct Lines<'a> {
    file: &'a str,
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(file: &'a str, text: &'a str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset + 1);
        Self { file, text, starts: std::iter::once(0).chain(newlines).collect() }
    }

    /// The line, from 1, of the byte at `offset`.
    fn of(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// The text of the line of the byte at `offset`.
    fn text_at(&self, offset: usize) -> &'a str {
        self.text.lines().nth(self.of(offset) - 1).unwrap_or_default().trim()
    }
}

/// Reads the whole job file.
pub(super) fn read(file: &str, text: &str) -> Result<Table> {
    let lines = Lines::new(file, text);
    let table = DeTable::parse(text).map_err(|error| syntax_error(&lines, &error))?;
    read_table(&lines, table.get_ref())
}

/// Reads the value of `-D key=value`: a TOML value (`2`, `true`, `["a", "b"]`), or else the text as it stands.
pub(super) fn read_argument(text: &str) -> Value {
    // Neither a location nor an error of this text is ever shown: what TOML can't read is text.
    let lines = Lines::new("", "");
    let parsed = DeValue::parse(text).ok().and_then(|value| read_value(&lines, value.get_ref(), 0).ok());
    // `nan` and `inf` are words before they are numbers.
    let mut value = match parsed.filter(|value| !matches!(value.kind, ValueKind::Float(number) if !number.is_finite())) {
        Some(value) => value,
        None => Value { line: 0, kind: ValueKind::String(text.to_owned()) },
    };
    forget_lines(&mut value);
    value
}

fn forget_lines(value: &mut Value) {
    value.line = 0;
    match &mut value.kind {
        ValueKind::Array(items) => items.iter_mut().for_each(forget_lines),
        ValueKind::Table(table) => table.values_mut().for_each(forget_lines),
        ValueKind::String(_) | ValueKind::Integer(_) | ValueKind::Float(_) | ValueKind::Bool(_) => {}
    }
}

fn read_table(lines: &Lines<'_>, table: &DeTable<'_>) -> Result<Table> {
    let entries = table.iter().map(|(key, value)| {
        let line = lines.of(key.span().start);
        Ok((key.get_ref().to_string(), read_value(lines, value.get_ref(), line)?))
    });
    entries.collect()
}

fn read_value(lines: &Lines<'_>, value: &DeValue<'_>, line: usize) -> Result<Value> {
    let refuse = |what: &str| {
        let remedy = "write a number that fits into 64 bits, or put it in quotes";
        Err(Error::usage(format!("{}:{line}", lines.file), format!("the number {what} is too large"), remedy))
    };
    let kind = match value {
        DeValue::String(text) => ValueKind::String(text.to_string()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => ValueKind::Integer(number),
            Err(_) => return refuse(integer.as_str()),
        },
        DeValue::Float(float) => match float.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() || float.as_str().contains(['i', 'a']) => ValueKind::Float(number),
            _ => return refuse(float.as_str()),
        },
        DeValue::Boolean(flag) => ValueKind::Bool(*flag),
        // Nothing in a job file is a date; whoever passes one on wants its text.
        DeValue::Datetime(date) => ValueKind::String(date.to_string()),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| read_value(lines, item.get_ref(), lines.of(item.span().start)));
            ValueKind::Array(items.collect::<Result<_>>()?)
        }
        DeValue::Table(table) => ValueKind::Table(read_table(lines, table)?),
    };
    Ok(Value { line, kind })
}

/// The parser's complaint, found by how it starts; what it means; what to do about it.
const COMPLAINTS: &[(&str, &str, &str)] = &[
    ("unclosed table", "the name of the table is not closed", "end it with `]`, as in `[sources.lines]`, without spaces"),
    ("unclosed array table", "the name of the table is not closed", "write it as `[sources.lines]`, in single brackets"),
    ("unclosed array", "the list is not closed", "end it with `]`, and put a comma between its items"),
    (
        "missing comma between array",
        "a comma is missing in the list, or the `]` at its end",
        "write it as `[\"a\", \"b\"]`; the list may start further up",
    ),
    ("unclosed inline table", "the table `{ … }` is not closed", "end it with `}`; it may start further up"),
    ("missing key for inline table", "the table `{ … }` is not closed", "end it with `}`; it may start further up"),
    ("extra assignment", "a comma is missing in the table", "write it as `{ a = 1, b = 2 }`"),
    ("invalid basic string", "the text is not closed", "end it with the same quote that it starts with"),
    ("invalid literal string", "the text is not closed", "end it with the same quote that it starts with"),
    ("invalid multi-line", "the text is not closed", "end it with the same quotes that it starts with"),
    (
        "missing escaped value",
        "`\\` in double quotes starts an escape, and this one is unknown",
        "write `\\\\` for a backslash, or put the text in single quotes",
    ),
    (
        "cannot extend value",
        "the part before the dot has a value already",
        "remove one of the two lines, or, if both are keys of [flink], put both names in quotes",
    ),
    ("unquoted keys cannot be empty", "a name is missing", "write `key = value`, and tables as `[sources.lines]`"),
];

/// What TOML's parser says, for someone who doesn't know TOML: never its words alone.
fn syntax_error(lines: &Lines<'_>, error: &toml::de::Error) -> Error {
    let end = lines.text.trim_end().len();
    let span = error.span().unwrap_or(end..end);
    // A complaint about the end of the file belongs to the last line that says something.
    let at = span.start.min(end);
    let line = lines.text_at(at);
    let found = lines.text.get(span).unwrap_or_default();
    let message = error.message();
    let (why, remedy) = if message.starts_with("duplicate key") {
        (format!("`{}` is defined twice", shorten(found)), "remove or rename one of the two".to_owned())
    } else if line.starts_with("//") {
        ("`//` does not start a comment".to_owned(), "start comments with `#`".to_owned())
    } else if line.contains(['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}']) {
        ("it contains typographic quotes".to_owned(), "use plain quotes: \"…\" or '…'".to_owned())
    } else if ["string values must be quoted", "invalid float", "invalid boolean", "unexpected leading zero"].iter().any(|m| message.starts_with(m)) {
        value_error(line, found)
    } else if message.starts_with("key with no value") {
        let key = shorten(line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-' || c == '.')).next().unwrap_or_default());
        (format!("`=` is missing after `{key}`"), format!("write `{key} = value`, and start comments with `#`"))
    } else if message.starts_with("unexpected key or value") {
        let rest = lines.text.get(at..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        if line.contains("= $") {
            ("`${…}` stands without quotes".to_owned(), "put it in quotes: \"${NAME}\"".to_owned())
        } else {
            (
                format!("`{}` is too much on this line", shorten(rest)),
                "write one `key = value` on a line, text in quotes, and start comments with `#`".to_owned(),
            )
        }
    } else if let Some((_, why, remedy)) = COMPLAINTS.iter().find(|(start, ..)| message.starts_with(start)) {
        ((*why).to_owned(), (*remedy).to_owned())
    } else {
        (format!("`{}` is not valid TOML: {message}", shorten(line)), "correct the line; https://toml.io shows the rules".to_owned())
    };
    Error::usage(format!("{}:{}", lines.file, lines.of(at)), why, remedy)
}

/// A value that is none, mostly because it is text without quotes.
fn value_error(line: &str, found: &str) -> (String, String) {
    match (line.split_once('='), found) {
        (Some((key, _)), "") => (format!("the value of `{}` is missing", key.trim()), format!("write `{} = \"text\"` or a number", key.trim())),
        (_, "") => ("a value is missing".to_owned(), "write text in quotes or a number".to_owned()),
        _ if found.parse::<f64>().is_ok() => ("a number starts with 0".to_owned(), "remove the zeros, or put it in quotes".to_owned()),
        _ => (format!("`{}` is not a value", shorten(found)), format!("put text in quotes: \"{}\"", shorten(found))),
    }
}
