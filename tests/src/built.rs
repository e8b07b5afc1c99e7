//! The plugins and the binary that `cargo xtask plugins` and `cargo build` have made.

use std::path::{Path, PathBuf};

/// The root of the project.
#[must_use]
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The built plugin `name`, such as `word_count`.
///
/// # Panics
/// When it hasn't been built: these tests are about it.
#[must_use]
pub fn plugin(name: &str) -> PathBuf {
    let path = project().join("target/plugins").join(format!("{name}.wasm"));
    assert!(path.exists(), "{} is missing: run `cargo xtask plugins` first (`cargo xtask test` does)", path.display());
    path
}
