//! `weir plugin build`: a project in any language, or a core module, becomes a component.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use weir_model::{Error, Result};
use weir_plugin::{CONTRACT_FILES, Plugin, encode_component, module_of_text};

use super::project::{Project, Source};
use super::recipe::{self, Recipe, Settings, Step};
use super::tool::{self, Running, Tool};
use super::{cargo, data};
use crate::args::{BuildArgs, Global, Language};
use crate::exit_code::ExitCode;
use crate::job::engine;
use crate::{atomic_file, output};

/// What the contract has and weir doesn't give to plugins yet.
const NOT_GIVEN: &str = "import weir:timers/";

/// Builds, checks, and writes the component.
///
/// # Errors
/// When it can't be built, weir couldn't use it, or it can't be written. Nothing is written then.
pub(crate) fn run(args: BuildArgs, global: Global) -> Result<ExitCode> {
    tool::interruptible(move |running| build(&args, &global, running))
}

fn build(args: &BuildArgs, global: &Global, running: &Running) -> Result<ExitCode> {
    let source = Source::of(&args.file, args.lang)?;
    let module = match &source {
        Source::Module(path) => path.clone(),
        Source::Project(project) => module_of(project, running)?,
    };
    let path = args.output.clone().unwrap_or_else(|| source.default_output(&module));
    let name = module.display().to_string();
    let bytes = fs::read(&module).map_err(|error| Error::usage(format!("{name} can't be read"), error.to_string(), "check the path"))?;
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

/// Builds the project; gives the path of the module, or the component, that its tools have made.
fn module_of(project: &Project, running: &Running) -> Result<PathBuf> {
    let place = format!("building {}", project.folder.display());
    if project.language == Language::Rust {
        return cargo::build(&project.folder.join("Cargo.toml"), running);
    }
    let env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The tools run in the project's folder, and what the user names is seen from here.
    let sdk = env("WEIR_SDK").map(|path| fs::canonicalize(&path).unwrap_or(path));
    let settings = Settings { sdk, wasi_sdk: env("WASI_SDK_PATH") };
    let Recipe { needs, files, steps } = recipe::recipe(&place, project, &settings)?;
    // All tools are looked for before the first one runs.
    let find = |tool: &Tool| tool.find(&place, &absolute(&project.folder), std::env::var_os("PATH"));
    let programs = steps.iter().map(|step| match &settings.wasi_sdk {
        Some(wasi_sdk) if project.language == Language::C => Ok(wasi_sdk.join("bin/clang")),
        _ => find(step.tool),
    });
    let programs = programs.collect::<Result<Vec<_>>>()?;
    needs.iter().try_for_each(|tool| find(tool).map(drop))?;
    prepare(&project.folder, &files).map_err(|error| {
        Error::usage(&place, format!("its folder `{}` can't be written: {error}", recipe::BUILD), "make room, or make the folder writable")
    })?;
    let module = project.folder.join(recipe::MODULE);
    if project.language == Language::Wat {
        translate(project, &module)?;
    }
    for (step, program) in steps.iter().zip(programs) {
        run_step(&place, &project.folder, step, &program, running)?;
    }
    Ok(module)
}

/// A program's path must not depend on the folder that it is started in.
fn absolute(folder: &Path) -> PathBuf {
    fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())
}

/// Makes the folder for what compilers leave, with the contract in it. What an earlier build made must not pass for this one's.
fn prepare(folder: &Path, files: &[(&'static str, String)]) -> std::io::Result<()> {
    let build = folder.join(recipe::BUILD);
    if !build.is_dir() {
        fs::create_dir(&build)?;
        fs::write(build.join(".gitignore"), "*\n")?;
    }
    for (name, text) in CONTRACT_FILES {
        let path = folder.join(recipe::CONTRACT).join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        // Tools that import everything that the world has would import what no host gives yet.
        let given: String = text.lines().filter(|line| !line.contains(NOT_GIVEN)).map(|line| format!("{line}\n")).collect();
        fs::write(path, given)?;
    }
    for (name, text) in files {
        fs::write(folder.join(name), text)?;
    }
    match fs::remove_file(folder.join(recipe::MODULE)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// WebAssembly's own text needs no tool.
fn translate(project: &Project, module: &Path) -> Result<()> {
    let path = project.entries.first().map(|entry| project.folder.join(entry)).unwrap_or_default();
    let name = path.display().to_string();
    let text = fs::read_to_string(&path).map_err(|error| Error::usage(format!("{name} can't be read"), error.to_string(), "check the file"))?;
    let bytes = module_of_text(&name, &text)?;
    fs::write(module, bytes).map_err(|error| Error::usage(format!("{} can't be written", module.display()), error.to_string(), "make room"))
}

fn run_step(place: &str, folder: &Path, step: &Step, program: &Path, running: &Running) -> Result<()> {
    let mut command = std::process::Command::new(program);
    command.current_dir(folder).args(&step.arguments).envs(step.environment.iter().copied()).stdout(std::io::stderr());
    let name = program.display();
    let output = running.run(&mut command).map_err(|error| Error::usage(place, format!("{name} can't be started: {error}"), step.tool.install))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::usage(place, format!("{name} failed ({}); its messages are above", output.status), "mend what they say"))
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
