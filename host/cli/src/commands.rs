//! One module for each command.

mod checkpoints;
mod completions;
mod plan;
mod plugin;
mod promises;
mod run;

use weir_model::Result;

use crate::args::{Cli, Command, PluginCommand};
use crate::exit_code::ExitCode;
use crate::logging;
use crate::machine::Machine;

/// Does what the command line says.
///
/// # Errors
/// What keeps it from being done.
pub(crate) fn run(cli: Cli, machine: &Machine) -> Result<ExitCode> {
    logging::start(&cli.global)?;
    match cli.command {
        Command::Run(args) => run::run(args, cli.global, machine),
        Command::Plan(args) => plan::run(&args, &cli.global, machine),
        Command::Checkpoints(args) => checkpoints::run(&args, machine),
        Command::Plugin(PluginCommand::Build(args)) => plugin::build::run(&args, &cli.global),
        Command::Plugin(PluginCommand::Check(args)) => plugin::show::check(&args, &cli.global),
        Command::Plugin(PluginCommand::Describe(args)) => plugin::show::describe(&args, &cli.global),
        Command::Completions { shell } => completions::completions(shell),
        Command::Man { command } => completions::man(&command),
    }
}
