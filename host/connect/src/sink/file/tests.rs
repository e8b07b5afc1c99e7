//! Part files: their names, when they appear, when they roll, and when a folder is refused.

use std::sync::Arc;

use weir_checkpoint::permit::CommitPermit;
use weir_model::codec::Codec;
use weir_model::describe::Port;
use weir_model::id::{CheckpointId, Parallelism};
use weir_model::rows::{Batch, BatchBuilder, NO_TIMESTAMP};
use weir_model::time::SharedClock;

use super::super::on_disk::{FileHandle, Record, WriterState};
use super::super::part::UNFINISHED;
use super::super::parts::{PartsWriter, PreparedParts};
use super::super::{PreparedState, SinkConfig};
use super::*;
use crate::test_support::{ManualClock, TempFolder, block_on, permit, section};

/// Without checkpoints, as most of these tests.
const FRESH: SinkStart<'_> = SinkStart::Fresh { checkpoints: false };
const WITH_CHECKPOINTS: SinkStart<'_> = SinkStart::Fresh { checkpoints: true };
const AT_END: CommitPermit = CommitPermit::at_end_of_job_without_checkpoints();

fn uid() -> OperatorUid {
    OperatorUid::new("out").unwrap()
}

fn config(folder: &TempFolder, lines: &str) -> FileSinkConfig {
    match SinkConfig::parse("file", section("sinks.out", &format!("path = \"out\"\n{lines}")), folder.path()) {
        Ok(SinkConfig::File(config)) => config,
        other => panic!("{other:?}"),
    }
}

fn open_at(folder: &TempFolder, lines: &str, parallelism: u32, start: SinkStart<'_>, clock: SharedClock) -> Result<Vec<PartsWriter>> {
    let input = Port { name: "out".into(), key: Codec::Utf8, value: Codec::Utf8 };
    Ok(config(folder, lines).take(&uid(), start)?.open(&uid(), Parallelism::new(parallelism).unwrap(), &input, &clock))
}

fn open(folder: &TempFolder, lines: &str, parallelism: u32, start: SinkStart<'_>) -> Result<Vec<PartsWriter>> {
    open_at(folder, lines, parallelism, start, Arc::new(ManualClock::default()))
}

fn batch(records: &[(&str, &str)]) -> Batch {
    let mut batch = BatchBuilder::default();
    for (key, value) in records {
        batch.push(Some(key.as_bytes()), value.as_bytes(), NO_TIMESTAMP).unwrap();
    }
    batch.take()
}

fn prepare(writers: &mut [PartsWriter], checkpoint: u64) -> Vec<PreparedState> {
    let prepared: Vec<PreparedParts> = writers.iter_mut().map(|writer| writer.prepare(CheckpointId(checkpoint)).unwrap()).collect();
    prepared.into_iter().map(|parts| block_on(parts.make_durable()).unwrap()).collect()
}

fn handles(states: &[PreparedState]) -> Vec<Vec<u8>> {
    states.iter().flat_map(|state| state.handles.clone()).collect()
}

/// Ends a job without checkpoints well.
fn end(folder: &TempFolder, lines: &str, mut writers: Vec<PartsWriter>) {
    let committer = config(folder, lines).committer(&uid());
    committer.commit(&AT_END, &handles(&prepare(&mut writers, 1))).unwrap();
    committer.finish(&AT_END).unwrap();
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

#[test]
fn a_part_gets_its_name_when_it_is_committed() {
    let folder = TempFolder::new();
    let mut writers = open(&folder, "", 2, FRESH).unwrap();
    assert_eq!(files(&folder), pairs(&[]), "no part without a record");
    writers[0].write(&batch(&[("a", "1"), ("b", "2")])).unwrap();
    writers[0].flush().unwrap();
    assert_eq!(files(&folder), pairs(&[("part-0-0.txt.inprogress", "a\t1\nb\t2\n")]));
    writers[0].write(&batch(&[("c", "3")])).unwrap();
    let whole = "a\t1\nb\t2\nc\t3\n";
    let handles = handles(&prepare(&mut writers, 1));
    assert_eq!((files(&folder), handles.len()), (pairs(&[("part-0-0.txt.inprogress", whole)]), 1));
    let committer = config(&folder, "").committer(&uid());
    for _ in 0..3 {
        committer.commit(&permit(), &handles).unwrap();
        assert_eq!(files(&folder), pairs(&[("part-0-0.txt", whole)]));
    }
    // The next record opens the next part.
    writers[0].write(&batch(&[("d", "4")])).unwrap();
    writers[0].flush().unwrap();
    assert_eq!(files(&folder), pairs(&[("part-0-0.txt", whole), ("part-0-1.txt.inprogress", "d\t4\n")]));
}

#[test]
fn overlapping_checkpoints_forget_what_is_committed_and_nothing_else() {
    let folder = TempFolder::new();
    let mut writers = open(&folder, "", 1, WITH_CHECKPOINTS).unwrap();
    let mut named = |checkpoint: u64, completed: Option<u64>| {
        writers[0].write(&batch(&[("a", "1")])).unwrap();
        let handles = handles(&prepare(&mut writers, checkpoint)).len();
        completed.into_iter().for_each(|checkpoint| writers[0].completed(CheckpointId(checkpoint)));
        handles
    };
    assert_eq!([named(1, None), named(2, Some(1)), named(3, None), named(4, Some(3)), named(5, None)], [1, 2, 2, 3, 2]);
}

#[test]
fn formats_name_their_files_and_each_part_has_the_header() {
    for (lines, name, header, text) in [
        ("", "txt", "", "a\t1,5\n"),
        ("format = \"csv\"", "csv", "", "a,\"1,5\"\n"),
        ("format = \"csv\"\nheader = true", "csv", "key,value\n", "a,\"1,5\"\n"),
        ("format = \"json-lines\"", "jsonl", "", "{\"key\":\"a\",\"value\":\"1,5\"}\n"),
    ] {
        let folder = TempFolder::new();
        let lines = format!("{lines}\nroll-size = 1");
        let mut writers = open(&folder, &lines, 1, FRESH).unwrap();
        writers[0].write(&batch(&[("a", "1,5")])).unwrap();
        writers[0].write(&batch(&[("a", "1,5")])).unwrap();
        end(&folder, &lines, writers);
        let text = format!("{header}{text}");
        assert_eq!(files(&folder), pairs(&[(&format!("part-0-0.{name}"), &text), (&format!("part-0-1.{name}"), &text)]));
    }
}

#[test]
fn a_part_ends_when_it_is_large_or_old_enough() {
    let folder = TempFolder::new();
    let clock = Arc::new(ManualClock::default());
    let mut writers = open_at(&folder, "roll-size = 8\nroll-interval = \"10s\"", 1, FRESH, Arc::clone(&clock) as SharedClock).unwrap();
    writers[0].write(&batch(&[("a", "1")])).unwrap();
    clock.advance_ms(9_999);
    writers[0].write(&batch(&[("b", "2")])).unwrap();
    writers[0].write(&batch(&[("c", "3")])).unwrap();
    clock.advance_ms(10_000);
    writers[0].write(&batch(&[("d", "4")])).unwrap();
    writers[0].flush().unwrap();
    let expected = [("part-0-0.txt.inprogress", "a\t1\nb\t2\n"), ("part-0-1.txt.inprogress", "c\t3\nd\t4\n")];
    assert_eq!(files(&folder), pairs(&expected));
    assert_eq!(handles(&prepare(&mut writers, 1)).len(), 2);
}

#[test]
fn parts_that_wait_for_a_long_time_do_not_keep_their_files_open() {
    let folder = TempFolder::new();
    let mut writers = open(&folder, "roll-size = 1", 1, FRESH).unwrap();
    for _ in 0..40 {
        writers[0].write(&batch(&[("a", "1")])).unwrap();
    }
    assert_eq!(writers[0].open_files(), 16);
    end(&folder, "", writers);
    assert_eq!(files(&folder).iter().filter(|(name, text)| name.ends_with(".txt") && text == "a\t1\n").count(), 40);
}

#[test]
fn earlier_part_files_are_replaced_only_when_asked_for() {
    for (earlier, remedy) in [
        ("part-0-0.txt", "move the part files away"),
        ("part-17-3.csv", "move the part files away"),
        ("_SUCCESS", "move the part files away"),
        ("part-3-0.jsonl.inprogress", "part-3-0.jsonl.inprogress"),
        ("part-0-0.txt.inprogress", "part-0-0.txt.inprogress"),
    ] {
        for start in [FRESH, WITH_CHECKPOINTS, SinkStart::Restored(&[])] {
            let folder = TempFolder::new();
            folder.file(&format!("out/{earlier}"), "earlier");
            folder.file("out/part-x.txt", "not ours");
            let error = open(&folder, "", 1, start).unwrap_err();
            assert!(error.why.contains(earlier) && error.remedy.contains(remedy) && error.remedy.contains("overwrite = true"), "{error}");
            assert_eq!(error.why.contains("a run that didn't finish"), earlier.ends_with(UNFINISHED), "{error}");
            assert_eq!(error.what, "job.toml:1: [sinks.out] path");
            assert_eq!(files(&folder), pairs(&[(earlier, "earlier"), ("part-x.txt", "not ours")]), "a refusal changes nothing");
            let mut writers = open(&folder, "overwrite = true", 1, start).unwrap();
            writers[0].write(&batch(&[("a", "1")])).unwrap();
            end(&folder, "overwrite = true", writers);
            assert_eq!(files(&folder), pairs(&[("part-0-0.txt", "a\t1\n"), ("part-x.txt", "not ours")]));
        }
    }
}

#[test]
fn an_earlier_result_stays_until_the_whole_job_has_ended_well_or_goes_at_once_with_checkpoints() {
    let earlier = [("_SUCCESS", ""), ("part-0-0.txt", "old 0"), ("part-1-0.txt", "old 1"), ("part-3-1.csv", "old 3")];
    let prepared = |start| {
        let folder = TempFolder::new();
        for (name, text) in earlier.into_iter().chain([("part-1-0.txt.inprogress", "half")]) {
            folder.file(&format!("out/{name}"), text);
        }
        let mut writers = open(&folder, "overwrite = true", 2, start).unwrap();
        writers[1].write(&batch(&[("a", "1")])).unwrap();
        let handles = handles(&prepare(&mut writers, 1));
        (folder, handles)
    };
    let (folder, handles) = prepared(FRESH);
    let new = ("part-1-0.txt.inprogress", "a\t1\n");
    assert_eq!(files(&folder), pairs(&[earlier[0], earlier[1], earlier[2], new, earlier[3]]));
    let committer = config(&folder, "overwrite = true\nend-marker = true").committer(&uid());
    committer.commit(&AT_END, &handles).unwrap();
    assert_eq!(files(&folder), pairs(&[earlier[1], ("part-1-0.txt", new.1), earlier[3]]), "the marker no longer holds");
    committer.finish(&AT_END).unwrap();
    assert_eq!(files(&folder), pairs(&[("_SUCCESS", ""), ("part-1-0.txt", new.1)]));
    let (folder, _) = prepared(WITH_CHECKPOINTS);
    assert_eq!(files(&folder), pairs(&[new]));
}

#[test]
fn a_folder_that_is_being_written_is_left_alone() {
    let folder = TempFolder::new();
    let mut writers = open(&folder, "", 2, FRESH).unwrap();
    writers[1].write(&batch(&[("a", "1")])).unwrap();
    writers[1].flush().unwrap();
    let at_work = |error: Error| assert!(error.why.contains("out` is a folder which another sink or another run is writing now"), "{error}");
    for (lines, start) in
        [("", FRESH), ("overwrite = true", FRESH), ("overwrite = true\nformat = \"csv\"", WITH_CHECKPOINTS), ("", SinkStart::Restored(&[]))]
    {
        at_work(open(&folder, lines, 2, start).unwrap_err());
    }
    at_work(config(&folder, "").committer(&uid()).abort_others(&[]).unwrap_err());
    // What is still being made durable keeps others away, too.
    let prepared = writers[1].prepare(CheckpointId::FIRST).unwrap();
    drop(writers);
    at_work(open(&folder, "overwrite = true", 2, FRESH).unwrap_err());
    drop(prepared);
    config(&folder, "").committer(&uid()).abort_others(&[]).unwrap();
    assert_eq!(files(&folder), pairs(&[]));
    assert!(open(&folder, "", 2, FRESH).is_ok());
}

#[test]
fn output_that_is_held_back_stays_for_a_later_checkpoint() {
    let check = |holds_back: bool, expected: &[&str]| {
        let folder = TempFolder::new();
        let mut writers = open(&folder, "", 1, WITH_CHECKPOINTS).unwrap();
        writers[0].write(&batch(&[("a", "1")])).unwrap();
        let PreparedState { state, handles } = prepare(&mut writers, 1).remove(0);
        writers[0].write(&batch(&[("b", "2")])).unwrap();
        writers[0].flush().unwrap();
        drop(writers);
        let (states, handles) = (vec![state], if holds_back { handles } else { Vec::new() });
        let writers = open(&folder, "", 1, SinkStart::HeldBack { states: &states, handles: &handles }).unwrap();
        assert_eq!(files(&folder).into_iter().map(|(name, _)| name).collect::<Vec<_>>(), expected);
        drop(writers);
        config(&folder, "").committer(&uid()).commit(&permit(), &handles).unwrap();
    };
    check(true, &["part-0-0.txt.inprogress"]);
    check(false, &[]);
}

#[test]
fn a_job_that_wrote_nothing_leaves_nothing_and_one_that_failed_leaves_what_it_wrote() {
    let folder = TempFolder::new();
    let mut writers = open(&folder, "", 3, FRESH).unwrap();
    writers[0].write(&Batch::default()).unwrap();
    writers[1].write(&batch(&[("a", "1")])).unwrap();
    writers[1].flush().unwrap();
    prepare(&mut writers, 1);
    drop(writers);
    assert_eq!(files(&folder), pairs(&[("part-1-0.txt.inprogress", "a\t1\n")]));
    assert!(open(&folder, "", 2, FRESH).unwrap_err().why.contains("part-1-0.txt.inprogress"));
}

#[test]
fn a_folder_that_cannot_be_is_named() {
    let folder = TempFolder::new();
    folder.file("out", "a file");
    let error = open(&folder, "", 1, FRESH).unwrap_err();
    assert!(error.why.contains("out` can't be used"), "{error}");
}

/// A part that is prepared, and its handle; then something happens to the files, and a commit and a restore say what.
fn damaged(damage: impl FnOnce(&TempFolder), in_commit: Option<&str>, in_restore: Option<&str>) {
    let folder = TempFolder::new();
    let mut writers = open(&folder, "", 1, WITH_CHECKPOINTS).unwrap();
    writers[0].write(&batch(&[("a", "1")])).unwrap();
    let handles = handles(&prepare(&mut writers, 1));
    drop(writers);
    damage(&folder);
    let committer = config(&folder, "").committer(&uid());
    let judge = |result: Result<()>, expected: Option<&str>| match (result, expected) {
        (Ok(()), None) => {}
        (Err(error), Some(why)) => {
            assert!(error.what.starts_with("sink `out`: ") && error.what.contains("part-0-0.txt") && error.why.contains(why), "{error}");
        }
        (result, expected) => panic!("{result:?}, expected {expected:?}"),
    };
    judge(committer.abort_others(&handles), in_restore);
    judge(committer.commit(&permit(), &handles), in_commit);
}

#[test]
fn a_part_that_is_not_what_was_written_is_named() {
    let unfinished = "out/part-0-0.txt.inprogress";
    damaged(|_| {}, None, None);
    damaged(|folder| fs::remove_file(folder.path().join(unfinished)).unwrap(), Some("it is gone, and so is"), None);
    damaged(|folder| drop(folder.file(unfinished, "a\t1")), Some("it has 3 bytes; 4 were written"), Some("it has 3 bytes; 4 were written"));
    damaged(|folder| drop(folder.file(unfinished, "a\t2\n")), None, Some("its content is not what was written"));
    damaged(|folder| drop(folder.file("out/part-0-0.txt", "somebody else's")), Some("another file has it"), None);
    let renamed = |folder: &TempFolder, text: &str| {
        fs::remove_file(folder.path().join(unfinished)).unwrap();
        folder.file("out/part-0-0.txt", text);
    };
    damaged(|folder| renamed(folder, "a\t1\n"), None, None);
    damaged(|folder| renamed(folder, "a\t1\nmore"), Some("it has 8 bytes; 4 were written"), None);
}

#[test]
fn what_the_disk_refuses_names_the_file_and_nothing_goes_on_after_it() {
    let folder = TempFolder::new();
    let mut writers = open(&folder, "", 1, WITH_CHECKPOINTS).unwrap();
    writers[0].write(&batch(&[("a", "1")])).unwrap();
    let first = handles(&prepare(&mut writers, 1));
    config(&folder, "").committer(&uid()).commit(&permit(), &first).unwrap();
    // In the way of the next part.
    folder.file("out/part-0-1.txt.inprogress", "");
    let error = writers[0].write(&batch(&[("b", "2")])).unwrap_err();
    assert!(error.what.ends_with("out/part-0-1.txt.inprogress") && error.why.contains("it can't be written"), "{error}");
    fs::remove_file(folder.path().join("out/part-0-1.txt.inprogress")).unwrap();
    assert_eq!(writers[0].write(&batch(&[("c", "3")])).unwrap_err(), error);
    assert_eq!(writers[0].prepare(CheckpointId(2)).unwrap_err(), error);
    assert_eq!(files(&folder), pairs(&[("part-0-0.txt", "a\t1\n")]), "what was committed stays");
}

#[test]
fn foreign_handles_are_refused() {
    let folder = TempFolder::new();
    let committer = config(&folder, "").committer(&uid());
    for (handle, why) in [(&b""[..], "cut off"), (b"something else", "another version")] {
        let error = committer.commit(&permit(), &[handle.to_vec()]).unwrap_err();
        assert!(error.what.starts_with("sink `out`") && error.why.contains(why), "{error}");
        assert!(committer.abort_others(&[handle.to_vec()]).is_err());
    }
    let outside = Record::File(FileHandle { name: "../part-0-0.txt".to_owned(), length: 0, checksum: 0 }).encode(&uid()).unwrap();
    assert!(committer.commit(&permit(), &[outside]).unwrap_err().why.contains("is not the name of a part"));
    let state = Record::Writer(WriterState { counter_next: 0 }).encode(&uid()).unwrap();
    assert!(committer.commit(&permit(), &[state]).is_err());
}
