//! `cargo xtask torture`: kills jobs at every point and at random times, damages their checkpoints, and compares what they commit.

use std::process::Command;

use crate::fault::Result;
use crate::repo::{self, Repo};
use crate::{plugins, process};

/// Builds what is tortured and hands over.
pub(crate) fn run(repo: &Repo, arguments: &[String]) -> Result<()> {
    plugins::run(repo)?;
    for binary in ["weir", "weir-torture"] {
        process::run(repo.cargo().args(repo::build(binary)), "read the compiler's message above")?;
    }
    let mut command = Command::new(repo.target_dir()?.join("release/weir-torture"));
    process::run(command.args(arguments).current_dir(repo.path("")), "read the violations above; `--only SEED` runs one case again")
}
