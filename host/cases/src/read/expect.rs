//! What a case expects: output, state, failures, counters, and how it ends.

use std::collections::BTreeMap;

use weir_model::Result;
use weir_model::section::{Section, Value, ValueKind};

use super::fields::{field, of_value, record, repeat, required};
use super::{list_of_tables, tables};
use crate::case::{Expect, Kept, Records, Refusal, StateEntry};
use crate::field::Field;

/// Takes everything that is expected.
pub(super) fn read(case: &mut Section) -> Result<Expect> {
    let output = tables(case, "output", "case.output")?.map(|sections| sections.into_iter().map(output).collect::<Result<_>>()).transpose()?;
    let failures = tables(case, "failures", "case.failures")?.unwrap_or_default().into_iter().map(refusal).collect::<Result<_>>()?;
    let state = states(case)?;
    let counters = counters(case)?;
    let refuses_open = case.take_string("refuses-open")?;
    let fails = case.take_string("fails")?.map(|(text, _)| text);
    if let (Some((_, line)), true) = (&refuses_open, output.is_some() || fails.is_some()) {
        let why = "what doesn't open has no output and fails at nothing else";
        return Err(case.key_error(*line, "refuses-open", why, "take out `output` and `fails`, or this"));
    }
    Ok(Expect { output, state, failures, counters, refuses_open: refuses_open.map(|(text, _)| text), fails })
}

fn output(mut section: Section) -> Result<Records> {
    let record = record(&mut section)?;
    section.finish()?;
    Ok(record)
}

fn refusal(mut section: Section) -> Result<Refusal> {
    let record = match section.take_u64("record")? {
        Some((record, _)) => usize::try_from(record).unwrap_or(usize::MAX),
        None => return Err(section.missing("record", "0")),
    };
    let (message, _) = section.require_string("message", "\"bad record\"")?;
    section.finish()?;
    Ok(Refusal { record, message })
}

fn states(case: &mut Section) -> Result<BTreeMap<String, Vec<StateEntry>>> {
    let Some(Value { line, kind }) = case.take("state") else { return Ok(BTreeMap::new()) };
    let ValueKind::Table(states) = kind else {
        let remedy = "write `state = { count = [ { key = \"a\", value = 1 } ] }`";
        return Err(case.key_error(line, "state", "it is not a table", remedy));
    };
    let read = states.into_iter().map(|(state, value)| {
        let name = format!("case.state.{state}");
        let entries = list_of_tables(case, &state, &name, value)?.into_iter().map(entry).collect::<Result<_>>()?;
        Ok((state, entries))
    });
    read.collect()
}

fn entry(mut section: Section) -> Result<StateEntry> {
    section.know(&["key", "value", "items", "entries", "repeat"]);
    let repeat = repeat(&mut section)?;
    let key = required(&mut section, "key", "\"a\"")?;
    let value = field(&mut section, "value")?;
    let items = items(&mut section)?;
    let entries = tables(&mut section, "entries", "case.state.entries")?;
    let entries = entries.map(|sections| sections.into_iter().map(pair).collect::<Result<Vec<_>>>()).transpose()?;
    let kept = match (value, items, entries) {
        (Some(value), None, None) => Kept::Value(value),
        (None, Some(items), None) => Kept::Items(items),
        (None, None, Some(entries)) => Kept::Entries(entries),
        _ => {
            let why = "one of `value`, `items` and `entries` must say what is kept";
            return Err(section.error(why, "write `value` for a value state, `items` for a list state, `entries` for a map state"));
        }
    };
    section.finish()?;
    Ok(StateEntry { repeat, key, kept })
}

fn pair(mut section: Section) -> Result<(Field, Field)> {
    let pair = (required(&mut section, "key", "\"a\"")?, required(&mut section, "value", "1")?);
    section.finish()?;
    Ok(pair)
}

fn items(section: &mut Section) -> Result<Option<Vec<Field>>> {
    let Some(Value { line, kind }) = section.take("items") else { return Ok(None) };
    let ValueKind::Array(items) = kind else {
        return Err(section.key_error(line, "items", "it is not a list", "write `items = [\"x\", \"y\"]`"));
    };
    items.into_iter().map(|item| of_value(section, "items", item)).collect::<Result<_>>().map(Some)
}

fn counters(case: &mut Section) -> Result<BTreeMap<String, u64>> {
    let Some(Value { line, kind }) = case.take("counters") else { return Ok(BTreeMap::new()) };
    let remedy = "write `counters = { greeted = 3 }`";
    let ValueKind::Table(counters) = kind else {
        return Err(case.key_error(line, "counters", "it is not a table", remedy));
    };
    let read = counters.into_iter().map(|(name, value)| match value.kind {
        ValueKind::Integer(count) if count >= 0 => Ok((name, count.unsigned_abs())),
        _ => Err(case.key_error(value.line, "counters", format!("{} is no count", value.show()), remedy)),
    });
    read.collect()
}
