//! The record of the versions that were swapped in, as people and `weir swap --history` read it.

use serde::{Deserialize, Serialize};
use weir_model::{Error, Result};

/// Swaps that are kept.
const KEPT_MAX: usize = 1000;

/// One swap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapRecord {
    /// When: wall-clock time, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The operators.
    pub uids: Vec<String>,
    /// The plugins before, by operator, in hexadecimal.
    pub from: Vec<String>,
    /// The new plugin, in hexadecimal.
    pub to: String,
    /// Its function, if it has another name than before.
    pub function: Option<String>,
    /// The checkpoint at whose barrier it came.
    pub checkpoint: Option<u64>,
    /// What became of it.
    pub outcome: SwapOutcome,
    /// Why, if it isn't live.
    pub why: Option<String>,
}

/// What became of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SwapOutcome {
    /// The new version runs.
    Live,
    /// The new version runs, and may still be taken back.
    OnTrial,
    /// The new version was taken back.
    Returned,
    /// The new version never ran.
    Refused,
}

/// The swaps of a job, the newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SwapHistory(pub Vec<SwapRecord>);

impl SwapHistory {
    /// Adds the newest.
    pub fn push(&mut self, record: SwapRecord) {
        self.0.push(record);
        let excess = self.0.len().saturating_sub(KEPT_MAX);
        self.0.drain(..excess);
    }

    /// Says what became of the newest, if it is still open.
    pub fn settle(&mut self, outcome: SwapOutcome, why: Option<String>) {
        if let Some(last) = self.0.last_mut().filter(|last| last.outcome == SwapOutcome::OnTrial) {
            (last.outcome, last.why) = (outcome, why);
        }
    }

    /// As JSON, indented: people read it too.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Numbers, texts and lists: there is nothing in them that JSON can't hold.
        serde_json::to_vec_pretty(&self.0).unwrap_or_default()
    }

    /// From JSON.
    ///
    /// # Errors
    /// When it isn't such a record.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let refuse =
            |error: serde_json::Error| Error::job("the record of swaps can't be read", error.to_string(), "remove swaps.json: it is begun anew");
        serde_json::from_slice(bytes).map(Self).map_err(refuse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_reads_back_and_keeps_the_newest() {
        let record = |at_ms| SwapRecord {
            at_ms,
            uids: vec!["count".to_owned()],
            from: vec!["a7".to_owned()],
            to: "b8".to_owned(),
            function: None,
            checkpoint: Some(3),
            outcome: SwapOutcome::OnTrial,
            why: None,
        };
        let mut history = SwapHistory::default();
        (0..1002).for_each(|at_ms| history.push(record(at_ms)));
        assert_eq!((history.0.len(), history.0[0].at_ms), (1000, 2));
        history.settle(SwapOutcome::Returned, Some("it trapped".to_owned()));
        history.settle(SwapOutcome::Live, None);
        assert_eq!(history.0[999].outcome, SwapOutcome::Returned);
        assert_eq!(SwapHistory::from_json(&history.to_json()), Ok(history));
        assert!(SwapHistory::from_json(b"{").is_err());
    }
}
