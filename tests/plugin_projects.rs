//! `weir plugin new` and `weir plugin build` in every language: what is made, what is refused, and that it builds and runs where the tools are.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test says what went wrong by panicking, and what it has skipped by printing"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use weir_tests::built;
use weir_tests::job::JobFolder;

/// A language, the files of a project that only it has, and what its missing tools are told by: the reason, and the remedy.
const LANGUAGES: &[(&str, &[&str], (&str, &str))] = &[
    ("rust", &["Cargo.toml", "src/lib.rs", "weir-sdk/Cargo.toml", "weir-sdk/wit/world.wit"], ("can't be started", "https://rustup.rs")),
    ("c", &["plugin.c", "weir-sdk/weir.h"], ("", "apt-get install --no-install-recommends clang-19")),
    ("javascript", &["package.json", "plugin.js", "weir-sdk/index.js"], ("`node`", "apt-get install nodejs npm")),
    ("typescript", &["package.json", "plugin.ts", "weir-sdk/index.d.ts"], ("`node`", "apt-get install nodejs npm")),
    ("python", &["plugin.py", "weir-sdk/weir_guest/__init__.py"], ("`componentize-py`", "pip install componentize-py==0.25.1")),
    ("go", &["go.mod", "plugin.go", "weir-sdk/go.mod"], ("`go`", "https://go.dev/dl/")),
    ("assemblyscript", &["asconfig.json", "assembly/index.ts", "assembly/weir.ts"], ("`asc`", "npm install")),
    ("zig", &["plugin.zig", "weir-sdk/weir.zig"], ("`zig`", "pip install ziglang")),
    ("wat", &["plugin.wat"], ("", "")),
];

/// What the job of a new project prints: all words of its input, each with its count so far.
fn expected_counts(input: &str) -> String {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let lines = input.split_ascii_whitespace().map(|word| {
        let word = word.to_ascii_lowercase();
        let count = counts.entry(word.clone()).or_default();
        *count += 1;
        format!("{word}\t{count}\n")
    });
    lines.collect()
}

/// Makes the project `words` of a language.
fn new_project(folder: &JobFolder, language: &str) -> Value {
    serde_json::from_slice(&folder.weir(&["plugin", "new", "--lang", language, "words", "--json"]).run().with_code(0).stdout).unwrap()
}

#[test]
fn a_new_project_has_sources_tests_a_job_and_its_sdk() {
    for (language, own, _) in LANGUAGES {
        let folder = JobFolder::new();
        let told = new_project(&folder, language);
        assert_eq!((told["folder"].as_str(), told["language"].as_str()), (Some("words"), Some(*language)));
        for name in ["README.md", ".gitignore", "cases.toml", "job.toml", "input.txt"].iter().chain(*own) {
            let path = folder.path().join("words").join(name);
            assert!(path.is_file(), "{language}: {name}");
            assert!(told["files"].as_array().unwrap().iter().any(|file| file == name), "{language}: {name} isn't told");
        }
        let next: Vec<_> = told["next"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        assert!(next.contains(&"weir plugin build .") && next.contains(&"weir run job.toml"), "{language}: {next:?}");
    }
}

#[test]
fn a_new_project_replaces_nothing_and_has_a_name_that_can_be_one() {
    let folder = JobFolder::new();
    folder.write("taken/file", "mine");
    folder.write("file", "mine");
    let check = |language: &str, name: &str, why: &str| {
        drop(folder.weir(&["plugin", "new", "--lang", language, name]).run().failed(2, &["the new plugin"], &[why]));
    };
    check("python", "taken", "something of this name already");
    check("c", "file", "something of this name already");
    check("zig", "none/words", "No such file");
    check("go", "2words", "isn't a letter followed by");
    check("wat", "..", "isn't a letter followed by");
    check("rust", "match", "Cargo takes no package");
    check("javascript", "Words", "capital letters");
    assert_eq!(fs::read_to_string(folder.path().join("taken/file")).unwrap(), "mine");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    let unknown = folder.weir(&["plugin", "new", "--lang", "pyton", "words"]).run().with_code(2);
    for part in ["pyton", "rust, c, javascript", "'python'"] {
        assert!(unknown.stderr.contains(part), "{part}: {}", unknown.stderr);
    }
}

#[test]
fn a_missing_tool_says_how_to_install_it() {
    for (language, _, (why, remedy)) in LANGUAGES.iter().filter(|(language, ..)| *language != "wat") {
        let folder = JobFolder::new();
        drop(new_project(&folder, language));
        let built = folder.weir(&["plugin", "build", "words"]).env("PATH", "/nonexistent").env("CARGO", "").env("WASI_SDK_PATH", "").run();
        let told = built.failed(2, &["building", "words"], &[why]);
        assert!(told.remedy.contains(remedy), "{language}: {told:?}");
        assert!(!folder.path().join("words.wasm").exists(), "{language}");
    }
}

#[test]
fn a_folder_that_is_no_project_or_several_is_refused() {
    let folder = JobFolder::new();
    let check = |files: &[&str], arguments: &[&str], why: &[&str], remedy: &str| {
        files.iter().for_each(|file| drop(folder.write(&format!("p/{file}"), "")));
        let told = folder.weir(&[&["plugin", "build", "p"], arguments].concat()).run().failed(2, &["building"], why);
        assert!(told.remedy.contains(remedy), "{told:?}");
        fs::remove_dir_all(folder.path().join("p")).unwrap();
    };
    check(&["notes.txt"], &[], &["Cargo.toml, go.mod, package.json"], "weir plugin new");
    check(&["go.mod", "plugin.py"], &[], &["several languages: python, go"], "--lang");
    check(&["go.mod", "plugin.py"], &["--lang", "python"], &["weir-sdk is no folder"], "WEIR_SDK");
    check(&["package.json"], &[], &["no package.json that names the entry module"], "\"main\"");
    check(&["a.zig", "b.zig"], &[], &["a.zig, b.zig"], "call it plugin");
}

#[test]
fn text_of_webassembly_is_refused_with_its_line() {
    let folder = JobFolder::new();
    folder.write("p/plugin.wat", "(module\n  (func (nonsense)))\n");
    drop(folder.weir(&["plugin", "build", "p"]).run().failed(2, &["p/plugin.wat"], &["plugin.wat:2"]));
    // A core module that lacks what the contract asks for.
    folder.write("p/plugin.wat", "(module (memory (export \"memory\") 1))");
    drop(folder.weir(&["plugin", "build", "p/plugin.wat"]).run().failed(2, &["plugin.wasm"], &["weir:operator/operator@0.1.0"]));
    assert!(!folder.path().join("p.wasm").exists());
}

/// Writes a script that stands for a language's tool; gives a PATH with it.
fn tool(folder: &JobFolder, name: &str, script: &str) -> String {
    let path = folder.write(&format!("bin/{name}"), format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin", folder.path().join("bin").display())
}

#[test]
fn a_tool_that_fails_has_said_why_on_standard_error() {
    let folder = JobFolder::new();
    folder.write("p/go.mod", "module p\n");
    let path = tool(&folder, "go", "echo to stdout; echo to stderr >&2; echo $GOOS $GOARCH $*; exit 3");
    let ended = folder.weir(&["plugin", "build", "p"]).env("PATH", path).run().with_code(2);
    assert!(ended.text().is_empty(), "{}", ended.text());
    for part in ["to stdout", "to stderr", "wasip1 wasm build -buildmode=c-shared", "bin/go failed (exit status: 3); its messages are above"] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    assert!(!folder.path().join("p.wasm").exists());
    assert_eq!(fs::read_to_string(folder.path().join("p/build/.gitignore")).unwrap(), "*\n");
}

#[test]
fn a_tool_that_makes_nothing_is_not_taken_for_its_earlier_self() {
    let folder = JobFolder::new();
    folder.write("p/go.mod", "module p\n");
    folder.write("p/build/plugin.wasm", fs::read(built::plugin("word_count")).unwrap());
    let path = tool(&folder, "go", "exit 0");
    drop(folder.weir(&["plugin", "build", "p"]).env("PATH", path).run().failed(2, &["p/build/plugin.wasm"], &["No such file"]));
}

#[test]
fn a_signal_ends_the_build_with_its_tools() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let folder = JobFolder::new();
        folder.write("p/go.mod", "module p\n");
        let pids = folder.path().join("p/pids");
        let path = tool(&folder, "go", "sleep 600 &\necho $! $$ > pids.new; mv pids.new pids; wait");
        let weir = folder.weir(&["plugin", "build", "p"]).env("PATH", path).start();
        weir.until_poll(|| pids.exists());
        weir.signal(signal);
        assert_eq!(weir.wait().with_code(4).text(), "");
        for pid in fs::read_to_string(&pids).unwrap().split_whitespace() {
            // What nobody has waited for yet is over all the same.
            let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            assert!(state.is_empty() || state.contains(") Z "), "{state}");
        }
    }
}

/// Builds the new project of a language, looks at it, and runs its job.
fn check_build(language: &str) {
    let folder = JobFolder::new();
    drop(new_project(&folder, language));
    let project = folder.path().join("words");
    let target = built::cache().join("new-project");
    let weir = |arguments: &[&str]| weir_tests::process::Weir::new(&project, arguments).limit(Duration::from_secs(600));
    // What Cargo builds of the SDK's dependencies is kept for the next time.
    let ended = weir(&["plugin", "build", "."]).env("CARGO_TARGET_DIR", &target).run();
    let ended = ended.with_code(0);
    assert!(ended.text().starts_with("words.wasm"), "{language}: {}", ended.text());
    let check: Value = serde_json::from_slice(&weir(&["plugin", "check", "words.wasm", "--json"]).run().with_code(0).stdout).unwrap();
    assert!(check["sdk"].as_str().unwrap().starts_with(language), "{language}: {check}");
    assert!(check["bytes"].as_u64().unwrap() > 0, "{check}");
    let input = fs::read_to_string(project.join("input.txt")).unwrap();
    assert_eq!(weir(&["run", "-q", "job.toml"]).run().with_code(0).text(), expected_counts(&input), "{language}");
    // What the tools leave is covered by the project's .gitignore.
    let ignored = fs::read_to_string(project.join(".gitignore")).unwrap();
    let left = fs::read_dir(&project).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for name in left.filter(|name| name == "build" || name == "target") {
        assert!(ignored.contains(&format!("/{name}/")), "{language}: {name}");
    }
}

/// Whether a program is on the path.
fn has(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(program).is_file())
}

#[test]
fn a_new_project_builds_and_counts_the_words_of_its_input() {
    let there: &[(&str, bool)] = &[
        ("rust", true),
        ("wat", true),
        ("c", has("clang-19") && Path::new("/usr/include/wasm32-wasi").is_dir()),
        ("go", has("go")),
        ("zig", has("zig")),
        ("assemblyscript", has("asc")),
        ("python", has("componentize-py")),
    ];
    for (language, is_there) in there {
        if *is_there {
            check_build(language);
        } else {
            eprintln!("{language}: its tools aren't on PATH: skipped");
        }
    }
}
