//! The command line as a user meets it: exit codes, messages, signals, closed pipes, full disks, and what is printed where.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

use std::cell::Cell;
use std::fs;
use std::time::Duration;

use serde_json::Value;
use weir_tests::built;
use weir_tests::job::{JobFolder, WORD_COUNT, check_counts, final_counts_in_order, word_count};
use weir_tests::oracle::count_words;
use weir_tests::process::{Ended, Out, Weir};

const PRINT: &str = "connector = \"print\"";
const FILES: &str = "connector = \"file\"\npath = \"out\"";
const SOURCE: &str = "connector = \"file\"\npath = \"in.txt\"";
/// Lines without end.
const ENDLESS: &str = "connector = \"generator\"\nkind = \"zipf-words\"\ndistinct = 1000";
/// How long a job may take to end once it was told to, on a crowded machine.
const PROMPT: Duration = Duration::from_secs(3);

fn json(ended: &Ended) -> Value {
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("not JSON ({error}): {}", ended.text()))
}

/// A folder with four lines to read.
fn four_lines() -> JobFolder {
    let folder = JobFolder::new();
    folder.write("in.txt", "one two\ntwo three\nthree three\nend\n");
    folder
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    let folder = four_lines();
    let check = |arguments: &[&str], part: &str| {
        let ended = folder.weir(arguments).run().with_code(2);
        assert!(ended.stderr.contains(part), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stdout.is_empty(), "{arguments:?}: {}", ended.text());
    };
    check(&[], "Usage: weir");
    check(&["rum", "job.toml"], "run");
    check(&["run"], "JOB.toml");
    check(&["run", "job.toml", "--paralelism", "2"], "--parallelism");
    check(&["run", "job.toml", "-p", "0"], "1 to 32768");
    check(&["run", "job.toml", "-D", "nothing"], "KEY=VALUE");
    check(&["plugin"], "Usage:");
    check(&["completions", "no-shell"], "bash");
    check(&["man", "rum"], "rum");
    check(&["run", "none.toml"], "none.toml");
    check(&["plan", "."], "directory");
    // The same as JSON, for programs.
    let ended = folder.weir(&["plan", "none.toml", "--json"]).run().with_code(2);
    let error: Value = serde_json::from_str(ended.stderr.trim()).unwrap();
    let parts = ["kind", "what", "why", "do"].map(|part| error["error"][part].as_str().unwrap_or_else(|| panic!("{part} in {error}")).to_owned());
    assert!(parts[0] == "usage" && parts[1].contains("none.toml"), "{parts:?}");
}

#[test]
fn a_mistake_in_the_job_file_is_told_with_its_line_and_a_suggestion() {
    let folder = four_lines();
    let good = word_count(SOURCE, PRINT);
    let check = |from: &str, to: &str, line_of: &str, code: i32, why: &str, remedy: &str| {
        let toml = good.replacen(from, to, 1);
        assert_ne!(toml, good, "{from}");
        let line = 1 + toml.lines().position(|line| line.contains(line_of)).unwrap();
        for command in ["run", "plan"] {
            folder.write("job.toml", &toml);
            let ended = folder.weir(&[command, "job.toml"]).run();
            assert!(ended.stdout.is_empty(), "{}", ended.text());
            let told = ended.failed(code, &[&format!("job.toml:{line}")], &[why]);
            assert!(told.remedy.contains(remedy), "{told:?}");
        }
    };
    check("path = \"in.txt\"", "pth = \"in.txt\"", "pth", 2, "`path` is missing", "did you mean `path`?");
    check("name = \"test\"", "name = \"test\"\nparalelism = 2", "paralelism", 2, "no key `paralelism`", "did you mean `parallelism`?");
    check("[sinks.counts]", "[sinkz.counts]", "sinkz", 2, "no table [sinkz]", "did you mean `sinks`?");
    check("function = \"count\"", "function = \"cuont\"", "[operators.count]", 2, "no function `cuont`", "did you mean `count`?");
    check("connector = \"print\"", "connector = \"prnt\"", "[sinks.counts]", 2, "no sink connector `prnt`", "did you mean `print`?");
    check("input = \"lines\"", "input = \"line\"", "input = \"line\"", 2, "line", "did you mean `lines`?");
    check(
        "plugin = \"word-count\"\nfunction = \"count\"",
        "plugin = \"word\"\nfunction = \"count\"",
        "plugin = \"word\"",
        2,
        "[plugins.word]",
        "word-count",
    );
    check("input = \"lines\"", "input = \"count\"", "[operators.", 2, "", "");
    check("[sinks.counts]", "[sinks.tokenize]", "[sinks.tokenize]", 2, "`tokenize` is the UID of", "");
    check("word_count.wasm", "none.wasm", "[plugins.word-count]", 2, "can't be read", "");
    check("${PLUGINS}", "${PLUGGED_IN}", "PLUGGED_IN", 2, "PLUGGED_IN", "");
    check("name = \"test\"", "name = \"test", "name = \"test", 2, "", "");
    // What doesn't fit together has an exit code of its own.
    check("input = \"tokenize\"", "inputs = [\"tokenize\", \"lines\"]", "[operators.count]", 3, "without a key", "");
    // Nobody reads it, and in a circle.
    check("input = \"tokenize\"", "input = \"lines\"", "[operators.tokenize]", 2, "nobody reads its output", "blackhole");
    check("input = \"lines\"", "inputs = [\"lines\", \"count\"]", "[operators.", 2, "", "");
}

#[test]
fn codecs_that_do_not_fit_end_with_3() {
    let folder = four_lines();
    let json_lines = "connector = \"file\"\npath = \"in.txt\"\nformat = \"json-lines\"";
    let told = folder.run(&word_count(json_lines, PRINT), &[]).failed(3, &["job.toml:", "[operators.tokenize]"], &["`utf8`", "`json`"]);
    assert!(!told.remedy.is_empty());
}

#[test]
fn a_plan_starts_nothing() {
    let folder = JobFolder::new();
    folder.write("job.toml", word_count(SOURCE, FILES));
    // Neither is the input there, nor does the output appear.
    let ended = folder.weir(&["plan", "job.toml", "-p", "3"]).run().with_code(0);
    for part in ["lines", "tokenize", "count", "counts", "hash", "utf8", "u64-le"] {
        assert!(ended.text().contains(part), "{part} in {}", ended.text());
    }
    let plan = json(&folder.weir(&["plan", "job.toml", "-p", "3", "--json"]).run().with_code(0));
    assert_eq!((plan["job"].as_str(), plan["max_parallelism"].as_u64(), plan["tasks"].as_u64()), (Some("test"), Some(128), Some(6)));
    assert_eq!(plan["chains"], serde_json::json!([["lines", "tokenize"], ["count", "counts"]]));
    assert_eq!(plan["contract"], "weir:operator/operator@0.1.0");
    let nodes: Vec<_> =
        plan["nodes"].as_array().unwrap().iter().map(|node| (node["uid"].as_str().unwrap(), node["kind"].as_str().unwrap())).collect();
    assert_eq!(nodes, [("lines", "source"), ("tokenize", "operator"), ("count", "operator"), ("counts", "sink")]);
    assert!(plan["nodes"].as_array().unwrap().iter().all(|node| node["parallelism"] == 3));
    let count = &plan["nodes"][2];
    assert_eq!((count["function"].as_str(), count["keyed"].as_bool(), count["on_error"].as_str()), (Some("count"), Some(true), Some("fail")));
    assert_eq!((count["states"][0]["name"].as_str(), count["states"][0]["codec"].as_str()), (Some("count"), Some("u64-le")));
    assert_eq!(count["digest"].as_str().unwrap().len(), 64);
    let edges: Vec<_> = plan["edges"].as_array().unwrap().iter().map(|edge| edge["exchange"].as_str().unwrap()).collect();
    assert_eq!(edges, ["forward", "hash", "forward"]);
    let files: Vec<_> = folder.names("").into_iter().collect();
    assert_eq!(files, ["job.toml"]);
}

#[test]
fn the_summary_adds_up() {
    let folder = four_lines();
    let ended = folder.run(&word_count(SOURCE, FILES), &["-p", "2", "--json"]).with_code(0);
    // The same figures on standard output and in the file.
    let summary = folder.summary();
    assert_eq!(json(&ended), summary.0);
    assert_eq!(summary.check_flow(&["lines", "tokenize", "count", "counts"]), 7);
    assert_eq!((summary.figure("lines", "records_out"), summary.figure("count", "keys"), summary.figure("counts", "records_out")), (4, 4, 7));
    assert_eq!((summary.0["records_read"].as_u64(), summary.0["bytes_read"].as_u64()), (Some(4), Some(34)));
    assert_eq!(summary.0["bytes_read"].as_u64(), Some(summary.figure("lines", "bytes_in")));
    for seconds in ["seconds", "cpu_seconds", "startup_seconds"] {
        assert!(summary.0[seconds].as_f64().is_some_and(|seconds| (0.0..60.0).contains(&seconds)), "{seconds} in {}", summary.0);
    }
    assert!(summary.0["peak_rss_bytes"].as_u64().is_some_and(|bytes| (1 << 20..1 << 30).contains(&bytes)), "{}", summary.0);
    // For a person: on standard error, and not at all if that isn't wanted. Records only on standard output.
    let ended = folder.run(&word_count(SOURCE, PRINT), &[]).with_code(0);
    assert!(ended.stderr.contains("RECORDS IN") && ended.stderr.contains("tokenize"), "{}", ended.stderr);
    check_counts(&final_counts_in_order(ended.text().lines()), &count_words("one two two three three three end"), "printed");
    assert_eq!(folder.run(&word_count(SOURCE, PRINT), &["--quiet"]).with_code(0).stderr, "");
    // Two kinds of data can't share standard output, and a summary needs its place before the job runs.
    drop(folder.run(&word_count(SOURCE, PRINT), &["--json"]).with_code(2));
    folder.write("job.toml", word_count(SOURCE, FILES).replace("\"out\"", "\"other\""));
    let ended = folder.weir(&["run", "job.toml", "--summary", "none/summary.json"]).run();
    drop(ended.failed(2, &["none/summary.json"], &["none"]));
    assert!(!folder.path().join("other").exists());
}

/// Interrupts an endless word count once it has written something, and checks that what came out is whole.
fn check_interrupted(signal: libc::c_int, parallelism: &str) {
    let folder = JobFolder::new();
    let running = folder.job(&word_count(ENDLESS, PRINT), &["-p", parallelism]).start();
    let before = running.until_stdout(|bytes| bytes.len() > 200_000);
    running.signal(signal);
    let ended = running.wait().with_code(4);
    assert!(ended.took - before < PROMPT, "it took {:?} to end", ended.took - before);
    assert_eq!(ended.stdout.last(), Some(&b'\n'), "a line breaks off");
    let words: u64 = final_counts_in_order(ended.text().lines()).values().sum();
    let summary = folder.summary();
    assert_eq!((summary.outcome(), summary.check_flow(&["lines", "tokenize", "count", "counts"])), ("interrupted", words));
    assert!(!ended.stderr.contains("error:"), "{}", ended.stderr);
}

#[test]
fn a_signal_ends_the_sources_and_loses_nothing() {
    check_interrupted(libc::SIGINT, "1");
    check_interrupted(libc::SIGINT, "4");
    check_interrupted(libc::SIGTERM, "2");
}

#[test]
fn a_job_that_waits_for_input_obeys_a_signal() {
    let folder = JobFolder::new();
    let mut running = folder.job(&word_count("connector = \"stdin\"", PRINT), &["-p", "2"]).holding_input().start();
    running.say("the last words\n");
    let before = running.until_stdout(|bytes| bytes.iter().filter(|byte| **byte == b'\n').count() == 3);
    running.signal(libc::SIGINT);
    let ended = running.wait().with_code(4);
    assert!(ended.took - before < PROMPT, "it took {:?} to end", ended.took - before);
    check_counts(&final_counts_in_order(ended.text().lines()), &count_words("the last words"), "before the signal");
}

#[test]
fn an_interrupted_file_sink_is_finished() {
    // The second is a trickle, so that its sources are asleep when the signal comes.
    for (rate, parallelism) in [("", 3), ("\nrate = 20", 2)] {
        let folder = JobFolder::new();
        let toml = word_count(&format!("{ENDLESS}{rate}"), FILES);
        let running = folder.job(&toml, &["-p", &parallelism.to_string()]).start();
        let size = |name: &String| fs::metadata(folder.path().join("out").join(name)).map_or(0, |file| file.len());
        // There is nothing on standard output to wait for, so the folder is looked at until there is enough in it.
        running.until_poll(|| folder.names("out").iter().map(size).sum::<u64>() > 100);
        running.signal(libc::SIGINT);
        let ended = running.wait().with_code(4);
        assert!(ended.stderr.contains("SIGINT"), "{}", ended.stderr);
        let parts = folder.parts("out");
        assert_eq!(parts.len(), parallelism);
        assert!(parts.iter().all(|part| part.is_empty() || part.ends_with('\n')));
        let words: u64 = final_counts_in_order(parts.concat().lines()).values().sum();
        assert_eq!(folder.summary().check_flow(&["lines", "tokenize", "count", "counts"]), words);
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    // Nobody reads standard output, so the first signal can't be obeyed.
    let folder = JobFolder::new();
    let running = folder.job(&word_count(ENDLESS, PRINT), &["-p", "2"]).out(Out::Unread).start();
    // The pipe is full when no more goes in for a while.
    let (bytes, looks) = (Cell::new(0), Cell::new(0));
    running.until_poll(|| {
        let more = bytes.replace(running.unread_bytes()) != bytes.get() || bytes.get() < 30_000;
        looks.set(if more { 0 } else { looks.get() + 1 });
        looks.get() == 50
    });
    running.signal(libc::SIGINT);
    let before = running.until_stderr(|said| said.windows(6).any(|word| word == b"SIGINT"));
    running.signal(libc::SIGINT);
    let ended = running.wait().with_code(4);
    assert!(ended.took - before < PROMPT, "it took {:?} to end", ended.took - before);
    assert!(ended.stderr.contains("SIGINT again"), "{}", ended.stderr);
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_job_quietly() {
    let folder = JobFolder::new();
    for parallelism in ["1", "4"] {
        let ended = folder.job(&word_count(ENDLESS, PRINT), &["-p", parallelism, "-q"]).out(Out::Lines(3)).run().with_code(4);
        assert_eq!(ended.text().lines().count(), 3);
        assert!(ended.took < PROMPT + Duration::from_secs(1), "{:?}", ended.took);
        assert_eq!(ended.stderr, "", "nobody did anything wrong");
    }
    // Data of other commands too.
    for arguments in [&["man"][..], &["completions", "bash"], &["--help"]] {
        let ended = folder.weir(arguments).out(Out::Lines(0)).run();
        assert!([0, 4].contains(&ended.code) && ended.stderr.is_empty(), "{arguments:?}: {} {}", ended.code, ended.stderr);
    }
}

#[test]
fn a_full_disk_is_told() {
    let full = || Out::Into(fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into());
    let folder = four_lines();
    let ended = folder.job(&word_count(SOURCE, PRINT), &[]).out(full()).run();
    drop(ended.failed(1, &["sink `counts`", "standard output"], &["No space left"]));
    assert_eq!(folder.summary().outcome(), "failed");
    for arguments in [&["plan", "job.toml"][..], &["man"], &["completions", "zsh"], &["--version"]] {
        let told = folder.weir(arguments).out(full()).run().failed(1, &["standard output"], &["No space left"]);
        assert!(!told.remedy.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_under_a_file_sink_is_told() {
    let folder = JobFolder::new();
    fs::create_dir(folder.path().join("small")).unwrap();
    let mount = "mount -t tmpfs -o size=256k tmpfs small || exit 77; \"$@\"; code=$?; ls small/out >&2; exit $code";
    // In a mount namespace of its own: nothing is left to be undone.
    let wrapper = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"];
    let allowed = std::process::Command::new("unshare").args(["--user", "--map-root-user", "--mount", "true"]).status();
    folder.write("job.toml", word_count(ENDLESS, "connector = \"file\"\npath = \"small/out\""));
    let ended = match allowed {
        Ok(status) if status.success() => Weir::wrapped(&wrapper, folder.path(), &["run", "job.toml", "-p", "2"]).run(),
        _ => return println!("skipped: this machine lets nobody make a mount namespace, so there is no small disk to fill"),
    };
    if ended.code == 77 {
        return println!("skipped: this machine lets nobody mount a small disk to fill");
    }
    let listed = ended.stderr.clone();
    drop(ended.failed(1, &["sink `counts`", "small/out/part-"], &["No space left"]));
    assert!(listed.contains("part-0-0.txt.inprogress") && !listed.contains("part-0-0.txt\n"), "{listed}");
}

#[test]
fn completions_and_manual_pages_hold_the_commands() {
    let folder = JobFolder::new();
    for shell in ["bash", "zsh", "fish"] {
        let ended = folder.weir(&["completions", shell]).run().with_code(0);
        assert!(["weir", "plugin", "describe", "summary"].iter().all(|word| ended.text().contains(word)), "{shell}");
    }
    // The script is one that the shell can read.
    let script = folder.write("weir.bash", &folder.weir(&["completions", "bash"]).run().with_code(0).stdout);
    if let Ok(status) = std::process::Command::new("bash").arg("-n").arg(&script).status() {
        assert!(status.success(), "bash can't read its completion script");
    }
    for (words, parts) in [(&["man"][..], &[".TH weir 1", "plugin"][..]), (&["man", "run"], &[".TH weir-run 1", "parallelism"])] {
        let ended = folder.weir(words).run().with_code(0);
        assert!(parts.iter().all(|part| ended.text().contains(part)), "{words:?}: {}", ended.text());
    }
    for words in [&["--help"][..], &["help"], &["help", "run"], &["run", "--help"], &["plugin", "build", "--help"]] {
        let ended = folder.weir(words).run().with_code(0);
        assert!(ended.text().contains("Usage: weir") && ended.text().contains("weir run") | ended.text().contains("weir plugin"), "{}", ended.text());
    }
    let version = folder.weir(&["--version"]).run().with_code(0);
    assert!(version.text().starts_with("weir 0.") && version.text().contains("weir:operator/operator@"), "{}", version.text());
}

#[test]
fn keys_can_be_set_from_the_command_line() {
    let folder = four_lines();
    folder.write("other.txt", "other\n");
    let toml = word_count(SOURCE, PRINT);
    let ended = folder.run(&toml, &["-D", "sources.lines.path=other.txt", "-D", "parallelism.default=3"]).with_code(0);
    assert_eq!(ended.text(), "other\t1\n");
    assert_eq!(folder.summary().0["nodes"][0]["parallelism"], 3);
    // -p beats the key, and a node's own number beats both.
    drop(folder.run(&toml, &["-D", "parallelism.default=3", "-p", "2", "-D", "operators.count.parallelism=1"]).with_code(0));
    assert_eq!((folder.summary().0["nodes"][0]["parallelism"].as_u64(), folder.summary().0["nodes"][2]["parallelism"].as_u64()), (Some(2), Some(1)));
    let told = folder.run(&toml, &["-D", "sources.lines.pth=x"]).failed(2, &["sources.lines"], &["`pth`"]);
    assert!(told.remedy.contains("did you mean `path`?"), "{told:?}");
}

#[test]
fn a_plugin_is_compiled_once() {
    let folder = four_lines();
    let cache = folder.path().join("cache");
    let compiled = || fs::read_dir(cache.join("compiled")).into_iter().flatten().count();
    let toml = format!("{}{WORD_COUNT}", word_count(SOURCE, PRINT).replace(WORD_COUNT, ""));
    drop(folder.job(&toml, &["--no-cache"]).env("WEIR_CACHE_DIR", &cache).run().with_code(0));
    assert_eq!(compiled(), 0);
    for _ in 0..2 {
        drop(folder.job(&toml, &[]).env("WEIR_CACHE_DIR", &cache).run().with_code(0));
        assert_eq!(compiled(), 1);
    }
    // What is damaged there, or isn't a folder, costs time and nothing else.
    let file = fs::read_dir(cache.join("compiled")).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&file).unwrap();
    for damage in [&b"short"[..], &whole[..whole.len() / 2], &[&whole[..whole.len() - 1], b"x"].concat()] {
        fs::write(&file, damage).unwrap();
        let ended = folder.job(&toml, &[]).env("WEIR_CACHE_DIR", &cache).run().with_code(0);
        assert_eq!((ended.text().lines().count(), fs::read(&file).unwrap().len()), (7, whole.len()), "{}", ended.stderr);
    }
    let ended = folder.job(&toml, &[]).env("WEIR_CACHE_DIR", built::weir()).run().with_code(0);
    assert_eq!(ended.text().lines().count(), 7, "{}", ended.stderr);
}
