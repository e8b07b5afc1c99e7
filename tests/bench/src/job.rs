//! The word-count job as the runtime runs it, with its operators in WebAssembly or native.

use std::path::Path;
use std::sync::Arc;

use weir_model::Error;
use weir_model::id::Parallelism;
use weir_model::time::SystemClock;
use weir_plugin::EngineOptions;
use weir_runtime::{Job, JobOptions, PlannedKind};

use crate::native;
use crate::plan::plan;
use crate::usage::cpu_ns;

/// What a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Lines to words to nowhere.
    Tokenize,
    /// Lines to words to counts to nowhere.
    Count,
}

/// Runs the job over `text`; gives the number of words, and the CPU nanoseconds from its start to its end.
pub(crate) fn run(text: &Path, stage: Stage, parallelism: u32, in_wasm: bool) -> Result<(u64, u64), String> {
    let explain = |error: Error| error.to_string();
    let toml = job_toml(text, stage);
    let parallelism = Parallelism::new(parallelism).ok_or("parallelism must be above 0")?;
    let mut plan = plan(&toml, parallelism, EngineOptions::default()).map_err(explain)?;
    if !in_wasm {
        for node in &mut plan.nodes {
            if let PlannedKind::Operator(operator) = &mut node.kind {
                operator.guests = Arc::new(|subtask, limits| native::open(&subtask, limits));
            }
        }
    }
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let start = cpu_ns();
    let clock = Arc::new(SystemClock::new());
    let options = JobOptions::new(clock, threads, 1, "bench".to_owned());
    let handle = Job::start(&Arc::new(plan), &options).map_err(explain)?;
    let metrics = handle.metrics();
    let control = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|error| error.to_string())?;
    control.block_on(handle.wait()).map_err(explain)?;
    let cpu = cpu_ns() - start;
    let tokenize = metrics.nodes.iter().find(|node| node.uid.as_str() == "tokenize").ok_or("no tokenize")?;
    Ok((tokenize.sum(|subtask| &subtask.records_out), cpu))
}

fn job_toml(text: &Path, stage: Stage) -> String {
    let (count, last) = match stage {
        Stage::Tokenize => ("", "tokenize"),
        Stage::Count => ("[operators.count]\nplugin = \"word-count\"\nfunction = \"count\"\ninput = \"tokenize\"\n", "count"),
    };
    format!(
        "[job]\nname = \"bench\"\n[plugins.word-count]\npath = \"target/plugins/word_count.wasm\"\n\
         [sources.lines]\nconnector = \"file\"\npath = {text:?}\nformat = \"lines\"\n\
         [operators.tokenize]\nplugin = \"word-count\"\nfunction = \"tokenize\"\ninput = \"lines\"\n{count}\
         [sinks.out]\nconnector = \"blackhole\"\ninput = \"{last}\"\n"
    )
}
