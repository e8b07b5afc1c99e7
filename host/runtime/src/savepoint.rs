//! Savepoints made of checkpoints and of other savepoints: state merged into full files in a folder of its own.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use weir_checkpoint::manifest::{FileEntry, FileScope, Manifest, ManifestKind, OperatorSnapshot, SubtaskSnapshot};
use weir_checkpoint::paths;
use weir_checkpoint::store::Store;
use weir_model::id::{OperatorUid, PluginDigest};
use weir_model::{Error, Result};
use weir_state::{StateFile, StateFilesWriter};

mod rows;
mod dry_run;
mod rekey;
mod verify;

pub use dry_run::{DryRun, Samples, dry_run};
pub use rekey::{NewGroups, rekey};
pub use rows::{SnapshotRows, read_index};
pub use verify::verify;
pub use weir_state::{StateFileIndex, StateRow};

/// How many subtasks are written at a time: each has up to a few hundred megabytes in memory.
const AT_ONCE: usize = 4;

/// What a savepoint is made of.
pub struct Compose<'a> {
    /// The checkpoint or savepoint.
    pub manifest: &'a Manifest,
    /// Where its files are.
    pub from: &'a Store,
    /// The folder of the savepoint that is to be: see [`weir_checkpoint::savepoint::create`].
    pub to: &'a Store,
    /// What the savepoint says of itself.
    pub kind: ManifestKind,
    /// Plugins to be put beside the state. Those that lie beside it already are always copied.
    pub plugins: &'a [(PluginDigest, Bytes)],
    /// Is told how many bytes more have been read of those that [`bytes_to_read`] counts.
    pub progress: Progress,
}

/// Is told of bytes as they are done.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// The writing of one subtask's files.
pub type Work = Pin<Box<dyn Future<Output = Result<Vec<FileEntry>>> + Send>>;

/// The same as it runs; `None`: it was shut down.
pub type Running = Pin<Box<dyn Future<Output = Option<Result<Vec<FileEntry>>>> + Send>>;

/// The bytes of all state files of a snapshot.
#[must_use]
pub fn bytes_to_read(manifest: &Manifest) -> u64 {
    manifest.operators.iter().flat_map(|operator| &operator.subtasks).flat_map(|subtask| &subtask.files).map(|file| file.bytes).sum()
}

/// Writes the files of a savepoint: the state of each subtask as full, sorted files, and plugins. `run` starts work that computes for long and waits for the
/// store in between, off the caller's thread. The savepoint exists when the manifest that comes back is put: [`Store::put_savepoint`].
///
/// # Errors
/// When a file can't be read, doesn't verify or can't be written; and when records were on their way at the barriers. Nothing writes any more then: see
/// [`weir_checkpoint::savepoint::abandon`].
pub async fn compose(what: Compose<'_>, run: &(dyn Fn(Work) -> Running + Send + Sync)) -> Result<Manifest> {
    refuse_in_flight(what.manifest)?;
    let mut manifest = Manifest { kind: what.kind, retained: Vec::new(), probation: None, ..what.manifest.clone() };
    let mut running = VecDeque::new();
    let written = write_all(&what, &mut manifest, &mut running, run).await;
    // Whoever is told of a failure may delete what was written.
    for (_, work) in running {
        drop(work.await);
    }
    written?;
    put_components(&what, &mut manifest).await?;
    Ok(manifest)
}

/// Work that runs, and the subtask whose files it writes.
type Begun<'a> = VecDeque<(&'a mut SubtaskSnapshot, Running)>;

async fn write_all<'a>(
    what: &Compose<'_>,
    manifest: &'a mut Manifest,
    running: &mut Begun<'a>,
    run: &(dyn Fn(Work) -> Running + Send + Sync),
) -> Result<()> {
    let groups = manifest.max_parallelism;
    for operator in &mut manifest.operators {
        for (subtask, number) in operator.subtasks.iter_mut().zip(0u32..) {
            let files = std::mem::take(&mut subtask.files);
            if files.is_empty() {
                continue;
            }
            if running.len() >= AT_ONCE {
                end_first(running).await?;
            }
            let (from, to, progress, uid) = (what.from.clone(), what.to.clone(), Arc::clone(&what.progress), operator.uid.clone());
            let work = async move {
                let rows = SnapshotRows::open(&from, files, None, 0..groups).await?.telling(progress);
                write_rows(rows, &to, &uid, number).await
            };
            running.push_back((subtask, run(Box::pin(work))));
        }
    }
    while !running.is_empty() {
        end_first(running).await?;
    }
    Ok(())
}

/// Waits for the work that was begun first.
async fn end_first(running: &mut Begun<'_>) -> Result<()> {
    if let Some((subtask, work)) = running.pop_front() {
        subtask.files = work.await.ok_or_else(crate::restore::shut_down)??;
    }
    Ok(())
}

/// Writes merged rows as the files of one subtask.
async fn write_rows(mut rows: SnapshotRows, to: &Store, uid: &OperatorUid, subtask: u32) -> Result<Vec<FileEntry>> {
    let mut writer = StateFilesWriter::new(rows.states());
    let mut entries = Vec::new();
    loop {
        let mut full = None;
        let is_more = rows
            .next(|row| {
                full = writer.push(row);
                if full.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .await?;
        if let Some(file) = full {
            let path = paths::savepoint_file(uid, subtask, entries.len());
            entries.push(put(to, path, file).await?);
        }
        if !is_more {
            break;
        }
    }
    for file in writer.finish() {
        let path = paths::savepoint_file(uid, subtask, entries.len());
        entries.push(put(to, path, file).await?);
    }
    Ok(entries)
}

async fn put(to: &Store, path: String, file: StateFile) -> Result<FileEntry> {
    let StateFile { bytes, info } = file;
    to.put_file(&path, Bytes::from(bytes)).await?;
    Ok(FileEntry { path, scope: FileScope::Full, rows: info.rows, bytes: info.bytes, checksum: info.checksum, key_groups: info.key_groups })
}

/// Puts the plugins that are given, and those that the older snapshot has, beside the state. With one that was swapped in comes the one that the job file names, if it
/// is kept: nobody can go on without it whose own file is gone.
async fn put_components(what: &Compose<'_>, manifest: &mut Manifest) -> Result<()> {
    let mut done = BTreeSet::new();
    for (digest, bytes) in what.plugins {
        what.to.put_file(&paths::component(*digest), bytes.clone()).await?;
        done.insert(*digest);
    }
    for operator in &mut manifest.operators {
        let Some(live) = operator.live().map(|live| live.digest) else { continue };
        operator.has_component |= done.contains(&live);
        let named = operator.file_digest.filter(|named| *named != live);
        for digest in [Some(live), named].into_iter().flatten().filter(|_| operator.has_component) {
            if !done.insert(digest) {
                continue;
            }
            match what.from.get_component(digest).await? {
                Some(bytes) => what.to.put_file(&paths::component(digest), bytes).await?,
                None if digest == live => return Err(missing_component(what, &operator.uid, &paths::component(digest))),
                None => {}
            }
        }
    }
    Ok(())
}

fn missing_component(what: &Compose<'_>, uid: &OperatorUid, path: &str) -> Error {
    let why = format!("the plugin of `{uid}` is missing: {}", what.from.display(path));
    Error::job("the savepoint can't be written", why, "bring the file back, or use another savepoint")
}

/// A savepoint holds no records: a barrier that came for one is aligned.
fn refuse_in_flight(manifest: &Manifest) -> Result<()> {
    let has_some = |operator: &&OperatorSnapshot| operator.subtasks.iter().any(|subtask| subtask.in_flight.is_some());
    match manifest.operators.iter().find(has_some) {
        None => Ok(()),
        Some(operator) => Err(Error::job(
            format!("no savepoint can be made of {}", paths::checkpoint(manifest.checkpoint)),
            format!("it is unaligned and holds records on their way to `{}`", operator.uid),
            "run the job from it, and take a savepoint of the running job",
        )),
    }
}
