//! Files read back, files that were damaged, and what a file costs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use proptest::prelude::*;
use weir_model::codec::Codec;
use weir_model::describe::{StateDescriptor, StateKind};
use weir_model::id::Parallelism;
use weir_model::key_group::{KeyGroup, MaxParallelism, hash_key};

use crate::layout::Layout;
use crate::{Captured, FileError, SnapshotScope, StateFile, StateFileIndex, StateFileInfo, StateRow};

/// State, key group, key, sub-key, value, time.
type Row = (usize, u32, Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>, u32);

fn states() -> Vec<StateDescriptor> {
    let state =
        |name: &str, kind| StateDescriptor { name: name.to_owned(), kind, value: Codec::from_name("u64-le"), schema_version: 3, ttl_ms: 5000 };
    vec![state("count", StateKind::Value), state("list", StateKind::List), state("map", StateKind::Map)]
}

fn new_captured(scope: SnapshotScope, states: &[StateDescriptor]) -> Captured {
    Captured::new(scope).of(Arc::new(Layout::new(states).saved()))
}

fn file(rows: &[Row], scope: SnapshotScope) -> StateFile {
    let mut captured = new_captured(scope, &states());
    for (state, group, key, sub_key, value, written_s) in rows {
        let row =
            StateRow { state: *state, key_group: KeyGroup(*group), key, sub_key: sub_key.as_deref(), value: value.as_deref(), written_s: *written_s };
        captured.push(&row);
    }
    captured.into_file().unwrap()
}

/// The bytes of a range, or what there is of them.
fn part(bytes: &[u8], range: &Range<u64>) -> Vec<u8> {
    bytes.iter().skip(range.start as usize).take((range.end - range.start) as usize).copied().collect()
}

/// The rows of some key groups, read as a restore reads them.
fn read(bytes: &[u8], expected: &StateFileInfo, key_groups: &Range<u32>) -> Result<Vec<Row>, FileError> {
    let tail = StateFileIndex::tail_bytes(expected.bytes);
    let index = match StateFileIndex::parse(&part(bytes, &tail), expected) {
        Err(FileError::TailTooShort { needed }) => StateFileIndex::parse(&part(bytes, &needed), expected)?,
        index => index?,
    };
    assert_eq!(index.states(), states());
    let mut rows = Vec::new();
    for range in index.ranges(key_groups) {
        index.read(&range, &part(bytes, &range), key_groups, |row| -> Result<(), FileError> {
            let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
            rows.push((row.state, row.key_group.0, row.key.to_vec(), owned(row.sub_key), owned(row.value), row.written_s));
            Ok(())
        })?;
    }
    Ok(rows)
}

/// Rows in the order that files promise, without those under a key that was cleared later.
fn sorted(rows: &[Row]) -> Vec<Row> {
    let clears = rows.iter().enumerate().filter(|(_, row)| row.3.is_none() && row.4.is_none());
    let clears: BTreeMap<_, _> = clears.map(|(at, (state, group, key, ..))| ((state, group, key), at)).collect();
    let is_cleared = |at: usize, (state, group, key, sub_key, ..): &Row| {
        sub_key.is_some() && clears.get(&(state, group, key)).is_some_and(|cleared_at| *cleared_at > at)
    };
    let mut rows: Vec<_> = rows.iter().enumerate().filter(|(at, row)| !is_cleared(*at, row)).map(|(_, row)| row.clone()).collect();
    rows.sort();
    rows
}

fn some_bytes(length_max: usize) -> impl Strategy<Value = Vec<u8>> {
    // Few different bytes, so that keys share their beginnings; and bytes of zero, which a padded prefix can't tell from an end.
    let byte = |seed: u64, at: usize| [0, 1, 255, (seed >> (at * 8 % 64)) as u8][(seed >> (at * 2 % 64)) as usize & 3];
    (any::<u64>(), 0..length_max).prop_map(move |(seed, length)| (0..length).map(|at| byte(seed, at)).collect())
}

fn some_rows(rows_max: usize) -> impl Strategy<Value = Vec<Row>> {
    let at = (0..3usize, 0..40u32, some_bytes(20), proptest::option::of(some_bytes(20)));
    let what = (proptest::option::of(prop_oneof![20 => some_bytes(30), 1 => some_bytes(20_000)]), prop_oneof![Just(1_700_000_000u32), any::<u32>()]);
    proptest::collection::btree_map(at, what, 0..rows_max)
        .prop_map(|rows| {
            rows.into_iter().map(|((state, group, key, sub_key), (value, written_s))| (state, group, key, sub_key, value, written_s)).collect()
        })
        .prop_shuffle()
}

/// As many rows as fill some blocks: a counter a key, and some lists.
fn many_rows(keys: u64) -> Vec<Row> {
    let groups = MaxParallelism::new(Parallelism::new(128).unwrap(), Parallelism::ONE).unwrap();
    let row = |number: u64| {
        let key = hash_key(&number.to_le_bytes()).to_be_bytes().to_vec();
        let group = groups.key_group(hash_key(&key)).0;
        let value = (number * 7919).to_le_bytes().to_vec();
        // Written within a day.
        let written_s = 1_700_000_000 + (hash_key(&value) % 86_400) as u32;
        (0, group, key, None, Some(value), written_s)
    };
    (0..keys).map(row).collect()
}

#[test]
fn an_entry_of_eight_and_eight_bytes_takes_at_most_twenty() {
    let keys = 100_000;
    let rows = many_rows(keys);
    let written = file(&rows, SnapshotScope::Full);
    let bytes_a_row = written.info.bytes as f64 / keys as f64;
    assert!(bytes_a_row <= 20.0, "{bytes_a_row} bytes for each");
    assert_eq!((written.info.rows, written.info.bytes, &written.info.key_groups), (keys, written.bytes.len() as u64, &(0..128)));
    assert!(read(&written.bytes, &written.info, &(0..128)).unwrap() == sorted(&rows));
}

#[test]
fn a_file_lists_a_name_once_for_each_version_and_the_later_row_holds_whatever_its_version() {
    let old = StateDescriptor { schema_version: 2, value: Codec::Utf8, ..states().remove(0) };
    let old_map = StateDescriptor { schema_version: 1, ..states().remove(2) };
    let mut layout = Layout::new(&states());
    let [Some(old_number), Some(old_map_number)] = layout.accept(&[old.clone(), old_map.clone()], &|_| false).unwrap()[..] else { panic!() };
    let mut captured = Captured::new(SnapshotScope::Changes).of(Arc::new(layout.saved()));
    let mut push = |state, key: &str, sub_key: Option<&str>, value: Option<&str>| {
        let (sub_key, value) = (sub_key.map(str::as_bytes), value.map(str::as_bytes));
        captured.push(&StateRow { state, key_group: KeyGroup(1), key: key.as_bytes(), sub_key, value, written_s: 5 });
    };
    push(old_number, "replaced", None, Some("old"));
    push(0, "replaced", None, Some("new"));
    push(old_number, "kept", None, Some("old"));
    push(old_number, "deleted", None, Some("old"));
    push(old_number, "deleted", None, None);
    push(old_map_number, "map", Some("a"), Some("gone"));
    push(old_map_number, "map", None, None);
    push(old_map_number, "map", Some("b"), Some("old"));
    push(2, "map", Some("c"), Some("new"));
    let written = captured.into_file().unwrap();
    let index = StateFileIndex::parse(&written.bytes, &written.info).unwrap();
    assert_eq!(index.states(), [states(), vec![old, old_map]].concat());
    let mut rows = Vec::new();
    for range in index.ranges(&(0..2)) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let read = index.read(&range, &part(&written.bytes, &range), &(0..2), |row| -> Result<(), FileError> {
            rows.push((row.state, text(row.key), row.sub_key.map(text), row.value.map(text)));
            Ok(())
        });
        read.unwrap();
    }
    let row = |state: usize, key: &str, sub_key: Option<&str>, value: Option<&str>| {
        (state, key.to_owned(), sub_key.map(str::to_owned), value.map(str::to_owned))
    };
    let expected = [
        row(0, "deleted", None, None),
        row(0, "replaced", None, Some("new")),
        row(2, "map", None, None),
        row(2, "map", Some("c"), Some("new")),
        row(3, "kept", None, Some("old")),
        row(4, "map", Some("b"), Some("old")),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_reader_of_some_key_groups_fetches_little_more_than_those() {
    let rows = many_rows(100_000);
    let written = file(&rows, SnapshotScope::Full);
    let index = StateFileIndex::parse(&written.bytes, &written.info).unwrap();
    let bytes: u64 = index.ranges(&(32..64)).iter().map(|range| range.end - range.start).sum();
    // A quarter, and at each end at most one block.
    assert!(bytes < written.info.bytes / 4 + 2 * (80 << 10), "{bytes} of {}", written.info.bytes);
    assert_eq!(index.ranges(&(128..200)), []);
    let own: Vec<Row> = sorted(&rows).into_iter().filter(|(_, group, ..)| (32..64).contains(group)).collect();
    assert!(read(&written.bytes, &written.info, &(32..64)).unwrap() == own);
}

#[test]
fn a_footer_longer_than_the_usual_tail_is_asked_for() {
    let named = [StateDescriptor { name: "n".repeat(100 << 10), ..states().remove(0) }];
    let mut captured = new_captured(SnapshotScope::Full, &named);
    let value = vec![5; 200 << 10];
    captured.push(&StateRow { state: 0, key_group: KeyGroup(1), key: b"k", sub_key: None, value: Some(&value), written_s: 9 });
    let written = captured.into_file().unwrap();
    let tail = StateFileIndex::tail_bytes(written.info.bytes);
    let Err(FileError::TailTooShort { needed }) = StateFileIndex::parse(&part(&written.bytes, &tail), &written.info) else { panic!("parsed") };
    assert!(needed.start < tail.start && needed.end == written.info.bytes);
    let index = StateFileIndex::parse(&part(&written.bytes, &needed), &written.info).unwrap();
    let ranges = index.ranges(&(0..2));
    assert_eq!((index.states(), ranges.len(), ranges.first()), (named.as_slice(), 1, Some(&(0..needed.start))));
}

#[test]
fn each_kind_of_damage_has_its_name() {
    let written = file(&many_rows(20_000), SnapshotScope::Full);
    let mut other_rows = many_rows(20_000);
    other_rows[7].4 = Some(vec![7; 8]);
    let another = file(&other_rows, SnapshotScope::Full);
    let (bytes, info) = (&written.bytes, &written.info);
    let index = StateFileIndex::parse(bytes, info).unwrap();
    let second = index.blocks[1].0;
    let end = bytes.len();
    let check = |what: &str, bytes: &[u8], expected: &StateFileInfo, error: FileError| {
        let found = read(bytes, expected, &(0..128)).err();
        assert_eq!(found, Some(error), "{what}");
    };
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 4;
        bytes
    };
    check("nothing", &[], info, FileError::NotAStateFile);
    check("cut off", &bytes[..end - 1], info, FileError::NotAStateFile);
    check("a bit of the second block", &flipped(second as usize + 700), info, FileError::BlockDamaged { at: second });
    check("a bit of the footer", &flipped(end - 40), info, FileError::FooterDamaged);
    check("a bit of the version", &flipped(end - 12), info, FileError::Version { found: 5 });
    check("a bit of the magic bytes", &flipped(end - 1), info, FileError::NotAStateFile);
    let (expected, found) = (info.checksum, another.info.checksum);
    check("another file", &another.bytes, info, FileError::AnotherFile { expected, found });
    let fewer = StateFileInfo { rows: 1, ..info.clone() };
    check("other facts", bytes, &fewer, FileError::Malformed { what: "its footer doesn't say what the checkpoint says" });
    let mut swapped = bytes[second as usize..second as usize * 2].to_vec();
    swapped.extend_from_slice(&bytes[..second as usize]);
    swapped.extend_from_slice(&bytes[second as usize * 2..]);
    check("two parts swapped", &swapped, info, FileError::BlockDamaged { at: 0 });
    let some = index.read(&(1..second), &bytes[1..second as usize], &(0..128), |_| Ok::<_, FileError>(()));
    assert_eq!(some, Err(FileError::NotBlocks { range: 1..second, found: second as usize - 1 }));
}

/// A change to a file's bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Cut { to: usize },
    Flip { at: usize, bit: u8 },
    Overwrite { at: usize, with: Vec<u8> },
    Swap { a: usize, b: usize, length: usize },
    Remove { at: usize, length: usize },
    Insert { at: usize, bytes: Vec<u8> },
}

fn some_mutation() -> impl Strategy<Value = Mutation> {
    let bytes = || proptest::collection::vec(any::<u8>(), 1..20);
    // Places count from the end as often as from anywhere, for there the footer is.
    let at = || prop_oneof![any::<usize>(), (0..200usize).prop_map(|back| usize::MAX - back)];
    prop_oneof![
        at().prop_map(|to| Mutation::Cut { to }),
        (at(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip { at, bit }),
        (at(), bytes()).prop_map(|(at, with)| Mutation::Overwrite { at, with }),
        (at(), at(), 1..2000usize).prop_map(|(a, b, length)| Mutation::Swap { a, b, length }),
        (at(), 1..2000usize).prop_map(|(at, length)| Mutation::Remove { at, length }),
        (at(), bytes()).prop_map(|(at, bytes)| Mutation::Insert { at, bytes }),
    ]
}

fn mutate(bytes: &[u8], mutation: &Mutation) -> Vec<u8> {
    let mut mutated = bytes.to_vec();
    let place = |at: usize| if at > usize::MAX / 2 + usize::MAX / 4 { bytes.len().saturating_sub(usize::MAX - at) } else { at % (bytes.len() + 1) };
    let end = |at: usize, length: usize| (at + length).min(bytes.len());
    match mutation {
        Mutation::Cut { to } => mutated.truncate(place(*to)),
        Mutation::Flip { at, bit } => mutated[place(*at).min(bytes.len() - 1)] ^= 1 << bit,
        Mutation::Overwrite { at, with } => mutated[place(*at)..].iter_mut().zip(with).for_each(|(to, from)| *to = *from),
        Mutation::Swap { a, b, length } => (0..*length).for_each(|at| {
            let (a, b) = (place(*a) + at, place(*b) + at);
            if a.max(b) < bytes.len() {
                mutated.swap(a, b);
            }
        }),
        Mutation::Remove { at, length } => drop(mutated.drain(place(*at)..end(place(*at), *length))),
        Mutation::Insert { at, bytes } => drop(mutated.splice(place(*at)..place(*at), bytes.iter().copied())),
    }
    mutated
}

proptest! {
    #[test]
    fn rows_read_back_sorted_whatever_their_order((rows, groups) in (some_rows(300), (0..40u32, 0..41u32))) {
        let written = file(&rows, SnapshotScope::Changes);
        prop_assert_eq!(written.info.rows, sorted(&rows).len() as u64);
        prop_assert_eq!(read(&written.bytes, &written.info, &(0..u32::MAX)), Ok(sorted(&rows)));
        let groups = groups.0..groups.1;
        let own: Vec<Row> = sorted(&rows).into_iter().filter(|(_, group, ..)| groups.contains(group)).collect();
        prop_assert_eq!(read(&written.bytes, &written.info, &groups), Ok(own));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn a_changed_file_is_refused_or_reads_the_same((rows, mutation) in (some_rows(60), some_mutation())) {
        let written = file(&rows, SnapshotScope::Full);
        let mutated = mutate(&written.bytes, &mutation);
        match read(&mutated, &written.info, &(0..u32::MAX)) {
            Ok(read) => prop_assert_eq!(read, sorted(&rows)),
            Err(error) => prop_assert!(mutated != written.bytes, "{}", error),
        }
    }

    #[test]
    fn a_file_of_other_rows_is_refused(rows in some_rows(20), other in some_rows(20)) {
        let (written, another) = (file(&rows, SnapshotScope::Full), file(&other, SnapshotScope::Full));
        let found = read(&another.bytes, &written.info, &(0..u32::MAX));
        prop_assert!(found == Ok(sorted(&rows)) || found.is_err() && another != written);
    }

    /// As a bug in a writer, or somebody who knows the format, could make it: the checksums are right.
    #[test]
    fn a_block_of_any_bytes_is_read_or_refused_without_a_panic(rows in some_rows(20), mutation in some_mutation(), state in 0..3u32) {
        let written = file(&rows, SnapshotScope::Full);
        let index = StateFileIndex::parse(&written.bytes, &written.info).unwrap();
        let Some((at, block)) = index.blocks.iter().find(|(_, block)| block.state == state) else { return Ok(()) };
        let bytes = mutate(&part(&written.bytes, &(*at..at + block.bytes)), &mutation);
        let mut rows = 0;
        let read = super::block::read_block(block, &bytes, &(0..u32::MAX), |_| -> Result<(), FileError> {
            rows += 1;
            Ok(())
        });
        prop_assert!(read.is_err() || rows == block.rows);
    }
}
