//! What came of a case against what is expected, and against what came of it in another mode.

mod output;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::case::{Case, Refusal};
use crate::mode::Mode;
use crate::outcome::{End, Outcome, Refused};

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// What it is about, such as `output, record 3`.
    pub what: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Difference {
    fn new(what: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), expected: expected.into(), found: found.into() }
    }
}

/// Differences of one kind that are told; more would help nobody.
const TOLD_MAX: usize = 3;

const NOTHING: &str = "nothing";

/// What is not as the case expects it.
pub(crate) fn compare(case: &Case, outcome: &Outcome, mode: Mode) -> Vec<Difference> {
    let expect = &case.expect;
    let (expected_end, as_expected) = end(case, &outcome.end);
    if !as_expected {
        let found = match &outcome.end {
            End::Done => "it ran to the end of its input".to_owned(),
            End::RefusedOpen(why) => format!("it refused to open: {why}"),
            End::Failed(why) => format!("it failed: {why}"),
            End::Unfit(why) => why.clone(),
        };
        return vec![Difference::new("the run", expected_end, found)];
    }
    let mut differences = Vec::new();
    if let Some(output) = &expect.output {
        // Of a run that fails, a batch more or less has come out before.
        let is_cut = expect.fails.is_some() && !matches!(mode, Mode::BatchOfOne | Mode::Restarts);
        differences.extend(output::compare(output, outcome, is_cut));
    }
    if outcome.end != End::Done {
        return differences;
    }
    differences.extend(failures(&expect.failures, outcome));
    for (name, count) in &expect.counters {
        let found = outcome.counters.get(name).copied().unwrap_or(0);
        if found != *count {
            differences.push(Difference::new(format!("counter {name}"), count.to_string(), found.to_string()));
        }
    }
    let key = outcome.functions.last().and_then(|function| function.inputs.first()).map(|port| &port.key);
    for (name, entries) in &expect.state {
        match (outcome.states.get(name), key) {
            (Some(found), Some(key)) => differences.extend(state::compare(name, entries, found, key)),
            _ => differences.push(Difference::new(format!("state {name}"), "a state of that name", "the function has none")),
        }
    }
    differences
}

/// How the run should end, in words, and whether it has.
fn end(case: &Case, end: &End) -> (String, bool) {
    match (&case.expect.refuses_open, &case.expect.fails) {
        (Some(message), _) => (format!("it refuses to open: …{message}…"), matches!(end, End::RefusedOpen(why) if why.contains(message.as_str()))),
        (None, Some(message)) => (format!("it fails: …{message}…"), matches!(end, End::Failed(why) if why.contains(message.as_str()))),
        (None, None) => ("it runs to the end of its input".to_owned(), *end == End::Done),
    }
}

fn failures(expected: &[Refusal], outcome: &Outcome) -> Vec<Difference> {
    let mut sorted: Vec<&Refusal> = expected.iter().collect();
    sorted.sort_by_key(|refusal| refusal.record);
    let show = |refused: Option<&Refused>| {
        refused.map_or(NOTHING.to_owned(), |refused| format!("record {} is refused: {}", refused.record, refused.message))
    };
    let mut differences = Vec::new();
    for at in 0..sorted.len().max(outcome.refused.len()) {
        let (refusal, refused) = (sorted.get(at), outcome.refused.get(at));
        if let (Some(refusal), Some(refused)) = (refusal, refused)
            && is_it(refusal.record, refused, outcome)
            && refused.message.contains(&refusal.message)
        {
            continue;
        }
        let wanted = refusal.map_or(NOTHING.to_owned(), |refusal| format!("record {} is refused: …{}…", refusal.record, refusal.message));
        differences.push(Difference::new(format!("failures, number {at}"), wanted, show(refused)));
    }
    cut(differences, "failures")
}

/// Whether it is this record that was refused: known by its number if it was alone, else by what it says.
fn is_it(record: usize, refused: &Refused, outcome: &Outcome) -> bool {
    let what = |record: usize| outcome.records.get(record);
    record == refused.record || !refused.is_exact && what(record).is_some() && what(record) == what(refused.record)
}

/// The first few, and how many there are.
fn cut(mut differences: Vec<Difference>, what: &str) -> Vec<Difference> {
    let all = differences.len();
    if all > TOLD_MAX {
        differences.truncate(TOLD_MAX);
        if let Some(last) = differences.last_mut() {
            last.what.push_str(&format!(" (and {} more differences in {what})", all - TOLD_MAX));
        }
    }
    differences
}

/// What came out differently than in the run as the case is written.
pub(crate) fn agree(written: &Outcome, other: &Outcome) -> Vec<Difference> {
    if written.end != End::Done {
        return Vec::new();
    }
    let mut differences = output::agree(written, other);
    let numbers = |outcome: &Outcome| outcome.refused.iter().filter_map(|refused| outcome.records.get(refused.record).copied()).collect::<Vec<_>>();
    if numbers(written) != numbers(other) {
        let count = |outcome: &Outcome| format!("{} records are refused", outcome.refused.len());
        differences.push(Difference::new("failures", count(written), count(other)));
    }
    if written.counters != other.counters {
        differences.push(Difference::new("counters", show_counters(&written.counters), show_counters(&other.counters)));
    }
    for (name, state) in &written.states {
        if let Some(found) = other.states.get(name) {
            differences.extend(state::agree(name, state, found));
        }
    }
    differences
}

fn show_counters(counters: &BTreeMap<String, u64>) -> String {
    let all: Vec<String> = counters.iter().map(|(name, count)| format!("{name} = {count}")).collect();
    if all.is_empty() { NOTHING.to_owned() } else { all.join(", ") }
}
