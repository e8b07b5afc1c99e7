//! What a shadow has found.

/// What two versions that saw the same records did differently.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShadowCounts {
    /// Records that both have seen.
    pub records: u64,
    /// Records that the live version emitted meanwhile.
    pub emitted: u64,
    /// Records that only the live version emitted.
    pub only_old: u64,
    /// Records that only the new version emitted.
    pub only_new: u64,
    /// Records that the new version couldn't handle and the live one could.
    pub failed: u64,
    /// Why the first of them failed.
    pub first_failure: Option<String>,
    /// Different keys of records that only one of them emitted.
    pub keys_differing: u64,
    /// There were more such keys than are remembered: there are at least so many.
    pub keys_differing_at_least: bool,
    /// Keys that the new version has state for, all of it copied or made since.
    pub keys_copied: u64,
    /// The memory that its state takes, in bytes.
    pub copied_bytes: u64,
    /// Some of the differences.
    pub examples: Vec<ShadowExample>,
    /// Why it ended itself; nothing was compared since.
    pub ended: Option<String>,
}

/// A record that the two versions don't agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowExample {
    /// The number of the output port.
    pub output: usize,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// What the live version emitted; `None`: no such record.
    pub old: Option<ShadowRow>,
    /// What the new version emitted; `None`: no such record.
    pub new: Option<ShadowRow>,
}

/// What a version emitted under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowRow {
    /// The value, or its first bytes: at most [`EXAMPLE_BYTES_MAX`].
    pub value: Vec<u8>,
    /// Milliseconds since the Unix epoch; the smallest value: none.
    pub timestamp: i64,
}

/// The most examples that are kept.
pub(super) const EXAMPLES_MAX: usize = 10;
/// The most bytes that are kept of an example's key or value.
pub const EXAMPLE_BYTES_MAX: usize = 4096;

impl ShadowCounts {
    /// Adds what was found in another subtask, which has other keys.
    pub fn add(&mut self, other: Self) {
        self.records += other.records;
        self.emitted += other.emitted;
        self.only_old += other.only_old;
        self.only_new += other.only_new;
        self.failed += other.failed;
        self.first_failure = self.first_failure.take().or(other.first_failure);
        self.keys_differing += other.keys_differing;
        self.keys_differing_at_least |= other.keys_differing_at_least;
        self.keys_copied += other.keys_copied;
        self.copied_bytes += other.copied_bytes;
        self.examples.extend(other.examples);
        self.examples.truncate(EXAMPLES_MAX);
        self.ended = self.ended.take().or(other.ended);
    }
}
