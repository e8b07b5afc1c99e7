//! What a new plugin may be called: its name becomes a folder, a package and a name in job files.

use crate::args::Language;

/// The longest name.
const CHARS_MAX: usize = 64;

/// What Cargo takes for no package: Rust's words, its own libraries, the folders of a build, and the SDK.
const NOT_RUST: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "weir-guest",
    "weir_guest",
    "where",
    "while",
    "yield",
];

/// What npm takes for no package, and the SDK.
const NOT_NPM: &[&str] = &["node_modules", "weir-guest"];

/// Says why `name` can't be a plugin in `language`.
///
/// # Errors
/// That reason.
pub(super) fn check(language: Language, name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(plain) || name.len() > CHARS_MAX {
        return Err(format!(
            "its name `{name}` isn't a letter followed by letters, digits, `-` and `_` (without accents, {CHARS_MAX} characters at most)"
        ));
    }
    let (taken, tool): (&[&str], _) = match language {
        Language::Rust => (NOT_RUST, "Cargo"),
        Language::JavaScript | Language::TypeScript | Language::AssemblyScript => (NOT_NPM, "npm"),
        Language::C | Language::Python | Language::Go | Language::Zig | Language::Wat => return Ok(()),
    };
    if tool == "npm" && name.contains(|c: char| c.is_ascii_uppercase()) {
        return Err(format!("npm takes no package with capital letters, such as `{name}`"));
    }
    if taken.contains(&name) {
        return Err(format!("{tool} takes no package with the name `{name}`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_the_languages_tools_take() {
        let check = |language: Language, name: &str, why: Option<&str>| match (super::check(language, name), why) {
            (Ok(()), None) => {}
            (Err(found), Some(why)) => assert!(found.contains(why), "{name}: {found}"),
            (found, why) => panic!("{name}: {found:?}, expected {why:?}"),
        };
        check(Language::Rust, "my-words_2", None);
        check(Language::Python, "My-Words", None);
        check(Language::C, &"a".repeat(64), None);
        for name in ["", "2words", "-words", "wörter", "my words", "a.b", &"a".repeat(65)] {
            check(Language::Wat, name, Some("isn't a letter followed by"));
        }
        check(Language::Rust, "match", Some("Cargo takes no package"));
        check(Language::Python, "match", None);
        check(Language::TypeScript, "Words", Some("capital letters"));
        check(Language::AssemblyScript, "node_modules", Some("npm takes no package"));
    }
}
