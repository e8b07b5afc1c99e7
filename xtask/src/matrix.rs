//! `cargo xtask matrix`: what each language's plugin makes of the conformance cases, as a table in docs/languages.md.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::fault::{Fault, Result};
use crate::repo::{self, Repo};
use crate::{languages, process, say};

const DOCUMENT: &str = "docs/languages.md";
const BEGIN: &str = "<!-- The table below is written by `cargo xtask matrix`. -->";
const END: &str = "<!-- End of the table. -->";

/// The results of one language: by case, `ok`, `failed` or `skipped`.
struct Column {
    language: &'static str,
    results: Vec<Row>,
}

/// A case, in its file.
struct Row {
    file: String,
    case: String,
    status: String,
}

/// Runs the cases with every plugin that is built, and writes the table.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    process::run(repo.cargo().args(repo::build("weir")), "read the compiler's message above")?;
    let weir = repo.target_dir()?.join("release/weir");
    let built: Vec<&'static str> = languages::names().filter(|language| repo.path(&plugin(language)).is_file()).collect();
    if built.is_empty() {
        return Err(Fault::failed("there is nothing to test", "no conformance plugin is in target/plugins", "run `cargo xtask plugins` first"));
    }
    let mut columns = Vec::new();
    for (at, language) in built.iter().enumerate() {
        say::progress(&format!("the cases with {language}"));
        // Cases that change between languages go from each to the next two that have an SDK, and so all functions.
        let whole: Vec<_> = built.iter().filter(|language| repo.path(&format!("guest-sdk/{language}")).is_dir()).collect();
        let behind = |places: usize| whole.get((at + places) % whole.len().max(1)).map_or(*language, |other| **other);
        columns.push(Column { language, results: results(repo, &weir, language, [behind(1), behind(2)])? });
    }
    let path = repo.path(DOCUMENT);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| format!("# Languages\n\n{BEGIN}\n{END}\n"));
    let text = replaced(&text, &table(&columns))?;
    std::fs::write(&path, text).map_err(|error| Fault::path(&path, "written", &error))?;
    say::line(&format!("{DOCUMENT}: {} cases in {}", columns.first().map_or(0, |column| column.results.len()), built.join(", ")));
    Ok(())
}

fn plugin(language: &str) -> String {
    format!("target/plugins/conformance-{language}.wasm")
}

fn results(repo: &Repo, weir: &Path, language: &str, others: [&str; 2]) -> Result<Vec<Row>> {
    let mut command = Command::new(weir);
    command.current_dir(repo.path("")).args(["plugin", "test", "--json", "--skip-missing", &plugin(language)]);
    command.args(repo.files(".toml")?.into_iter().filter(|file| file.starts_with("tests/conformance/")));
    for (name, other) in ["second", "third"].iter().zip(others) {
        command.arg("--plugin").arg(format!("{name}={}", plugin(other)));
    }
    // Cases that fail are results, too.
    let output = command.stderr(Stdio::null()).stdin(Stdio::null()).output();
    let output = output.map_err(|error| Fault::path(weir, "started", &error))?;
    let broken = |why: String| Fault::failed(format!("the cases can't be run with {language}"), why, "run `weir plugin test` by hand");
    let value: Value = serde_json::from_slice(&output.stdout).map_err(|error| broken(error.to_string()))?;
    let text = |case: &Value, key: &str| case.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let cases = value.get("cases").and_then(Value::as_array).ok_or_else(|| broken("it told no cases".to_owned()))?;
    Ok(cases.iter().map(|case| Row { file: text(case, "file"), case: text(case, "case"), status: text(case, "status") }).collect())
}

/// One table a file, with a row a case.
fn table(columns: &[Column]) -> String {
    let mut text = String::new();
    let Some(first) = columns.first() else { return text };
    let mut file = "";
    for (at, row) in first.results.iter().enumerate() {
        // Writing to a string can't fail.
        if row.file != file {
            file = &row.file;
            let languages: Vec<&str> = columns.iter().map(|column| column.language).collect();
            let _ = write!(text, "\n| {} | {} |\n|---|{}\n", file.trim_start_matches("tests/"), languages.join(" | "), "---|".repeat(columns.len()));
        }
        let statuses: Vec<&str> = columns.iter().map(|column| column.results.get(at).map_or("", |row| row.status.as_str())).collect();
        let _ = writeln!(text, "| {} | {} |", row.case.replace('|', "\\|"), statuses.join(" | "));
    }
    text
}

/// The document with another table in it.
fn replaced(text: &str, table: &str) -> Result<String> {
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let missing = || {
        Fault::failed(format!("{DOCUMENT} has no place for the table"), "one of its two marks is missing", format!("put `{BEGIN}` and `{END}` back"))
    };
    let (before, after) = parts.ok_or_else(missing)?;
    Ok(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_case_and_a_column_for_each_language() {
        let row = |file: &str, case: &str, status: &str| Row { file: file.to_owned(), case: case.to_owned(), status: status.to_owned() };
        let rows = |statuses: [&str; 2]| vec![row("tests/a.toml", "one", statuses[0]), row("tests/b.toml", "two | three", statuses[1])];
        let columns = [Column { language: "rust", results: rows(["ok", "ok"]) }, Column { language: "c", results: rows(["failed", "skipped"]) }];
        let expected = "\n| a.toml | rust | c |\n|---|---|---|\n| one | ok | failed |\n\n| b.toml | rust | c |\n|---|---|---|\n| two \\| three | ok | skipped |\n";
        assert_eq!(table(&columns), expected);
    }

    #[test]
    fn only_the_table_is_replaced() {
        let text = format!("# A\n{BEGIN}\nold\n{END}\nB\n");
        assert_eq!(replaced(&text, "new").unwrap(), format!("# A\n{BEGIN}\nnew\n{END}\nB\n"));
        assert!(replaced("# A\n", "new").unwrap_err().what.contains(DOCUMENT));
    }
}
