//! Who an operator is, and the records that it couldn't handle.

use std::sync::Arc;

use weir_model::Error;

use crate::error::Breakage;

/// Who an operator is, for messages and dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The UID.
    pub uid: String,
    /// The function.
    pub function: String,
    /// The SHA-256 of the plugin, in hexadecimal.
    pub digest: String,
}

impl Identity {
    pub(super) fn what(&self) -> String {
        format!("{} failed", self.name())
    }

    /// UID, function and plugin, for messages.
    pub(super) fn name(&self) -> String {
        let digest: String = self.digest.chars().take(12).collect();
        format!("operator {} (function {}, plugin sha256:{digest})", self.uid, self.function)
    }

    /// An error about this operator; the remedy is that of `breakage` if there is one.
    #[must_use]
    pub fn error(&self, why: impl Into<String>, breakage: Option<&Breakage>) -> Error {
        let remedy = breakage.map_or("mend the record or the function, or set on-error = \"skip\" or \"dead-letter\"", Breakage::remedy);
        Error::job(self.what(), why, remedy)
    }
}

/// A record that an operator couldn't handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Whose record it was.
    pub operator: Arc<Identity>,
    /// The input port that it came in by.
    pub input: u32,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's value.
    pub value: Vec<u8>,
    /// The record's timestamp.
    pub timestamp: i64,
    /// Why it wasn't handled.
    pub error: String,
}
