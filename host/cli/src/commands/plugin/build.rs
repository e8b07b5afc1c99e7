//! `weir plugin build`: a core module or a Cargo project becomes a component.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use weir_model::{Error, Result};
use weir_plugin::{Plugin, encode_component};

use super::{cargo, data};
use crate::args::{BuildArgs, Global};
use crate::exit_code::ExitCode;
use crate::job::engine;
use crate::{atomic_file, output};

/// Builds, checks, and writes the component.
///
/// # Errors
/// When it can't be built, weir couldn't use it, or it can't be written. Nothing is written then.
pub(crate) fn run(args: &BuildArgs, global: &Global) -> Result<ExitCode> {
    let source = Source::of(&args.file);
    let module = match &source {
        Source::Module(path) => path.clone(),
        Source::Cargo(manifest) => cargo::build(manifest)?,
    };
    let path = args.output.clone().unwrap_or_else(|| source.default_output(&module));
    let name = module.display().to_string();
    let bytes = std::fs::read(&module).map_err(|error| Error::usage(format!("{name} can't be read"), error.to_string(), "check the path"))?;
    let component = encode_component(&name, &bytes)?;
    let plugin = Plugin::from_bytes(&engine(global)?, &name, &component)?;
    atomic_file::write(&path, &component).map_err(|error| {
        Error::usage(format!("{} can't be written", path.display()), error.to_string(), "make room, or name another place with `-o OUT.wasm`")
    })?;
    if args.json {
        output::print_json(&json(&path, component.len(), &plugin))?;
    } else {
        output::print(&text(&path, component.len(), &plugin))?;
    }
    Ok(ExitCode::Done)
}

/// What is to be made into a component.
enum Source {
    Module(PathBuf),
    /// The manifest of a Cargo project.
    Cargo(PathBuf),
}

impl Source {
    fn of(file: &Path) -> Self {
        if file.is_dir() {
            Self::Cargo(file.join("Cargo.toml"))
        } else if file.file_name().is_some_and(|name| name == "Cargo.toml") {
            Self::Cargo(file.to_owned())
        } else {
            Self::Module(file.to_owned())
        }
    }

    /// Beside a module, so that it isn't replaced; in the current folder for a project, whose own place is Cargo's.
    fn default_output(&self, module: &Path) -> PathBuf {
        match self {
            Self::Module(path) => path.with_extension("component.wasm"),
            Self::Cargo(_) => module.file_name().map(PathBuf::from).unwrap_or_default(),
        }
    }
}

fn text(path: &Path, bytes: usize, plugin: &Plugin) -> String {
    let functions = &plugin.description().functions;
    let names = functions.iter().map(|function| function.name.as_str()).collect::<Vec<_>>().join(", ");
    let size = output::bytes(bytes as u64);
    output::printable(&format!("{}  {size}\n  digest     sha256:{}\n  functions  {names}\n", path.display(), plugin.digest()))
}

fn json(path: &Path, bytes: usize, plugin: &Plugin) -> Value {
    json!({
        "file": path.display().to_string(),
        "bytes": bytes,
        "digest": plugin.digest().to_string(),
        "functions": plugin.description().functions.iter().map(data::function).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_never_replaces_what_it_was_made_of() {
        let check = |file: &str, module: &str, expected: &str| {
            assert_eq!(Source::of(Path::new(file)).default_output(Path::new(module)), Path::new(expected), "{file}");
        };
        check("a/b.wasm", "a/b.wasm", "a/b.component.wasm");
        check("a/b", "a/b", "a/b.component.wasm");
        check("a/Cargo.toml", "target/wasm32-unknown-unknown/release/b.wasm", "b.wasm");
        check("/", "target/wasm32-unknown-unknown/release/b.wasm", "b.wasm");
    }
}
