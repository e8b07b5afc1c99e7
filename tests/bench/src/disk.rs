//! What state on disk costs where it is four times the memory it may take: the binary `weir`, the same job with each backend in turn.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::figure::{Figure, Goal, Spread, conclude};

/// Keys of 8 bytes with values of 8 bytes, and words that there are to draw from.
const KEYS: u64 = 400_000;
/// The memory of the disk backend: a quarter of what the keys and values take in the table of the memory backend, 64 bytes each.
const MEMORY: &str = "6MiB";
/// How often each key comes, all of them in turn.
const ROUNDS: u64 = 3;
const ZIPF_LINES: u64 = 150_000;

/// How the keys of a job come.
#[derive(Debug, Clone, Copy)]
enum Keys {
    /// Each as often as the others, neighbours far apart.
    Uniform,
    /// Words by Zipf's law.
    Zipf,
}

const CASES: [(&str, Keys); 2] = [("uniform", Keys::Uniform), ("zipf", Keys::Zipf)];
const BACKENDS: [&str; 2] = ["memory", "disk"];

/// What a run took.
#[derive(Debug, Clone, Copy)]
struct Run {
    ns_per_record: f64,
    peak_mib: f64,
}

/// `disk [options]`.
pub(crate) fn bench(words: &[&str]) -> Result<(), String> {
    let arguments = Arguments::parse(words)?;
    let dir = Path::new("target/bench/disk");
    fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let weir = std::env::current_exe().map_err(|error| error.to_string())?.with_file_name("weir");
    let (mut figures, mut documents) = (Vec::new(), Vec::new());
    for (name, keys) in CASES {
        let mut runs: [Vec<Run>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..arguments.runs {
            for (backend, runs) in BACKENDS.iter().zip(&mut runs) {
                runs.push(run(&weir, dir, keys, backend, arguments.check)?);
            }
        }
        let [memory, disk] = &runs;
        let all = |runs: &[Run], of: fn(&Run) -> f64| Spread::of(runs.iter().map(of).collect());
        let ratios = Spread::of(memory.iter().zip(disk).map(|(memory, disk)| disk.ns_per_record / memory.ns_per_record).collect());
        let told = [
            (format!("disk.{name}.memory"), all(memory, |run| run.ns_per_record), "ns/record"),
            (format!("disk.{name}.disk"), all(disk, |run| run.ns_per_record), "ns/record"),
            (format!("disk.{name}.ratio"), ratios, "ratio"),
            (format!("disk.{name}.memory.peak"), all(memory, |run| run.peak_mib), "MiB"),
            (format!("disk.{name}.disk.peak"), all(disk, |run| run.peak_mib), "MiB"),
        ];
        figures.extend(told.into_iter().filter_map(|(name, spread, unit)| Some(Figure::median(name, spread?, unit, Goal::Nothing))));
        documents.push(json!({ "case": name, "keys": KEYS, "memory": MEMORY }));
    }
    let document =
        json!({ "bench": "disk", "cases": documents, "runs": arguments.runs, "figures": figures.iter().map(Figure::json).collect::<Vec<_>>() });
    conclude(&arguments, &document, if arguments.check { &[] } else { &figures })
}

/// CPU of the whole process without its start, for each record that is counted.
fn run(weir: &Path, dir: &Path, keys: Keys, backend: &str, is_check: bool) -> Result<Run, String> {
    let explain = |error: std::io::Error| format!("{}: {error}; build it with `cargo build --release --workspace`", weir.display());
    let shrink = if is_check { 40 } else { 1 };
    fs::write(dir.join("job.toml"), job(keys, backend, shrink)).map_err(explain)?;
    let mut command = Command::new(weir);
    command.env("WEIR_CACHE_DIR", dir.join("cache")).args(["run", "--quiet", "--summary"]).arg(dir.join("summary.json")).arg(dir.join("job.toml"));
    if !command.status().map_err(explain)?.success() {
        return Err("the job failed".to_owned());
    }
    let summary: Value = serde_json::from_slice(&fs::read(dir.join("summary.json")).map_err(explain)?).map_err(|error| error.to_string())?;
    let figure = |name: &str| summary.get(name).and_then(Value::as_f64).ok_or_else(|| format!("no {name} in {summary}"));
    let nodes = summary.get("nodes").and_then(Value::as_array).into_iter().flatten();
    let counted = nodes.filter(|node| node.get("uid").is_some_and(|uid| uid == "count")).find_map(|node| node.get("records_in")?.as_f64());
    let counted = counted.ok_or_else(|| format!("no node `count` in {summary}"))?;
    Ok(Run { ns_per_record: figure("cpu_seconds")? * 1e9 / counted, peak_mib: figure("peak_rss_bytes")? / f64::from(1 << 20) })
}

fn job(keys: Keys, backend: &str, shrink: u64) -> String {
    let state = if backend == "disk" { format!("[state]\nbackend = \"disk\"\nmemory = \"{MEMORY}\"\nlocal-dir = \"work\"\n") } else { String::new() };
    let (plugin, source, first) = match keys {
        Keys::Uniform => (
            "key_count",
            format!("kind = \"sequence\"\nto = {}", KEYS * ROUNDS / shrink - 1),
            format!("function = \"spread\"\nconfig = {{ keys = {}, hits = 1 }}", KEYS / shrink),
        ),
        Keys::Zipf => {
            ("word_count", format!("kind = \"zipf-words\"\ndistinct = {KEYS}\nlines = {}", ZIPF_LINES / shrink), "function = \"tokenize\"".to_owned())
        }
    };
    format!(
        "[job]\nname = \"disk\"\nparallelism = 1\n{state}\
         [plugins.p]\npath = \"../../plugins/{plugin}.wasm\"\n\
         [sources.in]\nconnector = \"generator\"\n{source}\n\
         [operators.first]\nplugin = \"p\"\n{first}\ninput = \"in\"\n\
         [operators.count]\nplugin = \"p\"\nfunction = \"count\"\ninput = \"first\"\n\
         [sinks.out]\nconnector = \"blackhole\"\ninput = \"count\"\n"
    )
}
