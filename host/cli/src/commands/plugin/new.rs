//! `weir plugin new`: a folder with a plugin that builds, tests and runs as it is.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::json;
use weir_model::{Error, Result};

use super::{name, parts};
use crate::args::{Language, NewArgs};
use crate::exit_code::ExitCode;
use crate::output;

/// Makes the folder and says what to do with it.
///
/// # Errors
/// When there is such a folder, the name is none for a plugin, or the files can't be written. Nothing is left then.
pub(crate) fn run(args: &NewArgs) -> Result<ExitCode> {
    let folder = &args.folder;
    let place = format!("the new plugin {}", folder.display());
    let plugin = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name::check(args.lang, plugin)
        .map_err(|why| Error::usage(&place, why, format!("take another name, such as `weir plugin new --lang {} word-count`", args.lang.name())))?;
    fs::create_dir(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::usage(&place, "there is something of this name already", "take another name, or remove what is there"),
        _ => Error::usage(&place, format!("the folder can't be made: {error}"), "make the folder around it first, or take another place"),
    })?;
    let files = parts::project(args.lang, plugin);
    files.iter().try_for_each(|(path, bytes)| write(&folder.join(path), bytes)).map_err(|error| {
        // The folder is ours: it wasn't there before.
        drop(fs::remove_dir_all(folder));
        Error::usage(&place, format!("its files can't be written: {error}"), "make room, or take another place")
    })?;
    let next = next(args.lang, plugin);
    if args.json {
        let names = files.keys().collect::<Vec<_>>();
        output::print_json(&json!({"folder": folder.display().to_string(), "language": args.lang.name(), "files": names, "next": next}))?;
    } else {
        output::print(&text(args, &next))?;
    }
    Ok(ExitCode::Done)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, bytes)
}

fn text(args: &NewArgs, next: &[String]) -> String {
    let folder = args.folder.display();
    let lines: String = next.iter().map(|line| format!("  {line}\n")).collect();
    output::printable(&format!(
        "{folder}: a plugin in {}, its SDK in {folder}/weir-sdk\n\nNext:\n  cd {folder}\n{lines}\nREADME.md says what to install.\n",
        args.lang.name()
    ))
}

/// What brings the project from its files to a running job, in its folder; its README says the same.
fn next(language: Language, plugin: &str) -> Vec<String> {
    const BUILD: &str = "weir plugin build .";
    let commands: &[&str] = match language {
        Language::Rust => &["rustup target add wasm32-unknown-unknown", "cargo test", BUILD],
        Language::C => &["make test", BUILD],
        Language::JavaScript | Language::TypeScript => &["npm install", "npm test", BUILD],
        Language::Python => {
            &["python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1", "PYTHONPATH=weir-sdk python3 -m unittest", BUILD]
        }
        Language::Go => &["go test .", BUILD],
        // The tests of these run the module.
        Language::AssemblyScript => &["npm install", BUILD, "npm test"],
        Language::Zig | Language::Wat => &[BUILD, "node --test"],
    };
    let test = format!("weir plugin test {}.wasm cases.toml", parts::module_name(language, plugin));
    commands.iter().copied().chain([test.as_str(), "weir run job.toml"]).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_language_has_a_project_whose_readme_says_the_same_commands() {
        for language in Language::value_variants() {
            let files = parts::project(*language, "my-words");
            let text = |name: &str| String::from_utf8(files.get(name).unwrap_or_else(|| panic!("{language:?}: {name}")).clone()).unwrap();
            let readme = text("README.md");
            for command in next(*language, "my-words") {
                assert!(readme.contains(&command), "{language:?}: the README lacks `{command}`");
            }
            let module = format!("path = \"{}.wasm\"", parts::module_name(*language, "my-words"));
            assert!(text("job.toml").contains(&module), "{language:?}: job.toml lacks {module}");
            for name in [".gitignore", "cases.toml", "input.txt"] {
                assert!(!text(name).is_empty(), "{language:?}: {name}");
            }
            assert!(files.keys().any(|name| name.starts_with("weir-sdk/")), "{language:?} has no SDK");
            for (name, bytes) in &files {
                assert!(!name.starts_with("weir-sdk/") || !name.contains("node_modules"), "{language:?}: {name}");
                let own = !name.starts_with("weir-sdk/");
                assert!(!own || !String::from_utf8_lossy(bytes).contains("{{"), "{language:?}: a placeholder is left in {name}");
            }
        }
    }
}
