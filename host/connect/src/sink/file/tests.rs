//! Part files: their names, when they appear, and when a folder is refused.

use weir_model::codec::Codec;
use weir_model::rows::{BatchBuilder, NO_TIMESTAMP};

use super::*;
use crate::test_support::{TempFolder, section};

fn config(folder: &TempFolder, lines: &str) -> Result<FileSinkConfig> {
    FileSinkConfig::parse(section("sinks.out", &format!("path = \"out\"\n{lines}")), folder.path())
}

fn open(folder: &TempFolder, lines: &str, parallelism: u32) -> Result<Vec<FileWriter>> {
    let input = Port { name: "out".into(), key: Codec::Utf8, value: Codec::Utf8 };
    config(folder, lines)?.open(&OperatorUid::new("out").unwrap(), Parallelism::new(parallelism).unwrap(), &input)
}

fn batch(records: &[(&str, &str)]) -> Batch {
    let mut batch = BatchBuilder::default();
    for (key, value) in records {
        batch.push(Some(key.as_bytes()), value.as_bytes(), NO_TIMESTAMP).unwrap();
    }
    batch.take()
}

/// The files of the output folder by name, with their content.
fn files(folder: &TempFolder) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder.path().join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect();
    files.sort();
    files
}

fn pairs(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// Ends a job well.
fn end(mut writers: Vec<FileWriter>) {
    writers.iter_mut().for_each(|writer| writer.finish().unwrap());
    writers.iter_mut().for_each(|writer| writer.commit().unwrap());
}

#[test]
fn a_part_gets_its_name_when_it_is_committed() {
    let folder = TempFolder::new();
    let mut writers = open(&folder, "", 2).unwrap();
    writers[0].write(&batch(&[("a", "1"), ("b", "2")])).unwrap();
    assert_eq!(files(&folder), pairs(&[("part-0.txt.inprogress", ""), ("part-1.txt.inprogress", "")]));
    writers[0].flush().unwrap();
    writers[0].write(&batch(&[("c", "3")])).unwrap();
    assert_eq!(files(&folder)[0].1, "a\t1\nb\t2\n");
    assert!(writers[0].commit().unwrap_err().why.contains("not finished"));
    writers[0].finish().unwrap();
    let whole = "a\t1\nb\t2\nc\t3\n";
    assert_eq!(files(&folder), pairs(&[("part-0.txt.inprogress", whole), ("part-1.txt.inprogress", "")]));
    writers[1].finish().unwrap();
    writers[1].finish().unwrap();
    writers[0].commit().unwrap();
    assert_eq!(files(&folder), pairs(&[("part-0.txt", whole), ("part-1.txt.inprogress", "")]));
    writers[0].commit().unwrap();
    writers[0].finish().unwrap();
    writers[1].commit().unwrap();
    assert_eq!(files(&folder), pairs(&[("part-0.txt", whole), ("part-1.txt", "")]));
    writers[1].write(&batch(&[("d", "4")])).unwrap();
    assert!(writers[1].flush().unwrap_err().why.contains("finished already"));
}

#[test]
fn formats_name_their_files() {
    for (lines, name, text) in [
        ("format = \"csv\"", "part-0.csv", "a,\"1,5\"\n"),
        ("format = \"csv\"\nheader = true", "part-0.csv", "key,value\na,\"1,5\"\n"),
        ("format = \"json-lines\"", "part-0.jsonl", "{\"key\":\"a\",\"value\":\"1,5\"}\n"),
    ] {
        let folder = TempFolder::new();
        let mut writer = open(&folder, lines, 1).unwrap().remove(0);
        writer.write(&batch(&[("a", "1,5")])).unwrap();
        end(vec![writer]);
        assert_eq!(files(&folder), pairs(&[(name, text)]));
    }
    let error = config(&TempFolder::new(), "header = true").unwrap_err();
    assert!(error.what.ends_with(":2: [sinks.out] header"), "{error}");
}

#[test]
fn earlier_part_files_are_replaced_only_when_asked_for() {
    for (earlier, remedy) in [
        ("part-0.txt", "move the part files away"),
        ("part-17.csv", "move the part files away"),
        ("part-3.jsonl.inprogress", "part-3.jsonl.inprogress"),
        ("part-0.txt.inprogress", "part-0.txt.inprogress"),
    ] {
        let folder = TempFolder::new();
        folder.file(&format!("out/{earlier}"), "earlier");
        folder.file("out/part-x.txt", "not ours");
        let error = open(&folder, "", 1).unwrap_err();
        assert!(error.why.contains(earlier) && error.remedy.contains(remedy) && error.remedy.contains("overwrite = true"), "{error}");
        assert_eq!(error.why.contains("a run that didn't finish"), earlier.ends_with(UNFINISHED), "{error}");
        assert_eq!(error.what, "job.toml:1: [sinks.out] path");
        assert_eq!(files(&folder), pairs(&[(earlier, "earlier"), ("part-x.txt", "not ours")]), "a refusal changes nothing");
        end(open(&folder, "overwrite = true", 1).unwrap());
        assert_eq!(files(&folder), pairs(&[("part-0.txt", ""), ("part-x.txt", "not ours")]));
    }
}

#[test]
fn an_earlier_result_stays_until_the_whole_job_has_ended_well() {
    let folder = TempFolder::new();
    let earlier = [("part-0.txt", "old 0"), ("part-1.txt", "old 1"), ("part-2.txt", "old 2"), ("part-3.csv", "old 3")];
    for (name, text) in earlier {
        folder.file(&format!("out/{name}"), text);
    }
    folder.file("out/part-1.txt.inprogress", "half");
    folder.file("out/part-5.txt.inprogress", "half");
    let finished = || {
        let mut writers = open(&folder, "overwrite = true", 2).unwrap();
        writers[1].write(&batch(&[("a", "1")])).unwrap();
        writers.iter_mut().for_each(|writer| writer.finish().unwrap());
        writers
    };
    // Opened, written and finished, but another task failed.
    drop(finished());
    let left = [earlier[0], earlier[1], ("part-1.txt.inprogress", "a\t1\n"), earlier[2], earlier[3], ("part-5.txt.inprogress", "half")];
    assert_eq!(files(&folder), pairs(&left));
    // Nothing that is not replaced goes before all parts have their names, whichever comes last.
    let mut writers = finished();
    writers[0].commit().unwrap();
    writers[0].commit().unwrap();
    assert_eq!(files(&folder), pairs(&[&[("part-0.txt", "")], &left[1..]].concat()));
    writers[1].commit().unwrap();
    assert_eq!(files(&folder), pairs(&[("part-0.txt", ""), ("part-1.txt", "a\t1\n")]));
}

#[test]
fn a_folder_that_is_being_written_is_left_alone() {
    let folder = TempFolder::new();
    let mut writers = open(&folder, "", 2).unwrap();
    writers[1].write(&batch(&[("a", "1")])).unwrap();
    for (lines, parallelism) in [("", 2), ("overwrite = true", 1), ("overwrite = true\nformat = \"csv\"", 2)] {
        let error = open(&folder, lines, parallelism).unwrap_err();
        assert!(error.why.contains("part-0.txt.inprogress`, which another sink or another run is writing now"), "{error}");
    }
    writers[1].finish().unwrap();
    assert!(open(&folder, "overwrite = true", 2).is_err());
    end(writers);
    assert_eq!(files(&folder), pairs(&[("part-0.txt", ""), ("part-1.txt", "a\t1\n")]));
}

#[test]
fn a_job_that_wrote_nothing_leaves_nothing_and_one_that_failed_leaves_what_it_wrote() {
    let folder = TempFolder::new();
    let mut writers = open(&folder, "", 3).unwrap();
    writers[1].write(&batch(&[("a", "1")])).unwrap();
    writers[1].flush().unwrap();
    writers[2].finish().unwrap();
    drop(writers);
    assert_eq!(files(&folder), pairs(&[("part-1.txt.inprogress", "a\t1\n")]));
    assert!(open(&folder, "", 2).unwrap_err().why.contains("part-1.txt.inprogress"));
}

#[test]
fn a_folder_that_cannot_be_is_named() {
    let folder = TempFolder::new();
    folder.file("out", "a file");
    let error = open(&folder, "", 1).unwrap_err();
    assert!(error.why.contains("out` can't be used"), "{error}");
}

#[test]
fn the_disk_says_which_file() {
    let folder = TempFolder::new();
    let mut writer = open(&folder, "", 1).unwrap().remove(0);
    fs::remove_file(folder.path().join("out/part-0.txt.inprogress")).unwrap();
    writer.finish().unwrap();
    let error = writer.commit().unwrap_err();
    assert!(error.what.starts_with("sink `out`: ") && error.what.ends_with("part-0.txt"), "{error}");
}
