//! Jobs whose whole output is known: each folder of `golden/` is a job file, its input, and what must come out.
//!
//! The output is standard output, then the part files of each sink's folder under `== FOLDER`. Lines are sorted, because subtasks share the work;
//! a job file whose first line is `# in order` is run by one subtask a node, and its output compared byte for byte. `UPDATE_GOLDEN=1` writes
//! what comes out as what is expected: read the difference before keeping it.
//!
//! Each case is also killed, and resumed with as many subtasks and with others. What was printed can't be taken back, so there a print sink becomes a
//! file sink of the same format.
//!
//! And each case's operators are swapped in mid-stream, to another build of their plugins. Its files come through a pipe then, half of their lines
//! before the swap and half behind it: no clock decides what is the middle.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

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

/// What a command prints as JSON.
fn json(folder: &JobFolder, words: &[&str]) -> Value {
    serde_json::from_slice(&folder.weir(words).run().with_code(0).stdout).unwrap()
}

/// The digest of the faulty plugin, which dead letters show: it changes with the toolchain.
fn faulty_digest() -> &'static str {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(|| {
        let description = json(&JobFolder::new(), &["plugin", "describe", built::plugin("faulty").to_str().unwrap(), "--json"]);
        description["digest"].as_str().unwrap().to_owned()
    })
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
    if output.contains("sha256:") { output.replace(faulty_digest(), "DIGEST") } else { output }
}

/// The lines of a table of a job file, such as `sinks.out`, by the names of such tables.
fn tables<'a>(job: &'a str, kind: &str) -> BTreeMap<&'a str, BTreeMap<&'a str, &'a str>> {
    let mut tables: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    let mut name = None;
    for line in job.lines() {
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name = header.split_once('.').filter(|(found, _)| *found == kind).map(|(_, name)| name);
        }
        if let (Some(name), Some((key, value))) = (name, line.split_once(" = ")) {
            tables.entry(name).or_default().insert(key, value.trim_matches('"'));
        }
    }
    tables
}

/// The words that give a case checkpoints, and files where it prints.
fn with_checkpoints(job: &str) -> Vec<String> {
    let mut settings = vec!["checkpointing.interval=10ms".to_owned()];
    for (uid, _) in tables(job, "sinks").iter().filter(|(_, sink)| sink["connector"] == "print") {
        settings.extend([format!("sinks.{uid}.connector=file"), format!("sinks.{uid}.path=printed/{uid}")]);
    }
    settings.into_iter().flat_map(|setting| ["-D".to_owned(), setting]).collect()
}

/// Compares the lines that all sinks of a case have committed. A dead letter shows the plugin that refused it: where there are dead letters,
/// each of these versions has refused something, and is `DIGEST` in what is expected.
fn check_committed(case: &Path, folder: &JobFolder, digests: &[&str], how: &str) {
    let mut folders = Vec::new();
    sink_folders(folder.path(), "", &mut folders);
    let found: String = folders.iter().flat_map(|name| folder.parts(name)).collect();
    let expected: String =
        fs::read_to_string(case.join("expected")).unwrap().lines().filter(|line| !line.starts_with("== ")).map(|line| format!("{line}\n")).collect();
    let name = case.file_name().unwrap().display();
    for digest in digests {
        assert_eq!(found.contains(digest), expected.contains("DIGEST"), "{name}, {how}: {digest}\n{found}");
    }
    let found = digests.iter().fold(found, |found, digest| found.replace(digest, "DIGEST"));
    let (found, expected) = (sorted(&found), sorted(&expected));
    assert!(found == expected, "{name}, {how}, gave:\n{found}\nand not:\n{expected}");
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
    check_committed(case, &folder, &[faulty_digest()], &format!("killed at {point}, resumed at {parallelism:?}"));
}

/// A case whose file comes through standard input, and that file.
fn piped(case: &Path, job: &str) -> (String, String) {
    let sources = tables(job, "sources");
    let [(uid, source)] = Vec::from_iter(&sources)[..] else { panic!("{sources:?}") };
    let piped = job.replace(&format!("connector = \"file\"\npath = \"{}\"", source["path"]), "connector = \"stdin\"\nparallelism = 1");
    assert_ne!(piped, job, "source {uid} isn't a file");
    let mut files: Vec<_> = fs::read_dir(case).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| !file.ends_with("job.toml") && !file.ends_with("expected"));
    files.sort();
    (piped, files.iter().map(|file| fs::read_to_string(file).unwrap()).collect())
}

/// The plugins of a case, and which operators are theirs. Nothing can be swapped in a case without operators.
fn operators(job: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut operators: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (uid, operator) in tables(job, "operators") {
        operators.entry(operator["plugin"]).or_default().push(uid);
    }
    operators
}

/// A figure of a node of a running job; none while the job can't be asked yet.
fn figure(folder: &JobFolder, name: &str, uid: &str, figure: &str) -> Option<u64> {
    let asked = folder.weir(&["info", name, "--json"]).run();
    let info: Value = serde_json::from_slice(&asked.stdout).ok()?;
    info["status"]["nodes"].as_array()?.iter().find(|node| node["uid"] == uid)?[figure].as_u64()
}

/// Swaps every operator of a case between the halves of its input, and compares what all its sinks have committed.
fn check_swapped(case: &Path, parallelism: u32) {
    let folder = copy(case);
    let job = fs::read_to_string(case.join("job.toml")).unwrap();
    let name = job.lines().find_map(|line| line.strip_prefix("name = ")).unwrap().trim_matches('"');
    let (toml, input) = piped(case, &job);
    let (settings, parallelism) = (with_checkpoints(&job), parallelism.to_string());
    let words: Vec<&str> = ["-p", &parallelism].into_iter().chain(settings.iter().map(String::as_str)).collect();
    let mut running = folder.job(&toml, &words).holding_input().start();
    let lines: Vec<&str> = input.split_inclusive('\n').collect();
    let (before, after) = lines.split_at(lines.len() / 2);
    running.say(&before.concat());
    // The barrier of a swap follows what the source has emitted, and it has nothing more to emit until it is told.
    let (source, _) = tables(&job, "sources").pop_first().unwrap();
    running.until_poll(|| figure(&folder, name, source, "records_out") == Some(before.len() as u64));
    let (mut digests, mut halves) = (Vec::new(), Vec::new());
    for (plugin, uids) in operators(&job) {
        let path = tables(&job, "plugins")[plugin]["path"].replace("${PLUGINS}", built::plugins().to_str().unwrap());
        // A custom section behind the code changes nothing but the digest.
        folder.write(&format!("{plugin}.wasm"), [fs::read(path).unwrap(), vec![0, 3, 1, b'b', 1]].concat());
        let build = format!("{plugin}.wasm");
        let swapped = json(&folder, &[&["swap", name], &uids[..], &[&build, "--json"]].concat());
        let versions: Vec<_> = swapped["swap"]["before"].as_array().unwrap().iter().chain([&swapped["swap"]]).map(|one| &one["digest"]).collect();
        assert_eq!(versions.len(), uids.len() + 1, "{swapped:#}");
        digests.extend(versions.into_iter().map(|digest| digest.as_str().unwrap().to_owned()));
        halves.extend(uids.into_iter().map(|uid| (uid, figure(&folder, name, uid, "records_in").unwrap())));
    }
    running.say(&after.concat());
    running.hang_up();
    drop(running.wait().with_code(0));
    let (summary, case_name) = (folder.summary(), case.file_name().unwrap().display());
    for (uid, half) in halves {
        let whole = summary.figure(uid, "records_in");
        assert!(0 < half && half < whole, "{case_name}: {half} of {whole} records of {uid} came before the swap");
    }
    let digests: Vec<&str> = digests.iter().map(String::as_str).collect();
    check_committed(case, &folder, &digests, &format!("swapped with {parallelism} subtasks a node"));
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
fn every_golden_job_gives_the_same_when_its_operators_were_swapped_in_mid_stream() {
    let job = |case: &Path| fs::read_to_string(case.join("job.toml")).unwrap();
    let cases: Vec<_> = cases().into_iter().filter(|case| !operators(&job(case)).is_empty()).collect();
    assert!(cases.len() >= 3, "{cases:?}");
    cases.iter().for_each(|case| [1, 2, 3].into_iter().for_each(|parallelism| check_swapped(case, parallelism)));
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
