//! The demo's last part: a plugin's version is swapped while records flow, and every count is checked.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::grouped;
use crate::fault::{Fault, Result};
use crate::repo::Repo;
use crate::{process, say};

const JOB: &str = "plugins/word-count-v2/job.toml";
const NAME: &str = "word-count-live";
const NEW: &str = "target/plugins/word_count_v2.wasm";
const COUNTS: &str = "target/demo/counts";

/// How often it is looked whether the job can be reached, and how long at most.
const POLL: Duration = Duration::from_millis(100);
const POLLS_MAX: u32 = 100;

/// Runs the job, swaps `count` in the middle, and checks what has come out.
pub(super) fn run(repo: &Repo, weir: &Path) -> Result<()> {
    let command = |words: &[&str]| {
        let mut command = Command::new(weir);
        command.current_dir(repo.path("")).args(words);
        command
    };
    let mut job = command(&["run", JOB, "--fresh", "--quiet"]);
    let mut running =
        job.stdin(Stdio::null()).spawn().map_err(|error| Fault::failed("the job can't be started", error.to_string(), "build weir first"))?;
    let swapped = until_committed(repo).and_then(|()| process::capture(&mut command(&["swap", NAME, "count", NEW, "--json"])));
    let status = running.wait().map_err(|error| Fault::failed("the job can't be waited for", error.to_string(), "run it by hand"))?;
    process::succeeded(&job, status, "read the job's message above")?;
    let report: Value =
        serde_json::from_str(&swapped?).map_err(|error| Fault::failed("weir swap printed no JSON", error.to_string(), "run it by hand"))?;
    let swap = report.get("swap").unwrap_or(&Value::Null);
    let number = |key: &str| swap.get(key).and_then(Value::as_u64).unwrap_or_default();
    let (words, counts) = check(&repo.path(COUNTS))?;
    say::line(&format!(
        "`count` was swapped from version 1 to version 2 at checkpoint {}: no subtask was held up for longer than {} µs.\n\
         {} counts of {} words came out: each word's are 1, 2, 3 … to its total, none missing, none twice.",
        number("checkpoint"),
        grouped(number("held_us")),
        grouped(counts),
        grouped(words)
    ));
    Ok(())
}

/// Waits until some output of the job is committed: by then it can be reached, and has something to lose.
#[expect(clippy::disallowed_methods, reason = "there is nothing to wait on: another process makes the files")]
fn until_committed(repo: &Repo) -> Result<()> {
    for _ in 0..POLLS_MAX {
        let names = std::fs::read_dir(repo.path(COUNTS)).into_iter().flatten().flatten().map(|entry| entry.file_name());
        if names.filter_map(|name| name.into_string().ok()).any(|name| name.starts_with("part-") && name.ends_with(".txt")) {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
    Err(Fault::failed("the job commits nothing", format!("no part came into {COUNTS}"), format!("run `weir run {JOB}` by hand")))
}

/// Sees that the running counts of each word are whole; gives how many words and counts there are.
fn check(folder: &Path) -> Result<(u64, u64)> {
    let unreadable = |error: std::io::Error| Fault::path(folder, "read", &error);
    let mut by_word: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let text = std::fs::read_to_string(entry.map_err(unreadable)?.path()).map_err(unreadable)?;
        for (word, count) in text.lines().filter_map(|line| line.split_once('\t')) {
            by_word.entry(word.to_owned()).or_default().push(count.parse().unwrap_or_default());
        }
    }
    let mut total = 0;
    for (word, counts) in &mut by_word {
        counts.sort_unstable();
        total += counts.len() as u64;
        if !counts.iter().copied().eq(1..=counts.len() as u64) {
            return Err(Fault::failed(
                "a count was lost or doubled",
                format!("of `{word}` there are {} counts, up to {:?}", counts.len(), counts.last()),
                "report it",
            ));
        }
    }
    Ok((by_word.len() as u64, total))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_count_that_is_missing_or_there_twice_is_found() {
        let check = |lines: &str, expected: Option<(u64, u64)>| {
            let folder = std::env::temp_dir().join(format!("weir-xtask-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("part-0-0.txt"), lines).unwrap();
            let found = super::check(&folder).ok();
            std::fs::remove_dir_all(&folder).unwrap();
            assert_eq!(found, expected, "{lines:?}");
        };
        check("a\t1\nb\t1\na\t2\n", Some((2, 3)));
        check("a\t1\na\t3\n", None);
        check("a\t1\na\t1\n", None);
    }
}
