//! `cargo xtask demo`: from a fresh clone to sorted counts on the screen, a job that solves somebody's problem, and a version swapped under load.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

mod swap;

use crate::fault::{Fault, Result};
use crate::measure::{Elapsed, Stopwatch};
use crate::repo::{self, Repo};
use crate::{plugins, process, say, setup};

/// How many of the most frequent words, or of the suspects, are shown.
const SHOWN_MAX: usize = 20;

/// Sets up, builds, and runs the jobs.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    say::progress("1/6 what building plugins needs");
    let toolchain = setup::run()?;
    say::progress("2/6 the host: cargo build --release (the first time takes minutes: it holds a compiler for Wasm)");
    process::run(repo.cargo().args(repo::build("weir")), "read the compiler's message above")?;
    say::progress("3/6 the plugins");
    plugins::build(repo, &toolchain)?;
    let weir = repo.target_dir()?.join("release").join("weir");

    say::progress("4/6 counting Shakespeare's words: weir run plugins/word-count/job.toml");
    let (counts, elapsed) = records(repo, &weir, "plugins/word-count/job.toml", Counts::default(), Counts::add)?;
    say::line(&counts.report(lines_in(&repo.path("plugins/word-count/input"))?, &elapsed)?);

    say::progress("5/6 looking for brute-force log-ins: weir run plugins/ssh-guard/job.toml");
    let (suspects, elapsed) = records(repo, &weir, "plugins/ssh-guard/job.toml", Suspects::default(), Suspects::add)?;
    say::line(&suspects.report(lines_in(&repo.path("plugins/ssh-guard/input"))?, &elapsed)?);

    say::progress("6/6 swapping a version while words flow: weir run plugins/word-count-v2/job.toml, weir swap word-count-live count …");
    swap::run(repo, &weir)?;
    say::progress("done; change a job.toml or an operator in plugins/ and call it again");
    Ok(())
}

/// Runs a job and hands over each record that it prints, split at the tab between key and value.
fn records<T>(repo: &Repo, weir: &Path, job: &str, mut into: T, add: fn(&mut T, &str, &str) -> Result<()>) -> Result<(T, Elapsed)> {
    let watch = Stopwatch::start();
    let mut command = Command::new(weir);
    command.current_dir(repo.path("")).args(["run", job]);
    let mut broken = None;
    let status = process::each_line(&mut command, |line| {
        let outcome = match line.split_once('\t') {
            Some((key, value)) => add(&mut into, key, value),
            None => Err(Fault::failed(format!("{job} printed what is no record"), format!("`{line}` has no tab"), "check the job's print sink")),
        };
        // The job runs to its end: closing its output would only add a second failure.
        if broken.is_none() {
            broken = outcome.err();
        }
    })?;
    let elapsed = watch.elapsed();
    process::succeeded(&command, status, "read the job's message above")?;
    broken.map_or(Ok((into, elapsed)), Err)
}

/// The highest count seen of each word; the job prints a running count per word.
#[derive(Default)]
struct Counts {
    by_word: BTreeMap<String, u64>,
}

impl Counts {
    fn add(&mut self, word: &str, count: &str) -> Result<()> {
        let count: u64 = count.parse().map_err(|_| {
            Fault::failed("the word count printed what is no count", format!("`{word}` has the count `{count}`"), "check the operator's output codec")
        })?;
        match self.by_word.get_mut(word) {
            Some(highest) => *highest = count.max(*highest),
            None => drop(self.by_word.insert(word.to_owned(), count)),
        }
        Ok(())
    }

    fn report(&self, lines: u64, elapsed: &Elapsed) -> Result<String> {
        let words: u64 = self.by_word.values().sum();
        if words == 0 {
            return Err(no_records("plugins/word-count/job.toml"));
        }
        let mut sorted: Vec<(&String, &u64)> = self.by_word.iter().collect();
        sorted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let mut text = format!(
            "{} lines, {} words, {} of them distinct, in {:.2} s with {:.2} CPU seconds. The most frequent:",
            grouped(lines),
            grouped(words),
            grouped(sorted.len() as u64),
            elapsed.wall_s,
            elapsed.cpu_s
        );
        for (word, count) in sorted.into_iter().take(SHOWN_MAX) {
            text.push_str(&format!("\n{:>9}  {word}", grouped(*count)));
        }
        Ok(text)
    }
}

/// What was last said of each address.
#[derive(Default)]
struct Suspects {
    by_address: BTreeMap<String, String>,
}

impl Suspects {
    fn add(&mut self, address: &str, finding: &str) -> Result<()> {
        self.by_address.insert(address.to_owned(), finding.to_owned());
        Ok(())
    }

    fn report(&self, lines: u64, elapsed: &Elapsed) -> Result<String> {
        if self.by_address.is_empty() {
            return Err(no_records("plugins/ssh-guard/job.toml"));
        }
        let count = self.by_address.len();
        let mut text = format!(
            "{} lines of sshd's log, {count} suspects, in {:.2} s with {:.2} CPU seconds. What was last said of each:",
            grouped(lines),
            elapsed.wall_s,
            elapsed.cpu_s
        );
        for (address, finding) in self.by_address.iter().take(SHOWN_MAX) {
            text.push_str(&format!("\n  {address:<15}  {finding}"));
        }
        if count > SHOWN_MAX {
            text.push_str(&format!("\n  and {} more", count - SHOWN_MAX));
        }
        Ok(text)
    }
}

fn no_records(job: &str) -> Fault {
    Fault::failed(format!("{job} found nothing"), "it ended well and printed no record", "check its input and its print sink")
}

/// The lines of all files in a folder.
fn lines_in(folder: &Path) -> Result<u64> {
    let unreadable = |error: std::io::Error| Fault::path(folder, "read", &error);
    let mut lines = 0;
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let bytes = std::fs::read(entry.map_err(unreadable)?.path()).map_err(unreadable)?;
        let unfinished = bytes.last().is_some_and(|last| *last != b'\n');
        lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64 + u64::from(unfinished);
    }
    Ok(lines)
}

/// A number with a comma between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ELAPSED: Elapsed = Elapsed { wall_s: 0.5, cpu_s: 0.75 };

    #[test]
    fn running_counts_are_reduced_to_the_last_and_sorted() {
        let mut counts = Counts::default();
        for (word, count) in [("the", "1"), ("a", "1"), ("the", "2"), ("b", "1"), ("the", "1200")] {
            counts.add(word, count).unwrap();
        }
        let expect = "2 lines, 1,202 words, 3 of them distinct, in 0.50 s with 0.75 CPU seconds. The most frequent:\n    1,200  the\n        1  a\n        1  b";
        assert_eq!(counts.report(2, &ELAPSED).unwrap(), expect);
        assert!(counts.add("the", "many").unwrap_err().why.contains("`many`"));
    }

    #[test]
    fn a_job_that_prints_nothing_is_a_failure() {
        assert_eq!(Counts::default().report(2, &ELAPSED).unwrap_err().exit_code, 1);
        assert_eq!(Suspects::default().report(2, &ELAPSED).unwrap_err().exit_code, 1);
    }

    #[test]
    fn the_last_word_on_each_address_is_shown() {
        let mut suspects = Suspects::default();
        for (address, finding) in [("192.0.2.7", "5 failed"), ("192.0.2.1", "9 failed"), ("192.0.2.7", "6 failed")] {
            suspects.add(address, finding).unwrap();
        }
        let text = suspects.report(1_000, &ELAPSED).unwrap();
        assert!(text.starts_with("1,000 lines of sshd's log, 2 suspects"));
        assert!(text.ends_with("\n  192.0.2.1        9 failed\n  192.0.2.7        6 failed"), "{text}");
    }

    #[test]
    fn thousands_are_set_apart() {
        let check = |number: u64, expect: &str| assert_eq!(grouped(number), expect);
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(1_234_567, "1,234,567");
    }
}
