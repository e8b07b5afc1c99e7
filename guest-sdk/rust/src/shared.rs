//! What an open operator, its states and its output share during a call.

use std::cell::{Cell, RefCell};

use crate::error::Error;
use crate::native::Failure;
use crate::raw::ServicesCell;

/// One per open operator.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) services: ServicesCell,
    /// The slot of the record that is being processed; `NO_SLOT` outside of one.
    pub(crate) slot: Cell<u32>,
    failed: Cell<bool>,
    failure: RefCell<Option<Error>>,
}

/// No record is being processed.
pub(crate) const NO_SLOT: u32 = u32::MAX;

impl Shared {
    /// Notes an error where the caller has no way to return it, such as state that can't be decoded. The first one counts; it refuses the record.
    #[cold]
    pub(crate) fn fail(&self, error: Error) {
        self.failed.set(true);
        self.failure.borrow_mut().get_or_insert(error);
    }

    /// The error that was noted since the last call of this function.
    #[inline(always)]
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.failed.get() { self.take_failure() } else { Ok(()) }
    }

    #[cold]
    fn take_failure(&self) -> Result<(), Error> {
        self.failed.set(false);
        self.failure.borrow_mut().take().map_or(Ok(()), Err)
    }
}

/// The failure that refuses record `row`.
#[cold]
pub(crate) fn refuse(row: usize, error: Error) -> Failure {
    Failure { row: u32::try_from(row).ok(), message: error.into_message() }
}

/// The failure of a call as a whole.
#[cold]
pub(crate) fn refuse_call(error: Error) -> Failure {
    Failure { row: None, message: error.into_message() }
}
