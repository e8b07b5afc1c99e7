//! Savepoints and retained checkpoints as files: looked into, checked, merged, moved, divided anew, deleted, damaged.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tokio::runtime::Builder as RuntimeBuilder;
use weir_checkpoint::manifest::ManifestKind;
use weir_checkpoint::savepoint::{self, Snapshot};
use weir_model::Result;
use weir_model::id::PluginDigest;
use weir_runtime::savepoint::{Compose, Running, Work, bytes_to_read, compose};
use weir_tests::job::{JobFolder, check_counts, final_counts, word_count};
use weir_tests::process::Running as ProcessRunning;

const SETTINGS: &str = "[checkpointing]\ninterval = \"10ms\"\nnum-retained = 2\nexternalized-checkpoint-retention = \"retain-on-cancellation\"\n";
const TRICKLE: &str = "connector = \"generator\"\nkind = \"zipf-words\"\ndistinct = 200\nlines = 30000\nrate = 3000\nparallelism = 1";

/// A folder in which a word count was stopped, and its retained checkpoints, the older first.
fn stopped_job() -> (JobFolder, [String; 2]) {
    let folder = JobFolder::new();
    let running = folder.job(&(word_count(TRICKLE, "connector = \"file\"\npath = \"out\"") + SETTINGS), &["-p", "2"]).start();
    running.until_poll(|| folder.names("out").iter().filter(|name| name.ends_with(".txt")).count() > 10);
    running.signal(libc::SIGINT);
    drop(running.wait().with_code(4));
    let mut numbers: Vec<u64> = folder.names("checkpoints/test").iter().filter_map(|name| name.strip_prefix("chk-")?.parse().ok()).collect();
    numbers.sort_unstable();
    let [older, newer] = numbers[..] else { panic!("{numbers:?}") };
    (folder, [older, newer].map(|number| format!("checkpoints/test/chk-{number}")))
}

/// What a command prints as JSON.
fn json(folder: &JobFolder, arguments: &[&str]) -> Value {
    let ended = folder.weir(&[arguments, &["--json"]].concat()).run().with_code(0);
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("not JSON ({error}): {}", ended.text()))
}

/// The counts in a snapshot's state.
fn counts(folder: &JobFolder, path: &str) -> BTreeMap<String, u64> {
    let ended = folder.weir(&["state", "export", path, "count"]).run().with_code(0);
    let mut counts = BTreeMap::new();
    for line in ended.text().lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        assert_eq!(entry["state"], "count");
        let twice = counts.insert(entry["key"].as_str().unwrap().to_owned(), entry["value"].as_u64().unwrap());
        assert_eq!(twice, None, "{line}");
    }
    counts
}

fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    RuntimeBuilder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Makes a savepoint of a retained checkpoint; gives its folder.
fn compose_savepoint(folder: &JobFolder, checkpoint: &str, plugins: &[(PluginDigest, bytes::Bytes)]) -> Result<String> {
    block_on(async {
        let snapshot = Snapshot::open(folder.path().join(checkpoint).to_str().unwrap()).await?;
        let to = savepoint::create(folder.path().join("savepoints").to_str().unwrap(), "test", 1 << 40)?;
        let done = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&done);
        let what = Compose {
            manifest: snapshot.manifest(),
            from: snapshot.store(),
            to: &to,
            kind: ManifestKind::Savepoint,
            plugins,
            progress: Arc::new(move |bytes| {
                told.fetch_add(bytes, Ordering::Relaxed);
            }),
        };
        let inline = |work: Work| -> Running { Box::pin(async { Some(work.await) }) };
        let manifest = compose(what, &inline).await?;
        // Only the ends of files aren't told of.
        let (done, all) = (done.load(Ordering::Relaxed), bytes_to_read(snapshot.manifest()));
        assert!(done > all / 2 && done <= all, "{done} of {all}");
        to.put_savepoint(&manifest).await?;
        Ok(to.location().to_owned())
    })
}

#[test]
fn the_state_of_a_stopped_job_is_what_it_has_emitted() {
    let (folder, [_, newest]) = stopped_job();
    let parts = folder.parts("out");
    let emitted = final_counts(parts.iter().flat_map(|part| part.lines()));
    check_counts(&counts(&folder, &newest), &emitted, "the state");
    let csv = folder.weir(&["state", "export", &newest, "count", "count", "--format", "csv", "-o", "counts.csv"]).run().with_code(0);
    assert!(csv.stdout.is_empty());
    let lines = fs::read_to_string(folder.path().join("counts.csv")).unwrap();
    let mut lines = lines.lines();
    assert_eq!(lines.next(), Some("state,key,sub_key,value,schema_version,written_s,expired"));
    let fields = lines.map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    check_counts(&fields.map(|fields| (fields[1].clone(), fields[3].parse().unwrap())).collect(), &emitted, "the state as CSV");
    let (word, count) = emitted.iter().next().unwrap();
    assert_eq!(folder.weir(&["state", "get", &newest, "count", "count", word]).run().with_code(0).text(), format!("{count}\n"));
    let states = json(&folder, &["state", "ls", &newest, "count"]);
    let state = &states.as_array().unwrap()[0];
    assert_eq!([&state["name"], &state["key"], &state["codec"], &state["kind"]], ["count", "utf8", "u64-le", "value"]);
    let content = json(&folder, &["savepoint", "inspect", &newest]);
    assert_eq!((&content["job"], &content["kind"], &content["belongs_to_job"]), (&"test".into(), &"stop".into(), &true.into()));
    let uids: Vec<_> = content["nodes"].as_array().unwrap().iter().map(|node| node["uid"].as_str().unwrap()).collect();
    assert_eq!(uids, ["lines", "tokenize", "count", "counts"]);
    let checked = json(&folder, &["savepoint", "verify", &newest]);
    assert_eq!((&checked["ok"], &checked["rows"]), (&true.into(), &content["nodes"][2]["rows"]));
    for (arguments, code, why) in [
        (["state", "get", &newest, "count", "count", "no such word"].as_slice(), 1, "nothing under that key"),
        (&["state", "get", &newest, "count", "sum", word], 2, "no state of that name"),
        (&["state", "export", &newest, "cuont"], 2, "no node of that UID"),
        (&["state", "get", &newest, "count", "count", word, "--sub-key", "0"], 2, "one value a key"),
    ] {
        drop(folder.weir(arguments).run().failed(code, &[], &[why]));
    }
}

#[test]
fn two_checkpoints_are_compared_by_key() {
    let (folder, [older, newer]) = stopped_job();
    let (before, after) = (counts(&folder, &older), counts(&folder, &newer));
    let only_b = after.keys().filter(|word| !before.contains_key(*word)).count();
    let different = before.iter().filter(|(word, count)| after.get(*word) != Some(count)).count();
    assert!(different > 0, "nothing came between the two");
    let compared = json(&folder, &["savepoint", "diff", &older, &newer, "--state"]);
    let node = &compared["nodes"][2];
    assert_eq!((node["uid"].as_str(), node["changes"].as_array().map(Vec::len)), (Some("count"), Some(0)));
    let found = ["only_in_a", "only_in_b", "different", "same"].map(|name| node["state"][name].as_u64().unwrap() as usize);
    assert_eq!(found, [0, only_b, different, before.len() - different]);
    let lines = folder.weir(&["state", "diff", &older, &newer, "count"]).run().with_code(0);
    assert_eq!(lines.text().lines().filter(|line| line.starts_with("+ count count ")).count(), only_b + different);
    assert_eq!(lines.text().lines().filter(|line| line.starts_with("- count count ")).count(), different);
    let (word, count) = before.iter().find(|(word, count)| after.get(*word) != Some(count)).unwrap();
    let lines = folder.weir(&["state", "diff", &older, &newer, "--json"]).run().with_code(0);
    let entries: Vec<Value> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let entry = entries.iter().find(|entry| entry["key"] == word.as_str()).unwrap();
    assert_eq!((entry["a"]["value"].as_u64(), entry["b"]["value"].as_u64()), (Some(*count), after.get(word).copied()));
}

#[test]
fn a_savepoint_made_of_increments_holds_the_same_and_stands_alone() {
    let (folder, [_, newest]) = stopped_job();
    let expected = counts(&folder, &newest);
    let digest = json(&folder, &["savepoint", "inspect", &newest])["nodes"][2]["digest"].as_str().unwrap().to_owned();
    let bytes = fs::read(weir_tests::built::plugin("word_count")).unwrap();
    let half = |at: usize| u8::from_str_radix(&digest[2 * at..2 * at + 2], 16).unwrap();
    let plugins = [(PluginDigest(std::array::from_fn(half)), bytes::Bytes::from(bytes))];
    let made = compose_savepoint(&folder, &newest, &plugins).unwrap();
    // It may be moved, and needs nothing of its job.
    fs::rename(made, folder.path().join("moved")).unwrap();
    fs::rename(folder.path().join("checkpoints"), folder.path().join("elsewhere")).unwrap();
    check_counts(&counts(&folder, "moved"), &expected, "the savepoint");
    let content = json(&folder, &["savepoint", "inspect", "moved/_metadata"]);
    assert_eq!(content["kind"], "savepoint");
    assert_eq!(content["nodes"][2]["rows"].as_u64().unwrap() as usize, expected.len(), "each key once");
    assert_eq!(content["plugins"][0], format!("plugins/{digest}.wasm"));
    let checked = json(&folder, &["savepoint", "verify", "moved"]);
    assert_eq!((checked["ok"].as_bool(), checked["files"].as_u64()), (Some(true), Some(3)));
    let compared = json(&folder, &["savepoint", "diff", &newest.replace("checkpoints", "elsewhere"), "moved", "--state"]);
    assert_eq!(compared["nodes"][2]["state"]["same"].as_u64().unwrap() as usize, expected.len());
    drop(folder.weir(&["savepoint", "dispose", "moved"]).run().with_code(0));
    assert!(!folder.path().join("moved").exists());
    let chained = newest.replace("checkpoints", "elsewhere");
    drop(folder.weir(&["savepoint", "dispose", &chained]).run().failed(2, &[&chained], &["belongs to the job's checkpoints"]));
    check_counts(&counts(&folder, &chained), &expected, "the checkpoint that isn't disposed of");
}

#[test]
fn another_number_of_key_groups_loses_no_key() {
    let (folder, [_, newest]) = stopped_job();
    let expected = counts(&folder, &newest);
    let mut path = newest;
    for (groups, parallelism) in [(1024, 5), (7, 7), (128, 2)] {
        let (groups, parallelism) = (groups.to_string(), parallelism.to_string());
        let made = folder.weir(&["savepoint", "rekey", &path, "-o", "rekeyed", "--max-parallelism", &groups, "-p", &parallelism]).run().with_code(0);
        path = made.text().trim().to_owned();
        check_counts(&counts(&folder, &path), &expected, &groups);
        let content = json(&folder, &["savepoint", "inspect", &path]);
        assert_eq!((content["max_parallelism"].to_string(), content["nodes"][2]["parallelism"].to_string()), (groups, parallelism));
        // Rows are where their keys belong now, and nothing is left of the sorting.
        assert_eq!(json(&folder, &["savepoint", "verify", &path])["ok"], true);
        let names = fs::read_dir(format!("{path}/count")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(names.into_iter().all(|name| name.ends_with(".state")));
    }
    // A damaged file leaves nothing behind.
    let file = format!("{path}/count/1-0.state");
    let cut = fs::read(&file).unwrap().split_off(9);
    fs::write(&file, cut).unwrap();
    let rekeyed = folder.names("rekeyed");
    drop(folder.weir(&["savepoint", "rekey", &path, "-o", "rekeyed", "--max-parallelism", "9"]).run().failed(1, &["1-0.state"], &["bytes"]));
    assert_eq!(folder.names("rekeyed"), rekeyed);
    let rekey = |groups: &str| folder.weir(&["savepoint", "rekey", &path, "-o", "rekeyed", "--max-parallelism", groups, "-p", "9"]).run();
    drop(rekey("8").failed(2, &["parallelism 9"], &["can't have more subtasks than there are key groups"]));
}

#[test]
fn what_is_damaged_or_foreign_is_named() {
    let (folder, [_, newest]) = stopped_job();
    let made = compose_savepoint(&folder, &newest, &[]).unwrap();
    let files = |name: &str| format!("{made}/{name}");
    let check = |name: &str, change: &dyn Fn(&mut Vec<u8>), code: i32, why: &str| {
        let good = fs::read(files(name)).unwrap();
        let mut bad = good.clone();
        change(&mut bad);
        fs::write(files(name), bad).unwrap();
        let told = folder.weir(&["savepoint", "verify", &made]).run().failed(code, &[], &[why]);
        assert!(format!("{} {}", told.what, told.why).contains(&files(name)), "{name} isn't named: {told:?}");
        fs::write(files(name), good).unwrap();
    };
    let length = fs::metadata(files("count/0-0.state")).unwrap().len() as usize;
    for at in (0..length).step_by(length / 40 + 1).chain([length - 1, length - 9, length - 20]) {
        check("count/0-0.state", &|bytes| bytes[at] ^= 4, 1, "");
    }
    check("count/1-0.state", &|bytes| bytes.truncate(100), 1, "100 bytes");
    check("count/1-0.state", &|bytes| *bytes = fs::read(files("count/0-0.state")).unwrap(), 1, "");
    check("_metadata", &|bytes| bytes[60] ^= 1, 1, "checksum");
    check("_metadata", &|bytes| bytes.truncate(50), 1, "");
    check("_metadata", &|bytes| bytes[8] = 77, 3, "version is 77");
    check("_metadata", &|bytes| *bytes = b"[job]\nname = \"a job file and no savepoint\"\n".to_vec(), 2, "mark of a manifest");
    assert_eq!(json(&folder, &["savepoint", "verify", &made])["ok"], true);
    fs::remove_file(files("count/1-0.state")).unwrap();
    drop(folder.weir(&["savepoint", "verify", &made]).run().failed(1, &[&made], &["count/1-0.state", "it is missing"]));
    drop(folder.weir(&["state", "export", &made, "count"]).run().failed(1, &["count/1-0.state"], &["it is missing"]));
    let shown = folder.weir(&["savepoint", "inspect", &made]).run().with_code(0);
    assert!(shown.text().contains("the state of count can't be read"), "{}", shown.text());
    for (path, why) in [("job.toml", "it is a file"), ("none", "No such file"), ("out", "no _metadata"), ("checkpoints/test", "no _metadata")] {
        for command in ["inspect", "verify", "dispose"] {
            drop(folder.weir(&["savepoint", command, path]).run().failed(2, &[path], &[why]));
        }
    }
    assert!(!folder.path().join("none").exists());
}

#[test]
fn no_savepoint_is_made_of_a_checkpoint_that_holds_records() {
    let (folder, [_, newest]) = stopped_job();
    let error = block_on(async {
        let snapshot = Snapshot::open(folder.path().join(&newest).to_str().unwrap()).await?;
        let mut manifest = snapshot.manifest().clone();
        let subtask = &mut manifest.operators[2].subtasks[0];
        subtask.in_flight = subtask.files.first().cloned();
        let to = savepoint::create(folder.path().join("savepoints").to_str().unwrap(), "test", 1 << 40)?;
        let (progress, kind) = (Arc::new(|_| {}), ManifestKind::Savepoint);
        let what = Compose { manifest: &manifest, from: snapshot.store(), to: &to, kind, plugins: &[], progress };
        let inline = |work: Work| -> Running { Box::pin(async { Some(work.await) }) };
        compose(what, &inline).await.map(drop)
    });
    let error = error.unwrap_err();
    assert!(error.why.contains("records on their way to `count`"), "{error}");
}

/// A job that reads what it is told and keeps it as maps and lists, one of which forgets.
const EXPLORED: &str = "\
[job]
name = \"explored\"
[checkpointing]
interval = \"20ms\"
savepoint-dir = \"savepoints\"
[plugins.word-count]
path = \"${PLUGINS}/word_count.wasm\"
[plugins.upgrades]
path = \"${PLUGINS}/upgrades.wasm\"
[sources.lines]
connector = \"stdin\"
[operators.tokenize]
plugin = \"word-count\"
function = \"tokenize\"
input = \"lines\"
[operators.map]
plugin = \"upgrades\"
function = \"map-1\"
input = \"tokenize\"
[operators.records]
plugin = \"upgrades\"
function = \"map-2\"
input = \"tokenize\"
[operators.list]
plugin = \"upgrades\"
function = \"list-1\"
input = \"tokenize\"
[operators.brief]
plugin = \"upgrades\"
function = \"map-brief\"
input = \"tokenize\"
[sinks.out]
connector = \"blackhole\"
inputs = [\"map\", \"records\", \"list\", \"brief\"]
";

/// Says a line to that job; gives a savepoint that has it.
fn savepoint_with(folder: &JobFolder, running: &mut ProcessRunning, line: &str, lines: u64) -> String {
    running.say(line);
    running.until_poll(|| {
        let info = folder.weir(&["info", "explored", "--json"]).run();
        let info: Value = serde_json::from_slice(&info.stdout).unwrap_or_default();
        info["status"]["nodes"].as_array().is_some_and(|nodes| nodes.iter().any(|node| node["uid"] == "lines" && node["records_out"] == lines))
    });
    folder.weir(&["savepoint", "explored"]).run().with_code(0).text().trim().to_owned()
}

/// The lines that a command prints as text or JSON, sorted; of an entry when it was written is left out.
fn sorted_lines(folder: &JobFolder, words: &[&str]) -> Vec<String> {
    let without_time = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(Value::Object(mut entry)) => {
            assert!(entry.remove("written_s").is_none_or(|written_s| written_s.as_u64() > Some(1_700_000_000)), "{line}");
            Value::Object(entry).to_string()
        }
        _ => line.trim_end().to_owned(),
    };
    let mut lines: Vec<_> = folder.weir(words).run().with_code(0).text().lines().map(without_time).collect();
    lines.sort();
    lines
}

#[test]
fn maps_and_lists_are_listed_got_exported_and_compared() {
    let folder = JobFolder::new();
    let mut running = folder.job(EXPLORED, &["-p", "2"]).holding_input().start();
    let a = savepoint_with(&folder, &mut running, "a bb a\n", 1);
    let b = savepoint_with(&folder, &mut running, "a ccc\n", 2);
    running.hang_up();
    drop(running.wait().with_code(0));
    let check = |words: &[&str], expected: &[&str]| assert_eq!(sorted_lines(&folder, &[&["state"], words].concat()), expected, "{words:?}");
    let states = json(&folder, &["state", "ls", &a]);
    let text = |state: &Value, name: &str| state[name].as_str().unwrap().to_owned();
    let states: Vec<_> =
        states.as_array().unwrap().iter().map(|state| ["uid", "name", "kind", "key"].map(|name| text(state, name)).join(" ")).collect();
    assert_eq!(states, ["map by-length map utf8", "records by-length map utf8", "list increments list utf8", "brief by-length map utf8"]);
    // A number as a sub-key is bytes to whoever doesn't know its codec; a place in a list is a number.
    check(&["get", &a, "map", "by-length", "a"], &["0x0100000000000000  2", "SUB-KEY             VALUE"]);
    check(&["get", &a, "list", "increments", "a"], &["0        1", "1        1", "SUB-KEY  VALUE"]);
    check(&["get", &a, "list", "increments", "a", "--sub-key", "1"], &["1        1", "SUB-KEY  VALUE"]);
    let got = json(&folder, &["state", "get", &b, "list", "increments", "a", "--sub-key", "2"]);
    assert_eq!((got.as_array().unwrap().len(), &got[0]["sub_key"], &got[0]["value"]), (1, &2.into(), &1.into()));
    let got = json(&folder, &["state", "get", &b, "map", "by-length", "a", "--sub-key", "0x0100000000000000"]);
    assert_eq!((got.as_array().unwrap().len(), &got[0]["value"]), (1, &3.into()));
    let refuse = |words: &[&str], code: i32, why: &str| drop(folder.weir(&[&["state", "get", &a], words].concat()).run().failed(code, &[], &[why]));
    refuse(&["list", "increments", "a", "--sub-key", "first"], 2, "not the place of an item");
    refuse(&["list", "increments", "a", "--sub-key", "2"], 1, "nothing under that key");
    refuse(&["map", "by-length", "a", "--sub-key", "0xg"], 2, "not hexadecimal");
    check(
        &["export", &a, "map"],
        &[
            r#"{"key":"a","schema_version":1,"state":"by-length","sub_key":"0x0100000000000000","value":2}"#,
            r#"{"key":"bb","schema_version":1,"state":"by-length","sub_key":"0x0200000000000000","value":1}"#,
        ],
    );
    // What only its owner can read stands beside its codec: two records, and two of them since version 2.
    let opaque = sorted_lines(&folder, &["state", "export", &a, "records"]);
    assert!(opaque[0].contains(r#""codec":"postcard:WithRecords"#) && opaque[0].contains(r#""value":"0x0202""#), "{opaque:?}");
    check(
        &["export", &b, "list", "increments"],
        &[
            r#"{"key":"a","schema_version":1,"state":"increments","sub_key":0,"value":1}"#,
            r#"{"key":"a","schema_version":1,"state":"increments","sub_key":1,"value":1}"#,
            r#"{"key":"a","schema_version":1,"state":"increments","sub_key":2,"value":1}"#,
            r#"{"key":"bb","schema_version":1,"state":"increments","sub_key":0,"value":1}"#,
            r#"{"key":"ccc","schema_version":1,"state":"increments","sub_key":0,"value":1}"#,
        ],
    );
    let csv = |uid: &str| {
        let lines = sorted_lines(&folder, &["state", "export", &b, uid, "--format", "csv"]);
        let fields = |line: String| line.split(',').enumerate().filter(|(at, _)| *at != 5).map(|(_, field)| field.to_owned()).collect::<Vec<_>>();
        lines.into_iter().map(|line| fields(line).join(",")).collect::<Vec<_>>()
    };
    let heading = "state,key,sub_key,value,schema_version,expired";
    let rows = ["a,0x0100000000000000,3", "bb,0x0200000000000000,1", "ccc,0x0300000000000000,1"].map(|row| format!("by-length,{row},1,false"));
    assert_eq!(csv("map"), [&rows[..], &[heading.to_owned()]].concat());
    let rows = ["a,0", "a,1", "a,2", "bb,0", "ccc,0"].map(|row| format!("increments,{row},1,1,false"));
    assert_eq!(csv("list"), [&rows[..], &[heading.to_owned()]].concat());
    check(
        &["diff", &a, &b, "map"],
        &["+ map by-length a [0x0100000000000000] = 3", "+ map by-length ccc [0x0300000000000000] = 1", "- map by-length a [0x0100000000000000] = 2"],
    );
    check(&["diff", &b, &a, "list"], &["- list increments a [2] = 1", "- list increments ccc [0] = 1"]);
    check(
        &["diff", &a, &b, "list", "--json"],
        &[
            r#"{"a":null,"b":{"schema_version":1,"value":1},"key":"a","state":"increments","sub_key":2,"uid":"list"}"#,
            r#"{"a":null,"b":{"schema_version":1,"value":1},"key":"ccc","state":"increments","sub_key":0,"uid":"list"}"#,
        ],
    );
    check(&["diff", &a, &a], &[]);
}

#[test]
fn what_has_expired_since_a_savepoint_is_shown_as_such() {
    let folder = JobFolder::new();
    let mut running = folder.job(EXPLORED, &["-p", "2"]).holding_input().start();
    // On a machine that is slow enough it has expired before the savepoint is made, and is not in it: then it is said again.
    let (mut lines, mut savepoint, mut brief) = (0, String::new(), Vec::new());
    while brief.is_empty() {
        lines += 1;
        savepoint = savepoint_with(&folder, &mut running, "bb\n", lines);
        brief = sorted_lines(&folder, &["state", "export", &savepoint, "brief"]);
    }
    let ls = json(&folder, &["state", "ls", &savepoint, "brief"]);
    assert!(ls[0].to_string().contains("2000"), "its time to live: {ls}");
    let get = ["state", "get", &savepoint, "brief", "by-length", "bb"];
    running.until_poll(|| folder.weir(&get).run().with_code(0).text().contains("expired"));
    let got = json(&folder, &get);
    assert_eq!((&got[0]["sub_key"], &got[0]["expired"]), (&"0x0200000000000000".into(), &true.into()), "{got}");
    let expired = |uid: &str| sorted_lines(&folder, &["state", "export", &savepoint, uid])[0].contains(r#""expired":true"#);
    assert_eq!([expired("brief"), expired("map"), expired("list")], [true, false, false]);
    let csv = |uid: &str| sorted_lines(&folder, &["state", "export", &savepoint, uid, "--format", "csv"])[0].clone();
    assert!(csv("brief").ends_with(",true") && csv("map").ends_with(",false"));
    assert_eq!(json(&folder, &["savepoint", "verify", &savepoint])["ok"], true);
    running.hang_up();
    drop(running.wait().with_code(0));
}
