//! Builds a plugin with the user's own Rust toolchain.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use weir_model::{Error, Result};

use super::tool::Running;

/// What plugins are built for: WebAssembly without any system interface.
const TARGET: &str = "wasm32-unknown-unknown";

/// weir's engine always has SIMD; the compiler's default for the target is to do without. Joined with the flags of the user's own configuration.
const SIMD: &str = r#"target.wasm32-unknown-unknown.rustflags=["-Ctarget-feature=+simd128"]"#;

/// Builds the project whose manifest is at `manifest`; gives the core module's path.
///
/// # Errors
/// When there is no Cargo, it fails, or the project isn't one plugin.
pub(super) fn build(manifest: &Path, running: &Running) -> Result<PathBuf> {
    let manifest = std::fs::canonicalize(manifest)
        .map_err(|error| Error::usage(format!("{} can't be read", manifest.display()), error.to_string(), "check the path"))?;
    let place = format!("building {}", manifest.display());
    let folder = manifest.parent().unwrap_or(Path::new("."));
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&program);
    // In the project's folder, so that its own toolchain file and Cargo configuration count.
    command.current_dir(folder).args([
        "build",
        "--release",
        "--target",
        TARGET,
        "--config",
        SIMD,
        "--message-format",
        "json-render-diagnostics",
        "--manifest-path",
    ]);
    let output = running.run(command.arg(&manifest).stdout(Stdio::piped())).map_err(|error| {
        Error::usage(
            &place,
            format!("{} can't be started: {error}", program.display()),
            "install Rust (https://rustup.rs), or build a .wasm yourself and give that",
        )
    })?;
    if !output.status.success() {
        return Err(failure(&place, folder));
    }
    pick(&place, &manifest, artifacts(&String::from_utf8_lossy(&output.stdout)))
}

/// Why Cargo failed: a missing target is the usual reason the first time.
fn failure(place: &str, folder: &Path) -> Error {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let answer = Command::new(rustc).current_dir(folder).args(["--print", "target-libdir", "--target", TARGET]).output();
    let libraries = answer.ok().map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    if libraries.is_some_and(|path| !path.is_dir()) {
        return Error::usage(
            place,
            format!("the Rust toolchain has no standard library for {TARGET}"),
            format!("run `rustup target add {TARGET}`, or install your distribution's package for it"),
        );
    }
    Error::usage(place, "Cargo failed; its messages are above", "mend what they say")
}

/// A core module that Cargo has made, and the manifest it comes from.
#[derive(Debug, PartialEq, Eq)]
struct Artifact {
    manifest: PathBuf,
    module: PathBuf,
}

fn artifacts(messages: &str) -> Vec<Artifact> {
    let mut found = Vec::new();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let list = |pointer: &str| message.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
        if message.get("reason").is_none_or(|reason| reason != "compiler-artifact")
            || !list("/target/crate_types").iter().any(|kind| kind == "cdylib")
        {
            continue;
        }
        let manifest = message.get("manifest_path").and_then(Value::as_str).map(PathBuf::from).unwrap_or_default();
        let modules = list("/filenames").into_iter().filter_map(|name| name.as_str().map(PathBuf::from));
        let modules = modules.filter(|path| path.extension().is_some_and(|extension| extension == "wasm"));
        found.extend(modules.map(|module| Artifact { manifest: manifest.clone(), module }));
    }
    found
}

/// The module of `manifest` itself, or the only one of a workspace.
fn pick(place: &str, manifest: &Path, mut found: Vec<Artifact>) -> Result<PathBuf> {
    if found.iter().any(|artifact| artifact.manifest == manifest) {
        found.retain(|artifact| artifact.manifest == manifest);
    }
    if found.len() > 1 {
        let all = found.iter().map(|artifact| artifact.manifest.display().to_string()).collect::<Vec<_>>().join("\n");
        return Err(Error::usage(place, "it is a workspace with several plugins", format!("give one of them:\n{all}")));
    }
    found.pop().map(|artifact| artifact.module).ok_or_else(|| {
        Error::usage(place, "Cargo made no WebAssembly module of it", "add `[lib]` with `crate-type = [\"cdylib\"]` to its Cargo.toml")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(manifest: &str, kind: &str, files: &[&str]) -> String {
        let target = serde_json::json!({"crate_types": [kind]});
        serde_json::json!({"reason": "compiler-artifact", "manifest_path": manifest, "target": target, "filenames": files}).to_string()
    }

    #[test]
    fn the_module_of_the_project_itself_is_taken() {
        let check = |messages: &[&str], expected: Result<&str, &str>| {
            let picked = pick("building", Path::new("/p/Cargo.toml"), artifacts(&messages.join("\n"))).map_err(|error| error.why);
            assert_eq!(picked, expected.map(PathBuf::from).map_err(str::to_owned));
        };
        let own = message("/p/Cargo.toml", "cdylib", &["/t/p.wasm", "/t/libp.rlib"]);
        let other = message("/q/Cargo.toml", "cdylib", &["/t/q.wasm"]);
        let library = message("/r/Cargo.toml", "lib", &["/t/libr.rlib"]);
        let third = message("/s/Cargo.toml", "cdylib", &["/t/s.wasm"]);
        check(&[&library, &other, &own, "not json"], Ok("/t/p.wasm"));
        check(&[&other], Ok("/t/q.wasm"));
        check(&[&other, &third], Err("it is a workspace with several plugins"));
        check(&[&library], Err("Cargo made no WebAssembly module of it"));
    }
}
