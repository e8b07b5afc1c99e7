//! `weir plugin test`: every language's plugin passes the conformance cases, and a plugin or a case that is wrong is found out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test says what went wrong by panicking"
)]

use std::fs;
use std::time::Duration;

use serde_json::Value;
use weir_tests::built;
use weir_tests::job::JobFolder;
use weir_tests::languages;
use weir_tests::process::Ended;

/// A machine with other work needs its time for the large cases.
const LIMIT: Duration = Duration::from_secs(900);

/// The files of cases.
fn suite() -> Vec<String> {
    let folder = built::project().join("tests/conformance");
    let mut files: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().to_str().unwrap().to_owned()).collect();
    files.retain(|file| file.ends_with(".toml"));
    files.sort();
    assert!(files.len() >= 7, "{files:?}");
    files
}

#[test]
fn every_language_that_is_built_passes_the_suite() {
    let (built, skipped) = languages::built();
    eprintln!("conformance: tested are {}; not built, so skipped, are {}", built.join(", "), skipped.join(", "));
    // Each in a process of its own, beside the others: interpreters take minutes.
    std::thread::scope(|scope| {
        for (at, language) in built.iter().enumerate() {
            let built = &built;
            scope.spawn(move || check_language(at, language, built));
        }
    });
}

/// The language that is number `at` of those that are built passes the suite.
fn check_language(at: usize, language: &str, built: &[&str]) {
    // Cases that change between languages go from each to the next two that have an SDK.
    let with_sdk: Vec<&str> = built.iter().copied().filter(|language| languages::has_sdk(language)).collect();
    let behind = |places: usize| languages::plugin(with_sdk[(at + places) % with_sdk.len()]);
    let is_whole = with_sdk.contains(&language);
    let mut words: Vec<String> = ["plugin", "test", "--json", languages::plugin(language).to_str().unwrap()].map(str::to_owned).to_vec();
    words.extend((!is_whole).then(|| "--skip-missing".to_owned()));
    words.extend(suite());
    for (name, file) in [("second", behind(1)), ("third", behind(2))] {
        words.extend(["--plugin".to_owned(), format!("{name}={}", file.display())]);
    }
    let folder = JobFolder::new();
    let ended = folder.weir(&words.iter().map(String::as_str).collect::<Vec<_>>()).limit(LIMIT).run();
    let results: Value = serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{language}: {}", ended.stderr));
    let bad: Vec<String> = results["cases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["status"] != "ok" && (is_whole || case["status"] != "skipped"))
        .map(|case| format!("{case:#}"))
        .collect();
    assert!(bad.is_empty(), "{language}: {} cases are not ok:\n{}", bad.len(), bad.join("\n"));
    let passed = results["passed"].as_u64().unwrap();
    assert!(passed > if is_whole { 80 } else { 10 }, "{language}: {results:#}");
}

/// Cases run with a plugin of this repository.
fn run(plugin: &str, cases: &str, words: &[&str]) -> (Ended, JobFolder) {
    let folder = JobFolder::new();
    folder.write("cases.toml", cases);
    let plugin = built::plugin(plugin);
    let words = [&["plugin", "test", plugin.to_str().unwrap(), "cases.toml"], words].concat();
    (folder.weir(&words).limit(LIMIT).run(), folder)
}

/// A case fails, in these modes and no others, with these words.
fn check_caught(plugin: &str, case: &str, modes: &[&str], words: &[&str]) {
    let cases = format!("[[case]]\nname = \"it\"\n{case}");
    let (ended, _folder) = run(plugin, &cases, &["--json"]);
    let results: Value = serde_json::from_slice(&ended.with_code(1).stdout).unwrap();
    let failures = results["cases"][0]["failures"].as_array().unwrap().clone();
    let found: Vec<&str> = failures.iter().flat_map(|failure| failure["modes"].as_array().unwrap()).map(|mode| mode.as_str().unwrap()).collect();
    assert_eq!(found, modes, "{case}: {results:#}");
    let text = results.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{case}: {results:#}");
}

const EVERY: [&str; 4] = ["as written", "batches of one", "one batch of all", "a restart after every record"];

#[test]
fn an_operator_that_keeps_state_in_its_fields_is_caught_by_restarts() {
    let case =
        "function = \"remembers\"\ninput = [ { repeat = 3, value = \"x\" } ]\noutput = [ { value = \"1\" }, { value = \"2\" }, { value = \"3\" } ]";
    check_caught("faulty", case, &["a restart after every record"], &["output, record 1"]);
    let unsaid = "function = \"remembers\"\ninput = [ { repeat = 3, value = \"x\" } ]";
    check_caught("faulty", unsaid, &["a restart after every record"], &["against the case as written"]);
}

#[test]
fn an_operator_that_depends_on_its_batches_is_caught_by_the_other_batches() {
    let case = "function = \"counts-batch\"\nbatch = 2\ninput = [ { repeat = 4, value = \"x\" } ]\noutput = [ { repeat = 4, value = \"2\" } ]";
    check_caught("faulty", case, &["batches of one", "a restart after every record", "one batch of all"], &["output, record 0"]);
}

#[test]
fn a_wrong_expectation_fails_in_every_mode() {
    let input = "input = [ { key = \"a\", value = 1 }, { key = \"a\", value = 2 } ]\n";
    let check =
        |function: &str, lines: &str, words: &[&str]| check_caught("conformance-rust", &format!("function = \"{function}\"\n{lines}"), &EVERY, words);
    check("count", &format!("{input}output = [ {{ key = \"a\", value = 1 }}, {{ key = \"a\", value = 2 }} ]"), &["output, record 1", "value 3"]);
    check("count", &format!("{input}output = []"), &["where 0 are expected and 2 came"]);
    check("count", &format!("{input}state = {{ count = [ {{ key = \"a\", value = 4 }} ] }}"), &["state count, key"]);
    check("count", &format!("{input}state = {{ count = [] }}"), &["state count, key"]);
    check("count", &format!("{input}fails = \"x\""), &["it ran to the end of its input"]);
    check("count", &format!("{input}counters = {{ c = 1 }}"), &["counter c"]);
    check("strict", "input = [ { value = \"bad\" } ]", &["record 0 is refused: bad record: bad"]);
    check("strict", "input = [ { value = \"bad\" } ]\nfailures = [ { record = 0, message = \"worse\" } ]", &["worse"]);
    check("strict", "input = [ { value = \"a\" } ]\nfailures = [ { record = 0, message = \"\" } ]", &["failures, number 0"]);
    check("reverse", "input = [ { value = \"a\", timestamp = 5 } ]\noutput = [ { value = \"a\", timestamp = 6 } ]", &["timestamp 6", "timestamp 5"]);
    check("reverse", "input = []\nrefuses-open = \"no\"", &["it refuses to open"]);
    check("greet", "input = []", &["it refused to open: greeting is missing"]);
    check("count", "input = [ { key = \"a\", value = 1 }, { swap = \"self\", function = \"history\" } ]", &["its input would change"]);
}

#[test]
fn what_the_plugin_cannot_be_asked_is_told_once() {
    let check = |lines: &str, words: &[&str]| check_caught("conformance-rust", lines, &["as written"], words);
    check("function = \"cuont\"\ninput = []", &["has no function `cuont` (did you mean `count`?)"]);
    check(
        "function = \"count\"\ninput = [ { key = \"a\", value = \"x\" } ]",
        &["cases.toml:4: the record can't be given to the function", "`x` is no number"],
    );
    check("function = \"count\"\ninput = [ { value = 1 } ]", &["it has no key, and the function is keyed"]);
}

#[test]
fn a_function_that_does_not_come_back_fails_its_case_once() {
    let cases = "[[case]]\nname = \"it\"\nfunction = \"loop\"\ninput = [ { value = \"poison\" } ]\noutput = [ { value = \"x\" } ]";
    let (ended, _folder) = run("faulty", cases, &["--json", "--call-timeout", "300ms"]);
    let results: Value = serde_json::from_slice(&ended.with_code(1).stdout).unwrap();
    let failures = results["cases"][0]["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1, "{results:#}");
    assert_eq!(failures[0]["modes"], serde_json::json!(["as written"]), "{results:#}");
    assert!(failures[0].to_string().contains("300 ms"), "{results:#}");
}

#[test]
fn an_operator_that_looks_for_the_network_is_told_that_access_is_denied() {
    if !languages::built().0.contains(&"python") {
        return;
    }
    let cases = "[[case]]\nname = \"it\"\nfunction = \"dial\"\ninput = [ { repeat = 2, value = \"example.com\" }, { repeat = 2, value = \"127.0.0.1\" } ]\n\
                 output = [ { repeat = 4, value = \"PermissionError: [Errno 2] Permission denied\" } ]";
    let (ended, _folder) = run("conformance-python", cases, &["--json"]);
    let results: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(results["passed"], 1, "{results:#}");
}

const TWO: &str = "
[[case]]
name = \"sums <one>\"
function = \"count\"
input = [ { key = \"a\", value = 1 } ]
output = [ { key = \"a\", value = 2 } ]
[[case]]
name = \"swaps & more\"
function = \"count\"
input = [ { key = \"a\", value = 1 }, { swap = \"other\" } ]
output = [ { key = \"a\", value = 1 } ]
";

#[test]
fn results_are_told_to_a_person_and_to_a_build_server() {
    let (ended, folder) = run("conformance-rust", TWO, &["--junit", "out.xml"]);
    let ended = ended.with_code(1);
    let text = ended.text().replace("\"a\"", "a");
    let lines = ["FAILED   sums <one>\nskipped  swaps & more: it needs a plugin `other`: give one with --plugin other=FILE.wasm\n"];
    assert!(lines.iter().all(|line| text.contains(line)), "{text}");
    let failure = "cases.toml:2: sums <one> (function count)\n  in every mode:\n    output, record 0\n      expected  key a  value 2\n      found     key a  value 1\n";
    assert!(text.contains(failure) && text.contains("2 cases: 0 passed, 1 failed, 1 skipped"), "{text}");
    let xml = fs::read_to_string(folder.path().join("out.xml")).unwrap();
    assert!(xml.contains("tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"1\"") && xml.contains("sums &lt;one&gt;"), "{xml}");
}

#[test]
fn cases_are_picked_and_plugins_named_on_the_command_line() {
    let other = format!("other={}", built::plugin("conformance-rust").display());
    let (ended, _folder) = run("conformance-rust", TWO, &["--case", "swaps", "--plugin", &other]);
    assert!(ended.with_code(0).text().contains("1 case: 1 passed, 0 failed, 0 skipped"));
    let mistaken = format!("othre={}", built::plugin("conformance-rust").display());
    let (ended, _folder) = run("conformance-rust", TWO, &["--plugin", &mistaken]);
    drop(ended.failed(2, &["--plugin othre"], &["no case has a plugin of that name, and one needs `other`"]));
    let (ended, _folder) = run("conformance-rust", TWO, &["--case", "nothing"]);
    drop(ended.failed(2, &["no case is run"], &["no case's name contains \"nothing\""]));
    let (ended, _folder) = run("conformance-rust", "[[case]]\nname = \"n\"\nfuncton = \"f\"\n", &[]);
    drop(ended.failed(2, &["cases.toml:3: [case] functon"], &["`function` is missing, and `functon` is not it"]));
    let swap = "[[case]]\nname = \"n\"\nfunction = \"count\"\ninput = [ { swap = \"no.wasm\" } ]\n";
    let (ended, _folder) = run("conformance-rust", swap, &[]);
    drop(ended.failed(2, &["no.wasm"], &["can't be read"]));
}
