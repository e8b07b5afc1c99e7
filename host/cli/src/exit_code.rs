//! What the process tells its parent.

use weir_model::ErrorKind;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// It did what it was asked to.
    Done,
    /// The job ran and failed.
    Failed,
    /// The command line, the job file or a plugin can't be used.
    Usage,
    /// State or codecs don't fit together.
    Incompatible,
    /// A signal or a closed pipe ended it before its input did.
    Interrupted,
}

impl ExitCode {
    /// The number.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Incompatible => 3,
            Self::Interrupted => 4,
        }
    }
}

impl From<ErrorKind> for ExitCode {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Job => Self::Failed,
            ErrorKind::Usage => Self::Usage,
            ErrorKind::Incompatible => Self::Incompatible,
            ErrorKind::Interrupted => Self::Interrupted,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_has_the_documented_exit_code() {
        let check = |kind: ErrorKind, number| assert_eq!(ExitCode::from(kind).number(), number, "{kind:?}");
        check(ErrorKind::Job, 1);
        check(ErrorKind::Usage, 2);
        check(ErrorKind::Incompatible, 3);
        check(ErrorKind::Interrupted, 4);
        assert_eq!(ExitCode::Done.number(), 0);
    }
}
