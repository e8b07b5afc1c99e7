//! How each language's sources become a module: its tools, and what they are told.

use std::path::{Path, PathBuf};

use weir_model::{Error, Result};

use super::project::Project;
use super::tool::Tool;
use crate::args::Language;

/// Where the compilers of all languages but Rust write, in the project.
pub(super) const BUILD: &str = "build";
/// The contract, where tools read it from.
pub(super) const CONTRACT: &str = "build/wit";
/// What comes out last: a core module or a component.
pub(super) const MODULE: &str = "build/plugin.wasm";
/// The module that joins a plugin in Python with the SDK, by the name that Python imports it by.
const PYTHON_ENTRY: &str = "build/weir_app.py";
const PYTHON_APP: &str = "weir_app";

/// One command of a build. It runs in the project's folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) tool: &'static Tool,
    pub(super) arguments: Vec<String>,
    pub(super) environment: &'static [(&'static str, &'static str)],
}

/// What is done for one language.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recipe {
    /// Tools that the commands call by themselves.
    pub(super) needs: &'static [&'static Tool],
    /// Files that are written first: their paths in the project, and their texts.
    pub(super) files: Vec<(&'static str, String)>,
    pub(super) steps: Vec<Step>,
}

/// What a build may take from the environment.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// The SDK, if it isn't the project's own.
    pub(super) sdk: Option<PathBuf>,
    /// A wasi-sdk.
    pub(super) wasi_sdk: Option<PathBuf>,
}

const CLANG: Tool = Tool {
    // The tested one first.
    names: &["clang-19", "clang-22", "clang-21", "clang-20", "clang-18", "clang-17", "clang-16", "clang"],
    install: "install clang for WebAssembly, on Debian: `apt-get install --no-install-recommends clang-19 lld-19 libclang-rt-19-dev-wasm32 wasi-libc`; \
              or unpack a wasi-sdk and set WASI_SDK_PATH",
};
const NODE: Tool = Tool { names: &["node"], install: "install Node.js 20 or newer: https://nodejs.org, or on Debian `apt-get install nodejs npm`" };
const NPM_INSTALL: &str = "run `npm install` in the project; its package.json must have esbuild and componentize-qjs (0.4.5 was tried) under `devDependencies` \
                           (npm on Debian: `apt-get install nodejs npm`)";
const ESBUILD: Tool = Tool { names: &["esbuild"], install: NPM_INSTALL };
const COMPONENTIZE_QJS: Tool = Tool { names: &["componentize-qjs"], install: NPM_INSTALL };
const COMPONENTIZE_PY: Tool = Tool {
    names: &["componentize-py"],
    install: "install it in the project: `python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1` (Python on Debian: `apt-get install python3-venv`)",
};
const GO: Tool = Tool {
    names: &["go"],
    install: "install Go 1.24 or newer: https://go.dev/dl/, or on Debian `apt-get install golang-go` where that is new enough",
};
const ASC: Tool = Tool {
    names: &["asc"],
    install: "install it in the project: `npm install --save-dev assemblyscript` (Node.js on Debian: `apt-get install nodejs npm`)",
};
const ZIG: Tool = Tool {
    names: &["zig", "python-zig"],
    install: "install Zig (https://ziglang.org/download/), or in the project: `python3 -m venv .venv && .venv/bin/pip install ziglang==0.17.0`",
};

/// How [`MODULE`] is made of a project. Nothing for Rust, whose own builder knows where its module goes, and for WebAssembly's text.
///
/// # Errors
/// When the SDK, or something else that no tool is missing for, isn't there.
pub(super) fn recipe(place: &str, project: &Project, settings: &Settings) -> Result<Recipe> {
    let steps = |steps| Recipe { steps, ..Recipe::default() };
    Ok(match project.language {
        Language::Rust | Language::Wat => Recipe::default(),
        Language::C => steps(vec![clang(place, project, settings)?]),
        Language::JavaScript | Language::TypeScript => javascript(&sdk(place, project, settings)?),
        Language::Python => python(&sdk(place, project, settings)?),
        Language::Go => steps(vec![Step {
            environment: &[("GOOS", "wasip1"), ("GOARCH", "wasm")],
            ..step(&GO, &["build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w -checklinkname=0", "-o", MODULE, "."])
        }]),
        Language::AssemblyScript => steps(vec![step(&ASC, &["--config", "asconfig.json", "--target", "release", "--outFile", MODULE])]),
        Language::Zig => {
            let emit = format!("-femit-bin={MODULE}");
            let cache = format!("{BUILD}/zig-cache");
            let target =
                ["build-exe", entry(project), "-target", "wasm32-freestanding", "-mcpu=generic+simd128+bulk_memory", "-fno-entry", "-rdynamic"];
            // Safe: a mistake is a panic with its words, and not anything at all. Zig's own stack would be 16 MiB of every instance.
            let options = ["-O", "ReleaseSafe", "-fstrip", "--stack", "131072", &emit, "--cache-dir", &cache];
            steps(vec![step(&ZIG, &[&target[..], &options].concat())])
        }
    })
}

fn step(tool: &'static Tool, arguments: &[&str]) -> Step {
    Step { tool, arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(), environment: &[] }
}

fn entry(project: &Project) -> &str {
    project.entries.first().map(String::as_str).unwrap_or_default()
}

/// The SDK knows how modules are bundled with it, so that errors name the author's own lines.
fn javascript(sdk: &str) -> Recipe {
    let build = format!("{sdk}/build.js");
    Recipe {
        needs: &[&ESBUILD, &COMPONENTIZE_QJS],
        steps: vec![step(&NODE, &[&build, ".", "--wit", CONTRACT, "--output", MODULE])],
        ..Recipe::default()
    }
}

fn python(sdk: &str) -> Recipe {
    let text = "import plugin\nfrom weir_guest.component import Operator\n".to_owned();
    let world = ["--wit-path", CONTRACT, "--world", "plugin", "componentize"];
    let component = ["--python-path", ".", "--python-path", BUILD, "--python-path", sdk, "--output", MODULE, PYTHON_APP];
    Recipe { files: vec![(PYTHON_ENTRY, text)], steps: vec![step(&COMPONENTIZE_PY, &[&world[..], &component].concat())], ..Recipe::default() }
}

/// The folder of the SDK, for the command line: the one that the user names, else the project's copy, else what npm has installed.
fn sdk(place: &str, project: &Project, settings: &Settings) -> Result<String> {
    let own = "weir-sdk";
    let installed = matches!(project.language, Language::JavaScript | Language::TypeScript).then_some("node_modules/weir-guest");
    let named = settings.sdk.as_deref().map(|path| path.to_string_lossy().into_owned());
    let candidates = named.map_or_else(|| [Some(own), installed].into_iter().flatten().map(str::to_owned).collect(), |named| vec![named]);
    if let Some(sdk) = candidates.iter().find(|sdk| project.folder.join(sdk).is_dir()) {
        return Ok(sdk.clone());
    }
    let name = project.language.name();
    Err(Error::usage(
        place,
        format!("the SDK isn't there: {} is no folder", candidates.join(" and ")),
        format!(
            "copy weir's guest-sdk/{name} to {own} in the project, or name its place in WEIR_SDK; `weir plugin new --lang {name} NAME` makes a project that has it"
        ),
    ))
}

fn clang(place: &str, project: &Project, settings: &Settings) -> Result<Step> {
    let sdk = sdk(place, project, settings)?;
    let mut arguments: Vec<String> = [
        "--target=wasm32-wasi",
        "-std=gnu11",
        "-O3",
        "-flto",
        "-msimd128",
        "-mbulk-memory",
        "-mexec-model=reactor",
        "-Wall",
        "-Wl,--gc-sections",
        "-Wl,--strip-debug",
        "-Wl,-z,stack-size=131072",
        "-o",
        MODULE,
    ]
    .map(str::to_owned)
    .into();
    match &settings.wasi_sdk {
        Some(_) => {}
        // Where Debian's wasi-libc is.
        None if Path::new("/usr/include/wasm32-wasi").is_dir() => arguments.push("--sysroot=/usr".to_owned()),
        None => return Err(Error::usage(place, "there is no C library for WebAssembly: /usr/include/wasm32-wasi is no folder", CLANG.install)),
    }
    arguments.push(format!("-I{sdk}"));
    arguments.extend(project.entries.iter().cloned());
    for folder in [sdk.clone(), format!("{sdk}/bindings")] {
        arguments.extend(sources_in(&project.folder, &folder));
    }
    Ok(Step { tool: &CLANG, arguments, environment: &[] })
}

/// The C sources in a folder of the project, sorted; none if there is no such folder.
fn sources_in(project: &Path, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(project.join(folder)).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.ends_with(".c"));
    let mut sources: Vec<_> = names.map(|name| format!("{folder}/{name}")).collect();
    sources.sort();
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command lines of a project in an empty folder with the SDK's sources, each after its environment.
    fn lines(language: Language, entries: &[&str], settings: &Settings) -> Result<Vec<String>, String> {
        let folder = std::env::temp_dir().join(format!("weir-recipe-{}-{}", language.name(), std::process::id()));
        for name in ["weir-sdk/bindings/plugin.c", "weir-sdk/weir.c", "weir-sdk/weir.h"] {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let project = Project { language, folder: folder.clone(), entries: entries.iter().map(|entry| (*entry).to_owned()).collect() };
        let recipe = recipe("building x", &project, settings).map_err(|error| error.why);
        std::fs::remove_dir_all(folder).unwrap();
        let line = |step: Step| {
            let environment = step.environment.iter().map(|(name, value)| format!("{name}={value} "));
            format!("{}{} {}", environment.collect::<String>(), step.tool.names.last().unwrap(), step.arguments.join(" "))
        };
        Ok(recipe?.steps.into_iter().map(line).collect())
    }

    #[test]
    fn each_languages_tools_get_their_command_lines() {
        let wasi_sdk = || Settings { wasi_sdk: Some("/opt/wasi-sdk".into()), ..Settings::default() };
        let check = |language: Language, entries: &[&str], settings: Settings, expected: Result<&[&str], &str>| {
            let expected = expected.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect()).map_err(str::to_owned);
            assert_eq!(lines(language, entries, &settings), expected, "{language:?}");
        };
        let none = Settings::default;
        check(Language::Rust, &[], none(), Ok(&[]));
        check(Language::Wat, &["plugin.wat"], none(), Ok(&[]));
        check(
            Language::C,
            &["a.c", "b.c"],
            wasi_sdk(),
            Ok(&[
                "clang --target=wasm32-wasi -std=gnu11 -O3 -flto -msimd128 -mbulk-memory -mexec-model=reactor -Wall -Wl,--gc-sections -Wl,--strip-debug \
                  -Wl,-z,stack-size=131072 -o build/plugin.wasm \
                  -Iweir-sdk a.c b.c weir-sdk/weir.c weir-sdk/bindings/plugin.c",
            ]),
        );
        check(Language::TypeScript, &["./src/plugin.ts"], none(), Ok(&["node weir-sdk/build.js . --wit build/wit --output build/plugin.wasm"]));
        check(
            Language::Python,
            &[],
            Settings { sdk: Some(std::env::temp_dir()), ..none() },
            Ok(&[&format!(
                "componentize-py --wit-path build/wit --world plugin componentize --python-path . --python-path build --python-path {} \
                 --output build/plugin.wasm weir_app",
                std::env::temp_dir().display()
            )]),
        );
        check(Language::Python, &[], Settings { sdk: Some("none".into()), ..none() }, Err("the SDK isn't there: none is no folder"));
        check(
            Language::Go,
            &[],
            none(),
            Ok(&["GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags=-s -w -checklinkname=0 -o build/plugin.wasm ."]),
        );
        check(Language::AssemblyScript, &[], none(), Ok(&["asc --config asconfig.json --target release --outFile build/plugin.wasm"]));
        check(
            Language::Zig,
            &["plugin.zig"],
            none(),
            Ok(&["python-zig build-exe plugin.zig -target wasm32-freestanding -mcpu=generic+simd128+bulk_memory -fno-entry -rdynamic \
                  -O ReleaseSafe -fstrip --stack 131072 \
                  -femit-bin=build/plugin.wasm --cache-dir build/zig-cache"]),
        );
    }
}
