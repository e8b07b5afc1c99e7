//! The command line of savepoints and the state in them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use weir_model::id::{OperatorUid, Parallelism};

use super::{parallelism, uid};

/// What can be done with a savepoint that is there.
#[derive(Debug, Subcommand)]
pub(crate) enum SavepointCommand {
    /// Show what is in a savepoint: nodes, plugins, states, sizes
    #[command(after_help = INSPECT)]
    Inspect(SnapshotArgs),
    /// Read every file of a savepoint and check it
    #[command(after_help = VERIFY)]
    Verify(SnapshotArgs),
    /// Compare two savepoints by node
    #[command(after_help = DIFF)]
    Diff(SavepointDiffArgs),
    /// Delete a savepoint
    #[command(after_help = DISPOSE)]
    Dispose(SnapshotArgs),
    /// Write a savepoint anew with another number of key groups
    ///
    /// Positions of sources and output that isn't committed yet go along unchanged. Keys are sorted 128 MiB at a time; what was sorted lies in the new folder
    /// until it is merged, about as many bytes as the state has.
    #[command(after_help = REKEY)]
    Rekey(RekeyArgs),
}

/// What can be done with state that lies in a savepoint.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// List the states in a savepoint
    #[command(after_help = LS)]
    Ls(StateLsArgs),
    /// Show what a savepoint has under one key
    #[command(after_help = GET)]
    Get(StateGetArgs),
    /// Write the state of a node as JSON lines or CSV
    #[command(after_help = EXPORT)]
    Export(StateExportArgs),
    /// Show every key that differs between two savepoints
    #[command(after_help = STATE_DIFF)]
    Diff(StateDiffArgs),
}

/// Which savepoint.
#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// The savepoint's folder, or that of a retained checkpoint such as checkpoints/JOB/chk-41: a path or URL
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
    /// Print JSON, errors included
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weir savepoint diff`.
#[derive(Debug, Args)]
pub(crate) struct SavepointDiffArgs {
    /// A savepoint or retained checkpoint
    #[arg(value_name = "A")]
    pub(crate) a: String,
    /// Another one
    #[arg(value_name = "B")]
    pub(crate) b: String,
    /// Compare the state too, and count the entries that differ
    #[arg(long)]
    pub(crate) state: bool,
    /// Print JSON, errors included
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weir savepoint rekey`.
#[derive(Debug, Args)]
pub(crate) struct RekeyArgs {
    /// The savepoint or retained checkpoint
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
    /// The folder or URL in which the new savepoint gets a folder of its own
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: String,
    /// The new number of key groups: the most subtasks that the job can ever have
    #[arg(long, value_name = "N", value_parser = parallelism)]
    pub(crate) max_parallelism: Parallelism,
    /// Subtasks that the state is divided for [default: as many as before]
    #[arg(short, long, value_name = "N", value_parser = parallelism)]
    pub(crate) parallelism: Option<Parallelism>,
    /// Print what was written, and errors, as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weir state ls`.
#[derive(Debug, Args)]
pub(crate) struct StateLsArgs {
    /// The savepoint or retained checkpoint
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
    /// Only this node
    #[arg(value_name = "UID", value_parser = uid)]
    pub(crate) uid: Option<OperatorUid>,
    /// Print JSON, errors included
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weir state get`.
#[derive(Debug, Args)]
pub(crate) struct StateGetArgs {
    /// The savepoint or retained checkpoint
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
    /// The node
    #[arg(value_name = "UID", value_parser = uid)]
    pub(crate) uid: OperatorUid,
    /// The state
    #[arg(value_name = "STATE")]
    pub(crate) state: String,
    /// The key, as `weir state export` writes it
    #[arg(value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) key: String,
    /// Only this entry of a map, or item of a list (from 0)
    #[arg(long, value_name = "SUB-KEY", allow_hyphen_values = true)]
    pub(crate) sub_key: Option<String>,
    /// Print JSON, errors included
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weir state export`.
#[derive(Debug, Args)]
pub(crate) struct StateExportArgs {
    /// The savepoint or retained checkpoint
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
    /// The node
    #[arg(value_name = "UID", value_parser = uid)]
    pub(crate) uid: OperatorUid,
    /// Only this state
    #[arg(value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// A JSON object a line, or a line of comma-separated values
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub(crate) format: ExportFormat,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print errors as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weir state diff`.
#[derive(Debug, Args)]
pub(crate) struct StateDiffArgs {
    /// A savepoint or retained checkpoint
    #[arg(value_name = "A")]
    pub(crate) a: String,
    /// Another one
    #[arg(value_name = "B")]
    pub(crate) b: String,
    /// Only this node
    #[arg(value_name = "UID", value_parser = uid)]
    pub(crate) uid: Option<OperatorUid>,
    /// Print a JSON object for each difference, and errors as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How state is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    Json,
    Csv,
}

const INSPECT: &str = "\
Examples:
  weir savepoint inspect savepoints/savepoint-word-count-3f2a09bc11de
  weir savepoint inspect checkpoints/word-count/chk-41 --json";

const VERIFY: &str = "\
Examples:
  weir savepoint verify s3://bucket/savepoints/savepoint-word-count-3f2a09bc11de

Exit codes:
  0  every file is as it was written
  1  a file is missing or damaged";

const DIFF: &str = "\
Examples:
  What changed between two savepoints, and in how many entries:
    weir savepoint diff savepoints/before savepoints/after --state";

const DISPOSE: &str = "\
Examples:
  weir savepoint dispose savepoints/savepoint-word-count-3f2a09bc11de";

const REKEY: &str = "\
Examples:
  Let a job that has 128 key groups have 1024:
    weir savepoint rekey savepoints/before -o savepoints --max-parallelism 1024";

const LS: &str = "\
Examples:
  weir state ls savepoints/before
  weir state ls checkpoints/word-count/chk-41 count";

const GET: &str = "\
Examples:
  weir state get savepoints/before count count whale
  weir state get savepoints/before visits by-page 0x0102 --sub-key index.html";

const EXPORT: &str = "\
Examples:
  weir state export savepoints/before count | head
  weir state export savepoints/before count count --format csv -o counts.csv";

const STATE_DIFF: &str = "\
Examples:
  weir state diff savepoints/before savepoints/after
  weir state diff savepoints/before savepoints/after count --json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_parses() {
        let mut found = 0;
        for text in [INSPECT, VERIFY, DIFF, DISPOSE, REKEY, LS, GET, EXPORT, STATE_DIFF] {
            for line in text.lines().map(str::trim).filter(|line| line.starts_with("weir ")) {
                let words: Vec<_> = line.split('|').next().unwrap().split_whitespace().map(Into::into).collect();
                crate::args::parse(&words).unwrap_or_else(|error| panic!("{line}: {error}"));
                found += 1;
            }
        }
        assert!(found >= 12, "only {found} examples");
    }
}
