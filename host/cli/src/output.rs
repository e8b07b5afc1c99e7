//! What reaches the screen: data on standard output, everything else on standard error, errors in three parts.

mod figures;
mod table;

use std::io::{self, ErrorKind as IoErrorKind, IsTerminal, Write};

use serde_json::{Value, json};
use weir_model::{Error, ErrorKind, Result};

use crate::exit_code::ExitCode;
use crate::progress;

pub(crate) use figures::{bytes, count, percent, rough_count, seconds};
pub(crate) use table::Table;

/// Writes `text` to standard output.
///
/// # Errors
/// When it can't be written; that nobody reads any more counts as an interruption.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| unwritable(&error))
}

/// Writes one JSON value, indented, to standard output.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_json(value: &Value) -> Result<()> {
    print(&format!("{value:#}\n"))
}

/// The error for standard output that can't be written.
pub(crate) fn unwritable(error: &io::Error) -> Error {
    let kind = if error.kind() == IoErrorKind::BrokenPipe { ErrorKind::Interrupted } else { ErrorKind::Job };
    Error::new(kind, "standard output can't be written", error.to_string(), "make room, or send the output elsewhere")
}

/// Writes lines for a person to standard error, with the progress out of the way. There is nobody to tell when that fails.
pub(crate) fn note(text: &str) {
    progress::aside(|| drop(io::stderr().lock().write_all(format!("{text}\n").as_bytes())));
}

/// Writes a line to standard error that the next one replaces; only on a terminal.
pub(crate) fn note_passing(text: &str) {
    if io::stderr().is_terminal() {
        progress::aside(|| drop(io::stderr().lock().write_all(format!("\r\x1b[K{text}").as_bytes())));
    }
}

/// Shows an error on standard error and gives the exit code that stands for it.
///
/// An interruption is no error of the user's, such as when the reader of a pipe has seen enough: nothing is shown.
pub(crate) fn error(error: &Error, as_json: bool) -> ExitCode {
    if error.kind != ErrorKind::Interrupted {
        note(&if as_json { error_json(error).to_string() } else { error_text(error, stderr_has_colour()) });
    }
    error.kind.into()
}

/// The error as data.
pub(crate) fn error_json(error: &Error) -> Value {
    json!({"error": {"kind": error_kind(error.kind), "what": error.what, "why": error.why, "do": error.remedy}})
}

/// The word for a kind of error.
pub(crate) const fn error_kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Job => "job",
        ErrorKind::Usage => "usage",
        ErrorKind::Incompatible => "incompatible",
        ErrorKind::Interrupted => "interrupted",
    }
}

fn error_text(error: &Error, colour: bool) -> String {
    let (red, bold, end) = if colour { ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
    // The second and further lines stand under the first.
    let part = |text: &str, indent: &str| printable(text.trim_end()).replace('\n', &format!("\n{indent}"));
    format!(
        "{red}error{end}: {bold}{}{end}\n  why: {}\n  do:  {}",
        part(&error.what, "       "),
        part(&error.why, "       "),
        part(&error.remedy, "       ")
    )
}

/// Text without characters that steer a terminal: names and messages may come from a plugin or a file.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push('\n'),
            '\t' => shown.push(' '),
            steering if steering.is_control() => shown.extend(steering.escape_default()),
            plain => shown.push(plain),
        }
    }
    shown
}

/// Whether standard error is a terminal that shows colour, and the user hasn't said no.
pub(crate) fn stderr_has_colour() -> bool {
    let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
    io::stderr().is_terminal() && unset("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error() -> Error {
        Error::usage("job.toml:12: [operators.count]", "there is no plugin `word-cont`", "did you mean `word-count`?")
    }

    #[test]
    fn an_error_has_three_parts() {
        let expected = "error: job.toml:12: [operators.count]\n  why: there is no plugin `word-cont`\n  do:  did you mean `word-count`?";
        assert_eq!(error_text(&error(), false), expected);
        assert!(error_text(&error(), true).starts_with("\x1b[1;31merror\x1b[0m: \x1b[1mjob.toml:12"));
    }

    #[test]
    fn further_lines_stand_under_the_first_and_nothing_steers_the_terminal() {
        let error = Error { why: "one\ntwo \x1b[2Jthree\n".to_owned(), ..error() };
        let text = error_text(&error, false);
        assert!(text.contains("\n  why: one\n       two \\u{1b}[2Jthree\n  do:  "), "{text}");
    }

    #[test]
    fn an_error_as_json_has_stable_names() {
        let expected = r#"{"error":{"do":"did you mean `word-count`?","kind":"usage","what":"job.toml:12: [operators.count]","why":"there is no plugin `word-cont`"}}"#;
        assert_eq!(error_json(&error()).to_string(), expected);
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_an_interruption_and_a_full_disk_is_not() {
        assert_eq!(unwritable(&IoErrorKind::BrokenPipe.into()).kind, ErrorKind::Interrupted);
        assert_eq!(unwritable(&IoErrorKind::StorageFull.into()).kind, ErrorKind::Job);
    }
}
