//! From the text of a job file to its plan, as all benchmarks need it.

use weir_model::Error;
use weir_model::id::Parallelism;
use weir_model::job_file::{ParseOptions, parse};
use weir_plugin::{EngineOptions, PluginEngine};
use weir_runtime::Plan;

/// The plan of a job whose nodes have so many subtasks unless it says otherwise. Paths start from the current folder.
pub(crate) fn plan(toml: &str, parallelism: Parallelism, engine: EngineOptions) -> Result<Plan, Error> {
    let options = ParseOptions {
        file: "bench.toml",
        base: std::env::current_dir().unwrap_or_default(),
        default_parallelism: parallelism,
        parallelism_override: None,
        env: &|_| None,
        overrides: &[],
    };
    Plan::build(parse(toml, &options)?, &PluginEngine::new(engine)?)
}
