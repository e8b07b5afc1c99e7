//! What a shadow run has shown, put together from its subtasks.

use std::fmt::Write;

use weir_plugin::ShadowCounts;

use crate::control::{ShadowExample, ShadowReport};
use crate::plan::Plan;

/// Examples that are kept.
const EXAMPLES_MAX: usize = 10;

/// Adds what subtasks, by node of the plan, have counted.
pub(crate) fn report(report: &mut ShadowReport, plan: &Plan, counts: Vec<(usize, ShadowCounts)>) {
    for (node, counts) in counts {
        let Some(node) = plan.nodes.get(node) else { continue };
        report.records += counts.records;
        report.differing += counts.only_old.max(counts.only_new);
        report.keys += counts.keys_differing;
        report.failed += counts.failed;
        report.first_failure = report.first_failure.take().or(counts.first_failure);
        report.broken = report.broken.take().or(counts.ended.map(|why| format!("{}: {why}", node.uid)));
        let room = EXAMPLES_MAX.saturating_sub(report.examples.len());
        report.examples.extend(counts.examples.into_iter().take(room).map(|example| ShadowExample {
            uid: node.uid.clone(),
            key: example.key.map_or_else(String::new, |key| text(&key)),
            old: example.old.map(|row| text(&row.value)),
            new: example.new.map(|row| text(&row.value)),
        }));
    }
}

/// Bytes for a person: text if they are text, else hexadecimal digits.
fn text(bytes: &[u8]) -> String {
    match str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => bytes.iter().fold("0x".to_owned(), |mut text, byte| {
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        }),
    }
}

/// The examples as lines of an error.
pub(crate) fn examples(report: &ShadowReport) -> String {
    let mut lines = String::new();
    if let Some(why) = &report.first_failure {
        let _ = write!(lines, "; the first record that only the new version couldn't handle: {why}");
    }
    for ShadowExample { uid, key, old, new } in report.examples.iter().take(3) {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let _ = write!(lines, "; {uid}, key {key}: {} before, {} now", value(old), value(new));
    }
    lines
}
