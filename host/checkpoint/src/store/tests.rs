//! The store over a folder, over memory, and over a store that fails.

use std::time::Duration;

use object_store::memory::InMemory;

use super::*;
use crate::faulty::{Faulty, Rates};
use crate::manifest::sample;
use crate::retain::Retained;

/// Short waits, so that tests that meet silence end soon.
fn hasty(is_retried: bool) -> Patience {
    let ms = Duration::from_millis;
    Patience { deadline: ms(2000), try_timeout: ms(20), pause: ms(1), pause_max: ms(2), is_retried }
}

fn file(epoch: u64, checkpoint: u64) -> String {
    format!("shared/count/{epoch}-{checkpoint}-0-a.state")
}

/// A checkpoint with one file of its own.
async fn complete(store: &Store, epoch: OwnerEpoch, checkpoint: CheckpointId) -> Result<DurableCheckpoint, PutError> {
    let path = file(epoch.0, checkpoint.0);
    store.put_file(&path, Bytes::from(vec![7; 100])).await.map_err(PutError::Failed)?;
    store.put_manifest(&sample::manifest(checkpoint.0, epoch.0, &[&path])).await
}

/// Claims the job and starts an attempt.
async fn attempt(store: &Store, claimant: &str, begin: Begin, num_retained: u32) -> Result<Start> {
    store.start(store.claim(claimant).await?, begin, num_retained).await
}

/// What every store must do.
async fn serves_a_job(store: &Store) {
    let mut start = attempt(store, "a", Begin::Newest, 1).await.unwrap();
    assert_eq!((start.epoch, start.first, start.from.checkpoint().is_none()), (OwnerEpoch(1), CheckpointId(1), true));
    assert_eq!(store.collect(&mut start).await, Ok(0));
    let one = complete(store, start.epoch, start.first).await.unwrap();
    assert_eq!(one.permit().checkpoint(), Some(CheckpointId(1)));
    assert_eq!(store.is_committed(CheckpointId(1)).await, Ok(false));
    store.record_committed(CheckpointId(1)).await.unwrap();
    store.record_committed(CheckpointId(1)).await.unwrap();
    assert_eq!(store.is_committed(CheckpointId(1)).await, Ok(true));
    assert!(start.retained.completed(one.manifest()).is_empty());
    // The same manifest again is the same checkpoint.
    assert_eq!(complete(store, start.epoch, start.first).await, Ok(one));
    // An aborted one leaves a file.
    store.put_file(&file(1, 2), Bytes::from_static(b"left over")).await.unwrap();
    let mut second = attempt(store, "b", Begin::Newest, 1).await.unwrap();
    assert_eq!((second.epoch, second.first), (OwnerEpoch(2), CheckpointId(3)));
    assert_eq!(second.from.checkpoint().map(DurableCheckpoint::checkpoint), Some(CheckpointId(1)));
    assert_eq!(store.collect(&mut second).await, Ok(1));
    assert_eq!(store.get(&file(1, 2), 1000).await, Ok(None));
    assert_eq!(store.get_ranges(&file(1, 1), &[0..3, 50..100]).await.unwrap(), [vec![7; 3], vec![7; 50]]);
    // The older owner is fenced; what it has completed isn't gone on from.
    assert!(matches!(complete(store, OwnerEpoch(1), CheckpointId(2)).await, Err(PutError::Fenced(_))));
    let mut third = attempt(store, "c", Begin::Newest, 1).await.unwrap();
    assert_eq!(third.from.checkpoint().map(DurableCheckpoint::checkpoint), Some(CheckpointId(1)));
    let four = complete(store, third.epoch, third.first).await.unwrap();
    let doomed = third.retained.completed(four.manifest());
    assert_eq!(doomed.files, [file(1, 1)]);
    store.delete(&doomed).await.unwrap();
    store.delete(&doomed).await.unwrap();
    assert!(store.read_checkpoint(CheckpointId(1)).await.is_err());
    assert_eq!(store.read_checkpoint(four.checkpoint()).await, Ok(four));
    assert_eq!(store.get_status().await, Ok(None));
    store.put_status(b"one".to_vec()).await.unwrap();
    store.put_status(b"two".to_vec()).await.unwrap();
    assert_eq!(store.get_status().await, Ok(Some(Bytes::from_static(b"two"))));
}

#[tokio::test]
async fn a_folder_serves_a_job_and_keeps_nothing_temporary() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("new").join("deep");
    serves_a_job(&Store::open(dir.to_str().unwrap(), "job").unwrap()).await;
    let url = format!("file://{}", dir.display());
    let again = Store::open(&url, "job").unwrap();
    assert_eq!(again.get_status().await, Ok(Some(Bytes::from_static(b"two"))));
    let left = again.list().await.unwrap();
    assert!(left.iter().all(|path| !path.contains("tmp")), "{left:?}");
    assert!(!dir.join("job/chk-1").exists(), "an empty folder is removed");
    serves_a_job(&Store::open(&url, "another").unwrap()).await;
}

#[tokio::test]
async fn what_a_crash_leaves_under_a_temporary_name_is_garbage() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap(), "job").unwrap();
    let start = attempt(&store, "a", Begin::Newest, 1).await.unwrap();
    complete(&store, start.epoch, CheckpointId(5)).await.unwrap();
    for left in ["shared/count/1-6-0-a.state.tmp", "chk-4/_metadata.tmp"] {
        std::fs::create_dir_all(folder.path().join("job").join(left).parent().unwrap()).unwrap();
        std::fs::write(folder.path().join("job").join(left), b"half").unwrap();
    }
    let mut second = attempt(&store, "b", Begin::Newest, 1).await.unwrap();
    assert_eq!((store.collect(&mut second).await, second.first), (Ok(2), CheckpointId(7)));
    complete(&store, second.epoch, second.first).await.unwrap();
}

#[tokio::test]
async fn memory_serves_a_job_and_says_how_much_it_takes() {
    let store = Store::open("memory://tests-cap/deep", "job").unwrap();
    serves_a_job(&store).await;
    let again = Store::open("memory://tests-cap/deep/", "job").unwrap();
    assert!(again.get_status().await.unwrap().is_some(), "one name is one store");
    let other = Store::open("memory://tests-other/deep", "job").unwrap();
    assert_eq!(other.get_status().await, Ok(None));
    store.put_file("shared/a/1-1-0-a.state", Bytes::from(vec![0; 5 << 20])).await.unwrap();
    let error = store.put_file("shared/a/1-1-0-b.state", Bytes::from(vec![0; (5 << 20) + 1])).await.unwrap_err().to_string();
    assert!(error.contains("at most 5242880 bytes a file") && error.contains("set `dir`"), "{error}");
}

#[test]
fn a_location_that_can_t_be_used_is_refused() {
    let check = |location: &str, why: &str| {
        let error = Store::open(location, "job").map(drop).unwrap_err().to_string();
        assert!(error.contains(location) && error.contains(why), "{error}");
    };
    check("ftp://host/x", "ftp");
    check("/proc/nothing/there", "No such file");
    if cfg!(not(feature = "gcs")) {
        check("gs://bucket/x", "built without gcs");
    }
    if cfg!(not(feature = "azure")) {
        check("az://bucket/x", "built without azure");
    }
    if cfg!(not(feature = "s3")) {
        check("s3://bucket/x", "built without s3");
    }
}

#[tokio::test]
async fn a_file_is_read_only_as_far_as_it_should_go() {
    let store = Store::over(Arc::new(InMemory::new()), "job").unwrap().with_patience(hasty(true));
    store.put_file("shared/a/1-1-0-a.state", Bytes::from_static(b"0123456789")).await.unwrap();
    let check = |error: Error, why: &str| assert!(error.to_string().contains(why), "{error}");
    check(store.get("shared/a/1-1-0-a.state", 9).await.unwrap_err(), "has 10 bytes");
    check(store.get_ranges("shared/a/1-1-0-a.state", &[0..5, 5..20]).await.unwrap_err(), "1-1-0-a.state");
    check(store.get_ranges("shared/a/none", &[0..1, 1..2]).await.unwrap_err(), "is missing");
    check(store.get("../other-job/_metadata", 9).await.unwrap_err(), "leads out");
    assert_eq!(store.size("shared/a/1-1-0-a.state").await, Ok(Some(10)));
}

#[tokio::test]
async fn a_large_file_goes_in_parts() {
    let store = Store::over(Arc::new(InMemory::new()), "job").unwrap();
    let bytes: Vec<u8> = (0..(20u32 << 20)).map(|at| (at >> 12) as u8).collect();
    store.put_file("shared/a/1-1-0-a.state", Bytes::from(bytes.clone())).await.unwrap();
    assert_eq!(store.get("shared/a/1-1-0-a.state", u64::MAX).await, Ok(Some(Bytes::from(bytes))));
}

#[tokio::test]
async fn the_newest_manifest_is_refused_when_it_is_damaged_and_another_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap(), "job").unwrap();
    let start = attempt(&store, "a", Begin::Newest, 2).await.unwrap();
    for id in [41, 42] {
        complete(&store, start.epoch, CheckpointId(id)).await.unwrap();
    }
    std::fs::write(folder.path().join("job/chk-42/_metadata"), b"WEIRCHKPxxxxxxxxxxxxxxxxxxxxxxx").unwrap();
    let error = attempt(&store, "b", Begin::Newest, 2).await.unwrap_err().to_string();
    for part in ["chk-42/_metadata", "format version", "--restore-from chk-41"] {
        assert!(error.contains(part), "{error} has no {part}");
    }
    let third = attempt(&store, "c", Begin::From(CheckpointId(41)), 2).await.unwrap();
    assert_eq!((third.from.checkpoint().map(DurableCheckpoint::checkpoint), third.first), (Some(CheckpointId(41)), CheckpointId(43)));
    // A manifest under another's name is no better.
    std::fs::copy(folder.path().join("job/chk-41/_metadata"), folder.path().join("job/chk-42/_metadata")).unwrap();
    let error = store.read_checkpoint(CheckpointId(42)).await.unwrap_err().to_string();
    assert!(error.contains("it is the manifest of checkpoint 41"), "{error}");
    let fresh = attempt(&store, "d", Begin::Fresh, 2).await.unwrap();
    assert!(fresh.from.checkpoint().is_none());
}

#[tokio::test]
async fn a_number_that_an_older_owner_took_is_a_failure_and_one_of_a_newer_owner_a_fence() {
    let store = Store::over(Arc::new(InMemory::new()), "job").unwrap();
    let (first, second) = (store.claim("a").await.unwrap(), store.claim("b").await.unwrap());
    assert_eq!((first, second), (OwnerEpoch(1), OwnerEpoch(2)));
    assert!(matches!(complete(&store, first, CheckpointId(1)).await, Err(PutError::Fenced(_))));
    assert!(matches!(complete(&store, second, CheckpointId(1)).await, Err(PutError::Failed(_))));
    complete(&store, second, CheckpointId(2)).await.unwrap();
    assert!(matches!(complete(&store, first, CheckpointId(2)).await, Err(PutError::Fenced(_))));
}

#[tokio::test]
async fn who_starts_anew_gives_up_what_older_attempts_have_left_and_nothing_of_a_newer_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap(), "job").unwrap();
    let first = attempt(&store, "a", Begin::Newest, 1).await.unwrap();
    complete(&store, first.epoch, CheckpointId(1)).await.unwrap();
    store.record_committed(CheckpointId(1)).await.unwrap();
    let (second, third) = (store.claim("b").await.unwrap(), store.claim("c").await.unwrap());
    complete(&store, third, CheckpointId(2)).await.unwrap();
    let mut fresh = store.start(second, Begin::Fresh, 1).await.unwrap();
    assert_eq!((fresh.first, store.collect(&mut fresh).await), (CheckpointId(3), Ok(3)));
    let left: Vec<_> = store.survey().await.unwrap().iter().map(|found| found.checkpoint).collect();
    assert_eq!(left, [CheckpointId(2)]);
    assert_eq!((store.size(&file(1, 1)).await, store.size(&file(3, 2)).await), (Ok(None), Ok(Some(100))));
}

#[tokio::test]
async fn only_the_newest_owner_records_that_the_job_has_ended() {
    let store = Store::over(Arc::new(InMemory::new()), "job").unwrap();
    let first = attempt(&store, "a", Begin::Newest, 1).await.unwrap();
    complete(&store, first.epoch, CheckpointId(1)).await.unwrap();
    let second = attempt(&store, "b", Begin::Newest, 1).await.unwrap();
    assert_eq!((store.record_ended(first.epoch).await, store.is_superseded(first.epoch).await), (Ok(false), Ok(true)));
    // The newer one's checkpoint is still what the job goes on from.
    let third = attempt(&store, "c", Begin::Newest, 1).await.unwrap();
    assert_eq!(third.from.checkpoint().map(DurableCheckpoint::checkpoint), Some(CheckpointId(1)));
    assert_eq!(store.record_ended(second.epoch).await, Ok(false));
    assert_eq!((store.record_ended(third.epoch).await, store.is_superseded(third.epoch).await), (Ok(true), Ok(false)));
    assert!(attempt(&store, "d", Begin::Newest, 1).await.unwrap().from.checkpoint().is_none());
}

/// Mostly well.
const ROUGH: Rates = Rates { errors: 150, lost_responses: 150, silences: 20, slow: 100, slow_ms_max: 3, broken_lists: 200, partial_lists: 0 };

#[tokio::test]
async fn faults_that_pass_are_survived() {
    for seed in 0..20 {
        let objects = Faulty::new(Arc::new(InMemory::new()), ROUGH, seed);
        let store = Store::over(Arc::new(objects), "job").unwrap().with_patience(hasty(true));
        serves_a_job(&store).await;
    }
}

#[tokio::test]
async fn each_of_several_claimants_gets_a_number_of_its_own() {
    for seed in 0..10 {
        let objects: Arc<dyn ObjectStore> = Arc::new(Faulty::new(Arc::new(InMemory::new()), ROUGH, seed));
        let claims = (0..6).map(|claimant| {
            let store = Store::over(objects.clone(), "job").unwrap().with_patience(hasty(true));
            tokio::spawn(async move { store.claim(&claimant.to_string()).await.unwrap().0 })
        });
        let mut epochs: Vec<_> = futures_util::future::join_all(claims).await.into_iter().map(std::result::Result::unwrap).collect();
        epochs.sort_unstable();
        assert_eq!(epochs, [1, 2, 3, 4, 5, 6]);
    }
}

#[tokio::test]
async fn of_an_old_owner_and_a_new_one_the_new_one_knows_every_checkpoint_that_was_committed() {
    for seed in 0..60 {
        let objects: Arc<dyn ObjectStore> = Arc::new(Faulty::new(Arc::new(InMemory::new()), Rates { slow: 600, ..ROUGH }, seed));
        let store = Store::over(objects, "job").unwrap().with_patience(hasty(true));
        let first = attempt(&store, "a", Begin::Newest, 1).await.unwrap();
        let old = {
            let store = store.clone();
            tokio::spawn(async move {
                let mut permitted = 0;
                for id in 1..20 {
                    match complete(&store, first.epoch, CheckpointId(id)).await {
                        Ok(checkpoint) => permitted = checkpoint.checkpoint().0,
                        Err(_) => break,
                    }
                }
                permitted
            })
        };
        tokio::time::sleep(Duration::from_millis(seed % 40)).await;
        let second = attempt(&store, "b", Begin::Newest, 1).await.unwrap();
        let from = second.from.checkpoint().map_or(0, |from| from.checkpoint().0);
        let permitted = old.await.unwrap();
        assert!(permitted <= from, "seed {seed}: {permitted} was committed, and the new owner goes on from {from}");
        let third = attempt(&store, "c", Begin::Newest, 1).await.unwrap();
        assert_eq!(third.from.checkpoint().map_or(0, |from| from.checkpoint().0), from, "seed {seed}: the line that the second began");
    }
}

#[tokio::test]
async fn a_partial_listing_costs_no_live_file() {
    for seed in 0..40 {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let sound = Store::over(inner.clone(), "job").unwrap();
        let mut start = attempt(&sound, "a", Begin::Newest, 3).await.unwrap();
        for id in 1..=5 {
            let path = file(1, id);
            sound.put_file(&path, Bytes::from_static(b"state")).await.unwrap();
            let manifest = Manifest { retained: start.retained.newest_first(), ..sample::manifest(id, 1, &[&path]) };
            sound.put_manifest(&manifest).await.unwrap();
            sound.delete(&start.retained.completed(&manifest)).await.unwrap();
        }
        let faulty = Store::over(Arc::new(Faulty::new(inner, Rates { partial_lists: 1000, ..Rates::default() }, seed)), "job").unwrap();
        let mut second = attempt(&faulty, "b", Begin::Newest, 3).await.unwrap();
        faulty.collect(&mut second).await.unwrap();
        let Some(from) = second.from.checkpoint() else { continue };
        for id in from.manifest().retained.iter().copied().chain([from.checkpoint()]).filter(|id| id.0 >= 3) {
            assert!(sound.get(&file(1, id.0), 100).await.unwrap().is_some(), "seed {seed}: the file of {id}");
            assert!(sound.read_checkpoint(id).await.is_ok(), "seed {seed}: {id}");
        }
    }
}

#[tokio::test]
async fn a_store_that_never_answers_is_given_up_in_time() {
    let objects = Faulty::new(Arc::new(InMemory::new()), Rates { silences: 1000, ..Rates::default() }, 1);
    let patience = Patience { deadline: Duration::from_millis(50), ..hasty(true) };
    let store = Store::over(Arc::new(objects), "job").unwrap().with_patience(patience);
    let error = store.claim("a").await.unwrap_err().to_string();
    assert!(error.contains("didn't answer in time"), "{error}");
    let error = store.put_manifest(&sample::manifest(1, 1, &[])).await.unwrap_err();
    assert!(matches!(error, PutError::Unknown(_)), "{error:?}");
    assert!(Retained::new(1).newest_first().is_empty());
}

#[tokio::test]
async fn a_savepoint_is_what_later_attempts_go_on_from_until_there_is_a_checkpoint_of_their_own() {
    let store = Store::over(Arc::new(InMemory::new()), "job").unwrap();
    let first = attempt(&store, "a", Begin::Newest, 1).await.unwrap();
    store.put_manifest(&sample::manifest(3, first.epoch.0, &[])).await.unwrap();
    let check = |start: &Start, expected: &str, first: u64| {
        let StartedFrom::Savepoint { location } = &start.from else { panic!("{:?}", start.from) };
        assert_eq!((location.as_str(), start.first), (expected, CheckpointId(first)));
        assert_eq!(start.retained.newest_first(), [CheckpointId(3)], "what was there stays until there is something new");
    };
    let begin = Begin::Savepoint("/data/savepoint-x".to_owned());
    check(&attempt(&store, "b", begin, 1).await.unwrap(), "/data/savepoint-x", 4);
    let mut again = attempt(&store, "c", Begin::Newest, 1).await.unwrap();
    check(&again, "/data/savepoint-x", 4);
    let own = sample::manifest(4, again.epoch.0, &[]);
    let durable = store.put_manifest(&own).await.unwrap();
    assert_eq!(again.retained.completed(durable.manifest()).checkpoints, [CheckpointId(3)]);
    let last = attempt(&store, "d", Begin::Newest, 1).await.unwrap();
    assert_eq!(last.from.checkpoint().map(DurableCheckpoint::checkpoint), Some(CheckpointId(4)));
}

#[tokio::test]
async fn a_version_that_was_taken_back_stays_so_after_a_crash() {
    let store = Store::over(Arc::new(InMemory::new()), "job").unwrap();
    let first = attempt(&store, "a", Begin::Newest, 1).await.unwrap();
    for id in [3, 4] {
        store.put_manifest(&sample::manifest(id, first.epoch.0, &[])).await.unwrap();
    }
    for (begin, returned) in [(Begin::Newest, false), (Begin::Return(CheckpointId(3)), true), (Begin::Newest, true)] {
        let start = attempt(&store, "b", begin, 1).await.unwrap();
        let StartedFrom::Checkpoint { durable, returned: found } = &start.from else { panic!("{:?}", start.from) };
        assert_eq!((durable.checkpoint(), *found), (CheckpointId(if returned { 3 } else { 4 }), returned));
    }
}
