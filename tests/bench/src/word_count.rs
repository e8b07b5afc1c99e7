//! Word count: the job on WebAssembly operators against the same operators native, and against a bare loop.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use weir_connect::zipf_text::write_zipf_text;

use crate::arguments::Arguments;
use crate::figure::{Figure, Goal, Spread, conclude};
use crate::job::Stage;
use crate::run::{Measured, Variant, measure};
use crate::usage::{machine, print, tell};

/// One row of the result: what is run, on what text, at what parallelism.
#[derive(Debug, Clone, Copy)]
struct Case {
    stage: Stage,
    distinct: u32,
    parallelism: u32,
}

const CASES: [Case; 5] = [
    Case { stage: Stage::Count, distinct: 100_000, parallelism: 1 },
    Case { stage: Stage::Tokenize, distinct: 100_000, parallelism: 1 },
    Case { stage: Stage::Count, distinct: 100_000, parallelism: 2 },
    Case { stage: Stage::Count, distinct: 1_000_000, parallelism: 1 },
    Case { stage: Stage::Count, distinct: 1_000_000, parallelism: 2 },
];

/// What the figures should at most be: WebAssembly over native, over the bare loop, nanoseconds a word.
const TOKENIZE_RATIO_MAX: f64 = 1.45;
const COUNT_RATIO_MAX: f64 = 1.6;
const BARE_RATIO_MAX: f64 = 3.0;
const NS_PER_WORD_MAX: f64 = 100.0;

impl Case {
    fn name(self) -> String {
        format!("{}.{}k.p{}", self.stage.name(), self.distinct / 1000, self.parallelism)
    }
}

/// The runs of one case, by variant, in order of time.
struct Runs {
    by_variant: [Vec<Measured>; 3],
    flink: Vec<f64>,
}

impl Runs {
    fn of(&self, variant: Variant) -> &[Measured] {
        let [wasm, native, bare] = &self.by_variant;
        match variant {
            Variant::Wasm => wasm,
            Variant::Native => native,
            Variant::Bare => bare,
        }
    }

    fn ns_per_word(&self, variant: Variant) -> Option<Spread> {
        Spread::of(self.of(variant).iter().map(|run| run.ns_per_word()).collect())
    }

    /// Run by run, so that a machine that gets slower counts for both.
    fn ratio(&self, over: Variant) -> Option<Spread> {
        let pairs = self.of(Variant::Wasm).iter().zip(self.of(over));
        Spread::of(pairs.map(|(a, b)| a.ns_per_word() / b.ns_per_word()).collect())
    }
}

/// `word-count [options]`.
pub(crate) fn bench(words: &[&str]) -> Result<(), String> {
    let arguments = Arguments::parse(words)?;
    let cases: Vec<Case> = CASES.into_iter().take(if arguments.quick { 2 } else { CASES.len() }).collect();
    let mut figures = Vec::new();
    let mut results = Vec::new();
    for case in cases {
        let text = zipf_file(case.distinct, arguments.bytes)?;
        let runs = run_case(case, &text, &arguments)?;
        if arguments.check {
            let words = runs.of(Variant::Wasm).first().map_or(0, |run| run.words);
            tell(&format!("{}: every variant counted {words} words", case.name()));
            continue;
        }
        figures.extend(figures_of(case, &runs));
        results.push(report(case, &runs, arguments.json));
    }
    let document = json!({ "bench": "word-count", "bytes": arguments.bytes, "runs": arguments.runs, "machine": machine(), "cases": results,
                           "figures": figures.iter().map(Figure::json).collect::<Vec<_>>() });
    conclude(&arguments, &document, &figures)
}

/// The seeded text, made once and kept under `target/bench`.
fn zipf_file(distinct: u32, bytes: u64) -> Result<PathBuf, String> {
    let dir = Path::new("target/bench");
    let path = dir.join(format!("zipf-{distinct}-{bytes}.txt"));
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if !path.exists() {
        tell(&format!("making {} (seeded zipf text, {distinct} distinct words)", path.display()));
        fs::create_dir_all(dir).map_err(failed)?;
        let partial = path.with_extension("partial");
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&partial).map_err(failed)?);
        write_zipf_text(&mut out, bytes, distinct, 42).map_err(failed)?;
        out.flush().map_err(failed)?;
        fs::rename(&partial, &path).map_err(failed)?;
    }
    path.canonicalize().map_err(failed)
}

fn run_case(case: Case, text: &Path, arguments: &Arguments) -> Result<Runs, String> {
    let mut runs = Runs { by_variant: [Vec::new(), Vec::new(), Vec::new()], flink: Vec::new() };
    let mut words = None;
    for round in 0..=arguments.runs {
        for (variant, measured) in Variant::ALL.into_iter().zip(&mut runs.by_variant) {
            let run = measure(variant, case.stage, case.parallelism, text)?;
            if *words.get_or_insert(run.words) != run.words {
                return Err(format!("{}: {} counted {} words, another variant {words:?}", case.name(), variant.name(), run.words));
            }
            // The first round warms up the page cache.
            if round > 0 {
                measured.push(run);
            }
        }
        if let (Some(dir), true) = (&arguments.flink, round > 0) {
            runs.flink.push(flink(dir, case, text)?);
        }
    }
    Ok(runs)
}

/// Prints one case as text, and gives it as JSON.
fn report(case: Case, runs: &Runs, quiet: bool) -> Value {
    let mut entry = json!({ "case": case.name() });
    let mut lines = vec![format!("{}: CPU ns per word, min / median / max", case.name())];
    let mut put = |key: String, spread: Option<Spread>, digits: usize| {
        if let (Some(spread), Some(map)) = (spread, entry.as_object_mut()) {
            lines.push(format!("  {key:<18} {}", spread.show(digits)));
            map.insert(key, spread.json());
        }
    };
    for variant in Variant::ALL {
        put(variant.name().to_owned(), runs.ns_per_word(variant), 1);
    }
    put("flink".to_owned(), Spread::of(runs.flink.clone()), 1);
    put("wasm/native".to_owned(), runs.ratio(Variant::Native), 3);
    put("wasm/bare".to_owned(), runs.ratio(Variant::Bare), 3);
    if !quiet {
        lines.iter().for_each(|line| print(line));
    }
    entry
}

fn figures_of(case: Case, runs: &Runs) -> Vec<Figure> {
    let name = case.name();
    let figure = |what: &str, spread: Option<Spread>, unit, at_most| {
        spread.map(|spread| Figure::median(format!("word-count.{name}.{what}"), spread, unit, Goal::AtMost(at_most)))
    };
    let tokenize = case.stage == Stage::Tokenize;
    let native_max = if tokenize { TOKENIZE_RATIO_MAX } else { COUNT_RATIO_MAX };
    let mut figures = vec![figure("wasm-over-native", runs.ratio(Variant::Native), "ratio", native_max)];
    if !tokenize {
        figures.push(figure("wasm-over-bare", runs.ratio(Variant::Bare), "ratio", BARE_RATIO_MAX));
    }
    if !tokenize && case.distinct == 100_000 {
        figures.push(figure("cpu", runs.ns_per_word(Variant::Wasm), "ns/word", NS_PER_WORD_MAX));
    }
    figures.into_iter().flatten().collect()
}

/// The Java twin on Apache Flink, heap state: CPU nanoseconds per word of its steady part (the first 8 million words are warm-up).
fn flink(dir: &Path, case: Case, text: &Path) -> Result<f64, String> {
    let script = dir.join("scripts/embedded.py");
    let libraries = fs::read_dir(dir.join("venv/lib")).map_err(|error| format!("{}: {error}; see its README", dir.display()))?;
    let python = libraries.filter_map(Result::ok).map(|entry| entry.path()).find(|path| path.to_string_lossy().contains("python3"));
    let library = python.ok_or("no venv/lib/python3* in the folder of the Java twin: see its README")?.join("site-packages/pyflink/lib");
    let mut command = Command::new("python3");
    command.env("FLINK_LIB", library).env("JOBS", dir.join("classes"));
    command.arg(script).args(["1", "WordCount", "--gc", "-XX:+UseParallelGC", "--log"]).arg(dir.join("scripts/log4j-off.properties"));
    command.args(["--", "--parallelism", &case.parallelism.to_string(), "--mark", "8000000", "--stage", case.stage.name(), "--text"]).arg(text);
    let output = command.output().map_err(|error| format!("{}: {error}", dir.display()))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let run: Value =
        stdout.lines().find_map(|line| serde_json::from_str(line).ok()).ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let number = |key: &str| run.pointer(&format!("/res/{key}")).and_then(Value::as_f64);
    let (cpu_s, words) = number("steady_cpu_s").zip(number("steady_out")).ok_or_else(|| format!("the Java twin printed {run}"))?;
    Ok(cpu_s * 1e9 / words)
}
