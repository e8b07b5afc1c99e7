//! Byte strings in columns, as they cross the guest boundary, and what can be wrong with a state call.

use thiserror::Error;

use crate::disk::DiskError;

/// The length of an item that is missing from a column.
pub const MISSING: u32 = u32::MAX;

/// The bytes that the length of an item takes.
pub(crate) const LENGTH_BYTES: usize = size_of::<u32>();

/// Byte strings in one column: item `i` has `lengths[i]` bytes of `data`; [`MISSING`]: there is no item `i`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Column<'a> {
    /// One length an item.
    pub lengths: &'a [u32],
    /// The items' bytes, back to back.
    pub data: &'a [u8],
}

/// A [`Column`] that owns its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnedColumn {
    /// One length an item.
    pub lengths: Vec<u32>,
    /// The items' bytes, back to back.
    pub data: Vec<u8>,
}

impl OwnedColumn {
    /// Appends an item.
    pub fn push(&mut self, item: Option<&[u8]>) {
        self.lengths.push(item.map_or(MISSING, |item| item.len() as u32));
        self.data.extend_from_slice(item.unwrap_or_default());
    }

    /// The bytes of its lengths and its data.
    pub(crate) fn bytes(&self) -> usize {
        self.lengths.len() * LENGTH_BYTES + self.data.len()
    }

    /// The column, borrowed.
    #[must_use]
    pub fn as_column(&self) -> Column<'_> {
        Column { lengths: &self.lengths, data: &self.data }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.as_column().iter()
    }
}

impl<'a> Column<'a> {
    /// The items, in order. Ends early where the lengths don't add up; [`Column::check`] says so beforehand.
    pub fn iter(self) -> impl Iterator<Item = Option<&'a [u8]>> {
        let mut rest = self.data;
        self.lengths.iter().map_while(move |length| {
            if *length == MISSING {
                return Some(None);
            }
            let (item, more) = rest.split_at_checked(*length as usize)?;
            rest = more;
            Some(Some(item))
        })
    }

    /// # Errors
    /// When there are not `items` items, or their lengths don't add up to the data.
    pub fn check(self, items: usize) -> Result<(), StateError> {
        let bytes = self.lengths.iter().filter(|length| **length != MISSING).map(|length| u64::from(*length)).sum::<u64>();
        if self.lengths.len() == items && bytes == self.data.len() as u64 {
            Ok(())
        } else {
            Err(StateError::BadColumn { items, lengths: self.lengths.len(), bytes, data: self.data.len() })
        }
    }
}

/// What can be wrong with a state call: a guest's mistake, or a bound that is reached.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StateError {
    /// A state number beyond the function's states.
    #[error("state {state} is not declared: the function has {states} states, numbered from 0")]
    UnknownState {
        /// The number given.
        state: u32,
        /// How many there are.
        states: usize,
    },
    /// A value state used as a map or list, or the other way round.
    #[error("state {state} is a {} state and was used as a {} state", kind_word(*.is_value), kind_word(!*.is_value))]
    WrongKind {
        /// The state's number.
        state: u32,
        /// Whether it is a value state.
        is_value: bool,
    },
    /// A slot beyond the keys of the call.
    #[error("slot {slot} is not a key of this call, which has {slots}")]
    UnknownSlot {
        /// The slot given.
        slot: u32,
        /// How many there are.
        slots: usize,
    },
    /// Lengths, items and data that contradict each other.
    #[error("a column of {lengths} lengths that add up to {bytes} bytes came with {data} bytes of data for {items} items")]
    BadColumn {
        /// Items expected.
        items: usize,
        /// Lengths given.
        lengths: usize,
        /// What the lengths add up to.
        bytes: u64,
        /// Bytes given.
        data: usize,
    },
    /// An answer beyond its bound.
    #[error("the answer would have more than {bytes_max} bytes: ask for fewer sub-keys at once")]
    TooLarge {
        /// The bound.
        bytes_max: usize,
    },
    /// More keys than entries can be numbered.
    #[error("the subtask already has state for {entries_max} keys, and no subtask can hold more: run the operator with a higher parallelism")]
    Full {
        /// How many there can be.
        entries_max: usize,
    },
    /// What is to be taken back was too much to be kept.
    #[error("what was there before would take more than {bytes_max} bytes: it is to be read from a checkpoint")]
    NotKept {
        /// The bound.
        bytes_max: usize,
    },
    /// The disk of state that is larger than memory failed: the state can't be used any more, and is to be restored from a checkpoint.
    #[error("{what}; {remedy}")]
    Disk {
        /// What happened, and where.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },
}

impl From<DiskError> for StateError {
    fn from(error: DiskError) -> Self {
        let remedy = match &error {
            DiskError::Full { .. } => {
                "make room on that disk or set another folder for the state, and run the job again: it goes on from its checkpoint"
            }
            DiskError::NotEmpty { .. } => "set another folder for the state",
            DiskError::KeyTooLong { .. } | DiskError::ValueTooLong { .. } => "keep the state in memory, or change the function to use shorter ones",
            DiskError::Io { .. } | DiskError::Damaged { .. } | DiskError::OutOfOrder => {
                "check that disk and run the job again: it goes on from its checkpoint"
            }
        };
        Self::Disk { what: error.to_string(), remedy }
    }
}

fn kind_word(is_value: bool) -> &'static str {
    if is_value { "value" } else { "map or list" }
}
