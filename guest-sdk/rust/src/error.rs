//! The error that refuses a record.

use std::fmt;

/// Why a record is refused. The host shows the message, together with the operator's UID and the record, and acts by the operator's error policy.
///
/// Any standard error turns into one by `?`.
#[derive(Debug)]
pub struct Error {
    message: String,
}

/// The result type of an operator's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with its message.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn into_message(self) -> String {
        self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

// `Error` itself is no `std::error::Error`, which leaves this conversion open.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}
