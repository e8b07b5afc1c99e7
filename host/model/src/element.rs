//! What travels through a channel between two tasks.

use crate::rows::Batch;

/// One item of a stream. Closed: watermarks, barriers and idleness join it as cases, never as side channels, because their
/// place among the records is their meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// Records, in order.
    Batch(Batch),
    /// The channel's last element: its sender has no more input.
    End,
}
