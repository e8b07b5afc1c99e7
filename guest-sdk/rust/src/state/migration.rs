//! The contract's `migrate`: values of older schema versions, brought to the current one.

use crate::error::{Error, Result};
use crate::native::{Column, Failure, OwnedColumn};
use crate::shared::{refuse, refuse_call};

/// What is known of the older versions of one state.
pub(crate) struct Migrations {
    pub(super) state: String,
    /// The current one.
    pub(super) schema_version: u32,
    pub(super) older: Vec<Migration>,
}

/// From one older version to the current one.
pub(super) struct Migration {
    pub(super) from_version: u32,
    pub(super) item: Item,
}

/// Appends a value to a column as it is now. The room between the two is for encoding.
type Item = Box<dyn Fn(&[u8], &mut Vec<u8>, &mut OwnedColumn) -> Result<()>>;

/// Brings `values` of one of the states in `all` to its current version.
pub(crate) fn migrate(all: &[Migrations], state: &str, from_version: u32, values: Column<'_>) -> Result<OwnedColumn, Failure> {
    let Migration { item, .. } = find(all, state, from_version).map_err(refuse_call)?;
    let (mut migrated, mut scratch) = (OwnedColumn::default(), Vec::new());
    migrated.lengths.reserve(values.lengths.len());
    migrated.data.reserve(values.data.len());
    for (i, (value, &length)) in values.iter().zip(values.lengths).enumerate() {
        match value {
            Some(bytes) => item(bytes, &mut scratch, &mut migrated).map_err(|error| refuse(i, error))?,
            None if length == u32::MAX => migrated.push(None),
            None => return Err(refuse_call(Error::new(format!("the column of values is cut off at item {i}")))),
        }
    }
    Ok(migrated)
}

fn find<'m>(all: &'m [Migrations], state: &str, from_version: u32) -> Result<&'m Migration> {
    let found = all.iter().find(|candidate| candidate.state == state);
    let Migrations { schema_version, older, .. } = found.ok_or_else(|| Error::new(format!("this function has no state `{state}`")))?;
    if let Some(migration) = older.iter().find(|migration| migration.from_version == from_version) {
        return Ok(migration);
    }
    let mut why = format!("state `{state}` has no migration from schema version {from_version}: this function keeps version {schema_version}");
    if !older.is_empty() {
        let versions: Vec<String> = older.iter().map(|migration| migration.from_version.to_string()).collect();
        why = format!("{why} and can read {}", versions.join(", "));
    }
    Err(Error::new(why))
}
