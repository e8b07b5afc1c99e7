//! `cargo xtask`: the project's own commands, from setting up a machine to running the tests.

mod bench;
mod demo;
mod fault;
mod languages;
mod matrix;
mod measure;
mod plugins;
mod process;
mod repo;
mod say;
mod setup;
mod test;
mod tidy;
mod toolchain;
mod torture;
mod verbs;

use std::process::ExitCode;

use crate::fault::{Fault, Result};
use crate::repo::Repo;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().unwrap_or_else(|| "help".to_owned());
    let rest: Vec<String> = arguments.collect();
    match dispatch(&verb, &rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            say::fault(&fault);
            ExitCode::from(fault.exit_code)
        }
    }
}

/// Runs one verb to its end.
fn dispatch(verb: &str, rest: &[String]) -> Result<()> {
    if matches!(verb, "help" | "-h" | "--help") || rest.iter().any(|a| a == "--help") && verb != "bench" {
        say::line(&verbs::help());
        return Ok(());
    }
    let verb = verbs::parse(verb)?;
    if !verb.takes_arguments
        && let Some(extra) = rest.first()
    {
        return Err(Fault::usage(
            format!("`cargo xtask {}` can't be run as given", verb.name),
            format!("it takes no arguments, and got `{extra}`"),
            format!("run `{}`", verb.example),
        ));
    }
    (verb.run)(&Repo::find()?, rest)
}
