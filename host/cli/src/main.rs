//! The binary `weir`: reads the command line, does what it says, ends with an exit code.

mod args;
mod exit_code;
mod machine;
mod logging;
mod signals;
mod output;
mod progress;
mod compiling;
mod summary;
mod atomic_file;
mod fail_points;
mod job;
mod registry;
mod reach;
mod commands;

use std::process::ExitCode as ProcessExitCode;

use exit_code::ExitCode;

fn main() -> ProcessExitCode {
    let machine = machine::Machine::start();
    let words: Vec<_> = std::env::args_os().collect();
    let json_errors = args::asks_for_json(&words);
    let code = match args::parse(&words) {
        Ok(cli) => {
            fail_points::arm_from_environment().and_then(|()| commands::run(cli, &machine)).unwrap_or_else(|error| output::error(&error, json_errors))
        }
        Err(error) if json_errors && error.use_stderr() => output::error(&args::explain(&error), true),
        Err(error) => {
            // Help and the version go to standard output, mistakes to standard error.
            match error.print() {
                _ if error.use_stderr() => ExitCode::Usage,
                Ok(()) => ExitCode::Done,
                Err(unwritable) => output::error(&output::unwritable(&unwritable), json_errors),
            }
        }
    };
    code.into()
}
