//! How jobs go on: restarts within a run, runs after runs, and what a run refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use weir_tests::crash::case::{Case, Disturbance, How, KILLED, Run};
use weir_tests::crash::points::scenario;
use weir_tests::crash::{Expected, Promise, text};
use weir_tests::job::{FAULTY, JobFolder, check_counts, final_counts, word_count};
use weir_tests::oracle::count_words;
use weir_tests::process::{Ended, Weir};

/// What weir says when a job starts again by itself.
const RESTARTING: &str = "starts again";
/// What it says when it goes on from a checkpoint.
const GOES_ON: &str = "goes on from checkpoint";
const CHECKPOINTS: &str = "[checkpointing]\ninterval = \"10ms\"\n";
const COUNTS_TO_FILES: &str = "connector = \"file\"\npath = \"out\"";
/// Some hundred milliseconds of lines.
const TRICKLE: &str = "connector = \"generator\"\nkind = \"zipf-words\"\ndistinct = 200\nlines = 1500\nrate = 3000\nparallelism = 1";

/// A word count with checkpoints.
fn counted(source: &str) -> String {
    word_count(source, COUNTS_TO_FILES) + CHECKPOINTS
}

/// The counts that the lines of [`TRICKLE`] have.
fn trickle_counts() -> BTreeMap<String, u64> {
    let toml = format!("[job]\nname = \"lines\"\n[sources.lines]\n{TRICKLE}\n[sinks.out]\nconnector = \"print\"\ninput = \"lines\"\n");
    let lines = JobFolder::new().run(&toml.replace("rate = 3000\n", ""), &[]).with_code(0);
    count_words(lines.text())
}

/// The counts in the folder are each word's running counts, each once.
fn check_out(folder: &JobFolder, expected: &BTreeMap<String, u64>, of: &str) {
    let parts = folder.parts("out");
    check_counts(&final_counts(parts.iter().flat_map(|part| part.lines())), expected, of);
}

fn times(ended: &Ended, words: &str) -> usize {
    ended.stderr.matches(words).count()
}

/// A run that is killed when it has that many checkpoints.
fn kill(folder: &JobFolder, toml: &str, checkpoints: u32) {
    let points = format!("all-committed-not-recorded=kill@{checkpoints}");
    drop(folder.job(toml, &["-p", "2"]).env("WEIR_FAIL_POINTS", points).run().with_code(KILLED));
}

/// A job whose operator fails at its only record, restarted as `restart` says.
fn check_restarts(restart: &str, restarts: usize, last_words: &str) {
    let folder = JobFolder::new();
    folder.write("in.txt", "poison\n");
    let toml = format!(
        "[job]\nname = \"fails\"\nparallelism = 1\n{CHECKPOINTS}[restart]\n{restart}\n{FAULTY}\
         [sources.lines]\nconnector = \"file\"\npath = \"in.txt\"\n\
         [operators.bad]\nplugin = \"faulty\"\nfunction = \"failure-row\"\ninput = \"lines\"\n\
         [sinks.out]\nconnector = \"file\"\npath = \"out\"\ninput = \"bad\"\n"
    );
    let ended = folder.run(&toml, &[]);
    assert_eq!(times(&ended, RESTARTING), restarts, "{restart}: {}", ended.stderr);
    drop(ended.failed(1, &["operator bad"], &["this record is poison", last_words]));
}

#[test]
fn restart_strategies_do_what_flink_says_of_them() {
    check_restarts("strategy = \"none\"", 0, "");
    check_restarts("strategy = \"fixed-delay\"\ndelay = \"1ms\"", 1, "started again 1 times");
    check_restarts("strategy = \"fixed-delay\"\nattempts = 3\ndelay = \"1ms\"", 3, "started again 3 times");
    check_restarts(
        "strategy = \"failure-rate\"\nmax-failures-per-interval = 2\nfailure-rate-interval = \"1min\"\ndelay = \"1ms\"",
        2,
        "more than 2 times",
    );
    check_restarts(
        "strategy = \"exponential-delay\"\ninitial-backoff = \"1ms\"\nmax-backoff = \"5ms\"\nattempts-before-reset-backoff = 4",
        4,
        "started again 4 times",
    );
}

#[test]
fn without_checkpoints_a_failure_is_the_end_and_with_them_it_is_not() {
    let folder = JobFolder::new();
    folder.write("in.txt", "poison\n");
    let toml = format!(
        "[job]\nname = \"fails\"\nparallelism = 1\n{FAULTY}[sources.lines]\nconnector = \"file\"\npath = \"in.txt\"\n\
         [operators.bad]\nplugin = \"faulty\"\nfunction = \"failure-row\"\ninput = \"lines\"\n[sinks.out]\nconnector = \"blackhole\"\ninput = \"bad\"\n"
    );
    assert_eq!(times(&folder.run(&toml, &[]).with_code(1), RESTARTING), 0);
    // Exponential delay, from one second on and without an end.
    let running = folder.job(&(toml + CHECKPOINTS), &[]).start();
    running.until_stderr(|said| String::from_utf8_lossy(said).contains(RESTARTING));
    running.signal(libc::SIGINT);
    drop(running.wait().with_code(4));
}

#[test]
fn a_function_that_throws_by_chance_counts_exactly() {
    let folder = JobFolder::new();
    let toml = counted(TRICKLE)
        .replace("plugin = \"word-count\"\nfunction = \"count\"", "plugin = \"flaky\"\nfunction = \"count\"\nconfig = { one-in = 1000 }")
        + "[plugins.flaky]\npath = \"${PLUGINS}/flaky.wasm\"\n[restart]\nstrategy = \"fixed-delay\"\nattempts = 100000\ndelay = \"1ms\"\n";
    let ended = folder.run(&toml, &["-p", "2"]).with_code(0);
    check_out(&folder, &trickle_counts(), "flaky");
    assert!(times(&ended, RESTARTING) > 0, "it never threw");
}

#[test]
fn a_job_that_died_goes_on_at_any_parallelism() {
    let folder = JobFolder::new();
    let toml = format!(
        "[job]\nname = \"numbers\"\n{CHECKPOINTS}[sources.numbers]\nconnector = \"generator\"\nkind = \"sequence\"\nfrom = 1\nto = 3000\nrate = 6000\n\
         [sinks.out]\nconnector = \"file\"\npath = \"out\"\ninput = \"numbers\"\n"
    );
    for (number, parallelism) in ["2", "3", "1", "4"].into_iter().enumerate() {
        let killed = folder.job(&toml, &["-p", parallelism]).env("WEIR_FAIL_POINTS", "durable-not-notified=kill@3").run().with_code(KILLED);
        assert_eq!(times(&killed, GOES_ON), usize::from(number > 0), "{}", killed.stderr);
    }
    drop(folder.run(&toml, &["-p", "2"]).with_code(0));
    let mut numbers: Vec<u64> = folder.parts("out").concat().lines().map(|line| line.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(1..=3000), "{} numbers", numbers.len());
}

#[test]
fn a_job_that_was_stopped_goes_on() {
    let folder = JobFolder::new();
    let toml = counted(TRICKLE);
    for parallelism in ["2", "1"] {
        let running = folder.job(&toml, &["-p", parallelism]).start();
        let before = folder.names("out").len();
        running.until_poll(|| folder.names("out").iter().filter(|name| name.ends_with(".txt")).count() > before + 2);
        running.signal(libc::SIGINT);
        let ended = running.wait().with_code(4);
        assert!(ended.stderr.contains("stopped with checkpoint"), "{}", ended.stderr);
        assert!(folder.names("out").iter().all(|name| name.ends_with(".txt")), "{:?}", folder.names("out"));
    }
    let ended = folder.run(&toml, &["-p", "3"]).with_code(0);
    assert_eq!(times(&ended, GOES_ON), 1, "{}", ended.stderr);
    check_out(&folder, &trickle_counts(), "stopped twice");
}

#[test]
fn a_job_that_ended_starts_anew() {
    let folder = JobFolder::new();
    let toml = counted(TRICKLE).replace("rate = 3000", "rate = 30000") + "[restart]\nstrategy = \"none\"\n";
    let over = ["-p", "2", "-D", "sinks.counts.overwrite=true"];
    let counts = trickle_counts();
    let ended = |kind: &str| {
        let ended = folder.run(&toml, &over).with_code(0);
        check_out(&folder, &counts, kind);
        times(&ended, GOES_ON)
    };
    assert_eq!(ended("first"), 0);
    assert_eq!(ended("second"), 0);
    // The last checkpoint was complete, the process wasn't told: the next run ends the job, and the one after it starts anew.
    drop(folder.job(&toml, &over).env("WEIR_FAIL_POINTS", "stopped-but-running=kill@1").run().with_code(KILLED));
    ended("after its end");
    assert_eq!(ended("anew"), 0);
    // What is there is not written over unless that is wanted.
    drop(folder.run(&toml, &["-p", "2"]).failed(2, &["[sinks.counts] path"], &["part-0-0.txt"]));
}

#[test]
fn fresh_starts_over() {
    let folder = JobFolder::new();
    let toml = counted(TRICKLE);
    kill(&folder, &toml, 4);
    // Refused because of the output: nothing has happened.
    drop(folder.run(&toml, &["-p", "2", "--fresh"]).failed(2, &["[sinks.counts] path"], &["part-"]));
    let ended = folder.run(&toml, &["-p", "1", "--fresh", "-D", "sinks.counts.overwrite=true"]).with_code(0);
    assert_eq!(times(&ended, GOES_ON), 0, "{}", ended.stderr);
    check_out(&folder, &trickle_counts(), "fresh");
}

#[test]
fn a_refused_fresh_start_takes_nothing_away() {
    let folder = JobFolder::new();
    let toml = counted(TRICKLE);
    kill(&folder, &toml, 4);
    drop(folder.run(&toml, &["-p", "2", "--fresh"]).with_code(2));
    let ended = folder.run(&toml, &["-p", "2"]).with_code(0);
    assert_eq!(times(&ended, GOES_ON), 1, "{}", ended.stderr);
    check_out(&folder, &trickle_counts(), "after a refusal");
}

#[test]
fn another_job_is_refused_and_takes_nothing_away() {
    let folder = JobFolder::new();
    let toml = counted(TRICKLE);
    kill(&folder, &toml, 4);
    let guard = "[plugins.guard]\npath = \"${PLUGINS}/ssh_guard.wasm\"\n";
    let changes = [
        (toml.replace("name = \"test\"", "name = \"test\"\nmax-parallelism = 64"), "max-parallelism", "the number of key groups"),
        (
            toml.replace("[operators.count]", "[operators.other]").replace("input = \"count\"", "input = \"other\""),
            "count",
            "another UID for an operator with state",
        ),
        (toml.replace("[sinks.counts]", "[sinks.other]"), "counts", "another UID for a sink"),
        (toml.replace("[sources.lines]", "[sources.other]").replace("input = \"lines\"", "input = \"other\""), "lines", "another UID for a source"),
        (
            toml.replace("\"word-count\"\nfunction = \"tokenize\"", "\"guard\"\nfunction = \"parse\"")
                .replace("\"word-count\"\nfunction = \"count\"", "\"guard\"\nfunction = \"suspects\"")
                + guard,
            "count",
            "a function without the state",
        ),
        (
            toml.replace("[operators.count]", "[operators.swapped]")
                .replace("[operators.tokenize]", "[operators.count]")
                .replace("[operators.swapped]", "[operators.tokenize]")
                .replace("input = \"count\"", "input = \"swapped\"")
                .replace("input = \"tokenize\"", "input = \"count\"")
                .replace("input = \"swapped\"", "input = \"tokenize\""),
            "--drop-state count",
            "a function without any state",
        ),
        (toml.replace(COUNTS_TO_FILES, "connector = \"blackhole\""), "the sink `counts`", "a sink that can't commit what the one before has written"),
    ];
    for (changed, word, what) in changes {
        assert_ne!(changed, toml, "{what}");
        let told = folder.run(&changed, &["-p", "2"]).failed(3, &[], &[]);
        assert!(format!("{told:?}").contains(word), "{what}: {told:?}");
    }
    let ended = folder.run(&toml, &["-p", "2"]).with_code(0);
    assert_eq!(times(&ended, GOES_ON), 1, "{}", ended.stderr);
    check_out(&folder, &trickle_counts(), "after refusals");
}

#[test]
fn state_is_given_up_by_name_and_a_sink_that_owes_nothing_can_go() {
    let folder = JobFolder::new();
    let more = "[sinks.more]\nconnector = \"file\"\npath = \"more\"\ninput = \"lines\"\n";
    let toml = counted(TRICKLE);
    let running = folder.job(&(toml.clone() + more), &["-p", "2"]).start();
    running.until_poll(|| folder.names("more").iter().any(|name| name.ends_with(".txt")));
    running.signal(libc::SIGINT);
    drop(running.wait().with_code(4));
    let running = folder.job(&toml, &["-p", "2"]).start();
    let before = folder.names("out").len();
    running.until_poll(|| folder.names("out").len() > before + 2);
    running.signal(libc::SIGINT);
    assert_eq!(times(&running.wait().with_code(4), GOES_ON), 1);
    // Its counts begin anew: nothing but the option's taking is looked at.
    let renamed = toml.replace("[operators.count]", "[operators.other]").replace("input = \"count\"", "input = \"other\"");
    let into = ["-p", "2", "-D", "sinks.counts.path=elsewhere"];
    drop(folder.run(&renamed, &into).failed(3, &["count"], &[]));
    assert_eq!(times(&folder.run(&renamed, &[&into[..], &["--drop-state", "count"]].concat()).with_code(0), GOES_ON), 1);
}

#[test]
fn a_signal_near_the_end_leaves_either_a_checkpoint_or_a_job_that_is_done() {
    let toml = counted("connector = \"generator\"\nkind = \"zipf-words\"\ndistinct = 20\nlines = 300\nrate = 3000\nparallelism = 1");
    for after_ms in (90..150).step_by(4) {
        let folder = JobFolder::new();
        let mut running = folder.job(&toml, &["-p", "2"]).start();
        running.signal_after(libc::SIGINT, Duration::from_millis(after_ms));
        let ended = running.wait();
        let is_kept = folder.names("checkpoints/test").iter().any(|name| name.starts_with("chk-"));
        let is_done = ended.code == 0 && !is_kept;
        // Before the process has taken the signal over, it ends by it.
        assert!(is_done || ended.code == 4 && is_kept || ended.code == 130, "{after_ms} ms: code {}, kept {is_kept}: {}", ended.code, ended.stderr);
    }
}

#[test]
fn a_run_that_is_superseded_deletes_nothing_and_records_nothing() {
    let folder = JobFolder::new();
    let toml = counted(TRICKLE).replace(CHECKPOINTS, &format!("{CHECKPOINTS}externalized-checkpoint-retention = \"none\"\n"));
    let running = folder.job(&toml, &["-p", "2"]).start();
    running.until_poll(|| folder.names("out").iter().any(|name| name.ends_with(".txt")));
    folder.write("checkpoints/test/owner/2", "another machine\nclaim 0\n");
    drop(running.wait().failed(1, &["another process runs the same job"], &["attempt 2"]));
    assert!(folder.names("checkpoints/test").iter().any(|name| name.starts_with("chk-")), "{:?}", folder.names("checkpoints/test"));
    assert_eq!(folder.names("checkpoints/test/owner"), ["1", "1.from", "2"]);
}

#[test]
fn a_checkpoint_folder_that_is_deleted_under_the_job_ends_it() {
    let folder = JobFolder::new();
    let running = folder.job(&counted(TRICKLE), &["-p", "2"]).start();
    running.until_poll(|| folder.names("out").iter().any(|name| name.ends_with(".txt")));
    fs::rename(folder.path().join("checkpoints/test"), folder.path().join("taken-away")).unwrap();
    drop(running.wait().failed(1, &["was deleted or moved while the job ran"], &[]));
    // Brought back, it is what the job goes on from.
    fs::remove_dir_all(folder.path().join("checkpoints/test")).unwrap();
    fs::rename(folder.path().join("taken-away"), folder.path().join("checkpoints/test")).unwrap();
    assert_eq!(times(&folder.run(&counted(TRICKLE), &["-p", "2"]).with_code(0), GOES_ON), 1);
    check_out(&folder, &trickle_counts(), "brought back");
}

/// Ten keys that come twice, a record every 50 ms, and a kill in the first round: of the keys that had come by then, what was counted has expired when they come
/// again, and the checkpoint doesn't bring it back. Time to live is in whole seconds, and nothing is seen for more than two too long.
#[test]
fn state_that_has_expired_stays_away_over_a_kill() {
    let check = |function: &str, pause: Duration, expected: &[u64]| {
        let folder = JobFolder::new();
        let toml = format!(
            "[job]\nname = \"test\"\nparallelism = 1\n{CHECKPOINTS}[plugins.key-count]\npath = \"${{PLUGINS}}/key_count.wasm\"\n\
             [sources.numbers]\nconnector = \"generator\"\nkind = \"sequence\"\nto = 19\nrate = 20\n\
             [operators.spread]\nplugin = \"key-count\"\nfunction = \"spread\"\ninput = \"numbers\"\nconfig = {{ keys = 10, hits = 1 }}\n\
             [operators.count]\nplugin = \"key-count\"\nfunction = \"{function}\"\ninput = \"spread\"\n\
             [sinks.out]\nconnector = \"file\"\npath = \"out\"\ninput = \"count\"\n"
        );
        let running = folder.job(&toml, &[]).start();
        running.until_poll(|| folder.names("out").iter().filter(|name| name.ends_with(".txt")).count() >= 4);
        running.signal(libc::SIGKILL);
        drop(running.wait().with_code(KILLED));
        let before = folder.parts_finished("out").concat();
        std::thread::park_timeout(pause);
        assert_eq!(times(&folder.run(&toml, &[]).with_code(0), GOES_ON), 1);
        let after = folder.parts("out").concat();
        assert_eq!(after.lines().count(), 20, "{after}");
        let counts_of = |key: &str| -> Vec<u64> {
            let counts = after.lines().filter_map(|line| line.split_once('\t')).filter(|(of, _)| *of == key);
            let mut counts: Vec<u64> = counts.map(|(_, count)| count.parse().unwrap()).collect();
            counts.sort_unstable();
            counts
        };
        for (key, _) in before.lines().filter_map(|line| line.split_once('\t')) {
            assert_eq!(counts_of(key), expected, "{function}: {before}\n{after}");
        }
    };
    check("count", Duration::ZERO, &[1, 2]);
    check("count-briefly", Duration::from_millis(3200), &[1, 1]);
}

#[test]
fn an_unreadable_checkpoint_is_named_with_one_that_can_be_read() {
    let folder = JobFolder::new();
    let toml = counted(TRICKLE).replace(CHECKPOINTS, &format!("{CHECKPOINTS}num-retained = 3\n"));
    kill(&folder, &toml, 6);
    let newest = folder.names("checkpoints/test").into_iter().filter_map(|name| name.strip_prefix("chk-")?.parse::<u64>().ok()).max().unwrap();
    let manifest = format!("checkpoints/test/chk-{newest}/_metadata");
    let bytes = fs::read(folder.path().join(&manifest)).unwrap();
    folder.write(&manifest, &bytes[..bytes.len() / 2]);
    let told = folder.run(&toml, &["-p", "2"]).failed(1, &[&format!("chk-{newest}/_metadata")], &[]);
    assert!(told.remedy.contains("--restore-from chk-"), "{told:?}");
    folder.write(&manifest, bytes);
    drop(folder.run(&toml, &["-p", "2"]).with_code(0));
    check_out(&folder, &trickle_counts(), "with its manifest back");
}

#[test]
fn of_two_runs_at_once_the_second_is_refused() {
    let folder = JobFolder::new();
    let toml = counted(TRICKLE);
    let first = folder.job(&toml, &["-p", "2"]).start();
    first.until_poll(|| folder.names("out").iter().any(|name| name.ends_with(".txt")));
    // Also one that shares nothing but the checkpoints, and one that would throw them away.
    for more in [&[][..], &["-D", "sinks.counts.path=other"], &["--fresh", "-D", "sinks.counts.overwrite=true"]] {
        drop(folder.run(&toml, &[&["-p", "1"], more].concat()).failed(2, &["checkpoints/test"], &["it is running already"]));
    }
    drop(first.wait().with_code(0));
    check_out(&folder, &trickle_counts(), "two at once");
}

#[test]
fn files_that_come_later_are_read_once_whatever_happens() {
    let folder = JobFolder::new();
    let toml = format!(
        "[job]\nname = \"watch\"\n{CHECKPOINTS}[sources.lines]\nconnector = \"file\"\npath = \"in\"\ndiscover-interval = \"5ms\"\nsplit-size = \"4KiB\"\n\
         [sinks.out]\nconnector = \"file\"\npath = \"out\"\ninput = \"lines\"\n"
    );
    let mut expected = Vec::new();
    let mut add = |number: u64| {
        let text: String = (0..2000).fold(String::new(), |mut text, line| {
            writeln!(text, "file {number} line {line}").unwrap();
            text
        });
        expected.extend(text.lines().map(str::to_owned));
        folder.write(&format!("in/.{number}"), text);
        fs::rename(folder.path().join(format!("in/.{number}")), folder.path().join(format!("in/{number}.txt"))).unwrap();
    };
    add(0);
    for (number, parallelism) in [(1, "2"), (2, "1"), (3, "3")] {
        let points = ["source-positions-taken=kill@30", "two-coordinators=kill@8", "some-notified=kill@20"][number as usize - 1];
        let running = folder.job(&toml, &["-p", parallelism]).env("WEIR_FAIL_POINTS", points).start();
        add(number);
        drop(running.wait().with_code(KILLED));
    }
    let lines = || folder.parts_finished("out").concat().lines().map(str::to_owned).collect::<Vec<_>>();
    let running = folder.job(&toml, &["-p", "2"]).start();
    running.until_stderr(|said| String::from_utf8_lossy(said).contains(GOES_ON));
    running.until_poll(|| lines().len() >= 8000);
    running.signal(libc::SIGINT);
    drop(running.wait().with_code(4));
    let mut found = lines();
    found.sort_unstable();
    expected.sort_unstable();
    assert!(found == expected, "{} lines for {}", found.len(), expected.len());
}

#[test]
fn a_full_disk_fails_the_job_and_with_room_it_goes_on() {
    let scenario = scenario("text");
    let folder = scenario.folder();
    folder.write("job.toml", scenario.job().replace("tolerable-failed-checkpoints = 1000\n", "").replace("attempts = 20", "attempts = 2"));
    // A mount namespace of its own: nothing is left to be undone. First too small for the output, then large enough.
    let script = "mkdir small; mount -t tmpfs -o size=1m tmpfs small || exit 77; cp -r job.toml small; ln -s \"$PWD/in\" small/in; cd small; \"$@\"; first=$?; \
                  echo \"first $first\" >&2; mount -o remount,size=64m tmpfs . || exit 77; \"$@\"; second=$?; cp -r out ..; exit $second";
    let wrapper = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"];
    let allowed = std::process::Command::new("unshare").args(["--user", "--map-root-user", "--mount", "true"]).status();
    if !allowed.is_ok_and(|status| status.success()) {
        return println!("skipped: this machine lets nobody make a mount namespace, so there is no small disk to fill");
    }
    let ended = Weir::wrapped(&wrapper, folder.path(), &["run", "job.toml", "-p", "2"]).run();
    if ended.code == 77 {
        return println!("skipped: this machine lets nobody mount a small disk to fill");
    }
    let ended = ended.with_code(0);
    assert!(ended.stderr.contains("first 1") && ended.stderr.contains("No space left"), "{}", ended.stderr);
    scenario.expected().check(&folder).unwrap();
}

#[test]
fn a_crash_loop_costs_nothing() {
    let scenario = *scenario("generator, three retained");
    let run = |at: u32| Run { disturbance: Disturbance::Points(format!("some-acked=kill@{at}")), parallelism: 1 + at % 3 };
    let case = Case { scenario, runs: (1..=8).map(run).collect(), last_parallelism: 2 };
    let folder = scenario.folder();
    let hows = case.run(&folder, &scenario.expected()).unwrap();
    assert_eq!(hows, [How::Killed; 8]);
}

#[test]
fn made_up_text_differs_from_file_to_file() {
    // Otherwise a file that was read twice in place of another would go unnoticed.
    let (first, second) = (text(0), text(1));
    assert!(first != second);
    let folder = JobFolder::new();
    folder.write("out/counts/part-0-0.txt", "");
    assert!(Expected::of(&first, Promise::ExactlyOnce).check(&folder).is_err());
}

#[test]
fn killing_after_a_while_kills() {
    // The harness itself: a run that is killed before it can have done anything.
    let scenario = *scenario("text");
    let run = Run { disturbance: Disturbance::Kill(Duration::from_millis(1)), parallelism: 1 };
    assert_eq!(run.run(&scenario.folder()), Ok(How::Killed));
}
