//! State on disk: what fits in memory and what does not, against a model.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;
use weir_model::key_group::KeyGroup;

use super::*;

const MEMORY_BYTES: u64 = 1 << 20;

type Bytes = Vec<u8>;
type Rows = BTreeMap<Bytes, Option<Bytes>>;
type Contents = BTreeMap<Bytes, Bytes>;

impl From<Infallible> for DiskError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

fn new_store(dir: &Path) -> DiskStore {
    DiskStore::create(&dir.join("state"), MEMORY_BYTES).unwrap()
}

fn ingest(store: &DiskStore, rows: &Rows) {
    store.ingest(rows.iter().map(|(key, value)| Ok::<_, Infallible>((key, value.as_ref())))).unwrap();
}

fn get(store: &DiskStore, key: &[u8]) -> Option<Bytes> {
    store.get(key).unwrap().map(|value| value.to_vec())
}

fn change(contents: &mut Contents, rows: &Rows) {
    for (key, value) in rows {
        match value {
            Some(value) => drop(contents.insert(key.clone(), value.clone())),
            None => drop(contents.remove(key)),
        }
    }
}

fn read(scan: DiskScan) -> Contents {
    let rows: Vec<_> = scan.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect();
    assert!(rows.is_sorted_by(|a, b| a.0 < b.0), "a scan ascends and has no key twice");
    rows.into_iter().collect()
}

/// Few distinct keys, so that runs overlap.
fn any_key() -> impl Strategy<Value = Bytes> {
    vec(prop_oneof![Just(0_u8), Just(1), Just(0xFF)], 1..5)
}

fn any_rows() -> impl Strategy<Value = Rows> {
    btree_map(any_key(), proptest::option::of(vec(any::<u8>(), 0..40)), 0..40)
}

#[derive(Debug, Clone)]
enum Step {
    Ingest(Rows),
    Get(Bytes),
    Scan(Bytes),
    Pin,
    ReadPinned(Index),
    Merge,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any_rows().prop_map(Step::Ingest),
        2 => any_key().prop_map(Step::Get),
        2 => vec(prop_oneof![Just(0_u8), Just(1), Just(0xFF)], 0..3).prop_map(Step::Scan),
        1 => Just(Step::Pin),
        1 => any::<Index>().prop_map(Step::ReadPinned),
        2 => Just(Step::Merge),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn it_holds_what_a_sorted_map_holds(steps in vec(any_step(), 1..30)) {
        let dir = tempfile::tempdir().unwrap();
        let store = new_store(dir.path());
        let mut contents = Contents::new();
        let mut pinned = Vec::new();
        for step in steps {
            match step {
                Step::Ingest(rows) => {
                    ingest(&store, &rows);
                    change(&mut contents, &rows);
                }
                Step::Get(key) => prop_assert_eq!(get(&store, &key), contents.get(&key).cloned()),
                Step::Scan(prefix) => {
                    let mut expected = contents.clone();
                    expected.retain(|key, _| key.starts_with(&prefix));
                    prop_assert_eq!(read(store.scan(&prefix)), expected);
                }
                Step::Pin => pinned.push((store.scan(&[]), contents.clone())),
                Step::ReadPinned(at) if !pinned.is_empty() => {
                    let (scan, then) = pinned.swap_remove(at.index(pinned.len()));
                    prop_assert_eq!(read(scan), then);
                }
                Step::ReadPinned(_) => {}
                Step::Merge => while store.merge_some().unwrap() {},
            }
        }
        prop_assert_eq!(read(store.scan(&[])), contents);
        for (scan, then) in pinned {
            prop_assert_eq!(read(scan), then);
        }
    }
}

/// Rows of run `run`: 40,000 of 300 bytes, among keys of which each run replaces a part and deletes a part.
fn large_run(run: u64) -> Rows {
    let row = |i: u64| {
        let key = (i * (run + 3) % 100_003).to_be_bytes().to_vec();
        (key, (i % 5 != run % 5).then(|| [run.to_le_bytes().as_slice(), &[i as u8; 292]].concat()))
    };
    (0..40_000).map(row).collect()
}

#[test]
fn a_scan_in_a_thread_sees_its_moment_while_rows_are_written_and_merged() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let mut contents = Contents::new();
    let mut merges = 0;
    thread::scope(|scope| {
        for run in 0..8 {
            let rows = large_run(run);
            ingest(&store, &rows);
            change(&mut contents, &rows);
            let (scan, then) = (store.scan(&[]), contents.clone());
            scope.spawn(move || assert!(read(scan) == then, "the scan begun after run {run}"));
            while store.merge_some().unwrap() {
                merges += 1;
            }
        }
    });
    assert!(merges > 0, "the files of the scans were replaced");
    assert!(store.disk_bytes() > 2 * TABLE_BYTES, "there were several tables");
    assert!(store.runs() <= usize::from(RUNS_MAX));
    assert!(read(store.scan(&[])) == contents);
    for key in (0..100_003_u64).step_by(7).map(u64::to_be_bytes) {
        assert_eq!(get(&store, &key), contents.get(key.as_slice()).cloned());
    }
}

#[test]
fn writing_and_merging_and_reading_go_on_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let merging = store.clone();
        scope.spawn(move || {
            while matches!(is_done.try_recv(), Err(mpsc::TryRecvError::Empty)) {
                merging.merge_some().unwrap();
            }
        });
        for run in 0..20_u8 {
            ingest(&store, &(0..2_000_u32).map(|key| (key.to_be_bytes().to_vec(), Some(vec![run]))).collect());
            for key in (0..2_000_u32).map(u32::to_be_bytes) {
                assert_eq!(get(&store, &key), Some(vec![run]));
            }
        }
        drop(done);
    });
}

#[test]
fn replaced_files_are_gone_once_no_scan_holds_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let tables = || std::fs::read_dir(dir.path().join("state/tables")).unwrap().count();
    for run in 0..RUNS_MAX {
        ingest(&store, &(0..100_u32).map(|key| (key.to_be_bytes().to_vec(), Some(vec![run]))).collect());
    }
    let scan = store.scan(&[]);
    while store.merge_some().unwrap() {}
    assert_eq!((store.runs(), store.rows_estimate()), (0, 100));
    assert!(tables() > 1, "the scan holds them");
    assert_eq!(scan.count(), 100);
    assert_eq!(tables(), 1);
}

/// What an ingest of these rows says, and that none of them is visible then.
fn check_refused(rows: Vec<Result<(Bytes, Option<Bytes>), DiskError>>, expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let refused = store.ingest(rows).map_err(|error| error.to_string());
    assert_eq!(refused.unwrap_err().replace(&dir.path().display().to_string(), "DIR"), expected);
    assert_eq!(store.scan(&[]).count(), 0);
    ingest(&store, &Rows::from([(vec![1], Some(vec![1]))]));
    assert_eq!(get(&store, &[1]), Some(vec![1]), "it can be used further");
}

#[test]
fn rows_that_the_tree_would_panic_on_are_refused() {
    let row = |key: &[u8]| Ok((key.to_vec(), Some(vec![7])));
    check_refused(vec![row(b"b"), row(b"a")], "rows for the state on disk came out of order");
    check_refused(vec![row(b"a"), row(b"a")], "rows for the state on disk came out of order");
    check_refused(vec![row(b"")], "rows for the state on disk came out of order");
    let long = "a key and its sub-key take 65536 bytes, and state on disk can have keys of at most 65535; zero bytes in a key count twice";
    check_refused(vec![row(b"a"), row(&vec![b'b'; KEY_BYTES_MAX + 1])], long);
}

#[test]
fn the_longest_key_and_an_empty_value_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let rows = Rows::from([(vec![b'k'; KEY_BYTES_MAX], Some(vec![])), (vec![b'l'; KEY_BYTES_MAX], Some(vec![9; 100_000]))]);
    ingest(&store, &rows);
    let mut contents = Contents::new();
    change(&mut contents, &rows);
    assert_eq!(read(store.scan(&[])), contents);
}

#[test]
fn a_source_that_fails_leaves_nothing_visible() {
    let dir = tempfile::tempdir().unwrap();
    let what = || DiskError::Damaged { dir: dir.path().into(), what: "the source".to_owned() };
    check_refused(vec![Ok((vec![1], Some(vec![1]))), Err(what())], &what().to_string());
}

#[test]
fn a_folder_that_is_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x"), "").unwrap();
    assert!(matches!(DiskStore::create(dir.path(), MEMORY_BYTES), Err(DiskError::NotEmpty { .. })));
    assert!(matches!(DiskStore::create(&dir.path().join("x"), MEMORY_BYTES), Err(DiskError::Io { .. })), "a file, not a folder");
}

#[test]
fn a_folder_that_vanishes_is_an_error_at_the_next_write() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    std::fs::remove_dir_all(dir.path()).unwrap();
    assert!(matches!(store.ingest([Ok::<_, DiskError>(([1], Some([1])))]), Err(DiskError::Io { .. })));
}

/// Overwrites bytes of the store's table file, in place.
fn damage(dir: &Path, change: impl FnOnce(&mut Bytes)) {
    let path = std::fs::read_dir(dir.join("state/tables")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_file_is_an_error_and_never_a_wrong_answer(at in any::<Index>(), mask in 1_u8.., cut in proptest::bool::weighted(0.2)) {
        let dir = tempfile::tempdir().unwrap();
        let store = new_store(dir.path());
        let rows: Rows = (0..2_000_u32).map(|key| (key.to_be_bytes().to_vec(), Some(key.to_le_bytes().to_vec()))).collect();
        ingest(&store, &rows);
        damage(dir.path(), |bytes| {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
            bytes.truncate(if cut { at } else { bytes.len() });
        });
        let is_damage = |error: &DiskError| matches!(error, DiskError::Damaged { .. });
        for (key, value) in &rows {
            match store.get(key) {
                Ok(found) => prop_assert_eq!(found.as_deref(), value.as_deref()),
                Err(error) => prop_assert!(is_damage(&error), "{}", error),
            }
        }
        let scanned: Result<Vec<_>, _> = store.scan(&[]).collect();
        match scanned {
            Ok(scanned) => prop_assert_eq!(scanned.len(), rows.len()),
            Err(error) => prop_assert!(is_damage(&error), "{}", error),
        }
    }
}

/// Rows by state (0: values, 1: a map), key and sub-key; a map's `None` without a sub-key deletes all under the key.
type Addressed = BTreeMap<(u32, Bytes, Option<Bytes>), Option<Bytes>>;

const HAS_SUB_KEYS: [bool; 2] = [false, true];

fn any_addressed() -> impl Strategy<Value = Addressed> {
    let short = || vec(0..2_u8, 0..2);
    let value = (short(), proptest::option::of(short())).prop_map(|(key, value)| ((0, key, None), value));
    let put = (short(), short(), proptest::option::of(short())).prop_map(|(key, sub_key, value)| ((1, key, Some(sub_key)), value));
    let clear = short().prop_map(|key| ((1, key, None), None));
    vec(prop_oneof![2 => value, 4 => put, 1 => clear], 0..14).prop_map(|rows| rows.into_iter().collect())
}

fn encoded(rows: &Addressed) -> Vec<(Bytes, Option<Bytes>)> {
    let encode = |((state, key, sub_key), value): (&(u32, Bytes, Option<Bytes>), &Option<Bytes>)| {
        let mut bytes = Vec::new();
        RowKey { state: *state, key_group: KeyGroup(0), key, sub_key: sub_key.as_deref() }.encode(&mut bytes);
        (bytes, value.clone())
    };
    rows.iter().map(encode).collect()
}

/// What is left after these changes, one after the other.
fn left(changes: &[Addressed]) -> Vec<(Bytes, Bytes)> {
    let mut all = Addressed::new();
    for rows in changes {
        let cleared: BTreeSet<_> = rows.keys().filter(|row| row.0 == 1 && row.2.is_none()).map(|row| &row.1).collect();
        all.retain(|row, _| row.0 == 0 || !cleared.contains(&row.1));
        all.extend(rows.clone());
    }
    encoded(&all).into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_store_has_what_is_left_of_all_changes(changes in vec(any_addressed(), 0..5)) {
        let dir = tempfile::tempdir().unwrap();
        let store = new_store(dir.path());
        for rows in &changes {
            store.ingest(Replace::new(&store, encoded(rows).into_iter(), &HAS_SUB_KEYS)).unwrap();
        }
        prop_assert_eq!(read(store.scan(&[])).into_iter().collect::<Vec<_>>(), left(&changes));
    }
}
