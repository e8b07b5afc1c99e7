//! One run of the keyed counter, in a process of its own: every key once, then a time that is measured.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use weir_checkpoint::manifest::FileScope;
use weir_checkpoint::stats::{CheckpointRecord, Status};
use weir_checkpoint::store::Store;
use weir_model::Error;
use weir_model::id::Parallelism;
use weir_model::time::{SharedClock, SystemClock};
use weir_plugin::EngineOptions;
use weir_runtime::metrics::{JobMetrics, NodeMetrics};
use weir_runtime::{Job, JobOptions, Plan, PlannedKind};

use crate::checkpoint::watched::{Calls, Gap};
use crate::checkpoint::{folder, spread};
use crate::plan::plan;
use crate::usage::{cpu_ns, print, written_bytes};

/// The job's name.
const JOB: &str = "keyed";
/// How long a job without checkpoints goes on after the last new key before it is measured.
const SETTLE: Duration = Duration::from_secs(2);
/// How often the job is looked at meanwhile.
const POLL: Duration = Duration::from_millis(20);

/// A run, as the arguments of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) keys: u64,
    pub(crate) parallelism: u32,
    /// 0: no checkpoints.
    pub(crate) interval_ms: u64,
    pub(crate) measured_ms: u64,
}

impl Run {
    /// Runs it in a process of its own; what that measured.
    pub(crate) fn measure(self) -> Result<Value, String> {
        let this = std::env::current_exe().map_err(|error| error.to_string())?;
        let Self { keys, parallelism, interval_ms, measured_ms } = self;
        let mut command = Command::new(this);
        command.arg("run-keyed").args([keys, parallelism.into(), interval_ms, measured_ms].map(|number| number.to_string()));
        let output = command.output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("{self:?} failed: {}", String::from_utf8_lossy(&output.stderr)));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
    }

    fn parse(words: &[&str]) -> Result<Self, String> {
        let numbers: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
        let [keys, parallelism, interval_ms, measured_ms] = numbers.as_slice() else {
            return Err("run-keyed takes KEYS PARALLELISM INTERVAL MILLISECONDS".to_owned());
        };
        Ok(Self { keys: *keys, parallelism: *parallelism as u32, interval_ms: *interval_ms, measured_ms: *measured_ms })
    }

    fn toml(self, dir: &Path) -> String {
        let checkpointing = match self.interval_ms {
            0 => String::new(),
            ms => format!("[checkpointing]\ninterval = \"{ms}ms\"\ndir = {dir:?}\n[restart]\nstrategy = \"none\"\n"),
        };
        format!(
            "[job]\nname = \"{JOB}\"\nparallelism = {}\n{checkpointing}\
             [plugins.key-count]\npath = \"target/plugins/key_count.wasm\"\n\
             [sources.numbers]\nconnector = \"generator\"\nkind = \"sequence\"\n\
             [operators.spread]\nplugin = \"key-count\"\nfunction = \"spread\"\ninput = \"numbers\"\n\
             [operators.count]\nplugin = \"key-count\"\nfunction = \"count\"\ninput = \"spread\"\n\
             [sinks.out]\nconnector = \"blackhole\"\ninput = \"count\"\n",
            self.parallelism
        )
    }

    /// The plan, its key-giving operator native and its counting one watched.
    fn plan(self, dir: &Path, clock: &SharedClock, calls: &Calls) -> Result<Plan, Error> {
        let mut plan = plan(&self.toml(dir), Parallelism::MAX, EngineOptions::default())?;
        for node in &mut plan.nodes {
            match (&mut node.kind, node.uid.as_str()) {
                (PlannedKind::Operator(operator), "spread") => operator.guests = spread::guests(self.keys, clock.wall_ms(), &Arc::default()),
                (PlannedKind::Operator(operator), _) => operator.guests = calls.watch(Arc::clone(&operator.guests), Arc::clone(clock)),
                _ => {}
            }
        }
        Ok(plan)
    }
}

/// `run-keyed …`: the child's side.
pub(crate) fn run_keyed(words: &[&str]) -> Result<(), String> {
    let run = Run::parse(words)?;
    let dir = working_dir()?;
    let (clock, calls): (SharedClock, _) = (Arc::new(SystemClock::new()), Calls::default());
    let plan = Arc::new(run.plan(&dir, &clock, &calls).map_err(explain)?);
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let options = JobOptions::new(Arc::clone(&clock), threads, 1, "bench".to_owned());
    let handle = Job::start(&plan, &options).map_err(explain)?;
    let (metrics, stopper) = (handle.metrics(), handle.stopper());
    let control = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let result = control.block_on(async {
        let ended = handle.wait();
        tokio::pin!(ended);
        let store = folder::open(&dir, JOB)?;
        let observer = Observer { run, metrics: &metrics, clock: &clock, store: &store };
        let span = tokio::select! {
            ended = &mut ended => return Err(ended.map_or_else(explain, |_| "the job ended by itself".to_owned())),
            span = observer.span() => span?,
        };
        stopper.send_replace(true);
        ended.await.map_err(explain)?;
        observer.result(&span, &calls).await
    });
    print(&result?.to_string());
    Ok(())
}

fn explain(error: Error) -> String {
    error.to_string()
}

/// An empty folder for the run.
fn working_dir() -> Result<PathBuf, String> {
    let dir = std::env::current_dir().map_err(|error| error.to_string())?.join("target/bench/checkpoint/keyed");
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(format!("{}: {error}", dir.display())),
        _ => {}
    }
    std::fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    Ok(dir)
}

/// Whoever looks at the running job.
struct Observer<'a> {
    run: Run,
    metrics: &'a JobMetrics,
    clock: &'a SharedClock,
    store: &'a Store,
}

/// A moment of the run.
#[derive(Debug, Clone, Copy)]
struct Moment {
    at_ns: u64,
    wall_ms: i64,
    cpu_ns: u64,
    records: u64,
    source_blocked_ns: u64,
    written_bytes: u64,
}

/// What is measured: from one moment to the other.
struct Span {
    start: Moment,
    end: Moment,
}

impl Observer<'_> {
    fn node(&self, uid: &str) -> Result<&NodeMetrics, String> {
        self.metrics.nodes.iter().find(|node| node.uid.as_str() == uid).ok_or_else(|| format!("there is no node {uid}"))
    }

    fn records(&self) -> Result<u64, String> {
        Ok(self.node("count")?.sum(|subtask| &subtask.records_out))
    }

    fn moment(&self) -> Result<Moment, String> {
        Ok(Moment {
            at_ns: self.clock.monotonic_ns(),
            wall_ms: self.clock.wall_ms(),
            cpu_ns: cpu_ns(),
            records: self.records()?,
            source_blocked_ns: self.node("numbers")?.sum(|subtask| &subtask.back_pressured_ns),
            written_bytes: written_bytes(),
        })
    }

    /// Waits until every key is there and the job goes its usual way, then for the time to be measured.
    async fn span(&self) -> Result<Span, String> {
        while self.records()? < self.run.keys {
            tokio::time::sleep(POLL).await;
        }
        if self.run.interval_ms == 0 {
            tokio::time::sleep(SETTLE.min(Duration::from_millis(self.run.measured_ms))).await;
        } else {
            self.settled().await;
        }
        let start = self.moment()?;
        tokio::time::sleep(Duration::from_millis(self.run.measured_ms)).await;
        Ok(Span { start, end: self.moment()? })
    }

    /// Waits until the new keys are written and the checkpoints have caught up: one that began before the last new key ends first.
    async fn settled(&self) {
        let completed = || self.metrics.completed_checkpoints.get();
        let before = completed();
        while completed() < before + 3 {
            tokio::time::sleep(POLL).await;
        }
    }

    async fn result(&self, span: &Span, calls: &Calls) -> Result<Value, String> {
        let Span { start, end } = span;
        let elapsed_ns = end.at_ns - start.at_ns;
        let seconds = (start.at_ns..end.at_ns).step_by(1_000_000_000);
        let gaps: Vec<_> = seconds.map(|from| calls.longest_gap(&(from..(from + 1_000_000_000).min(end.at_ns))).ms).collect();
        let mut result = json!({
            "records": end.records - start.records, "elapsed_ns": elapsed_ns, "cpu_ns": end.cpu_ns - start.cpu_ns,
            "source_blocked": (end.source_blocked_ns - start.source_blocked_ns) as f64 / elapsed_ns as f64 / f64::from(self.run.parallelism),
            "written_bytes": end.written_bytes - start.written_bytes, "longest_gap_by_second_ms": gaps,
        });
        if let (true, Some(map)) = (self.run.interval_ms > 0, result.as_object_mut()) {
            map.insert("checkpoints".to_owned(), self.checkpoints(span, calls).await?.into());
            let newest = folder::newest(self.store).await?.ok_or("the job has left no checkpoint")?;
            let files = newest.files().map(|file| json!([file.scope == FileScope::Full, file.rows, folder::size_ratio(file)]));
            map.insert("files".to_owned(), files.collect());
        }
        Ok(result)
    }

    /// The checkpoints that were taken in the span.
    async fn checkpoints(&self, span: &Span, calls: &Calls) -> Result<Vec<Value>, String> {
        let taken = span.start.wall_ms..span.end.wall_ms;
        let history = folder::stats(self.store).await?.history;
        let complete = history.iter().filter(|one| one.status == Status::Completed && taken.contains(&one.triggered_ms));
        Ok(complete.map(|one| checkpoint(one, calls.longest_gap(&range_ns(one, &span.start)))).collect())
    }
}

/// From a checkpoint's trigger to its end on the monotonic clock; the history tells whole milliseconds.
fn range_ns(one: &CheckpointRecord, moment: &Moment) -> std::ops::Range<u64> {
    let ns = |wall_ms: i64| moment.at_ns.saturating_add_signed((wall_ms - moment.wall_ms) * 1_000_000);
    ns(one.triggered_ms)..ns(one.triggered_ms + one.duration_ms as i64 + 1)
}

fn checkpoint(one: &CheckpointRecord, gap: Gap) -> Value {
    let count = one.operators.iter().find(|operator| operator.uid == "count").map(|operator| operator.timings).unwrap_or_default();
    json!({ "duration_ms": one.duration_ms, "bytes": one.bytes, "start_delay_ms": count.start_delay_ms, "sync_us": count.sync_us,
            "async_us": count.async_us, "gap_ms": gap.ms, "gap_cpu_ms": gap.cpu_ms })
}
