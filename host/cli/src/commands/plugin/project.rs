//! What `weir plugin build` is given: which language it is in, and where it begins.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::Value;
use weir_model::{Error, Result};

use crate::args::Language;

/// What is to be made into a component.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A core module, or a component.
    Module(PathBuf),
    Project(Project),
}

/// A folder with sources in one language.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Project {
    pub(super) language: Language,
    pub(super) folder: PathBuf,
    /// The sources that are named to the compiler, in the folder: for C all, for the others the first. None where the tools know.
    pub(super) entries: Vec<String>,
}

/// The files by which a language is known, for messages.
const MARKS: &str = "Cargo.toml, go.mod, package.json, asconfig.json, plugin.py, pyproject.toml, *.c, *.zig or *.wat";

impl Source {
    /// Finds out what `file` is; `language` is what the user says it is.
    ///
    /// # Errors
    /// When it is a folder of no language, or of several.
    pub(super) fn of(file: &Path, language: Option<Language>) -> Result<Self> {
        if file.is_dir() {
            return Ok(Self::Project(Project::of(file, language)?));
        }
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let language = language.or_else(|| Language::value_variants().iter().copied().find(|language| is_mark(*language, name)));
        match language {
            None => Ok(Self::Module(file.to_owned())),
            Some(language) if is_source(language, name) => {
                Ok(Self::Project(Project { language, folder: folder.to_owned(), entries: vec![name.to_owned()] }))
            }
            // The file that describes a project: package.json may be of three languages.
            Some(language) => {
                let meant = (language != Language::JavaScript).then_some(language);
                Ok(Self::Project(Project::of(folder, meant)?))
            }
        }
    }

    /// Beside a module, so that it isn't replaced; in the current folder for a project, named after its folder.
    pub(super) fn default_output(&self, module: &Path) -> PathBuf {
        match self {
            Self::Module(path) => path.with_extension("component.wasm"),
            Self::Project(Project { language: Language::Rust, .. }) => module.file_name().map(PathBuf::from).unwrap_or_default(),
            Self::Project(project) => {
                let folder = std::fs::canonicalize(&project.folder).unwrap_or_else(|_| project.folder.clone());
                let mut name = folder.file_name().unwrap_or("plugin".as_ref()).to_owned();
                name.push(".wasm");
                name.into()
            }
        }
    }
}

impl Project {
    fn of(folder: &Path, language: Option<Language>) -> Result<Self> {
        let place = format!("building {}", folder.display());
        let unreadable = |error: std::io::Error| Error::usage(&place, format!("the folder can't be read: {error}"), "check the path");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            names.extend(entry.map_err(unreadable)?.file_name().into_string());
        }
        names.sort();
        let main = std::fs::read(folder.join("package.json")).ok().and_then(|bytes| main_of(&bytes));
        let language = match language {
            Some(language) => language,
            None => one(&place, &recognise(&names, main.as_deref()))?,
        };
        Ok(Self { language, folder: folder.to_owned(), entries: entries(&place, language, &names, main)? })
    }
}

/// Whether a file of this name stands for the language.
fn is_mark(language: Language, name: &str) -> bool {
    let marks: &[&str] = match language {
        Language::Rust => &["Cargo.toml"],
        Language::Go => &["go.mod"],
        Language::JavaScript => &["package.json"],
        Language::AssemblyScript => &["asconfig.json"],
        Language::Python => &["plugin.py", "pyproject.toml"],
        Language::C | Language::TypeScript | Language::Zig | Language::Wat => &[],
    };
    marks.contains(&name) || (matches!(language, Language::C | Language::Zig | Language::Wat) && is_source(language, name))
}

/// Whether a file is a source that can be named to the language's compiler.
fn is_source(language: Language, name: &str) -> bool {
    let extensions: &[&str] = match language {
        Language::C => &["c"],
        Language::Zig => &["zig"],
        Language::Wat => &["wat"],
        Language::JavaScript => &["js", "mjs"],
        Language::TypeScript => &["ts", "mts"],
        Language::Rust | Language::Python | Language::Go | Language::AssemblyScript => &[],
    };
    Path::new(name).extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known))
}

/// The languages that a folder with these files may be in; `main` is what its package.json names.
fn recognise(names: &[String], main: Option<&str>) -> Vec<Language> {
    let mut found: Vec<Language> =
        Language::value_variants().iter().copied().filter(|language| names.iter().any(|name| is_mark(*language, name))).collect();
    // The compiler of AssemblyScript is a package of npm.
    if found.contains(&Language::AssemblyScript) {
        found.retain(|language| *language != Language::JavaScript);
    }
    for language in &mut found {
        if *language == Language::JavaScript && main.is_some_and(|main| is_source(Language::TypeScript, main)) {
            *language = Language::TypeScript;
        }
    }
    found
}

fn one(place: &str, found: &[Language]) -> Result<Language> {
    match found {
        [language] => Ok(*language),
        [] => Err(Error::usage(
            place,
            format!("none of the files is in it that a plugin's project is known by: {MARKS}"),
            "give the project's folder; `weir plugin new --lang LANGUAGE NAME` makes one",
        )),
        several => {
            let names = several.iter().map(|language| language.name()).collect::<Vec<_>>().join(", ");
            Err(Error::usage(place, format!("its files are of several languages: {names}"), "say which by `--lang LANGUAGE`"))
        }
    }
}

/// The module that a package.json names as its first.
fn main_of(package_json: &[u8]) -> Option<String> {
    let package: Value = serde_json::from_slice(package_json).ok()?;
    package.get("main").and_then(Value::as_str).map(str::to_owned)
}

/// Tests stand beside the sources and are no part of the plugin.
fn is_test(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    stem.starts_with("test_") || stem.ends_with("_test") || stem == "test" || stem == "build"
}

fn entries(place: &str, language: Language, names: &[String], main: Option<String>) -> Result<Vec<String>> {
    let missing = |what: &str, remedy: &str| Err(Error::usage(place, what, remedy));
    match language {
        Language::JavaScript | Language::TypeScript => match main {
            Some(main) => Ok(vec![main]),
            None => missing("there is no package.json that names the entry module", "write `\"main\": \"plugin.js\"` into its package.json"),
        },
        Language::C => {
            let sources: Vec<_> = names.iter().filter(|name| is_source(language, name) && !is_test(name)).cloned().collect();
            if sources.is_empty() { missing("there is no .c file but tests in it", "give the folder of the sources") } else { Ok(sources) }
        }
        Language::Zig | Language::Wat => {
            let mut sources: Vec<_> = names.iter().filter(|name| is_source(language, name) && !is_test(name)).cloned().collect();
            if let Some(first) = sources.iter().find(|name| name.starts_with("plugin.")).cloned() {
                sources = vec![first];
            }
            let named = sources.join(", ");
            match sources.as_slice() {
                [_] => Ok(sources),
                [] => missing(&format!("there is no .{} file but tests in it", language.name()), "give the folder of the sources"),
                _ => missing(&format!("any of {named} may be the one that the plugin begins in"), "call it plugin, or give the file"),
            }
        }
        Language::Rust | Language::Python | Language::Go | Language::AssemblyScript => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_project_is_recognised_by_its_files() {
        let check = |names: &[&str], main: Option<&str>, expected: Result<(Language, &[&str]), &str>| {
            let (names, main) = (owned(names), main.map(str::to_owned));
            let found = one("building x", &recognise(&names, main.as_deref()))
                .and_then(|language| Ok((language, entries("building x", language, &names, main)?)));
            match (found, expected) {
                (Ok(found), Ok((language, entries))) => assert_eq!(found, (language, owned(entries))),
                (Err(error), Err(why)) => assert!(error.why.contains(why), "{error:?}"),
                (found, expected) => panic!("{found:?}, expected {expected:?}"),
            }
        };
        check(&["Cargo.toml", "src"], None, Ok((Language::Rust, &[])));
        check(&["go.mod", "plugin.go"], None, Ok((Language::Go, &[])));
        check(&["package.json"], Some("plugin.js"), Ok((Language::JavaScript, &["plugin.js"])));
        check(&["package.json", "tsconfig.json"], Some("src/plugin.ts"), Ok((Language::TypeScript, &["src/plugin.ts"])));
        check(&["package.json"], None, Err("names the entry module"));
        check(&["asconfig.json", "package.json"], None, Ok((Language::AssemblyScript, &[])));
        check(&["plugin.py", "pyproject.toml"], None, Ok((Language::Python, &[])));
        check(&["a.c", "b.c", "b_test.c", "test_a.c", "a.h"], None, Ok((Language::C, &["a.c", "b.c"])));
        check(&["b_test.c"], None, Err("no .c file but tests"));
        check(&["build.zig", "plugin.zig", "text.zig"], None, Ok((Language::Zig, &["plugin.zig"])));
        check(&["one.zig"], None, Ok((Language::Zig, &["one.zig"])));
        check(&["one.zig", "two.zig"], None, Err("one.zig, two.zig"));
        check(&["words.wat"], None, Ok((Language::Wat, &["words.wat"])));
        check(&["README.md", "plugin.rs"], None, Err("Cargo.toml, go.mod"));
        check(&["plugin.c", "plugin.py", "Cargo.toml"], None, Err("several languages: rust, c, python"));
    }

    #[test]
    fn a_file_is_a_module_or_stands_for_its_project() {
        let check = |file: &str, language: Option<Language>, expected: Source| {
            assert_eq!(Source::of(Path::new(file), language).unwrap(), expected, "{file}");
        };
        let project =
            |language, folder: &str, entry: &str| Source::Project(Project { language, folder: folder.into(), entries: vec![entry.to_owned()] });
        check("a/b.wasm", None, Source::Module("a/b.wasm".into()));
        check("a/b.txt", None, Source::Module("a/b.txt".into()));
        check("a/b.c", None, project(Language::C, "a", "b.c"));
        check("b.zig", None, project(Language::Zig, ".", "b.zig"));
        check("a/b.wat", None, project(Language::Wat, "a", "b.wat"));
        check("a/b.ts", Some(Language::TypeScript), project(Language::TypeScript, "a", "b.ts"));
    }

    #[test]
    fn the_component_never_replaces_what_it_was_made_of() {
        let check = |source: Source, module: &str, expected: &str| {
            assert_eq!(source.default_output(Path::new(module)), Path::new(expected), "{source:?}");
        };
        let project = |language, folder: &str| Source::Project(Project { language, folder: folder.into(), entries: Vec::new() });
        check(Source::Module("a/b.wasm".into()), "a/b.wasm", "a/b.component.wasm");
        check(Source::Module("a/b".into()), "a/b", "a/b.component.wasm");
        check(project(Language::Rust, "a"), "target/wasm32-unknown-unknown/release/b.wasm", "b.wasm");
        check(project(Language::Go, "none/words"), "none/words/build/core.wasm", "words.wasm");
        check(project(Language::C, "/"), "/build/core.wasm", "plugin.wasm");
    }
}
