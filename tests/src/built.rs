//! The plugins and the binary that `cargo xtask plugins` and `cargo build` have made.

use std::path::{Path, PathBuf};

/// The root of the project.
#[must_use]
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The folder of the built plugins.
#[must_use]
pub fn plugins() -> PathBuf {
    project().join("target/plugins")
}

/// The folder that Cargo builds into: binaries lie in it, tests in its folder `deps`.
fn build_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.parent().unwrap_or(Path::new(""));
    let is_test = folder.file_name().is_some_and(|name| name == "deps");
    folder.ancestors().nth(is_test.into()).map(Path::to_path_buf).unwrap_or_default()
}

/// The binary `weir`, built as the tests are.
///
/// # Panics
/// When it hasn't been built: these tests are about it.
#[must_use]
pub fn weir() -> PathBuf {
    let path = build_folder().join("weir");
    assert!(path.exists(), "{} is missing: run `cargo build --release --workspace` first (`cargo xtask test` does)", path.display());
    path
}

/// Where the tests keep compiled plugins: not among the user's own.
#[must_use]
pub fn cache() -> PathBuf {
    build_folder().join("test-cache")
}

/// The built plugin `name`, such as `word_count`.
///
/// # Panics
/// When it hasn't been built: these tests are about it.
#[must_use]
pub fn plugin(name: &str) -> PathBuf {
    let path = plugins().join(format!("{name}.wasm"));
    assert!(path.exists(), "{} is missing: run `cargo xtask plugins` first (`cargo xtask test` does)", path.display());
    path
}
