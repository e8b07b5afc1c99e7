//! What went wrong, why, and what to do: the one error of this tool.

use std::path::Path;

/// The result of everything here that can fail.
pub(crate) type Result<T, E = Fault> = std::result::Result<T, E>;

/// An error in three parts. The host has the same in its model; this tool must build before the host does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// 1: what was asked for failed. 2: it can't be asked for like that.
    pub(crate) exit_code: u8,
    /// What failed.
    pub(crate) what: String,
    /// Why it failed.
    pub(crate) why: String,
    /// What the user can do about it.
    pub(crate) remedy: String,
}

impl Fault {
    /// Something that was tried and failed.
    pub(crate) fn failed(what: impl Into<String>, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit_code: 1, what: what.into(), why: why.into(), remedy: remedy.into() }
    }

    /// A command line that makes no sense.
    pub(crate) fn usage(what: impl Into<String>, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit_code: 2, ..Self::failed(what, why, remedy) }
    }

    /// A file or folder that could not be `verb`-ed ("read", "written").
    pub(crate) fn path(path: &Path, verb: &str, error: &std::io::Error) -> Self {
        Self::failed(format!("{} can't be {verb}", path.display()), error.to_string(), "check that it is there, and its permissions")
    }
}
