//! The one public error: what failed, why, and what to do about it.

use std::fmt;

/// The class of an error; the CLI turns it into an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The job ran and failed (exit code 1).
    Job,
    /// The command line, the job file or a plugin is not usable as given (exit code 2).
    Usage,
    /// State or codecs do not fit together (exit code 3).
    Incompatible,
    /// A signal ended the job before its input did (exit code 4).
    Interrupted,
}

/// An error in three parts, each a sentence for a user.
///
/// Every crate of the host returns this type at its public boundary, so that whatever reaches the screen says what failed
/// (with the UID, the file and the line where there is one), why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Decides the exit code.
    pub kind: ErrorKind,
    /// What failed.
    pub what: String,
    /// Why it failed.
    pub why: String,
    /// What the user can do about it.
    pub remedy: String,
}

/// The result type of the host's public functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` from its three parts.
    pub fn new(kind: ErrorKind, what: impl Into<String>, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind, what: what.into(), why: why.into(), remedy: remedy.into() }
    }

    /// A job that ran and failed.
    pub fn job(what: impl Into<String>, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(ErrorKind::Job, what, why, remedy)
    }

    /// A command line, job file or plugin that cannot be used as given.
    pub fn usage(what: impl Into<String>, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, what, why, remedy)
    }

    /// Codecs or state that do not fit together.
    pub fn incompatible(what: impl Into<String>, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(ErrorKind::Incompatible, what, why, remedy)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.what, self.why, self.remedy)
    }
}

impl std::error::Error for Error {}
