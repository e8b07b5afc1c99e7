//! Values of older schema versions are migrated before a call can read them: those of a batch's keys at once, the others in the background.
//!
//! A migration is no part of the call that it comes before: it is pure, so what was migrated stays so although the call fails.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_model::rows::Batch;
use weir_model::{Error, Result};
use weir_state::{OwnedColumn, Stale};

use super::words::excerpt_key;
use super::{Decision, OperatorSubtask, Outputs, PART_TIMEOUT_MIN, Part, RETRY_ROWS_MAX, RETRY_ROWS_MIN, select};
use crate::error::{Breakage, CallError};
use crate::guest::Migrate;
use crate::services::Services;

mod dry_run;

pub use dry_run::TriedMigration;

/// Values that are migrated in one call, at the most, and their bytes, about.
const CALL_VALUES_MAX: usize = 4096;
const CALL_BYTES_MAX: usize = 4 << 20;
/// What is remembered of values that can't be migrated, in bytes, about.
const REMEMBERED_BYTES_MAX: usize = 8 << 20;

/// Keys with a value that can't be migrated, and why.
type Refused = BTreeMap<Vec<u8>, String>;

/// What a version of the function couldn't migrate. A migration is pure, so it isn't asked again.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    why: BTreeMap<Vec<u8>, String>,
    bytes: usize,
}

/// Some values of a state, to be tried in one call.
struct Asked {
    /// Their places among the values that were handed out.
    items: Vec<usize>,
    timeout: Duration,
}

impl OperatorSubtask {
    /// Whether there may be values of older schema versions.
    #[must_use]
    pub fn has_stale(&self) -> bool {
        self.keyed && self.services.as_ref().is_some_and(|services| services.state.has_stale())
    }

    /// Migrates some values of older schema versions, about `values_max`, wherever they are: what the background does between two batches.
    /// `false`: now nothing is left, or only what can't be migrated; while [`Self::has_stale`] says so, there may be more after the next checkpoint.
    ///
    /// # Errors
    /// When a value can't be migrated and the policy is to fail, or no working instance can be made any more.
    pub fn migrate_some(&mut self, values_max: usize) -> Result<bool> {
        if !self.has_stale() {
            return Ok(false);
        }
        self.forget_keys();
        let Some(services) = &mut self.services else { return Ok(false) };
        let (mut found, migrated_before) = (Vec::new(), self.counts.migrated);
        let was_last = services.state.stale_some(values_max, &mut found);
        for error in self.migrate_all(&found)?.values() {
            tracing::debug!(uid = self.identity.uid, "{error}");
        }
        self.migrated_in_pass += self.counts.migrated - migrated_before;
        let goes_on = !was_last || std::mem::take(&mut self.migrated_in_pass) > 0;
        Ok(goes_on && self.has_stale())
    }

    /// Migrates what is under the keys of the part of a batch that was just numbered. If some of it can't be, the records of its keys are set
    /// aside, and the others are given back, to be numbered anew.
    pub(super) fn migrate_keys(&mut self, part: &Part, outputs: &mut Outputs) -> Result<Option<Batch>> {
        if !self.has_stale() {
            return Ok(None);
        }
        let mut found = Vec::new();
        if let Some(services) = &mut self.services {
            let Services { state, table, .. } = &mut **services;
            state.stale(table, &mut found);
        }
        let refused = self.migrate_all(&found)?;
        if refused.is_empty() {
            return Ok(None);
        }
        let why: Vec<_> = part.batch.iter().map(|row| refused.get(row.key.unwrap_or_default())).collect();
        for (row, why) in part.batch.iter().zip(&why) {
            if let Some(why) = why {
                self.set_aside(part.input, &row, (*why).clone(), outputs);
            }
        }
        Ok(Some(select(&part.batch, |at| why.get(at).is_some_and(Option::is_none))))
    }

    fn migrate_all(&mut self, found: &[Stale]) -> Result<Refused> {
        let mut refused = Refused::new();
        let states = self.services.as_ref().map(|services| services.state.states()).unwrap_or_default();
        for stale in found {
            let name = states.get(stale.state).map(|state| state.name.as_str()).unwrap_or_default();
            let migrated = self.migrate_values(name, stale, &mut refused)?;
            if let Some(services) = &mut self.services {
                let put = services.state.migrated(stale, migrated.as_column());
                put.map_err(|error| self.identity.error(format!("its migration of state {name}: {error}"), None))?;
            }
        }
        Ok(refused)
    }

    /// The values as the guest gives them; those that it can't migrate are missing, and their keys among the refused.
    fn migrate_values(&mut self, state: &str, stale: &Stale, refused: &mut Refused) -> Result<OwnedColumn> {
        let values: Vec<&[u8]> = stale.values.as_column().iter().map(Option::unwrap_or_default).collect();
        let mut todo = self.first_calls(stale, &values, refused);
        let (mut migrated, mut retry_values) = (OwnedColumn::default(), RETRY_ROWS_MAX);
        while let Some(Asked { mut items, timeout }) = todo.pop() {
            let result = self.ask(state, stale.from_version, &values, &items, timeout)?;
            let late = matches!(result, Err(CallError::Broken(Breakage::Deadline(_))));
            let outcome = result.as_ref().map(drop).map_err(Clone::clone);
            match (self.decide(&outcome, items.len()), result) {
                (_, Ok(answer)) => {
                    self.counts.migrated += items.len() as u64;
                    for (item, value) in items.iter().zip(answer.as_column().iter()) {
                        fill(&mut migrated, *item);
                        migrated.push(value);
                    }
                }
                (Decision::Fail(at), Err(error)) => return Err(self.cannot_migrate(state, stale, &items, at, &error)),
                (Decision::Halve | Decision::Commit, Err(_)) => {
                    let second = items.split_off(items.len() / 2);
                    for items in [second, items] {
                        let timeout = if late && items.len() > 1 { (timeout / 2).max(PART_TIMEOUT_MIN).min(timeout) } else { self.call_timeout };
                        todo.push(Asked { items, timeout });
                    }
                }
                (Decision::SetAside(at), Err(error)) => {
                    retry_values = (retry_values / 2).max(RETRY_ROWS_MIN);
                    let behind = items.split_off((at + 1).min(items.len()));
                    if let Some(item) = items.pop() {
                        self.refuse(state, stale, item, &words(&error, at + 1 + behind.len()), refused);
                    }
                    let pieces = behind.rchunks(retry_values).map(|items| Asked { items: items.to_vec(), timeout: self.call_timeout });
                    todo.extend(pieces);
                    todo.push(Asked { items, timeout: self.call_timeout });
                }
            }
        }
        fill(&mut migrated, values.len());
        Ok(migrated)
    }

    /// The values in calls, the first one last, without those that are known to be hopeless.
    fn first_calls(&self, stale: &Stale, values: &[&[u8]], refused: &mut Refused) -> Vec<Asked> {
        let mut calls = vec![Asked { items: Vec::new(), timeout: self.call_timeout }];
        let mut bytes = 0;
        for (item, value) in values.iter().enumerate() {
            if let Some(why) = self.known(stale, item) {
                refused.insert(self.key(stale, item).to_vec(), why.clone());
                continue;
            }
            if let Some(last) = calls.last_mut().filter(|last| last.items.len() < CALL_VALUES_MAX && bytes + value.len() <= CALL_BYTES_MAX) {
                last.items.push(item);
                bytes += value.len();
            } else {
                calls.push(Asked { items: vec![item], timeout: self.call_timeout });
                bytes = value.len();
            }
        }
        calls.reverse();
        calls
    }

    /// One call; a broken instance is replaced.
    fn ask(
        &mut self,
        state: &str,
        from_version: u32,
        values: &[&[u8]],
        items: &[usize],
        timeout: Duration,
    ) -> Result<Result<OwnedColumn, CallError>> {
        if items.is_empty() {
            return Ok(Ok(OwnedColumn::default()));
        }
        let mut asked = OwnedColumn::default();
        items.iter().for_each(|item| asked.push(values.get(*item).copied()));
        let migrate = Migrate { state, from_version, values: asked.as_column(), timeout };
        let result = self.refresh().map_err(CallError::from).and_then(|()| self.guest.migrate(&migrate));
        if matches!(result, Err(CallError::Broken(_))) {
            self.counts.broken += 1;
            self.renew()?;
        }
        Ok(result)
    }

    fn key<'a>(&'a self, stale: &Stale, item: usize) -> &'a [u8] {
        self.services.as_ref().and_then(|services| stale.key(&services.state, item)).unwrap_or_default()
    }

    fn known(&self, stale: &Stale, item: usize) -> Option<&String> {
        if self.refusals.why.is_empty() {
            return None;
        }
        self.refusals.why.get(&address(stale, item, self.key(stale, item)))
    }

    /// Notes that an item can't be migrated.
    fn refuse(&mut self, state: &str, stale: &Stale, item: usize, why: &str, refused: &mut Refused) {
        self.counts.unmigratable += 1;
        let key = self.key(stale, item);
        let why = format!("state {state} of key {} can't be migrated from schema version {}: {why}", excerpt_key(key), stale.from_version);
        let address = address(stale, item, key);
        refused.insert(key.to_vec(), why.clone());
        self.refusals.bytes += address.len() + why.len();
        if self.refusals.bytes <= REMEMBERED_BYTES_MAX {
            self.refusals.why.insert(address, why);
        }
    }

    fn cannot_migrate(&self, state: &str, stale: &Stale, items: &[usize], at: usize, error: &CallError) -> Error {
        let breakage = if let CallError::Broken(breakage) = error { Some(breakage) } else { None };
        let of = match items {
            // Which one it is was not looked for.
            [_, _, ..] if matches!(breakage, Some(Breakage::Deadline(_))) => format!("of one of {} keys", items.len()),
            _ => format!("of key {}", excerpt_key(items.get(at).map_or(&[], |item| self.key(stale, *item)))),
        };
        let why = format!("state {state} {of} can't be migrated from schema version {}: {}", stale.from_version, words(error, items.len()));
        let remedy = match breakage {
            Some(breakage @ (Breakage::Deadline(_) | Breakage::Memory { .. })) => breakage.remedy(),
            _ => "mend the migration, or set on-error = \"skip\" or \"dead-letter\" to go on without the records of such keys",
        };
        Error::job(self.identity.what(), why, remedy)
    }
}

/// Makes the items before `to` that nothing was given for missing ones.
fn fill(column: &mut OwnedColumn, to: usize) {
    while column.lengths.len() < to {
        column.push(None);
    }
}

fn words(error: &CallError, values: usize) -> String {
    match error {
        CallError::Refused { row: Some(row), message } if *row as usize >= values => {
            format!("the guest broke the contract: it refused value {row} of a call with {values} values ({message})")
        }
        error => error.to_string(),
    }
}

/// What is remembered of an item: state, version, key and sub-key.
fn address(stale: &Stale, item: usize, key: &[u8]) -> Vec<u8> {
    let sub_key = stale.sub_key(item);
    let mut address = Vec::with_capacity(20 + key.len() + sub_key.map_or(0, <[u8]>::len));
    address.extend_from_slice(&(stale.state as u64).to_le_bytes());
    address.extend_from_slice(&stale.from_version.to_le_bytes());
    address.extend_from_slice(&(key.len() as u64).to_le_bytes());
    address.extend_from_slice(key);
    address.extend_from_slice(sub_key.unwrap_or_default());
    address
}

#[cfg(test)]
mod tests;
