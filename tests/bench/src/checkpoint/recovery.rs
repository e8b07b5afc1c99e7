//! How soon a killed job goes on: from the start of the process to the first record, against a bare program that reads the same files into a map.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use key_count::Sweep;
use serde_json::{Value, json};
use weir_checkpoint::manifest::{FileScope, Manifest};

use crate::arguments::Arguments;
use crate::checkpoint::steady::{BYTES_RATIO_MAX, show_keys};
use crate::checkpoint::{block_on, folder};
use crate::figure::{Figure, Goal, Spread};
use crate::usage::{print, tell};

/// The time to the first record over that of the bare program.
const RATIO_MAX: f64 = 1.5;
/// Of one key's records in a row: with them, about the twentieth part of all keys changes in the interval.
const HITS: u64 = 64;
/// How long the job to be killed may take to get ready for it.
const READY: Duration = Duration::from_secs(180);

/// The job's name.
pub(super) const JOB: &str = "recovery";

/// The seconds of one process until its first line, and the CPU seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seconds {
    pub(crate) elapsed: f64,
    pub(crate) cpu: f64,
}

/// Kills a job, then lets it and the bare programs begin in turn.
pub(crate) fn bench(arguments: &Arguments) -> Result<(Value, Vec<Figure>), String> {
    let keys = if arguments.check { 5_000 } else { 10_000_000 };
    let place = Place::make(keys, if arguments.check { 100 } else { 5_000 })?;
    let manifest = place.run_and_kill()?;
    let sweep = Sweep::new(keys, HITS).ok_or("too many keys")?;
    let mut runs: [Vec<Seconds>; 3] = Default::default();
    let rounds = if arguments.check { 0 } else { arguments.runs };
    // The first round warms up the page cache.
    for round in 0..=rounds {
        let (lines, bare) = first_line(&mut place.this("restore-bare"), 2)?;
        let [_, records] = lines.as_slice() else { return Err("restore-bare says too little".to_owned()) };
        let records: u64 = records.parse().map_err(|error| format!("restore-bare: {error}"))?;
        let (_, raw) = first_line(place.this("restore-raw").args([keys, HITS, records].map(|number| number.to_string())), 1)?;
        let (line, weir) = first_line(&mut place.weir(&["checkpointing.interval=1h"]), 1)?;
        let (key, total) = sweep.record(records);
        if line != [format!("{key}\t{total}")] {
            return Err(format!("the job went on with {line:?}, but record {records} has the key {key} and the total {total}"));
        }
        if round > 0 || arguments.check {
            runs.iter_mut().zip([weir, bare, raw]).for_each(|(runs, run)| runs.push(run));
        }
    }
    let (results, figures) = report(keys, &manifest, &runs);
    if arguments.check {
        tell("recovery: the killed job went on with the right record");
    } else {
        figures.iter().for_each(|figure| print(&format!("{}: {} {}", figure.name, figure.spread.show(3), figure.unit)));
    }
    Ok((results, figures))
}

fn report(keys: u64, manifest: &Manifest, [weir, bare, raw]: &[Vec<Seconds>; 3]) -> (Value, Vec<Figure>) {
    let name = |what: &str| format!("checkpoint.{}.recovery.{what}", show_keys(keys));
    let seconds = |what: &str, runs: &[Seconds]| {
        Spread::of(runs.iter().map(|run| run.elapsed).collect()).map(|spread| Figure::median(name(what), spread, "s", Goal::Nothing))
    };
    let ratio = |what: &str, over: &[Seconds], of: fn(&Seconds) -> f64, goal| {
        let ratios = weir.iter().zip(over).map(|(weir, other)| of(weir) / of(other)).collect();
        Spread::of(ratios).map(|spread| Figure::median(name(what), spread, "ratio", goal))
    };
    let full = manifest.files().filter(|file| file.scope == FileScope::Full).map(folder::size_ratio).collect();
    let full = Spread::of(full).map(|spread| Figure::median(name("full-size"), spread, "ratio", Goal::AtMost(BYTES_RATIO_MAX)));
    let figures = [
        ratio("over-bare", bare, |run| run.elapsed, Goal::AtMost(RATIO_MAX)),
        ratio("cpu-over-bare", bare, |run| run.cpu, Goal::Nothing),
        ratio("over-raw", raw, |run| run.elapsed, Goal::Nothing),
        seconds("weir", weir),
        seconds("bare", bare),
        seconds("raw", raw),
        full,
    ];
    let figures: Vec<Figure> = figures.into_iter().flatten().collect();
    let all = |runs: &[Seconds]| runs.iter().map(|run| json!({ "elapsed_s": run.elapsed, "cpu_s": run.cpu })).collect::<Value>();
    let files: Value =
        manifest.files().map(|file| json!({ "full": file.scope == FileScope::Full, "rows": file.rows, "bytes": file.bytes })).collect();
    (json!({ "keys": keys, "files": files, "weir": all(weir), "bare": all(bare), "raw": all(raw) }), figures)
}

/// Where the job lies.
struct Place {
    dir: PathBuf,
    keys: u64,
}

impl Place {
    fn make(keys: u64, interval_ms: u64) -> Result<Self, String> {
        let here = std::env::current_dir().map_err(|error| error.to_string())?;
        let dir = here.join("target/bench/checkpoint").join(format!("recovery-{keys}"));
        let failed = |error: std::io::Error| format!("{}: {error}", dir.display());
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        fs::create_dir_all(&dir).map_err(failed)?;
        let job = format!(
            "[job]\nname = \"{JOB}\"\nparallelism = 1\n[checkpointing]\ninterval = \"{interval_ms}ms\"\ndir = {dir:?}\n\
             [plugins.key-count]\npath = {:?}\n[sources.numbers]\nconnector = \"generator\"\nkind = \"sequence\"\n\
             [operators.spread]\nplugin = \"key-count\"\nfunction = \"spread\"\ninput = \"numbers\"\nconfig = {{ keys = {keys}, hits = {HITS} }}\n\
             [operators.count]\nplugin = \"key-count\"\nfunction = \"count\"\ninput = \"spread\"\n\
             [sinks.out]\nconnector = \"print\"\ninput = \"count\"\n",
            here.join("target/plugins/key_count.wasm")
        );
        fs::write(dir.join("job.toml"), job).map_err(failed)?;
        Ok(Self { dir, keys })
    }

    /// `weir run` of the job with these settings changed.
    fn weir(&self, settings: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap_or_default().with_file_name("weir"));
        command.env("WEIR_CACHE_DIR", self.dir.join("cache")).args(["run", "--quiet"]).arg(self.dir.join("job.toml"));
        command.args(settings.iter().flat_map(|setting| ["-D", setting]));
        command
    }

    /// This program as one that reads the job's folder.
    fn this(&self, word: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap_or_default());
        command.arg(word).arg(&self.dir);
        command
    }

    /// Runs the job until it has a checkpoint with every key and two increments, then kills it.
    fn run_and_kill(&self) -> Result<Manifest, String> {
        let mut command = self.weir(&["sinks.out.connector=blackhole"]);
        let mut child = Killed(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(explain)?);
        let watch = Watch::start();
        let store = folder::open(&self.dir, JOB)?;
        loop {
            if child.0.try_wait().map_err(explain)?.is_some() {
                return Err(format!("the job ended by itself: {}", child.errors()));
            }
            if watch.seconds() > READY.as_secs_f64() {
                return Err("the job had no checkpoint to be killed with in time".to_owned());
            }
            let newest = block_on(async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                folder::newest(&store).await
            })??;
            let increments = |manifest: &Manifest| manifest.files().filter(|file| file.scope == FileScope::Changes).count();
            let full = |manifest: &Manifest| folder::rows(manifest, FileScope::Full) + folder::rows(manifest, FileScope::Changes) >= self.keys;
            if newest.is_some_and(|newest| increments(&newest) >= 2 && full(&newest)) {
                break;
            }
        }
        drop(child);
        // Only now does nothing change any more.
        block_on(folder::newest(&store))??.ok_or_else(|| "the job has left no checkpoint".to_owned())
    }
}

/// Runs a command until it has said so many lines, then kills it; measured is the time to the first.
pub(crate) fn first_line(command: &mut Command, lines: usize) -> Result<(Vec<String>, Seconds), String> {
    let watch = Watch::start();
    // It may wait for its input to end: that it doesn't.
    let mut child = Killed(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(explain)?);
    let mut out = BufReader::new(child.0.stdout.take().ok_or("no output")?);
    let (mut said, mut seconds) = (Vec::new(), None);
    while said.len() < lines {
        let mut line = String::new();
        if out.read_line(&mut line).map_err(explain)? == 0 {
            return Err(format!("{command:?} ended early: {}", child.errors()));
        }
        let elapsed = watch.seconds();
        seconds = seconds.or_else(|| Some(Seconds { elapsed, cpu: cpu_seconds(child.0.id()) }));
        said.push(line.trim_end().to_owned());
    }
    let seconds = seconds.ok_or("nothing was asked for")?;
    Ok((said, seconds))
}

/// A child that doesn't outlive its handle.
struct Killed(Child);

impl Killed {
    /// What it has said on stderr; it must have ended.
    fn errors(&mut self) -> String {
        let mut text = String::new();
        if let Some(stderr) = &mut self.0.stderr {
            drop(stderr.read_to_string(&mut text));
        }
        text
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// CPU seconds of a running process, in hundredths.
fn cpu_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).unwrap_or_default();
    // The name before it may hold anything, and ends with the last bracket. User and system time are the 14th and 15th field of all.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace().skip(11).take(2)).into_iter().flatten();
    fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn explain(error: std::io::Error) -> String {
    error.to_string()
}

struct Watch(Instant);

#[expect(clippy::disallowed_methods, reason = "the time of a whole process is what is measured")]
impl Watch {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
