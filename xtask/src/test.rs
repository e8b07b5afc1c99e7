//! `cargo xtask test`: everything that must hold before a commit, step by step, and one line at the end.

use std::process::Command;

use crate::fault::{Fault, Result};
use crate::measure::Stopwatch;
use crate::repo::{self, Repo};
use crate::{bench, languages, plugins, process, say, setup, tidy};

/// Tests that passed and failed, summed over all test binaries.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
}

/// What was asked for on the command line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    /// Leave out what takes long and seldom fails: documentation tests, clippy.
    fast: bool,
    /// Only tests whose names contain one of these, and no checks.
    filters: Vec<String>,
}

/// The steps, as far as they have come.
struct Steps {
    tally: Tally,
    failed: Vec<&'static str>,
}

/// Runs all steps, even after one has failed, and fails if one has.
pub(crate) fn run(repo: &Repo, arguments: &[String]) -> Result<()> {
    let request = parse(arguments)?;
    let watch = Stopwatch::start();
    let mut steps = Steps { tally: Tally::default(), failed: Vec::new() };
    steps.step("plugins", |_| plugins::build(repo, &setup::run()?));
    steps.step("build", |_| cargo(repo, &repo::build("weir")));
    let mut languages = Vec::new();
    steps.step("languages", |_| {
        languages = languages::build(repo)?;
        check_required(&languages)
    });
    steps.step("tests", |tally| count(host_tests(repo, &request, &languages), tally));
    steps.step("plugin tests", |tally| count(plugin_tests(repo, &request), tally));
    if request.filters.is_empty() {
        steps.step("tests in other languages", |_| languages::test(repo));
        if !request.fast {
            // Too short to measure anything: it shows that the benchmarks run and that all their variants give the same.
            steps.step("benchmarks, once", |_| {
                ["word-count", "checkpoint", "disk", "swap", "languages"]
                    .into_iter()
                    .try_for_each(|name| bench::run(repo, &[name, "--check"].map(str::to_owned)))
            });
            steps.step("clippy", |_| {
                component("clippy", "cargo-clippy")?;
                cargo(repo, &["clippy", "--quiet", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
                let mut plugins = repo.cargo();
                plugins.args(["clippy", "--quiet", "--workspace", "--all-targets", "--manifest-path", "plugins/Cargo.toml"]);
                plugins.env("CARGO_TARGET_DIR", repo.path("target/guest-native")).args(["--", "-D", "warnings"]);
                process::run(&mut plugins, "read its message above")
            });
        }
        steps.step("format", |_| {
            component("rustfmt", "rustfmt")?;
            cargo(repo, &["fmt", "--all", "--check"])?;
            cargo(repo, &["fmt", "--all", "--check", "--manifest-path", "plugins/Cargo.toml"])
        });
        steps.step("tidy", |_| tidy::run(repo));
    } else if steps.tally == Tally::default() && steps.failed.is_empty() {
        say::fault(&Fault::failed("no test was run", format!("no test's name contains `{}`", request.filters.join("` or `")), "check the spelling"));
        steps.failed.push("filter");
    }
    steps.finish(watch.elapsed().wall_s)
}

/// Reads the command line.
fn parse(arguments: &[String]) -> Result<Request> {
    let mut request = Request::default();
    for argument in arguments {
        match argument.as_str() {
            "--fast" => request.fast = true,
            option if option.starts_with('-') => {
                let why = format!("there is no option `{option}`");
                return Err(Fault::usage(
                    "`cargo xtask test` can't be run as given",
                    why,
                    "its only option is `--fast`; other words pick tests by name",
                ));
            }
            filter => request.filters.push(filter.to_owned()),
        }
    }
    Ok(request)
}

impl Steps {
    /// Runs one step and says how it ended and how long it took.
    fn step(&mut self, name: &'static str, work: impl FnOnce(&mut Tally) -> Result<()>) {
        say::progress(&format!("--- {name}"));
        let watch = Stopwatch::start();
        let before = self.tally;
        let outcome = work(&mut self.tally);
        let seconds = watch.elapsed().wall_s;
        let passed = self.tally.passed - before.passed;
        let counted = if self.tally == before { String::new() } else { format!(", {passed} passed, {} failed", self.tally.failed - before.failed) };
        match outcome {
            Ok(()) => say::progress(&format!("--- {name}: ok{counted} ({seconds:.1} s)")),
            Err(fault) => {
                say::fault(&fault);
                say::progress(&format!("--- {name}: FAILED{counted} ({seconds:.1} s)"));
                self.failed.push(name);
            }
        }
    }

    /// The summary: tests on a line of their own, and a fault if a step failed.
    fn finish(self, seconds: f64) -> Result<()> {
        say::progress(&format!("all steps took {seconds:.1} s"));
        say::line(&format!("{} passed, {} failed", self.tally.passed, self.tally.failed));
        if self.failed.is_empty() {
            return Ok(());
        }
        let why = format!("these steps failed: {}", self.failed.join(", "));
        Err(Fault::failed("`cargo xtask test` did not pass", why, "mend the first failure above; `cargo xtask test NAME` runs one test again"))
    }
}

/// The languages that must not be skipped, with commas between them: where they come from a machine that has their tools.
const REQUIRED: &str = "WEIR_LANGUAGES";

/// A fault when a language that must not be skipped was.
fn check_required(built: &[String]) -> Result<()> {
    let required = std::env::var(REQUIRED).unwrap_or_default();
    let skipped: Vec<&str> = required.split(',').filter(|name| !name.is_empty() && !built.iter().any(|built| built == name)).collect();
    if skipped.is_empty() {
        return Ok(());
    }
    let why = format!("{REQUIRED} asks for {}", skipped.join(", "));
    Err(Fault::failed("a language was skipped that must not be", why, "run `cargo xtask setup --languages`"))
}

/// The host's tests, with those in the documentation. The suite is held against every language that was built.
fn host_tests(repo: &Repo, request: &Request, languages: &[String]) -> Command {
    let mut command = repo.cargo();
    command.env(REQUIRED, languages.join(","));
    command.args(["test", "--quiet", "--release", "--workspace", "--no-fail-fast"]);
    if request.fast {
        command.args(["--lib", "--bins", "--tests"]);
    }
    command.args(libtest(request));
    command
}

/// The plugins' own tests, which run natively; unoptimized, so that they also check arithmetic.
fn plugin_tests(repo: &Repo, request: &Request) -> Command {
    let mut command = repo.cargo();
    command.args(["test", "--quiet", "--workspace", "--no-fail-fast", "--manifest-path", "plugins/Cargo.toml"]);
    command.env("CARGO_TARGET_DIR", repo.path("target/guest-native")).args(libtest(request));
    command
}

/// What the test binaries are told.
fn libtest(request: &Request) -> Vec<String> {
    let mut words = vec!["--".to_owned(), "--format=pretty".to_owned()];
    words.extend(request.filters.iter().cloned());
    words
}

/// Runs a `cargo test`, shows what isn't a pass, and adds up its result lines.
fn count(mut command: Command, tally: &mut Tally) -> Result<()> {
    let status = process::each_line(&mut command, |line| {
        tally.add(line);
        if !is_noise(line) {
            say::line(line);
        }
    })?;
    process::succeeded(&command, status, "read the failures above")
}

impl Tally {
    /// Adds a line such as `test result: ok. 4 passed; 0 failed; …`; any other line adds nothing.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result:").and_then(|rest| rest.split_once(". ")) else { return };
        for part in counts.split(';') {
            match part.trim().split_once(' ').map(|(number, word)| (number.parse::<u64>(), word)) {
                Some((Ok(number), "passed")) => self.passed += number,
                Some((Ok(number), "failed")) => self.failed += number,
                _ => {}
            }
        }
    }
}

/// Whether a line of a test binary says only that all is well.
fn is_noise(line: &str) -> bool {
    let passed = line.starts_with("test ") && line.ends_with(" ... ok");
    line.is_empty() || passed || line.starts_with("running ") || line.starts_with("test result: ok.") || line.starts_with("all doctests ran in")
}

/// Runs Cargo with its output on the terminal.
fn cargo(repo: &Repo, arguments: &[&str]) -> Result<()> {
    process::run(repo.cargo().args(arguments), "read its message above")
}

/// A fault unless the component of the toolchain is installed: Cargo's own message doesn't say what to do.
fn component(name: &str, program: &str) -> Result<()> {
    if process::on_path(program) && process::capture(Command::new(program).arg("--version")).is_ok() {
        return Ok(());
    }
    Err(Fault::failed(format!("{name} can't be run"), format!("`{program}` is not installed"), format!("run `rustup component add {name}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_lines(lines: &[&str], passed: u64, failed: u64, shown: &[&str]) {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.add(line));
        assert_eq!(tally, Tally { passed, failed });
        let kept: Vec<&str> = lines.iter().copied().filter(|line| !is_noise(line)).collect();
        assert_eq!(kept, shown);
    }

    #[test]
    fn result_lines_are_summed_and_only_failures_are_shown() {
        check_lines(
            &[
                "",
                "running 2 tests",
                "test a ... ok",
                "test b ... ok",
                "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.00s",
            ],
            2,
            0,
            &[],
        );
        let result = "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s";
        check_lines(&["test b ... FAILED", result, "test result: ok. 1 passed; 0 failed; 0 ignored"], 4, 1, &["test b ... FAILED", result]);
        check_lines(&["4 passed; 4 failed", "a print of a test"], 0, 0, &["4 passed; 4 failed", "a print of a test"]);
    }

    #[test]
    fn words_are_filters_and_unknown_options_are_refused() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parse(&[]).unwrap(), Request::default());
        assert_eq!(parse(&words("--fast tokenize")).unwrap(), Request { fast: true, filters: words("tokenize") });
        assert_eq!(parse(&words("--slow")).unwrap_err().exit_code, 2);
    }
}
