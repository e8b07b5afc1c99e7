//! The scanner on inputs cut everywhere.

use super::*;
use crate::test_support::texts;

const ALL: BatchLimit = BatchLimit { rows: usize::MAX, bytes: usize::MAX };

/// Reads `input` in pieces of `piece` bytes: the records, and each bad one as `line@offset: why`, line from 1.
fn read(format: &LineFormat, input: &[u8], piece: usize, line_bytes_max: usize, limit: BatchLimit) -> (Vec<String>, Vec<String>) {
    let mut scanner = LineScanner::new(format.clone(), line_bytes_max);
    let (mut rest, mut records, mut bad) = (input, Vec::new(), Vec::new());
    let mut out = BatchBuilder::default();
    loop {
        match scanner.take(&mut out, limit) {
            Ok(Take::Full) => records.extend(texts(&out.take())),
            Ok(Take::Starved) => {
                let count = piece.min(rest.len());
                scanner.room(count)[..count].copy_from_slice(&rest[..count]);
                scanner.filled(count);
                rest = &rest[count..];
            }
            Ok(Take::Done) => break,
            Err(record) => bad.push(format!("{}@{}: {}", record.lines_before + 1, record.offset, record.why)),
        }
    }
    records.extend(texts(&out.take()));
    (records, bad)
}

fn check(format: &LineFormat, input: &[u8], line_bytes_max: usize, records: &[&str], bad: &[&str]) {
    for piece in 1..=input.len() + 1 {
        for rows in [1, 2, usize::MAX] {
            let read = read(format, input, piece, line_bytes_max, BatchLimit { rows, ..ALL });
            let expected: (Vec<_>, Vec<_>) = (records.iter().map(|s| (*s).to_owned()).collect(), bad.iter().map(|s| (*s).to_owned()).collect());
            assert_eq!(read, expected, "pieces of {piece}, {rows} rows, of {:?}", String::from_utf8_lossy(input));
        }
    }
}

#[test]
fn every_line_is_a_record_however_it_ends() {
    let lines = |input: &str, records: &[&str]| check(&LineFormat::Utf8, input.as_bytes(), 100, records, &[]);
    lines("", &[]);
    lines("\n", &[""]);
    lines("a\nbc\n", &["a", "bc"]);
    lines("a\nbc", &["a", "bc"]);
    lines("a\n\n\nbc\n\n", &["a", "", "", "bc", ""]);
    lines("a\r\nb\rc\r\n\r\nd\r", &["a", "b\rc", "", "d"]);
    lines("grüße\n日本語\n😀", &["grüße", "日本語", "😀"]);
}

#[test]
fn what_is_not_utf8_is_located_wherever_the_blocks_are_cut() {
    let bad = ["gut\nschlüssel".as_bytes(), b"\xff\n", "üü\n".as_bytes()].concat();
    check(&LineFormat::Utf8, &bad, 100, &["gut", "üü"], &["2@14: byte 0xff is not UTF-8 here"]);
    check(&LineFormat::Utf8, b"a\n\xc3\nb\n\xe2\x82", 100, &["a", "b"], &["2@2: byte 0xc3 is not UTF-8 here", "4@6: byte 0xe2 is not UTF-8 here"]);
    check(&LineFormat::Bytes, b"a\n\xc3\n", 100, &["a", "\u{fffd}"], &[]);
}

#[test]
fn a_long_line_is_refused_and_the_next_one_is_read() {
    check(
        &LineFormat::Utf8,
        b"12345\n123456\n1234567890123\n12\n",
        5,
        &["12345", "12"],
        &["2@6: the record is longer than 5 bytes", "3@13: the record is longer than 5 bytes"],
    );
    check(&LineFormat::Utf8, b"123456", 5, &[], &["1@0: the record is longer than 5 bytes"]);
}

#[test]
fn memory_stays_bounded_by_the_longest_line() {
    let mut scanner = LineScanner::new(LineFormat::Utf8, 1000);
    let (mut out, mut refused) = (BatchBuilder::default(), 0);
    for _ in 0..1000 {
        let room = scanner.room(usize::MAX);
        assert!(room.len() <= BLOCK_BYTES);
        room.fill(b'x');
        let count = room.len();
        scanner.filled(count);
        loop {
            match scanner.take(&mut out, ALL) {
                Ok(stop) => break assert_eq!(stop, Take::Starved),
                Err(_) => refused += 1,
            }
        }
    }
    assert_eq!((refused, out.len()), (1, 0));
}

#[test]
fn json_lines_are_checked_and_keep_their_bytes() {
    let input = b"{\"a\": 1}\r\n\n  \n[1,2]\n{\"a\":\nnull\n";
    check(&LineFormat::Json { key: None }, input, 100, &["{\"a\": 1}", "[1,2]", "null"], &["5@24: it is not JSON: EOF while parsing a value"]);
    check(
        &LineFormat::Json { key: Some("a".into()) },
        b"{\"a\": 1}\n{\"a\":\"x\"}\n{}\n",
        100,
        &["1={\"a\": 1}", "x={\"a\":\"x\"}"],
        &["3@19: the field `a`, which holds the key, is missing or null"],
    );
    check(&LineFormat::Json { key: None }, b"\"\xff\"\n1\n", 100, &["1"], &["1@1: byte 0xff is not UTF-8 here"]);
}

#[test]
fn a_full_batch_stops_the_scan_by_rows_and_by_bytes() {
    let mut scanner = LineScanner::new(LineFormat::Utf8, 100);
    scanner.room(8)[..8].copy_from_slice(b"a\nb\nc\nd\n");
    scanner.filled(8);
    let mut out = BatchBuilder::default();
    assert_eq!(scanner.take(&mut out, BatchLimit { rows: 2, bytes: usize::MAX }), Ok(Take::Full));
    assert_eq!(texts(&out.take()), ["a", "b"]);
    assert_eq!(scanner.take(&mut out, BatchLimit { rows: usize::MAX, bytes: 17 }), Ok(Take::Full));
    assert_eq!(texts(&out.take()), ["c"]);
}
