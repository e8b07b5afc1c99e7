//! Emitted records against those that are expected, and against those of another run.

use weir_model::codec::Codec;
use weir_model::rows::NO_TIMESTAMP;

use super::{Difference, NOTHING, cut};
use crate::case::Records;
use crate::field::{same, show};
use crate::outcome::{Emitted, Outcome};

/// A record that should come out.
struct Wanted<'a> {
    record: &'a Records,
    i: Option<u64>,
    /// The key's bytes, for the order.
    key: Option<Vec<u8>>,
}

/// What differs; when the run was cut short, `outcome` need only be the beginning.
pub(super) fn compare(expected: &[Records], outcome: &Outcome, is_cut: bool) -> Vec<Difference> {
    let mut wanted: Vec<Wanted<'_>> = Vec::new();
    let outputs = outcome.functions.last().map(|function| function.outputs.as_slice()).unwrap_or_default();
    for record in expected {
        let port = record.port.as_ref().map_or(outputs.first(), |name| outputs.iter().find(|port| port.name == *name));
        let codec = port.map_or(&Codec::None, |port| &port.key);
        let key = |i| record.key.as_ref().and_then(|key| key.encode(codec, i).ok());
        wanted.extend(record.numbers().map(|i| Wanted { record, i, key: key(i) }));
    }
    let mut found: Vec<&Emitted> = outcome.emitted.iter().collect();
    if !outcome.in_order {
        wanted.sort_by_key(|wanted| order(wanted.key.as_deref(), || wanted.record.value.encode(&Codec::Utf8, wanted.i).unwrap_or_default()));
        found.sort_by_key(|emitted| order(emitted.key.as_deref(), || emitted.value.clone()));
    }
    let place = |at: usize| {
        let counts =
            if wanted.len() == found.len() { String::new() } else { format!(", where {} are expected and {} came", wanted.len(), found.len()) };
        format!("output, record {at}{counts}")
    };
    let ends = if is_cut { found.len() } else { found.len().max(wanted.len()) };
    let mut differences = Vec::new();
    for at in 0..ends {
        let pair = (wanted.get(at), found.get(at).copied());
        let is_fine = matches!(pair, (Some(wanted), Some(emitted)) if is(wanted, emitted, outcome));
        if !is_fine {
            let (wanted, emitted) = pair;
            let shown = wanted.map_or(NOTHING.to_owned(), |wanted| show_wanted(wanted, emitted, outcome));
            let with_time = wanted.is_none_or(|wanted| wanted.record.timestamp.is_some());
            differences.push(Difference::new(
                place(at),
                shown,
                emitted.map_or(NOTHING.to_owned(), |emitted| show_emitted(emitted, outcome, with_time)),
            ));
        }
    }
    cut(differences, "the output")
}

/// Records of one key stay in their order; those without a key come in that of their values.
fn order(key: Option<&[u8]>, value: impl FnOnce() -> Vec<u8>) -> (Option<Vec<u8>>, Vec<u8>) {
    (key.map(<[u8]>::to_vec), if key.is_none() { value() } else { Vec::new() })
}

fn is(wanted: &Wanted<'_>, emitted: &Emitted, outcome: &Outcome) -> bool {
    let Some(port) = outcome.port(emitted) else { return false };
    let Wanted { record, i, .. } = wanted;
    let is_key = match (&record.key, &emitted.key) {
        (None, None) => true,
        (Some(key), Some(found)) => key.is(&port.key, *i, found),
        _ => false,
    };
    let is_port = record.port.as_ref().map_or(emitted.port == 0, |name| *name == port.name);
    is_key && is_port && record.timestamp.is_none_or(|timestamp| timestamp == emitted.timestamp) && record.value.is(&port.value, *i, &emitted.value)
}

fn show_wanted(wanted: &Wanted<'_>, emitted: Option<&Emitted>, outcome: &Outcome) -> String {
    let last = outcome.functions.last().and_then(|function| function.outputs.first());
    let port = emitted.and_then(|emitted| outcome.port(emitted)).or(last);
    let (key_codec, value_codec) = port.map_or((&Codec::Utf8, &Codec::Utf8), |port| (&port.key, &port.value));
    let Records { key, value, timestamp, port, .. } = wanted.record;
    line(key.as_ref().map(|key| key.show(key_codec, wanted.i)), value.show(value_codec, wanted.i), *timestamp, port.as_deref())
}

fn show_emitted(emitted: &Emitted, outcome: &Outcome, with_time: bool) -> String {
    let Some(port) = outcome.port(emitted) else { return format!("a record on output {}", emitted.port) };
    let timestamp = (with_time && emitted.timestamp != NO_TIMESTAMP).then_some(emitted.timestamp);
    let name = (emitted.port > 0).then_some(port.name.as_str());
    line(emitted.key.as_ref().map(|key| show(&port.key, key)), show(&port.value, &emitted.value), timestamp, name)
}

fn line(key: Option<String>, value: String, timestamp: Option<i64>, port: Option<&str>) -> String {
    let key = key.map_or(String::new(), |key| format!("key {key}  "));
    let timestamp = timestamp.map_or(String::new(), |timestamp| format!("  timestamp {timestamp}"));
    let port = port.map_or(String::new(), |port| format!("  port {port}"));
    format!("{key}value {value}{timestamp}{port}")
}

/// What came out differently in another run.
pub(super) fn agree(written: &Outcome, other: &Outcome) -> Vec<Difference> {
    let sorted = |outcome: &'_ Outcome| {
        let mut all: Vec<Emitted> = outcome.emitted.clone();
        if !(written.in_order && other.in_order) {
            all.sort_by_key(|emitted| order(emitted.key.as_deref(), || emitted.value.clone()));
        }
        all
    };
    let (one, two) = (sorted(written), sorted(other));
    let is_same = |one: &Emitted, two: &Emitted| {
        let codec = written.port(one).map_or(&Codec::None, |port| &port.value);
        one.key == two.key && one.port == two.port && one.timestamp == two.timestamp && same(codec, &one.value, &two.value)
    };
    let first = (0..one.len().max(two.len())).find(|at| !matches!((one.get(*at), two.get(*at)), (Some(one), Some(two)) if is_same(one, two)));
    let Some(at) = first else { return Vec::new() };
    let shown = |records: &[Emitted], outcome: &Outcome| records.get(at).map_or(NOTHING.to_owned(), |emitted| show_emitted(emitted, outcome, true));
    vec![Difference::new(format!("output, record {at} (against the case as written)"), shown(&one, written), shown(&two, other))]
}
