//! Another version of the function over the same state.

use std::sync::Arc;

use weir_model::describe::{FunctionDescription, FunctionKind};
use weir_model::{Error, Result};
use weir_state::KeyedState;

use super::migration::Refusals;
use super::{Identity, OperatorSubtask, RETRY_ROWS_MAX};
use crate::guest::Guest;

/// What takes an operator's place. Its ports are those of the version before: whoever makes it has checked that.
pub struct NewVersion {
    /// Who it is.
    pub identity: Identity,
    /// The function, with its states.
    pub function: FunctionDescription,
    /// Something that runs it.
    pub guest: Box<dyn Guest>,
    /// States of the version before that may be lost, by name.
    pub dropped_states: Vec<String>,
}

impl NewVersion {
    pub(super) fn gives_up(&self, state: &str) -> bool {
        self.dropped_states.iter().any(|dropped| dropped == state)
    }

    /// Why this version can't go on where `before` is.
    pub(super) fn refused(&self, before: &Identity, why: impl Into<String>) -> Error {
        let what = format!("operator {} can't change from function {} to {}", before.uid, before.function, self.identity.name());
        Error::incompatible(
            what,
            why,
            "keep the states of the version before, with a migration where their schema version is newer, or drop them by name",
        )
    }

    /// Whether both are keyed, or neither is.
    pub(super) fn check_kind(&self, before: &Identity, was_keyed: bool) -> Result<()> {
        match (was_keyed, self.function.kind) {
            (true, FunctionKind::Stateless) => Err(self.refused(before, "the function was keyed and is stateless now")),
            (false, FunctionKind::Keyed) => Err(self.refused(before, "the function was stateless and is keyed now")),
            (true, FunctionKind::Keyed) | (false, FunctionKind::Stateless) => Ok(()),
        }
    }
}

impl OperatorSubtask {
    /// Goes on with another version of the function, between two batches and right after the state was frozen: the frozen view stays that of the
    /// version before. It takes some microseconds, however many keys there are; values of older schema versions are migrated when they are needed.
    /// A shadow that runs is dropped. The limits stay those of the services.
    ///
    /// # Errors
    /// When the new version can't take over the state; then all stays as it was.
    pub fn replace(&mut self, version: NewVersion) -> Result<()> {
        version.check_kind(&self.identity, self.keyed)?;
        if let (true, Some(services)) = (self.keyed, &mut self.services) {
            let adopted = services.state.adopt(&version.function.states, &|state| version.gives_up(state));
            adopted.map_err(|error| version.refused(&self.identity, error.to_string()))?;
        }
        self.forget_keys();
        let NewVersion { identity, function, guest, .. } = version;
        self.columns.resize_with(function.states.len(), Default::default);
        self.identity = Arc::new(identity);
        self.guest = guest;
        self.retry_rows = RETRY_ROWS_MAX;
        self.refusals = Refusals::default();
        self.migrated_in_pass = 0;
        self.end_shadow();
        Ok(())
    }

    /// The state of the subtask's keys, for a restart that keeps it; `None` for a function that is not keyed.
    #[must_use]
    pub fn into_state(self) -> Option<KeyedState> {
        self.services.filter(|_| self.keyed).map(|services| services.state)
    }
}

#[cfg(test)]
mod tests;
