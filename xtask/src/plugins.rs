//! `cargo xtask plugins`: builds the plugins' own workspace into `target/plugins/*.wasm`.

use std::path::Path;

use serde_json::Value;

use crate::fault::{Fault, Result};
use crate::measure::Stopwatch;
use crate::repo::Repo;
use crate::toolchain::{TARGET, Toolchain};
use crate::{process, say, setup};

/// Makes sure of a compiler, then builds.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    build(repo, &setup::run()?)
}

/// Builds every plugin and puts it where job files look for it.
///
/// What Cargo makes are core modules that carry their WIT; the host turns them into components as it loads them.
pub(crate) fn build(repo: &Repo, toolchain: &Toolchain) -> Result<()> {
    let manifest = repo.path("plugins/Cargo.toml");
    if !manifest.is_file() {
        return Err(Fault::failed("there are no plugins to build", "plugins/Cargo.toml is not there", "check that the clone is whole"));
    }
    let names = modules(&repo.metadata(&manifest)?);
    if matches!(toolchain, Toolchain::Debian { .. }) && !repo.path("target/guest").join(TARGET).is_dir() {
        say::progress("building the standard library for Wasm first: a minute or so, once");
    }
    let watch = Stopwatch::start();
    let mut command = toolchain.cargo_build(repo);
    command.args(["--quiet", "--workspace"]).env("CARGO_TARGET_DIR", repo.path("target/guest"));
    if repo.path("plugins/Cargo.lock").is_file() {
        command.arg("--locked");
    }
    process::run(
        &mut command,
        "read the compiler's message above; if it is about Cargo.lock, run `cargo update --workspace` in plugins/ and commit the file",
    )?;

    let built = repo.path("target/guest").join(TARGET).join("release");
    let kept = repo.path("target/plugins");
    std::fs::create_dir_all(&kept).map_err(|error| Fault::path(&kept, "created", &error))?;
    let mut changed = Vec::new();
    for Module { built: stem, kept: name } in &names {
        let file = format!("{name}.wasm");
        if copy_if_changed(&built.join(format!("{stem}.wasm")), &kept.join(&file))? {
            changed.push(file);
        }
    }
    let news = if changed.is_empty() { "all up to date".to_owned() } else { format!("new: {}", changed.join(", ")) };
    say::progress(&format!("{} plugins in target/plugins, {news} ({:.1} s)", names.len(), watch.elapsed().wall_s));
    Ok(())
}

/// The file stems of a member that is built into a module.
#[derive(Debug, PartialEq, Eq)]
struct Module {
    /// As Cargo has it.
    built: String,
    /// As it is kept: the same, unless `output` in `[package.metadata.weir]` says another.
    kept: String,
}

/// All members that are built into a module.
fn modules(metadata: &Value) -> Vec<Module> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let mut names = Vec::new();
    for package in list(metadata.get("packages")) {
        let output = package.pointer("/metadata/weir/output").and_then(Value::as_str);
        for target in list(package.get("targets")) {
            let is_module = list(target.get("crate_types")).iter().any(|kind| kind == "cdylib");
            if let Some(name) = target.get("name").and_then(Value::as_str).filter(|_| is_module) {
                let built = name.replace('-', "_");
                names.push(Module { kept: output.map_or_else(|| built.clone(), str::to_owned), built });
            }
        }
    }
    names
}

/// Puts the bytes of `from` at `to` in one step, unless they are there already; whether it did.
///
/// A file that didn't change keeps its time, and a job that is starting meanwhile never sees half of one.
fn copy_if_changed(from: &Path, to: &Path) -> Result<bool> {
    let bytes = std::fs::read(from).map_err(|error| Fault::path(from, "read", &error))?;
    if std::fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let draft = to.with_extension(format!("wasm.{}", std::process::id()));
    std::fs::write(&draft, &bytes).map_err(|error| Fault::path(&draft, "written", &error))?;
    std::fs::rename(&draft, to).map_err(|error| Fault::path(to, "replaced", &error))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_members_that_become_modules_are_kept() {
        let metadata = serde_json::json!({"packages": [
            {"targets": [{"name": "word-count", "crate_types": ["cdylib", "rlib"]}, {"name": "bin", "crate_types": ["bin"]}]},
            {"targets": [{"name": "faulty", "crate_types": ["lib"]}]},
            {"targets": [{"name": "ssh_guard", "crate_types": ["cdylib"]}], "metadata": null},
            {"targets": [{"name": "conformance", "crate_types": ["cdylib"]}], "metadata": {"weir": {"output": "conformance-rust"}}},
        ]});
        let found: Vec<_> = modules(&metadata).into_iter().map(|Module { built, kept }| (built, kept)).collect();
        let expected = [("word_count", "word_count"), ("ssh_guard", "ssh_guard"), ("conformance", "conformance-rust")];
        assert_eq!(found, expected.map(|(built, kept)| (built.to_owned(), kept.to_owned())));
        assert!(modules(&Value::Null).is_empty());
    }

    #[test]
    fn a_module_is_replaced_only_when_its_bytes_changed() {
        let folder = std::env::temp_dir().join(format!("weir-xtask-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (from, to) = (folder.join("from.wasm"), folder.join("to.wasm"));
        std::fs::write(&from, b"one").unwrap();
        assert!(copy_if_changed(&from, &to).unwrap());
        assert!(!copy_if_changed(&from, &to).unwrap());
        std::fs::write(&from, b"two").unwrap();
        assert!(copy_if_changed(&from, &to).unwrap());
        assert_eq!(std::fs::read(&to).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "no draft is left behind");
        std::fs::remove_file(&from).unwrap();
        assert!(copy_if_changed(&from, &to).unwrap_err().what.contains("from.wasm can't be read"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
