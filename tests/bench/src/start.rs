//! How soon a small job gives its first record, and how much memory it needs: the binary `weir` on four lines, compiled plugins at hand.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::figure::{Figure, Goal, Spread};
use crate::usage::print;

/// Milliseconds from `exec` to the first output record.
const FIRST_RECORD_MS_MAX: f64 = 50.0;
/// MiB resident at most.
const RESIDENT_MIB_MAX: f64 = 40.0;

const JOB: &str = r#"
[job]
name = "four-lines"
parallelism = 2
[plugins.word-count]
path = "../../plugins/word_count.wasm"
[sources.lines]
connector = "file"
path = "four.txt"
[operators.tokenize]
plugin = "word-count"
function = "tokenize"
input = "lines"
[operators.count]
plugin = "word-count"
function = "count"
input = "tokenize"
[sinks.out]
connector = "print"
input = "count"
"#;

/// `start [options]`.
pub(crate) fn bench(words: &[&str]) -> Result<(), String> {
    let arguments = Arguments::parse(words)?;
    let dir = Path::new("target/bench/start");
    let failed = |error: std::io::Error| format!("{}: {error}", dir.display());
    fs::create_dir_all(dir).map_err(failed)?;
    fs::write(dir.join("job.toml"), JOB).map_err(failed)?;
    fs::write(dir.join("four.txt"), "to be or not to be\nthat is the question\nto be\nor not\n").map_err(failed)?;
    let weir = std::env::current_exe().map_err(failed)?.with_file_name("weir");
    let (mut first_ms, mut resident_mib) = (Vec::new(), Vec::new());
    // The first run compiles the plugin and isn't counted.
    for round in 0..=arguments.runs * 4 {
        let (ms, mib) = run_once(&weir, dir)?;
        if round > 0 {
            first_ms.push(ms);
            resident_mib.push(mib);
        }
    }
    let figure = |name: &str, values, unit, at_most| {
        Spread::of(values).map(|spread| Figure::median(format!("start.{name}"), spread, unit, Goal::AtMost(at_most)))
    };
    let figures = [figure("first-record", first_ms, "ms", FIRST_RECORD_MS_MAX), figure("resident", resident_mib, "MiB", RESIDENT_MIB_MAX)];
    let figures: Vec<Figure> = figures.into_iter().flatten().collect();
    if arguments.json {
        print(&json!({ "bench": "start", "figures": figures.iter().map(Figure::json).collect::<Vec<_>>() }).to_string());
    } else {
        figures.iter().for_each(|figure| print(&format!("{}: {} {}", figure.name, figure.spread.show(1), figure.unit)));
        figures.iter().for_each(|figure| print(&figure.line()));
    }
    Ok(())
}

/// Milliseconds to the first byte of output, and the MiB that the process says it had resident at most.
#[expect(clippy::disallowed_methods, reason = "the time of a whole process is what is measured")]
fn run_once(weir: &Path, dir: &Path) -> Result<(f64, f64), String> {
    let explain = |error: std::io::Error| format!("{}: {error}; build it with `cargo build --release --workspace`", weir.display());
    let start = Instant::now();
    let mut command = Command::new(weir);
    command
        .env("WEIR_CACHE_DIR", "target/bench/start/cache")
        .args(["run", "--quiet", "--summary"])
        .arg(dir.join("summary.json"))
        .arg(dir.join("job.toml"));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(explain)?;
    let mut stdout = child.stdout.take().ok_or("no output")?;
    let mut byte = [0];
    stdout.read_exact(&mut byte).map_err(explain)?;
    let first = start.elapsed();
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).map_err(explain)?;
    if !child.wait().map_err(explain)?.success() {
        return Err("the job failed".to_owned());
    }
    let summary: Value = serde_json::from_slice(&fs::read(dir.join("summary.json")).map_err(explain)?).map_err(|error| error.to_string())?;
    let bytes = summary.get("peak_rss_bytes").and_then(Value::as_f64).ok_or_else(|| format!("no peak_rss_bytes in {summary}"))?;
    Ok((first.as_secs_f64() * 1e3, bytes / f64::from(1 << 20)))
}
