//! `weir state …`: the state in a savepoint or retained checkpoint, read without the code that wrote it.

mod ls;
mod get;
mod export;
mod diff;
pub(crate) mod compare;
mod entry;
pub(crate) mod notation;

use weir_model::Result;

use crate::args::StateCommand;
use crate::exit_code::ExitCode;
use crate::machine::{Machine, block_on};

/// Does what the command line says.
///
/// # Errors
/// What keeps it from being done.
pub(crate) fn run(command: &StateCommand, machine: &Machine) -> Result<ExitCode> {
    block_on(async {
        match command {
            StateCommand::Ls(args) => ls::run(args).await,
            StateCommand::Get(args) => get::run(args, machine).await,
            StateCommand::Export(args) => export::run(args, machine).await,
            StateCommand::Diff(args) => diff::run(args, machine).await,
        }
    })
}
