//! The file source from the job file's keys to records: splits, packed files, bad input, and what a sink wrote.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use weir_model::ErrorKind;
use weir_model::describe::Port;
use weir_model::rows::BatchBuilder;
use weir_model::time::SystemClock;

use super::*;
use crate::sink::SinkConfig;
use crate::source::{BatchLimit, OpenedSource, SourceConfig, SourceStatus};
use crate::test_support::{TempFolder, section, texts, write_to_sink};

fn parse(folder: &TempFolder, lines: &str) -> Result<SourceConfig> {
    SourceConfig::parse("file", section("sources.in", lines), folder.path())
}

fn open(config: &SourceConfig, parallelism: u32) -> Result<OpenedSource> {
    let clock: weir_model::time::SharedClock = Arc::new(SystemClock::new());
    config.open(&OperatorUid::new("in").unwrap(), Parallelism::new(parallelism).unwrap(), &clock, None)
}

/// All records, the readers taking turns, with what was skipped. Checks that progress ends at the total.
async fn read(config: &SourceConfig, parallelism: u32, rows: usize) -> Result<(Vec<String>, u64)> {
    let mut opened = open(config, parallelism)?;
    assert_eq!(opened.readers.len(), parallelism as usize);
    let mut records = Vec::new();
    let mut running: Vec<_> = opened.readers.iter_mut().collect();
    let (mut bytes_read, mut skipped) = (0, 0);
    while !running.is_empty() {
        let mut still = Vec::new();
        for reader in running {
            let mut out = BatchBuilder::default();
            let status = reader.next(&mut out, BatchLimit { rows, bytes: usize::MAX }).await?;
            records.extend(texts(&out.take()));
            if status == SourceStatus::More {
                still.push(reader);
            } else {
                bytes_read += reader.progress().bytes_read;
                skipped += reader.progress().records_skipped;
            }
        }
        running = still;
    }
    if let Some(total) = opened.bytes_total {
        assert_eq!(bytes_read, total);
    }
    Ok((records, skipped))
}

fn gzip(members: &[&str]) -> Vec<u8> {
    let mut packed = Vec::new();
    for member in members {
        let mut encoder = GzEncoder::new(&mut packed, Compression::default());
        encoder.write_all(member.as_bytes()).unwrap();
        encoder.finish().unwrap();
    }
    packed
}

#[tokio::test]
async fn each_line_comes_once_wherever_a_file_is_cut() {
    let folder = TempFolder::new();
    for (name, text) in [
        ("plain", "one\ntwo\n\n\nthree and more\nü\r\nlast"),
        ("ends", "a\nb\n"),
        ("long", "a line that is longer than several splits\nb\n"),
        ("empty", ""),
        ("newlines", "\n\n\n\n"),
    ] {
        folder.file(name, text);
        let expected: Vec<String> = text.lines().map(str::to_owned).collect();
        for split in 1..=text.len() as u64 + 1 {
            let SourceConfig::File(mut config) = parse(&folder, &format!("path = \"{name}\"")).unwrap() else { panic!() };
            config.split_bytes_max = split;
            let config = SourceConfig::File(config);
            assert_eq!(read(&config, 1, 2).await.unwrap(), (expected.clone(), 0), "{name} in pieces of {split}");
            let (mut records, _) = read(&config, 3, 1).await.unwrap();
            let mut expected = expected.clone();
            records.sort();
            expected.sort();
            assert_eq!(records, expected, "{name} in pieces of {split}, three readers");
        }
    }
}

#[tokio::test]
async fn files_are_read_in_order_by_one_reader() {
    let folder = TempFolder::new();
    folder.file("in/b.txt", "3\n4");
    folder.file("in/a.txt", "1\n2\n");
    folder.file("in/c.txt.gz", gzip(&["5\n", "6\n", "", "7"]));
    let expected: Vec<String> = (1..=7).map(|n| n.to_string()).collect();
    for path in ["\"in\"", "\"in/*\"", "[\"in/a.txt\", \"in/*.txt\", \"in/c.txt.gz\"]"] {
        assert_eq!(read(&parse(&folder, &format!("path = {path}")).unwrap(), 1, 100).await.unwrap(), (expected.clone(), 0), "{path}");
    }
    assert_eq!(open(&parse(&folder, "path = \"in/*.txt\"").unwrap(), 1).unwrap().bytes_total, Some(7));
}

#[tokio::test]
async fn a_large_file_comes_whole_packed_or_not() {
    let folder = TempFolder::new();
    let lines: Vec<String> = (0..150_000).map(|n| format!("line {n} {}", "ü".repeat(n % 13))).collect();
    let text = lines.join("\n");
    folder.file("plain.txt", &text);
    folder.file("packed.gz", gzip(&[&text]));
    for (name, split) in [("plain.txt", "4KiB"), ("plain.txt", "1MiB"), ("packed.gz", "4KiB")] {
        let (records, skipped) = read(&parse(&folder, &format!("path = \"{name}\"\nsplit-size = \"{split}\"")).unwrap(), 1, 1000).await.unwrap();
        assert!(records == lines && skipped == 0, "{name}");
        let (mut records, _) = read(&parse(&folder, &format!("path = \"{name}\"\nsplit-size = \"{split}\"")).unwrap(), 2, 1000).await.unwrap();
        let mut sorted = lines.clone();
        records.sort();
        sorted.sort();
        assert!(records == sorted, "{name} by two");
    }
}

#[tokio::test]
async fn bad_input_names_file_line_and_byte_or_is_counted() {
    let folder = TempFolder::new();
    folder.file("utf8.txt", b"good\nba\xffd\ngood\n");
    folder.file("long.txt", "good\n12345678901\ngood\n");
    folder.file("a.jsonl", "{\"k\":\"x\"}\n{\"k\":}\n{}\n");
    folder.file("a.csv", "k,v\nx,1\ny\n");
    folder.file("header.csv", "v\n1\n");
    let check = async |lines: &str, records: &[&str], skipped: u64, what: &str, why: &str| {
        let error = read(&parse(&folder, lines).unwrap(), 1, 100).await.unwrap_err();
        let expected = format!("source `in`: {}/{what}", folder.path().display());
        assert_eq!((error.kind, error.what.as_str(), error.why.as_str()), (ErrorKind::Job, expected.as_str(), why), "{lines}");
        assert!(error.remedy.contains("on-error"), "{error}");
        let lines = format!("{lines}\non-error = \"skip\"");
        let records: Vec<String> = records.iter().map(|record| (*record).to_owned()).collect();
        assert_eq!(read(&parse(&folder, &lines).unwrap(), 1, 100).await.unwrap(), (records, skipped), "{lines}");
    };
    check("path = \"utf8.txt\"", &["good", "good"], 1, "utf8.txt, line 2 (byte 7)", "byte 0xff is not UTF-8 here").await;
    let long = "path = \"long.txt\"\nline-bytes-max = 10";
    check(long, &["good", "good"], 1, "long.txt, line 2 (byte 5)", "the record is longer than 10 bytes").await;
    let json = "path = \"a.jsonl\"\nformat = \"json-lines\"";
    check(json, &["{\"k\":\"x\"}", "{}"], 1, "a.jsonl, line 2 (byte 15)", "it is not JSON: expected value").await;
    check(&format!("{json}\nkey = \"k\""), &["x={\"k\":\"x\"}"], 2, "a.jsonl, line 2 (byte 15)", "it is not JSON: expected value").await;
    let csv = "path = \"a.csv\"\nformat = \"csv\"";
    let fields = "the record has 1 fields where the first line names 2 columns";
    check(csv, &["{\"k\":\"x\",\"v\":\"1\"}"], 1, "a.csv, line 3 (byte 8)", fields).await;
    let header = "path = [\"header.csv\", \"a.csv\"]\nformat = \"csv\"\nkey = \"k\"";
    let no_column = "the first line names no column `k` to take the key from";
    check(header, &["x={\"k\":\"x\",\"v\":\"1\"}"], 2, "header.csv, line 1 (byte 0)", no_column).await;
}

#[tokio::test]
async fn a_line_is_numbered_from_the_start_of_the_file_in_every_split() {
    let folder = TempFolder::new();
    let mut text = "0123456\n".repeat(3000).into_bytes();
    text[2000 * 8 + 3] = 0xff;
    folder.file("a.txt", &text);
    let error = read(&parse(&folder, "path = \"a.txt\"\nsplit-size = \"4KiB\"").unwrap(), 2, 100).await.unwrap_err();
    assert!(error.what.ends_with("a.txt, line 2001 (byte 16003)"), "{error}");
}

#[tokio::test]
async fn a_torn_gzip_gives_what_comes_before_the_damage() {
    let folder = TempFolder::new();
    let text: String = (0..5000).map(|n| format!("line {n}\n")).collect();
    let whole = gzip(&[&text]);
    folder.file("next.txt", "next\n");
    let config = |skip: bool| {
        let lines = format!("path = [\"torn.gz\", \"next.txt\"]\non-error = \"{}\"", if skip { "skip" } else { "fail" });
        parse(&folder, &lines).unwrap()
    };
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 0x55;
    for torn in [whole[..whole.len() / 2].to_vec(), whole[..whole.len() - 1].to_vec(), whole[..5].to_vec(), damaged, b"no gzip\n".to_vec(), vec![]] {
        folder.file("torn.gz", &torn);
        let error = read(&config(false), 1, 100).await.unwrap_err();
        assert!(error.what.contains("torn.gz, line ") && error.what.ends_with(" unpacked)"), "{error}");
        assert!(error.why.starts_with("the gzip data is torn or damaged, before byte "), "{error}");
        let (records, skipped) = read(&config(true), 1, 100).await.unwrap();
        assert_eq!((skipped, records.last().unwrap().as_str()), (1, "next"));
        // Damaged bytes may unpack to something until the checksum tells; torn ones never do.
        let expected: Vec<&str> = text.lines().take(records.len() - 1).collect();
        assert!(torn.len() == whole.len() || records[..records.len() - 1] == expected[..], "{} bytes", torn.len());
    }
    folder.file("torn.gz", &whole);
    assert_eq!(read(&config(false), 1, 100).await.unwrap().0.len(), 5001);
}

#[tokio::test]
async fn a_missing_file_is_an_error_at_once_or_counted() {
    let folder = TempFolder::new();
    folder.file("a.txt", "a\n");
    let error = open(&parse(&folder, "on-error = \"fail\"\npath = [\"a.txt\", \"b.txt\"]").unwrap(), 2).unwrap_err();
    assert_eq!((error.kind, error.what.as_str()), (ErrorKind::Usage, "job.toml:2: [sources.in] path"));
    assert!(error.why.contains("b.txt"), "{error}");
    let config = parse(&folder, "on-error = \"skip\"\npath = [\"a.txt\", \"b.txt\"]").unwrap();
    assert_eq!(read(&config, 2, 100).await.unwrap(), (vec!["a".to_owned()], 1));
    // One that goes away after the start.
    let mut opened = open(&parse(&folder, "path = \"a.txt\"").unwrap(), 1).unwrap();
    std::fs::remove_file(folder.path().join("a.txt")).unwrap();
    let mut out = BatchBuilder::default();
    let error = opened.readers[0].next(&mut out, BatchLimit { rows: 1, bytes: 1 }).await.unwrap_err();
    assert!(error.what.ends_with("a.txt") && error.why.contains("can't be read"), "{error}");
}

/// Reads bad input alone with one reader: how often it came back with nothing, what it found at the end, and what it skipped.
async fn read_barren(folder: &TempFolder, lines: &str) -> (u64, Vec<String>, u64) {
    let mut opened = open(&parse(folder, &format!("{lines}\non-error = \"skip\"")).unwrap(), 1).unwrap();
    let mut out = BatchBuilder::default();
    let (mut barren, limit) = (0, BatchLimit { rows: 100, bytes: usize::MAX });
    while opened.readers[0].next(&mut out, limit).await.unwrap() == SourceStatus::More {
        assert!(out.is_empty());
        barren += 1;
    }
    (barren, texts(&out.take()), opened.readers[0].progress().records_skipped)
}

#[tokio::test]
async fn input_without_a_record_is_given_up_now_and_then() {
    let folder = TempFolder::new();
    let input = [b"\xff\n".repeat(3 << 20), b"good\n".to_vec()].concat();
    folder.file("bad.txt", &input);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&input).unwrap();
    folder.file("bad.txt.gz", encoder.finish().unwrap());
    folder.file("bad.csv", [b"\xff\n".repeat(3 << 20), b"good\n".to_vec()].concat());
    for (lines, found) in
        [("path = \"bad.txt\"", "good"), ("path = \"bad.txt.gz\"", "good"), ("path = \"bad.csv\"\nformat = \"csv\"\nheader = false", "[\"good\"]")]
    {
        let (barren, records, skipped) = read_barren(&folder, lines).await;
        assert!((4..=7).contains(&barren), "{lines}: {barren}");
        assert_eq!((records, skipped), (vec![found.to_owned()], 3 << 20), "{lines}");
    }
    // Files that are over at once count too.
    for n in 0..1000 {
        folder.file(&format!("many/{n}.csv"), b"\xff\n");
    }
    let (barren, records, skipped) = read_barren(&folder, "path = \"many\"\nformat = \"csv\"").await;
    assert!((10..=20).contains(&barren), "{barren}");
    assert_eq!((records, skipped), (vec![], 1000));
}

#[test]
fn keys_decide_the_codecs_and_wrong_ones_are_refused() {
    let folder = TempFolder::new();
    let codecs = |lines: &str, key: &str, value: &str| {
        let port = parse(&folder, &format!("path = \"x\"\n{lines}")).unwrap().output();
        assert_eq!((port.name.as_str(), port.key.name(), port.value.name()), ("out", key, value), "{lines}");
    };
    codecs("", "none", "utf8");
    codecs("encoding = \"bytes\"", "none", "bytes");
    codecs("format = \"json-lines\"", "none", "json");
    codecs("format = \"json-lines\"\nkey = \"k\"", "utf8", "json");
    codecs("format = \"csv\"\ndelimiter = \"\\t\"\nkey = \"k\"", "utf8", "json");
    codecs("format = \"csv\"\nheader = false", "none", "json");
    let refused = |lines: &str, expected: &str| {
        let text = parse(&folder, lines).unwrap_err().to_string();
        assert!(text.contains(expected), "{lines}: {text}");
    };
    refused("", "`path` is missing");
    refused("path = 5", "stands where text is expected");
    refused("path = \"x\"\nformat = \"lines\"\ndelimiter = \";\"", "job.toml:3: [sources.in] delimiter: it means nothing with format = \"lines\"");
    refused("path = \"x\"\nformat = \"csv\"\ndelimiter = \";;\"", "is not one ASCII character");
    refused("path = \"x\"\nformat = \"csv\"\ndelimiter = \"ü\"", "is not one ASCII character");
    refused("path = \"x\"\nformat = \"csv\"\nheader = false\nkey = \"k\"", "without a header the columns have no names");
    refused("path = \"x\"\nline-bytes-max = \"2GiB\"", "too few or too many");
    refused("path = \"x\"\nsplit-size = 1", "are too few");
    refused("path = \"x\"\nfromat = \"csv\"", "did you mean `format`?");
    let unknown = SourceConfig::parse("fil", section("sources.in", ""), folder.path()).unwrap_err();
    assert!(unknown.remedy.contains("did you mean `file`?"), "{unknown}");
}

#[tokio::test]
async fn what_a_sink_writes_a_source_reads() {
    let folder = TempFolder::new();
    let records = [("a", "plain"), ("b,\"c\"", "two\nlines"), ("", ""), ("ü", "\ttab")];
    let mut batch = BatchBuilder::default();
    for (key, value) in records {
        batch.push(Some(key.as_bytes()), value.as_bytes(), 0).unwrap();
    }
    let batch = batch.take();
    let input = Port { name: "out".into(), key: Codec::Utf8, value: Codec::Utf8 };
    for (sink, source) in [("format = \"csv\"\nheader = true", "format = \"csv\""), ("format = \"json-lines\"", "format = \"json-lines\"")] {
        let config = SinkConfig::parse("file", section("sinks.out", &format!("path = \"out\"\noverwrite = true\n{sink}")), folder.path()).unwrap();
        write_to_sink(&config, 2, &input, &batch).await;
        let (read, skipped) = read(&parse(&folder, &format!("path = \"out\"\nkey = \"key\"\n{source}")).unwrap(), 2, 3).await.unwrap();
        let json =
            |(key, value)| format!("{key}={{\"key\":{},\"value\":{}}}", serde_json::to_string(key).unwrap(), serde_json::to_string(value).unwrap());
        let mut expected: Vec<String> = records.into_iter().chain(records).map(json).collect();
        let mut read = read;
        expected.sort();
        read.sort();
        assert_eq!((read, skipped), (expected, 0), "{source}");
    }
}
