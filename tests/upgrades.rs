//! Code changes, state stays: savepoints, plans, migrations and swaps, by real processes, with nothing lost or doubled.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::Value;
use weir_tests::crash::{Expected, Promise};
use weir_tests::job::{JobFolder, WORD_COUNT};
use weir_tests::process::{Ended, Running};

/// Lines of made-up text: the same in every run.
const LINES: &str = "connector = \"generator\"\nkind = \"zipf-words\"\ndistinct = 300\nlines = 6000\nparallelism = 2\n";
/// Lines a second of a job that is to be met while it runs: it isn't done within what a test takes, however slow the machine.
const SLOW: &str = "rate = 100\n";
const KILLED: i32 = 128 + libc::SIGKILL;
const INTERRUPTED: i32 = 4;

/// A job that counts words by a function of the plugin `upgrades`, and passes its lines on; `count` are further lines of the operator's table.
fn job(function: &str, count: &str) -> String {
    format!(
        "[job]\nname = \"words\"\n[checkpointing]\ninterval = \"20ms\"\nsavepoint-dir = \"savepoints\"\n[restart]\nstrategy = \"fixed-delay\"\n\
         attempts = 20\ndelay = \"1ms\"\n{WORD_COUNT}[plugins.upgrades]\npath = \"${{PLUGINS}}/upgrades.wasm\"\n[sources.lines]\n{LINES}\
         [operators.tokenize]\nplugin = \"word-count\"\nfunction = \"tokenize\"\ninput = \"lines\"\n\
         [operators.count]\nplugin = \"upgrades\"\nfunction = \"{function}\"\ninput = \"tokenize\"\n{count}\n\
         [sinks.counts]\nconnector = \"file\"\npath = \"out/counts\"\ninput = \"count\"\n\
         [sinks.copy]\nconnector = \"file\"\npath = \"out/copy\"\ninput = \"lines\"\n"
    )
}

/// The lines, as a job without checkpoints prints them.
fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let folder = JobFolder::new();
        let toml = format!("[job]\nname = \"lines\"\n[sources.lines]\n{LINES}[sinks.out]\nconnector = \"print\"\ninput = \"lines\"\n");
        folder.run(&toml, &[]).with_code(0).text().to_owned()
    })
}

/// Every word counted, every line passed on, each once.
#[track_caller]
fn check_exact(folder: &JobFolder) {
    Expected::of(text(), Promise::ExactlyOnce).check(folder).unwrap_or_else(|why| panic!("{why}"));
}

/// The same job, so slow that it runs until it is told to end.
fn slow(toml: &str) -> String {
    toml.replace(LINES, &format!("{LINES}{SLOW}"))
}

/// Starts the job, slow, and waits until some of its output is committed.
fn start(folder: &JobFolder, toml: &str, arguments: &[&str]) -> Running {
    let running = folder.job(&slow(toml), arguments).start();
    until_found(&running);
    until_output(folder, &running);
    running
}

/// Waits until commands find the job: it says its id then.
fn until_found(running: &Running) {
    running.until_stderr(|bytes| String::from_utf8_lossy(bytes).lines().any(|line| line.starts_with("job ")));
}

fn until_output(folder: &JobFolder, running: &Running) {
    running.until_poll(|| folder.names("out/counts").iter().any(|name| !name.ends_with(".inprogress")));
}

/// Stops it with a savepoint in mid-stream, and gives the savepoint's path.
fn stop(folder: &JobFolder, running: Running) -> String {
    let path = folder.weir(&["stop", "words"]).run().with_code(0).text().trim().to_owned();
    drop(running.wait().with_code(INTERRUPTED));
    path
}

/// The savepoint of a job that was started and stopped.
fn stopped(folder: &JobFolder, toml: &str) -> String {
    let running = start(folder, toml, &["-p", "2"]);
    stop(folder, running)
}

/// Stops a slow job, lets `toml` do what is left, and checks what came out.
#[track_caller]
fn finish(folder: &JobFolder, running: Running, toml: &str) {
    let savepoint = stop(folder, running);
    drop(folder.run(toml, &["-s", &savepoint]).with_code(0));
    check_exact(folder);
}

fn json(folder: &JobFolder, words: &[&str]) -> Value {
    serde_json::from_slice(&folder.weir(words).run().with_code(0).stdout).unwrap()
}

#[test]
fn a_job_goes_on_from_a_savepoint_with_other_code_parallelism_and_backend() {
    let check = |before: &str, after: &str, arguments: &[&str]| {
        let folder = JobFolder::new();
        let savepoint = stopped(&folder, &job(before, ""));
        let words = [&["-s", savepoint.as_str()][..], arguments].concat();
        drop(folder.run(&job(after, ""), &words).with_code(0));
        check_exact(&folder);
    };
    check("count-1", "count-1", &[]);
    check("count-1", "count-1", &["-p", "3"]);
    check("count-1", "count-1", &["-p", "1", "-D", "state.backend=disk", "-D", "state.memory=1MiB"]);
    check("count-1", "count-2", &[]);
    check("count-1", "count-3", &["-p", "3"]);
    check("count-2", "count-3", &["-D", "state.backend=disk", "-D", "state.memory=1MiB"]);
    check("map-1", "map-2", &[]);
    check("list-1", "list-2", &["-p", "1"]);
}

#[test]
fn values_of_three_schema_versions_outlive_kills_and_restarts() {
    let folder = JobFolder::new();
    let savepoint = stopped(&folder, &job("count-1", ""));
    // Killed before all values are migrated, more than once.
    let killed = |function: &str, arguments: &[&str], points: &str| {
        drop(folder.job(&slow(&job(function, "")), arguments).env("WEIR_FAIL_POINTS", points).run().with_code(KILLED));
    };
    killed("count-2", &["-s", &savepoint], "some-notified=kill@3");
    killed("count-2", &[], "some-notified=kill@3");
    killed("count-3", &[], "some-notified=kill@3");
    drop(folder.run(&job("count-3", ""), &[]).with_code(0));
    check_exact(&folder);
}

#[test]
fn an_intermediate_savepoint_commits_nothing_and_starts_the_job_anew_from_there() {
    let folder = JobFolder::new();
    let running = start(&folder, &job("count-1", ""), &["-p", "2"]);
    let savepoint = folder.weir(&["savepoint", "words", "--include-plugins"]).run().with_code(0).text().trim().to_owned();
    finish(&folder, running, &job("count-1", ""));
    // The job's own output is newer than the savepoint: going back must be wanted.
    let told = folder.job(&job("count-1", ""), &["-s", &savepoint]).run().failed(2, &[], &[]);
    assert!(told.remedy.contains("overwrite"), "{told:?}");
    let again = job("count-1", "").replace("path = \"out/counts\"", "path = \"out/counts\"\noverwrite = true");
    let again = again.replace("path = \"out/copy\"", "path = \"out/copy\"\noverwrite = true");
    drop(folder.run(&again, &["-s", &savepoint]).with_code(0));
    check_exact(&folder);
    assert_eq!(folder.names(&format!("savepoints/{}/plugins", savepoint.rsplit('/').next().unwrap())).len(), 2);
    drop(folder.weir(&["savepoint", "verify", &savepoint]).run().with_code(0));
}

#[test]
fn a_claimed_savepoint_is_the_job_s_to_delete_and_another_is_not() {
    for (mode, is_left) in [("no-claim", true), ("claim", false)] {
        let folder = JobFolder::new();
        let savepoint = stopped(&folder, &job("count-1", ""));
        drop(folder.run(&job("count-1", ""), &["-s", &savepoint, "--claim-mode", mode]).with_code(0));
        check_exact(&folder);
        assert_eq!(std::path::Path::new(&savepoint).join("_metadata").exists(), is_left, "{mode}");
    }
}

#[test]
fn a_plan_says_what_becomes_of_each_node() {
    let folder = JobFolder::new();
    let savepoint = stopped(&folder, &job("count-1", "parallelism = 3"));
    let same = || job("count-1", "");
    let check = |toml: String, arguments: &[&str], code: i32, node: &str, verdict: &str, word: &str| {
        folder.write("plan.toml", toml);
        let words = [&["plan", "plan.toml", "-s", savepoint.as_str()][..], arguments].concat();
        let ended = folder.weir(&words).run().with_code(code);
        assert!(ended.text().contains(word), "{word:?} is not in:\n{}", ended.text());
        let words = [&words[..], &["--json"]].concat();
        let plan: Value = serde_json::from_slice(&folder.weir(&words).run().with_code(code).stdout).unwrap();
        let upgrade = &plan["upgrade"];
        assert_eq!(upgrade["possible"].as_bool(), Some(code == 0));
        let found = upgrade["nodes"].as_array().unwrap().iter().find(|one| one["uid"] == node).unwrap_or_else(|| panic!("{upgrade:#}"));
        assert_eq!(found["verdict"], verdict, "{node}: {found:#}");
    };
    let more = "[operators.more]\nplugin = \"upgrades\"\nfunction = \"count-1\"\ninput = \"tokenize\"\n[sinks.more-out]\nconnector = \"blackhole\"\ninput = \"more\"\n";
    let renamed = || same().replace("[operators.count]", "[operators.total]").replace("input = \"count\"", "input = \"total\"");
    let from = "function = \"count-1\"\nrenamed-from = \"count\"";
    check(same(), &[], 0, "count", "kept", "the job can go on from it");
    check(same(), &["-p", "1"], 0, "count", "kept", "kept");
    check(same() + more, &[], 0, "more", "new and empty", "new and empty");
    check(renamed(), &[], 3, "count", "incompatible", "renamed-from = \"count\"");
    check(renamed().replace("function = \"count-1\"", from), &[], 0, "total", "kept", "was count");
    check(renamed(), &["--drop-state", "count"], 0, "count", "dropped", "state is given up");
    check(renamed(), &["-n"], 0, "count", "dropped", "state is given up");
    check(job("count-2", ""), &[], 0, "count", "migrated", "v2");
    check(job("count-3", ""), &[], 0, "count", "migrated", "v3");
    check(job("count-2-no-migration", ""), &[], 3, "count", "incompatible", "there is no migration");
    check(job("count-json", ""), &[], 3, "count", "incompatible", "raise the schema version");
    check(job("count-map", ""), &[], 3, "count", "incompatible", "was a value and is a map now");
    check(job("count-and-last", ""), &[], 0, "count", "kept", "new and empty");
    check(job("last-only", ""), &[], 3, "count", "incompatible", "--drop-state count.count");
    check(job("last-only", ""), &["--drop-state", "count.count"], 0, "count", "dropped", "dropped");
    check(job("count-json", ""), &["--drop-state", "count"], 0, "count", "dropped", "dropped");
    check(job("stateless-count", ""), &[], 3, "count", "incompatible", "has no state `count` any more");
    check(same().replace("name = \"words\"", "name = \"words\"\nmax-parallelism = 64"), &[], 3, "count", "kept", "weir savepoint rekey");
    let plugin = same().replace("plugin = \"upgrades\"\nfunction = \"count-1\"", "plugin = \"word-count\"\nfunction = \"count\"");
    check(plugin, &[], 0, "count", "kept", "sha256:");
    // What is no savepoint.
    let foreign = |path: &str, code: i32, word: &str| {
        let ended = folder.weir(&["plan", "plan.toml", "-s", path]).run().with_code(code);
        assert!(ended.stderr.contains(word), "{word:?} is not in:\n{}", ended.stderr);
    };
    folder.write("plan.toml", same());
    folder.write("foreign/_metadata", "#!/bin/sh\necho no savepoint\n");
    let whole = std::fs::read(format!("{savepoint}/_metadata")).unwrap();
    folder.write("cut/_metadata", &whole[..whole.len() / 2]);
    foreign("foreign", 2, "mark of a manifest");
    foreign("cut", 1, "damaged, or was cut off");
    foreign("nowhere", 2, "there is no savepoint at nowhere");
}

#[test]
fn an_older_function_over_newer_state_is_refused_before_a_record_flows() {
    let folder = JobFolder::new();
    let savepoint = stopped(&folder, &job("count-2", ""));
    folder.write("plan.toml", job("count-1", ""));
    let ended = folder.weir(&["plan", "plan.toml", "-s", &savepoint]).run().with_code(3);
    assert!(ended.text().contains("the function is older: it knows version 1"), "{}", ended.text());
    let told = folder.job(&job("count-1", ""), &["-s", &savepoint]).run().failed(3, &[], &[]);
    assert!(told.why.contains("the function is older"), "{told:?}");
    drop(folder.run(&job("count-2", ""), &["-s", &savepoint]).with_code(0));
    check_exact(&folder);
}

/// The upgrades plugin with something behind it that changes nothing but its digest.
fn other_build(folder: &JobFolder, number: u8) -> String {
    let code = std::fs::read(weir_tests::built::plugin("upgrades")).unwrap();
    let name = format!("build-{number}.wasm");
    folder.write(&name, [code, vec![0, 3, 1, b'b', number]].concat());
    name
}

#[test]
fn versions_are_swapped_while_the_stream_flows() {
    let folder = JobFolder::new();
    let running = start(&folder, &job("count-1", ""), &["-p", "2"]);
    let builds = [other_build(&folder, 1), other_build(&folder, 2)];
    for build in builds.iter().cycle().take(10) {
        drop(folder.weir(&["swap", "words", "count", build]).run().with_code(0));
    }
    // Now with a migration, twice.
    for function in ["count-2", "count-3"] {
        drop(folder.weir(&["swap", "words", "count", &builds[0], "--function", function]).run().with_code(0));
    }
    let info = json(&folder, &["info", "words", "--json"]);
    assert_eq!(info["status"]["nodes"][2]["function"], "count-3", "{info:#}");
    let told = folder.weir(&["swap", "words", "count", &builds[0], "--function", "count-1"]).run().failed(3, &[], &[]);
    assert!(told.why.contains("the function is older"), "{told:?}");
    finish(&folder, running, &job("count-3", ""));
}

#[test]
fn a_swapped_version_outlives_the_process_and_the_job_file_s_is_not_taken_for_it() {
    for point in ["v2-compiled", "v2-instantiated", "v1-drained", "durable-not-notified", "some-notified"] {
        let folder = JobFolder::new();
        let build = other_build(&folder, 7);
        let at = if point.starts_with('v') { format!("{point}=kill@1") } else { format!("{point}=kill@40") };
        let running = folder.job(&slow(&job("count-1", "")), &["-p", "2"]).env("WEIR_FAIL_POINTS", &at).start();
        until_found(&running);
        // The process may be gone before it can answer.
        drop(folder.weir(&["swap", "words", "count", &build, "--function", "count-2"]).run());
        drop(running.wait());
        let running = folder.job(&job("count-1", ""), &["-p", "2"]).start();
        drop(running.wait().with_code(0));
        check_exact(&folder);
    }
}

#[test]
fn a_version_that_traps_on_trial_is_taken_back_with_its_state() {
    // At its first record, later, and when the process is killed while the old version returns.
    for (at, killed) in [(0, false), (40, false), (40, true)] {
        let folder = JobFolder::new();
        let build = other_build(&folder, 3);
        let points = if killed { "rollback-started=kill@1" } else { "some-acked=kill@100000" };
        let toml = job("count-1", &format!("config = {{ at = {at} }}"));
        let running = folder.job(&slow(&toml), &["-p", "2"]).env("WEIR_FAIL_POINTS", points).start();
        until_found(&running);
        until_output(&folder, &running);
        let swap = ["swap", "words", "count", &build, "--function", "trap-at", "--probation", "1000", "--json"];
        drop(folder.weir(&swap).run());
        if killed {
            drop(running.wait().with_code(KILLED));
            drop(folder.run(&toml, &["-p", "2"]).with_code(0));
            check_exact(&folder);
        } else {
            running.until_stderr(|bytes| String::from_utf8_lossy(bytes).contains("was taken back"));
            finish(&folder, running, &toml);
        }
    }
}

#[test]
fn a_shadow_run_tells_versions_apart_before_anything_is_swapped() {
    let folder = JobFolder::new();
    let running = start(&folder, &job("count-1", "config = { at = 20 }"), &["-p", "2"]);
    let build = other_build(&folder, 4);
    let shadow = ["swap", "words", "count", &build, "--shadow", "200ms"];
    let told = folder.weir(&[&shadow[..], &["--function", "wrong-at"]].concat()).run().failed(3, &[], &[]);
    assert!(told.why.contains("records differ"), "{told:?}");
    let ended = folder.weir(&[&shadow[..], &["--json"]].concat()).run().with_code(0);
    let report: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(report["swap"]["shadow"]["differing"], 0, "{report:#}");
    finish(&folder, running, &job("count-1", ""));
}

#[test]
fn a_dry_run_of_migrations_says_what_they_would_do_and_keeps_nothing() {
    let folder = JobFolder::new();
    let running = start(&folder, &job("count-1", ""), &["-p", "2"]);
    running.until_poll(|| folder.parts_finished("out/counts").concat().lines().count() > 500);
    let savepoint = stop(&folder, running);
    let plan = |toml: String, how: &str, code: i32| {
        folder.write("plan.toml", toml);
        let words = ["plan", "plan.toml", "-s", &savepoint, how, "--json"];
        let plan: Value = serde_json::from_slice(&folder.weir(&words).run().with_code(code).stdout).unwrap();
        assert_eq!(plan["upgrade"]["possible"].as_bool(), Some(code == 0), "{plan:#}");
        plan["upgrade"].clone()
    };
    let counts = |upgrade: &Value, key: &str| upgrade["migrations"][0][key].as_u64().unwrap();
    // All of them, over one version and over two.
    let all = "--dry-run-migration";
    let second = plan(job("count-2", ""), all, 0);
    let keys = counts(&second, "migrated");
    assert!((50..=300).contains(&keys), "{second:#}");
    assert_eq!((counts(&second, "failed"), counts(&second, "bytes_before")), (0, keys * 8));
    assert!((keys * 2..keys * 8).contains(&counts(&second, "bytes_after")) && second["migrations"][0]["seconds"].as_f64().unwrap() > 0.0);
    let third = plan(job("count-3", ""), all, 0);
    assert_eq!((counts(&third, "migrated"), counts(&third, "from_version"), counts(&third, "to_version")), (keys, 1, 3));
    // Some of them.
    let some = plan(job("count-2", ""), "--dry-run-migration=5", 0);
    assert_eq!((counts(&some, "migrated"), some["migrations"][0]["is_sample"].as_bool()), (5, Some(true)));
    // Values that can't be migrated: the job would fail, unless it goes on without their records.
    for (policy, code) in [("", 3), ("on-error = \"skip\"", 0)] {
        let picky = plan(job("count-2-picky", policy), all, code);
        let failed = counts(&picky, "failed");
        assert_eq!((counts(&picky, "migrated") + failed, failed > 0), (keys, true), "{picky:#}");
        let refused = picky["migrations"][0]["refused"].as_array().unwrap();
        assert_eq!(refused.len() as u64, failed.min(20));
        for one in refused {
            let (key, why) = (one["key"].as_str().unwrap(), one["why"].as_str().unwrap());
            assert!(why.contains(&format!("state count of key {key:?} can't be migrated from schema version 1")) && why.contains("is odd"), "{why}");
        }
        assert_eq!(picky["refusals"].as_array().unwrap().len(), usize::from(code == 3));
    }
    let ended = folder.weir(&["plan", "plan.toml", "-s", &savepoint, all]).run().with_code(0);
    assert!(ended.text().contains("migrations, tried on all values") && ended.text().contains("is odd"), "{}", ended.text());
    assert_eq!(plan(job("count-1", ""), all, 0)["migrations"], Value::Array(Vec::new()));
    drop(folder.weir(&["plan", "plan.toml", all]).run().with_code(2));
    // Nothing of it is kept.
    drop(folder.run(&job("count-2", ""), &["-s", &savepoint]).with_code(0));
    check_exact(&folder);
}

#[test]
fn a_savepoint_alone_brings_the_plugins_of_a_job_back() {
    let folder = JobFolder::new();
    let own = std::fs::read(weir_tests::built::plugin("upgrades")).unwrap();
    let toml = job("count-1", "").replace("${PLUGINS}/upgrades.wasm", "own.wasm");
    folder.write("own.wasm", &own);
    let running = start(&folder, &toml, &["-p", "2"]);
    let savepoint = folder.weir(&["stop", "words", "--include-plugins"]).run().with_code(0).text().trim().to_owned();
    drop(running.wait().with_code(INTERRUPTED));
    // The plugin is gone, and so is the job's folder of checkpoints.
    let gone = || {
        std::fs::remove_file(folder.path().join("own.wasm")).unwrap_or_default();
        std::fs::remove_dir_all(folder.path().join("checkpoints")).unwrap_or_default();
    };
    gone();
    drop(folder.job(&toml, &[]).run().failed(2, &["own.wasm"], &["can't be read"]));
    let ended = folder.weir(&["plan", "job.toml", "-s", &savepoint]).run().with_code(0);
    assert!(ended.stderr.contains("the plugin of `count` is gone"), "{}", ended.stderr);
    // Killed, it goes on without its savepoint too: the job has kept the plugin.
    let killed = folder.job(&slow(&toml), &["-s", &savepoint]).env("WEIR_FAIL_POINTS", "some-notified=kill@5").run().with_code(KILLED);
    assert!(killed.stderr.contains("the plugin of `count` is gone"), "{}", killed.stderr);
    drop(folder.job(&slow(&toml), &[]).env("WEIR_FAIL_POINTS", "some-notified=kill@5").run().with_code(KILLED));
    let newest = folder.names("checkpoints/words").iter().filter_map(|name| name.strip_prefix("chk-")?.parse::<u64>().ok()).max().unwrap();
    let running = folder.job(&slow(&toml), &["--restore-from", &format!("chk-{newest}")]).start();
    until_found(&running);
    // So does one that was swapped: a savepoint has what runs, asked for or not, and what the job file names.
    let build = other_build(&folder, 5);
    let swapped = json(&folder, &["swap", "words", "count", &build, "--function", "count-2", "--json"]);
    let savepoint = stop(&folder, running);
    gone();
    let plugins = folder.path().join(&savepoint).join("plugins");
    let live = plugins.join(format!("{}.wasm", swapped["swap"]["digest"].as_str().unwrap()));
    assert_eq!(folder.names(plugins.to_str().unwrap()).len(), 2);
    let whole = std::fs::read(&live).unwrap();
    drop(folder.weir(&["savepoint", "verify", &savepoint]).run().with_code(0));
    std::fs::write(&live, &own).unwrap();
    drop(folder.weir(&["savepoint", "verify", &savepoint]).run().failed(1, &[], &["isn't the plugin that its name says"]));
    drop(folder.job(&toml, &["-s", &savepoint]).run().failed(1, &["was swapped to"], &["is damaged"]));
    std::fs::write(&live, whole).unwrap();
    // The job file is as it was, and what was swapped in goes on: a plan says so too.
    folder.write("job.toml", &toml);
    let plan = json(&folder, &["plan", "job.toml", "-s", &savepoint, "--json"]);
    assert_eq!((&plan["upgrade"]["nodes"][2]["function"], &plan["upgrade"]["nodes"][2]["verdict"]), (&"count-2".into(), &"kept".into()), "{plan:#}");
    drop(folder.run(&toml, &["-s", &savepoint]).with_code(0));
    check_exact(&folder);
    drop(folder.weir(&["savepoint", "dispose", &savepoint]).run().with_code(0));
    assert!(!folder.path().join(&savepoint).exists());
}

#[test]
fn who_names_another_function_after_a_swap_gets_that_one() {
    let folder = JobFolder::new();
    let running = start(&folder, &job("count-1", ""), &["-p", "2"]);
    drop(folder.weir(&["swap", "words", "count", &other_build(&folder, 1)]).run().with_code(0));
    let savepoint = stop(&folder, running);
    folder.write("plan.toml", job("count-2", ""));
    let plan = json(&folder, &["plan", "plan.toml", "-s", &savepoint, "--json"]);
    assert_eq!(
        (&plan["upgrade"]["nodes"][2]["function"], &plan["upgrade"]["nodes"][2]["verdict"]),
        (&"count-2".into(), &"migrated".into()),
        "{plan:#}"
    );
    let running = folder.job(&slow(&job("count-2", "")), &["-s", &savepoint]).start();
    until_found(&running);
    let info = json(&folder, &["info", "words", "--json"]);
    assert_eq!(info["status"]["nodes"][2]["function"], "count-2", "{info:#}");
    finish(&folder, running, &job("count-2", ""));
}

#[test]
fn a_dry_run_of_some_values_of_lists_tries_as_many() {
    let folder = JobFolder::new();
    let savepoint = stopped(&folder, &job("list-1", ""));
    folder.write("plan.toml", job("list-2", ""));
    for values in [1, 2, 7] {
        let plan = json(&folder, &["plan", "plan.toml", "-s", &savepoint, &format!("--dry-run-migration={values}"), "--json"]);
        assert_eq!(plan["upgrade"]["migrations"][0]["migrated"], values, "{plan:#}");
    }
}

/// What was counted last of each word, all together.
fn total(folder: &JobFolder) -> u64 {
    let parts = folder.parts("out/counts");
    weir_tests::job::final_counts(parts.iter().flat_map(|part| part.lines())).values().sum()
}

#[test]
fn state_that_is_given_up_is_given_up_once() {
    let folder = JobFolder::new();
    let savepoint = stopped(&folder, &job("count-1", ""));
    let all = text().split_whitespace().count() as u64;
    let mut totals = Vec::new();
    // The function may still have the state, in another form too; and a failure later is no reason to give up what was counted since.
    for (function, dropped, points) in [
        ("count-1", "count", ""),
        ("count-1", "count.count", ""),
        ("count-1", "count.count", "some-notified=error@5"),
        ("count-json", "count.count", "some-notified=error@5"),
        ("count-map", "count.count", ""),
        ("count-2-no-migration", "count.count", "some-notified=error@5"),
        ("last-only", "count.count", ""),
    ] {
        let other = JobFolder::new();
        let toml = job(function, "");
        other.write("plan.toml", &toml);
        let plan = ["plan", "plan.toml", "-s", &savepoint, "--drop-state", dropped];
        drop(other.weir(&plan).run().with_code(0));
        let run = other.job(&slow(&toml).replace("rate = 100", "rate = 10000"), &["-s", &savepoint, "--drop-state", dropped]);
        let ended = run.env("WEIR_FAIL_POINTS", if points.is_empty() { "some-notified=error@100000" } else { points }).run().with_code(0);
        assert_eq!(ended.stderr.contains("fail point"), !points.is_empty(), "{}", ended.stderr);
        if function != "last-only" {
            totals.push(total(&other));
        }
    }
    assert!(totals.iter().all(|total| *total == totals[0] && *total < all), "{totals:?} of {all}");
    for dropped in ["nosuch", "count.nosuch"] {
        folder.write("plan.toml", job("count-1", ""));
        let told = folder.weir(&["plan", "plan.toml", "-s", &savepoint, "--drop-state", dropped]).run().with_code(3);
        assert!(told.text().contains(&format!("--drop-state {dropped}")), "{}", told.text());
        drop(folder.job(&job("count-1", ""), &["-s", &savepoint, "--drop-state", dropped]).run().failed(2, &["--drop-state"], &["has no"]));
    }
}

#[test]
fn a_swap_gives_a_state_up_that_the_new_version_has_in_another_form() {
    const DISK: [&str; 4] = ["-D", "state.backend=disk", "-D", "state.memory=1MiB"];
    for (function, codec, backend) in [("count-json", "json", &[][..]), ("count-map", "u64-le", &[]), ("count-json", "json", &DISK)] {
        let folder = JobFolder::new();
        let running = start(&folder, &job("count-1", ""), &[&["-p", "2"], backend].concat());
        let build = other_build(&folder, 6);
        let swap = ["swap", "words", "count", &build, "--function", function];
        let told = folder.weir(&swap).run().failed(3, &["`count` can't be swapped"], &["count"]);
        assert!(told.remedy.contains("--drop-state count"), "{told:?}");
        drop(folder.weir(&[&swap[..], &["--drop-state", "count"]].concat()).run().with_code(0));
        // What is counted from there on is there after a crash too.
        let before = folder.parts_finished("out/counts").concat().lines().count();
        running.until_poll(|| folder.parts_finished("out/counts").concat().lines().count() > before + 500);
        running.signal(libc::SIGKILL);
        drop(running.wait().with_code(KILLED));
        let running = folder.job(&slow(&job("count-1", "")), backend).start();
        until_found(&running);
        let savepoint = stop(&folder, running);
        let states = json(&folder, &["savepoint", "inspect", &savepoint, "--json"]);
        assert_eq!((&states["nodes"][2]["function"], &states["nodes"][2]["states"][0]["codec"]), (&function.into(), &codec.into()), "{states:#}");
        drop(folder.run(&job("count-1", ""), &["-s", &savepoint]).with_code(0));
        let counts = folder.parts("out/counts").concat();
        assert_eq!(counts.lines().count(), text().split_whitespace().count(), "each word was counted once");
        let words: BTreeSet<_> = counts.lines().filter_map(|line| line.split('\t').next()).collect();
        assert!(counts.lines().filter(|line| line.ends_with("\t1")).count() > words.len(), "the counts began anew");
    }
}

#[test]
fn a_savepoint_that_fails_leaves_nothing() {
    let folder = JobFolder::new();
    let running = folder.job(&slow(&job("count-1", "")), &["-p", "2"]).env("WEIR_FAIL_POINTS", "savepoint-half-copied=error@1").start();
    until_found(&running);
    drop(folder.weir(&["savepoint", "words"]).run().failed(1, &[], &["a test made this step fail"]));
    assert_eq!(folder.names("savepoints"), [] as [&str; 0]);
    finish(&folder, running, &job("count-1", ""));
}

#[test]
fn of_two_swaps_at_once_each_is_live_or_was_refused() {
    let folder = JobFolder::new();
    let running = start(&folder, &job("count-1", ""), &["-p", "2"]);
    for round in 0..5 {
        let builds = [other_build(&folder, 10 + 2 * round), other_build(&folder, 11 + 2 * round)];
        let swaps = builds.each_ref().map(|build| folder.weir(&["swap", "words", "count", build, "--json"]).start());
        let ended = swaps.map(Running::wait);
        let live = ended.each_ref().map(|ended| ended.code == 0);
        assert!(live.contains(&true), "{ended:?}");
        for refused in ended.iter().filter(|ended| ended.code != 0) {
            assert!(refused.code == 2 && refused.stderr.contains("a swap of `count` is under way"), "{}", refused.stderr);
        }
        let digest = |ended: &Ended| serde_json::from_slice::<Value>(&ended.stdout).unwrap()["swap"]["digest"].clone();
        let known: Vec<_> = ended.iter().filter(|ended| ended.code == 0).map(digest).collect();
        let info = json(&folder, &["info", "words", "--json"]);
        assert!(known.contains(&info["status"]["nodes"][2]["digest"]), "{info:#}");
    }
    finish(&folder, running, &job("count-1", ""));
}
