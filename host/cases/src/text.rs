//! Results for a person.

use std::fmt::Write as _;

use crate::mode::Mode;
use crate::suite::{CaseResult, ModeFailure, Verdict};

/// One line for a case.
#[must_use]
pub fn case_text(result: &CaseResult) -> String {
    match &result.verdict {
        Verdict::Passed => format!("ok       {}", result.name),
        Verdict::Skipped(why) => format!("skipped  {}: {why}", result.name),
        Verdict::Failed(_) => format!("FAILED   {}", result.name),
    }
}

/// What is wrong with a case that has failed; empty for another.
#[must_use]
pub fn failure_text(result: &CaseResult) -> String {
    let Verdict::Failed(failures) = &result.verdict else { return String::new() };
    let mut text = format!("{}:{}: {} (function {})\n", result.file, result.line, result.name, result.function);
    for ModeFailure { modes, differences } in failures {
        // Writing to a string can't fail.
        let _ = writeln!(text, "  {}:", modes_text(modes));
        for difference in differences {
            let _ = writeln!(text, "    {}\n      expected  {}\n      found     {}", difference.what, difference.expected, difference.found);
        }
    }
    text
}

fn modes_text(modes: &[Mode]) -> String {
    if modes.len() == Mode::ALL.len() {
        return "in every mode".to_owned();
    }
    modes.iter().map(|mode| mode.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::compare::Difference;

    pub(crate) fn failed() -> CaseResult {
        let difference = |found: &str| Difference { what: "output, record 0".to_owned(), expected: "value 1".to_owned(), found: found.to_owned() };
        CaseResult {
            name: "sums & <more>".to_owned(),
            file: "cases.toml".to_owned(),
            line: 3,
            function: "count".to_owned(),
            verdict: Verdict::Failed(vec![
                ModeFailure { modes: vec![Mode::Written, Mode::BatchOfOne], differences: vec![difference("value \"2\"")] },
                ModeFailure { modes: vec![Mode::Restarts], differences: vec![difference("nothing\u{1b}")] },
            ]),
            took_ns: 1_500_000_000,
        }
    }

    #[test]
    fn a_failure_names_the_case_the_modes_and_what_differs() {
        let expected = "\
cases.toml:3: sums & <more> (function count)
  as written, batches of one:
    output, record 0
      expected  value 1
      found     value \"2\"
  a restart after every record:
    output, record 0
      expected  value 1
      found     nothing\u{1b}
";
        assert_eq!(failure_text(&failed()), expected);
        assert_eq!(case_text(&failed()), "FAILED   sums & <more>");
        assert_eq!(failure_text(&CaseResult { verdict: Verdict::Passed, ..failed() }), "");
    }
}
