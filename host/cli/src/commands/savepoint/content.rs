//! What a snapshot has of each state, by schema version: from the ends of its files, without reading rows.

use serde_json::{Value, json};
use weir_checkpoint::manifest::OperatorSnapshot;
use weir_checkpoint::savepoint::Snapshot;
use weir_model::codec::Codec;
use weir_model::describe::StateDescriptor;
use weir_model::{Error, Result};
use weir_runtime::savepoint::read_index;

use crate::commands::plugin::data;
use crate::output::{self, Table};

/// One schema version of a state, in all files of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateContent {
    pub(crate) state: StateDescriptor,
    /// Deletions, and what later files replace, included.
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// The states of an operator: those of the function first, then those that only files have.
///
/// # Errors
/// When a file is missing or isn't the one that is meant.
pub(crate) async fn states(snapshot: &Snapshot, operator: &OperatorSnapshot) -> Result<Vec<StateContent>> {
    let mut contents: Vec<_> = operator.states.iter().map(|state| StateContent { state: state.clone(), rows: 0, bytes: 0 }).collect();
    for file in operator.subtasks.iter().flat_map(|subtask| &subtask.files) {
        let index = read_index(snapshot.store(), file).await?;
        for (number, state) in index.states().iter().enumerate() {
            let (rows, bytes) = index.size_of(number);
            let is_same = |content: &&mut StateContent| content.state.name == state.name && content.state.schema_version == state.schema_version;
            match contents.iter_mut().find(is_same) {
                Some(content) => {
                    content.rows += rows;
                    content.bytes += bytes;
                }
                None => contents.push(StateContent { state: state.clone(), rows, bytes }),
            }
        }
    }
    Ok(contents)
}

/// The operator of a snapshot.
///
/// # Errors
/// When there is none of that UID; names those there are.
pub(crate) fn operator<'a>(snapshot: &'a Snapshot, uid: &str) -> Result<&'a OperatorSnapshot> {
    let operators = &snapshot.manifest().operators;
    operators.iter().find(|operator| operator.uid.as_str() == uid).ok_or_else(|| {
        let known: Vec<_> = operators.iter().map(|operator| operator.uid.as_str()).collect();
        Error::usage(format!("`{uid}` in {}", snapshot.location()), "there is no node of that UID", format!("there are: {}", known.join(", ")))
    })
}

/// How the keys of an operator are to be read; manifests of an older version don't say.
pub(crate) fn key_codec(operator: &OperatorSnapshot) -> Codec {
    operator.key_codec.clone().unwrap_or(Codec::Bytes)
}

/// The columns of [`row`].
pub(crate) const COLUMNS: [&str; 9] = ["UID", "STATE", "KIND", "KEY", "VALUE", ">VERSION", ">TTL", ">ROWS", ">SIZE"];

/// A line of a table of states.
pub(crate) fn row(table: &mut Table, operator: &OperatorSnapshot, content: &StateContent) {
    let StateContent { state, rows, bytes } = content;
    let ttl = if state.ttl_ms == 0 { String::new() } else { output::seconds(state.ttl_ms as f64 / 1e3) };
    table.row([
        operator.uid.to_string(),
        state.name.clone(),
        data::state_kind(state.kind).to_owned(),
        operator.key_codec.as_ref().map_or("unknown", Codec::name).to_owned(),
        state.value.to_string(),
        state.schema_version.to_string(),
        ttl,
        output::count(*rows),
        output::bytes(*bytes),
    ]);
}

/// The same as data.
pub(crate) fn json(operator: &OperatorSnapshot, content: &StateContent) -> Value {
    let mut value = data::state(&content.state);
    if let Value::Object(fields) = &mut value {
        fields.insert("uid".to_owned(), operator.uid.as_str().into());
        fields.insert("key".to_owned(), json!(operator.key_codec.as_ref().map(Codec::name)));
        fields.insert("rows".to_owned(), content.rows.into());
        fields.insert("bytes".to_owned(), content.bytes.into());
    }
    value
}
