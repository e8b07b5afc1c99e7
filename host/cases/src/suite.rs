//! All cases in all modes, and what became of each.

use weir_model::time::SharedClock;

use crate::case::Case;
use crate::compare::{Difference, agree, compare};
use crate::mode::Mode;
use crate::outcome::End;
use crate::plugins::Plugins;
use crate::run::outcome_of;

/// What became of a case.
#[derive(Debug, Clone)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// The file that it is in.
    pub file: String,
    /// Its line there.
    pub line: usize,
    /// Its function.
    pub function: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Nanoseconds that it took, in all modes.
    pub took_ns: u64,
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As expected, in all modes.
    Passed,
    /// It wasn't run, and why.
    Skipped(String),
    /// Not as expected.
    Failed(Vec<ModeFailure>),
}

/// What was wrong in some modes alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModeFailure {
    /// The modes.
    pub modes: Vec<Mode>,
    /// What was wrong.
    pub differences: Vec<Difference>,
}

/// Runs a case in every mode.
#[must_use]
pub fn run(case: &Case, plugins: &Plugins, clock: &SharedClock) -> CaseResult {
    let begun_ns = clock.monotonic_ns();
    let verdict = match plugins.missing(case) {
        Some(why) => Verdict::Skipped(why),
        None => judge(case, plugins, clock),
    };
    CaseResult {
        name: case.name.clone(),
        file: case.file.to_string(),
        line: case.line,
        function: case.function.clone(),
        verdict,
        took_ns: clock.monotonic_ns().saturating_sub(begun_ns),
    }
}

fn judge(case: &Case, plugins: &Plugins, clock: &SharedClock) -> Verdict {
    let mut failures: Vec<ModeFailure> = Vec::new();
    let mut note = |mode: Mode, differences: Vec<Difference>| match failures.iter_mut().find(|failure| failure.differences == differences) {
        _ if differences.is_empty() => {}
        Some(failure) => failure.modes.push(mode),
        None => failures.push(ModeFailure { modes: vec![mode], differences }),
    };
    let begun_ns = clock.monotonic_ns();
    let written = outcome_of(case, Mode::Written, plugins);
    let took_ns = clock.monotonic_ns().saturating_sub(begun_ns);
    let differences = compare(case, &written, Mode::Written);
    // Of a call that ran into its timeout nobody wants to see more.
    let ran_out = !differences.is_empty() && u128::from(took_ns) >= plugins.call_timeout().as_nanos();
    note(Mode::Written, differences);
    // What the plugin can't be asked at all, it can't be asked in another way either.
    if !ran_out && !matches!(written.end, End::Unfit(_)) {
        for mode in Mode::ALL.into_iter().filter(|mode| *mode != Mode::Written) {
            let outcome = outcome_of(case, mode, plugins);
            let mut differences = compare(case, &outcome, mode);
            if differences.is_empty() {
                differences = agree(&written, &outcome);
            }
            note(mode, differences);
        }
    }
    if failures.is_empty() { Verdict::Passed } else { Verdict::Failed(failures) }
}
