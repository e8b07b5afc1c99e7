//! The job of a simulation: what is in its job file, its input, and what must come out.

use std::fmt;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use weir_connect::random::Random;
use weir_connect::source::{BatchLimit, SourceStatus};
use weir_connect::zipf_text::write_zipf_text;
use weir_model::id::Parallelism;
use weir_model::job_file::{self, ParseOptions};
use weir_model::rows::BatchBuilder;
use weir_model::time::SharedClock;
use weir_plugin::{EngineOptions, PluginEngine};
use weir_runtime::{Plan, PlannedKind};

use super::case::{below, one_of};
use super::world::{World, WorldClock};
use crate::built;
use crate::crash::{Expected, Promise};
use crate::job::JobFolder;

/// Bytes of made-up text in each of [`FILES`] files.
const TEXT_BYTES: u64 = 16_000;
const FILES: u64 = 3;
/// The name of the generator in the job file.
const GENERATOR: &str = "more";

/// How barriers behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They hold back the channels that they have come through.
    Aligned,
    /// They overtake.
    Unaligned,
    /// They overtake after a while.
    UnalignedAfter(Duration),
    /// They hold back nothing.
    AtLeastOnce,
}

/// A job.
#[derive(Debug, Clone)]
pub struct Shape {
    /// How barriers behave.
    pub mode: Mode,
    /// Subtasks of a node, unless it or a process says otherwise.
    pub parallelism: u32,
    /// How long its generator takes.
    pub length: Duration,
    /// Whether it has a sink whose output is looked at. The other is one that several owners can write to at the same time.
    pub has_output: bool,
    lines: u64,
    distinct: u64,
    generators: u64,
    text_seed: Option<u64>,
    tokenizers: Option<u64>,
    checkpointing: String,
    incremental: bool,
    restart: &'static str,
}

const RESTARTS: &[&str] = &[
    "strategy = \"none\"",
    "strategy = \"fixed-delay\"\nattempts = 3\ndelay = \"5ms\"",
    "strategy = \"fixed-delay\"\nattempts = 100000\ndelay = \"1ms\"",
    "strategy = \"failure-rate\"\nmax-failures-per-interval = 5\nfailure-rate-interval = \"500ms\"\ndelay = \"20ms\"",
    "strategy = \"exponential-delay\"\ninitial-backoff = \"3ms\"\nmax-backoff = \"2s\"",
    "",
];

impl Shape {
    pub(super) fn random(random: &mut Random) -> Self {
        let length = 60 + below(random, 900);
        let mode = match below(random, 8) {
            0..3 => Mode::Aligned,
            3..5 => Mode::Unaligned,
            5..7 => Mode::UnalignedAfter(Duration::from_millis(1 + below(random, 30))),
            _ => Mode::AtLeastOnce,
        };
        let concurrent = if matches!(mode, Mode::Aligned | Mode::AtLeastOnce) { 1 + below(random, 2) } else { 1 };
        let mut checkpointing = format!("interval = \"{}ms\"\nmax-concurrent-checkpoints = {concurrent}\n", 10 + below(random, 190));
        writeln!(checkpointing, "num-retained = {}", one_of(random, &[1, 1, 3])).unwrap();
        writeln!(checkpointing, "tolerable-failed-checkpoints = {}", one_of(random, &[0, 3, 100_000])).unwrap();
        writeln!(checkpointing, "timeout = \"{}ms\"", one_of(random, &[2_000, 600_000])).unwrap();
        if concurrent == 1 && below(random, 4) == 0 {
            writeln!(checkpointing, "min-pause = \"{}ms\"", 1 + below(random, 60)).unwrap();
        }
        match mode {
            Mode::Aligned => {}
            Mode::Unaligned => checkpointing.push_str("unaligned = true\n"),
            Mode::UnalignedAfter(wait) => {
                writeln!(checkpointing, "unaligned = true\naligned-checkpoint-timeout = \"{}ms\"", wait.as_millis()).unwrap();
            }
            Mode::AtLeastOnce => checkpointing.push_str("mode = \"at-least-once\"\n"),
        }
        Self {
            mode,
            parallelism: 1 + below(random, 3) as u32,
            length: Duration::from_millis(length),
            has_output: below(random, 5) > 0,
            lines: 20 + below(random, 600),
            distinct: one_of(random, &[20, 500]),
            generators: 1 + below(random, 3),
            text_seed: (below(random, 2) == 0).then(|| below(random, 1000)),
            tokenizers: (below(random, 3) == 0).then(|| 1 + below(random, 3)),
            checkpointing,
            incremental: below(random, 3) > 0,
            restart: RESTARTS.get(below(random, RESTARTS.len() as u64) as usize).copied().unwrap_or_default(),
        }
    }

    /// What it promises of its output.
    #[must_use]
    pub fn promise(&self) -> Promise {
        if self.mode == Mode::AtLeastOnce { Promise::AtLeastOnce } else { Promise::ExactlyOnce }
    }

    fn toml(&self) -> String {
        let rate = (self.lines * 1000).div_ceil(self.length.as_millis() as u64);
        let mut sources = vec![GENERATOR];
        let mut toml = format!(
            "[job]\nname = \"simulated\"\nmax-parallelism = 128\n[checkpointing]\n{}[state]\nincremental = {}\n[restart]\n{}\n\
             [plugins.word-count]\npath = \"${{PLUGINS}}/word_count.wasm\"\ncall-timeout = \"1min\"\n\
             [sources.{GENERATOR}]\nconnector = \"generator\"\nkind = \"zipf-words\"\ndistinct = {}\nlines = {}\nrate = {rate}\nparallelism = {}\n",
            self.checkpointing, self.incremental, self.restart, self.distinct, self.lines, self.generators
        );
        if self.text_seed.is_some() {
            toml.push_str("[sources.lines]\nconnector = \"file\"\npath = \"in/*.txt\"\nsplit-size = \"4KiB\"\n");
            sources.push("lines");
        }
        let tokenizers = self.tokenizers.map_or(String::new(), |count| format!("parallelism = {count}\n"));
        write!(
            toml,
            "[operators.tokenize]\nplugin = \"word-count\"\nfunction = \"tokenize\"\ninputs = {sources:?}\n{tokenizers}\
             [operators.count]\nplugin = \"word-count\"\nfunction = \"count\"\ninput = \"tokenize\"\n"
        )
        .unwrap();
        for (sink, inputs) in [("counts", vec!["count"]), ("copy", sources)] {
            let to = if self.has_output { format!("connector = \"file\"\npath = \"out/{sink}\"") } else { "connector = \"blackhole\"".to_owned() };
            writeln!(toml, "[sinks.{sink}]\n{to}\ninputs = {inputs:?}").unwrap();
        }
        toml
    }

    /// Writes its input.
    pub(super) fn prepare(&self, folder: &JobFolder) {
        for number in 0..FILES {
            if let Some(seed) = self.text_seed {
                let mut bytes = Vec::new();
                write_zipf_text(&mut bytes, TEXT_BYTES, 300, FILES * seed + number).unwrap();
                folder.write(&format!("in/{number}.txt"), bytes);
            }
        }
    }

    /// Its plan, as a process makes one.
    pub(super) fn plan(&self, folder: &JobFolder, parallelism: u32) -> Result<Arc<Plan>, String> {
        static ENGINE: OnceLock<PluginEngine> = OnceLock::new();
        let engine = ENGINE.get_or_init(|| PluginEngine::new(EngineOptions { cache_dir: Some(built::cache()), compiler: None }).unwrap());
        let plugins = built::plugins().display().to_string();
        let options = ParseOptions {
            file: "job.toml",
            base: folder.path().to_path_buf(),
            default_parallelism: Parallelism::ONE,
            parallelism_override: Parallelism::new(parallelism),
            env: &|name| (name == "PLUGINS").then(|| plugins.clone()),
            overrides: &[],
        };
        let graph = job_file::parse(&self.toml(), &options).map_err(|error| error.to_string())?;
        Plan::build(graph, engine).map(Arc::new).map_err(|error| error.to_string())
    }

    /// What must be committed; `None`: nobody looks.
    pub(super) fn expected(&self, folder: &JobFolder) -> Result<Option<Expected>, String> {
        if !self.has_output {
            return Ok(None);
        }
        let mut text = self.generated(folder)?;
        if self.text_seed.is_some() {
            for number in 0..FILES {
                text.push_str(&std::fs::read_to_string(folder.path().join(format!("in/{number}.txt"))).unwrap());
            }
        }
        Ok(Some(Expected::of(&text, self.promise())))
    }

    /// The generator's lines, read from a reader that no job drives.
    fn generated(&self, folder: &JobFolder) -> Result<String, String> {
        let plan = self.plan(folder, 1)?;
        let node = plan.nodes.iter().find(|node| node.uid.as_str() == GENERATOR);
        let Some((node, PlannedKind::Source(config))) = node.map(|node| (node, &node.kind)) else { return Err("there is no generator".to_owned()) };
        let world = Arc::new(World::new());
        let clock: SharedClock = Arc::new(WorldClock(Arc::clone(&world)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let read = async {
            world.begin();
            let mut text = String::new();
            for reader in &mut config.open(&node.uid, node.parallelism, &clock, None)?.readers {
                let mut status = SourceStatus::More;
                while status == SourceStatus::More {
                    let mut builder = BatchBuilder::default();
                    status = reader.next(&mut builder, BatchLimit { rows: 1 << 20, bytes: 1 << 30 }).await?;
                    for row in builder.take().iter() {
                        text.push_str(&String::from_utf8_lossy(row.value));
                        text.push('\n');
                    }
                }
            }
            Ok(text)
        };
        runtime.block_on(read).map_err(|error: weir_model::Error| error.to_string())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, parallelism, length, lines, generators, tokenizers, incremental, .. } = self;
        write!(f, "{mode:?} p {parallelism}, {lines} lines of {generators} in {length:?}, tokenize {tokenizers:?}")?;
        write!(f, "{}", if self.text_seed.is_some() { ", files" } else { "" })?;
        write!(f, "{}", if self.has_output { "" } else { ", no output" })?;
        write!(f, ", incremental {incremental}, {:?} {:?}", self.checkpointing.replace('\n', ", "), self.restart.replace('\n', ", "))
    }
}
