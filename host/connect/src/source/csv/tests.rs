//! The CSV scanner on inputs cut everywhere, and against the csv crate.

use super::*;
use crate::random::Random;
use crate::test_support::texts;

const ALL: BatchLimit = BatchLimit { rows: usize::MAX, bytes: usize::MAX };

fn format(header: bool, key: Option<&str>) -> CsvFormat {
    CsvFormat { delimiter: b',', header, key: key.map(str::to_owned) }
}

fn read(format: &CsvFormat, input: &[u8], piece: usize, record_bytes_max: usize) -> (Vec<String>, Vec<String>) {
    let mut scanner = CsvScanner::new(format.clone(), record_bytes_max);
    let (mut rest, mut bad) = (input, Vec::new());
    let mut out = BatchBuilder::default();
    loop {
        match scanner.take(&mut out, ALL) {
            Ok(Take::Full) => panic!("there is no limit"),
            Ok(Take::Starved) => {
                let count = piece.min(rest.len());
                scanner.room(count)[..count].copy_from_slice(&rest[..count]);
                scanner.filled(count);
                rest = &rest[count..];
            }
            Ok(Take::Done) => return (texts(&out.take()), bad),
            Err(record) => {
                bad.push(format!("{}@{}: {}", record.lines_before + 1, record.offset, record.why));
                if record.why.ends_file() {
                    return (texts(&out.take()), bad);
                }
            }
        }
    }
}

fn check(format: &CsvFormat, input: &[u8], records: &[&str], bad: &[&str]) {
    for piece in 1..=input.len() + 1 {
        let read = read(format, input, piece, 40);
        let expected: (Vec<_>, Vec<_>) = (records.iter().map(|s| (*s).to_owned()).collect(), bad.iter().map(|s| (*s).to_owned()).collect());
        assert_eq!(read, expected, "pieces of {piece} of {:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn records_become_objects_by_column_name() {
    let header = format(true, None);
    check(&header, b"a,b\n1,x\n\"2\",\"y, \"\"z\"\"\nw\"\n", &[r#"{"a":"1","b":"x"}"#, r#"{"a":"2","b":"y, \"z\"\nw"}"#], &[]);
    check(&header, b"\xef\xbb\xbfa,\"b \"\"q\"\"\"\r\n,\r\n\r\n\n3,4", &[r#"{"a":"","b \"q\"":""}"#, r#"{"a":"3","b \"q\"":"4"}"#], &[]);
    check(&header, b"a\n\"\"\nb\"c\n\"d\"\r", &[r#"{"a":""}"#, r#"{"a":"b\"c"}"#, r#"{"a":"d"}"#], &[]);
    check(&header, b"a,b\n", &[], &[]);
    check(&header, b"", &[], &[]);
    check(&format(true, Some("b")), b"a,b\n1,x\n2,\"y\"\"\"\n", &[r#"x={"a":"1","b":"x"}"#, r#"y"={"a":"2","b":"y\""}"#], &[]);
}

#[test]
fn records_without_a_header_become_arrays() {
    check(&format(false, None), "a,b\n1\nü,\"\",\n".as_bytes(), &[r#"["a","b"]"#, r#"["1"]"#, r#"["ü","",""]"#], &[]);
    let tabs = CsvFormat { delimiter: b'\t', ..format(false, None) };
    check(&tabs, b"a,b\tc\n", &[r#"["a,b","c"]"#], &[]);
}

#[test]
fn bad_records_are_located_and_the_next_line_is_read() {
    let header = format(true, None);
    let good = &[r#"{"a":"1","b":"2"}"#];
    check(&header, b"a,b\n1\n1,2\n", good, &["2@4: the record has 1 fields where the first line names 2 columns"]);
    check(&header, b"a,b\n1,2\n1,\"x\" y\n", good, &["3@13: a closing quote is followed by something else than a delimiter"]);
    check(&header, b"a,b\n\"x,1\n1,2\n", good, &["2@4: a quoted field is not closed before the end of the file"]);
    check(&header, b"a,b\n1,\xff\n1,2\n", good, &["2@6: byte 0xff is not UTF-8 here"]);
    let long = format!("a,b\n{},1\n1,2\n\"{}\",\"1\n1,2\n", "x".repeat(50), "y".repeat(50));
    let too_long = ": the record is longer than 40 bytes";
    check(&header, long.as_bytes(), &[good[0], good[0]], &[&format!("2@4{too_long}"), &format!("4@61{too_long}")]);
}

#[test]
fn a_header_that_says_nothing_ends_the_file() {
    check(&format(true, None), b"a,b,a\n1,2,3\n", &[], &["1@0: the first line names the column `a` twice"]);
    check(&format(true, None), b"a,\xff\n1,2\n", &[], &["1@0: the first line, which names the columns, is not UTF-8"]);
    check(&format(true, Some("c")), b"a,b\n1,2\n", &[], &["1@0: the first line names no column `c` to take the key from"]);
}

#[test]
fn sound_files_read_as_with_the_csv_crate() {
    let mut random = Random::new(11);
    for _ in 0..500 {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        let mut expected = Vec::new();
        for _ in 0..random.next_u64() % 6 {
            let field = |random: &mut Random| -> String {
                let letters = ["a", "\"", ",", "\n", "\r\n", "ü", " ", "\r"];
                (0..random.next_u64() % 5).map(|_| letters[(random.next_u64() % 8) as usize]).collect()
            };
            let record: Vec<String> = (0..1 + random.next_u64() % 4).map(|_| field(&mut random)).collect();
            writer.write_record(&record).unwrap();
            expected.push(serde_json::to_string(&record).unwrap());
        }
        let text = writer.into_inner().unwrap();
        let piece = 1 + (random.next_u64() % 20) as usize;
        assert_eq!(read(&format(false, None), &text, piece, 1000), (expected, vec![]), "{:?}", String::from_utf8_lossy(&text));
    }
}
