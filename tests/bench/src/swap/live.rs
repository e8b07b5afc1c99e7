//! One run of the job, in a process of its own: all keys are filled in or restored, then its operator is swapped in one way after another.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use weir_checkpoint::manifest::Thresholds;
use weir_model::Error;
use weir_model::id::OperatorUid;
use weir_model::time::{SharedClock, SystemClock};
use weir_runtime::control::{SavepointRequest, SwapReport, SwapRequest, Then};
use weir_runtime::live::{NodeStatus, SwapPhase};
use weir_runtime::{Job, JobControl, JobEvent, JobHandle, JobOptions, StartFrom};

use super::job::{Load, PLUGIN, Seen};
use crate::usage::print;

/// How often the job is looked at.
const POLL: Duration = Duration::from_millis(2);
/// Between two swaps.
const PAUSE: Duration = Duration::from_millis(100);
/// The time over which it is seen whether the source has caught up.
const STEADY: Duration = Duration::from_millis(500);
/// Faster than that, over the rate that was asked for, it hasn't.
const STEADY_MAX: f64 = 1.05;
/// A run that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(240);
/// Checkpoints for which a version that will trap is on trial: more than come until it does.
const PROBATION: u32 = 1000;

/// A run, as the arguments of its process.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) dir: PathBuf,
    pub(super) load: Load,
    /// How long it is measured undisturbed, before all else.
    pub(super) quiet_ms: u64,
    /// Swaps to another build of the same function.
    pub(super) same: u64,
    /// Swaps on trial to a function that traps.
    pub(super) trapped: u64,
    /// Swaps to a newer schema version, and how long they are watched then.
    pub(super) migrated: u64,
    pub(super) migrated_ms: u64,
    /// The savepoint that it starts from.
    pub(super) from: Option<String>,
    /// Whether a savepoint is taken while it runs, if it doesn't start from one, and another one with which it stops.
    pub(super) savepoints: bool,
}

impl Run {
    /// Runs it in a process of its own; what that measured.
    pub(super) fn measure(&self) -> Result<Value, String> {
        let this = std::env::current_exe().map_err(|error| error.to_string())?;
        let Load { keys, rate, interval_ms } = self.load;
        let numbers = [keys, rate, interval_ms, self.quiet_ms, self.same, self.trapped, self.migrated, self.migrated_ms, u64::from(self.savepoints)];
        let mut command = Command::new(this);
        command.arg("run-swaps").arg(&self.dir).args(numbers.map(|number| number.to_string())).args(&self.from);
        let output = command.output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("{self:?} failed: {}", String::from_utf8_lossy(&output.stderr)));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
    }

    fn parse(words: &[&str]) -> Result<Self, String> {
        const USAGE: &str = "run-swaps takes DIR KEYS RATE INTERVAL QUIET SAME TRAPPED MIGRATED MILLISECONDS SAVEPOINTS [SAVEPOINT]";
        let (dir, words) = words.split_first().ok_or(USAGE)?;
        let (numbers, from) = words.split_at_checked(9).ok_or(USAGE)?;
        let numbers: Vec<u64> = numbers.iter().filter_map(|word| word.parse().ok()).collect();
        let [keys, rate, interval_ms, quiet_ms, same, trapped, migrated, migrated_ms, savepoints] = *numbers.as_slice() else {
            return Err(USAGE.to_owned());
        };
        let (load, from) = (Load { keys, rate, interval_ms }, from.first().map(|from| (*from).to_owned()));
        Ok(Self { dir: dir.into(), load, quiet_ms, same, trapped, migrated, migrated_ms, from, savepoints: savepoints > 0 })
    }
}

/// `run-swaps …`: the child's side.
pub(crate) fn run_swaps(words: &[&str]) -> Result<(), String> {
    let run = Run::parse(words)?;
    let (clock, seen): (SharedClock, _) = (Arc::new(SystemClock::new()), Seen::default());
    let plan = Arc::new(run.load.plan(&run.dir, &clock, &seen).map_err(explain)?);
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut options = JobOptions::new(Arc::clone(&clock), threads, 1, "bench".to_owned());
    options.start = run.from.clone().map_or(StartFrom::Fresh, StartFrom::Savepoint);
    let mut handle = Job::start(&plan, &options).map_err(explain)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let events = handle.events().ok_or("the job has no events")?;
    let mut live = Live { control: handle.control(), run, clock, seen, events, builds: 0 };
    let result = runtime.block_on(async { tokio::time::timeout(LIMIT, live.go(handle)).await.map_err(|_| "it takes too long".to_owned())? });
    print(&result?.to_string());
    Ok(())
}

fn explain(error: Error) -> String {
    error.to_string()
}

/// A running job, and whoever swaps its operator.
struct Live {
    run: Run,
    control: JobControl,
    clock: SharedClock,
    seen: Seen,
    events: UnboundedReceiver<JobEvent>,
    /// How many there are.
    builds: u64,
}

impl Live {
    async fn go(&mut self, handle: JobHandle) -> Result<Value, String> {
        let ended = handle.wait();
        tokio::pin!(ended);
        let mut result = tokio::select! {
            ended = &mut ended => return Err(ended.map_or_else(explain, |_| "the job ended by itself".to_owned())),
            result = self.swaps() => result?,
        };
        let stop = SavepointRequest { then: Then::Stop, ..SavepointRequest::default() };
        let stopped = if self.run.savepoints { Some(self.control.savepoint(stop).await.map_err(explain)?) } else { None };
        self.control.stop();
        ended.await.map_err(explain)?;
        if let (Some(map), Some((first_ns, last_ns))) = (result.as_object_mut(), self.seen.outputs.ends()) {
            let records = self.seen.newest.load(Ordering::Relaxed) + 1;
            map.insert(
                "ends".to_owned(),
                json!({ "first_output_ms": self.wall_ms(first_ns), "last_output_ms": self.wall_ms(last_ns), "records": records }),
            );
            map.insert(
                "stopped".to_owned(),
                stopped.map(|one| json!({ "location": one.location, "rows": one.rows, "bytes": one.bytes, "took_ms": one.took_ms })).into(),
            );
        }
        Ok(result)
    }

    /// A moment of the job's clock on that of the wall.
    fn wall_ms(&self, at_ns: u64) -> f64 {
        self.clock.wall_ms() as f64 - self.clock.monotonic_ns().saturating_sub(at_ns) as f64 / 1e6
    }

    /// Everything up to the stop.
    async fn swaps(&mut self) -> Result<Value, String> {
        self.settle(3).await;
        let quiet = self.quiet().await;
        let (mut same, mut trapped, mut migrated) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.run.same {
            same.push(self.swap("count", 0).await?.0);
            tokio::time::sleep(PAUSE).await;
        }
        for _ in 0..self.run.trapped {
            trapped.push(self.trap().await?);
            self.settle(1).await;
        }
        for step in 0..self.run.migrated {
            migrated.push(self.migrate(&format!("count-{}", step + 2)).await?);
        }
        let savepoint = if self.run.savepoints && self.run.from.is_none() { self.savepoint().await? } else { Value::Null };
        Ok(json!({ "quiet": quiet, "same": same, "trapped": trapped, "migrated": migrated, "savepoint": savepoint }))
    }

    fn count(&self, of: fn(&NodeStatus) -> u64) -> u64 {
        self.control.status().nodes.iter().find(|node| node.uid.as_str() == "count").map_or(0, of)
    }

    /// Waits until every key is there, so many checkpoints are complete since, and the source keeps its rate.
    async fn settle(&self, checkpoints: u64) {
        while self.count(|node| node.keys) < self.run.load.keys {
            tokio::time::sleep(POLL).await;
        }
        let completed = self.control.status().completed_checkpoints;
        while self.control.status().completed_checkpoints < completed + checkpoints {
            tokio::time::sleep(POLL).await;
        }
        let limit = if self.run.load.rate == 0 { f64::MAX } else { self.run.load.rate as f64 * STEADY_MAX };
        loop {
            let (before, at_ns) = (self.count(|node| node.records_out), self.clock.monotonic_ns());
            tokio::time::sleep(STEADY.min(Duration::from_millis(self.run.load.interval_ms))).await;
            let seconds = (self.clock.monotonic_ns() - at_ns) as f64 / 1e9;
            if self.count(|node| node.records_out).saturating_sub(before) as f64 / seconds < limit {
                return;
            }
        }
    }

    /// The job without swaps.
    async fn quiet(&self) -> Value {
        let (before, start_ns) = (self.count(|node| node.records_out), self.clock.monotonic_ns());
        tokio::time::sleep(Duration::from_millis(self.run.quiet_ms)).await;
        let (records, end_ns) = (self.count(|node| node.records_out) - before, self.clock.monotonic_ns());
        // As long as a swap takes, about.
        let gaps = (start_ns..end_ns).step_by(200_000_000).map(|from| self.seen.outputs.longest_gap(&(from..(from + 200_000_000).min(end_ns))).ms);
        json!({ "records": records, "elapsed_ns": end_ns - start_ns, "gaps_ms": gaps.collect::<Vec<_>>() })
    }

    /// Another build of the plugin: a custom section behind the bytes changes nothing but the digest.
    fn build(&mut self) -> Result<PathBuf, String> {
        let mut bytes = std::fs::read(PLUGIN).map_err(|error| format!("{PLUGIN}: {error}"))?;
        self.builds += 1;
        bytes.extend([0, 18, 1, b'b']);
        bytes.extend(self.clock.wall_ms().to_le_bytes());
        bytes.extend(self.builds.to_le_bytes());
        let path = self.run.dir.join(format!("build-{}.wasm", self.builds));
        std::fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    /// Swaps to a function of another build; what that measured, and when it was live.
    async fn swap(&mut self, function: &str, probation: u32) -> Result<(Value, u64), String> {
        let request = SwapRequest {
            uids: vec![OperatorUid::new("count").map_err(|error| error.to_string())?],
            file: self.build()?,
            digest: None,
            function: Some(function.to_owned()),
            dropped_states: Vec::new(),
            shadow: None,
            diff_max: 0.0,
            probation,
            thresholds: Thresholds::default(),
        };
        let asked_ns = self.clock.monotonic_ns();
        let (report, ready_ns) = self.swap_and_look(request).await?;
        let live_ns = self.clock.monotonic_ns();
        if probation == 0 && self.control.status().nodes.iter().all(|node| node.digest != Some(report.digest)) {
            return Err(format!("{function} was swapped in and isn't what runs"));
        }
        self.output_after(live_ns).await;
        let ms = |ns: u64| ns as f64 / 1e6;
        let [gap, preparing, switching] =
            [asked_ns..live_ns, asked_ns..ready_ns, ready_ns..live_ns].map(|range| self.seen.outputs.longest_gap(&range));
        let measured = json!({ "gap_ms": gap.ms, "gap_cpu_ms": gap.cpu_ms, "gap_process_cpu_ms": gap.process_cpu_ms, "held_us": report.held_us,
                               "took_ms": ms(live_ns - asked_ns), "prepared_ms": ms(ready_ns - asked_ns), "preparing_gap_ms": preparing.ms,
                               "switching_gap_ms": switching.ms });
        Ok((measured, live_ns))
    }

    /// Swaps; when the new version was ready for its barrier, too.
    async fn swap_and_look(&self, request: SwapRequest) -> Result<(SwapReport, u64), String> {
        let swap = self.control.swap(request);
        tokio::pin!(swap);
        let mut ready_ns = None;
        loop {
            tokio::select! {
                report = &mut swap => return Ok((report.map_err(explain)?, ready_ns.unwrap_or_else(|| self.clock.monotonic_ns()))),
                () = tokio::time::sleep(POLL) => {}
            }
            if self.control.status().swap.is_some_and(|swap| swap.phase == SwapPhase::Barrier) {
                ready_ns.get_or_insert_with(|| self.clock.monotonic_ns());
            }
        }
    }

    /// Waits for the first output after a moment: a gap that was open then has ended.
    async fn output_after(&self, at_ns: u64) {
        while self.seen.outputs.ends().is_none_or(|(_, newest)| newest <= at_ns) {
            tokio::time::sleep(POLL).await;
        }
    }

    /// Swaps to a version that traps soon; from the last output before the trap to the first of the version before.
    async fn trap(&mut self) -> Result<Value, String> {
        let before_ns = self.seen.outputs.made_ns();
        let (_, live_ns) = self.swap("count-or-trap", PROBATION).await?;
        loop {
            match self.events.recv().await {
                Some(JobEvent::Returned { .. }) => break,
                Some(_) => {}
                None => return Err("a version that should have trapped did not".to_owned()),
            }
        }
        // The operators of the next attempt are made in between.
        while self.seen.outputs.made_ns() <= before_ns {
            tokio::time::sleep(POLL).await;
        }
        let made_ns = self.seen.outputs.made_ns();
        self.output_after(made_ns).await;
        let gap = self.seen.outputs.longest_gap(&(made_ns..made_ns + 1));
        let on_trial_ms = made_ns.saturating_sub(live_ns) as f64 / 1e6;
        Ok(json!({ "gap_ms": gap.ms, "gap_process_cpu_ms": gap.process_cpu_ms, "on_trial_ms": on_trial_ms }))
    }

    /// Swaps to a newer schema version, and watches it while values are migrated.
    async fn migrate(&mut self, function: &str) -> Result<Value, String> {
        let (mut swapped, live_ns) = self.swap(function, 0).await?;
        tokio::time::sleep(Duration::from_millis(self.run.migrated_ms)).await;
        let after = self.seen.outputs.longest_gap(&(live_ns..self.clock.monotonic_ns()));
        if let Some(map) = swapped.as_object_mut() {
            map.insert("after_ms".to_owned(), json!(after.ms));
        }
        Ok(swapped)
    }

    /// Takes a savepoint; the job goes on.
    async fn savepoint(&self) -> Result<Value, String> {
        let asked_ns = self.clock.monotonic_ns();
        let one = self.control.savepoint(SavepointRequest::default()).await.map_err(explain)?;
        let gap = self.seen.outputs.longest_gap(&(asked_ns..self.clock.monotonic_ns()));
        Ok(json!({ "rows": one.rows, "bytes": one.bytes, "took_ms": one.took_ms, "gap_ms": gap.ms }))
    }
}
