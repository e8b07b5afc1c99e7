//! `weir savepoint …`: what can be done with a savepoint that is there.

mod inspect;
mod verify;
mod diff;
mod dispose;
mod rekey;
pub(crate) mod content;
mod when;

use weir_model::Result;

use crate::args::SavepointCommand;
use crate::exit_code::ExitCode;
use crate::machine::{Machine, block_on};

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
