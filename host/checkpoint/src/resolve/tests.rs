//! Which checkpoint is taken, and what each new subtask reads of it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::compare::{GivenUp, JobOperator, compare};
use crate::manifest::{OperatorKind, sample};

fn found(checkpoint: u64, epoch: Option<u64>) -> Found {
    let manifest = epoch.map_or(Err(ManifestError::Checksum), |epoch| Ok(sample::manifest(checkpoint, epoch, &[])));
    Found { checkpoint: CheckpointId(checkpoint), location: format!("/data/job/chk-{checkpoint}/_metadata"), manifest }
}

#[test]
fn the_newest_checkpoint_of_the_line_is_taken() {
    let check = |there: &[(u64, Option<u64>)], origin: Option<(u64, Option<u64>)>, requested: Option<u64>, expected: Result<Option<u64>, &str>| {
        let there: Vec<_> = there.iter().map(|(checkpoint, epoch)| found(*checkpoint, *epoch)).collect();
        let from = |from: Option<u64>| from.map_or(OriginFrom::Start, |from| OriginFrom::Checkpoint(CheckpointId(from)));
        let origin = origin.map(|(epoch, checkpoint)| Origin { epoch: OwnerEpoch(epoch), from: from(checkpoint) });
        match (choose(&there, origin.as_ref(), requested.map(CheckpointId)), expected) {
            (Ok(Chosen::Checkpoint(chosen)), Ok(expected)) => assert_eq!(Some(chosen.checkpoint.0), expected),
            (Ok(Chosen::Nothing), Ok(expected)) => assert_eq!(None, expected),
            (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}, expected {text}"),
            (result, expected) => panic!("{result:?}, expected {expected:?}"),
        }
    };
    check(&[], None, None, Ok(None));
    check(&[(3, Some(1)), (5, Some(1)), (4, Some(1))], None, None, Ok(Some(5)));
    // A newer owner's is newer, whatever its number.
    check(&[(5, Some(1)), (4, Some(2))], None, None, Ok(Some(4)));
    // An owner that was fenced completed 6 after attempt 2 had gone on from 5.
    check(&[(5, Some(1)), (6, Some(1))], Some((2, Some(5))), None, Ok(Some(5)));
    check(&[(5, Some(1)), (6, Some(1)), (7, Some(2))], Some((2, Some(5))), None, Ok(Some(7)));
    check(&[(6, Some(1))], Some((2, None)), None, Ok(None));
    check(&[(6, Some(1))], Some((2, Some(5))), None, Err("can't go on from chk-5"));
    // One that can't be read is never passed over in silence.
    check(&[(3, Some(1)), (5, None)], None, None, Err("/data/job/chk-5/_metadata"));
    check(&[(3, Some(1)), (5, None)], None, None, Err("--restore-from chk-3"));
    check(&[(5, None)], None, None, Err("--fresh"));
    check(&[(3, None), (5, Some(1))], None, None, Ok(Some(5)));
    check(&[(3, Some(1)), (5, None)], None, Some(3), Ok(Some(3)));
    check(&[(3, Some(1)), (5, None)], None, Some(5), Err("chk-5/_metadata can't be restored: its checksum is wrong (there are: chk-3)"));
    check(&[(3, Some(1))], None, Some(9), Err("the job has no such checkpoint"));
}

#[test]
fn what_an_attempt_went_on_from_holds_until_it_has_a_checkpoint_of_its_own() {
    let there = [found(5, Some(1)), found(6, Some(1))];
    let origin = |from: OriginFrom| Origin { epoch: OwnerEpoch(2), from };
    let savepoint = OriginFrom::Savepoint("s3://bucket/savepoint-a".to_owned());
    let returned = OriginFrom::Returned(CheckpointId(5));
    for from in [savepoint, returned] {
        assert_eq!(choose(&there, Some(&origin(from.clone())), None), Ok(Chosen::Again(from.clone())));
        let later = [found(5, Some(1)), found(6, Some(1)), found(7, Some(2))];
        let chosen = choose(&later, Some(&origin(from)), None).unwrap();
        assert!(matches!(chosen, Chosen::Checkpoint(manifest) if manifest.checkpoint == CheckpointId(7)), "{chosen:?}");
    }
}

fn plan(manifest: &Manifest, max_parallelism: MaxParallelism, parallelism: u32) -> RestorePlan {
    let parallelism = Parallelism::new(parallelism).unwrap();
    let node = |uid: &str, kind| JobOperator { uid: OperatorUid::new(uid).unwrap(), renamed_from: None, kind, parallelism, code: None };
    let job = [node("lines", OperatorKind::Source), node("count", OperatorKind::Operator), node("out", OperatorKind::Sink)];
    let compared = compare(manifest, "chk-5", max_parallelism, &job, GivenUp::default(), &|_, _, _| Ok(()));
    super::plan(&compared, max_parallelism)
}

fn groups(count: u32) -> MaxParallelism {
    MaxParallelism::new(Parallelism::new(count).unwrap(), Parallelism::ONE).unwrap()
}

#[test]
fn at_the_same_parallelism_each_subtask_takes_its_own_files_whole() {
    let manifest = sample::manifest(5, 1, &["shared/count/a", "shared/count/b"]);
    let plan = plan(&manifest, groups(128), 2);
    let count = plan.of(&OperatorUid::new("count").unwrap()).unwrap();
    let files =
        |subtask: &SubtaskRestore| subtask.files.iter().map(|one| (one.file.path.clone(), one.key_groups.clone(), one.is_own)).collect::<Vec<_>>();
    assert_eq!(files(&count.subtasks[0]), [("shared/count/a".to_owned(), 0..64, true), ("shared/count/b".to_owned(), 0..64, true)]);
    assert_eq!(files(&count.subtasks[1]), [("shared/count/other".to_owned(), 64..128, true)]);
    assert!(plan.of(&OperatorUid::new("nobody").unwrap()).is_none());
}

proptest! {
    #[test]
    fn every_key_group_of_every_file_is_read_by_exactly_its_new_owner(old in 1u32..40, new in 1u32..40, max in 40u32..200, keyed: bool) {
        let (max, old_parallelism) = (groups(max), Parallelism::new(old).unwrap());
        let mut manifest = sample::manifest(5, 1, &[]);
        manifest.max_parallelism = max.get();
        let subtask = |index| {
            let range = if keyed { max.range(index, old_parallelism) } else { 0..0 };
            let entry = sample::file(&format!("shared/count/{index}"), crate::manifest::FileScope::Full, range.clone());
            crate::manifest::SubtaskSnapshot { files: vec![entry.clone()], in_flight: Some(entry), ..Default::default() }
        };
        manifest.operators[1].subtasks = old_parallelism.subtasks().map(subtask).collect();
        manifest.operators[1].parallelism = old;
        let plan = plan(&manifest, max, new);
        let mut readers = BTreeMap::<String, Vec<u32>>::new();
        for (index, subtask) in Parallelism::new(new).unwrap().subtasks().zip(&plan.operators[1].subtasks) {
            prop_assert_eq!(&subtask.files, &subtask.in_flight);
            for read in &subtask.files {
                prop_assert_eq!(read.is_own, old == new);
                for group in read.key_groups.clone() {
                    prop_assert_eq!(max.subtask(weir_model::key_group::KeyGroup(group), Parallelism::new(new).unwrap()), index);
                }
                let groups = if keyed { read.key_groups.clone().collect() } else { vec![0] };
                readers.entry(read.file.path.clone()).or_default().extend(groups);
            }
        }
        for subtask in &manifest.operators[1].subtasks {
            let file = &subtask.files[0];
            let mut read = readers.remove(&file.path).unwrap_or_default();
            read.sort_unstable();
            let expected: Vec<u32> = if keyed { file.key_groups.clone().collect() } else { vec![0] };
            prop_assert_eq!(read, expected);
        }
    }
}
