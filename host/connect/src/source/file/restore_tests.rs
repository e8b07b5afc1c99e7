//! Positions of the file source: what readers gave before a checkpoint and what is read after a restore from it are each record once.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::Ordering;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use weir_model::ErrorKind;
use weir_model::id::CheckpointId;
use weir_model::rows::BatchBuilder;
use weir_model::time::Clock;

use super::*;
use crate::random::Random;
use crate::source::{BatchLimit, OpenedSource, SourceConfig, SourceReader, SourceStatus};
use crate::test_support::{TempFolder, section, texts};

/// A clock that stands still unless it is moved.
#[derive(Default)]
struct Moved(AtomicU64);

impl Clock for Moved {
    fn wall_ms(&self) -> i64 {
        0
    }

    fn monotonic_ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A source that is read, dies, and is restored.
struct Source {
    config: SourceConfig,
    clock: Arc<Moved>,
}

impl Source {
    fn new(folder: &TempFolder, lines: &str, split_bytes: u64) -> Self {
        let mut config = SourceConfig::parse("file", section("sources.in", lines), folder.path()).unwrap();
        if let SourceConfig::File(config) = &mut config {
            config.split_bytes_max = split_bytes;
        }
        Self { config, clock: Arc::default() }
    }

    fn open(&self, parallelism: u32, restored: Option<&[Vec<u8>]>) -> Result<OpenedSource> {
        let clock: SharedClock = Arc::<Moved>::clone(&self.clock);
        self.config.open(&OperatorUid::new("in").unwrap(), Parallelism::new(parallelism).unwrap(), &clock, restored)
    }
}

/// What `reader` has now; `None`: it waits.
async fn read(reader: &mut SourceReader, rows: usize) -> Result<Option<(Vec<String>, SourceStatus)>> {
    let mut out = BatchBuilder::default();
    let status = tokio::select! {
        biased;
        status = reader.next(&mut out, BatchLimit { rows, bytes: usize::MAX }) => Some(status?),
        () = tokio::task::yield_now() => None,
    };
    Ok(status.map(|status| (texts(&out.take()), status)))
}

fn skipped(readers: &[SourceReader]) -> u64 {
    readers.iter().map(|reader| reader.progress().records_skipped).sum()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A kind of file: the keys of the source, whether it is packed, and its content for a number with the records and how many are bad.
#[derive(Debug, Clone, Copy)]
struct Kind {
    keys: &'static str,
    packed: bool,
    make: fn(usize, &mut Random) -> Content,
}

/// What a file holds, its records as they are to be read, and how many bad ones there are.
type Content = (Vec<u8>, Vec<String>, u64);

fn one_in(chances: u64, random: &mut Random) -> bool {
    random.next_u64().is_multiple_of(chances)
}

fn lines(file: usize, random: &mut Random) -> Content {
    let (mut bytes, mut records, mut bad) = (Vec::new(), Vec::new(), 0);
    let count = random.next_u64() % 30;
    for line in 0..count {
        let record = format!("{file}.{line}{}", "-".repeat((random.next_u64() % 60) as usize));
        bytes.extend_from_slice(record.as_bytes());
        if one_in(10, random) {
            bytes.push(0xff);
            bad += 1;
        } else {
            records.push(record);
        }
        if line + 1 < count || one_in(2, random) {
            bytes.push(b'\n');
        }
    }
    (bytes, records, bad)
}

fn json(file: usize, random: &mut Random) -> Content {
    let (mut bytes, mut records, mut bad) = (Vec::new(), Vec::new(), 0);
    for line in 0..random.next_u64() % 30 {
        let record = format!("{{\"k\":\"{file}.{line}\",\"v\":{}}}", random.next_u64());
        match random.next_u64() % 10 {
            0 => bytes.extend_from_slice(b"  \n"),
            1 => {
                bytes.extend_from_slice(&record.as_bytes()[1..]);
                bytes.push(b'\n');
                bad += 1;
            }
            _ => {
                bytes.extend_from_slice(record.as_bytes());
                bytes.push(b'\n');
                records.push(format!("{file}.{line}={record}"));
            }
        }
    }
    (bytes, records, bad)
}

fn csv(file: usize, random: &mut Random) -> Content {
    let (mut bytes, mut records, mut bad) = (b"\xef\xbb\xbfa,b\n".to_vec(), Vec::new(), 0);
    for line in 0..random.next_u64() % 30 {
        match random.next_u64() % 10 {
            0 => bytes.extend_from_slice(b"\r\n"),
            1 => {
                bytes.extend_from_slice(b"one field\n");
                bad += 1;
            }
            2..5 => {
                bytes.extend_from_slice(format!("{file}.{line},\"two\nlines\"\n").as_bytes());
                records.push(format!("{{\"a\":\"{file}.{line}\",\"b\":\"two\\nlines\"}}"));
            }
            _ => {
                bytes.extend_from_slice(format!("{file}.{line},x\n").as_bytes());
                records.push(format!("{{\"a\":\"{file}.{line}\",\"b\":\"x\"}}"));
            }
        }
    }
    (bytes, records, bad)
}

const KINDS: [Kind; 6] = [
    Kind { keys: "", packed: false, make: lines },
    Kind { keys: "", packed: true, make: lines },
    Kind { keys: "format = \"json-lines\"\nkey = \"k\"", packed: false, make: json },
    Kind { keys: "format = \"json-lines\"\nkey = \"k\"", packed: true, make: json },
    Kind { keys: "format = \"csv\"", packed: false, make: csv },
    Kind { keys: "format = \"csv\"", packed: true, make: csv },
];

/// A folder that gets files, and what is in them.
struct Input<'a> {
    folder: &'a TempFolder,
    kind: Kind,
    files: usize,
    records: Vec<String>,
    bad: u64,
}

impl Input<'_> {
    fn add(&mut self, random: &mut Random) {
        let (bytes, records, bad) = (self.kind.make)(self.files, random);
        let (bytes, suffix) = if self.kind.packed { (gzip(&bytes), ".gz") } else { (bytes, "") };
        // A name that sorts anywhere.
        self.folder.file(&format!("in/{}-{}{suffix}", random.next_u64() % 100, self.files), bytes);
        self.files += 1;
        self.records.extend(records);
        self.bad += bad;
    }
}

/// One life of the job: readers, what they gave, and checkpoints under way.
struct Attempt {
    readers: Vec<SourceReader>,
    given: Vec<Vec<String>>,
    /// Per checkpoint: what each reader that has passed had given before, and its position.
    under_way: BTreeMap<u64, BTreeMap<usize, (usize, Vec<u8>)>>,
    complete: Option<(Vec<String>, Vec<Vec<u8>>)>,
}

impl Attempt {
    fn new(opened: OpenedSource) -> Self {
        let given = opened.readers.iter().map(|_| Vec::new()).collect();
        Self { readers: opened.readers, given, under_way: BTreeMap::new(), complete: None }
    }

    /// The oldest checkpoint that `reader` has not passed takes its position.
    fn pass(&mut self, reader: usize) {
        let Some((id, passed)) = self.under_way.iter_mut().find(|(_, passed)| !passed.contains_key(&reader)) else { return };
        let (id, position) = (*id, self.readers[reader].position(CheckpointId(*id)).unwrap());
        passed.insert(reader, (self.given[reader].len(), position));
        if passed.len() == self.readers.len() {
            let cut = passed.iter().flat_map(|(reader, (count, _))| self.given[*reader][..*count].to_vec()).collect();
            self.complete = Some((cut, passed.values().map(|(_, position)| position.clone()).collect()));
            self.readers.iter_mut().for_each(|reader| reader.completed(CheckpointId(id)));
            // It subsumes what is older.
            self.under_way.retain(|other, _| *other > id);
        }
    }
}

/// Reads a folder in several lives, with checkpoints at random moments, and compares with what is in its files.
async fn check(kind: Kind, discover: bool, split_bytes: u64, seed: u64) {
    let mut random = Random::new(seed);
    let folder = TempFolder::new();
    let mut input = Input { folder: &folder, kind, files: 0, records: Vec::new(), bad: 0 };
    for _ in 0..=random.next_u64() % 5 {
        input.add(&mut random);
    }
    let interval = if discover { "discover-interval = \"1s\"" } else { "" };
    let source = Source::new(&folder, &format!("path = \"in\"\non-error = \"skip\"\n{}\n{interval}", kind.keys), split_bytes);
    let (mut committed, mut restored, mut next_id) = (Vec::new(), None::<Vec<Vec<u8>>>, 1);
    let lives = random.next_u64() % 5;
    for life in 0..=lives {
        let parallelism = 1 + (random.next_u64() % 4) as u32;
        let mut attempt = Attempt::new(source.open(parallelism, restored.as_deref()).unwrap());
        let mut quiet = 0;
        // The last life goes on until nothing comes any more.
        for _ in 0.. {
            let reader = (random.next_u64() % u64::from(parallelism)) as usize;
            match random.next_u64() % 16 {
                0 if life < lives => break,
                1 if attempt.under_way.len() < 3 => {
                    attempt.under_way.insert(next_id, BTreeMap::new());
                    next_id += 1;
                }
                2 if attempt.under_way.len() > 1 && one_in(4, &mut random) => drop(attempt.under_way.pop_first()),
                3 if discover && input.files < 12 => {
                    input.add(&mut random);
                    quiet = 0;
                }
                4..8 => attempt.pass(reader),
                _ => {
                    let rows = 1 + (random.next_u64() % 8) as usize;
                    let records = read(&mut attempt.readers[reader], rows).await.unwrap().map_or(Vec::new(), |(records, _)| records);
                    quiet = if records.is_empty() { quiet + 1 } else { 0 };
                    attempt.given[reader].extend(records);
                    source.clock.0.fetch_add(200_000_000, Ordering::Relaxed);
                    if life == lives && quiet > 60 {
                        break;
                    }
                }
            }
        }
        if life == lives {
            committed.extend(attempt.given.concat());
            assert_eq!(skipped(&attempt.readers), input.bad, "bad records");
        } else if let Some((cut, positions)) = attempt.complete {
            committed.extend(cut);
            restored = Some(positions);
        }
    }
    committed.sort();
    input.records.sort();
    assert_eq!(committed, input.records);
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]
    #[test]
    fn each_record_comes_once_over_any_number_of_lives(kind in 0..KINDS.len(), discover: bool, split_bytes in 1..400u64, seed: u64) {
        run(check(KINDS[kind], discover, split_bytes, seed));
    }
}

/// All records of a source that is restored after every call of each reader, or after more and more of them where each life has to pass over
/// what the lives before it have read, with what was skipped.
async fn read_restored(source: &Source, parallelism: &[u32], packed: bool) -> (Vec<String>, u64) {
    let (mut records, mut restored) = (Vec::new(), None::<Vec<Vec<u8>>>);
    for (id, parallelism) in parallelism.iter().cycle().enumerate() {
        let mut opened = source.open(*parallelism, restored.as_deref()).unwrap();
        let mut has_ended = true;
        for reader in &mut opened.readers {
            let mut last = SourceStatus::More;
            for _ in 0..if packed { id + 1 } else { 1 } {
                let (given, status) = read(reader, 1).await.unwrap().unwrap();
                records.extend(given);
                last = status;
            }
            has_ended &= last == SourceStatus::End;
        }
        if has_ended {
            let bytes_read: u64 = opened.readers.iter().map(|reader| reader.progress().bytes_read).sum();
            assert_eq!(Some(bytes_read), opened.bytes_total, "progress ends at the total");
            return (records, skipped(&opened.readers));
        }
        restored = Some(opened.readers.iter_mut().map(|reader| reader.position(CheckpointId(id as u64 + 1)).unwrap()).collect());
    }
    unreachable!();
}

#[tokio::test]
async fn reading_goes_on_inside_of_a_record_that_is_left_out() {
    let folder = TempFolder::new();
    let long = "x".repeat(3 << 20);
    let text = format!("one\n{long}\ntwo\n{long}");
    let table = format!("a\n1\n\"{long}\n2\n{long}\n3\n");
    folder.file("a.txt", &text);
    folder.file("a.txt.gz", gzip(text.as_bytes()));
    folder.file("a.csv", &table);
    folder.file("a.csv.gz", gzip(table.as_bytes()));
    for (keys, expected, skipped) in [
        ("path = \"a.txt\"", &["one", "two"][..], 2),
        ("path = \"a.txt.gz\"", &["one", "two"], 2),
        ("path = \"a.csv\"\nformat = \"csv\"", &["{\"a\":\"1\"}", "{\"a\":\"2\"}", "{\"a\":\"3\"}"], 2),
        ("path = \"a.csv.gz\"\nformat = \"csv\"", &["{\"a\":\"1\"}", "{\"a\":\"2\"}", "{\"a\":\"3\"}"], 2),
    ] {
        for split_bytes in [100 << 10, 1 << 30] {
            let source = Source::new(&folder, &format!("{keys}\non-error = \"skip\"\nline-bytes-max = 100"), split_bytes);
            for parallelism in [&[1][..], &[2, 1, 3]] {
                let (mut records, bad) = read_restored(&source, parallelism, keys.contains(".gz")).await;
                records.sort();
                assert_eq!((records, bad), (expected.iter().map(|record| (*record).to_owned()).collect(), skipped), "{keys}, {split_bytes}");
            }
        }
    }
}

#[tokio::test]
async fn a_bad_record_after_a_restore_still_has_its_line() {
    let folder = TempFolder::new();
    folder.file("a.txt", b"1\n2\n3\n\xff\n");
    folder.file("a.txt.gz", gzip(b"1\n2\n3\n\xff\n"));
    folder.file("a.csv", b"a\n2\n3\n\xff\n");
    for (keys, place) in [
        ("path = \"a.txt\"", "a.txt, line 4 (byte 6)"),
        ("path = \"a.txt.gz\"", "a.txt.gz, line 4 (byte 6 unpacked)"),
        ("path = \"a.csv\"\nformat = \"csv\"", "a.csv, line 4 (byte 6)"),
    ] {
        let source = Source::new(&folder, keys, 1 << 20);
        let mut reader = source.open(1, None).unwrap().readers.remove(0);
        assert_eq!(read(&mut reader, 2).await.unwrap().unwrap().0.len(), 2);
        let restored = [reader.position(CheckpointId::FIRST).unwrap()];
        let mut reader = source.open(1, Some(&restored)).unwrap().readers.remove(0);
        let error = read(&mut reader, 10).await.unwrap_err();
        assert!(error.what.ends_with(place), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_got_smaller_or_is_gone_is_named() {
    let folder = TempFolder::new();
    let text = "0123456\n".repeat(100_000);
    let check = async |restore: bool, keys: &str, bytes: &[u8], change: &dyn Fn(), why: &str| {
        let name = keys.lines().next().unwrap().split('"').nth(1).unwrap();
        folder.file(name, bytes);
        let source = Source::new(&folder, keys, 64 << 10);
        let mut reader = source.open(1, None).unwrap().readers.remove(0);
        assert_eq!(read(&mut reader, 2).await.unwrap().unwrap().0.len(), 2);
        let restored = [reader.position(CheckpointId::FIRST).unwrap()];
        change();
        let error = if restore {
            source.open(1, Some(&restored)).unwrap_err()
        } else {
            loop {
                if let Err(error) = read(&mut reader, 1000).await {
                    break error;
                }
            }
        };
        assert!(error.kind == ErrorKind::Job && error.what.contains(name) && error.why.contains(why), "{error}");
        // Under `skip`, what is missing is counted, and the end is reached.
        folder.file(name, bytes);
        let source = Source::new(&folder, &format!("{keys}\non-error = \"skip\""), 64 << 10);
        let mut reader = source.open(1, None).unwrap().readers.remove(0);
        read(&mut reader, 2).await.unwrap();
        let restored = [reader.position(CheckpointId::FIRST).unwrap()];
        change();
        if restore {
            reader = source.open(1, Some(&restored)).unwrap().readers.remove(0);
        }
        while read(&mut reader, 1000).await.unwrap().unwrap().1 == SourceStatus::More {}
        assert!(reader.progress().records_skipped >= 1, "{keys}");
    };
    let cut = |name: &'static str, bytes: u64| {
        let path = folder.path().join(name);
        move || std::fs::File::options().write(true).open(&path).unwrap().set_len(bytes).unwrap()
    };
    let shrunk = "the file has got smaller since it was found: it ends before byte ";
    for restore in [false, true] {
        check(restore, "path = \"a.txt\"", text.as_bytes(), &cut("a.txt", 300_001), shrunk).await;
        check(restore, "path = \"a.txt\"", text.as_bytes(), &cut("a.txt", 0), shrunk).await;
        check(restore, "path = \"a.csv\"\nformat = \"csv\"", text.as_bytes(), &cut("a.csv", 300_001), shrunk).await;
    }
    check(true, "path = \"a.gz\"", &gzip(text.as_bytes()), &cut("a.gz", 100), shrunk).await;
    let gone = || std::fs::remove_file(folder.path().join("b.txt")).unwrap();
    check(true, "path = \"b.txt\"", text.as_bytes(), &gone, "it can't be read").await;
}

#[tokio::test]
async fn positions_that_no_checkpoint_has_are_refused() {
    let folder = TempFolder::new();
    folder.file("a.txt", "one\ntwo\n");
    let source = Source::new(&folder, "path = \"a.txt\"", 4);
    let mut readers = source.open(2, None).unwrap().readers;
    let positions: Vec<_> = readers.iter_mut().map(|reader| reader.position(CheckpointId::FIRST).unwrap()).collect();
    let check = |positions: &[Vec<u8>], config: &Source, why: &str| {
        let error = config.open(1, Some(positions)).unwrap_err();
        assert!(error.what == "source `in`: its position in the checkpoint" && error.why.contains(why), "{error}");
    };
    check(&positions[..1], &source, "a part of it is missing");
    check(&[positions.clone(), positions.clone()].concat(), &source, "more than one checkpoint");
    let csv = Source::new(&folder, "path = \"a.txt\"\nformat = \"csv\"", 4);
    check(&positions, &csv, "the source reads CSV");
    check(&[vec![0; 9]], &source, "checksum");
    assert_eq!(source.open(1, Some(&[])).unwrap().bytes_total, Some(8), "nothing to restore is a start");
}

#[tokio::test]
async fn files_are_found_later_read_once_and_may_go() {
    let folder = TempFolder::new();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    for keys in ["path = \"in\"", "path = \"in/*.txt\""] {
        let source = Source::new(&folder, &format!("{keys}\ndiscover-interval = \"10s\""), 1 << 20);
        let opened = source.open(2, None).unwrap();
        assert_eq!(opened.bytes_total, None);
        let mut readers = opened.readers;
        let later = |seconds: u64| source.clock.0.fetch_add(seconds * 1_000_000_000, Ordering::Relaxed);
        assert_eq!(read(&mut readers[0], 10).await.unwrap(), None);
        folder.file("in/a.txt", "1\n");
        later(9);
        assert_eq!(read(&mut readers[0], 10).await.unwrap(), None, "it isn't time yet");
        later(1);
        let found = Some((vec!["1".to_owned()], SourceStatus::More));
        assert_eq!(read(&mut readers[1], 10).await.unwrap(), found);
        std::fs::remove_file(folder.path().join("in/a.txt")).unwrap();
        later(10);
        assert_eq!(read(&mut readers[0], 10).await.unwrap(), None);
        folder.file("in/a.txt", "1 again, under a known name\n");
        later(10);
        assert_eq!(read(&mut readers[0], 10).await.unwrap(), None);
        std::fs::remove_file(folder.path().join("in/a.txt")).unwrap();
    }
    let missing = Source::new(&folder, "path = \"b.txt\"\ndiscover-interval = \"10s\"", 1 << 20).open(1, None).unwrap_err();
    assert!(missing.why.contains("there is no file"), "{missing}");
}

#[tokio::test]
async fn what_one_reader_finds_wakes_another() {
    let folder = TempFolder::new();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    let source = Source::new(&folder, "path = \"in\"\ndiscover-interval = \"10s\"", 1 << 20);
    let mut readers = source.open(2, None).unwrap().readers;
    let (mut second, mut first) = (readers.remove(1), readers.remove(0));
    let mut out = BatchBuilder::default();
    let mut waiting = Box::pin(second.next(&mut out, BatchLimit { rows: 10, bytes: usize::MAX }));
    assert!(tokio::time::timeout(Duration::from_millis(1), &mut waiting).await.is_err());
    folder.file("in/a.txt", "1\n");
    folder.file("in/b.txt", "2\n");
    source.clock.0.fetch_add(10_000_000_000, Ordering::Relaxed);
    assert_eq!(read(&mut first, 1).await.unwrap().unwrap().0, ["1"]);
    let woken = tokio::time::timeout(Duration::from_millis(500), &mut waiting).await;
    assert_eq!(woken.expect("the wait of a second is cut short").unwrap(), SourceStatus::More);
    drop(waiting);
    assert_eq!(texts(&out.take()), ["2"]);
}
