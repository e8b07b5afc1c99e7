//! `weir plugin build`, `check` and `describe`: on real plugins, and on everything that is none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use weir_tests::built;
use weir_tests::job::JobFolder;
use weir_tests::process::Told;

const CONTRACT: &str = "weir:operator/operator@0.1.0";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Refused by all three commands alike; gives what `check` told.
fn refused(folder: &JobFolder, file: &Path, code: i32, why: &[&str]) -> Told {
    let told = folder.weir(&["plugin", "check", text(file)]).run().failed(code, &["plugin", text(file)], why);
    let described = folder.weir(&["plugin", "describe", text(file)]).run().failed(code, &["plugin", text(file)], why);
    assert_eq!(told, described);
    let built = folder.weir(&["plugin", "build", text(file), "-o", "never.wasm"]).run();
    drop(built.failed(code, &[text(file)], why));
    assert!(!folder.path().join("never.wasm").exists(), "{why:?}");
    told
}

/// A plugin written by hand, refused with `code` and `why`.
fn check_wat(wat: &str, code: i32, why: &[&str]) -> Told {
    let folder = JobFolder::new();
    let file = folder.write("hand.wasm", wat::parse_str(wat).unwrap());
    refused(&folder, &file, code, why)
}

#[test]
fn real_plugins_are_checked_and_described() {
    let folder = JobFolder::new();
    for (name, functions) in [("word_count", &["tokenize", "count"][..]), ("ssh_guard", &["parse", "suspects"]), ("faulty", &["echo", "keyed-trap"])]
    {
        let file = built::plugin(name);
        for command in ["check", "describe"] {
            let ended = folder.weir(&["plugin", command, text(&file)]).run().with_code(0);
            assert!(functions.iter().all(|function| ended.text().contains(function)), "{}", ended.text());
            assert!(ended.text().contains("sha256:") && ended.stderr.is_empty(), "{}", ended.stderr);
        }
        let check: Value = serde_json::from_slice(&folder.weir(&["plugin", "check", text(&file), "--json"]).run().with_code(0).stdout).unwrap();
        assert_eq!((check["ok"].as_bool(), check["contract"].as_str()), (Some(true), Some(CONTRACT)));
        assert!(check["imports"].as_array().unwrap().iter().all(|import| import.as_str().unwrap().starts_with("weir:")), "{check}");
    }
}

#[test]
fn a_description_has_ports_codecs_and_states() {
    let folder = JobFolder::new();
    let ended = folder.weir(&["plugin", "describe", text(&built::plugin("word_count")), "--json"]).run().with_code(0);
    let description: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let count = description["functions"].as_array().unwrap().iter().find(|function| function["function"] == "count").unwrap();
    assert_eq!(count["keyed"], true);
    assert!(!count["doc"].as_str().unwrap().is_empty());
    let port = |place: &str| (count[place][0]["key"].as_str().unwrap(), count[place][0]["value"].as_str().unwrap());
    assert_eq!((port("inputs"), port("outputs")), (("utf8", "u64-le"), ("utf8", "u64-le")));
    assert_eq!(count["states"].as_array().unwrap().len(), 1);
    let state = &count["states"][0];
    assert_eq!((state["name"].as_str(), state["kind"].as_str(), state["codec"].as_str()), (Some("count"), Some("value"), Some("u64-le")));
}

#[test]
fn a_core_module_is_made_a_component() {
    let folder = JobFolder::new();
    let module: PathBuf = folder.write("module.wasm", fs::read(built::plugin("word_count")).unwrap());
    let before = fs::read(&module).unwrap();
    let ended = folder.weir(&["plugin", "build", "module.wasm", "-o", "made.wasm"]).run().with_code(0);
    assert!(ended.text().contains("made.wasm") && ended.text().contains("tokenize"), "{}", ended.text());
    assert_eq!(fs::read(&module).unwrap(), before);
    let component = fs::read(folder.path().join("made.wasm")).unwrap();
    assert_eq!(component[..8], *b"\0asm\x0d\0\x01\0");
    drop(folder.weir(&["plugin", "check", "made.wasm"]).run().with_code(0));
    // The component runs as the module does, and building it again changes nothing.
    drop(folder.weir(&["plugin", "build", "made.wasm", "-o", "again.wasm"]).run().with_code(0));
    assert_eq!(fs::read(folder.path().join("again.wasm")).unwrap(), component);
    folder.write("in.txt", "a b a\n");
    let toml =
        weir_tests::job::word_count("connector = \"file\"\npath = \"in.txt\"", "connector = \"print\"").replace("${PLUGINS}/word_count", "made");
    assert_eq!(folder.run(&toml, &["-p", "1"]).with_code(0).text(), "a\t1\nb\t1\na\t2\n");
    // Without a name it goes beside the module; where it can't be written, nothing is left.
    drop(folder.weir(&["plugin", "build", "module.wasm"]).run().with_code(0));
    assert_eq!(fs::read(folder.path().join("module.component.wasm")).unwrap(), component);
    drop(folder.weir(&["plugin", "build", "module.wasm", "-o", "none/made.wasm"]).run().failed(2, &["none/made.wasm"], &["No such file"]));
    assert_eq!(fs::read(&module).unwrap(), before);
}

#[test]
fn what_is_no_plugin_is_refused_by_name() {
    let folder = JobFolder::new();
    let plugin = fs::read(built::plugin("word_count")).unwrap();
    let check = |content: &[u8], why: &str| {
        let file = folder.write("file.wasm", content);
        drop(refused(&folder, &file, 2, &[why]));
    };
    check(b"", "not WebAssembly");
    check(b"[job]\nname = \"a text\"\n", "not WebAssembly");
    check(b"\0asm", "not WebAssembly");
    check(b"\0asm\x02\0\0\0", "unknown WebAssembly version");
    check(b"\0asm\x01\0\0\0garbage garbage garbage", "not valid WebAssembly");
    check(b"\0asm\x0d\0\x01\0garbage garbage garbage", "not valid WebAssembly");
    // Torn in many places: wherever a section ends, the rest is missing.
    for eighth in 1..8 {
        check(&plugin[..plugin.len() * eighth / 8], "not valid WebAssembly");
    }
    let zeros = [&plugin[..plugin.len() / 2], &vec![0; plugin.len() / 2]].concat();
    check(&zeros, "not valid WebAssembly");
    drop(folder.weir(&["plugin", "check", "none.wasm"]).run().failed(2, &["none.wasm"], &["No such file"]));
    drop(folder.weir(&["plugin", "check", "."]).run().failed(2, &["plugin ."], &["directory"]));
    drop(folder.weir(&["plugin", "build", "none.wasm"]).run().failed(2, &["none.wasm"], &["No such file"]));
    drop(folder.weir(&["plugin", "build", "."]).run().failed(2, &["building ."], &["Cargo.toml"]));
}

#[test]
fn a_module_of_another_making_is_refused() {
    drop(check_wat("(module)", 2, &["weir"]));
    drop(check_wat("(module (func (export \"process\")) (memory (export \"memory\") 1))", 2, &["weir"]));
    // A module made for WASI gets the usual adapter, and lacks the operators all the same.
    let wasi = "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func (param i32 i32 i32 i32) (result i32))))";
    drop(check_wat(wasi, 2, &["weir:operator/operator@0.1.0"]));
}

#[test]
fn a_component_of_another_world_is_refused() {
    let told = check_wat("(component)", 2, &[CONTRACT, "doesn't export"]);
    assert!(told.remedy.contains("wit/"), "{told:?}");
    let http =
        "(component (component $inner) (instance $handler (instantiate $inner)) (export \"wasi:http/incoming-handler@0.2.0\" (instance $handler)))";
    drop(check_wat(http, 2, &[CONTRACT, "doesn't export"]));
    // The right name with nothing behind it.
    let empty = format!("(component (component $inner) (instance $operator (instantiate $inner)) (export \"{CONTRACT}\" (instance $operator)))");
    drop(check_wat(&empty, 2, &["export"]));
}

#[test]
fn another_version_of_the_contract_is_named() {
    let newer =
        "(component (component $inner) (instance $operator (instantiate $inner)) (export \"weir:operator/operator@0.2.0\" (instance $operator)))";
    let told = check_wat(newer, 3, &["weir:operator/operator@0.2.0", CONTRACT]);
    assert!(told.remedy.contains("SDK"), "{told:?}");
    let import = "(component (import \"weir:output/output@7.0.0\" (instance (export \"emit\" (func)))))";
    drop(check_wat(import, 3, &["weir:output/output@7.0.0", "weir:output/output@0.1.0"]));
}

#[test]
fn what_a_plugin_must_not_have_is_named() {
    let import = |name: &str, function: &str| format!("(component (import \"{name}\" (instance (export \"{function}\" (func)))))");
    for name in ["wasi:http/outgoing-handler@0.2.0", "wasi:keyvalue/store@0.2.0-draft", "wasi:clocks/wall-clock@0.3.0", "acme:magic/wand@1.0.0"] {
        let told = check_wat(&import(name, "get"), 2, &[&format!("imports `{name}`")]);
        assert!(told.remedy.contains("WASI"), "{told:?}");
    }
    drop(check_wat(&import("weir:timers/timers@0.1.0", "register"), 2, &["weir:timers/timers@0.1.0", "timers are not supported yet"]));
    // One of weir's own interfaces in another shape.
    let shape = "(component (import \"weir:output/output@0.1.0\" (instance (export \"emit\" (func (param \"text\" string))))))";
    drop(check_wat(shape, 2, &[]));
}

#[test]
fn a_job_with_a_bad_plugin_names_the_line() {
    let folder = JobFolder::new();
    folder.write("in.txt", "a\n");
    folder.write("bad.wasm", wat::parse_str("(component (import \"wasi:http/types@0.2.0\" (instance (export \"get\" (func)))))").unwrap());
    let toml = weir_tests::job::word_count("connector = \"file\"\npath = \"in.txt\"", "connector = \"file\"\npath = \"out\"");
    let toml = toml.replace("${PLUGINS}/word_count.wasm", "bad.wasm");
    drop(folder.run(&toml, &[]).failed(2, &["job.toml:3", "[plugins.word-count]", "bad.wasm"], &["wasi:http/types@0.2.0"]));
    assert!(!folder.path().join("out").exists());
}
