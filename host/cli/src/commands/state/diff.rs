//! `weir state diff`: every entry that differs between two savepoints.

use serde_json::{Value, json};
use weir_checkpoint::savepoint::Snapshot;
use weir_model::describe::StateDescriptor;
use weir_model::{Error, Result};

use super::compare::{self, Counts, OwnRow};
use super::entry::{Entry, Reader};
use crate::args::StateDiffArgs;
use crate::exit_code::ExitCode;
use crate::machine::Machine;
use crate::output;

/// Lines are written together up to this size, bytes.
const WRITTEN_BYTES: usize = 64 << 10;

/// Shows them, in the order of the files.
///
/// # Errors
/// When one of the two can't be read, or their keys are placed in different ways.
pub(super) async fn run(args: &StateDiffArgs, machine: &Machine) -> Result<ExitCode> {
    let (a, b) = (Snapshot::open(&args.a).await?, Snapshot::open(&args.b).await?);
    let wanted = args.uid.as_ref().map(ToString::to_string);
    let uids: Vec<_> = compare::uids(&a, &b).into_iter().filter(|uid| wanted.as_ref().is_none_or(|wanted| wanted == uid)).collect();
    if let (Some(uid), true) = (&wanted, uids.is_empty()) {
        return Err(Error::usage(format!("`{uid}`"), "there is no node of that UID in either savepoint", "`weir state ls` shows those there are"));
    }
    let (mut total, now_ms, mut lines) = (Counts::default(), machine.clock.wall_ms(), String::new());
    for uid in uids {
        let (operator_a, operator_b) = (compare::find(&a, &uid), compare::find(&b, &uid));
        let counts = compare::compare(&a, &b, &uid, |pair| {
            let reader = |operator, states: &[StateDescriptor]| Reader::new(operator, states, now_ms);
            let (reader_a, reader_b) =
                (operator_a.map(|operator| reader(operator, pair.states_a)), operator_b.map(|operator| reader(operator, pair.states_b)));
            let (a, b) = (reader_a.as_ref().zip(pair.a), reader_b.as_ref().zip(pair.b));
            if args.json {
                lines.extend(json_line(&uid, a, b));
            } else {
                lines += &text_lines(&uid, a, b);
            }
            if lines.len() >= WRITTEN_BYTES { output::print(&std::mem::take(&mut lines)) } else { Ok(()) }
        });
        let counts = counts.await?;
        total.only_a += counts.only_a;
        total.only_b += counts.only_b;
        total.different += counts.different;
        total.same += counts.same;
    }
    output::print(&lines)?;
    let [only_a, only_b, different, same] = [total.only_a, total.only_b, total.different, total.same].map(output::count);
    output::note(&format!("{only_a} only in A, {only_b} only in B, {different} different, {same} the same"));
    Ok(ExitCode::Done)
}

type Side<'a> = Option<(&'a Reader, &'a OwnRow)>;

fn json_line(uid: &str, a: Side<'_>, b: Side<'_>) -> Option<String> {
    let value = |side: Side<'_>| side.and_then(|(reader, row)| reader.json(&row.as_row()));
    let (a, b) = (value(a), value(b));
    let both = |name: &str| a.as_ref().or(b.as_ref()).and_then(|entry| entry.get(name)).cloned();
    let own = |entry: &Option<Value>| entry.as_ref().map(|entry| json!({"value": entry.get("value"), "schema_version": entry.get("schema_version")}));
    let line = json!({"uid": uid, "state": both("state")?, "key": both("key"), "sub_key": both("sub_key"), "a": own(&a), "b": own(&b)});
    Some(format!("{line}\n"))
}

fn text_lines(uid: &str, a: Side<'_>, b: Side<'_>) -> String {
    let entry = |side: Side<'_>| side.and_then(|(reader, row)| reader.entry(&row.as_row()));
    let line = |sign: char, entry: Entry| {
        let sub_key = entry.sub_key.map(|sub_key| format!(" [{sub_key}]")).unwrap_or_default();
        let line = format!("{sign} {uid} {} {}{sub_key} = {}", entry.state, entry.key, entry.value);
        output::printable(&line).replace('\n', " ") + "\n"
    };
    let removed = entry(a).map(|entry| line('-', entry)).unwrap_or_default();
    removed + &entry(b).map(|entry| line('+', entry)).unwrap_or_default()
}
