//! One module for each command.

mod cancel;
mod checkpoints;
mod completions;
mod info;
mod list;
mod plan;
mod plugin;
mod promises;
mod run;
mod savepoint;
mod state;
mod swap;
mod take;

use weir_model::{Error, Result};

use crate::args::{Cli, Command, PluginCommand, SavepointArgs};
use crate::compiling;
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
        Command::List(args) => list::run(&args, machine),
        Command::Info(args) => info::run(&args, machine),
        Command::Savepoint(args) => of_savepoint(args, machine),
        Command::State(command) => state::run(&command, machine),
        Command::Stop(args) => take::stop(&args, machine),
        Command::Cancel(args) => cancel::run(&args, machine),
        Command::Swap(args) => swap::run(&args, &cli.global, machine),
        Command::Plugin(PluginCommand::New(args)) => plugin::new::run(&args),
        Command::Plugin(PluginCommand::Build(args)) => plugin::build::run(args, cli.global),
        Command::Plugin(PluginCommand::Check(args)) => plugin::show::check(&args, &cli.global),
        Command::Plugin(PluginCommand::Describe(args)) => plugin::show::describe(&args, &cli.global),
        Command::CompileComponent => compiling::serve(),
        Command::Plugin(PluginCommand::Test(args)) => plugin::test::run(&args, &cli.global),
        Command::Completions { shell } => completions::completions(shell),
        Command::Man { command } => completions::man(&command),
    }
}

/// Does something with a savepoint that is there, or takes one.
fn of_savepoint(args: SavepointArgs, machine: &Machine) -> Result<ExitCode> {
    match (args.command, args.take) {
        (Some(command), _) => savepoint::run(&command, machine),
        (None, Some(take)) => take::savepoint(&take, machine),
        // The definition of the command line lets nobody come here.
        (None, None) => Err(Error::usage("weir savepoint", "no job is named", "`weir help savepoint` says what can be given")),
    }
}
