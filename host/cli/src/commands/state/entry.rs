//! One entry of state, as it is shown.

use serde_json::{Map, Value};
use weir_checkpoint::manifest::OperatorSnapshot;
use weir_model::codec::Codec;
use weir_model::describe::{StateDescriptor, StateKind};
use weir_runtime::savepoint::StateRow;

use super::notation;
use crate::commands::savepoint::content::key_codec;

/// What rows of an operator are read with.
pub(super) struct Reader {
    key: Codec,
    states: Vec<StateDescriptor>,
    now_s: u64,
}

/// An entry in words.
pub(super) struct Entry {
    pub(super) state: String,
    pub(super) schema_version: u32,
    pub(super) key: String,
    /// In a map or list state.
    pub(super) sub_key: Option<String>,
    pub(super) value: String,
    /// Seconds since 1970.
    pub(super) written_s: u32,
    /// No operator would see it any more.
    pub(super) is_expired: bool,
}

impl Reader {
    /// For the rows of an operator that have these states, at a wall-clock time in milliseconds.
    pub(super) fn new(operator: &OperatorSnapshot, states: &[StateDescriptor], now_ms: i64) -> Self {
        let now_s = u64::try_from(now_ms).unwrap_or(0) / 1000;
        Self { key: key_codec(operator), states: states.to_vec(), now_s }
    }

    /// The row's state; `None`: the row is the length of a list, which is nothing that anybody has put there.
    fn state(&self, row: &StateRow<'_>) -> Option<&StateDescriptor> {
        self.states.get(row.state).filter(|state| state.kind != StateKind::List || row.sub_key != Some(&[]))
    }

    fn is_expired(&self, state: &StateDescriptor, row: &StateRow<'_>) -> bool {
        // As a job counts it: a look as of the last full second, a time to live rounded up.
        state.ttl_ms > 0 && u64::from(row.written_s) + state.ttl_ms.div_ceil(1000) <= self.now_s
    }

    /// The entry of a row.
    pub(super) fn entry(&self, row: &StateRow<'_>) -> Option<Entry> {
        let state = self.state(row)?;
        Some(Entry {
            state: state.name.clone(),
            schema_version: state.schema_version,
            key: notation::text(&self.key, row.key),
            sub_key: row.sub_key.map(|sub_key| notation::sub_key_text(state.kind, sub_key)),
            value: notation::text(&state.value, row.value.unwrap_or_default()),
            written_s: row.written_s,
            is_expired: self.is_expired(state, row),
        })
    }

    /// The same as data. Bytes that only their owner can read stand beside the name of their codec.
    pub(super) fn json(&self, row: &StateRow<'_>) -> Option<Value> {
        let state = self.state(row)?;
        let mut fields = Map::new();
        fields.insert("state".to_owned(), state.name.as_str().into());
        fields.insert("key".to_owned(), notation::json(&self.key, row.key));
        if let Some(sub_key) = row.sub_key {
            let text = notation::sub_key_text(state.kind, sub_key);
            let place = text.parse::<u64>().ok().filter(|_| state.kind == StateKind::List);
            fields.insert("sub_key".to_owned(), place.map_or(Value::String(text), Value::from));
        }
        fields.insert("value".to_owned(), notation::json(&state.value, row.value.unwrap_or_default()));
        if notation::is_opaque(&state.value) {
            fields.insert("codec".to_owned(), state.value.name().into());
        }
        fields.insert("schema_version".to_owned(), state.schema_version.into());
        fields.insert("written_s".to_owned(), row.written_s.into());
        if self.is_expired(state, row) {
            fields.insert("expired".to_owned(), true.into());
        }
        Some(Value::Object(fields))
    }
}
