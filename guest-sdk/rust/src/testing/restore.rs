//! A snapshot as another version of the operator sees it.

use super::store::Snapshot;
use crate::native::{Operator, OwnedColumn, StateDescriptor};

/// `snapshot` as `operator`, which declares `states`, goes on with it.
pub(super) fn adopted(snapshot: &Snapshot, states: &[StateDescriptor], operator: &mut dyn Operator) -> Result<Snapshot, String> {
    let mut adopted = snapshot.clone();
    for state in states {
        let Some(written) = snapshot.states.get(&state.name) else { continue };
        let name = &state.name;
        if written.kind != state.kind {
            return Err(format!("state `{name}` is another kind of state in it"));
        }
        if written.schema_version != state.schema_version {
            migrate(&mut adopted, state, written.schema_version, operator)?;
        } else if written.value_codec != state.value_codec {
            let (old, new) = (&written.value_codec, &state.value_codec);
            return Err(format!("state `{name}` is {old} in it and {new} here, both as schema version {}: raise the version", state.schema_version));
        }
    }
    adopted.set_states(states);
    Ok(adopted)
}

/// Brings all values of `state` to its current version, in one call.
fn migrate(snapshot: &mut Snapshot, state: &StateDescriptor, from_version: u32, operator: &mut dyn Operator) -> Result<(), String> {
    let mut values = snapshot.versioned(state);
    let mut column = OwnedColumn::default();
    values.iter().for_each(|(_, value)| column.push(Some(value)));
    let migrated = operator.migrate(&state.name, from_version, column.as_column()).map_err(|failure| {
        let value = failure.row.and_then(|row| values.get(row as usize));
        let Some((key, _)) = value else { return failure.message };
        format!("state `{}` of key `{}`, schema version {from_version}: {}", state.name, String::from_utf8_lossy(key), failure.message)
    })?;
    if migrated.lengths.len() != values.len() || migrated.as_column().iter().any(|value| value.is_none()) {
        return Err(format!("state `{}` came back from its migration with values missing", state.name));
    }
    for ((_, value), now) in values.iter_mut().zip(migrated.as_column().iter().flatten()) {
        **value = now.to_vec();
    }
    Ok(())
}
