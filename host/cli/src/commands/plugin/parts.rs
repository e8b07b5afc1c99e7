//! The files of a new project: templates with the plugin's name in them, and the language's SDK as it is.

use std::collections::BTreeMap;

use crate::args::Language;

include!(concat!(env!("OUT_DIR"), "/project_parts.rs"));

/// Files that a project is made of.
pub(super) struct Part {
    /// Which language's; empty: all languages'.
    language: &'static str,
    /// The folder in the project, or the file.
    place: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

/// The files of a project, by their paths in it.
pub(super) fn project(language: Language, plugin: &str) -> BTreeMap<String, Vec<u8>> {
    let module = module_name(language, plugin);
    let mut files = BTreeMap::new();
    for part in PARTS.iter().filter(|part| part.language.is_empty() || part.language == language.name()) {
        for (name, bytes) in part.files {
            let path = [part.place, name].into_iter().filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join("/");
            // Only templates have the placeholders.
            let filled = match std::str::from_utf8(bytes) {
                Ok(text) if part.place.is_empty() => text.replace("{{name}}", plugin).replace("{{module}}", &module).into_bytes(),
                _ => bytes.to_vec(),
            };
            files.insert(path, filled);
        }
    }
    files
}

/// What `weir plugin build` calls the component: Cargo's modules have no hyphens.
pub(super) fn module_name(language: Language, plugin: &str) -> String {
    if language == Language::Rust { plugin.replace('-', "_") } else { plugin.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_of_rust_gets_the_dependencies_that_it_has_here() {
        let table = |text: &str, name: &str| -> BTreeMap<String, String> {
            let lines = text.lines().skip_while(|line| *line != name).skip(1).take_while(|line| !line.starts_with('['));
            lines.filter_map(|line| line.split_once(" = ")).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let files = project(Language::Rust, "words");
        let file = |name: &str| std::str::from_utf8(&files[name]).unwrap();
        let here = table(include_str!("../../../../../Cargo.toml"), "[workspace.dependencies]");
        let there = table(file("weir-sdk/Cargo.toml"), "[workspace.dependencies]");
        let asked = table(file("weir-sdk/guest-sdk/rust/Cargo.toml"), "[dependencies]");
        let names = |table: &BTreeMap<String, String>| table.keys().map(|name| name.trim_end_matches(".workspace").to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&there), names(&asked));
        assert!(there.iter().all(|(name, value)| here.get(name) == Some(value)), "{there:?}");
    }
}
