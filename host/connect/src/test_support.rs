//! What the tests of several modules need: a folder that goes away, a section from lines of text, records as text, a clock, permits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::memory::InMemory;
use weir_checkpoint::manifest::{HASH_FUNCTION, JobIdentity, Manifest, ManifestKind};
use weir_checkpoint::permit::CommitPermit;
use weir_checkpoint::store::Store;
use weir_model::describe::Port;
use weir_model::id::{CheckpointId, OperatorUid, Parallelism};
use weir_model::rows::Batch;
use weir_model::section::{Section, Value, ValueKind};
use weir_model::time::{Clock, SharedClock};

use crate::sink::{SinkConfig, SinkStart};

/// A folder of its own under the system's temporary folder, removed at the end.
pub(crate) struct TempFolder(PathBuf);

impl TempFolder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("weir-connect-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The section of `key = value` lines, as the job file's reader makes it; lists are of texts without commas.
pub(crate) fn section(name: &str, lines: &str) -> Section {
    let mut entries = BTreeMap::new();
    for (number, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (key, value) = line.split_once('=').unwrap();
        entries.insert(key.trim().to_owned(), value_of(value.trim(), number + 1));
    }
    Section::new(Arc::from("job.toml"), name, 1, entries)
}

fn value_of(text: &str, line: usize) -> Value {
    let kind = if let Some(items) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        ValueKind::Array(items.split(',').map(|item| value_of(item.trim(), line)).collect())
    } else if let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        ValueKind::String(inner.replace("\\t", "\t"))
    } else if let Ok(flag) = text.parse() {
        ValueKind::Bool(flag)
    } else if let Ok(number) = text.parse() {
        ValueKind::Integer(number)
    } else {
        ValueKind::Float(text.parse().unwrap())
    };
    Value { line, kind }
}

/// Each record as `key=value`, or `value` alone without a key.
pub(crate) fn texts(batch: &Batch) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    batch.iter().map(|row| row.key.map_or(String::new(), |key| text(key) + "=") + &text(row.value)).collect()
}

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub(crate) struct ManualClock(AtomicU64);

impl ManualClock {
    pub(crate) fn advance_ms(&self, ms: u64) {
        self.0.fetch_add(ms * 1_000_000, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> i64 {
        0
    }

    fn monotonic_ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs what doesn't wait for anything but this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// The right to commit what a checkpoint names: there must be one for that.
pub(crate) fn permit() -> CommitPermit {
    let store = Store::over(Arc::new(InMemory::new()), "job").unwrap();
    let manifest = Manifest {
        checkpoint: CheckpointId::FIRST,
        owner_epoch: block_on(store.claim("test")).unwrap(),
        kind: ManifestKind::Checkpoint,
        job: JobIdentity { name: "job".into(), id: "job".into() },
        max_parallelism: 128,
        hash_function: HASH_FUNCTION.into(),
        triggered_ms: 0,
        completed_ms: 0,
        retained: Vec::new(),
        probation: None,
        operators: Vec::new(),
    };
    block_on(store.put_manifest(&manifest)).unwrap().permit()
}

/// Lets each writer of a sink write the same batch, and ends the job well.
pub(crate) async fn write_to_sink(config: &SinkConfig, parallelism: u32, input: &Port, batch: &Batch) {
    let (uid, clock) = (OperatorUid::new("out").unwrap(), Arc::new(ManualClock::default()) as SharedClock);
    let start = SinkStart::Fresh { checkpoints: false };
    let writers = config.open(&uid, Parallelism::new(parallelism).unwrap(), input, &clock, start).await.unwrap();
    let mut handles = Vec::new();
    for mut writer in writers {
        writer.write(batch).unwrap();
        handles.extend(writer.prepare(CheckpointId::FIRST).unwrap().make_durable().await.unwrap().handles);
    }
    let (committer, permit) = (config.committer(&uid), CommitPermit::at_end_of_job_without_checkpoints());
    committer.commit(&permit, &handles).await.unwrap();
    committer.finish(&permit).await.unwrap();
}
