//! Standard input as it comes, breaks, ends, and is read on after a restart.

use std::sync::mpsc as sync;
use std::time::Duration;

use super::*;
use crate::test_support::{section, texts};

const LIMIT: BatchLimit = BatchLimit { rows: 1000, bytes: usize::MAX };

fn reader(lines: &str, input: impl Read + Send + 'static) -> StdinReader {
    let config = StdinConfig::parse(section("sources.in", lines)).unwrap();
    let uid = OperatorUid::new("in").unwrap();
    config.reader(&uid, config.read_from(&uid, input).unwrap(), None, &[])
}

/// An input that gives what it is sent and ends when the sender does.
struct Typed(sync::Receiver<&'static str>);

impl Read for Typed {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let text = self.0.recv().unwrap_or_default();
        room[..text.len()].copy_from_slice(text.as_bytes());
        Ok(text.len())
    }
}

async fn read_all(mut reader: StdinReader) -> Result<(Vec<String>, SourceProgress)> {
    let mut records = Vec::new();
    loop {
        let mut out = BatchBuilder::default();
        let status = reader.next(&mut out, LIMIT).await?;
        records.extend(texts(&out.take()));
        if status == SourceStatus::End {
            return Ok((records, reader.progress()));
        }
    }
}

#[tokio::test]
async fn lines_come_as_they_are_typed_and_a_dropped_wait_loses_none() {
    let (typed, input) = sync::channel();
    let mut reader = reader("", Typed(input));
    let mut out = BatchBuilder::default();
    typed.send("one\ntw").unwrap();
    assert_eq!(reader.next(&mut out, LIMIT).await.unwrap(), SourceStatus::More);
    assert_eq!(texts(&out.take()), ["one"]);
    let waited = tokio::time::timeout(Duration::from_millis(20), reader.next(&mut out, LIMIT)).await;
    assert!(waited.is_err() && out.is_empty());
    typed.send("o\nthree").unwrap();
    assert_eq!(reader.next(&mut out, LIMIT).await.unwrap(), SourceStatus::More);
    assert_eq!(texts(&out.take()), ["two"]);
    drop(typed);
    assert_eq!(reader.next(&mut out, LIMIT).await.unwrap(), SourceStatus::End);
    assert_eq!(texts(&out.take()), ["three"]);
    assert_eq!(reader.progress(), SourceProgress { bytes_read: 13, records_skipped: 0 });
}

#[tokio::test]
async fn large_input_comes_whole() {
    let lines: Vec<String> = (0..200_000).map(|n| format!("line {n}")).collect();
    let text = lines.join("\n");
    let bytes_read = text.len() as u64;
    let (records, progress) = read_all(reader("", io::Cursor::new(text))).await.unwrap();
    assert!(records == lines);
    assert_eq!(progress.bytes_read, bytes_read);
}

#[tokio::test]
async fn bad_input_is_located_or_counted() {
    let input = || io::Cursor::new(&b"a\n{}\nb\xff\n7"[..]);
    let error = read_all(reader("", input())).await.unwrap_err();
    assert_eq!((error.what.as_str(), error.why.as_str()), ("source `in`: standard input, line 3 (byte 6)", "byte 0xff is not UTF-8 here"));
    let (records, progress) = read_all(reader("format = \"json-lines\"\non-error = \"skip\"", input())).await.unwrap();
    assert_eq!((records, progress.records_skipped), (vec!["{}".to_owned(), "7".to_owned()], 2));
}

#[tokio::test]
async fn input_without_a_record_is_given_up_now_and_then() {
    let input = [b"\xff\n".repeat(3 << 20), b"good".to_vec()].concat();
    let mut reader = reader("on-error = \"skip\"", io::Cursor::new(input));
    let mut out = BatchBuilder::default();
    let mut reads = 0;
    while reader.next(&mut out, LIMIT).await.unwrap() == SourceStatus::More {
        reads += 1;
        assert!(out.is_empty() && reader.progress().bytes_read <= reads * (1 << 20) + BLOCK_BYTES as u64, "{reads}");
    }
    assert!((4..=6).contains(&reads), "{reads}");
    assert_eq!((texts(&out.take()), reader.progress().records_skipped), (vec!["good".to_owned()], 3 << 20));
}

/// What a reader leaves behind, for the next one.
fn reader_again(config: &StdinConfig, input: &'static Input) -> StdinReader {
    let Lent::Again(feed) = input.lend() else { panic!("it was given back") };
    config.reader(&OperatorUid::new("in").unwrap(), *feed, Some(input), &[StdinPosition { records_skipped: 1, bytes_read: 100 }])
}

#[tokio::test]
async fn a_reader_after_a_restart_reads_on_what_comes() {
    static INPUT: Input = Input(Mutex::new(Lent::ForTheFirstTime));
    let (typed, input) = sync::channel();
    let config = StdinConfig::parse(section("sources.in", "")).unwrap();
    let uid = OperatorUid::new("in").unwrap();
    assert!(matches!(INPUT.lend(), Lent::ForTheFirstTime));
    let mut reader = config.reader(&uid, config.read_from(&uid, Typed(input)).unwrap(), Some(&INPUT), &[]);
    assert!(matches!(INPUT.lend(), Lent::Out));
    let mut out = BatchBuilder::default();
    typed.send("one\ntwo\nthr").unwrap();
    reader.next(&mut out, BatchLimit { rows: 1, bytes: usize::MAX }).await.unwrap();
    assert_eq!(reader.position(), StdinPosition { records_skipped: 0, bytes_read: 11 });
    drop(reader);
    let mut reader = reader_again(&config, &INPUT);
    assert_eq!(reader.progress(), SourceProgress { bytes_read: 100, records_skipped: 1 });
    typed.send("ee\n").unwrap();
    while out.len() < 3 {
        reader.next(&mut out, LIMIT).await.unwrap();
    }
    assert_eq!(texts(&out.take()), ["one", "two", "three"]);
    drop((typed, reader));
    assert_eq!(reader_again(&config, &INPUT).next(&mut out, LIMIT).await.unwrap(), SourceStatus::End);
}

/// An input that breaks.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("unplugged"))
    }
}

#[tokio::test]
async fn an_input_that_broke_is_no_input_that_ended_after_a_restart_either() {
    static INPUT: Input = Input(Mutex::new(Lent::ForTheFirstTime));
    let config = StdinConfig::parse(section("sources.in", "")).unwrap();
    let uid = OperatorUid::new("in").unwrap();
    let mut reader = config.reader(&uid, config.read_from(&uid, Broken).unwrap(), Some(&INPUT), &[]);
    for _ in 0..2 {
        let error = reader.next(&mut BatchBuilder::default(), LIMIT).await.unwrap_err();
        assert!(error.why.contains("unplugged"), "{error}");
        drop(reader);
        reader = reader_again(&config, &INPUT);
    }
}

#[test]
fn csv_and_several_readers_are_refused() {
    let parse = |lines: &str| StdinConfig::parse(section("sources.in", lines)).unwrap_err().to_string();
    assert!(parse("format = \"csv\"").contains("`csv` is not one of its values"));
    assert!(parse("path = \"x\"").contains("there is no key `path`"));
    let config = StdinConfig::parse(section("sources.in", "")).unwrap();
    let error = config.open(&OperatorUid::new("in").unwrap(), Parallelism::new(2).unwrap(), &[]).unwrap_err();
    assert!(error.why.contains("2 subtasks"), "{error}");
}
