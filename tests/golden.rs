//! Jobs whose whole output is known: each folder of `golden/` is a job file, its input, and what must come out.
//!
//! The output is standard output, then the part files of each sink's folder under `== FOLDER`. Lines are sorted, because subtasks share the work;
//! a job file whose first line is `# in order` is run by one subtask a node, and its output compared byte for byte. `UPDATE_GOLDEN=1` writes
//! what comes out as what is expected: read the difference before keeping it.
//!
//! Each case is also killed, and resumed with as many subtasks and with others. What was printed can't be taken back, so there a print sink becomes a
//! file sink of the same format.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use weir_tests::built;
use weir_tests::crash::case::KILLED;
use weir_tests::job::JobFolder;

const IN_ORDER: &str = "# in order\n";

/// Copies the files of a case; sinks write beside the copies.
fn copy(case: &Path) -> JobFolder {
    let folder = JobFolder::new();
    for entry in fs::read_dir(case).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != "expected") {
        folder.write(entry.file_name().to_str().unwrap(), fs::read(entry.path()).unwrap());
    }
    folder
}

/// The digest of the faulty plugin, which dead letters show: it changes with the toolchain.
fn faulty_digest(folder: &JobFolder) -> String {
    let ended = folder.weir(&["plugin", "describe", built::plugin("faulty").to_str().unwrap(), "--json"]).run().with_code(0);
    let description: Value = serde_json::from_slice(&ended.stdout).unwrap();
    description["digest"].as_str().unwrap().to_owned()
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The folders with part files, as paths from `top`.
fn sink_folders(top: &Path, below: &str, found: &mut Vec<String>) {
    let mut names: Vec<String> = fs::read_dir(top.join(below)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    if names.iter().any(|name| name.starts_with("part-")) {
        found.push(below.to_owned());
    }
    for name in names {
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if top.join(&path).is_dir() {
            sink_folders(top, &path, found);
        }
    }
}

/// Runs a case with so many subtasks a node; gives what came out.
fn output(case: &Path, parallelism: u32, in_order: bool) -> String {
    let folder = copy(case);
    let ended = folder.weir(&["run", "job.toml", "-p", &parallelism.to_string()]).run().with_code(0);
    let arrange = |text: &str| if in_order { text.to_owned() } else { sorted(text) };
    let mut output = arrange(ended.text());
    let mut folders = Vec::new();
    sink_folders(folder.path(), "", &mut folders);
    for name in folders {
        let parts = folder.parts(&name);
        // A subtask that gets nothing writes no part.
        assert!((1..=parallelism as usize).contains(&parts.len()), "{name}");
        write!(output, "== {name}\n{}", arrange(&parts.concat())).unwrap();
    }
    if output.contains("sha256:") { output.replace(&faulty_digest(&folder), "DIGEST") } else { output }
}

/// The words that give a case checkpoints, and files where it prints.
fn with_checkpoints(job: &str) -> Vec<String> {
    let mut settings = vec!["checkpointing.interval=10ms".to_owned()];
    let mut sink = None;
    for line in job.lines() {
        match line.strip_prefix("[sinks.").and_then(|rest| rest.strip_suffix(']')) {
            Some(uid) => sink = Some(uid),
            None if line.starts_with('[') => sink = None,
            None => {}
        }
        if let Some(uid) = sink.filter(|_| line == "connector = \"print\"") {
            settings.extend([format!("sinks.{uid}.connector=file"), format!("sinks.{uid}.path=printed/{uid}")]);
        }
    }
    settings.into_iter().flat_map(|setting| ["-D".to_owned(), setting]).collect()
}

/// Kills a case at `point`, resumes it, and compares the lines that all its sinks have committed.
fn check_resumed(case: &Path, point: &str, parallelism: [u32; 2]) {
    let folder = copy(case);
    let job = fs::read_to_string(case.join("job.toml")).unwrap();
    let settings = with_checkpoints(&job);
    let run = |parallelism: u32| {
        let parallelism = parallelism.to_string();
        let words: Vec<&str> = ["run", "job.toml", "-p", &parallelism].into_iter().chain(settings.iter().map(String::as_str)).collect();
        folder.weir(&words)
    };
    drop(run(parallelism[0]).env("WEIR_FAIL_POINTS", format!("{point}=kill")).run().with_code(KILLED));
    drop(run(parallelism[1]).run().with_code(0));
    let mut folders = Vec::new();
    sink_folders(folder.path(), "", &mut folders);
    let found: String = folders.iter().flat_map(|name| folder.parts(name)).collect();
    let found = if found.contains("sha256:") { found.replace(&faulty_digest(&folder), "DIGEST") } else { found };
    let expected: String =
        fs::read_to_string(case.join("expected")).unwrap().lines().filter(|line| !line.starts_with("== ")).map(|line| format!("{line}\n")).collect();
    let (found, expected) = (sorted(&found), sorted(&expected));
    let name = case.file_name().unwrap().display();
    assert!(found == expected, "{name}, killed at {point}, resumed at {parallelism:?}, gave:\n{found}\nand not:\n{expected}");
}

/// The folders of all cases.
fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<_> = fs::read_dir(built::project().join("tests/golden")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 9, "{cases:?}");
    cases
}

fn check(case: &Path) {
    let in_order = fs::read_to_string(case.join("job.toml")).unwrap().starts_with(IN_ORDER);
    for parallelism in if in_order { [1].as_slice() } else { &[1, 2, 3] } {
        let found = output(case, *parallelism, in_order);
        let path = case.join("expected");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &found).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap();
        let name = case.file_name().unwrap().display();
        assert!(found == expected, "{name} with {parallelism} subtasks a node gave:\n{found}\nand not:\n{expected}");
    }
}

#[test]
fn every_golden_job_gives_what_it_gave() {
    cases().iter().for_each(|case| check(case));
}

#[test]
fn every_golden_job_gives_the_same_when_it_was_killed() {
    for case in cases() {
        let in_order = fs::read_to_string(case.join("job.toml")).unwrap().starts_with(IN_ORDER);
        // One stream of made-up records is another one when more subtasks share it before there is any checkpoint.
        for parallelism in if in_order { [[1, 1]].as_slice() } else { &[[2, 2], [1, 3], [3, 2]] } {
            for point in ["source-positions-taken", "all-acked-no-manifest", "two-coordinators", "some-committed"] {
                check_resumed(&case, point, *parallelism);
            }
        }
    }
}

#[test]
fn a_text_is_copied_byte_for_byte() {
    let text = fs::read(built::project().join("plugins/word-count/input/shakespeare.txt")).unwrap();
    let folder = JobFolder::new();
    folder.write("in.txt", &text);
    let toml = "[job]\nname = \"copy\"\nparallelism = 1\n[sources.lines]\nconnector = \"file\"\npath = \"in.txt\"\nsplit-size = \"4KiB\"\n\
                [sinks.out]\nconnector = \"file\"\npath = \"out\"\ninput = \"lines\"\n";
    drop(folder.run(toml, &[]).with_code(0));
    assert!(folder.parts("out").concat().as_bytes() == text, "the copy differs");
}
