//! What is in a file besides blocks, byte for byte: version 1 of the format.

use serde::{Deserialize, Serialize};
use weir_model::codec::Codec;
use weir_model::describe::{StateDescriptor, StateKind};
use xxhash_rust::xxh3::xxh3_64;

use crate::file::FileError;
use crate::row::SnapshotScope;

/// The version of everything in a file.
pub(super) const VERSION: u32 = 1;

/// The last bytes of every state file.
const MAGIC: [u8; 8] = *b"weirstat";

/// The end of a file, of fixed size: the footer's length and checksum, the version, and the magic bytes; little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trailer {
    pub(super) footer_bytes: u64,
    pub(super) footer_checksum: u64,
}

/// The bytes of a [`Trailer`].
pub(super) const TRAILER_BYTES: usize = 8 + 8 + 4 + 8;

impl Trailer {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.footer_bytes.to_le_bytes());
        out.extend_from_slice(&self.footer_checksum.to_le_bytes());
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&MAGIC);
    }

    /// The trailer at the end of `tail`, and what is before it.
    pub(super) fn read(tail: &[u8]) -> Result<(Self, &[u8]), FileError> {
        let Some((before, trailer)) = tail.split_last_chunk::<TRAILER_BYTES>() else { return Err(FileError::NotAStateFile) };
        let mut rest = trailer.as_slice();
        let mut number = |bytes: usize| {
            let (number, behind) = rest.split_at_checked(bytes)?;
            rest = behind;
            Some(number.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
        };
        let (Some(footer_bytes), Some(footer_checksum), Some(version)) = (number(8), number(8), number(4)) else {
            return Err(FileError::NotAStateFile);
        };
        if rest != MAGIC {
            return Err(FileError::NotAStateFile);
        }
        if version != u64::from(VERSION) {
            return Err(FileError::Version { found: version as u32 });
        }
        Ok((Self { footer_bytes, footer_checksum }, before))
    }
}

/// The checksum of footers and blocks: XXH3-64, seed 0.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// The footer, in postcard's encoding.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Footer {
    pub(super) scope: FooterScope,
    pub(super) rows: u64,
    pub(super) states: Vec<FooterState>,
    /// In the order of the file, which is that of states and key groups.
    pub(super) blocks: Vec<FooterBlock>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum FooterScope {
    Full,
    Changes,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FooterState {
    name: String,
    kind: FooterKind,
    codec: String,
    schema_version: u32,
    ttl_ms: u64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum FooterKind {
    Value,
    List,
    Map,
}

/// A block: rows of one state. It starts where the one before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FooterBlock {
    pub(super) state: u32,
    pub(super) first_group: u32,
    pub(super) last_group: u32,
    pub(super) rows: u32,
    pub(super) bytes: u64,
    pub(super) checksum: u64,
}

impl From<SnapshotScope> for FooterScope {
    fn from(scope: SnapshotScope) -> Self {
        match scope {
            SnapshotScope::Full => Self::Full,
            SnapshotScope::Changes => Self::Changes,
        }
    }
}

impl From<FooterScope> for SnapshotScope {
    fn from(scope: FooterScope) -> Self {
        match scope {
            FooterScope::Full => Self::Full,
            FooterScope::Changes => Self::Changes,
        }
    }
}

impl From<&StateDescriptor> for FooterState {
    fn from(state: &StateDescriptor) -> Self {
        let kind = match state.kind {
            StateKind::Value => FooterKind::Value,
            StateKind::List => FooterKind::List,
            StateKind::Map => FooterKind::Map,
        };
        let StateDescriptor { name, value, schema_version, ttl_ms, .. } = state;
        Self { name: name.clone(), kind, codec: value.name().to_owned(), schema_version: *schema_version, ttl_ms: *ttl_ms }
    }
}

impl From<FooterState> for StateDescriptor {
    fn from(state: FooterState) -> Self {
        let FooterState { name, kind, codec, schema_version, ttl_ms } = state;
        let kind = match kind {
            FooterKind::Value => StateKind::Value,
            FooterKind::List => StateKind::List,
            FooterKind::Map => StateKind::Map,
        };
        Self { name, kind, value: Codec::from_name(&codec), schema_version, ttl_ms }
    }
}
