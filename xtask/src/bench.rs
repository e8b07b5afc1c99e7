//! `cargo xtask bench`: the plugins, then the benchmark binary with whatever arguments follow.

use crate::fault::{Fault, Result};
use crate::repo::Repo;
use crate::{plugins, process};

/// Builds what is measured and hands over to the benchmark.
pub(crate) fn run(repo: &Repo, arguments: &[String]) -> Result<()> {
    if arguments.is_empty() {
        return Err(Fault::usage("nothing to measure", "no benchmark was named", "name one, as in `cargo xtask bench word-count`"));
    }
    plugins::run(repo)?;
    let mut command = repo.cargo();
    command.args(["run", "--quiet", "--release", "-p", "weir-bench", "--"]).args(arguments);
    process::run(&mut command, "read what it printed above")
}
