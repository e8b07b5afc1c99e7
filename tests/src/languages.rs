//! The languages that have a conformance plugin, and which of them are built.

use std::path::PathBuf;

use crate::built;

/// All of them. Those with an SDK come first.
const LANGUAGES: [&str; 8] = ["rust", "c", "javascript", "python", "go", "assemblyscript", "zig", "wat"];

/// The conformance plugin of a language.
#[must_use]
pub fn plugin(language: &str) -> PathBuf {
    built::plugins().join(format!("conformance-{language}.wasm"))
}

/// Whether there is an SDK for it: its plugin has all functions. The others are examples, with some of them.
#[must_use]
pub fn has_sdk(language: &str) -> bool {
    built::project().join("guest-sdk").join(language).is_dir()
}

/// Those whose plugin is built, and those that are skipped.
///
/// # Panics
/// When one is missing that `WEIR_LANGUAGES` names, with commas between the names, or Rust: `cargo xtask test` says there what it has built.
#[must_use]
pub fn built() -> (Vec<&'static str>, Vec<&'static str>) {
    let (built, skipped): (Vec<&str>, Vec<&str>) = LANGUAGES.into_iter().partition(|language| plugin(language).is_file());
    let required = std::env::var("WEIR_LANGUAGES").unwrap_or_default();
    for language in required.split(',').map(str::trim).filter(|language| !language.is_empty()).chain(["rust"]) {
        assert!(built.contains(&language), "{} is missing: run `cargo xtask languages` first (`cargo xtask test` does)", plugin(language).display());
    }
    (built, skipped)
}
