//! A running job as other terminals meet it: found, looked at, told to end, and not to be harmed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

use std::cell::RefCell;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;
use weir_tests::job::{JobFolder, word_count};
use weir_tests::process::{Ended, RUN_DIR, Running};

/// Lines without end, not so many that other tests starve.
const TRICKLE: &str = "connector = \"generator\"\nkind = \"zipf-words\"\ndistinct = 100\nrate = 500";
const NOWHERE: &str = "connector = \"blackhole\"";
const CHECKPOINTS: &str = "[checkpointing]\ninterval = \"20ms\"\n";
/// How a process ends that is killed.
const KILLED: i32 = 128 + libc::SIGKILL;

fn endless(name: &str) -> String {
    word_count(TRICKLE, NOWHERE).replace("name = \"test\"", &format!("name = {name:?}")) + CHECKPOINTS
}

/// A job that runs, and its id.
fn start(folder: &JobFolder, toml: &str) -> (Running, String) {
    let running = folder.job(toml, &["-p", "2"]).start();
    let id = RefCell::new(String::new());
    running.until_stderr(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let found = text.lines().find_map(|line| line.strip_prefix("job ")?.split_once(" ("));
        found.inspect(|(hex, _)| drop(id.replace((*hex).to_owned()))).is_some()
    });
    (running, id.into_inner())
}

fn json(ended: &Ended) -> Value {
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("not JSON ({error}): {}", ended.text()))
}

/// Name and state of each job, in the order of the list.
fn listed(folder: &JobFolder, all: bool) -> Vec<(String, String)> {
    let words: &[&str] = if all { &["list", "--json", "--all"] } else { &["list", "--json"] };
    let text = |job: &Value, key: &str| job[key].as_str().unwrap().to_owned();
    let jobs = json(&folder.weir(words).run().with_code(0));
    jobs.as_array().unwrap().iter().map(|job| (text(job, "name"), text(job, "state"))).collect()
}

fn state(name: &str, state: &str) -> (String, String) {
    (name.to_owned(), state.to_owned())
}

/// Tells a job to end, and waits for it.
fn interrupt(running: Running) -> Ended {
    running.signal(libc::SIGINT);
    running.wait().with_code(4)
}

#[test]
fn a_running_job_is_listed_and_shown_by_id_and_by_name() {
    let folder = JobFolder::new();
    assert_eq!(folder.weir(&["list"]).run().with_code(0).text(), "", "nothing runs, and nobody made a folder for it");
    assert!(!folder.path().join(RUN_DIR).exists());
    let (running, id) = start(&folder, &endless("words"));
    assert_eq!(listed(&folder, false), [state("words", "running")]);
    let table = folder.weir(&["list"]).run().with_code(0);
    let line = table.text().lines().nth(1).unwrap();
    assert!(line.starts_with(&id[..8]) && line.contains("words") && line.contains("running"), "{line}");
    for name in [&id, &id[..6], "words"] {
        let ended = folder.weir(&["info", name]).run().with_code(0);
        for part in [&*id, "job.toml", "running for", "lines ×2", "tokenize ×2", "count ×2", "counts ×2", "checkpoints/words"] {
            assert!(ended.text().contains(part), "{part} is not in:\n{}", ended.text());
        }
    }
    let info = json(&folder.weir(&["info", "words", "--json"]).run().with_code(0));
    let nodes = info["status"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.iter().map(|node| node["uid"].as_str().unwrap()).collect::<Vec<_>>(), ["lines", "tokenize", "count", "counts"]);
    let digest = |key: &str| nodes[2][key].as_str().unwrap().to_owned();
    assert_eq!((digest("digest"), digest("digest").len()), (digest("file_digest"), 64));
    running.until_poll(|| json(&folder.weir(&["info", "words", "--json"]).run())["checkpoint_totals"]["completed"].as_u64() > Some(0));
    assert!(folder.weir(&["checkpoints", "words"]).run().with_code(0).text().contains("words: "));
    // The same from elsewhere: what is registered are absolute paths.
    let elsewhere = JobFolder::new();
    let run_dir = folder.path().join(RUN_DIR);
    let ended = elsewhere.weir(&["checkpoints", &id[..10], "--json"]).env("WEIR_RUN_DIR", &run_dir).run().with_code(0);
    assert_eq!(json(&ended)["job"], "words");
    drop(interrupt(running));
    assert_eq!((listed(&folder, false), listed(&folder, true)), (Vec::new(), vec![state("words", "interrupted")]));
    assert!(folder.weir(&["checkpoints", &id[..10]]).run().with_code(0).text().contains("words: "), "also when it has ended");
}

#[test]
fn a_killed_job_is_listed_as_killed_and_its_socket_is_gone() {
    let folder = JobFolder::new();
    let (running, id) = start(&folder, &endless("words"));
    let socket = folder.path().join(RUN_DIR).join(format!("{id}.sock"));
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(folder.path().join(RUN_DIR)).unwrap().permissions().mode() & 0o777, 0o700);
    running.signal(libc::SIGKILL);
    drop(running.wait().with_code(KILLED));
    assert!(socket.exists(), "it could tidy nothing up");
    // Several that find it out at once.
    let lists: Vec<_> = (0..8).map(|_| folder.weir(&["list", "--all", "--json"]).start()).collect();
    for list in lists {
        let jobs = json(&list.wait().with_code(0));
        assert_eq!((jobs[0]["state"].as_str(), jobs.as_array().unwrap().len()), (Some("killed"), 1), "{jobs}");
    }
    assert_eq!(folder.names(RUN_DIR), [format!("{id}.json")]);
    for command in [&["savepoint", "words"][..], &["stop", &id], &["cancel", &id[..8]], &["swap", "words", "count", "x.wasm"]] {
        drop(folder.weir(command).run().failed(2, &["job `"], &["it has ended (killed)"]));
    }
    assert!(folder.weir(&["info", "words"]).run().with_code(0).text().contains("killed"));
}

#[test]
fn how_a_job_ended_is_remembered() {
    let folder = JobFolder::new();
    folder.write("in.txt", "one two\n");
    let done = word_count("connector = \"file\"\npath = \"in.txt\"", NOWHERE);
    drop(folder.run(&done, &[]).with_code(0));
    let fails = done.replace("name = \"test\"", "name = \"fails\"").replace(NOWHERE, "connector = \"print\"");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    drop(folder.job(&fails, &[]).out(weir_tests::process::Out::Into(full.into())).run().failed(1, &["counts"], &["No space left"]));
    let mut all = listed(&folder, true);
    all.sort();
    assert_eq!(all, [state("fails", "failed"), state("test", "done")]);
    let info = folder.weir(&["info", "fails"]).run().with_code(0);
    assert!(info.text().contains("No space left"), "{}", info.text());
    let info = json(&folder.weir(&["info", "fails", "--json"]).run().with_code(0));
    assert!(info["ended"]["error"]["do"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{info}");
    assert_eq!(info["status"], Value::Null);
}

#[test]
fn a_job_that_is_not_meant_by_one_name_is_not_guessed() {
    let (first, second) = (JobFolder::new(), JobFolder::new());
    let run_dir = first.path().join(RUN_DIR);
    let (one, one_id) = start(&first, &endless("words"));
    second.write("job.toml", endless("words"));
    let other = second.weir(&["run", "job.toml"]).env("WEIR_RUN_DIR", &run_dir).start();
    other.until_stderr(|bytes| String::from_utf8_lossy(bytes).contains("job "));
    first.weir(&["info", "words"]).run().failed(2, &["job `words`"], &["any of these", &one_id, "(words)"]).why.lines().nth(2).unwrap();
    drop(first.weir(&["info", &one_id]).run().with_code(0));
    let told = first.weir(&["savepoint", "none"]).run().failed(2, &["job `none`"], &["there are", &one_id]);
    assert_eq!(told.why.matches("(words)").count(), 2, "{told:?}");
    // The same for programs.
    let ended = first.weir(&["stop", "none", "--json"]).run().with_code(2);
    assert_eq!(serde_json::from_str::<Value>(ended.stderr.trim()).unwrap()["error"]["kind"], "usage");
    drop((interrupt(one), interrupt(other)));
    let nobody = JobFolder::new();
    drop(nobody.weir(&["cancel", "words"]).run().failed(2, &["job `words`"], &["no job of yours is running"]));
}

#[test]
fn a_folder_that_others_may_use_is_not_used() {
    let folder = JobFolder::new();
    folder.write("in.txt", "one two\n");
    let path = folder.path().join(RUN_DIR);
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    for command in [&["list"][..], &["info", "words"], &["stop", "words"]] {
        let told = folder.weir(command).run().failed(2, &[".running"], &["others may use it"]);
        assert!(told.remedy.contains("chmod 700"), "{told:?}");
    }
    // The job itself has nothing to do with that, and says so once.
    let ended = folder.run(&word_count("connector = \"file\"\npath = \"in.txt\"", "connector = \"print\""), &[]).with_code(0);
    assert_eq!((ended.stderr.matches("warning: ").count(), ended.text().lines().count()), (1, 2), "{}", ended.stderr);
    assert!(folder.names(RUN_DIR).is_empty());
}

#[test]
fn a_deep_folder_holds_sockets_too() {
    let folder = JobFolder::new();
    let deep = folder.path().join("d".repeat(120)).join("e".repeat(120));
    folder.write("job.toml", endless("words"));
    let running = folder.weir(&["run", "job.toml"]).env("WEIR_RUN_DIR", &deep).start();
    running.until_stderr(|bytes| String::from_utf8_lossy(bytes).contains("job "));
    let info = folder.weir(&["info", "words"]).env("WEIR_RUN_DIR", &deep).run().with_code(0);
    assert!(info.text().contains("running for"), "{}", info.text());
    drop(interrupt(running));
}

#[test]
fn what_is_said_on_the_socket_harms_nobody() {
    let folder = JobFolder::new();
    let (running, id) = start(&folder, &endless("words"));
    let socket = folder.path().join(RUN_DIR).join(format!("{id}.sock"));
    let say = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // The job may hang up in the middle.
        drop(stream.write_all(bytes));
        drop(stream.shutdown(std::net::Shutdown::Write));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        String::from_utf8(answer).unwrap()
    };
    let long = "x".repeat(3 << 20) + "\n";
    let check = |bytes: &[u8], part: &str| {
        let answer = say(bytes);
        assert!(answer.contains(part) && answer.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{part} is not in {answer}");
    };
    check(b"GET / HTTP/1.1\r\n\r\n", "it is not JSON");
    check(b"\xff\xfe\x00\n", "it is not JSON");
    check(b"{}\n", "it has no version");
    check(b"{\"version\":99,\"do\":\"status\"}\n", "version 99");
    check(b"{\"version\":1,\"do\":\"explode\"}\n", "explode");
    check(long.as_bytes(), "longer than 1048576 bytes");
    check("[".repeat(100_000).as_bytes(), "");
    check(&[&b"[".repeat(100_000)[..], b"\n"].concat(), "it is not JSON");
    check(b"{\"version\":1,\"do\":\"status\"}\n{\"version\":1,\"do\":\"status\"}\nrubbish\n", "\"answer\":\"error\"");
    assert_eq!(say(b""), "");
    // Many that say nothing: there is no room for another until they are hung up on, and the job runs on.
    let idle: Vec<UnixStream> = (0..16).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    running.until_poll(|| say(b"{\"version\":1,\"do\":\"status\"}\n").contains("16 commands are waiting"));
    assert_eq!(listed(&folder, false), [state("words", "not answering")]);
    drop(idle);
    running.until_poll(|| listed(&folder, false) == [state("words", "running")]);
    drop(interrupt(running));
}

/// A job with a place for savepoints.
fn with_savepoints(name: &str) -> String {
    endless(name) + "savepoint-dir = \"savepoints\"\n"
}

/// The folder of the only savepoint, as a command printed it.
fn savepoint_of(ended: &Ended, folder: &JobFolder) -> String {
    let path = ended.text().trim_end().to_owned();
    assert_eq!(ended.text(), format!("{path}\n"), "it stands alone on its line");
    assert!(path.contains("savepoint-") && folder.path().join(&path).join("_metadata").is_file(), "{path}");
    path
}

#[test]
fn a_savepoint_is_taken_and_the_job_goes_on() {
    let folder = JobFolder::new();
    let (running, id) = start(&folder, &with_savepoints("words"));
    drop(savepoint_of(&folder.weir(&["savepoint", "words"]).run().with_code(0), &folder));
    let elsewhere = savepoint_of(&folder.weir(&["savepoint", &id[..8], "other", "--include-plugins"]).run().with_code(0), &folder);
    assert!(elsewhere.contains("/other/"), "{elsewhere}");
    assert_eq!(listed(&folder, false), [state("words", "running")]);
    let ended = folder.weir(&["savepoint", "words", "--detached"]).run().with_code(0);
    assert_eq!(ended.text(), "");
    running.until_poll(|| folder.names("savepoints").len() == 2);
    drop(folder.weir(&["savepoint", "words", "/dev/null/x"]).run().failed(2, &[], &[]));
    drop(interrupt(running));
    // Without a place for them.
    let folder = JobFolder::new();
    let (running, _) = start(&folder, &endless("words"));
    let told = folder.weir(&["savepoint", "words"]).run().failed(2, &[], &[]);
    assert!(told.remedy.contains("savepoint-dir"), "{told:?}");
    drop(interrupt(running));
}

#[test]
fn a_job_is_stopped_with_a_savepoint() {
    for arguments in [&["stop", "words"][..], &["stop", "words", "--drain"], &["stop", "words", "-p", "savepoints"]] {
        let folder = JobFolder::new();
        let (running, _) = start(&folder, &with_savepoints("words"));
        let path = savepoint_of(&folder.weir(arguments).run().with_code(0), &folder);
        // It has ended by now.
        assert_eq!(listed(&folder, true), [state("words", "stopped")]);
        let ended = running.wait().with_code(4);
        assert!(ended.stderr.contains(&path), "{}", ended.stderr);
        assert_eq!(folder.summary().outcome(), "stopped");
        assert!(folder.weir(&["info", "words"]).run().with_code(0).text().contains(&path));
    }
}

#[test]
fn a_job_is_cancelled_with_and_without_a_savepoint() {
    for arguments in [&["cancel", "words"][..], &["cancel", "words", "-s"], &["cancel", "words", "-s", "savepoints"]] {
        let folder = JobFolder::new();
        let (running, _) = start(&folder, &with_savepoints("words"));
        let ended = folder.weir(arguments).run().with_code(0);
        if arguments.contains(&"-s") {
            drop(savepoint_of(&ended, &folder));
        } else {
            assert_eq!(ended.text(), "");
        }
        assert_eq!(listed(&folder, true), [state("words", "cancelled")]);
        drop(running.wait().with_code(4));
        assert_eq!(folder.summary().outcome(), "cancelled");
    }
}

#[test]
fn the_first_signal_stops_with_a_savepoint_if_there_is_a_place_for_it() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let folder = JobFolder::new();
        let (running, _) = start(&folder, &with_savepoints("words"));
        running.signal(signal);
        let ended = running.wait().with_code(4);
        assert!(ended.stderr.contains("-s ") && ended.stderr.contains("savepoint-words-"), "{}", ended.stderr);
        assert_eq!(folder.names("savepoints").len(), 1);
        assert_eq!(listed(&folder, true), [state("words", "stopped")]);
    }
    // Where none can be written, the job ends with a checkpoint all the same.
    let folder = JobFolder::new();
    let (running, _) = start(&folder, &with_savepoints("words").replace("\"savepoints\"", "\"/dev/null/x\""));
    drop(interrupt(running));
    assert_eq!(listed(&folder, true), [state("words", "interrupted")]);
}

#[test]
fn an_operator_is_swapped_and_the_status_says_so() {
    let folder = JobFolder::new();
    let (running, _) = start(&folder, &endless("words"));
    // The same code under another digest: a custom section at the end changes nothing else.
    let other = [fs::read(weir_tests::built::plugin("word_count")).unwrap(), b"\x00\x03\x01xy".to_vec()].concat();
    folder.write("other.wasm", other);
    let swapped = json(&folder.weir(&["swap", "words", "tokenize", "count", "other.wasm", "--json"]).run().with_code(0));
    let digest = swapped["swap"]["digest"].as_str().unwrap();
    assert_eq!(swapped["swap"]["before"].as_array().unwrap().len(), 2);
    let info = json(&folder.weir(&["info", "words", "--json"]).run().with_code(0));
    assert_eq!(info["status"]["swap"], Value::Null, "it is over: {info}");
    for node in [1, 2] {
        let node = &info["status"]["nodes"][node];
        assert_eq!((node["digest"].as_str(), node["swapped"].as_bool()), (Some(digest), Some(true)), "{info}");
    }
    let history = json(&folder.weir(&["swap", "--history", "words", "--json"]).run().with_code(0));
    assert_eq!((history[0]["to"].as_str(), history[0]["outcome"].as_str()), (Some(digest), Some("live")), "{history}");
    drop(folder.weir(&["swap", "words", "none", "other.wasm"]).run().failed(2, &[], &["none"]));
    drop(interrupt(running));
}
