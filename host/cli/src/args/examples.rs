//! The examples in the help texts; each works at the root of the project once its plugins are built.

/// `weir --help`.
pub(super) const WEIR: &str = "\
Examples:
  weir run plugins/word-count/job.toml
  weir plan plugins/word-count/job.toml
  weir plugin describe target/plugins/word_count.wasm

Exit codes:
  0  done
  1  the job failed
  2  bad usage, job file or plugin
  3  incompatible codecs, state or contract
  4  interrupted

Environment:
  WEIR_CACHE_DIR  Where compiled plugins are kept
                  [default: $XDG_CACHE_HOME/weir, else $HOME/.cache/weir]
  WEIR_RUN_DIR    Where your running jobs are registered; the same for all
                  [default: $XDG_RUNTIME_DIR/weir, else weir-UID in $TMPDIR]
  WEIR_LOG        What is logged, such as `warn,guest=debug`; -v counts more
  NO_COLOR        Without colour

`weir help COMMAND` says more about a command.";

/// `weir run`.
pub(super) const RUN: &str = "\
Examples:
  Count the words of a text, and look at the first ten lines of the result:
    weir run plugins/word-count/job.toml | head

  With four subtasks a node, and results into a file:
    weir run plugins/word-count/job.toml -p 4 > counts.txt

  Throw the results away and keep the figures:
    weir run plugins/word-count/job.toml -D sinks.counts.connector=blackhole --json

  Go on from a savepoint:
    weir run plugins/word-count/job.toml -s savepoints/savepoint-word-count-0123456789ab

Exit codes:
  0  done
  1  the job failed
  2  bad usage, job file or plugin
  3  incompatible codecs or contract
  4  interrupted by Ctrl-C, SIGTERM or a closed pipe, stopped or cancelled";

/// `weir list`.
pub(super) const LIST: &str = "\
Examples:
  weir list
  weir list --all --json";

/// `weir info`.
pub(super) const INFO: &str = "\
Examples:
  By the start of its id, and by its name:
    weir info 3f2a
    weir info word-count";

/// `weir savepoint`.
pub(super) const SAVEPOINT: &str = "\
Examples:
  Where the job's file says:
    weir savepoint word-count

  Somewhere else, with the plugins in it, without waiting for it:
    weir savepoint 3f2a s3://bucket/savepoints --include-plugins --detached";

/// `weir stop`.
pub(super) const STOP: &str = "\
Examples:
  Stop a job, and go on from there later:
    weir stop word-count -p savepoints
    weir run plugins/word-count/job.toml -s savepoints/savepoint-word-count-0123456789ab";

/// `weir cancel`.
pub(super) const CANCEL: &str = "\
Examples:
  weir cancel 3f2a
  weir cancel 3f2a -s savepoints";

/// `weir swap`.
pub(super) const SWAP: &str = "\
Examples:
  A new version of one operator, which comes back by itself if it traps before three checkpoints have passed:
    weir swap word-count count new.wasm --probation 3

  First a minute beside the old version, whose output may differ in one record of a hundred:
    weir swap word-count tokenize count new.wasm --shadow 60s --max-diff 1%

  What was swapped so far:
    weir swap --history word-count";

/// `weir checkpoints`.
pub(super) const CHECKPOINTS: &str = "\
Examples:
  Of a job that runs, or has ended not long ago:
    weir checkpoints word-count

  The history of a job's checkpoints, while it runs or afterwards:
    weir checkpoints plugins/flaky/job.toml

  One of them by node:
    weir checkpoints plugins/flaky/job.toml chk-41";

/// `weir plan`.
pub(super) const PLAN: &str = "\
Examples:
  weir plan plugins/word-count/job.toml
  weir plan plugins/word-count/job.toml -p 4 --json
  weir plan job.toml -s savepoints/savepoint-1b2c3d-5f6a7b8c --dry-run-migration

Exit codes:
  0  it could start, and go on from the savepoint
  2  bad usage, job file or plugin
  3  incompatible codecs, contract or state";

/// `weir plugin new`.
pub(super) const PLUGIN_NEW: &str = "\
Examples:
  A plugin in Python, in the new folder `latency`:
    weir plugin new --lang python latency

  The same in Rust, elsewhere:
    weir plugin new --lang rust ~/plugins/latency";

/// `weir plugin build`.
pub(super) const PLUGIN_BUILD: &str = "\
Examples:
  The project in this folder:
    weir plugin build .

  A Cargo project (needs `rustup target add wasm32-unknown-unknown`):
    weir plugin build plugins/word-count

  A component of a core module that was built before:
    weir plugin build target/plugins/word_count.wasm -o word-count.wasm

Environment:
  WEIR_SDK       Where the SDK of the project's language is
                 [default: weir-sdk in the project]
  WASI_SDK_PATH  A wasi-sdk, for C; without it clang and wasi-libc";

/// `weir plugin check`.
pub(super) const PLUGIN_CHECK: &str = "\
Examples:
  weir plugin check target/plugins/word_count.wasm

Exit codes:
  0  weir can use it
  2  it can't
  3  its contract is of another version";

/// `weir plugin describe`.
pub(super) const PLUGIN_DESCRIBE: &str = "\
Examples:
  weir plugin describe target/plugins/word_count.wasm
  weir plugin describe target/plugins/word_count.wasm --json";

/// `weir plugin test`.
pub(super) const PLUGIN_TEST: &str = "\
Examples:
  weir plugin test target/plugins/conformance-rust.wasm tests/conformance/state.toml

  Some of them, with another plugin that they change to, and results for a build server:
    weir plugin test my.wasm cases.toml --case restore --plugin second=other.wasm --junit results.xml

Exit codes:
  0  all cases came to what they expect
  1  one or more didn't
  2  bad usage, cases or plugin";

/// `weir completions`.
pub(super) const COMPLETIONS: &str = "\
Examples:
  For bash, for every user who has bash-completion:
    weir completions bash > ~/.local/share/bash-completion/completions/weir";

/// `weir man`.
pub(super) const MAN: &str = "\
Examples:
  weir man | man -l -
  weir man plugin build | man -l -";

/// All of them, to be tried.
#[cfg(test)]
pub(super) const ALL: &[&str] = &[
    WEIR,
    RUN,
    PLAN,
    CHECKPOINTS,
    LIST,
    INFO,
    SAVEPOINT,
    STOP,
    CANCEL,
    SWAP,
    PLUGIN_NEW,
    PLUGIN_BUILD,
    PLUGIN_CHECK,
    PLUGIN_DESCRIBE,
    PLUGIN_TEST,
    COMPLETIONS,
    MAN,
];
