//! What a state holds against what it should hold.

use std::collections::{BTreeMap, BTreeSet};

use weir_model::codec::Codec;
use weir_model::describe::StateKind;

use super::{Difference, NOTHING, cut};
use crate::case::{self, StateEntry, numbers};
use crate::field::{Field, same, show};
use crate::outcome::{Cell, Kept, State};

/// What differs in the state called `name`, whose keys are of codec `key_codec`.
pub(super) fn compare(name: &str, entries: &[StateEntry], state: &State, key_codec: &Codec) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut seen: BTreeSet<Vec<u8>> = BTreeSet::new();
    let what = |key: &str| format!("state {name}, key {key}");
    for entry in entries {
        for i in numbers(entry.repeat) {
            let shown_key = entry.key.show(key_codec, i);
            let key = match entry.key.encode(key_codec, i) {
                Ok(key) => key,
                Err(why) => {
                    differences.push(Difference::new(what(&shown_key), format!("a key of codec {key_codec}"), why));
                    continue;
                }
            };
            let found = state.keys.get(&key);
            if !found.is_some_and(|found| is(&entry.kept, state.kind, found, i)) {
                differences.push(Difference::new(what(&shown_key), show_wanted(&entry.kept, found, i), show_kept(state.kind, found)));
            }
            seen.insert(key);
        }
    }
    let others = state.keys.iter().filter(|(key, _)| !seen.contains(*key));
    differences.extend(others.map(|(key, kept)| Difference::new(what(&show(key_codec, key)), NOTHING, show_kept(state.kind, Some(kept)))));
    cut(differences, &format!("state {name}"))
}

fn is(wanted: &case::Kept, kind: StateKind, found: &Kept, i: Option<u64>) -> bool {
    let is_cell = |field: &Field, cell: &Cell| field.is(&cell.codec, i, &cell.bytes);
    match (wanted, kind) {
        (case::Kept::Value(field), StateKind::Value) => found.value.as_ref().is_some_and(|cell| is_cell(field, cell)),
        (case::Kept::Items(fields), StateKind::List) => match items(found) {
            Some(cells) => cells.len() == fields.len() && fields.iter().zip(cells).all(|(field, cell)| is_cell(field, cell)),
            None => false,
        },
        (case::Kept::Entries(entries), StateKind::Map) => {
            let cell = |field: &Field| found.below.get(&sub_key(field, i)?);
            entries.len() == found.below.len() && entries.iter().all(|(key, value)| cell(key).is_some_and(|cell| is_cell(value, cell)))
        }
        _ => false,
    }
}

/// The codec of a map's keys is known to nobody but the function: text is text, and other codecs are said with the key.
fn sub_key(field: &Field, i: Option<u64>) -> Option<Vec<u8>> {
    field.encode(&Codec::Utf8, i).ok()
}

/// The items of a list, in order; `None`: they aren't what a list consists of.
fn items(kept: &Kept) -> Option<Vec<&Cell>> {
    let length = kept.below.get(&Vec::new()).and_then(|cell| cell.bytes.as_slice().try_into().ok()).map(u64::from_le_bytes);
    let items: Vec<(&Vec<u8>, &Cell)> = kept.below.iter().filter(|(sub_key, _)| !sub_key.is_empty()).collect();
    let is_place = |(place, (sub_key, _)): (usize, &(&Vec<u8>, &Cell))| sub_key.as_slice() == (place as u64).to_be_bytes();
    let is_list = length == Some(items.len() as u64) && items.iter().enumerate().all(is_place);
    is_list.then(|| items.into_iter().map(|(_, cell)| cell).collect())
}

fn show_wanted(wanted: &case::Kept, found: Option<&Kept>, i: Option<u64>) -> String {
    // Which codec it is, what is there says best.
    let any = found.and_then(|kept| kept.value.as_ref().or_else(|| kept.below.iter().find(|(key, _)| !key.is_empty()).map(|(_, cell)| cell)));
    let codec = any.map_or(&Codec::Utf8, |cell| &cell.codec);
    let value = |field: &Field| field.encode(codec, i).map_or_else(|_| field.show(&Codec::Json, i), |bytes| show(codec, &bytes));
    match wanted {
        case::Kept::Value(field) => value(field),
        case::Kept::Items(fields) => format!("[{}]", fields.iter().map(value).collect::<Vec<_>>().join(", ")),
        case::Kept::Entries(entries) => {
            let pairs = entries.iter().map(|(key, field)| format!("{} = {}", key.show(&Codec::Utf8, i), value(field)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

fn show_kept(kind: StateKind, kept: Option<&Kept>) -> String {
    let Some(kept) = kept else { return NOTHING.to_owned() };
    let cell = |cell: &Cell| show(&cell.codec, &cell.bytes);
    let raw = || {
        let pairs = kept.below.iter().map(|(sub_key, value)| format!("{} = {}", show(&Codec::Utf8, sub_key), cell(value)));
        format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
    };
    match (kind, &kept.value) {
        (StateKind::Value, Some(value)) => cell(value),
        (StateKind::List, _) => match items(kept) {
            Some(items) => format!("[{}]", items.into_iter().map(cell).collect::<Vec<_>>().join(", ")),
            None => format!("what is no list: {}", raw()),
        },
        (StateKind::Map | StateKind::Value, _) => raw(),
    }
}

/// What another run has left differently.
pub(super) fn agree(name: &str, one: &State, two: &State) -> Option<Difference> {
    let key = one.keys.keys().chain(two.keys.keys()).find(|key| !is_same(one.keys.get(*key), two.keys.get(*key)))?;
    let what = format!("state {name}, key {} (against the case as written)", show(&Codec::Bytes, key));
    Some(Difference::new(what, show_kept(one.kind, one.keys.get(key)), show_kept(two.kind, two.keys.get(key))))
}

fn is_same(one: Option<&Kept>, two: Option<&Kept>) -> bool {
    let cells = |one: &Cell, two: &Cell| one.codec == two.codec && same(&one.codec, &one.bytes, &two.bytes);
    let below = |one: &BTreeMap<Vec<u8>, Cell>, two: &BTreeMap<Vec<u8>, Cell>| {
        one.len() == two.len() && one.iter().zip(two).all(|((key, one), (other, two))| key == other && cells(one, two))
    };
    match (one, two) {
        (None, None) => true,
        (Some(one), Some(two)) => {
            let values = match (&one.value, &two.value) {
                (None, None) => true,
                (Some(one), Some(two)) => cells(one, two),
                _ => false,
            };
            values && below(&one.below, &two.below)
        }
        _ => false,
    }
}
