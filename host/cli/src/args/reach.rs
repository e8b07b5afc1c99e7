//! The commands that reach a running job.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::savepoint::SavepointCommand;
use super::values::{duration, share};

/// `weir list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Also those that have ended in the last seven days, at most a hundred
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Print JSON, errors included
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weir info`.
#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// The job: its id or the start of it, or its name; it may have ended
    #[arg(value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) job: String,
    /// Print JSON, errors included
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weir savepoint`: takes one, or looks at one that is there.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct SavepointArgs {
    #[command(subcommand)]
    pub(crate) command: Option<SavepointCommand>,
    #[command(flatten)]
    pub(crate) take: Option<TakeArgs>,
}

/// `weir savepoint ID`.
#[derive(Debug, Args)]
pub(crate) struct TakeArgs {
    /// The job: its id or the start of it, or its name
    #[arg(value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) job: String,
    /// The folder or URL in which the savepoint gets a folder of its own [default: the job's `savepoint-dir`]
    #[arg(value_name = "DIR", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) dir: Option<String>,
    /// Return as soon as the job has taken the request
    #[arg(long)]
    pub(crate) detached: bool,
    /// Put the plugins into the savepoint too, so that it can start the job by itself
    #[arg(long)]
    pub(crate) include_plugins: bool,
    /// Print JSON, errors included
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weir stop`.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// The job: its id or the start of it, or its name
    #[arg(value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) job: String,
    /// Let the operators finish first, as if the input had ended
    #[arg(short, long)]
    pub(crate) drain: bool,
    /// The folder or URL in which the savepoint gets a folder of its own [default: the job's `savepoint-dir`]
    #[arg(short = 'p', long, alias = "savepointPath", value_name = "DIR", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) savepoint_path: Option<String>,
    /// Put the plugins into the savepoint too, so that it can start the job by itself
    #[arg(long)]
    pub(crate) include_plugins: bool,
    /// Print JSON, errors included
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weir cancel`.
#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The job: its id or the start of it, or its name
    #[arg(value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) job: String,
    /// Take a savepoint first, in this folder or URL [default: the job's `savepoint-dir`]
    #[arg(short = 's', long, alias = "withSavepoint", value_name = "DIR", num_args = 0..=1, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) with_savepoint: Option<Option<String>>,
    /// Print JSON, errors included
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weir swap`.
#[derive(Debug, Args)]
pub(crate) struct SwapArgs {
    /// The job: its id or the start of it, or its name
    #[arg(value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) job: String,
    /// The operators that change, all at one barrier, then the plugin with the new version
    #[arg(value_name = "UID... NEW.wasm", num_args = 2.., required_unless_present = "history")]
    pub(crate) what: Vec<String>,
    /// The operator's function, if it has another name in the new plugin; for one operator
    #[arg(long, value_name = "NAME")]
    pub(crate) function: Option<String>,
    /// Give up a state that the new version hasn't any more (repeatable)
    #[arg(long, value_name = "STATE")]
    pub(crate) drop_state: Vec<String>,
    /// First let the new version run beside the old one for so long, throw its output away and compare
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) shadow: Option<Duration>,
    /// The share of records that may differ in that time, such as 0.01 or 1% [default: 0]
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "shadow")]
    pub(crate) max_diff: Option<f64>,
    /// Keep the new version on trial for so many checkpoints: until they have passed, the old one comes back by itself with its state
    #[arg(long, value_name = "CHECKPOINTS")]
    pub(crate) probation: Option<u32>,
    /// Traps and missed deadlines that it may have on trial [default: 0]
    #[arg(long, value_name = "N", requires = "probation")]
    pub(crate) max_traps: Option<u64>,
    /// The share of records that it may refuse on trial, such as 0.01 or 1% [default: 1%]
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "probation")]
    pub(crate) max_error_ratio: Option<f64>,
    /// How long one of its calls may take on trial [default: no limit but the job's]
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "probation")]
    pub(crate) max_latency: Option<Duration>,
    /// Show the job's swaps so far; the job may have ended
    #[arg(long, conflicts_with_all = ["what", "function", "drop_state", "shadow", "max_diff", "probation", "max_traps", "max_error_ratio", "max_latency"])]
    pub(crate) history: bool,
    /// Print JSON, errors included
    #[arg(long)]
    pub(crate) json: bool,
}

impl SwapArgs {
    /// The operators, and the plugin with their new version.
    pub(crate) fn parts(&self) -> (&[String], PathBuf) {
        let (file, uids) = self.what.split_last().map_or(("", &[][..]), |(file, uids)| (file.as_str(), uids));
        (uids, PathBuf::from(file))
    }
}
