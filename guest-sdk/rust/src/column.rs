//! Byte strings in one column, as states and sub-keys cross the boundary.

/// The length that marks a missing item.
const MISSING: u32 = u32::MAX;

/// Byte strings back to back, borrowed: `lengths[i]` bytes of `data` each; a length of `0xffff_ffff`: item i is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Column<'a> {
    /// The length of each item, or `0xffff_ffff`.
    pub lengths: &'a [u32],
    /// The items' bytes.
    pub data: &'a [u8],
}

impl<'a> Column<'a> {
    /// The items in order. An item that `data` is too short for, and all after it, count as missing.
    pub fn iter(&self) -> impl Iterator<Item = Option<&'a [u8]>> + use<'a> {
        let mut rest = self.data;
        self.lengths.iter().map(move |&length| {
            if length == MISSING {
                return None;
            }
            let split = rest.split_at_checked(length as usize);
            rest = split.map_or(&[], |(_, after)| after);
            split.map(|(item, _)| item)
        })
    }
}

/// As [`Column`], owned and growing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnedColumn {
    /// The length of each item, or `0xffff_ffff`.
    pub lengths: Vec<u32>,
    /// The items' bytes.
    pub data: Vec<u8>,
}

impl OwnedColumn {
    /// The column, borrowed.
    #[must_use]
    pub fn as_column(&self) -> Column<'_> {
        Column { lengths: &self.lengths, data: &self.data }
    }

    /// Appends an item. One of 4 GiB or more, which no guest can hold, counts as missing.
    #[inline(always)]
    pub fn push(&mut self, item: Option<&[u8]>) {
        match item {
            Some(bytes) if bytes.len() < MISSING as usize => {
                self.lengths.push(bytes.len() as u32);
                crate::raw::push_bytes(&mut self.data, bytes);
            }
            _ => self.lengths.push(MISSING),
        }
    }

    /// Removes all items and keeps the room.
    pub fn clear(&mut self) {
        self.lengths.clear();
        self.data.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_read_back_and_what_the_data_lacks_is_missing() {
        let mut column = OwnedColumn::default();
        for item in [Some(&b"ab"[..]), None, Some(b""), Some(b"c")] {
            column.push(item);
        }
        assert_eq!(column.as_column().iter().collect::<Vec<_>>(), [Some(&b"ab"[..]), None, Some(b""), Some(b"c")]);
        column.data.pop();
        assert_eq!(column.as_column().iter().collect::<Vec<_>>(), [Some(&b"ab"[..]), None, Some(b""), None]);
    }
}
