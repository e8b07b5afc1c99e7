//! Migrations that are tried on values of a snapshot, with nothing kept of them.

use std::collections::BTreeMap;

use weir_model::Result;
use weir_model::graph::OnError;
use weir_state::{KeyedState, Stale};

use super::{CALL_VALUES_MAX, OperatorSubtask, Refused};

/// Values of one state and one older schema version whose migration was tried.
#[derive(Debug)]
pub struct TriedMigration {
    /// The function's number of the state.
    pub state: usize,
    /// The schema version that the values have.
    pub from_version: u32,
    /// Values that can be migrated.
    pub migrated: u64,
    /// Their bytes before and after.
    pub bytes: (u64, u64),
    /// Values that can't be.
    pub failed: u64,
    /// The keys of those, and why.
    pub refused: BTreeMap<Vec<u8>, String>,
}

impl OperatorSubtask {
    /// Tries to migrate all values of older schema versions over a state that is there for nothing else, and keeps nothing of it. What can't be migrated is
    /// looked for as under a policy that goes on; but a call that takes too long ends it all.
    ///
    /// # Errors
    /// When a call takes too long, or no working instance can be made any more.
    pub fn try_migrations(&mut self, state: KeyedState) -> Result<Vec<TriedMigration>> {
        (self.on_error, self.fails_late) = (OnError::Skip, true);
        self.forget_keys();
        let Some(services) = &mut self.services else { return Ok(Vec::new()) };
        services.state = state;
        let mut tried = Vec::new();
        loop {
            let Some(services) = &mut self.services else { return Ok(tried) };
            let mut found = Vec::new();
            let was_last = services.state.stale_some(CALL_VALUES_MAX, &mut found);
            for stale in &found {
                tried.push(self.try_values(stale)?);
            }
            if was_last {
                return Ok(tried);
            }
        }
    }

    fn try_values(&mut self, stale: &Stale) -> Result<TriedMigration> {
        let states = self.services.as_ref().map(|services| services.state.states()).unwrap_or_default();
        let name = states.get(stale.state).map(|state| state.name.as_str()).unwrap_or_default();
        let mut refused = Refused::new();
        let migrated = self.migrate_values(name, stale, &mut refused)?;
        let mut tried = TriedMigration { state: stale.state, from_version: stale.from_version, migrated: 0, bytes: (0, 0), failed: 0, refused };
        for (before, after) in stale.values.as_column().iter().zip(migrated.as_column().iter()) {
            match after {
                None => tried.failed += 1,
                Some(after) => {
                    tried.migrated += 1;
                    tried.bytes.0 += before.map_or(0, <[u8]>::len) as u64;
                    tried.bytes.1 += after.len() as u64;
                }
            }
        }
        Ok(tried)
    }
}
