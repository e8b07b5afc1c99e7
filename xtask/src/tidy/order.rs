//! The crates of the host stand in one order everywhere: that in which data flows.

use toml::de::DeTable;

/// Complaints unless `host/README.md` has a line per crate under `host/`, in the order of the workspace's members.
///
/// A crate's line is a list item or table row whose first word in backticks is the crate's folder.
pub(super) fn check(manifest: &DeTable<'_>, readme: &str) -> Vec<String> {
    let members = manifest.get("workspace").and_then(|workspace| workspace.get_ref().get("members")).and_then(|list| list.get_ref().as_array());
    let members = members.into_iter().flatten().filter_map(|member| member.get_ref().as_str());
    let folders: Vec<&str> = members.filter_map(|member| member.strip_prefix("host/")).collect();
    let listed: Vec<&str> = readme.lines().filter_map(subject).filter(|word| folders.contains(word)).collect();
    if listed == folders {
        return Vec::new();
    }
    vec![format!(
        "host/README.md: lists the crates as [{}], the members in Cargo.toml are [{}]: give each a line (`- `folder`: …`) in that order",
        listed.join(", "),
        folders.join(", ")
    )]
}

/// The folder that a line is about, if it is a list item or a table row.
fn subject(line: &str) -> Option<&str> {
    let item = line.trim_start();
    let is_entry = item.starts_with(['-', '*', '|']) || item.split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
    let (_, rest) = item.split_once('`').filter(|_| is_entry)?;
    let (word, _) = rest.split_once('`')?;
    Some(word.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::parse_toml;

    fn check_readme(readme: &str, is_fine: bool) {
        let manifest = parse_toml("Cargo.toml", "[workspace]\nmembers = ['host/model', 'host/connect', 'xtask']").unwrap();
        assert_eq!(check(&manifest, readme).is_empty(), is_fine, "for {readme:?}");
    }

    #[test]
    fn every_crate_has_its_line_in_the_order_of_the_members() {
        check_readme("The `connect` crate comes later.\n\n- `model`: words\n- `connect`: files, see `model`\n", true);
        check_readme("| folder | holds |\n|---|---|\n| [`model/`](model) | words |\n| `connect` | files |\n", true);
        check_readme("1. `model`\n2. `connect`\n", true);
        check_readme("- `connect`: files\n- `model`: words\n", false);
        check_readme("- `model`: words\n", false);
        check_readme("- `model`\n- `connect`\n- `model`\n", false);
        check_readme("", false);
    }
}
