//! Ids as types of their own, checked when they are made.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};

/// The stable, readable name of a node of the job graph: what its state is addressed by, for ever.
///
/// 1 to 100 of `A-Z a-z 0-9 _ -`, not starting with `-`. A dot is not allowed: `tokenize.late` names an output port of `tokenize`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperatorUid(Arc<str>);

impl OperatorUid {
    /// Checks and makes a UID.
    ///
    /// # Errors
    /// A usage error that names the first thing wrong with `text`.
    pub fn new(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Err(Error::usage(format!("`{text}` is not a UID"), why, "use letters, digits, `_` and `-`, at most 100 of them, such as `count-words`"))
        };
        if text.is_empty() {
            return refuse("it is empty");
        }
        if text.len() > 100 {
            return refuse("it is longer than 100 characters");
        }
        if text.starts_with('-') {
            return refuse("it starts with `-`");
        }
        match text.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '_' || *c == '-')) {
            Some('.') => refuse("it contains a dot, which separates a UID from an output port"),
            Some(c) => refuse(&format!("it contains {c:?}")),
            None => Ok(Self(text.into())),
        }
    }

    /// The text of the UID.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperatorUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OperatorUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperatorUid({})", self.0)
    }
}

/// How many subtasks a node runs as: 1 to 32,768 (Flink's upper bound).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parallelism(u32);

impl Parallelism {
    /// One subtask.
    pub const ONE: Self = Self(1);
    /// Flink's `UPPER_BOUND_MAX_PARALLELISM`.
    pub const MAX: Self = Self(32_768);

    /// `None` unless `count` is in 1 to 32,768.
    #[must_use]
    pub const fn new(count: u32) -> Option<Self> {
        if count >= 1 && count <= Self::MAX.0 { Some(Self(count)) } else { None }
    }

    /// The number of subtasks.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The indexes of the subtasks, in order.
    pub fn subtasks(self) -> impl Iterator<Item = SubtaskIndex> {
        (0..self.0).map(SubtaskIndex)
    }
}

impl fmt::Display for Parallelism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of a subtask among the subtasks of its node, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubtaskIndex(pub u32);

impl SubtaskIndex {
    /// As a position in a list of subtasks.
    #[must_use]
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for SubtaskIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The SHA-256 of a component's bytes: which code it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PluginDigest(pub [u8; 32]);

impl PluginDigest {
    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| pair.get(at).and_then(|digit| char::from(*digit).to_digit(16));
            *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
        }
        (digits.len() == 64).then_some(Self(bytes))
    }

    /// The first 12 hexadecimal digits, enough to tell versions apart on a screen.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl fmt::Display for PluginDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PluginDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PluginDigest({})", self.short())
    }
}

/// The number of a checkpoint: from 1, ascending over all attempts of a job, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckpointId(pub u64);

impl CheckpointId {
    /// The first of a job.
    pub const FIRST: Self = Self(1);

    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back() {
        let digest = PluginDigest(std::array::from_fn(|at| (at * 9) as u8));
        assert_eq!(PluginDigest::from_hex(&digest.to_string()), Some(digest));
        for wrong in ["", "a7", &"g".repeat(64), &"a".repeat(63), &"a".repeat(65)] {
            assert_eq!(PluginDigest::from_hex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_uid_is_checked_when_it_is_made() {
        let check = |text: &str, why: Option<&str>| match (OperatorUid::new(text), why) {
            (Ok(uid), None) => assert_eq!(uid.as_str(), text),
            (Err(error), Some(why)) => assert!(error.why.contains(why), "{text:?}: {error}"),
            (result, why) => panic!("{text:?}: {result:?}, expected {why:?}"),
        };
        check("count", None);
        check("count_words-2", None);
        check("", Some("empty"));
        check("-x", Some("starts with"));
        check("a.b", Some("dot"));
        check("a b", Some("' '"));
        check(&"x".repeat(101), Some("longer"));
    }
}
