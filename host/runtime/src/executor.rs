//! Where the parts of a job run: data tasks, the control side, and work that may block.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

mod jitter;

use jitter::Jitter;

/// The threads of a job's control side.
#[derive(Debug, Clone)]
pub(crate) struct Executor {
    control: Handle,
    mode: Mode,
    /// Set when nothing is to be begun or gone on with any more.
    closed: Arc<watch::Sender<bool>>,
    /// Held by all that was offloaded and hasn't ended.
    running: Arc<()>,
}

/// How long a piece of work that is not waiting for anything may take to end.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
/// How often that is looked at.
const CLOSE_POLL: Duration = Duration::from_millis(1);

#[derive(Debug, Clone)]
enum Mode {
    /// Work that may block gets a thread of its own.
    Threads,
    /// Everything runs in the one thread of the caller's runtime: a simulation, in which the same seed gives the same run.
    Inline(Jitter),
}

impl Executor {
    /// The control side on `control`, with threads for what may block.
    pub(crate) fn threads(control: Handle) -> Self {
        Self::new(control, Mode::Threads)
    }

    /// Everything on `runtime`, which has one thread, in an order that `seed` decides.
    pub(crate) fn inline(runtime: Handle, seed: u64) -> Self {
        Self::new(runtime, Mode::Inline(Jitter::new(seed)))
    }

    fn new(control: Handle, mode: Mode) -> Self {
        Self { control, mode, closed: Arc::new(watch::Sender::new(false)), running: Arc::default() }
    }

    /// Ends all that was offloaded at its next wait, and waits for that, within reason: the runtime must not go away under it.
    pub(crate) async fn close(&self) {
        self.closed.send_replace(true);
        drop(tokio::time::timeout(CLOSE_GRACE, self.idle()).await);
    }

    /// Waits until all that was offloaded has ended, also what nobody waits for any more.
    pub(crate) async fn idle(&self) {
        // The executor and its clones share one of the references.
        while Arc::strong_count(&self.running) > Arc::strong_count(&self.closed) {
            tokio::time::sleep(CLOSE_POLL).await;
        }
    }

    /// The control side's runtime.
    pub(crate) fn control(&self) -> &Handle {
        &self.control
    }

    /// Whether data tasks share the control side's thread.
    pub(crate) fn is_inline(&self) -> bool {
        matches!(self.mode, Mode::Inline(_))
    }

    /// Starts a task on `runtime`. In a simulation it is held up now and then, as threads and machines do it otherwise.
    pub(crate) fn spawn_on<F>(&self, tasks: &mut JoinSet<F::Output>, task: F, runtime: &Handle)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match &self.mode {
            Mode::Threads => tasks.spawn_on(task, runtime),
            Mode::Inline(jitter) => tasks.spawn_on(jitter.hold_up(task), runtime),
        };
    }

    /// Runs what may block or compute for long, from now on with threads, when awaited without; `None` when the runtime is being shut down.
    pub(crate) fn offload<F>(&self, work: F) -> Offloaded<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match &self.mode {
            Mode::Inline(jitter) => {
                let work = jitter.hold_up(work);
                Box::pin(async move { Some(work.await) })
            }
            Mode::Threads => {
                let (control, running, mut closed) = (self.control.clone(), Arc::clone(&self.running), self.closed.subscribe());
                let task = self.control.spawn_blocking(move || {
                    let result = control.block_on(async {
                        tokio::select! {
                            biased;
                            result = work => Some(result),
                            _ = closed.wait_for(|closed| *closed) => None,
                        }
                    });
                    drop(running);
                    result
                });
                Box::pin(async move { task.await.ok().flatten() })
            }
        }
    }
}

/// The result of offloaded work.
pub(crate) type Offloaded<T> = Pin<Box<dyn Future<Output = Option<T>> + Send>>;
