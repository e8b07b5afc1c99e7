//! A table of the job file that knows its lines: keys are taken out one by one, and what is left over is an error.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::quantity::{QuantityError, parse_duration, parse_flink_duration, parse_size};

/// A value of a job file and the line that it stands on.
#[derive(Debug, Clone)]
pub struct Value {
    /// The line, from 1; 0 for a value that was given on the command line.
    pub line: usize,
    /// The value.
    pub kind: ValueKind,
}

/// What a value is.
#[derive(Debug, Clone)]
pub enum ValueKind {
    /// Text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Values in order.
    Array(Vec<Value>),
    /// Named values.
    Table(BTreeMap<String, Value>),
}

impl Value {
    /// What the value is, for a message.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            ValueKind::String(_) => "text",
            ValueKind::Integer(_) => "a whole number",
            ValueKind::Float(_) => "a number",
            ValueKind::Bool(_) => "true or false",
            ValueKind::Array(_) => "a list",
            ValueKind::Table(_) => "a table",
        }
    }

    /// The value as JSON.
    ///
    /// # Errors
    /// Why it can't be one.
    pub fn to_json(&self) -> Result<serde_json::Value, &'static str> {
        Ok(match &self.kind {
            ValueKind::String(text) => text.as_str().into(),
            ValueKind::Integer(number) => (*number).into(),
            ValueKind::Float(number) if number.is_finite() => (*number).into(),
            ValueKind::Float(_) => return Err("a plugin gets it as JSON, which has no infinity and no NaN"),
            ValueKind::Bool(flag) => (*flag).into(),
            ValueKind::Array(items) => items.iter().map(Self::to_json).collect::<Result<_, _>>()?,
            ValueKind::Table(table) => table.iter().map(|(key, value)| Ok((key.clone(), value.to_json()?))).collect::<Result<_, _>>()?,
        })
    }

    /// The value as it can be shown in a message: as it is written, unless it is long.
    #[must_use]
    pub fn show(&self) -> String {
        match &self.kind {
            ValueKind::String(text) => format!("the text \"{}\"", shorten(text)),
            ValueKind::Integer(number) => format!("`{number}`"),
            ValueKind::Float(number) => format!("`{number}`"),
            ValueKind::Bool(flag) => format!("`{flag}`"),
            ValueKind::Array(_) | ValueKind::Table(_) => self.type_name().to_owned(),
        }
    }
}

/// One table of the job file, such as `[sources.lines]`.
///
/// Whoever reads it takes each key that it knows and calls [`Section::finish`], which refuses the rest by name.
#[derive(Debug, Clone)]
pub struct Section {
    file: Arc<str>,
    name: String,
    line: usize,
    entries: BTreeMap<String, Value>,
    known: Vec<&'static str>,
    /// Keys that were given under another name, Flink's.
    aliases: BTreeMap<String, String>,
}

impl Section {
    /// The table called `name` (as it is written in the file, such as `sources.lines`) of `file`.
    #[must_use]
    pub fn new(file: Arc<str>, name: impl Into<String>, line: usize, entries: BTreeMap<String, Value>) -> Self {
        Self { file, name: name.into(), line, entries, known: Vec::new(), aliases: BTreeMap::new() }
    }

    /// The same table with the keys that were given under a name of Flink's: that name by the table's own key.
    pub(crate) fn with_aliases(mut self, aliases: BTreeMap<String, String>) -> Self {
        self.aliases = aliases;
        self
    }

    /// The same table without keys: what is left to make errors with when the keys are gone.
    pub(crate) fn without_keys(&self) -> Self {
        Self { entries: BTreeMap::new(), known: Vec::new(), ..self.clone() }
    }

    /// The name of Flink's that `key` was given under.
    pub(crate) fn alias(&self, key: &str) -> Option<&str> {
        self.aliases.get(key).map(String::as_str)
    }

    /// The table's name in the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The line of the table's header.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The file that the table is in, as the user named it.
    #[must_use]
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// `job.toml:12: [sources.lines]`, the first part of an error about the table.
    #[must_use]
    pub fn place(&self, line: usize) -> String {
        if line == 0 { format!("{}: [{}]", self.file, self.name) } else { format!("{}:{}: [{}]", self.file, line, self.name) }
    }

    /// An error about the table as a whole.
    #[must_use]
    pub fn error(&self, why: impl Into<String>, remedy: impl Into<String>) -> Error {
        Error::usage(self.place(self.line), why, remedy)
    }

    /// `job.toml:12: [sources.lines] path`, or `-D sources.lines.path` for a value from the command line (line 0): the name that it was given under.
    #[must_use]
    pub fn key_place(&self, line: usize, key: &str) -> String {
        match (line, self.alias(key)) {
            (0, None) => format!("-D {}.{key}", self.name),
            (0, Some(alias)) => format!("-D {alias}"),
            (_, None) => format!("{} {key}", self.place(line)),
            (_, Some(alias)) => format!("{}:{line}: [flink] {alias}", self.file),
        }
    }

    /// An error about one key.
    #[must_use]
    pub fn key_error(&self, line: usize, key: &str, why: impl Into<String>, remedy: impl Into<String>) -> Error {
        Error::usage(self.key_place(line, key), why, remedy)
    }

    /// The error for a key that must be there and isn't; a key that looks like a slip of it is pointed out.
    #[must_use]
    pub fn missing(&self, key: &str, example: &str) -> Error {
        // `[sources.a.b]` is a table `b` in `[sources.a]`, where `[sources.a-b]` was meant.
        if let (Some((below, Value { line, kind: ValueKind::Table(entries) })), 1) = (self.entries.first_key_value(), self.entries.len())
            && entries.contains_key(key)
        {
            let why = format!("`{key}` stands in [{}.{below}], one level too deep", self.name);
            return self.key_error(*line, below, why, format!("write a name without a dot: [{}-{below}]", self.name));
        }
        let slip = self.entries.iter().find(|(found, _)| strsim::damerau_levenshtein(found, key) <= (key.len() / 4).max(1));
        match slip {
            Some((found, value)) => {
                self.key_error(value.line, found, format!("`{key}` is missing, and `{found}` is not it"), format!("did you mean `{key}`?"))
            }
            None => self.error(format!("`{key}` is missing"), format!("add a line such as `{key} = {example}`")),
        }
    }

    /// The line of `key`, if it is there; it is neither taken nor known by that.
    #[must_use]
    pub fn line_of(&self, key: &str) -> Option<usize> {
        self.entries.get(key).map(|value| value.line)
    }

    /// Makes keys known before they are taken, in the order in which a message is to list them.
    pub fn know(&mut self, keys: &[&'static str]) {
        for key in keys {
            if !self.known.contains(key) {
                self.known.push(key);
            }
        }
    }

    /// Takes the value of `key`, whatever it is.
    pub fn take(&mut self, key: &'static str) -> Option<Value> {
        self.know(&[key]);
        self.entries.remove(key)
    }

    /// Takes everything that is left, for tables whose keys are the user's (UIDs, configuration).
    pub fn take_rest(&mut self) -> BTreeMap<String, Value> {
        std::mem::take(&mut self.entries)
    }

    /// Takes text.
    ///
    /// # Errors
    /// A usage error when the value is something else.
    pub fn take_string(&mut self, key: &'static str) -> Result<Option<(String, usize)>> {
        self.take_as(key, "text, in quotes", |kind| match kind {
            ValueKind::String(text) => Some(text),
            _ => None,
        })
    }

    /// Takes text that must be there.
    ///
    /// # Errors
    /// A usage error when it is missing or something else; `example` is shown then.
    pub fn require_string(&mut self, key: &'static str, example: &str) -> Result<(String, usize)> {
        match self.take_string(key)? {
            Some(found) => Ok(found),
            None => Err(self.missing(key, example)),
        }
    }

    /// Takes true or false, or text that says so (a `${VARIABLE}` is always text).
    ///
    /// # Errors
    /// A usage error when the value is something else.
    pub fn take_bool(&mut self, key: &'static str) -> Result<Option<(bool, usize)>> {
        self.take_as(key, "true or false", |kind| match kind {
            ValueKind::Bool(flag) => Some(flag),
            ValueKind::String(text) => text.parse().ok(),
            _ => None,
        })
    }

    /// Takes a whole number that isn't negative, or text that is one (a `${VARIABLE}` is always text).
    ///
    /// # Errors
    /// A usage error when the value is something else.
    pub fn take_u64(&mut self, key: &'static str) -> Result<Option<(u64, usize)>> {
        self.take_as(key, "a whole number, 0 or more", |kind| match kind {
            ValueKind::Integer(number) => u64::try_from(number).ok(),
            ValueKind::String(text) => text.parse().ok(),
            _ => None,
        })
    }

    /// Takes a number that is above 0, or text that is one (a `${VARIABLE}` is always text).
    ///
    /// # Errors
    /// A usage error when the value is something else.
    pub fn take_positive_f64(&mut self, key: &'static str) -> Result<Option<(f64, usize)>> {
        self.take_as(key, "a number above 0", |kind| {
            let number = match kind {
                ValueKind::Integer(number) => Some(number as f64),
                ValueKind::Float(number) => Some(number),
                ValueKind::String(text) => text.parse().ok(),
                _ => None,
            };
            number.filter(|number| *number > 0.0 && number.is_finite())
        })
    }

    /// Takes a duration, such as `"10s"`. Under a name of Flink's a number without a unit counts milliseconds, as there.
    ///
    /// # Errors
    /// A usage error that says which forms are right.
    pub fn take_duration(&mut self, key: &'static str) -> Result<Option<(Duration, usize)>> {
        let parse = if self.alias(key).is_some() { parse_flink_duration } else { parse_duration };
        self.take_quantity(key, parse)
    }

    /// Takes a size in bytes, such as `"64MiB"` or `4096`.
    ///
    /// # Errors
    /// A usage error that says which forms are right.
    pub fn take_size(&mut self, key: &'static str) -> Result<Option<(u64, usize)>> {
        self.take_quantity(key, parse_size)
    }

    fn take_quantity<T>(&mut self, key: &'static str, parse: fn(&str) -> Result<T, QuantityError>) -> Result<Option<(T, usize)>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let parsed = match &value.kind {
            ValueKind::String(text) => parse(text),
            ValueKind::Integer(number) => parse(&number.to_string()),
            // Anything else is refused like a text without a number, whose remedy shows the forms.
            _ => parse("").map_err(|error| QuantityError { why: format!("{} stands where text is expected", value.type_name()), ..error }),
        };
        match parsed {
            Ok(quantity) => Ok(Some((quantity, value.line))),
            Err(QuantityError { why, remedy }) => Err(self.key_error(value.line, key, why, remedy)),
        }
    }

    /// Takes one of the words in `choices`.
    ///
    /// # Errors
    /// A usage error that lists the choices.
    pub fn take_choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let Some((word, line)) = self.take_string(key)? else { return Ok(None) };
        match choices.iter().find(|(name, _)| *name == word) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => Err(self.not_a_choice(key, &word, line, choices)),
        }
    }

    /// Takes one of the words in `choices`, or one in `also` that no message lists, also as Flink writes them: `EXACTLY_ONCE` is `exactly-once`.
    ///
    /// # Errors
    /// A usage error that lists the choices.
    pub(crate) fn take_flink_choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)], also: &[(&str, T)]) -> Result<Option<(T, usize)>> {
        let Some((word, line)) = self.take_string(key)? else { return Ok(None) };
        let plain = word.trim().to_lowercase().replace('_', "-");
        match choices.iter().chain(also).find(|(name, _)| *name == plain) {
            Some((_, choice)) => Ok(Some((*choice, line))),
            None => Err(self.not_a_choice(key, &word, line, choices)),
        }
    }

    fn not_a_choice<T>(&self, key: &str, word: &str, line: usize, choices: &[(&str, T)]) -> Error {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        self.key_error(line, key, format!("`{}` is not one of its values", shorten(word)), did_you_mean(word, &names))
    }

    /// Takes a list of texts; one text alone counts as a list of one.
    ///
    /// # Errors
    /// A usage error when the value or an item is something else.
    pub fn take_strings(&mut self, key: &'static str) -> Result<Option<Vec<(String, usize)>>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let items = match value.kind {
            ValueKind::Array(items) => items,
            _ => vec![value],
        };
        let texts = items.into_iter().map(|item| {
            let found = item.type_name();
            match item.kind {
                ValueKind::String(text) => Ok((text, item.line)),
                _ => Err(self.key_error(
                    item.line,
                    key,
                    format!("{found} stands where text is expected"),
                    "write text in quotes, or a list of such texts",
                )),
            }
        });
        texts.collect::<Result<Vec<_>>>().map(Some)
    }

    /// Takes `config`, an operator's configuration: texts as they are, everything else as JSON.
    ///
    /// # Errors
    /// A usage error when it isn't a table, or a value can't be JSON.
    pub fn take_config(&mut self) -> Result<Vec<(String, String)>> {
        let Some(Value { line, kind }) = self.take("config") else { return Ok(Vec::new()) };
        let ValueKind::Table(entries) = kind else {
            let remedy = "write `config = { key = \"value\" }`";
            return Err(self.key_error(line, "config", "it is not a table", remedy));
        };
        let texts = entries.into_iter().map(|(key, value)| {
            let text = match value.kind {
                ValueKind::String(text) => text,
                _ => value.to_json().map_err(|why| self.key_error(value.line, &format!("config.{key}"), why, "put it in quotes"))?.to_string(),
            };
            Ok((key, text))
        });
        texts.collect()
    }

    /// Takes a value through `read`, which gives `None` for one of another type; `expected` says what would be right.
    ///
    /// # Errors
    /// A usage error when `read` gives `None`.
    pub fn take_as<T>(&mut self, key: &'static str, expected: &str, read: impl FnOnce(ValueKind) -> Option<T>) -> Result<Option<(T, usize)>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let (line, found) = (value.line, value.show());
        match read(value.kind) {
            Some(read) => Ok(Some((read, line))),
            None => Err(self.key_error(line, key, format!("{found} can't stand here"), format!("write {expected}"))),
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// A usage error that names the first key nobody took, its line, and the nearest known one.
    pub fn finish(self) -> Result<()> {
        let unknown = self.entries.iter().min_by_key(|(_, value)| value.line);
        match unknown {
            None => Ok(()),
            Some((key, value)) => {
                Err(self.key_error(value.line, key, format!("there is no key `{key}` in [{}]", self.name), did_you_mean(key, &self.known)))
            }
        }
    }
}

/// The start of a text that may be too long for a message.
pub(crate) fn shorten(text: &str) -> Cow<'_, str> {
    const CHARS_MAX: usize = 80;
    match text.char_indices().nth(CHARS_MAX) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}

/// The one of `known` that `word` is most likely a slip of, if any is near enough.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let chars = word.chars().count();
    let distance_max = (chars / 3).max(1);
    // Lengths that differ by more make the distance larger; a word may be as long as whoever wrote it liked.
    let candidates = known.iter().filter(|candidate| candidate.chars().count().abs_diff(chars) <= distance_max);
    let (distance, candidate) = candidates.map(|candidate| (strsim::damerau_levenshtein(word, candidate), *candidate)).min()?;
    (distance <= distance_max).then_some(candidate)
}

/// `did you mean …?` with the nearest of `known`, or the list of all when none is near.
#[must_use]
pub fn did_you_mean(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None if known.is_empty() => "remove it".to_owned(),
        None => format!("use one of: {}", known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(key: &str, kind: ValueKind) -> Section {
        Section::new("job.toml".into(), "sources.x", 3, BTreeMap::from([(key.to_owned(), Value { line: 4, kind })]))
    }

    #[test]
    fn numbers_and_flags_may_be_text_because_variables_are() {
        let text = |text: &str| section("k", ValueKind::String(text.to_owned()));
        assert_eq!(text("17").take_u64("k").unwrap(), Some((17, 4)));
        assert_eq!(text("1.5").take_positive_f64("k").unwrap(), Some((1.5, 4)));
        assert_eq!(text("true").take_bool("k").unwrap(), Some((true, 4)));
        assert_eq!(text("64MiB").take_size("k").unwrap(), Some((64 << 20, 4)));
        assert_eq!(text("2 min").take_duration("k").unwrap(), Some((Duration::from_secs(120), 4)));
        let refused = |error: Result<Option<(f64, usize)>>, expected: &str| assert_eq!(error.unwrap_err().to_string(), expected);
        refused(text("inf").take_positive_f64("k"), "job.toml:4: [sources.x] k: the text \"inf\" can't stand here (write a number above 0)");
        refused(
            section("k", ValueKind::Integer(0)).take_positive_f64("k"),
            "job.toml:4: [sources.x] k: `0` can't stand here (write a number above 0)",
        );
    }

    #[test]
    fn a_size_may_be_a_bare_number_and_a_duration_may_not() {
        assert_eq!(section("k", ValueKind::Integer(4096)).take_size("k").unwrap(), Some((4096, 4)));
        assert_eq!(section("k", ValueKind::Integer(10)).take_duration("k").unwrap_err().why, "`10` has no unit");
        assert_eq!(section("other", ValueKind::Integer(10)).take_duration("k").unwrap(), None);
    }

    #[test]
    fn a_key_that_nobody_took_is_named_with_its_line() {
        let mut section = section("pth", ValueKind::Bool(true));
        section.know(&["path", "rate"]);
        assert_eq!(section.take_string("rate").unwrap(), None);
        let expected = "job.toml:4: [sources.x] pth: there is no key `pth` in [sources.x] (did you mean `path`?)";
        assert_eq!(section.finish().unwrap_err().to_string(), expected);
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        let check = |word: &str, expected: &str| assert_eq!(did_you_mean(word, &["file", "print"]), expected);
        check("flie", "did you mean `file`?");
        check("prin", "did you mean `print`?");
        check("kafka", "use one of: `file`, `print`");
        assert_eq!(did_you_mean("x", &[]), "remove it");
    }
}
