//! What can go wrong with a plugin: at load, and in a call.

use std::time::Duration;

use thiserror::Error;
use weir_model::{Error, ErrorKind};

/// Why a file can't be used as a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum LoadError {
    #[error("{0}")]
    Unreadable(String),
    #[error("it is not WebAssembly: it doesn't start with the bytes `\\0asm`")]
    NotWasm,
    #[error("it is a core module that doesn't fit weir's contract: {0}")]
    NoContract(String),
    #[error("it is not valid WebAssembly: {0}")]
    Invalid(String),
    #[error("it is a component, but it doesn't export `{0}`")]
    OtherWorld(&'static str),
    #[error("it speaks the contract `{found}`; this weir speaks `{known}`")]
    UnknownVersion { found: String, known: &'static str },
    #[error("it imports `{0}`, which weir doesn't give to plugins")]
    ForbiddenImport(String),
    #[error("it imports `{0}`: timers are not supported yet")]
    Timers(String),
    #[error("it can't be compiled: {0}")]
    Compile(String),
    #[error("{0}")]
    Shape(String),
    #[error("`describe` {0}")]
    Describe(String),
}

impl LoadError {
    fn remedy(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "check the path; `weir plugin build` makes it of a project, `cargo xtask plugins` makes weir's own",
            Self::NotWasm => "give the .wasm file that `weir plugin build` or your language's toolchain made",
            Self::NoContract(_) => {
                "build it with a weir SDK, and let it import nothing but the interfaces of wit/ and of WASI that weir has (docs/languages.md)"
            }
            Self::Invalid(_) => "build it again; if that doesn't help, check it with `wasm-tools validate`",
            Self::OtherWorld(_) => "build it against weir's world in wit/ (`export weir:operator/operator`)",
            Self::UnknownVersion { .. } => "build it with the SDK of this weir, or use the weir that knows this contract",
            Self::ForbiddenImport(_) => {
                "weir plugins see no files and no network: build without what uses them, or for a target without WASI, such as wasm32-unknown-unknown"
            }
            Self::Timers(_) => "build the function without timers, or wait for the version of weir that has them",
            Self::Compile(_) => "give the machine more memory, or make the plugin smaller",
            Self::Shape(_) => "build it with the SDK of this weir, whose types are those of wit/",
            Self::Describe(_) => "correct what the plugin says of itself and build it again",
        }
    }

    /// The three-part error about the plugin that `name` names.
    pub(crate) fn explain(&self, name: &str) -> Error {
        let kind = match self {
            Self::UnknownVersion { .. } => ErrorKind::Incompatible,
            _ => ErrorKind::Usage,
        };
        Error::new(kind, format!("plugin {name} can't be used"), self.to_string(), self.remedy())
    }
}

/// How a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The guest refused one record, or the whole call, and can be called again.
    #[error("{message}")]
    Refused {
        /// The record's place in the call; `None`: the whole call.
        row: Option<u32>,
        /// The guest's own words.
        message: String,
    },
    /// The instance is broken and must not be called again.
    #[error("{0}")]
    Broken(#[from] Breakage),
}

/// Why an instance is broken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Breakage {
    /// A WebAssembly trap; with the guest's last error-level log line, which is where SDKs put a panic's message.
    #[error("the guest trapped: {0}")]
    Trap(String),
    /// The call ran longer than it may.
    #[error("the call ran longer than its deadline of {} ms", .0.as_millis())]
    Deadline(Duration),
    /// The guest asked for more memory than it may have.
    #[error("the guest needs more than its memory limit of {} KiB{}{said}", .limit_bytes / 1024, if said.is_empty() { "" } else { ": " })]
    Memory {
        /// The limit.
        limit_bytes: u64,
        /// The last error that it logged, if any.
        said: String,
    },
    /// The guest recursed too deeply.
    #[error("the guest's call stack is exhausted (limit {} KiB)", .limit_bytes / 1024)]
    Stack {
        /// The limit.
        limit_bytes: usize,
    },
    /// The call emitted or put more than one call may.
    #[error("one call produced more than the limit of {} MiB of {what}", .limit_bytes / (1024 * 1024))]
    TooMuch {
        /// Output, state or log.
        what: &'static str,
        /// The limit.
        limit_bytes: usize,
    },
    /// The values of the call's keys are too large to be handed over at once: fewer keys are tried.
    #[error("the values of the call's keys are too large to be handed over at once")]
    TooManyValues,
    /// The state can't take the call's keys.
    #[error("{0}")]
    State(String),
    /// The guest broke the contract.
    #[error("the guest broke the contract: {0}")]
    Contract(String),
    /// `open` failed.
    #[error("the function could not be opened: {0}")]
    Open(String),
}

impl Breakage {
    /// What a user can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Trap(_) => "mend the function, or set on-error = \"skip\" or \"dead-letter\" to go on without such records",
            Self::Deadline(_) => "mend the function, or raise call-timeout of the plugin in the job file",
            Self::Memory { .. } => "raise memory of the plugin in the job file, or mend the function",
            Self::Stack { .. } => "make the function recurse less deeply",
            Self::TooMuch { .. } => "make the function produce less for one record, or emit it in pieces over several records",
            Self::TooManyValues => "keep smaller values in the state",
            Self::State(_) => "raise the operator's parallelism, so that each subtask has fewer keys",
            Self::Contract(_) => "build the plugin with the SDK of this weir; if it already is, this is a bug of the SDK",
            Self::Open(_) => "check the operator's config in the job file",
        }
    }
}
