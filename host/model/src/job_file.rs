//! The job file: TOML text to a [`JobGraph`], checked as far as that is possible without its plugins and connectors.
//!
//! Nothing is read but the text: files, environment and command line come in through [`ParseOptions`]. Every key is either read or
//! refused, and every error says the line.

mod document;
mod later;
mod flink;
mod overrides;
mod environment;
mod tables;
mod checkpointing;
mod state;
mod restart;
mod nodes;
mod wiring;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::JobGraph;
use crate::id::Parallelism;
use crate::key_group::MaxParallelism;
use crate::section::Value;

use nodes::Draft;
use tables::Job;

/// The tables of a job file.
const TABLES: &[&str] = &["job", "checkpointing", "state", "restart", "flink", "plugins", "sources", "operators", "sinks"];
/// Those of them that hold a table for each name, such as `[sources.NAME]`.
const NAMED_TABLES: &[&str] = &["plugins", "sources", "operators", "sinks"];

/// Everything outside of its text that a job file depends on.
#[derive(Clone)]
pub struct ParseOptions<'a> {
    /// The file as the user named it, for messages.
    pub file: &'a str,
    /// The folder that relative paths start from: the job file's.
    pub base: PathBuf,
    /// The parallelism of a job that says none: the number of cores. It gives way to a smaller max-parallelism.
    pub default_parallelism: Parallelism,
    /// `-p N`: stands for the job's own parallelism, but not for that of a node.
    pub parallelism_override: Option<Parallelism>,
    /// The value of an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// `-D key=value`, in the order given; the last for a key counts.
    pub overrides: &'a [(String, String)],
}

/// Reads any TOML text into values that know their lines; `file` is what messages call it.
///
/// # Errors
/// A usage error for TOML's syntax, in plain words.
pub fn read_toml(file: &str, text: &str) -> Result<BTreeMap<String, Value>> {
    document::read(file, text)
}

/// Reads a job file.
///
/// Values are TOML's. In texts, `${VAR}` and `${VAR:-default}` are the environment's, and `$${` is a plain `${`; since a variable is
/// always text, numbers and flags may be written as text too. Overrides take a TOML value or, where it is none, text.
///
/// # Errors
/// A usage error for the first thing wrong: TOML's syntax, then the tables, then the nodes in the order of the file, then how they
/// are connected.
pub fn parse(text: &str, options: &ParseOptions<'_>) -> Result<JobGraph> {
    let file: Arc<str> = options.file.into();
    let mut root = document::read(&file, text)?;
    tables::check_layout(&root, &file)?;
    flink::flatten(&mut root);
    let mut aliases = overrides::apply(&mut root, &file, options.overrides)?;
    environment::expand(&mut root, &file, options.env)?;
    flink::merge(&mut root, &file, &mut aliases)?;
    let job = tables::job(&mut root, &file, &aliases)?;
    let checkpointing = checkpointing::read(&mut root, &file, &options.base, &aliases)?;
    let state = state::read(&mut root, &file, &options.base, &aliases)?;
    let restart = restart::read(&mut root, &file, &aliases, checkpointing.as_ref().is_some_and(|settings| settings.interval.is_some()))?;
    let plugins = tables::plugins(&mut root, &file, &options.base)?;
    let drafts = nodes::read(&mut root, &file, &plugins)?;
    let (parallelism, max_parallelism) = scale(&job, &drafts, options)?;
    let nodes = wiring::connect(drafts, &file)?;
    Ok(JobGraph {
        name: job.name,
        parallelism,
        max_parallelism,
        max_parallelism_is_set: job.max_parallelism.is_some(),
        plugins,
        nodes,
        checkpointing,
        state,
        restart,
        base: options.base.clone(),
        file: options.file.to_owned(),
    })
}

/// The job's parallelism, and a number of key groups that every node's parallelism fits into.
fn scale(job: &Job, drafts: &[Draft], options: &ParseOptions<'_>) -> Result<(Parallelism, MaxParallelism)> {
    let asked = options.parallelism_override.or(job.parallelism.map(|(parallelism, _)| parallelism));
    // Nobody asked for as many subtasks as this machine has cores: a file that works here must work on a larger machine too.
    let parallelism =
        asked.unwrap_or_else(|| job.max_parallelism.map_or(options.default_parallelism, |groups| options.default_parallelism.min(groups)));
    let Some(groups) = job.max_parallelism else {
        let effective = drafts.iter().map(|draft| draft.parallelism.map_or(parallelism, |(own, _)| own));
        return Ok((parallelism, MaxParallelism::default_for(effective.max().unwrap_or(parallelism))));
    };
    let place = match (options.parallelism_override, job.parallelism) {
        (None, Some((_, line))) => job.section.key_place(line, "parallelism"),
        _ => format!("-p {parallelism}"),
    };
    let fits = |place: String, parallelism| {
        let checked = MaxParallelism::new(groups, parallelism);
        checked.map_err(|error| Error::usage(place, format!("{}: {}", error.what, error.why), error.remedy))
    };
    let max_parallelism = fits(place, parallelism)?;
    for draft in drafts {
        if let Some((own, line)) = draft.parallelism {
            fits(draft.section.key_place(line, "parallelism"), own)?;
        }
    }
    Ok((parallelism, max_parallelism))
}
