//! What an operator costs in each language: the same functions of the conformance plugins, by the binary `weir`, in turn with those in Rust.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use weir_connect::zipf_text::write_zipf_text;

use crate::arguments::Arguments;
use crate::figure::{Figure, Goal, Spread, conclude};
use crate::usage::{load, machine, tell};

/// The language that the others are held against.
const RUST: &str = "rust";
/// Words that the text is drawn from.
const DISTINCT: u32 = 10_000;
/// Bytes of input: what an interpreter works on for some seconds.
const BYTES: u64 = 12_000_000;
const CHECK_BYTES: u64 = 20_000;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    /// Lines to words.
    Tokenize,
    /// The same, and the words counted: what is told is what counting adds for a word.
    Count,
    /// A field of lines of JSON.
    Extract,
}

impl Case {
    const ALL: [Self; 3] = [Self::Tokenize, Self::Count, Self::Extract];

    fn name(self) -> &'static str {
        match self {
            Self::Tokenize => "tokenize",
            Self::Count => "count",
            Self::Extract => "extract",
        }
    }

    /// Times what Rust takes.
    fn goal(self, language: &str) -> Goal {
        match (self, language) {
            (Self::Tokenize, "c") => Goal::AtMost(1.1),
            (Self::Tokenize, "javascript") => Goal::AtMost(40.0),
            (Self::Tokenize, "python") => Goal::AtMost(25.0),
            _ => Goal::Nothing,
        }
    }
}

/// What one run of a job took.
#[derive(Debug, Clone, Copy)]
struct Run {
    cpu_ns: f64,
    /// Records that went into its last operator, or into its sink.
    records: f64,
    /// Records that came out of it.
    emitted: f64,
}

/// `languages [options]`.
pub(crate) fn bench(words: &[&str]) -> Result<(), String> {
    let arguments = Arguments::parse(words)?;
    let bytes = if arguments.check { CHECK_BYTES } else { BYTES };
    let bench = Bench::prepare(bytes)?;
    let languages = bench.languages()?;
    let (mut figures, mut documents) = (Vec::new(), Vec::new());
    for case in Case::ALL {
        let mut costs: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for round in 0..arguments.runs {
            tell(&format!("languages: {}, round {} of {}, load {:.2}", case.name(), round + 1, arguments.runs, load()));
            let mut emitted = None;
            for Language { name: language, plugin, functions } in &languages {
                // Examples don't have all functions.
                if !functions.iter().any(|function| function == case.name()) {
                    continue;
                }
                let (cost, made) = bench.cost(case, plugin)?;
                if *emitted.get_or_insert(made) != made {
                    return Err(format!("{}: {language} emitted {made} records, {RUST} {emitted:?}", case.name()));
                }
                costs.entry(language.as_str()).or_default().push(cost);
            }
        }
        let rust = costs.get(RUST).cloned().unwrap_or_default();
        for (language, costs) in &costs {
            let ratios = Spread::of(costs.iter().zip(&rust).map(|(cost, rust)| cost / rust).collect());
            let name = |what: &str| format!("languages.{}.{language}.{what}", case.name());
            figures.extend(Spread::of(costs.clone()).map(|spread| Figure::median(name("cpu"), spread, "ns/record", Goal::Nothing)));
            figures.extend(ratios.map(|spread| Figure::median(name("over-rust"), spread, "ratio", case.goal(language))));
        }
        documents.push(json!({ "case": case.name(), "costs_ns": costs }));
    }
    let document = json!({ "bench": "languages", "bytes": bytes, "runs": arguments.runs, "machine": machine(), "cases": documents,
                           "figures": figures.iter().map(Figure::json).collect::<Vec<_>>() });
    if arguments.check {
        let names: Vec<_> = languages.iter().map(|language| language.name.as_str()).collect();
        tell(&format!("languages: {} give the same", names.join(", ")));
    }
    conclude(&arguments, &document, if arguments.check { &[] } else { &figures })
}

/// A language, and the functions of its plugin.
struct Language {
    name: String,
    plugin: PathBuf,
    functions: Vec<String>,
}

/// Input and folder of the jobs.
struct Bench {
    dir: PathBuf,
    weir: PathBuf,
}

impl Bench {
    fn prepare(bytes: u64) -> Result<Self, String> {
        let dir = Path::new("target/bench/languages").to_owned();
        let explain = |error: std::io::Error| format!("{}: {error}", dir.display());
        fs::create_dir_all(&dir).map_err(explain)?;
        let mut text = Vec::new();
        write_zipf_text(&mut text, bytes, DISTINCT, 42).map_err(explain)?;
        let lines = String::from_utf8_lossy(&text);
        let documents: String = lines.lines().enumerate().map(|(at, line)| document(at, line)).collect();
        fs::write(dir.join("text.txt"), &text).map_err(explain)?;
        fs::write(dir.join("documents.txt"), documents).map_err(explain)?;
        fs::write(dir.join("empty.txt"), "").map_err(explain)?;
        let weir = std::env::current_exe().map_err(|error| error.to_string())?.with_file_name("weir");
        Ok(Self { dir, weir })
    }

    /// The languages whose plugin is built, Rust first.
    fn languages(&self) -> Result<Vec<Language>, String> {
        let dir = Path::new("target/plugins");
        let entries = fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let mut found = Vec::new();
        for plugin in entries.filter_map(|entry| entry.ok()?.path().canonicalize().ok()) {
            let file = plugin.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(name) = file.strip_prefix("conformance-").and_then(|name| name.strip_suffix(".wasm")).map(str::to_owned) {
                let functions = self.functions(&plugin)?;
                found.push(Language { name, plugin, functions });
            }
        }
        found.sort_by_key(|language| (language.name != RUST, language.name.clone()));
        match found.first() {
            Some(first) if first.name == RUST => Ok(found),
            _ => Err(format!("there is no {}/conformance-{RUST}.wasm; `cargo xtask languages` builds it", dir.display())),
        }
    }

    /// What the plugin says that it has.
    fn functions(&self, plugin: &Path) -> Result<Vec<String>, String> {
        let mut command = Command::new(&self.weir);
        command.env("WEIR_CACHE_DIR", self.dir.join("cache")).args(["plugin", "describe", "--json"]).arg(plugin);
        let output = command.output().map_err(|error| format!("{}: {error}", self.weir.display()))?;
        let description: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("{}: {error}", plugin.display()))?;
        let functions = description.get("functions").and_then(Value::as_array).into_iter().flatten();
        Ok(functions.filter_map(|function| Some(function.get("function")?.as_str()?.to_owned())).collect())
    }

    /// CPU nanoseconds that the operator takes for a record, and the records that it emits. What the job takes without the operator is taken away, and what it
    /// takes without records.
    fn cost(&self, case: Case, plugin: &Path) -> Result<(f64, f64), String> {
        let functions: &[&str] = match case {
            Case::Tokenize => &["tokenize"],
            Case::Count => &["tokenize", "count"],
            Case::Extract => &["extract"],
        };
        let input = if case == Case::Extract { "documents.txt" } else { "text.txt" };
        let before = functions.split_last().map_or(&[][..], |(_, before)| before);
        let with = self.net(input, plugin, functions)?;
        let without = self.net(input, plugin, before)?;
        Ok(((with.cpu_ns - without.cpu_ns) / with.records, with.emitted))
    }

    /// A run without what starting takes.
    fn net(&self, input: &str, plugin: &Path, functions: &[&str]) -> Result<Run, String> {
        let empty = self.run("empty.txt", plugin, functions)?;
        let run = self.run(input, plugin, functions)?;
        Ok(Run { cpu_ns: run.cpu_ns - empty.cpu_ns, ..run })
    }

    fn run(&self, input: &str, plugin: &Path, functions: &[&str]) -> Result<Run, String> {
        let explain = |error: std::io::Error| format!("{}: {error}; build it with `cargo build --release --workspace`", self.weir.display());
        fs::write(self.dir.join("job.toml"), job(input, plugin, functions)).map_err(explain)?;
        let mut command = Command::new(&self.weir);
        command.env("WEIR_CACHE_DIR", self.dir.join("cache")).args(["run", "--quiet", "--summary"]);
        command.arg(self.dir.join("summary.json")).arg(self.dir.join("job.toml"));
        if !command.status().map_err(explain)?.success() {
            return Err(format!("{} failed on {}", functions.join(" and "), plugin.display()));
        }
        let summary = fs::read(self.dir.join("summary.json")).map_err(explain)?;
        let summary: Value = serde_json::from_slice(&summary).map_err(|error| error.to_string())?;
        let last = functions.last().copied().unwrap_or("lines");
        let node = summary.get("nodes").and_then(Value::as_array).into_iter().flatten().find(|node| node.get("uid").is_some_and(|uid| uid == last));
        let figure = |of: Option<&Value>, name: &str| of.and_then(|of| of.get(name)?.as_f64()).ok_or_else(|| format!("no {name} in {summary}"));
        Ok(Run {
            cpu_ns: figure(Some(&summary), "cpu_seconds")? * 1e9,
            records: figure(node, "records_in").unwrap_or_default().max(1.0),
            emitted: figure(node, "records_out")?,
        })
    }
}

/// A line of JSON as logs have it, whose field `user.name` is a text with what JSON escapes in it now and then.
fn document(at: usize, line: &str) -> String {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or("nobody");
    let name = if at.is_multiple_of(16) { format!("{name} \"{name}\" \u{e9}") } else { name.to_owned() };
    let message: String = words.take(4).collect::<Vec<_>>().join(" ");
    let value = json!({ "id": at, "user": { "id": at % 1000, "name": name }, "message": message, "ok": at.is_multiple_of(3) });
    format!("{value}\n")
}

fn job(input: &str, plugin: &Path, functions: &[&str]) -> String {
    let mut text = format!(
        "[job]\nname = \"languages\"\nparallelism = 1\n[plugins.p]\npath = {plugin:?}\ncall-timeout = \"60s\"\n\
         [sources.lines]\nconnector = \"file\"\npath = {input:?}\nformat = \"lines\"\n"
    );
    let mut before = "lines";
    for function in functions {
        text.push_str(&format!("[operators.{function}]\nplugin = \"p\"\nfunction = \"{function}\"\ninput = \"{before}\"\n"));
        before = function;
    }
    text.push_str(&format!("[sinks.out]\nconnector = \"blackhole\"\ninput = \"{before}\"\n"));
    text
}
