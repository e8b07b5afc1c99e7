//! Whether a node's next snapshot is to hold all of its state: written by whoever writes files, read by the task at a barrier.

use std::sync::atomic::{AtomicU8, Ordering};

/// The order for a full snapshot.
#[derive(Debug)]
pub(crate) struct FullOrder(AtomicU8);

const NONE: u8 = 0;
/// There are many increments: it may wait for a barrier that somebody doesn't wait for.
const DUE: u8 = 1;
/// There is nothing to build on.
const NEEDED: u8 = 2;

impl FullOrder {
    pub(crate) fn new(is_needed: bool) -> Self {
        Self(AtomicU8::new(if is_needed { NEEDED } else { NONE }))
    }

    pub(crate) fn need(&self) {
        self.0.fetch_max(NEEDED, Ordering::AcqRel);
    }

    pub(crate) fn make_due(&self) {
        self.0.fetch_max(DUE, Ordering::AcqRel);
    }

    /// Takes the order. One that is only due stays for the next barrier if `in_haste`.
    pub(crate) fn take(&self, in_haste: bool) -> bool {
        if in_haste && self.0.load(Ordering::Acquire) == DUE {
            return false;
        }
        self.0.swap(NONE, Ordering::AcqRel) != NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_taken_once_and_one_that_is_only_due_may_wait() {
        let check = |order: &FullOrder, in_haste: bool, expected: bool| assert_eq!(order.take(in_haste), expected);
        let order = FullOrder::new(true);
        check(&order, true, true);
        check(&order, false, false);
        order.make_due();
        check(&order, true, false);
        check(&order, false, true);
        order.need();
        order.make_due();
        check(&order, true, true);
        check(&order, false, false);
    }
}
