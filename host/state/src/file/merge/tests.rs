//! Merges against a map that is written to file by file.

use std::collections::BTreeMap;

use proptest::prelude::*;
use weir_model::codec::Codec;
use weir_model::describe::StateKind;
use weir_model::key_group::KeyGroup;

use super::*;
use crate::file::block::BlockWriter;
use crate::file::write::finish;
use crate::file::{StateFile, StateFileInfo};
use crate::row::SnapshotScope;

/// Family, key group, key, sub-key.
type Address = (usize, u32, Vec<u8>, Option<Vec<u8>>);
/// Schema version, value, when it was written.
type Cell = (u32, Option<Vec<u8>>, u32);

const FAMILIES: [(&str, StateKind); 2] = [("count", StateKind::Value), ("map", StateKind::Map)];

fn state(family: usize, schema_version: u32) -> StateDescriptor {
    let (name, kind) = FAMILIES[family];
    // A codec may change with the version.
    let value = Codec::from_name(&format!("postcard:{schema_version}"));
    StateDescriptor { name: name.to_owned(), kind, value, schema_version, ttl_ms: 0 }
}

/// A file that lists its states in this order.
fn file(states: &[StateDescriptor], rows: &BTreeMap<Address, Cell>, scope: SnapshotScope) -> StateFile {
    let (mut block, mut blocks, mut bytes, mut count) = (BlockWriter::default(), Vec::new(), Vec::new(), 0);
    for (number, descriptor) in states.iter().enumerate() {
        let is_own = |family: usize, version: u32| *descriptor == state(family, version);
        for ((_, group, key, sub_key), (_, value, written_s)) in rows.iter().filter(|((family, ..), (version, ..))| is_own(*family, *version)) {
            let row = StateRow {
                state: number,
                key_group: KeyGroup(*group),
                key,
                sub_key: sub_key.as_deref(),
                value: value.as_deref(),
                written_s: *written_s,
            };
            if block.is_full_for(&row) {
                blocks.extend(block.finish(&mut bytes));
            }
            block.push(&row);
            count += 1;
        }
    }
    blocks.extend(block.finish(&mut bytes));
    finish(scope, count, states, blocks, bytes)
}

fn index(file: &StateFile) -> StateFileIndex {
    StateFileIndex::parse(&file.bytes, &file.info).unwrap()
}

/// All rows of a merge, in the order in which they come; they may break off after each.
fn merged(files: &[StateFile], name: Option<&str>, key_groups: Range<u32>, pause: bool) -> Result<Vec<(Address, Cell)>, MergeError> {
    let mut merge = MergedRows::new(files.iter().map(index).collect(), name, key_groups)?;
    let states = merge.states().to_vec();
    let mut rows = Vec::new();
    loop {
        let step = merge.next(|row| {
            let state = &states[row.state];
            let family = FAMILIES.iter().position(|(name, _)| *name == state.name).unwrap();
            let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
            rows.push(((family, row.key_group.0, row.key.to_vec(), owned(row.sub_key)), (state.schema_version, owned(row.value), row.written_s)));
            if pause { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        match step {
            MergeStep::Fetch { file, range } => merge.supply(&files[file].bytes[range.start as usize..range.end as usize])?,
            MergeStep::Paused => assert!(pause),
            MergeStep::Done => return Ok(rows),
        }
    }
}

/// What is there once all files are applied.
fn expected(files: &[BTreeMap<Address, Cell>]) -> BTreeMap<Address, Cell> {
    let mut all = BTreeMap::new();
    for rows in files {
        for (family, group, key, _) in
            rows.iter().filter(|((_, _, _, sub_key), (_, value, _))| sub_key.is_none() && value.is_none()).map(|(at, _)| at)
        {
            all.retain(|(other, at, other_key, _): &Address, _| (other, at, other_key) != (family, group, key));
        }
        all.extend(rows.iter().map(|(at, cell)| (at.clone(), cell.clone())));
        all.retain(|_, (_, value, _)| value.is_some());
    }
    all
}

fn some_file(versions: &'static [u32]) -> impl Strategy<Value = BTreeMap<Address, Cell>> {
    let bytes = || proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(255)], 0..3);
    let at = (0..2usize, 0..6u32, bytes(), proptest::option::of(bytes()));
    let value = prop_oneof![20 => proptest::collection::vec(any::<u8>(), 0..9), 1 => Just(vec![7; 40_000])];
    let cell = (proptest::sample::select(versions), proptest::option::weighted(0.7, value), any::<u32>());
    proptest::collection::btree_map(at, cell, 0..40).prop_map(|rows| {
        let fits = |(family, group, key, sub_key): Address, (version, value, written_s): Cell| match family {
            0 => ((family, group, key, None), (version, value, written_s)),
            // Without a sub-key, it is the mark that all is cleared.
            _ if sub_key.is_none() => ((family, group, key, None), (version, None, 0)),
            _ => ((family, group, key, sub_key), (version, value, written_s)),
        };
        rows.into_iter().map(|(at, cell)| fits(at, cell)).collect()
    })
}

/// Files from the oldest to the newest, with the schema versions of the function that wrote them.
fn some_files() -> impl Strategy<Value = Vec<(Vec<u32>, BTreeMap<Address, Cell>)>> {
    let one = |versions: &'static [u32]| some_file(versions).prop_map(move |rows| (versions.to_vec(), rows));
    proptest::collection::vec(prop_oneof![one(&[1]), one(&[2, 1]), one(&[1, 3]), one(&[3, 2, 1])], 1..7)
}

fn written(files: &[(Vec<u32>, BTreeMap<Address, Cell>)]) -> Vec<StateFile> {
    let states = |versions: &[u32]| -> Vec<_> { [1, 0].iter().flat_map(|family| versions.iter().map(|version| state(*family, *version))).collect() };
    files.iter().map(|(versions, rows)| file(&states(versions), rows, SnapshotScope::Changes)).collect()
}

/// The versions of a name stand together, the newest first.
fn check_states(states: &[StateDescriptor]) {
    let mut sorted = states.to_vec();
    sorted.sort_by_key(|state| (states.iter().position(|other| other.name == state.name), std::cmp::Reverse(state.schema_version)));
    assert_eq!(states, sorted);
}

proptest! {
    #[test]
    fn a_merge_gives_what_is_left_when_all_files_are_applied(files in some_files(), pause in any::<bool>(), groups in (0..6u32, 0..7u32)) {
        let inputs = written(&files);
        let model = expected(&files.into_iter().map(|(_, rows)| rows).collect::<Vec<_>>());
        let found = merged(&inputs, None, 0..6, pause).unwrap();
        // In order within a state, and nothing twice.
        let families: Vec<usize> = found.iter().map(|((family, ..), _)| *family).collect();
        prop_assert!(families.chunk_by(|a, b| a == b).count() <= 2, "{families:?}");
        prop_assert!(found.is_sorted_by(|(a, _), (b, _)| a.0 != b.0 || a < b));
        prop_assert_eq!(found.iter().cloned().collect::<BTreeMap<_, _>>(), model.clone());
        let range = groups.0..groups.1;
        let some: Vec<_> = model.iter().filter(|((family, group, ..), _)| *family == 1 && range.contains(group)).map(|(at, cell)| (at.clone(), cell.clone())).collect();
        prop_assert_eq!(merged(&inputs, Some("map"), range, pause).unwrap(), some);
    }

    #[test]
    fn what_is_merged_becomes_full_files_of_the_same_rows(files in some_files(), file_bytes in prop_oneof![Just(1), Just(100_000)]) {
        let inputs = written(&files);
        let found = merged(&inputs, None, 0..6, false).unwrap();
        let mut merge = MergedRows::new(inputs.iter().map(index).collect(), None, 0..6).unwrap();
        check_states(merge.states());
        let (mut writer, mut sorter) = (StateFilesWriter::with_file_bytes(merge.states(), file_bytes), RowSorter::new(merge.states()));
        let mut full = Vec::new();
        loop {
            let step = merge.next(|row| {
                full.extend(writer.push(row));
                assert!(!sorter.push(row));
                ControlFlow::Continue(())
            });
            let MergeStep::Fetch { file, range } = step.unwrap() else { break };
            merge.supply(&inputs[file].bytes[range.start as usize..range.end as usize]).unwrap();
        }
        full.extend(writer.finish());
        prop_assert!(full.iter().all(|file| file.info.scope == SnapshotScope::Full));
        prop_assert_eq!(full.iter().map(|file| file.info.rows).sum::<u64>(), found.len() as u64);
        prop_assert!(!full.is_empty());
        // An older version is only listed where there are rows of it.
        for file in full.iter().map(index) {
            let older = file.states().iter().filter(|state| merge.states().iter().any(|other| other.name == state.name && other.schema_version > state.schema_version));
            prop_assert!(older.count() == 0 || file.states().len() == 1 && !file.blocks.is_empty());
        }
        // Full files may be given in any order.
        full.reverse();
        prop_assert_eq!(merged(&full, None, 0..6, false).unwrap().into_iter().collect::<BTreeMap<_, _>>(), found.clone().into_iter().collect());
        let sorted = sorter.take_files();
        prop_assert_eq!(merged(&sorted, None, 0..6, false).unwrap().into_iter().collect::<BTreeMap<_, _>>(), found.into_iter().collect());
    }
}

#[test]
fn rows_out_of_order_are_refused() {
    let row = |key: &[u8]| ((0, 3, key.to_vec(), None), (1, Some(vec![1]), 0));
    let states = [state(0, 1), StateDescriptor { name: "map".to_owned(), ..state(0, 1) }];
    let good = file(&states, &[row(b"a"), row(b"b")].into_iter().collect(), SnapshotScope::Full);
    assert_eq!(merged(std::slice::from_ref(&good), None, 0..6, false).unwrap().len(), 2);
    let (mut block, mut bytes) = (BlockWriter::default(), Vec::new());
    for key in [b"b", b"a"] {
        block.push(&StateRow { state: 0, key_group: KeyGroup(3), key, sub_key: None, value: Some(&[1]), written_s: 0 });
    }
    let blocks = block.finish(&mut bytes).into_iter().collect();
    let wrong = finish(SnapshotScope::Full, 2, &states, blocks, bytes);
    let error = merged(&[good, wrong], None, 0..6, false).unwrap_err();
    assert_eq!(error, MergeError::File { file: 1, error: FileError::Malformed { what: "its rows aren't in order" } });
}

#[test]
fn a_damaged_block_is_named_with_its_file() {
    let row = |key: &[u8]| ((0, 3, key.to_vec(), None), (1, Some(vec![1]), 0));
    let good = file(&[state(0, 1)], &[row(b"a")].into_iter().collect(), SnapshotScope::Full);
    let mut bad = good.clone();
    bad.bytes[3] ^= 1;
    let error = merged(&[good, bad], None, 0..6, false).unwrap_err();
    assert_eq!(error, MergeError::File { file: 1, error: FileError::BlockDamaged { at: 0 } });
}

#[test]
fn files_that_mean_another_thing_by_a_name_are_refused() {
    let check = |other: StateDescriptor, fits: bool| {
        let files = [state(0, 1), other].map(|state| file(&[state], &BTreeMap::new(), SnapshotScope::Full));
        assert_eq!(merged(&files, None, 0..6, false).is_ok(), fits);
    };
    check(state(0, 1), true);
    check(StateDescriptor { ttl_ms: 5, ..state(0, 1) }, true);
    check(StateDescriptor { value: Codec::Json, schema_version: 2, ..state(0, 1) }, true);
    check(StateDescriptor { value: Codec::Json, ..state(0, 1) }, false);
    check(StateDescriptor { kind: StateKind::Map, schema_version: 2, ..state(0, 1) }, false);
}

#[test]
fn a_file_without_rows_still_says_which_states_there_are() {
    let files = StateFilesWriter::new(&[state(0, 2), state(0, 1), state(1, 1)]).finish();
    let info: Vec<&StateFileInfo> = files.iter().map(|file| &file.info).collect();
    assert_eq!((info.len(), info[0].rows, info[0].key_groups.clone()), (1, 0, 0..0));
    assert_eq!(index(&files[0]).states(), [state(0, 2), state(1, 1)]);
}
