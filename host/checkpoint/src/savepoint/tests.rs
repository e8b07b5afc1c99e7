//! Savepoints that are opened, moved, damaged and deleted.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use weir_model::ErrorKind;

use super::*;
use crate::manifest::{ManifestKind, sample};

/// A savepoint with these files.
fn manifest(files: &[&str]) -> Manifest {
    let mut manifest = Manifest { kind: ManifestKind::Savepoint, ..sample::manifest(41, 1, files) };
    let count = &mut manifest.operators[1];
    count.subtasks[0].in_flight = None;
    count.subtasks[1].files.clear();
    manifest
}

async fn written(store: &Store, manifest: &Manifest) {
    let paths = manifest.files().map(|file| file.path.clone()).chain([paths::component(manifest.operators[1].live().unwrap().digest)]);
    for path in paths {
        store.put_file(&path, Bytes::from_static(b"state")).await.unwrap();
    }
    store.put_savepoint(manifest).await.unwrap();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_savepoint_is_opened_wherever_it_was_moved_and_deleted_with_all_that_is_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("savepoints");
    let store = create(text(&dir), "words", 0x0123_4567_89ab_cdef).unwrap();
    let manifest = manifest(&["count/0-0.state", "count/0-1.state"]);
    written(&store, &manifest).await;
    let error = store.put_savepoint(&Manifest { completed_ms: 5, ..manifest.clone() }).await.unwrap_err();
    assert!(error.why.contains("another savepoint"), "{error}");
    let moved = folder.path().join("chk-41");
    fs::rename(dir.join("savepoint-words-0123456789ab"), &moved).unwrap();
    for location in [moved.clone(), moved.join("_metadata")] {
        let snapshot = Snapshot::open(text(&location)).await.unwrap();
        assert_eq!((snapshot.manifest(), snapshot.belongs_to_job()), (&manifest, false));
        assert!(snapshot.store().get("count/0-1.state", 100).await.unwrap().is_some());
    }
    fs::write(moved.join("notes.txt"), "mine").unwrap();
    assert_eq!(Snapshot::open(text(&moved)).await.unwrap().dispose().await, Ok(false));
    assert_eq!(fs::read_dir(&moved).unwrap().count(), 1);
    fs::remove_file(moved.join("notes.txt")).unwrap();
    written(&Store::open(text(folder.path()), "chk-41").unwrap(), &manifest).await;
    assert_eq!(Snapshot::open(text(&moved)).await.unwrap().dispose().await, Ok(true));
    assert!(!moved.exists());
}

#[tokio::test]
async fn what_was_never_completed_can_be_abandoned_and_what_was_can_t() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(text(folder.path()), "words", 9 << 16).unwrap();
    store.put_file("count/0-0.state", Bytes::from_static(b"half")).await.unwrap();
    abandon(&store).await.unwrap();
    abandon(&store).await.unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    written(&store, &manifest(&["count/0-0.state"])).await;
    assert!(abandon(&store).await.unwrap_err().why.contains("is complete"));
    assert!(Snapshot::open(store.location()).await.is_ok());
}

#[tokio::test]
async fn a_savepoint_lies_in_any_store() {
    let store = create("memory://savepoint-test/deep", "words", 7 << 16).unwrap();
    let manifest = manifest(&["count/0-0.state"]);
    written(&store, &manifest).await;
    let location = "memory://savepoint-test/deep/savepoint-words-000000000007";
    assert_eq!(store.location(), location);
    assert_eq!(Snapshot::open(&format!("{location}/_metadata")).await.unwrap().manifest(), &manifest);
    assert_eq!(Snapshot::open(location).await.unwrap().dispose().await, Ok(true));
    assert_eq!(Snapshot::open(location).await.unwrap_err().kind, ErrorKind::Usage);
    assert!(store.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_retained_checkpoint_is_read_from_its_job_s_folder_and_not_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = sample::manifest(41, 1, &["shared/count/1-41-0-full.state"]);
    let manifest = Manifest { operators: manifest.operators.into_iter().filter(|operator| operator.uid.as_str() != "count").collect(), ..manifest };
    let store = Store::open(text(folder.path()), "words").unwrap();
    store.put_file("chk-41/_metadata", manifest.encode().unwrap().into()).await.unwrap();
    let snapshot = Snapshot::open(text(&folder.path().join("words/chk-41"))).await.unwrap();
    assert!(snapshot.belongs_to_job() && snapshot.location().ends_with("words/chk-41"), "{}", snapshot.location());
    assert!(snapshot.store().location().ends_with("/words"));
    let error = snapshot.dispose().await.unwrap_err();
    assert!(error.why.contains("belongs to the job's checkpoints"), "{error}");
    assert!(folder.path().join("words/chk-41/_metadata").exists());
}

#[tokio::test]
async fn what_is_no_savepoint_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let good = manifest(&[]).encode().unwrap();
    let check = async |bytes: &[u8], kind: ErrorKind, why: &str| {
        fs::write(folder.path().join("_metadata"), bytes).unwrap();
        let error = Snapshot::open(text(folder.path())).await.unwrap_err();
        assert!(error.kind == kind && error.why.contains(why) && error.what.contains("_metadata"), "{error}");
    };
    check(b"", ErrorKind::Job, "0 bytes").await;
    check(b"[job]\nname = \"another file altogether\"\n", ErrorKind::Usage, "mark of a manifest").await;
    check(&good[..good.len() - 1], ErrorKind::Job, "cut off").await;
    check(&[&good[..8], &[9], &good[9..]].concat(), ErrorKind::Incompatible, "version is 9").await;
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    check(&damaged, ErrorKind::Job, "checksum").await;
    for (location, why) in [("no/such", "No such file"), ("/", "root"), ("Cargo.toml", "it is a file"), ("src", "no _metadata")] {
        let error = Snapshot::open(location).await.unwrap_err();
        assert!(error.kind == ErrorKind::Usage && error.why.contains(why), "{location}: {error}");
        assert!(error.what.contains(location), "{error}");
    }
    assert!(!Path::new("no").exists(), "looking makes no folders");
}
