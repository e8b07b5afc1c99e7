//! What a job does about records, files and functions that go wrong: it fails at once and says what, or goes on without them and counts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

use std::fs;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use weir_tests::built;
use weir_tests::job::{FAULTY, JobFolder, WORD_COUNT, final_counts_in_order};
use weir_tests::process::Ended;

/// The SHA-256 of the faulty plugin, as weir says it.
fn digest(folder: &JobFolder) -> String {
    let ended = folder.weir(&["plugin", "describe", built::plugin("faulty").to_str().unwrap(), "--json"]).run().with_code(0);
    serde_json::from_slice::<Value>(&ended.stdout).unwrap()["digest"].as_str().unwrap().to_owned()
}

/// Lines through a function of the faulty plugin into `out`, and its dead letters, if it has any, into `dead`.
fn job(function: &str, on_error: &str) -> String {
    let dead = if on_error == "dead-letter" {
        "[sinks.dead]\nconnector = \"file\"\npath = \"dead\"\noverwrite = true\ninput = \"bad.dead-letter\"\n"
    } else {
        ""
    };
    format!(
        "[job]\nname = \"faulty\"\n{FAULTY}[sources.lines]\nconnector = \"file\"\npath = \"in.txt\"\nsplit-size = \"4KiB\"\n\
         [operators.bad]\nplugin = \"faulty\"\nfunction = \"{function}\"\ninput = \"lines\"\non-error = \"{on_error}\"\n\
         [sinks.out]\nconnector = \"file\"\npath = \"out\"\noverwrite = true\ninput = \"bad\"\n{dead}"
    )
}

/// A sink that its job never finished has part files under their unfinished names only, or none.
fn check_unfinished(folder: &JobFolder, sink: &str) {
    let names = folder.names(sink);
    assert!(names.iter().all(|name| name.starts_with("part-") && name.ends_with(".inprogress")), "{names:?}");
}

/// A dead letter must say whose record it was and why it is here, and hold the record.
fn check_dead_letter(line: &str, function: &str, digest: &str, why: &str) {
    let letter: Value = serde_json::from_str(line).unwrap();
    let text = |field: &str| letter[field].as_str().unwrap_or_else(|| panic!("{field} in {line}")).to_owned();
    assert_eq!((text("uid"), text("function"), text("value")), ("bad".to_owned(), function.to_owned(), "poison".to_owned()));
    assert_eq!(text("plugin"), format!("sha256:{digest}"));
    assert!(text("error").contains(why), "{line}");
    // No key, six bytes of value, no timestamp, the value.
    assert_eq!(text("row"), format!("ffffffff06000000{}{}", "0000000000000080", "706f69736f6e"));
    assert!(letter["key"].is_null() && letter["timestamp"].is_null(), "{line}");
}

/// A function that breaks on poison: the job fails with `why` in its words, or goes on without the poison.
fn check_function(function: &str, why: &str) {
    let folder = JobFolder::new();
    folder.write("in.txt", "a\npoison\nb\npoison\n");
    let digest = digest(&folder);

    let ended = folder.run(&job(function, "fail"), &["-p", "1"]);
    let place = format!("operator bad (function {function}, plugin sha256:{}", &digest[..12]);
    drop(ended.failed(1, &[&place], &[why]));
    check_unfinished(&folder, "out");
    let summary = folder.summary();
    assert_eq!((summary.outcome(), summary.0["error"]["kind"].as_str()), ("failed", Some("job")));

    drop(folder.run(&job(function, "skip"), &["-p", "1"]).with_code(0));
    assert_eq!(folder.parts("out"), ["a\nb\n"], "{function}");
    assert_eq!((folder.summary().figure("bad", "skipped"), folder.summary().figure("bad", "dead_letters")), (2, 0));

    drop(folder.run(&job(function, "dead-letter"), &["-p", "1"]).with_code(0));
    assert_eq!(folder.parts("out"), ["a\nb\n"], "{function}");
    let dead = folder.parts("dead").concat();
    assert_eq!(dead.lines().count(), 2, "{dead}");
    dead.lines().for_each(|line| check_dead_letter(line, function, &digest, why));
    assert_eq!((folder.summary().figure("bad", "skipped"), folder.summary().figure("bad", "dead_letters")), (0, 2));
}

#[test]
fn a_record_that_breaks_a_function_fails_the_job_or_is_left_out() {
    check_function("trap", "unreachable");
    check_function("loop", "deadline of 100 ms");
    check_function("memory-bomb", "memory limit of 16384 KiB");
    check_function("recursion", "call stack is exhausted");
    check_function("failure-row", "this record is poison");
    check_function("failure-whole", "there is poison in this call");
    check_function("failure-row-out-of-range", "refused record 1000000");
}

#[test]
fn a_function_that_always_breaks_emits_nothing() {
    for (function, why) in
        [("trap-always", "unreachable"), ("lying-rows", "malformed rows"), ("undeclared-output", "output 9"), ("bad-pointer", "pointer")]
    {
        let folder = JobFolder::new();
        folder.write("in.txt", "poison\npoison\npoison\n");
        let digest = digest(&folder);
        drop(folder.run(&job(function, "fail"), &["-p", "1"]).failed(1, &["operator bad", function, &digest[..12]], &[why]));
        check_unfinished(&folder, "out");
        drop(folder.run(&job(function, "dead-letter"), &["-p", "1"]).with_code(0));
        assert_eq!(folder.parts("out").concat(), "", "{function}");
        assert_eq!(folder.parts("dead").concat().lines().count(), 3, "{function}");
        assert_eq!(folder.summary().figure("bad", "dead_letters"), 3);
    }
}

#[test]
fn every_record_comes_out_once_or_is_a_dead_letter() {
    let folder = JobFolder::new();
    let line = |number: u32| if number % 271 == 5 { "poison\n".to_owned() } else { format!("line {number}\n") };
    let text: String = (0..20_000).map(line).collect();
    folder.write("in.txt", &text);
    let mut expected: Vec<&str> = text.lines().collect();
    expected.sort_unstable();
    for (function, parallelism) in [("trap", 1), ("trap", 4), ("failure-row", 4), ("failure-whole", 2)] {
        drop(folder.run(&job(function, "dead-letter"), &["-p", &parallelism.to_string()]).with_code(0));
        let (out, dead) = (folder.parts("out"), folder.parts("dead").concat());
        let mut found: Vec<&str> = out.iter().flat_map(|part| part.lines()).collect();
        found.extend(dead.lines().map(|letter| if letter.contains("\"value\":\"poison\"") { "poison" } else { letter }));
        found.sort_unstable();
        assert!(found == expected, "{function} at {parallelism}: {} records for {}", found.len(), expected.len());
        let summary = folder.summary();
        let dead = dead.lines().count() as u64;
        assert_eq!((summary.figure("lines", "records_out"), summary.figure("bad", "records_in")), (20_000, 20_000));
        assert_eq!((summary.figure("bad", "dead_letters"), summary.figure("dead", "records_in")), (dead, dead));
        assert_eq!((summary.figure("bad", "records_out"), summary.figure("out", "records_in")), (20_000 - dead, 20_000 - dead));
        // In one subtask the order is that of the input.
        let good: String = text.lines().filter(|line| *line != "poison").map(|line| format!("{line}\n")).collect();
        assert!(parallelism > 1 || out.concat() == good, "{function}: the order has changed");
    }
}

#[test]
fn a_failing_operator_ends_a_job_without_end() {
    // The other subtasks have work for ever; the poison comes from a file beside the generator.
    let folder = JobFolder::new();
    folder.write("in.txt", "poison\n");
    for (function, why) in [("trap", "unreachable"), ("loop", "deadline"), ("failure-row", "this record is poison")] {
        let toml = job(function, "fail").replace("input = \"lines\"", "inputs = [\"lines\", \"words\"]")
            + "[sources.words]\nconnector = \"generator\"\nkind = \"zipf-words\"\n";
        let ended = folder.job(&toml, &["-p", "4"]).limit(Duration::from_secs(20)).run();
        assert!(ended.took < Duration::from_secs(5), "{function} took {:?}", ended.took);
        drop(ended.failed(1, &["operator bad", function], &[why]));
        let names = folder.names("out");
        assert!(names.iter().all(|name| name.ends_with(".inprogress")), "{names:?}");
    }
}

#[test]
fn a_function_that_does_not_open_leaves_nothing_behind() {
    for (function, why) in [("open-fails", "this function never opens"), ("open-traps", "unreachable"), ("open-loops", "deadline of 100 ms")] {
        let folder = JobFolder::new();
        folder.write("in.txt", "a\n");
        let ended = folder.job(&job(function, "skip"), &["-p", "2"]).run();
        let told = ended.failed(1, &["operator bad", function, "plugin sha256:"], &[why]);
        assert!(!folder.path().join("out").exists(), "{told:?}");
    }
}

#[test]
fn a_config_that_a_function_refuses_is_told_before_anything_runs() {
    let folder = JobFolder::new();
    folder.write("in.txt", "a\n");
    let toml = "[job]\nname = \"guard\"\n[plugins.guard]\npath = \"${PLUGINS}/ssh_guard.wasm\"\n[sources.log]\nconnector = \"file\"\npath = \"in.txt\"\n\
                [operators.parse]\nplugin = \"guard\"\nfunction = \"parse\"\ninput = \"log\"\n\
                [operators.suspects]\nplugin = \"guard\"\nfunction = \"suspects\"\ninput = \"parse\"\nconfig = { failures = 0 }\n\
                [sinks.out]\nconnector = \"file\"\npath = \"out\"\ninput = \"suspects\"\n";
    let told = folder.run(toml, &[]).failed(1, &["operator suspects", "function suspects"], &["must be 1 or more"]);
    assert!(told.remedy.contains("config"), "{told:?}");
    assert!(!folder.path().join("out").exists());
}

/// Lines, or what `keys` say, of `path` into `out`.
fn copy(path: &str, keys: &str) -> String {
    format!(
        "[job]\nname = \"copy\"\nparallelism = 1\n[sources.lines]\nconnector = \"file\"\npath = \"{path}\"\n{keys}\n\
         [sinks.out]\nconnector = \"file\"\npath = \"out\"\noverwrite = true\ninput = \"lines\"\n"
    )
}

/// A file that is bad at `place`: the job fails and says so, or goes on with `rest`, and `skipped` are counted.
fn check_file(name: &str, keys: &str, content: &[u8], place: &[&str], why: &str, rest: &str, skipped: u64) {
    let folder = JobFolder::new();
    folder.write(name, content);
    let ended = folder.run(&copy(name, keys), &[]);
    let what: Vec<&str> = ["source `lines`", name].into_iter().chain(place.iter().copied()).collect();
    drop(ended.failed(1, &what, &[why]));
    check_unfinished(&folder, "out");
    drop(folder.run(&copy(name, &format!("{keys}\non-error = \"skip\"")), &[]).with_code(0));
    assert_eq!(folder.parts("out"), [rest], "{name}");
    let summary = folder.summary();
    assert_eq!((summary.figure("lines", "skipped"), summary.figure("out", "records_in")), (skipped, rest.lines().count() as u64), "{name}");
}

#[test]
fn bad_input_is_named_with_file_and_line_or_left_out_and_counted() {
    check_file("in.txt", "", b"one\ntwo\nx\xffy\nthree\n\xc3\nfour", &["line 3", "byte 9"], "0xff is not UTF-8", "one\ntwo\nthree\nfour\n", 2);
    check_file("in.txt", "line-bytes-max = 4", b"1234\n12345\n123", &["line 2"], "longer than 4 bytes", "1234\n123\n", 1);
    check_file("in.jsonl", "format = \"json-lines\"", b"{}\n\n[1\n7\n", &["line 3"], "not JSON", "{}\n7\n", 1);
    check_file("in.jsonl", "format = \"json-lines\"\nkey = \"k\"", b"{\"k\":1}\n{}\n", &["line 2"], "`k`", "1\t{\"k\":1}\n", 1);
    let json = "{\"a\":\"1\",\"b\":\"2\"}\n{\"a\":\"3\",\"b\":\"4\"}\n";
    check_file("in.csv", "format = \"csv\"", b"a,b\n1,2\nx\n3,4\n", &["line 3"], "1 fields where the first line names 2", json, 1);
}

#[test]
fn a_torn_gzip_is_named_with_its_place_or_read_up_to_it() {
    let text: String = (0..50_000).map(|number: u64| format!("{:x}\n", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let mut flipped = packed.clone();
    let last = flipped.len() - 6;
    flipped[last] ^= 1;
    for (bytes, least) in
        [(&packed[..packed.len() / 2], 10_000), (&packed[..packed.len() - 3], 40_000), (&flipped[..], 40_000), (b"no gzip at all", 0)]
    {
        let folder = JobFolder::new();
        folder.write("in.gz", bytes);
        drop(folder.run(&copy("in.gz", ""), &[]).failed(1, &["source `lines`", "in.gz", "line "], &["gzip", "torn or damaged"]));
        check_unfinished(&folder, "out");
        drop(folder.run(&copy("in.gz", "on-error = \"skip\""), &[]).with_code(0));
        let out = folder.parts("out").concat();
        assert!(text.starts_with(&out) && (out.is_empty() || out.ends_with('\n')), "{} bytes", out.len());
        assert!(out.lines().count() >= least, "{} lines", out.lines().count());
        assert_eq!(folder.summary().figure("lines", "skipped"), 1);
    }
}

#[test]
fn a_file_that_is_not_there_is_a_mistake_of_the_job_file() {
    let folder = JobFolder::new();
    let check = |path: &str, why: &str| {
        let ended = folder.run(&copy(path, ""), &[]);
        drop(ended.failed(2, &["job.toml:6", "[sources.lines] path"], &[why, path]));
        assert!(!folder.path().join("out").exists() && !folder.path().join("summary.json").exists(), "{path}");
    };
    check("none.txt", "there is no file");
    check("none/*.txt", "no file matches");
    folder.write("empty/.hidden", "");
    check("empty", "there is no file in the folder");
    // A pipe could keep the job from ever ending.
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap().success());
    check("pipe", "pipe");
    // One of several may be missing if the source leaves out what is bad.
    folder.write("a.txt", "a\n");
    let toml = copy("a.txt", "on-error = \"skip\"").replace("\"a.txt\"", "[\"a.txt\", \"none.txt\"]");
    drop(folder.run(&toml, &[]).with_code(0));
    assert_eq!((folder.parts("out").concat().as_str(), folder.summary().figure("lines", "skipped")), ("a\n", 1));
}

#[test]
fn an_output_folder_with_results_is_not_written_over() {
    let folder = JobFolder::new();
    folder.write("in.txt", "new\n");
    folder.write("out/part-0-0.txt", "old\n");
    folder.write("out/notes.md", "mine");
    let toml = copy("in.txt", "");
    let careful = toml.replace("overwrite = true\n", "");
    let told = folder.run(&careful, &[]).failed(2, &["job.toml:", "[sinks.out] path"], &["part-0-0.txt"]);
    assert!(told.remedy.contains("overwrite"), "{told:?}");
    assert_eq!(folder.parts("out"), ["mine", "old\n"]);
    // With leave it is replaced, but not before the job has ended well.
    folder.write("in.txt", b"new\nb\xffd\n");
    drop(folder.run(&toml, &[]).failed(1, &["line 2"], &["UTF-8"]));
    assert_eq!(fs::read_to_string(folder.path().join("out/part-0-0.txt")).unwrap(), "old\n");
    folder.write("in.txt", "new\n");
    drop(folder.run(&toml, &[]).with_code(0));
    assert_eq!(folder.parts("out"), ["mine", "new\n"]);
}

#[test]
fn a_sink_shares_its_folder_with_nobody() {
    let folder = JobFolder::new();
    folder.write("in.txt", "new\n");
    let two = copy("in.txt", "") + "[sinks.other]\nconnector = \"file\"\npath = \"./out\"\noverwrite = true\ninput = \"lines\"\n";
    drop(folder.run(&two, &[]).failed(2, &["sinks.other"], &["out"]));
    assert!(!folder.path().join("out").exists());
    // Nor with another run, whatever it may overwrite.
    let toml = copy("in.txt", "").replace("connector = \"file\"\npath = \"in.txt\"", "connector = \"stdin\"");
    let mut running = folder.job(&toml, &[]).holding_input().start();
    running.say("first\n");
    running.until_poll(|| folder.names("out") == ["part-0-0.txt.inprogress"]);
    drop(folder.run(&copy("in.txt", ""), &[]).failed(2, &["[sinks.out] path"], &["out"]));
    running.say("last\n");
    running.hang_up();
    drop(running.wait().with_code(0));
    assert_eq!(folder.parts("out"), ["first\nlast\n"]);
}

#[test]
fn a_failing_neighbour_does_not_disturb_what_was_counted_before() {
    // The words of lines that break the one operator are still counted by the other.
    let folder = JobFolder::new();
    folder.write("in.txt", "a b\npoison\nb c\n".repeat(500));
    let toml = format!(
        "[job]\nname = \"two\"\n{FAULTY}{WORD_COUNT}[sources.lines]\nconnector = \"file\"\npath = \"in.txt\"\n\
         [operators.bad]\nplugin = \"faulty\"\nfunction = \"trap\"\ninput = \"lines\"\non-error = \"skip\"\n\
         [operators.tokenize]\nplugin = \"word-count\"\nfunction = \"tokenize\"\ninputs = [\"bad\", \"lines\"]\n\
         [operators.count]\nplugin = \"word-count\"\nfunction = \"count\"\ninput = \"tokenize\"\n\
         [sinks.counts]\nconnector = \"print\"\ninput = \"count\"\n"
    );
    for parallelism in ["1", "3"] {
        let ended: Ended = folder.run(&toml, &["-p", parallelism]).with_code(0);
        let counts: Vec<(String, u64)> = final_counts_in_order(ended.text().lines()).into_iter().collect();
        assert_eq!(counts, [("a".into(), 1000), ("b".into(), 2000), ("c".into(), 1000), ("poison".into(), 500)]);
        assert_eq!(folder.summary().figure("bad", "skipped"), 500);
    }
}

#[test]
fn a_failure_is_reported_while_another_operator_is_stuck() {
    let folder = JobFolder::new();
    folder.write("in.txt", "poison\n");
    folder.write("bad.txt", b"good\n\xff\n");
    let toml = format!(
        "[job]\nname = \"stuck\"\nparallelism = 1\n{}\
         [sources.lines]\nconnector = \"file\"\npath = \"in.txt\"\n\
         [operators.stuck]\nplugin = \"faulty\"\nfunction = \"loop\"\ninput = \"lines\"\n\
         [sinks.out]\nconnector = \"blackhole\"\ninput = \"stuck\"\n\
         [sources.bad]\nconnector = \"file\"\npath = \"bad.txt\"\n\
         [sinks.bad-out]\nconnector = \"blackhole\"\ninput = \"bad\"\n",
        FAULTY.replace("100ms", "10min")
    );
    // Within the time that a process is waited for, which is far below ten minutes.
    drop(folder.run(&toml, &[]).failed(1, &["source `bad`", "bad.txt"], &["UTF-8"]));
}
