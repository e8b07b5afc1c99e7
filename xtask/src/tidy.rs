//! `cargo xtask tidy`: the rules of the house that no compiler checks.

mod allowed;
mod edges;
mod functions;
mod lengths;
mod order;

use serde_json::Value;
use toml::de::DeTable;

use crate::fault::{Fault, Result};
use crate::repo::{self, Repo};
use crate::say;

/// Checks all rules and lists every breach.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    let mut complaints = Vec::new();
    let host = repo.metadata(&repo.path("Cargo.toml"))?;
    complaints.extend(edges::check(&host, edges::Workspace::Host));
    complaints.extend(lints(repo, &host)?);
    let plugins = repo.path("plugins/Cargo.toml");
    if plugins.is_file() {
        let plugins = repo.metadata(&plugins)?;
        complaints.extend(edges::check(&plugins, edges::Workspace::Plugins));
        complaints.extend(lints(repo, &plugins)?);
    }
    let sources: Vec<(String, String)> =
        repo.files(".rs")?.into_iter().map(|path| repo.read(&path).map(|text| (path, text))).collect::<Result<_>>()?;
    complaints.extend(headers(&sources));
    complaints.extend(lengths::check(&sources, &repo.read("xtask/tidy-allow.txt")?));
    let manifest = repo.read("Cargo.toml")?;
    complaints.extend(order::check(&repo::parse_toml("Cargo.toml", &manifest)?, &repo.read("host/README.md").unwrap_or_default()));

    if complaints.is_empty() {
        say::progress(&format!("tidy: {} files, no complaints", sources.len()));
        return Ok(());
    }
    let count = complaints.len();
    complaints.iter().for_each(|complaint| say::line(&format!("tidy: {complaint}")));
    Err(Fault::failed("the tree is not tidy", format!("{count} complaints, listed above"), "mend each; CONTRIBUTING.md has the rules"))
}

/// Every file opens with a sentence that says what it is for.
fn headers(sources: &[(String, String)]) -> Vec<String> {
    let opens = |text: &str| text.strip_prefix("//! ").is_some_and(|rest| rest.lines().next().is_some_and(|line| !line.trim().is_empty()));
    let missing = sources.iter().filter(|(_, text)| !opens(text));
    missing.map(|(path, _)| format!("{path}: does not open with a `//!` sentence: say what the file is for")).collect()
}

/// Every member takes the workspace's lints, missing docs among them.
fn lints(repo: &Repo, metadata: &Value) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for package in metadata.get("packages").and_then(Value::as_array).into_iter().flatten() {
        let Some(manifest) = package.get("manifest_path").and_then(Value::as_str) else { continue };
        // The path is absolute, and joining an absolute path replaces the root.
        let text = repo.read(manifest)?;
        if !takes_workspace_lints(&repo::parse_toml(manifest, &text)?) {
            let shown = manifest.strip_prefix(&*repo.path("").to_string_lossy()).unwrap_or(manifest);
            complaints.push(format!("{shown}: lacks `[lints] workspace = true`: without it nothing denies missing docs"));
        }
    }
    Ok(complaints)
}

fn takes_workspace_lints(manifest: &DeTable<'_>) -> bool {
    let workspace = manifest.get("lints").and_then(|lints| lints.get_ref().get("workspace"));
    workspace.and_then(|value| value.get_ref().as_bool()) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_header(text: &str, is_fine: bool) {
        assert_eq!(headers(&[("a.rs".to_owned(), text.to_owned())]).is_empty(), is_fine, "for {text:?}");
    }

    #[test]
    fn a_file_opens_with_a_sentence() {
        check_header("//! What it is for.\n\nfn main() {}\n", true);
        check_header("//!\n//! Later.\n", false);
        check_header("//!   \n", false);
        check_header("\n//! Late.\n", false);
        check_header("#![allow(x)]\n//! Late.\n", false);
        check_header("", false);
    }

    #[test]
    fn a_manifest_takes_the_workspaces_lints_only_when_it_says_so() {
        let check = |text: &str| takes_workspace_lints(&repo::parse_toml("Cargo.toml", text).unwrap());
        assert!(check("[lints]\nworkspace = true"));
        assert!(check("lints.workspace = true"));
        assert!(!check("[lints]\nworkspace = false"));
        assert!(!check("[lints.rust]\nmissing_docs = 'deny'"));
        assert!(!check("[package]\nname = 'x'"));
    }
}
