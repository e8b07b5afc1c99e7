//! `weir savepoint diff`: what two savepoints have in common, node by node.

use serde_json::{Value, json};
use weir_checkpoint::manifest::OperatorSnapshot;
use weir_checkpoint::savepoint::Snapshot;
use weir_model::Result;

use crate::args::SavepointDiffArgs;
use crate::commands::plugin::data;
use crate::commands::state::compare::{self, Counts};
use crate::exit_code::ExitCode;
use crate::machine;
use crate::output::{self, Table};

/// A node that is in at least one of the two.
struct Compared {
    uid: String,
    /// Each in a few words.
    changes: Vec<String>,
    counts: Option<Counts>,
}

/// Shows the differences.
///
/// # Errors
/// When one of them can't be read, or the state can't be compared.
pub(super) async fn run(args: &SavepointDiffArgs) -> Result<ExitCode> {
    let (a, b) = (Snapshot::open(&args.a).await?, Snapshot::open(&args.b).await?);
    let mut all = Vec::new();
    for uid in compare::uids(&a, &b) {
        let (old, new) = (find(&a, &uid), find(&b, &uid));
        let counts = if args.state { compare::count(&a, &b, &uid).await? } else { None };
        all.push(Compared { changes: changes(old, new), uid, counts });
    }
    if args.json {
        output::print_json(&json!({
            "a": a.location(),
            "b": b.location(),
            "max_parallelism": [a.manifest().max_parallelism, b.manifest().max_parallelism],
            "nodes": all.iter().map(json).collect::<Vec<_>>(),
        }))?;
        return Ok(ExitCode::Done);
    }
    let mut text = String::new();
    let (from, to) = (a.manifest().max_parallelism, b.manifest().max_parallelism);
    if from != to {
        text += &format!("max-parallelism: {from} → {to}\n\n");
    }
    let heading: &[&str] = if args.state { &["UID", "CHANGE", ">ONLY IN A", ">ONLY IN B", ">DIFFERENT", ">SAME"] } else { &["UID", "CHANGE"] };
    let mut table = Table::new(heading);
    for Compared { uid, changes, counts } in &all {
        let change = if changes.is_empty() { "none".to_owned() } else { changes.join("; ") };
        let counts = counts.filter(|_| args.state).map(|counts| [counts.only_a, counts.only_b, counts.different, counts.same].map(output::count));
        table.row([uid.clone(), change].into_iter().chain(counts.into_iter().flatten()));
    }
    output::print(&(text + &table.render(machine::terminal_columns(&std::io::stdout()))))?;
    Ok(ExitCode::Done)
}

fn find<'a>(snapshot: &'a Snapshot, uid: &str) -> Option<&'a OperatorSnapshot> {
    snapshot.manifest().operators.iter().find(|operator| operator.uid.as_str() == uid)
}

/// What is different between the two, but for positions and state.
fn changes(a: Option<&OperatorSnapshot>, b: Option<&OperatorSnapshot>) -> Vec<String> {
    let (a, b) = match (a, b) {
        (Some(a), Some(b)) => (a, b),
        (Some(_), None) => return vec!["only in A".to_owned()],
        (None, Some(_)) => return vec!["only in B".to_owned()],
        (None, None) => return Vec::new(),
    };
    let digest = |operator: &OperatorSnapshot| operator.live().map(|live| live.digest.short()).unwrap_or_default();
    let function = |operator: &OperatorSnapshot| operator.live().map_or_else(|| operator.function.clone(), |live| live.function);
    let mut changes = Vec::new();
    let mut compare = |name: &str, a: String, b: String| {
        if a != b {
            changes.push(format!("{name}: {a} → {b}"));
        }
    };
    compare("kind", a.kind.to_string(), b.kind.to_string());
    compare("function", function(a), function(b));
    compare("plugin", digest(a), digest(b));
    compare("contract", a.contract.clone(), b.contract.clone());
    compare("parallelism", a.parallelism.to_string(), b.parallelism.to_string());
    for old in &a.states {
        match b.states.iter().find(|new| new.name == old.name) {
            None => changes.push(format!("state {} is only in A", old.name)),
            Some(new) if new == old => {}
            Some(new) => {
                let words = |state: &weir_model::describe::StateDescriptor| {
                    let ttl = if state.ttl_ms == 0 { String::new() } else { format!(" for {} ms", state.ttl_ms) };
                    format!("{} of {} version {}{ttl}", data::state_kind(state.kind), state.value, state.schema_version)
                };
                changes.push(format!("state {}: {} → {}", old.name, words(old), words(new)));
            }
        }
    }
    let only_b = b.states.iter().filter(|new| a.states.iter().all(|old| old.name != new.name));
    changes.extend(only_b.map(|new| format!("state {} is only in B", new.name)));
    changes
}

fn json(compared: &Compared) -> Value {
    let counts = compared
        .counts
        .map(|counts| json!({"only_in_a": counts.only_a, "only_in_b": counts.only_b, "different": counts.different, "same": counts.same}));
    json!({"uid": compared.uid, "changes": compared.changes, "state": counts})
}

#[cfg(test)]
mod tests {
    use weir_checkpoint::manifest::{NextVersion, OperatorKind};
    use weir_model::codec::Codec;
    use weir_model::describe::{StateDescriptor, StateKind};
    use weir_model::id::{OperatorUid, PluginDigest};

    use super::*;

    fn operator() -> OperatorSnapshot {
        let state = StateDescriptor { name: "n".to_owned(), kind: StateKind::Value, value: Codec::Utf8, schema_version: 1, ttl_ms: 0 };
        OperatorSnapshot {
            uid: OperatorUid::new("count").unwrap(),
            kind: OperatorKind::Operator,
            function: "count".to_owned(),
            plugin_digest: Some(PluginDigest([1; 32])),
            file_digest: None,
            file_function: None,
            is_swapped: false,
            next: None,
            has_component: false,
            contract: "0.1.0".to_owned(),
            imports: Vec::new(),
            key_codec: Some(Codec::Utf8),
            parallelism: 2,
            states: vec![state],
            subtasks: Vec::new(),
        }
    }

    #[test]
    fn a_node_s_changes_are_told_in_words() {
        let check = |change: fn(&mut OperatorSnapshot), expected: &[&str]| {
            let mut other = operator();
            change(&mut other);
            assert_eq!(changes(Some(&operator()), Some(&other)), expected);
        };
        check(|_| {}, &[]);
        check(|new| new.parallelism = 3, &["parallelism: 2 → 3"]);
        // What goes on from the savepoint counts, not what wrote it.
        let next = |new: &mut OperatorSnapshot| new.next = Some(NextVersion { digest: PluginDigest([2; 32]), function: "count-2".to_owned() });
        check(next, &["function: count → count-2", "plugin: 010101010101 → 020202020202"]);
        check(|new| new.states[0].schema_version = 2, &["state n: value of utf8 version 1 → value of utf8 version 2"]);
        check(|new| new.states[0].name = "m".to_owned(), &["state n is only in A", "state m is only in B"]);
        assert_eq!(changes(None, Some(&operator())), ["only in B"]);
        assert_eq!(changes(Some(&operator()), None), ["only in A"]);
    }
}
