//! Rows in one buffer: where each lies in it.

use weir_model::key_group::KeyGroup;

use crate::row::StateRow;

/// Where a row lies: key, sub-key and value, back to back. A length fits 32 bits, as it does in every file.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowPlace {
    start: usize,
    key: u32,
    /// One more than the length; 0: none.
    sub_key: u32,
    /// One more than the length; 0: none.
    value: u32,
    key_group: u32,
    written_s: u32,
}

impl RowPlace {
    /// Puts a row's bytes behind those of others.
    pub(super) fn put(row: &StateRow<'_>, bytes: &mut Vec<u8>) -> Self {
        let one_more = |part: Option<&[u8]>| part.map_or(0, |part| part.len() as u32 + 1);
        let place = Self {
            start: bytes.len(),
            key: row.key.len() as u32,
            sub_key: one_more(row.sub_key),
            value: one_more(row.value),
            key_group: row.key_group.0,
            written_s: row.written_s,
        };
        for part in [Some(row.key), row.sub_key, row.value].into_iter().flatten() {
            bytes.extend_from_slice(part);
        }
        place
    }

    /// The row, of the state of this number.
    #[inline]
    pub(super) fn read<'a>(&self, bytes: &'a [u8], state: usize) -> Option<StateRow<'a>> {
        let mut rest = bytes.get(self.start..)?;
        let mut take = |length: u32| {
            let (taken, behind) = rest.split_at_checked(length as usize)?;
            rest = behind;
            Some(taken)
        };
        let key = take(self.key)?;
        let sub_key = self.sub_key.checked_sub(1).and_then(&mut take);
        let value = self.value.checked_sub(1).and_then(&mut take);
        Some(StateRow { state, key_group: KeyGroup(self.key_group), key, sub_key, value, written_s: self.written_s })
    }
}
