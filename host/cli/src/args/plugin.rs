//! The command line of the operator author's loop: new, build.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What an operator can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Language {
    #[value(alias = "rs")]
    Rust,
    C,
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    #[value(name = "typescript", alias = "ts")]
    TypeScript,
    #[value(alias = "py")]
    Python,
    #[value(alias = "golang")]
    Go,
    #[value(name = "assemblyscript", alias = "as")]
    AssemblyScript,
    Zig,
    /// WebAssembly's own text
    Wat,
}

impl Language {
    /// The word for `--lang`, and for the folders of templates.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::JavaScript => "javascript",
            Self::TypeScript => "typescript",
            Self::Python => "python",
            Self::Go => "go",
            Self::AssemblyScript => "assemblyscript",
            Self::Zig => "zig",
            Self::Wat => "wat",
        }
    }
}

/// `weir plugin new`.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The language that its operators are written in
    #[arg(short, long, value_name = "LANGUAGE")]
    pub(crate) lang: Language,
    /// The plugin's name, which becomes a new folder; or the path of that folder
    #[arg(value_name = "NAME")]
    pub(crate) folder: PathBuf,
    /// Print what was made, and errors, as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weir plugin build`.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// A project's folder, or its Cargo.toml, go.mod, package.json, asconfig.json, plugin.py, .c, .zig or .wat; or a core module (.wasm)
    #[arg(value_name = "DIR|FILE")]
    pub(crate) file: PathBuf,
    /// Where the component goes [default: NAME.wasm in this folder for a project; NAME.component.wasm beside a core module]
    #[arg(short, long, value_name = "OUT.wasm")]
    pub(crate) output: Option<PathBuf>,
    /// The project's language, where its files don't say
    #[arg(short, long, value_name = "LANGUAGE")]
    pub(crate) lang: Option<Language>,
    /// Print what was made, and errors, as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_has_one_name() {
        for language in Language::value_variants() {
            assert_eq!(language.to_possible_value().map(|value| value.get_name().to_owned()).as_deref(), Some(language.name()));
        }
    }
}
