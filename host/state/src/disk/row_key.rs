//! The address of a row as bytes that sort as the address does.
//!
//! State number and key group take four bytes each, most significant first. Then comes the key, a zero byte in it written as `00 FF`,
//! ended by `00 00` when there is no sub-key and by `00 01` when there is one; then the sub-key as it is. So no key's bytes begin another
//! key's, and what deletes everything under a key (a row without a sub-key) sorts right before all of its sub-keys.

use weir_model::key_group::KeyGroup;

const ZERO: [u8; 2] = [0, 0xFF];
const NO_SUB_KEY: [u8; 2] = [0, 0];
const SUB_KEY: [u8; 2] = [0, 1];

/// The address of one row, in the order in which rows are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowKey<'a> {
    /// The state's number.
    pub(crate) state: u32,
    /// The group of the key.
    pub(crate) key_group: KeyGroup,
    /// The key.
    pub(crate) key: &'a [u8],
    /// The sub-key, in a map or list state.
    pub(crate) sub_key: Option<&'a [u8]>,
}

impl<'a> RowKey<'a> {
    /// Appends its bytes.
    pub(crate) fn encode(self, to: &mut Vec<u8>) {
        let room = 2 * size_of::<u32>() + self.key.len() + SUB_KEY.len() + self.sub_key.map_or(0, <[u8]>::len);
        to.reserve(room);
        to.extend_from_slice(&self.state.to_be_bytes());
        to.extend_from_slice(&self.key_group.0.to_be_bytes());
        let mut pieces = self.key.split(|byte| *byte == 0);
        to.extend_from_slice(pieces.next().unwrap_or_default());
        for piece in pieces {
            to.extend_from_slice(&ZERO);
            to.extend_from_slice(piece);
        }
        to.extend_from_slice(if self.sub_key.is_some() { &SUB_KEY } else { &NO_SUB_KEY });
        to.extend_from_slice(self.sub_key.unwrap_or_default());
    }

    /// Reads bytes that [`Self::encode`] made, the key into `key`. `None`: no such bytes.
    #[must_use]
    pub(crate) fn decode(bytes: &'a [u8], key: &'a mut Vec<u8>) -> Option<Self> {
        let (state, rest) = bytes.split_first_chunk()?;
        let (key_group, mut rest) = rest.split_first_chunk()?;
        key.clear();
        let sub_key = loop {
            let zero = rest.iter().position(|byte| *byte == 0)?;
            let (piece, marked) = rest.split_at_checked(zero)?;
            let (mark, more) = marked.split_first_chunk()?;
            key.extend_from_slice(piece);
            match *mark {
                ZERO => key.push(0),
                SUB_KEY => break Some(more),
                NO_SUB_KEY if more.is_empty() => break None,
                _ => return None,
            }
            rest = more;
        };
        Some(Self { state: u32::from_be_bytes(*state), key_group: KeyGroup(u32::from_be_bytes(*key_group)), key, sub_key })
    }
}

/// A value as it is stored: when it was written, and its bytes.
pub(crate) fn stored(written_s: u32, value: &[u8]) -> Vec<u8> {
    [&written_s.to_le_bytes(), value].concat()
}

/// Undoes [`stored`].
pub(crate) fn split_stored(bytes: &[u8]) -> Option<(u32, &[u8])> {
    bytes.split_first_chunk().map(|(written_s, value)| (u32::from_le_bytes(*written_s), value))
}

/// What the bytes of exactly the sub-keys under a key begin with, given the bytes of the row without a sub-key; `None` for other rows.
pub(crate) fn sub_keys_prefix(whole_key: &[u8]) -> Option<Vec<u8>> {
    // Only the last two bytes can end a key with them: within it, `00` is followed by `FF`; behind `00 01` anything may come.
    let (address, end) = whole_key.split_last_chunk()?;
    let mut key = Vec::new();
    let is_whole = *end == NO_SUB_KEY && RowKey::decode(whole_key, &mut key).is_some_and(|row| row.sub_key.is_none());
    is_whole.then(|| [address, &SUB_KEY].concat())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    type Owned = (u32, u32, Vec<u8>, Option<Vec<u8>>);

    fn row(owned: &Owned) -> RowKey<'_> {
        RowKey { state: owned.0, key_group: KeyGroup(owned.1), key: &owned.2, sub_key: owned.3.as_deref() }
    }

    fn encoded(row: RowKey<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        bytes
    }

    /// Bytes around the marks, so that boundaries are hit often.
    fn tricky() -> impl Strategy<Value = Vec<u8>> {
        vec(prop_oneof![Just(0_u8), Just(1), Just(2), Just(0xFE), Just(0xFF), any::<u8>()], 0..6)
    }

    fn any_row() -> impl Strategy<Value = Owned> {
        (prop_oneof![0..3_u32, any::<u32>()], prop_oneof![0..3_u32, any::<u32>()], tricky(), proptest::option::of(tricky()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn bytes_sort_as_addresses_do(a in any_row(), b in any_row()) {
            prop_assert_eq!(encoded(row(&a)).cmp(&encoded(row(&b))), row(&a).cmp(&row(&b)));
        }

        #[test]
        fn an_address_reads_back(a in any_row()) {
            let bytes = encoded(row(&a));
            let mut key = Vec::new();
            prop_assert_eq!(RowKey::decode(&bytes, &mut key), Some(row(&a)));
        }

        #[test]
        fn a_prefix_covers_the_sub_keys_of_its_key_and_nothing_else(key in tricky(), other in any_row()) {
            let whole: Owned = (1, 1, key, None);
            let prefix = sub_keys_prefix(&encoded(row(&whole))).unwrap();
            let is_under = (other.0, other.1, &other.2) == (whole.0, whole.1, &whole.2) && other.3.is_some();
            prop_assert_eq!(encoded(row(&other)).starts_with(&prefix), is_under);
            let own: Owned = (whole.0, whole.1, whole.2.clone(), Some(other.2.clone()));
            prop_assert!(encoded(row(&own)).starts_with(&prefix));
        }

        #[test]
        fn only_a_row_without_a_sub_key_has_such_a_prefix(a in any_row()) {
            prop_assert_eq!(sub_keys_prefix(&encoded(row(&a))).is_some(), a.3.is_none());
        }

        #[test]
        fn any_other_bytes_are_refused_or_read_back(bytes in vec(prop_oneof![Just(0_u8), Just(1), Just(0xFF), any::<u8>()], 0..20)) {
            let mut key = Vec::new();
            if let Some(row) = RowKey::decode(&bytes, &mut key) {
                prop_assert_eq!(encoded(row), bytes.clone());
            }
        }
    }
}
