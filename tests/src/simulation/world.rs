//! What outlives a simulated process: time, the objects of the store, requests that are still on their way, and the record of what happened.

use std::path::Path as FilePath;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tokio::sync::Notify;
use tokio::time::Instant;
use weir_checkpoint::paths::{self, Place};
use weir_model::time::Clock;

use super::lineage::Lineage;
use super::trace::{Count, Trace};

/// The job's folder in the store.
pub(super) const FOLDER: &str = "job";

/// The wall-clock time at which every simulation begins, milliseconds since the Unix epoch.
const START_MS: i64 = 1_700_000_000_000;

/// A simulated world.
#[derive(Debug)]
pub(super) struct World {
    pub(super) objects: Arc<InMemory>,
    state: Mutex<State>,
    /// There is one more request on its way.
    sent: Notify,
    /// The process is to be killed.
    killed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// When the process that runs was started, on its own clock and on that of the world.
    start: Option<(Instant, Duration)>,
    now: Duration,
    late: Vec<Late>,
    lineage: Lineage,
    broken: Option<String>,
    trace: Trace,
    operations: u64,
}

/// A request whose sender hears nothing of it.
#[derive(Debug)]
struct Late {
    due: Duration,
    path: Path,
    request: Request,
}

#[derive(Debug)]
pub(super) enum Request {
    Put(PutPayload, PutOptions),
    Delete,
}

impl World {
    pub(super) fn new() -> Self {
        Self { objects: Arc::default(), state: Mutex::default(), sent: Notify::new(), killed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process starts; to be called in its runtime.
    pub(super) fn begin(&self) {
        let mut state = self.state();
        state.start = Some((Instant::now(), state.now));
        state.operations = 0;
        // An order to kill that came too late is not for this one.
        let _ = self.killed.notified().now_or_never();
    }

    /// It has ended: what is still dropped of it says nothing. To be called in its runtime.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.now = state.now();
        state.start = None;
    }

    /// Since the world began.
    pub(super) fn now(&self) -> Duration {
        self.state().now()
    }

    /// Since the process was started.
    pub(super) fn process_time(&self) -> Duration {
        let state = self.state();
        state.start.map_or(Duration::ZERO, |(start, _)| start.elapsed())
    }

    pub(super) fn say(&self, what: &str) {
        let mut state = self.state();
        let now = state.now();
        state.trace.say(now, what);
    }

    pub(super) fn count(&self, what: Count) {
        self.add(what, 1);
    }

    pub(super) fn add(&self, what: Count, more: u64) {
        self.state().trace.count(what, more);
    }

    pub(super) fn take_trace(&self) -> Trace {
        std::mem::take(&mut self.state().trace)
    }

    pub(super) fn counted(&self, what: Count) -> u64 {
        self.state().trace.counts.get(&what).copied().unwrap_or_default()
    }

    /// The number of the next operation of this process.
    pub(super) fn operation(&self) -> u64 {
        let mut state = self.state();
        state.operations += 1;
        state.operations
    }

    /// Whether a process runs.
    pub(super) fn is_alive(&self) -> bool {
        self.state().start.is_some()
    }

    /// Ends the process where it is.
    pub(super) fn kill(&self, why: &str) {
        self.say(&format!("kill: {why}"));
        self.killed.notify_one();
    }

    pub(super) async fn killed(&self) {
        self.killed.notified().await;
    }

    /// What must not be, if it was.
    pub(super) fn broken(&self) -> Option<String> {
        self.state().broken.clone()
    }

    /// Whether the job has recorded its end.
    pub(super) fn has_ended(&self) -> bool {
        self.state().lineage.has_ended()
    }

    /// Looks at what was written, or `replaced`.
    pub(super) fn written(&self, path: &Path, replaced: bool) {
        let Some(relative) = path.as_ref().strip_prefix(FOLDER).and_then(|path| path.strip_prefix('/')) else { return };
        let Some(Some(bytes)) = self.read(path).now_or_never() else { return };
        let mut state = self.state();
        if let Err(why) = state.lineage.written(relative, &bytes, replaced) {
            state.broken.get_or_insert(why);
        }
    }

    async fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let found = self.objects.get(path).await.ok()?;
        found.bytes().await.ok().map(|bytes| bytes.to_vec())
    }

    /// The files of the job's folder that a job which has ended needn't have.
    pub(super) fn garbage(&self) -> Vec<String> {
        let listed = futures_util::StreamExt::collect::<Vec<_>>(self.objects.list(Some(&Path::from(FOLDER)))).now_or_never().unwrap_or_default();
        let names = listed.into_iter().flatten().map(|meta| meta.location.to_string());
        let inside = names.filter_map(|name| Some(name.strip_prefix(FOLDER)?.trim_start_matches('/').to_owned()));
        inside.filter(|name| name != paths::STATUS && !matches!(paths::place(name), Place::Owner(_))).collect()
    }

    /// Sends a request that takes so long.
    pub(super) fn send(&self, path: &Path, request: Request, takes: Duration) {
        let mut state = self.state();
        let due = state.now() + takes;
        state.late.push(Late { due, path: path.clone(), request });
        self.sent.notify_one();
    }

    /// Whether requests are on their way.
    pub(super) fn is_expecting(&self) -> bool {
        !self.state().late.is_empty()
    }

    /// Carries requests out as they arrive, for as long as it is polled.
    pub(super) async fn deliver(&self) {
        loop {
            let next = self.state().late.iter().map(|late| late.due).min();
            let wait = next.map(|due| due.saturating_sub(self.now()));
            tokio::select! {
                biased;
                () = self.sent.notified() => {}
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => self.deliver_until(self.now()),
            }
        }
    }

    /// Carries out all that is on its way.
    pub(super) fn deliver_all(&self) {
        self.deliver_until(Duration::MAX);
    }

    fn deliver_until(&self, end: Duration) {
        let due: Vec<Late> = {
            let mut state = self.state();
            let (due, later) = std::mem::take(&mut state.late).into_iter().partition(|late| late.due <= end);
            state.late = later;
            due
        };
        for Late { path, request, .. } in due {
            let (what, done) = match request {
                Request::Put(payload, options) => {
                    let replaces = options.mode == PutMode::Overwrite;
                    let put = self.objects.put_opts(&path, payload, options).now_or_never();
                    self.written(&path, replaces);
                    ("put", put.is_some_and(|put| put.is_ok()))
                }
                Request::Delete => ("delete", self.objects.delete(&path).now_or_never().is_some_and(|gone| gone.is_ok())),
            };
            self.say(&format!("late {what} {path} -> {}", if done { "done" } else { "refused" }));
        }
    }
}

impl State {
    fn now(&self) -> Duration {
        self.start.map_or(self.now, |(start, before)| before + start.elapsed())
    }
}

/// The clock of the processes of a world.
pub(super) struct WorldClock(pub(super) Arc<World>);

impl Clock for WorldClock {
    fn wall_ms(&self) -> i64 {
        START_MS + i64::try_from(self.0.now().as_millis()).unwrap_or_default()
    }

    fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.0.now().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A path inside the world's folder, for messages that must not differ from machine to machine.
pub(super) fn without_folder(text: &str, folder: &FilePath) -> String {
    text.replace(&folder.display().to_string(), "")
}
