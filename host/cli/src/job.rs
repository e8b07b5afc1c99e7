//! From a job file on the disk to a plan, as `weir run` and `weir plan` need it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use weir_checkpoint::paths;
use weir_checkpoint::savepoint::Snapshot;
use weir_checkpoint::store::Store;
use weir_connect::sink::SinkConfig;
use weir_model::graph::{JobGraph, Node, NodeKind};
use weir_model::id::Parallelism;
use weir_model::job_file::{self, ParseOptions};
use weir_model::{Error, Result};
use weir_plugin::{EngineOptions, PluginEngine};
use weir_runtime::{Plan, PlannedKind, StartFrom};

use crate::args::{Global, JobArgs};
use crate::machine::{Machine, block_on, cache_dir};
use crate::{compiling, output};

/// A job file larger than this is something else.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A job that could be started.
pub(crate) struct PlannedJob {
    /// The job file as the user named it.
    pub(crate) file: String,
    /// What would run.
    pub(crate) plan: Arc<Plan>,
    /// The connector of each node of the plan; `None` for an operator.
    pub(crate) connectors: Vec<Option<String>>,
}

impl PlannedJob {
    /// Reads the job file, loads what it names, and checks that it fits together. A plugin whose file is gone is taken from where the job starts, if it is kept
    /// there: a savepoint, a checkpoint, or the job's newest one.
    ///
    /// # Errors
    /// The first thing that doesn't fit.
    pub(crate) fn load(args: &JobArgs, global: &Global, machine: &Machine, start: &StartFrom) -> Result<Self> {
        let file = args.file.display().to_string();
        let graph = read_job(&args.file, &args.define, args.parallelism, machine)?;
        let connectors = graph.nodes.iter().map(|node| match &node.kind {
            NodeKind::Source { connector, .. } | NodeKind::Sink { connector, .. } => Some(connector.clone()),
            NodeKind::Operator(_) => None,
        });
        let connectors = connectors.collect();
        let dir = graph.checkpointing.as_ref().map(|settings| settings.dir.clone());
        let name = graph.name.clone();
        let lost = |users: &[&Node]| block_on(find_plugin(users, start, dir.as_deref(), &name));
        let plan = Arc::new(Plan::build_with(graph, &engine(global)?, &lost)?);
        Ok(Self { file, plan, connectors })
    }

    /// Whether records of the job go to standard output.
    pub(crate) fn prints(&self) -> bool {
        self.plan.nodes.iter().any(|node| matches!(node.kind, PlannedKind::Sink(SinkConfig::Print(_))))
    }
}

/// The plugin that the job file named for these nodes when that was taken which the job starts from; `None`: it isn't kept there.
async fn find_plugin(users: &[&Node], start: &StartFrom, dir: Option<&str>, job: &str) -> Result<Option<Bytes>> {
    let snapshot = match (start, dir) {
        (StartFrom::Savepoint(location), _) => Some(Snapshot::open(location).await?),
        (StartFrom::Checkpoint(checkpoint), Some(dir)) => {
            let store = Store::open(dir, &paths::job_id(job))?;
            Some(Snapshot::open(&store.display(&paths::checkpoint(*checkpoint))).await?)
        }
        (StartFrom::Newest | StartFrom::Fresh, Some(dir)) => Snapshot::newest(dir, job).await?,
        (_, None) => None,
    };
    let Some(snapshot) = snapshot else { return Ok(None) };
    let names: Vec<_> = users.iter().map(|node| (&node.uid, node.renamed_from.as_ref())).collect();
    let Some((digest, bytes)) = snapshot.plugin_of(&names).await? else { return Ok(None) };
    if weir_plugin::digest_of(&bytes) != digest {
        let why = format!("what is kept as sha256:{} with {} is damaged", digest.short(), snapshot.location());
        return Err(Error::job("its file is gone", why, "bring the file back, under the path that the job file says"));
    }
    let uids: Vec<_> = users.iter().map(|node| format!("`{}`", node.uid)).collect();
    let text = format!("the plugin of {} is gone: sha256:{} is taken, which is kept with {}", uids.join(", "), digest.short(), snapshot.location());
    output::note(&output::printable(&text));
    Ok(Some(bytes))
}

/// Reads a job file, without what it names.
///
/// # Errors
/// The first thing in it that is wrong.
pub(crate) fn read_graph(file: &Path, define: &[(String, String)], machine: &Machine) -> Result<JobGraph> {
    read_job(file, define, None, machine)
}

fn read_job(path: &Path, define: &[(String, String)], parallelism: Option<Parallelism>, machine: &Machine) -> Result<JobGraph> {
    let text = read(path)?;
    let options = ParseOptions {
        file: &path.display().to_string(),
        base: path.parent().map(Path::to_path_buf).unwrap_or_default(),
        default_parallelism: machine.default_parallelism(),
        parallelism_override: parallelism,
        env: &env,
        overrides: define,
    };
    job_file::parse(&text, &options)
}

/// Starts the WebAssembly engine, with the cache unless the user doesn't want it.
///
/// # Errors
/// When the machine can't run it.
pub(crate) fn engine(global: &Global) -> Result<PluginEngine> {
    let cache_dir: Option<PathBuf> = if global.no_cache { None } else { cache_dir(env) };
    PluginEngine::new(EngineOptions { cache_dir, compiler: Some(compiling::compiler()) })
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn read(path: &Path) -> Result<String> {
    let failed = |why: String, remedy: &str| Error::usage(format!("{} can't be read", path.display()), why, remedy);
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string(), "check the path to the job file"))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(error.to_string(), "give the job file itself, such as `plugins/word-count/job.toml`"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(failed(format!("it has more than {} MiB", FILE_BYTES_MAX >> 20), "give a job file"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        failed(format!("line {line} is not UTF-8, from byte {} of the file on", good.len()), "save the job file as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_job_file_is_named_with_the_reason() {
        let check = |path: &Path, why: &str| {
            let error = read(path).unwrap_err();
            assert!(error.what.contains(&path.display().to_string()) && error.why.contains(why), "{error}");
        };
        check(Path::new("no/such/job.toml"), "No such file");
        check(Path::new("/"), "directory");
        check(Path::new("/dev/zero"), "more than 16 MiB");
        let path = std::env::temp_dir().join(format!("weir-cli-{}.toml", std::process::id()));
        std::fs::write(&path, b"[job]\nname = \"\xff\"\n").unwrap();
        check(&path, "line 2 is not UTF-8, from byte 14 of the file on");
        std::fs::remove_file(&path).unwrap();
    }
}
