//! `cargo xtask bench`: the plugins and the host, then the benchmark binary with whatever arguments follow.

use std::process::Command;

use crate::fault::{Fault, Result};
use crate::repo::{self, Repo};
use crate::{plugins, process};

/// Builds what is measured and hands over to the benchmark.
pub(crate) fn run(repo: &Repo, arguments: &[String]) -> Result<()> {
    if arguments.is_empty() {
        return Err(Fault::usage("nothing to measure", "no benchmark was named", "name one, as in `cargo xtask bench word-count`"));
    }
    plugins::run(repo)?;
    for binary in ["weir", "weir-bench"] {
        process::run(repo.cargo().args(repo::build(binary)), "read the compiler's message above")?;
    }
    let mut command = Command::new(repo.target_dir()?.join("release/weir-bench"));
    process::run(command.args(arguments).current_dir(repo.path("")), "read what it printed above")
}
