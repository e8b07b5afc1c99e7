//! Puts the templates of `weir plugin new`, and the SDKs that its projects get, into the binary as tables of files.

#![allow(clippy::print_stdout, reason = "so a build script speaks to Cargo")]

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// What a project is copied from: the language (empty: all), a file or folder at the root of the repository, and its place in the project.
/// Of two files for one place, that of the later line is taken.
const PARTS: &[(&str, &str, &str)] = &[
    ("", "host/cli/templates/common", ""),
    ("rust", "host/cli/templates/rust", ""),
    ("rust", "guest-sdk/rust", "weir-sdk/guest-sdk/rust"),
    ("rust", "wit", "weir-sdk/wit"),
    ("c", "host/cli/templates/c", ""),
    ("c", "guest-sdk/c", "weir-sdk"),
    ("javascript", "host/cli/templates/javascript", ""),
    ("javascript", "guest-sdk/javascript", "weir-sdk"),
    ("typescript", "host/cli/templates/typescript", ""),
    ("typescript", "guest-sdk/javascript", "weir-sdk"),
    ("python", "host/cli/templates/python", ""),
    ("python", "guest-sdk/python", "weir-sdk"),
    ("go", "host/cli/templates/go", ""),
    ("go", "guest-sdk/go", "weir-sdk"),
    // These have no SDK, but the layer that the conformance plugin is written with.
    ("assemblyscript", "plugins/conformance/assemblyscript/assembly", "assembly"),
    ("assemblyscript", "plugins/conformance/assemblyscript/exports.mjs", "exports.mjs"),
    ("assemblyscript", "plugins/conformance/fake-host.mjs", "weir-sdk/fake-host.mjs"),
    ("assemblyscript", "host/cli/templates/core", ""),
    ("assemblyscript", "host/cli/templates/assemblyscript", ""),
    ("zig", "plugins/conformance/zig", "weir-sdk"),
    ("zig", "plugins/conformance/fake-host.mjs", "weir-sdk/fake-host.mjs"),
    ("zig", "host/cli/templates/core", ""),
    ("zig", "host/cli/templates/zig", ""),
    ("wat", "plugins/conformance/wat/plugin.wat", "plugin.wat"),
    ("wat", "plugins/conformance/fake-host.mjs", "weir-sdk/fake-host.mjs"),
    ("wat", "host/cli/templates/core", ""),
    ("wat", "host/cli/templates/wat", ""),
];

/// The conformance plugins' own: their functions, jobs and tests.
const NOT_LAYERS: &[&str] = &["plugin.zig", "test.zig", "test.mjs", "job.toml", "README.md"];

/// What compilers and package managers leave in a folder, and an SDK's own tests.
const LEFT_OUT: &[&str] =
    &["target", "build", "dist", "node_modules", ".venv", "venv", "__pycache__", "package-lock.json", "tests", "test", "PENDING.md", "Cargo.lock"];

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let root = here.ancestors().nth(2).ok_or("host/cli isn't in the repository")?;
    let mut table = String::from("pub(super) static PARTS: &[Part] = &[\n");
    for (language, source, place) in PARTS {
        let source = root.join(source);
        let mut files = Vec::new();
        collect(&source, "", &mut files)?;
        if source.starts_with(root.join("plugins")) {
            files.retain(|(name, _)| !NOT_LAYERS.contains(&name.as_str()));
        }
        files.sort();
        writeln!(table, "Part {{ language: {language:?}, place: {place:?}, files: &[")?;
        for (name, path) in files {
            // File by file: in the folders, tests and package managers leave things that don't matter here.
            println!("cargo:rerun-if-changed={}", path.display());
            writeln!(table, "({name:?}, include_bytes!({:?})),", path.display().to_string())?;
        }
        writeln!(table, "] }},")?;
    }
    table.push_str("];\n");
    fs::write(Path::new(&std::env::var("OUT_DIR")?).join("project_parts.rs"), table)?;
    Ok(())
}

/// The files below `path`, by their names from there; of a file itself the name is empty.
fn collect(path: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), Box<dyn Error>> {
    if fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.is_file() {
        files.push((name.to_owned(), path.to_owned()));
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let below = entry.file_name().into_string().map_err(|name| format!("{} isn't UTF-8", name.display()))?;
        if LEFT_OUT.contains(&below.as_str()) || below.ends_with("_test.go") || below.ends_with(".wasm") {
            continue;
        }
        let below = if name.is_empty() { below } else { format!("{name}/{below}") };
        collect(&entry.path(), &below, files)?;
    }
    Ok(())
}
