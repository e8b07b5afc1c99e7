//! Generators make the same records however they are read, and keep to their rate.

use std::sync::atomic::{AtomicU64, Ordering};

use weir_model::time::{Clock, SystemClock};

use super::*;
use crate::test_support::{section, texts};

fn config(lines: &str) -> Result<GeneratorConfig> {
    GeneratorConfig::parse(section("sources.words", lines))
}

fn clock() -> SharedClock {
    Arc::new(SystemClock::new())
}

fn open(config: &GeneratorConfig, parallelism: u32, clock: &SharedClock, restored: Vec<GeneratorPosition>) -> Vec<GeneratorReader> {
    config.open(&OperatorUid::new("words").unwrap(), Parallelism::new(parallelism).unwrap(), clock, restored).unwrap()
}

/// The records of each subtask, read in batches of `rows`.
async fn read(lines: &str, parallelism: u32, rows: usize) -> Vec<Vec<Vec<u8>>> {
    let readers = open(&config(lines).unwrap(), parallelism, &clock(), Vec::new());
    let mut all = Vec::new();
    for mut reader in readers {
        let mut records = Vec::new();
        loop {
            let mut out = BatchBuilder::default();
            let status = reader.next(&mut out, BatchLimit { rows, bytes: usize::MAX }).await.unwrap();
            assert!(out.len() <= rows);
            records.extend(out.take().iter().map(|row| row.value.to_vec()));
            if status == SourceStatus::End {
                break;
            }
        }
        all.push(records);
    }
    all
}

#[tokio::test]
async fn a_sequence_is_dealt_out_and_has_both_ends() {
    let numbers = |records: &[Vec<u8>]| records.iter().map(|bytes| u64::from_le_bytes(bytes[..].try_into().unwrap())).collect::<Vec<_>>();
    let one = read("kind = \"sequence\"\nfrom = 3\nto = 9", 1, 2).await;
    assert_eq!(numbers(&one[0]), [3, 4, 5, 6, 7, 8, 9]);
    let three = read("kind = \"sequence\"\nfrom = 3\nto = 9", 3, 100).await;
    assert_eq!(three.iter().map(|records| numbers(records)).collect::<Vec<_>>(), [vec![3, 6, 9], vec![4, 7], vec![5, 8]]);
    let end = read("kind = \"sequence\"\nfrom = \"18446744073709551614\"", 4, 100).await;
    assert_eq!(end.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 0, 0]);
}

#[tokio::test]
async fn words_depend_on_seed_subtask_and_parallelism_but_not_on_batches() {
    let lines = "kind = \"zipf-words\"\ndistinct = 1000\nseed = 5\nlines = 101";
    let two = read(lines, 2, 1000).await;
    assert_eq!(two, read(lines, 2, 7).await);
    assert_eq!((two[0].len(), two[1].len()), (51, 50));
    assert_ne!(two[0], two[1]);
    assert_ne!(two[0][..50], read(lines, 1, 1000).await[0][..50]);
    assert_ne!(two, read(&lines.replace("seed = 5", "seed = 6"), 2, 1000).await);
}

#[tokio::test]
async fn words_end_where_the_job_file_says_and_lines_have_as_many_as_it_says() {
    let check = |records: &[Vec<Vec<u8>>], words: usize| {
        for line in records.iter().flatten() {
            assert_eq!(std::str::from_utf8(line).unwrap().split(' ').count(), words);
        }
    };
    let by_bytes = read("kind = \"zipf-words\"\nbytes = \"10kb\"\nwords-per-line = 5", 3, 10).await;
    check(&by_bytes, 5);
    let bytes: usize = by_bytes.iter().flatten().map(|line| line.len() + 1).sum();
    assert!((10_240..10_240 + 3 * 60).contains(&bytes), "{bytes}");
    check(&read("kind = \"zipf-words\"\nlines = 3\nwords-per-line = 1", 1, 10).await, 1);
    assert!(read("kind = \"zipf-words\"\nlines = 0", 2, 10).await.iter().all(Vec::is_empty));
}

#[tokio::test]
async fn progress_counts_the_bytes_of_the_lines() {
    let config = config("kind = \"zipf-words\"\nbytes = 1000").unwrap();
    assert_eq!(config.bytes_total(), Some(1000));
    let mut reader = open(&config, 1, &clock(), Vec::new()).remove(0);
    let mut out = BatchBuilder::default();
    assert_eq!(reader.next(&mut out, BatchLimit { rows: usize::MAX, bytes: usize::MAX }).await.unwrap(), SourceStatus::End);
    let bytes: usize = texts(&out.take()).iter().map(|line| line.len() + 1).sum();
    assert_eq!(reader.progress(), SourceProgress { bytes_read: bytes as u64, records_skipped: 0 });
}

/// A clock that stands still unless it is moved.
#[derive(Default)]
struct Moved {
    now_ns: AtomicU64,
}

impl Clock for Moved {
    fn wall_ms(&self) -> i64 {
        0
    }

    fn monotonic_ns(&self) -> u64 {
        self.now_ns.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_rate_is_kept_by_the_clock_it_was_given() {
    let clock = Arc::new(Moved::default());
    let shared: SharedClock = Arc::<Moved>::clone(&clock);
    let config = config("kind = \"sequence\"\nto = 99\nrate = 1000").unwrap();
    let mut reader = open(&config, 2, &shared, Vec::new()).remove(0);
    let limit = BatchLimit { rows: 1000, bytes: usize::MAX };
    let (mut sizes, mut status) = (Vec::new(), SourceStatus::More);
    while status == SourceStatus::More {
        let mut out = BatchBuilder::default();
        status = reader.next(&mut out, limit).await.unwrap();
        sizes.push(out.len());
        clock.now_ns.fetch_add(10_000_000, Ordering::Relaxed);
    }
    // Half of the rate, 500 a second, is 5 in each 10 ms; the first is due at once.
    assert_eq!(sizes, [1, 5, 5, 5, 5, 5, 5, 5, 5, 5, 4]);
}

#[tokio::test]
async fn the_largest_rate_goes_on_for_ever() {
    let clock = Arc::new(Moved::default());
    let shared: SharedClock = Arc::<Moved>::clone(&clock);
    let mut reader = open(&config("kind = \"sequence\"\nrate = 1e9").unwrap(), 1, &shared, Vec::new()).remove(0);
    for now_ns in [0, 1 << 40, u64::MAX] {
        clock.now_ns.store(now_ns, Ordering::Relaxed);
        let mut out = BatchBuilder::default();
        let read = reader.next(&mut out, BatchLimit { rows: 100, bytes: usize::MAX });
        let read = tokio::time::timeout(Duration::from_millis(500), read).await;
        assert_eq!(read.expect("nothing has to be waited for").unwrap(), SourceStatus::More, "{now_ns}");
        assert_eq!(out.len(), if now_ns == 0 { 1 } else { 100 });
    }
}

#[tokio::test]
async fn a_dropped_wait_loses_nothing() {
    let config = config("kind = \"sequence\"\nto = 20\nrate = 500").unwrap();
    let mut reader = open(&config, 1, &clock(), Vec::new()).remove(0);
    let mut out = BatchBuilder::default();
    loop {
        let limit = BatchLimit { rows: out.len() + 1, bytes: usize::MAX };
        tokio::select! {
            biased;
            status = reader.next(&mut out, limit) => if status.unwrap() == SourceStatus::End { break },
            () = tokio::task::yield_now() => {}
        }
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
    let numbers: Vec<u64> = out.take().iter().map(|row| u64::from_le_bytes(row.value.try_into().unwrap())).collect();
    assert_eq!(numbers, (0..=20).collect::<Vec<_>>());
}

/// All records of a generator that is restored after every batch, each time with another parallelism; sorted.
async fn read_restored(lines: &str, parallelism: &[u32], rows: usize) -> Vec<Vec<u8>> {
    let (config, clock) = (config(lines).unwrap(), Arc::new(Moved::default()));
    let shared: SharedClock = Arc::<Moved>::clone(&clock);
    let (mut records, mut restored, mut bytes) = (Vec::new(), Vec::new(), 0);
    for parallelism in parallelism.iter().cycle().take(10_000) {
        let mut readers = open(&config, *parallelism, &shared, restored);
        let mut has_ended = true;
        for reader in &mut readers {
            let mut out = BatchBuilder::default();
            has_ended &= reader.next(&mut out, BatchLimit { rows, bytes: usize::MAX }).await.unwrap() == SourceStatus::End;
            records.extend(out.take().iter().map(|row| row.value.to_vec()));
        }
        clock.now_ns.fetch_add(1_000_000, Ordering::Relaxed);
        let done: u64 = readers.iter().map(|reader| reader.progress().bytes_read).sum();
        assert!(done >= bytes, "what was counted is kept");
        bytes = done;
        if has_ended {
            records.sort();
            return records;
        }
        restored = readers.iter().map(GeneratorReader::position).collect();
    }
    panic!("it doesn't end");
}

#[tokio::test]
async fn a_restored_generator_makes_what_an_undisturbed_one_makes_at_any_parallelism() {
    for lines in [
        "kind = \"zipf-words\"\ndistinct = 1000\nseed = 5\nlines = 101",
        "kind = \"zipf-words\"\nbytes = \"3kb\"",
        "kind = \"zipf-words\"\nlines = 40\nrate = 1e5",
        "kind = \"sequence\"\nfrom = 3\nto = 500",
        "kind = \"sequence\"\nfrom = \"18446744073709551000\"",
        "kind = \"sequence\"\nto = 50\nrate = 1e5",
    ] {
        for parallelism in [&[1, 2, 3][..], &[3, 1], &[2, 2], &[2, 7, 5, 1]] {
            for rows in [1, 3, 1000] {
                let mut expected = read(lines, parallelism[0], 100).await.concat();
                expected.sort();
                let records = read_restored(lines, parallelism, rows).await;
                assert!(records == expected, "{lines}, {parallelism:?}, {rows} rows: {} records for {}", records.len(), expected.len());
            }
        }
    }
}

#[tokio::test]
async fn every_subtask_has_numbers_to_make_after_a_restore() {
    let config = config("kind = \"sequence\"\nto = 1000").unwrap();
    let restored: Vec<_> = open(&config, 2, &clock(), Vec::new()).iter().map(GeneratorReader::position).collect();
    for mut reader in open(&config, 5, &clock(), restored) {
        let mut out = BatchBuilder::default();
        reader.next(&mut out, BatchLimit { rows: 150, bytes: usize::MAX }).await.unwrap();
        assert_eq!(out.len(), 150);
    }
}

#[test]
fn a_position_that_no_generator_has_is_refused() {
    let check = |lines: &str, stream: StreamPosition, why: &str| {
        let restored = vec![GeneratorPosition { bytes_made: 0, streams: vec![stream] }];
        let error = config(lines).unwrap().open(&OperatorUid::new("words").unwrap(), Parallelism::ONE, &clock(), restored).unwrap_err();
        assert!(error.what.starts_with("source `words`: its position") && error.why.contains(why), "{error}");
    };
    let (words, sequence) = ("kind = \"zipf-words\"", "kind = \"sequence\"");
    check(words, StreamPosition::Words { random: [0; 4], line: 0, lines_end: 1, bytes_left: 1 }, "no generator");
    check(words, StreamPosition::Words { random: [1; 4], line: 2, lines_end: 1, bytes_left: 1 }, "no generator");
    check(words, StreamPosition::Numbers { next: None, to: 0, step: 1 }, "kind = \"sequence\"");
    check(sequence, StreamPosition::Words { random: [1; 4], line: 0, lines_end: 1, bytes_left: 1 }, "kind = \"zipf-words\"");
    check(sequence, StreamPosition::Numbers { next: Some(0), to: 0, step: 0 }, "doesn't go on");
}

#[test]
fn a_wrong_key_is_refused_where_it_stands() {
    let check = |lines: &str, expected: &str| {
        let text = config(lines).unwrap_err().to_string();
        assert!(text.contains(expected), "{lines}: {text}");
    };
    check("rate = 1", "`kind` is missing");
    check("kind = \"zipf\"", "`zipf` is not one of its values");
    check("kind = \"sequence\"\nseed = 1", "job.toml:2: [sources.words] seed: it means nothing with kind = \"sequence\"");
    check("kind = \"sequence\"\nfrom = 2\nto = 1", "1 comes before from = 2");
    check("kind = \"zipf-words\"\ndistinct = 0", "there can't be 0 words");
    check("kind = \"zipf-words\"\nlines = 1\nbytes = 1", "`lines` says already when to end");
    check("kind = \"zipf-words\"\nrate = 0", "rate");
    check("kind = \"sequence\"\nrate = 1e300", "job.toml:2: [sources.words] rate: no generator makes that many records a second");
    check("kind = \"zipf-words\"\nsed = 1", "did you mean `seed`?");
}
