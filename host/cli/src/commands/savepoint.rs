//! `weir savepoint …`: what can be done with a savepoint that is there.

mod inspect;
mod verify;
mod diff;
mod dispose;
mod rekey;
pub(crate) mod content;
mod when;

use tokio::runtime::Builder as RuntimeBuilder;
use weir_model::{Error, Result};

use crate::args::SavepointCommand;
use crate::exit_code::ExitCode;
use crate::machine::Machine;

/// Does what the command line says.
///
/// # Errors
/// What keeps it from being done.
pub(crate) fn run(command: &SavepointCommand, machine: &Machine) -> Result<ExitCode> {
    block_on(async {
        match command {
            SavepointCommand::Inspect(args) => inspect::run(args).await,
            SavepointCommand::Verify(args) => verify::run(args).await,
            SavepointCommand::Diff(args) => diff::run(args).await,
            SavepointCommand::Dispose(args) => dispose::run(args).await,
            SavepointCommand::Rekey(args) => rekey::run(args, machine).await,
        }
    })
}

/// Runs what speaks to a store, on this thread.
///
/// # Errors
/// Those of the work, and when the system has no room for it.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let failed = |error: std::io::Error| Error::job("the savepoint can't be read", error.to_string(), "free some resources");
    RuntimeBuilder::new_current_thread().enable_all().build().map_err(failed)?.block_on(work)
}
