//! Nothing that a kept checkpoint names is ever deleted, whatever a listing says.

use proptest::prelude::*;

use super::*;
use crate::manifest::sample;

/// A manifest whose only files of its own are these.
fn manifest(checkpoint: u64, files: &[&str]) -> Manifest {
    let mut manifest = sample::manifest(checkpoint, 1, files);
    manifest.operators[1].subtasks[0].in_flight = None;
    manifest.operators[1].subtasks[1].files.clear();
    manifest
}

#[test]
fn old_checkpoints_go_with_the_files_that_nobody_names_any_more() {
    let mut retained = Retained::new(2);
    let check = |doomed: Doomed, checkpoints: &[u64], files: &[&str]| {
        assert_eq!(doomed.checkpoints, checkpoints.iter().map(|id| CheckpointId(*id)).collect::<Vec<_>>());
        assert_eq!(doomed.files, files);
    };
    check(retained.completed(&manifest(1, &["base"])), &[], &[]);
    check(retained.completed(&manifest(2, &["base", "d2"])), &[], &[]);
    check(retained.completed(&manifest(3, &["base", "d2", "d3"])), &[1], &[]);
    check(retained.completed(&manifest(4, &["base4"])), &[2], &[]);
    assert_eq!(retained.newest_first(), [CheckpointId(4), CheckpointId(3)]);
    check(retained.completed(&manifest(5, &["base4", "d5"])), &[3], &["base", "d2", "d3"]);
    check(retained.give_up(), &[4, 5], &["base4", "d5"]);
}

#[test]
fn garbage_is_what_no_kept_checkpoint_names_and_no_newer_owner_wrote() {
    let mut retained = Retained::new(1);
    retained.found(&manifest(5, &["shared/count/1-5-0-a.state"]));
    let passed_over = manifest(6, &["shared/count/1-6-0-a.state"]);
    let listed = [
        ("shared/count/1-5-0-a.state", false),
        ("shared/count/1-4-0-a.state", true),
        ("shared/count/1-6-0-a.state", false),
        ("shared/count/2-7-0-a.state.tmp", true),
        ("shared/count/4-7-0-a.state", false),
        ("shared/count/notes.txt", false),
        ("chk-4/_metadata", true),
        ("chk-4/_committed", true),
        ("chk-5/_metadata", false),
        ("chk-6/_metadata", false),
        ("owner/1", false),
        ("owner/1.from", false),
        ("status.json", false),
    ];
    let paths = listed.map(|(path, _)| path.to_owned());
    let doomed = garbage(&paths, OwnerEpoch(3), &retained, std::slice::from_ref(&passed_over));
    let mut expected: Vec<_> = listed.iter().filter(|(_, is_garbage)| *is_garbage).map(|(path, _)| (*path).to_owned()).collect();
    assert!(doomed[0].ends_with("_metadata"), "manifests go first: {doomed:?}");
    expected.sort();
    let mut sorted = doomed;
    sorted.sort();
    assert_eq!(sorted, expected);
    assert_eq!(garbage(&paths, OwnerEpoch(3), &Retained::new(1), &[passed_over]), Vec::<String>::new(), "nothing is restored, nothing is garbage");
}

proptest! {
    #[test]
    fn a_listing_that_lacks_anything_costs_no_live_file(mask in proptest::collection::vec(any::<bool>(), 6), known in proptest::collection::vec(any::<bool>(), 2)) {
        let names: Vec<_> = (1..=6).map(|id| format!("shared/count/1-{id}-0-a.state")).collect();
        let mut retained = Retained::new(2);
        retained.found(&manifest(4, &[&names[2], &names[3]]));
        retained.found(&manifest(5, &[&names[2], &names[3], &names[4]]));
        let newer = manifest(6, &[&names[5]]);
        let found: Vec<_> = [newer.clone(), newer].into_iter().zip(&known).filter(|(_, known)| **known).map(|(one, _)| one).collect();
        let listed: Vec<_> = names.iter().zip(&mask).filter(|(_, is_listed)| **is_listed).map(|(name, _)| name.clone()).collect();
        let doomed = garbage(&listed, OwnerEpoch(2), &retained, &found);
        for live in &names[2..5] {
            prop_assert!(!doomed.contains(live));
        }
    }
}

#[test]
fn a_pinned_checkpoint_stays_beside_the_newest() {
    let mut retained = Retained::new(1);
    let mut check = |id: u64, pinned: Option<u64>, doomed: &[u64], left: &[u64]| {
        retained.pin(pinned.map(CheckpointId));
        let found: Vec<_> = retained.completed(&sample::manifest(id, 1, &[])).checkpoints.iter().map(|id| id.0).collect();
        assert_eq!(found, doomed, "at {id}");
        assert_eq!(retained.newest_first().iter().map(|id| id.0).collect::<Vec<_>>(), left, "at {id}");
    };
    check(1, None, &[], &[1]);
    check(2, Some(2), &[1], &[2]);
    check(3, Some(2), &[], &[3, 2]);
    check(4, Some(2), &[3], &[4, 2]);
    check(5, None, &[2, 4], &[5]);
}
