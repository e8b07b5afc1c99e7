//! Byte strings of up to 22 bytes without an allocation: most keys and values are that short.

use std::fmt;
use std::ops::Deref;

const INLINE_BYTES: usize = 22;

/// An immutable byte string, inline when it is short.
#[derive(Clone)]
pub(crate) enum SmallBytes {
    /// `length` bytes of `bytes`.
    Inline { length: u8, bytes: [u8; INLINE_BYTES] },
    /// Anything longer.
    Heap(Box<[u8]>),
}

// Three words, and so is an `Option`: an entry of the state fits a cache line.
const _: () = assert!(size_of::<Option<SmallBytes>>() == 24);

impl SmallBytes {
    /// The bytes that lie outside: all of a long string, none of a short one.
    pub(crate) const fn heap_bytes(&self) -> usize {
        match self {
            Self::Inline { .. } => 0,
            Self::Heap(bytes) => bytes.len(),
        }
    }
}

impl From<&[u8]> for SmallBytes {
    #[inline]
    fn from(from: &[u8]) -> Self {
        let mut bytes = [0; INLINE_BYTES];
        match (bytes.get_mut(..from.len()), u8::try_from(from.len())) {
            (Some(room), Ok(length)) => {
                room.copy_from_slice(from);
                Self::Inline { length, bytes }
            }
            _ => Self::Heap(from.into()),
        }
    }
}

impl Deref for SmallBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Inline { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Heap(bytes) => bytes,
        }
    }
}

impl fmt::Debug for SmallBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &**self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_any_length_read_back() {
        let all: Vec<u8> = (0..64).collect();
        for length in 0..=all.len() {
            assert_eq!(&*SmallBytes::from(&all[..length]), &all[..length]);
        }
    }
}
