//! One row of saved state: what a snapshot is made of.

use weir_model::key_group::KeyGroup;

/// Whether a snapshot holds all state or what has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotScope {
    /// Everything.
    Full,
    /// What was written or deleted since the snapshot before.
    Changes,
}

/// A value under a key, or its deletion.
///
/// Without a value: it is deleted. In a map or list state without sub-key and value: everything older under that key is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateRow<'a> {
    /// The state's number.
    pub state: usize,
    /// The group of the key.
    pub key_group: KeyGroup,
    /// The key.
    pub key: &'a [u8],
    /// The sub-key, in a map or list state.
    pub sub_key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// When it was written: seconds since 1970, rounded up. 0 for a deletion.
    pub written_s: u32,
}
