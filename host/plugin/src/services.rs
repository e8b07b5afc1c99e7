//! What the host does for a running call: takes output, stages state, keeps the log. Nothing of it is seen before the call returns ok.

use std::collections::BTreeMap;

use weir_model::key_group::hash_key;
use weir_model::rows::{Batch, RowReader};
use weir_state::{Column, KeyTable, KeyedState, OwnedColumn, Page, Scope, Staged, StateError};

use crate::error::Breakage;
use crate::limits::InstanceLimits;

/// An output port as the host uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputPort {
    /// Whether records of this port must have a key: an exchange by key follows somewhere, so the keys are hashed here, where the rows are
    /// walked to check them anyway.
    pub keyed: bool,
}

/// How grave a guest's log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// For the operator's author.
    Trace,
    /// For the operator's author.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

/// What the host needs for one emission or one log line besides its bytes, about.
const EMIT_OVERHEAD_BYTES: usize = 128;
/// Log lines of one call beyond this many bytes are dropped.
const LOG_BYTES_MAX: usize = 64 * 1024;
/// Characters that are kept of an error line beyond that.
const LAST_WORDS_CHARS_MAX: usize = 1000;
/// Metrics that one operator may name.
const COUNTERS_MAX: usize = 1000;
/// Bytes of one page of a scan.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// The host's side of a call.
#[derive(Debug)]
pub struct Services {
    uid: String,
    ports: Vec<OutputPort>,
    limits: InstanceLimits,
    pub(crate) state: KeyedState,
    pub(crate) table: KeyTable,
    pub(crate) staged: Staged,
    pub(crate) emitted: Vec<(usize, Batch)>,
    emitted_bytes: usize,
    log_bytes: usize,
    lines: Vec<(LogLevel, String)>,
    last_words: Option<String>,
    counters: BTreeMap<String, u64>,
    pub(crate) totals: BTreeMap<String, u64>,
}

impl Services {
    /// Services for an operator with these outputs, over its state.
    #[must_use]
    pub fn new(uid: &str, ports: Vec<OutputPort>, limits: InstanceLimits, state: KeyedState) -> Self {
        Self {
            uid: uid.to_owned(),
            ports,
            limits,
            state,
            table: KeyTable::default(),
            staged: Staged::default(),
            emitted: Vec::new(),
            emitted_bytes: 0,
            log_bytes: 0,
            lines: Vec::new(),
            last_words: None,
            counters: BTreeMap::new(),
            totals: BTreeMap::new(),
        }
    }

    /// Services of another version of the operator, over state of its own.
    pub(crate) fn beside(&self, state: KeyedState) -> Self {
        Self::new(&self.uid, self.ports.clone(), self.limits, state)
    }

    /// Services outside of any batch: the log works, output and state are refused.
    pub(crate) fn detached(uid: &str, limits: InstanceLimits) -> Self {
        Self::new(uid, Vec::new(), limits, KeyedState::new(&[], 0))
    }

    /// Forgets everything that a call did; the state keeps what was applied before.
    pub(crate) fn reset(&mut self) {
        self.staged = Staged::default();
        self.emitted.clear();
        self.emitted_bytes = 0;
        self.log_bytes = 0;
        self.lines.clear();
        self.last_words = None;
        self.counters.clear();
    }

    /// Makes what the call counted part of the operator's metrics.
    pub(crate) fn apply_counters(&mut self) {
        for (name, add) in std::mem::take(&mut self.counters) {
            if self.totals.len() < COUNTERS_MAX || self.totals.contains_key(&name) {
                let total = self.totals.entry(name).or_default();
                *total = total.saturating_add(add);
            }
        }
    }

    /// Writes the call's lines to the log. The last words of a guest that trapped are in its error already.
    pub(crate) fn write_log(&mut self, trapped: bool) {
        self.lines.extend(self.last_words.take().map(|message| (LogLevel::Error, message)));
        if trapped && let Some(at) = self.lines.iter().rposition(|(level, _)| *level == LogLevel::Error) {
            self.lines.remove(at);
        }
        let uid = self.uid.as_str();
        for (level, message) in self.lines.drain(..) {
            match level {
                LogLevel::Trace => tracing::trace!(target: "guest", uid, "{message}"),
                LogLevel::Debug => tracing::debug!(target: "guest", uid, "{message}"),
                LogLevel::Info => tracing::info!(target: "guest", uid, "{message}"),
                LogLevel::Warn => tracing::warn!(target: "guest", uid, "{message}"),
                LogLevel::Error => tracing::error!(target: "guest", uid, "{message}"),
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.lines.iter().map(|(_, line)| line.as_str()).collect()
    }

    /// The last line that the guest logged as an error in this call: where SDKs leave a panic's message.
    pub(crate) fn last_error(&self) -> Option<&str> {
        let kept = || self.lines.iter().rev().find(|(level, _)| *level == LogLevel::Error).map(|(_, message)| message.as_str());
        self.last_words.as_deref().or_else(kept)
    }

    fn scope(&self) -> Scope<'_> {
        Scope { state: &self.state, table: &self.table }
    }

    pub(crate) fn limits(&self) -> &InstanceLimits {
        &self.limits
    }

    /// Whether a call may emit `more` bytes.
    ///
    /// # Errors
    /// When it may not.
    pub fn check_output(&self, more: usize) -> Result<(), Breakage> {
        let bytes = self.emitted_bytes.saturating_add(more).saturating_add(EMIT_OVERHEAD_BYTES);
        self.limit("output", bytes, self.limits.output_bytes_max)
    }

    fn check_state(&self, more: usize) -> Result<(), Breakage> {
        self.limit("state", self.staged.bytes().saturating_add(more), self.limits.state_bytes_max)
    }

    fn limit(&self, what: &'static str, bytes: usize, limit_bytes: usize) -> Result<(), Breakage> {
        if bytes > limit_bytes { Err(Breakage::TooMuch { what, limit_bytes }) } else { Ok(()) }
    }

    /// `output.emit`: checks that `rows` are whole rows and keeps them; hashes their keys if an exchange will want that.
    ///
    /// # Errors
    /// When the port isn't declared, the rows are malformed, a key is missing, or it is too much.
    pub fn emit(&mut self, output: u32, rows: Vec<u8>) -> Result<(), Breakage> {
        self.check_output(rows.len())?;
        let port = self.ports.get(output as usize).ok_or_else(|| {
            Breakage::Contract(format!("it emitted to output {output}, but the function declares {} outputs, numbered from 0", self.ports.len()))
        })?;
        self.emitted_bytes += rows.len() + EMIT_OVERHEAD_BYTES;
        let malformed = |error| Breakage::Contract(format!("it emitted malformed rows: {error}"));
        let batch = if port.keyed { hash_rows(rows)? } else { Batch::from_bytes(rows).map_err(malformed)? };
        if !batch.is_empty() {
            self.emitted.push((output as usize, batch));
        }
        Ok(())
    }

    /// `keyed.put`.
    ///
    /// # Errors
    /// When the guest broke the contract or puts too much.
    pub fn put(&mut self, state: u32, slots: Vec<u32>, values: OwnedColumn) -> Result<(), Breakage> {
        self.check_state(values.data.len())?;
        let scope = Scope { state: &self.state, table: &self.table };
        self.staged.put(scope, state, slots, values).map_err(contract)
    }

    /// `keyed.get-sub`.
    ///
    /// # Errors
    /// When the guest broke the contract.
    pub fn get_sub(&self, state: u32, slots: &[u32], sub_keys: Column<'_>) -> Result<OwnedColumn, Breakage> {
        self.staged.get_sub(self.scope(), state, slots, sub_keys, self.limits.state_bytes_max).map_err(contract)
    }

    /// `keyed.put-sub`.
    ///
    /// # Errors
    /// When the guest broke the contract or puts too much.
    pub fn put_sub(&mut self, state: u32, slots: &[u32], sub_keys: Column<'_>, values: Column<'_>) -> Result<(), Breakage> {
        self.check_state(slots.len() * 64 + sub_keys.data.len() + values.data.len())?;
        let scope = Scope { state: &self.state, table: &self.table };
        self.staged.put_sub(scope, state, slots, sub_keys, values).map_err(contract)
    }

    /// `keyed.scan`.
    ///
    /// # Errors
    /// When the guest broke the contract.
    pub fn scan(&self, state: u32, slot: u32, after: Option<&[u8]>, limit: u32) -> Result<Page, Breakage> {
        self.staged.scan(self.scope(), state, slot, after, limit, PAGE_BYTES_MAX).map_err(contract)
    }

    /// `keyed.clear`.
    ///
    /// # Errors
    /// When the guest broke the contract.
    pub fn clear(&mut self, state: u32, slots: &[u32]) -> Result<(), Breakage> {
        self.check_state(slots.len() * 64)?;
        let scope = Scope { state: &self.state, table: &self.table };
        self.staged.clear(scope, state, slots).map_err(contract)
    }

    /// `log.log`: kept until the call has ended, so that nobody's time is spent on a slow terminal. Of a flood of lines the first are kept, and the last
    /// error, which may be the guest's last words.
    pub fn log(&mut self, level: LogLevel, message: &str) {
        self.log_bytes = self.log_bytes.saturating_add(message.len() + EMIT_OVERHEAD_BYTES);
        if self.log_bytes <= LOG_BYTES_MAX {
            self.lines.push((level, message.to_owned()));
        } else if level == LogLevel::Error {
            let cut: String = message.chars().take(LAST_WORDS_CHARS_MAX).collect();
            self.last_words = Some(cut);
        }
    }

    /// `log.count`.
    pub fn count(&mut self, name: &str, add: u64) {
        if self.counters.len() < COUNTERS_MAX || self.counters.contains_key(name) {
            let counter = self.counters.entry(name.chars().take(100).collect()).or_default();
            *counter = counter.saturating_add(add);
        }
    }
}

/// Checks the rows and hashes their keys in one walk.
fn hash_rows(rows: Vec<u8>) -> Result<Batch, Breakage> {
    let mut hashes = Vec::with_capacity(rows.len() / 24);
    for row in RowReader::new(&rows) {
        let row = row.map_err(|error| Breakage::Contract(format!("it emitted malformed rows: {error}")))?;
        let key = row.key.ok_or_else(|| Breakage::Contract("it emitted a record without a key on an output that declares a key".to_owned()))?;
        hashes.push(hash_key(key));
    }
    Ok(Batch::from_checked(rows, hashes))
}

fn contract(error: StateError) -> Breakage {
    Breakage::Contract(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_log_lines_is_bounded_and_does_not_hide_the_last_error() {
        let mut services = Services::detached("flood", InstanceLimits::default());
        (0..100_000).for_each(|_| services.log(LogLevel::Info, "drip"));
        assert_eq!(services.last_error(), None);
        services.log(LogLevel::Error, "panicked at the end");
        services.log(LogLevel::Info, "drip");
        assert_eq!(services.last_error(), Some("panicked at the end"));
        assert!(services.lines.len() <= LOG_BYTES_MAX / EMIT_OVERHEAD_BYTES, "{} lines", services.lines.len());
        services.reset();
        assert_eq!(services.last_error(), None);
    }

    #[test]
    fn small_emissions_count_for_what_they_cost_the_host() {
        let limits = InstanceLimits { output_bytes_max: 10_000, ..InstanceLimits::default() };
        let mut services = Services::new("small", vec![OutputPort { keyed: false }], limits, KeyedState::new(&[], 0));
        let mut row = Vec::new();
        weir_model::rows::push_row(&mut row, None, b"", 0).unwrap();
        let emitted = (0..1000).take_while(|_| services.emit(0, row.clone()).is_ok()).count();
        assert!((10..100).contains(&emitted), "{emitted} emissions of 16 bytes passed a limit of 10,000");
    }
}
