//! The command line: the one definition from which parsing, help, completions and man pages come.

mod examples;
mod plugin;
mod reach;
mod savepoint;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clap::builder::styling::Style;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
pub(crate) use plugin::{BuildArgs, Language, NewArgs};
pub(crate) use reach::{CancelArgs, InfoArgs, ListArgs, SavepointArgs, StopArgs, SwapArgs, TakeArgs};
pub(crate) use savepoint::{
    ExportFormat, RekeyArgs, SavepointCommand, SavepointDiffArgs, SnapshotArgs, StateCommand, StateDiffArgs, StateExportArgs, StateGetArgs,
    StateLsArgs,
};
use weir_checkpoint::compare::DroppedState;
use weir_model::Error;
use weir_model::id::{CheckpointId, OperatorUid, Parallelism};
use weir_runtime::savepoint::Samples;

use values::{duration, samples};

/// Runs stream jobs whose operators are WebAssembly components.
///
/// A job file says where records come from, which functions of which plugins they go through, and where they go.
#[derive(Debug, Parser)]
#[command(name = "weir", version = version(), arg_required_else_help = true, subcommand_required = true, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Log more: -v from info up, -vv from debug up; without it warnings, and what plugins log from info up
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How log lines on standard error look: for a person, or a JSON object each
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// Neither read nor keep compiled plugins in the cache folder
    #[arg(long, global = true)]
    pub(crate) no_cache: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// What weir can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a job in the foreground, until its input ends or Ctrl-C
    ///
    /// Records of a print sink go to standard output; progress, the closing summary and errors go to standard error.
    ///
    /// A job with checkpoints goes on by itself from the newest one in its checkpoint folder, whatever ended the run before.
    ///
    /// The first Ctrl-C (or SIGTERM) ends the sources and lets everything under way go through to the sinks, with checkpoints up to a last one that
    /// the next run goes on from, with a `savepoint-dir` up to a savepoint; the second ends the process at once.
    ///
    /// While it runs, `weir list`, `info`, `savepoint`, `stop`, `cancel` and `swap` reach it from other terminals of the same user.
    #[command(after_help = examples::RUN)]
    Run(RunArgs),
    /// Show what a job would run: nodes, exchanges, codecs, states; start nothing
    #[command(after_help = examples::PLAN)]
    Plan(PlanArgs),
    /// Show a job's checkpoints: when, how long, how large, who is late, why one failed
    #[command(after_help = examples::CHECKPOINTS)]
    Checkpoints(CheckpointsArgs),
    /// List your running jobs
    #[command(after_help = examples::LIST)]
    List(ListArgs),
    /// Show how a job is: nodes and the versions that run, records, state, checkpoints
    #[command(after_help = examples::INFO)]
    Info(InfoArgs),
    /// Take a savepoint of a running job, which goes on
    ///
    /// What the job emits is not committed by it. The savepoint's path is printed on standard output. A command that is interrupted doesn't end the
    /// savepoint.
    #[command(after_help = examples::SAVEPOINT)]
    Savepoint(SavepointArgs),
    /// Stop a running job with a savepoint
    ///
    /// All output before the savepoint is committed, and no record follows it. The command waits until the job has ended, and prints the savepoint's
    /// path on standard output.
    #[command(after_help = examples::STOP)]
    Stop(StopArgs),
    /// Cancel a running job
    ///
    /// What came since the last checkpoint is neither committed nor kept, but in the savepoint if there is one.
    #[command(after_help = examples::CANCEL)]
    Cancel(CancelArgs),
    /// Replace the version of a running job's operators, which keep their state
    ///
    /// The plugin is read, checked and compiled first. The operators change to it at one barrier, while the sources go on; the version before goes on if
    /// anything is wrong with the new one.
    #[command(after_help = examples::SWAP, override_usage = "weir swap [OPTIONS] <ID> <UID>... <NEW.wasm>\n       weir swap --history <ID>")]
    Swap(SwapArgs),
    /// Read the state in a savepoint or retained checkpoint
    #[command(subcommand)]
    State(StateCommand),
    /// Begin, build, check, describe or test a plugin
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Compile a component from standard input to standard output: `weir` calls itself so
    #[command(hide = true)]
    CompileComponent,
    /// Print a completion script for a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print a manual page, in roff
    #[command(after_help = examples::MAN)]
    Man {
        /// The command that it is about, such as `run` or `plugin build`; without one: weir itself
        command: Vec<String>,
    },
}

/// Which job.
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The job file
    #[arg(value_name = "JOB.toml")]
    pub(crate) file: PathBuf,
    /// Subtasks of every node that doesn't say its own [default: the job file's, else the number of cores]
    #[arg(short, long, value_name = "N", value_parser = parallelism)]
    pub(crate) parallelism: Option<Parallelism>,
    /// Set a key of the job file, such as `sources.lines.path=other.txt`; may be given several times
    #[arg(short = 'D', value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) define: Vec<(String, String)>,
}

/// `weir run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) job: JobArgs,
    /// Start from the beginning: the checkpoints of earlier runs are deleted
    #[arg(long, conflicts_with_all = ["restore_from", "from_savepoint"])]
    pub(crate) fresh: bool,
    /// Start from this savepoint or retained checkpoint: its folder, as a path or URL
    #[arg(short = 's', long, alias = "fromSavepoint", value_name = "PATH", conflicts_with = "restore_from")]
    pub(crate) from_savepoint: Option<String>,
    /// Whose the savepoint is then: it stays the user's, or becomes the job's first checkpoint, to be deleted like any other [default: no-claim]
    #[arg(long, alias = "claimMode", value_name = "MODE", requires = "from_savepoint")]
    pub(crate) claim_mode: Option<ClaimMode>,
    /// Go on from this retained checkpoint, such as chk-41, instead of the newest
    #[arg(long, value_name = "CHECKPOINT", value_parser = checkpoint)]
    pub(crate) restore_from: Option<CheckpointId>,
    /// Give up the state of a node that the checkpoint or savepoint has, or one state of it (repeatable)
    #[arg(long, value_name = "UID[.STATE]", value_parser = dropped_state)]
    pub(crate) drop_state: Vec<DroppedState>,
    /// Give up the state of every node that the checkpoint or savepoint has and the job file hasn't
    #[arg(short = 'n', long, alias = "allowNonRestoredState")]
    pub(crate) allow_non_restored_state: bool,
    /// Print the closing summary as one JSON object on standard output, and errors as JSON; not for jobs with a print sink
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the closing summary as JSON to a file, also when the job fails
    #[arg(long, value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,
    /// No progress and no closing summary on standard error; errors and warnings are still shown
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Whose a savepoint is once a job has started from it, as in Flink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClaimMode {
    #[value(alias = "NO_CLAIM")]
    NoClaim,
    #[value(alias = "CLAIM")]
    Claim,
}

/// `weir plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) job: JobArgs,
    /// Say what becomes of each node's state when the job goes on from this savepoint or retained checkpoint; exit code 3 if it can't
    #[arg(short = 's', long, alias = "fromSavepoint", value_name = "PATH")]
    pub(crate) from_savepoint: Option<String>,
    /// As for `weir run`
    #[arg(long, value_name = "UID[.STATE]", value_parser = dropped_state, requires = "from_savepoint")]
    pub(crate) drop_state: Vec<DroppedState>,
    /// As for `weir run`
    #[arg(short = 'n', long, alias = "allowNonRestoredState", requires = "from_savepoint")]
    pub(crate) allow_non_restored_state: bool,
    /// Try the migrations of state on all values of the savepoint, or on so many of each state, and keep nothing of it; exit code 3 if the job would fail
    #[arg(
        long,
        value_name = "VALUES",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "all",
        value_parser = samples,
        requires = "from_savepoint"
    )]
    pub(crate) dry_run_migration: Option<Samples>,
    /// Print the plan, and errors, as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weir checkpoints`.
#[derive(Debug, Args)]
pub(crate) struct CheckpointsArgs {
    /// A job by its id or name, the job file, or the job's folder among the checkpoints; the job may be running
    #[arg(value_name = "ID|JOB.toml|FOLDER")]
    pub(crate) job: PathBuf,
    /// Show this one by node, such as chk-41
    #[arg(value_parser = checkpoint)]
    pub(crate) checkpoint: Option<CheckpointId>,
    /// As for `weir run`, such as `execution.checkpointing.dir=other`; may be given several times
    #[arg(short = 'D', value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) define: Vec<(String, String)>,
    /// Print the history as JSON, and errors too
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weir plugin`.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Make a folder with a plugin that builds, tests and runs as it is
    ///
    /// The language's SDK lies in it, so that nothing else of weir is needed. Its README.md says what to install.
    #[command(after_help = examples::PLUGIN_NEW)]
    New(NewArgs),
    /// Make a component of a project or a core module
    ///
    /// The project's language is known by its files: Cargo.toml, go.mod, package.json, asconfig.json, plugin.py, *.c, *.zig or *.wat. It is built with that
    /// language's own tools: those of the project (.venv/bin, node_modules/.bin) first, then those on PATH. Intermediate files go to its folder `build` (Cargo's:
    /// `target`). A core module that carries no contract gets weir's, one that imports WASI of preview 1 its adapter. Nothing is written that weir can't load.
    #[command(after_help = examples::PLUGIN_BUILD)]
    Build(BuildArgs),
    /// Load a plugin and say whether weir can use it
    #[command(after_help = examples::PLUGIN_CHECK)]
    Check(PluginArgs),
    /// Show a plugin's functions, ports, codecs and states
    #[command(after_help = examples::PLUGIN_DESCRIBE)]
    Describe(PluginArgs),
    /// Run cases of a plugin: records in, expected output, state and failures
    ///
    /// Each case is run as it is written, in batches of one, in one batch of all, and with a restart after every record; all must come to what is expected.
    #[command(after_help = examples::PLUGIN_TEST)]
    Test(TestArgs),
}

/// `weir plugin check` and `weir plugin describe`.
#[derive(Debug, Args)]
pub(crate) struct PluginArgs {
    /// The plugin: a component, or a core module that carries its contract
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print JSON, errors included
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weir plugin test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The plugin
    #[arg(value_name = "PLUGIN.wasm")]
    pub(crate) file: PathBuf,
    /// Files of cases
    #[arg(value_name = "CASES.toml", required = true)]
    pub(crate) cases: Vec<PathBuf>,
    /// Run only the cases whose names contain this
    #[arg(long, value_name = "NAME-PART")]
    pub(crate) case: Option<String>,
    /// A plugin that cases change to by this name (repeatable); without it they are skipped
    #[arg(long, value_name = "NAME=FILE", value_parser = named_file)]
    pub(crate) plugin: Vec<(String, String)>,
    /// End calls after this time: a function that doesn't come back fails its case. 30s unless told
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) call_timeout: Option<Duration>,
    /// Skip cases of functions that the plugin doesn't have, instead of failing them
    #[arg(long)]
    pub(crate) skip_missing: bool,
    /// Write the results to a file, as JUnit XML
    #[arg(long, value_name = "FILE.xml")]
    pub(crate) junit: Option<PathBuf>,
    /// Print the results, and errors, as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The commands by task: heading, and the words of each command.
const GROUPS: &[(&str, &[&[&str]])] = &[
    ("Jobs", &[&["run"], &["plan"], &["checkpoints"]]),
    ("Running jobs", &[&["list"], &["info"], &["savepoint"], &["stop"], &["cancel"], &["swap"]]),
    (
        "Savepoints",
        &[
            &["savepoint", "inspect"],
            &["savepoint", "verify"],
            &["savepoint", "diff"],
            &["savepoint", "dispose"],
            &["savepoint", "rekey"],
            &["state", "ls"],
            &["state", "get"],
            &["state", "export"],
            &["state", "diff"],
        ],
    ),
    ("Plugins", &[&["plugin", "new"], &["plugin", "build"], &["plugin", "check"], &["plugin", "describe"], &["plugin", "test"]]),
    ("This program", &[&["completions"], &["man"]]),
];

/// The program's version and that of the contract with its plugins.
fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| format!("{} (contract {})", env!("CARGO_PKG_VERSION"), weir_plugin::load::CONTRACT));
    &VERSION
}

/// The whole definition.
pub(crate) fn command() -> clap::Command {
    let command = Cli::command().after_help(examples::WEIR);
    let header = *command.get_styles().get_header();
    let groups = groups(&command, header);
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}{header}Options:{header:#}\n{{options}}{{after-help}}"
    ))
}

/// The list of commands for the help text.
fn groups(command: &clap::Command, header: Style) -> String {
    let mut text = String::new();
    for (heading, members) in GROUPS {
        text.push_str(&format!("{header}{heading}:{header:#}\n"));
        for words in *members {
            let about = find(command, words).and_then(clap::Command::get_about).map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("  {:<18}{about}\n", words.join(" ")));
        }
        text.push('\n');
    }
    text
}

/// The subcommand that `words` name.
pub(crate) fn find<'a>(command: &'a clap::Command, words: &[impl AsRef<str>]) -> Option<&'a clap::Command> {
    words.iter().try_fold(command, |command, word| command.find_subcommand(word.as_ref()))
}

/// Reads the command line.
pub(crate) fn parse(words: &[OsString]) -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches_from(words)?;
    Cli::from_arg_matches(&matches)
}

/// Whether `--json` stands on the command line, so that a mistake in the rest of it is told as JSON too.
pub(crate) fn asks_for_json(words: &[OsString]) -> bool {
    words.iter().take_while(|word| *word != "--").any(|word| word == "--json")
}

/// A mistake on the command line, in three parts.
pub(crate) fn explain(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let why = text.split("\n\n").next().unwrap_or_default();
    Error::usage("the command line", why.trim_start_matches("error: ").trim(), "`weir help` and `weir help COMMAND` say what can be given")
}

fn parallelism(text: &str) -> Result<Parallelism, String> {
    text.parse().ok().and_then(Parallelism::new).ok_or_else(|| format!("it is a number from 1 to {}", Parallelism::MAX))
}

fn checkpoint(text: &str) -> Result<CheckpointId, String> {
    weir_checkpoint::paths::named_checkpoint(text).ok_or_else(|| "name a checkpoint, such as chk-41".to_owned())
}

fn uid(text: &str) -> Result<OperatorUid, String> {
    OperatorUid::new(text).map_err(|error| error.why)
}

fn dropped_state(text: &str) -> Result<DroppedState, String> {
    text.parse().map_err(|error: Error| error.why)
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE, such as `-D sources.lines.path=other.txt`".to_owned()),
    }
}

fn named_file(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.trim().is_empty() && !file.is_empty() => Ok((name.trim().to_owned(), file.to_owned())),
        _ => Err("write NAME=FILE, such as `--plugin second=other.wasm`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(Into::into).collect()
    }

    #[test]
    fn the_definition_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn every_command_is_listed_once_and_says_what_it_does() {
        let command = command();
        let mut listed: Vec<Vec<&str>> = GROUPS.iter().flat_map(|(_, members)| members.iter().map(|words| words.to_vec())).collect();
        listed.sort();
        let mut defined = Vec::new();
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            // `weir savepoint ID` does something beside its subcommands.
            if !sub.has_subcommands() || sub.is_args_conflicts_with_subcommands_set() {
                defined.push(vec![sub.get_name()]);
            }
            defined.extend(sub.get_subcommands().map(|below| vec![sub.get_name(), below.get_name()]));
        }
        defined.sort();
        assert_eq!(listed, defined);
        for words in listed {
            let sub = find(&command, &words).unwrap();
            assert!(sub.get_about().is_some(), "{words:?} has no line of help");
            assert!(sub.get_after_help().is_some_and(|text| text.to_string().contains("weir ")), "{words:?} has no example");
        }
    }

    #[test]
    fn every_example_parses() {
        let mut found = 0;
        for text in examples::ALL {
            for line in text.lines().map(str::trim).filter_map(|line| line.strip_prefix("weir ")) {
                let line = line.split(['|', '>']).next().unwrap().trim();
                parse(&words(&format!("weir {line}"))).unwrap_or_else(|error| panic!("weir {line}: {error}"));
                found += 1;
            }
        }
        assert!(found >= 10, "only {found} examples");
    }

    #[test]
    fn a_job_is_named_with_its_overrides() {
        let cli = parse(&words("weir run job.toml -p 3 -D a.b=c=d -D x=1 --quiet -vv")).unwrap();
        assert_eq!(cli.global.verbose, 2);
        let Command::Run(run) = cli.command else { panic!("{cli:?}") };
        assert_eq!(run.job.define, [("a.b".to_owned(), "c=d".to_owned()), ("x".to_owned(), "1".to_owned())]);
        assert_eq!((run.job.parallelism.map(Parallelism::get), run.quiet, run.json), (Some(3), true, false));
    }

    #[test]
    fn flinks_words_for_a_start_from_a_savepoint_are_taken() {
        let check = |line: &str, expected: (Option<&str>, Option<ClaimMode>, bool)| {
            let Command::Run(run) = parse(&words(&format!("weir run job.toml {line}"))).unwrap().command else { panic!("{line}") };
            assert_eq!((run.from_savepoint.as_deref(), run.claim_mode, run.allow_non_restored_state), expected, "{line}");
        };
        check("-s sp", (Some("sp"), None, false));
        check("--fromSavepoint s3://b/sp -n", (Some("s3://b/sp"), None, true));
        check("--from-savepoint sp --claim-mode claim --allowNonRestoredState", (Some("sp"), Some(ClaimMode::Claim), true));
        check("-s sp --claimMode NO_CLAIM", (Some("sp"), Some(ClaimMode::NoClaim), false));
        for line in ["-s sp --fresh", "-s sp --restore-from chk-1", "--claim-mode claim", "-s sp --claim-mode legacy"] {
            assert!(parse(&words(&format!("weir run job.toml {line}"))).is_err(), "{line}");
        }
    }

    #[test]
    fn a_savepoint_is_taken_of_a_job() {
        let Command::Savepoint(SavepointArgs { take: Some(take), command: None }) =
            parse(&words("weir savepoint words dir --detached")).unwrap().command
        else {
            panic!("not taken")
        };
        assert_eq!((take.job.as_str(), take.dir.as_deref(), take.detached), ("words", Some("dir"), true));
        let Command::Cancel(cancel) = parse(&words("weir cancel words -s")).unwrap().command else { panic!("not cancelled") };
        assert_eq!((cancel.job.as_str(), cancel.with_savepoint), ("words", Some(None)));
    }

    #[test]
    fn a_mistake_says_what_is_wrong() {
        let check = |line: &str, why: &str| {
            let error = explain(&parse(&words(line)).unwrap_err());
            assert!(error.why.contains(why), "{line}: {}", error.why);
        };
        check("weir run", "required arguments were not provided");
        check("weir run job.toml -p 0", "it is a number from 1 to 32768");
        check("weir run job.toml -p many", "it is a number from 1 to 32768");
        check("weir run job.toml -D novalue", "write KEY=VALUE");
        check("weir run job.toml -D =1", "write KEY=VALUE");
        check("weir rum job.toml", "unrecognized subcommand 'rum'");
        check("weir plan job.toml --quiet", "unexpected argument '--quiet'");
        check("weir savepoint", "required arguments were not provided");
        check("weir stop words -p ", "a value is required");
        check("weir completions tcsh", "invalid value 'tcsh'");
    }

    #[test]
    fn the_version_names_the_contract() {
        assert!(version().starts_with(env!("CARGO_PKG_VERSION")));
        assert!(version().contains("contract weir:operator/operator@"));
    }

    #[test]
    fn json_is_noticed_even_on_a_wrong_command_line() {
        assert!(asks_for_json(&words("weir plan --json --nonsense")));
        assert!(!asks_for_json(&words("weir plan -- --json")));
    }
}
