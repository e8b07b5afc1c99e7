//! `cargo xtask languages`: the other languages' tools, the tests of their SDKs, and their conformance plugins in `target/plugins`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::fault::{Fault, Result};
use crate::measure::Stopwatch;
use crate::repo::Repo;
use crate::setup::install_packages;
use crate::{process, repo, say};

/// What the suite runs besides Rust, whose plugin Cargo builds with all others.
const LANGUAGES: [Language; 7] = [
    Language {
        name: "c",
        programs: &["clang-19", "wasm-ld-19", "make", "gcc"],
        files: &["/usr/include/wasm32-wasi/string.h"],
        install: Install::Packages(&["clang-19", "lld-19", "libclang-rt-19-dev-wasm32", "wasi-libc", "make", "gcc", "libc6-dev"]),
        tests: &[("guest-sdk/c/tests", &["make", "-s", "test", "BUILD=../../../target/c-tests"])],
    },
    Language {
        name: "javascript",
        programs: &["node", "npm"],
        files: &["plugins/conformance/javascript/node_modules/.bin/componentize-qjs"],
        install: Install::Npm("plugins/conformance/javascript"),
        tests: &[("guest-sdk/javascript", &["npm", "test", "--silent"]), ("plugins/conformance/javascript", &["npm", "test", "--silent"])],
    },
    Language {
        name: "python",
        programs: &["python3"],
        files: &["target/tools/python/bin/componentize-py"],
        install: Install::Pip("componentize-py==0.25.1"),
        tests: &[("guest-sdk/python", &["python3", "-m", "unittest", "discover", "-q", "-s", "tests", "-t", "."])],
    },
    Language {
        name: "go",
        programs: &["go"],
        files: &[],
        install: Install::ByHand("install Go 1.24 or newer (https://go.dev/dl)"),
        tests: &[("guest-sdk/go", &["go", "test", "./..."]), ("plugins/conformance/go", &["go", "test", "./..."])],
    },
    Language {
        name: "assemblyscript",
        programs: &["node", "npm"],
        files: &["plugins/conformance/assemblyscript/node_modules/.bin/asc"],
        install: Install::Npm("plugins/conformance/assemblyscript"),
        tests: &[],
    },
    Language { name: "zig", programs: &[], files: &["target/tools/python/bin/python-zig"], install: Install::Pip("ziglang==0.17.0"), tests: &[] },
    Language { name: "wat", programs: &[], files: &[], install: Install::ByHand(""), tests: &[] },
];

/// All languages, in the order in which they are shown.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once("rust").chain(LANGUAGES.iter().map(|language| language.name))
}

/// Languages that `setup --languages` leaves out: their tools are large, and they are examples.
const NOT_INSTALLED: [&str; 1] = ["zig"];

/// A language, and what this repository needs of it.
struct Language {
    /// Its folder below `plugins/conformance`.
    name: &'static str,
    /// What must be on the search path.
    programs: &'static [&'static str],
    /// What must be there besides, from the root of the repository.
    files: &'static [&'static str],
    install: Install,
    /// Folders, and the command that tests what lies there.
    tests: &'static [(&'static str, &'static [&'static str])],
}

/// How a language's tools come.
enum Install {
    /// Debian's packages.
    Packages(&'static [&'static str]),
    /// `npm install` in this folder.
    Npm(&'static str),
    /// A package for `target/tools/python`.
    Pip(&'static str),
    /// Not by this tool.
    ByHand(&'static str),
}

impl Language {
    /// What is missing, in words; `None`: nothing.
    fn lacks(&self, repo: &Repo) -> Option<String> {
        let program = self.programs.iter().find(|program| !process::on_path(program)).map(|program| format!("`{program}` is not on the search path"));
        program.or_else(|| self.files.iter().find(|file| !repo.path(file).exists()).map(|file| format!("{file} is not there")))
    }

    /// Installs what is missing.
    fn install(&self, repo: &Repo) -> Result<()> {
        let what = || format!("the tools for {} can't be installed", self.name);
        match self.install {
            Install::Packages(packages) => {
                install_packages(packages).map_err(|why| Fault::failed(what(), why, format!("run `apt-get install {}` as root", packages.join(" "))))
            }
            Install::Npm(folder) => {
                say::progress(&format!("{}: npm install", self.name));
                let mut command = Command::new("npm");
                command.args(["install", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(repo.path(folder));
                process::run(command.stdout(std::io::stderr()), "read its message above; npm comes with Node.js 20 or newer")
            }
            Install::Pip(package) => {
                say::progress(&format!("{}: pip install {package}", self.name));
                let venv = repo.path("target/tools/python");
                if !venv.join("bin/pip").exists() {
                    process::run(Command::new("python3").args(["-m", "venv"]).arg(&venv), "install Python 3.10 or newer, with its module venv")?;
                }
                let mut command = Command::new(venv.join("bin/pip"));
                process::run(command.args(["install", "--quiet", "--disable-pip-version-check", package]), "read its message above")
            }
            Install::ByHand(remedy) => Err(Fault::failed(what(), self.lacks(repo).unwrap_or_default(), remedy)),
        }
    }

    fn plugin(&self, repo: &Repo) -> PathBuf {
        repo.path(&format!("target/plugins/conformance-{}.wasm", self.name))
    }

    /// Builds the conformance plugin, unless nothing that it is made of is newer.
    fn build(&self, repo: &Repo, weir: &Path) -> Result<()> {
        let (folder, plugin) = (format!("plugins/conformance/{}", self.name), self.plugin(repo));
        let sdk = format!("guest-sdk/{}", self.name);
        let sources = repo.files("")?.into_iter().filter(|file| file.starts_with(&folder) || file.starts_with(&sdk) || file.starts_with("wit/"));
        let newest = sources.filter_map(|file| modified(&repo.path(&file))).chain(modified(weir)).max();
        if modified(&plugin).zip(newest).is_some_and(|(built, newest)| built > newest) {
            return Ok(());
        }
        say::progress(&format!("building target/plugins/conformance-{}.wasm", self.name));
        let mut command = Command::new(weir);
        command.args(["plugin", "build"]).arg(repo.path(&folder)).arg("-o").arg(&plugin).current_dir(repo.path(&folder));
        command.env("PATH", search_path(repo)).env("WEIR_SDK", repo.path(&sdk));
        process::run(command.stdout(std::io::stderr()), "read its message above")
    }
}

/// The tools of this repository first.
fn search_path(repo: &Repo) -> std::ffi::OsString {
    let own = [repo.path("target/tools/python/bin")];
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let all = own.into_iter().chain(std::env::split_paths(&inherited));
    std::env::join_paths(all).unwrap_or(inherited)
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// Installs the tools of all languages but the largest.
pub(crate) fn install(repo: &Repo) -> Result<()> {
    for language in LANGUAGES.iter().filter(|language| !NOT_INSTALLED.contains(&language.name)) {
        if language.lacks(repo).is_some() {
            language.install(repo)?;
        }
    }
    Ok(())
}

/// Builds the conformance plugins of the languages whose tools are there; gives their names, Rust among them.
pub(crate) fn build(repo: &Repo) -> Result<Vec<String>> {
    let watch = Stopwatch::start();
    let weir = repo.target_dir()?.join("release/weir");
    let mut built = vec!["rust".to_owned()];
    for language in &LANGUAGES {
        match language.lacks(repo) {
            Some(why) => {
                // What was built when its tools were there would be taken for what the sources say.
                drop(std::fs::remove_file(language.plugin(repo)));
                say::progress(&format!("{} is skipped: {why} (`cargo xtask setup --languages` installs what it can)", language.name));
            }
            None => {
                language.build(repo, &weir)?;
                built.push(language.name.to_owned());
            }
        }
    }
    say::progress(&format!("conformance plugins: {} ({:.1} s)", built.join(", "), watch.elapsed().wall_s));
    Ok(built)
}

/// Runs the SDKs' own tests, in the languages whose tools are there.
pub(crate) fn test(repo: &Repo) -> Result<()> {
    for language in LANGUAGES.iter().filter(|language| language.lacks(repo).is_none()) {
        for (folder, words) in language.tests {
            say::progress(&format!("{}: {} in {folder}", language.name, words.join(" ")));
            let mut words = words.iter();
            let mut command = Command::new(words.next().unwrap_or(&"true"));
            command.args(words).current_dir(repo.path(folder)).env("PATH", search_path(repo));
            process::run(command.stdout(std::io::stderr()), "read the failures above")?;
        }
    }
    Ok(())
}

/// `cargo xtask languages`: builds `weir` and the plugins.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    process::run(repo.cargo().args(repo::build("weir")), "read its message above")?;
    build(repo).map(drop)
}
