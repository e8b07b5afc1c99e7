//! Where things lie in this repository, and what Cargo and git know about them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use toml::de::DeTable;

use crate::fault::{Fault, Result};
use crate::process;

/// The repository this tool was started in.
pub(crate) struct Repo {
    root: PathBuf,
}

impl Repo {
    /// The repository around this tool's own sources or, started by hand, around the current folder.
    pub(crate) fn find() -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let here = std::env::current_dir().ok();
        let start = manifest.or(here).unwrap_or_default();
        let root = start.ancestors().find(|folder| folder.join("xtask/Cargo.toml").is_file());
        let root = root.ok_or_else(|| {
            Fault::usage("the repository can't be found", format!("no folder above {} holds xtask/", start.display()), "run it inside the repository")
        })?;
        Ok(Self { root: root.to_owned() })
    }

    /// A path inside the repository.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The host's Cargo, started in the repository.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        command
    }

    /// What Cargo knows of the workspace whose manifest is at `manifest`, its members only.
    pub(crate) fn metadata(&self, manifest: &Path) -> Result<Value> {
        let mut command = self.cargo();
        command.args(["metadata", "--format-version", "1", "--no-deps", "--manifest-path"]).arg(manifest);
        let text = process::capture(&mut command)?;
        serde_json::from_str(&text).map_err(|error| {
            Fault::failed("the answer of `cargo metadata` can't be read", error.to_string(), "check which cargo is first on the search path")
        })
    }

    /// The folder that the host is built into, wherever the user's settings put it.
    pub(crate) fn target_dir(&self) -> Result<PathBuf> {
        let metadata = self.metadata(&self.path("Cargo.toml"))?;
        Ok(metadata.get("target_directory").and_then(Value::as_str).map_or_else(|| self.path("target"), PathBuf::from))
    }

    /// Paths, relative and sorted, of all files that git tracks or would track and whose name ends in `suffix`.
    pub(crate) fn files(&self, suffix: &str) -> Result<Vec<String>> {
        let mut command = Command::new("git");
        command.current_dir(&self.root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listing = process::capture(&mut command)?;
        let mut files: Vec<String> = listing.split('\0').filter(|path| path.ends_with(suffix)).map(str::to_owned).collect();
        // A file that was deleted but not yet committed is still listed.
        files.retain(|path| self.path(path).is_file());
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The text of a file of the repository.
    pub(crate) fn read(&self, relative: &str) -> Result<String> {
        let path = self.path(relative);
        std::fs::read_to_string(&path).map_err(|error| Fault::path(&path, "read", &error))
    }
}

/// Cargo's words to build one binary. The whole workspace is named, because a single package would be built with features of its own, and the
/// Wasm compiler once more with it.
pub(crate) fn build(binary: &str) -> [&str; 5] {
    ["build", "--release", "--workspace", "--bin", binary]
}

/// The tables of a TOML file that was read from `name`.
pub(crate) fn parse_toml<'a>(name: &str, text: &'a str) -> Result<DeTable<'a>> {
    let parsed = DeTable::parse(text).map_err(|error| Fault::failed(format!("{name} is not TOML"), error.to_string(), "mend the place it names"))?;
    Ok(parsed.into_inner())
}
