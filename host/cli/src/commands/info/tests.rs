//! What `weir info` shows of a job that was made up.

use super::*;
use crate::reach::Swap;
use crate::registry::{CheckpointPlace, Ended, JobId, Outcome};

fn job(ended: Option<Ended>) -> Record {
    let checkpoints = Some(CheckpointPlace { dir: "/data/checkpoints".to_owned(), job: "words".to_owned() });
    Record { ended, checkpoints, job_file: "/data/job.toml".to_owned(), ..Record::new(JobId::of(0x3f2a << 48, 1), "words", 42, 1_000) }
}

fn status(at_ns: u64, records_in: u64, busy_ns: u64) -> Status {
    let (old, new) = ("a".repeat(64), "b".repeat(64));
    let swap =
        Swap { uids: vec!["count".to_owned()], before: old.clone(), digest: Some(new.clone()), phase: "on trial".to_owned(), probation: Some(3) };
    let count = Node {
        uid: "count".to_owned(),
        kind: "operator".to_owned(),
        parallelism: 2,
        function: Some("count".to_owned()),
        digest: Some(new),
        file_digest: Some(old),
        records_in,
        records_out: records_in,
        keys: 7_000,
        busy_ns,
    };
    let source = Node { uid: "lines".to_owned(), kind: "source".to_owned(), parallelism: 1, records_out: records_in, ..Node::default() };
    Status {
        phase: "running".to_owned(),
        at_ns,
        restarts: 1,
        completed_checkpoints: 12,
        nodes: vec![source, count],
        swap: Some(swap),
        ..Status::default()
    }
}

#[test]
fn a_running_job_is_shown_with_the_version_that_really_runs() {
    let info = Info {
        job: job(None),
        status: Some((status(2_000_000_000, 30_000, 900_000_000), status(1_500_000_000, 20_000, 400_000_000))),
        checkpoints: None,
    };
    let text = info.text(61_000, None);
    for expected in [
        "words (3f2a0000000000000000000000000001)\n",
        "  state       running for 60.0 s; restarts: 1\n",
        "  checkpoints 12 completed, 0 failed; in /data/checkpoints/words\n",
        "  swap        count: from aaaaaaaaaaaa to bbbbbbbbbbbb, on trial for 3 more checkpoints\n",
        "bbbbbbbbbbbb, swapped",
        "count was swapped: the job file names aaaaaaaaaaaa\n",
        "20.0 k",
        "7,000",
        // Half a second of two subtasks' half second.
        "50%\n",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
    }
    assert!(!text.contains("lines was swapped"), "{text}");
    let json = info.json();
    let count = &json["status"]["nodes"][1];
    assert_eq!(
        (count["busy_share"].as_f64(), count["records_in_per_second"].as_f64(), count["swapped"].as_bool()),
        (Some(0.5), Some(20_000.0), Some(true))
    );
    assert_eq!((json["id"].as_str(), json["status"]["nodes"][0]["swapped"].as_bool()), (Some("3f2a0000000000000000000000000001"), Some(false)));
}

#[test]
fn an_ended_job_is_shown_with_its_outcome_and_its_error() {
    let error = weir_model::Error::job("operator `count`", "it trapped\x1b[2J", "look at the record");
    let ended = Ended { ended_ms: 31_000, outcome: Outcome::Failed, savepoint: None, error: Some((&error).into()) };
    let text = Info { job: job(Some(ended)), status: None, checkpoints: None }.text(61_000, None);
    for expected in
        ["state       failed, 30.0 s ago, after 30.0 s\n", "error       operator `count`: it trapped\\u{1b}[2J\n", "do          look at the record\n"]
    {
        assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
    }
    let ended = Ended { ended_ms: 31_000, outcome: Outcome::Stopped, savepoint: Some("s3://b/sp".to_owned()), error: None };
    let info = Info { job: job(Some(ended)), status: None, checkpoints: None };
    assert!(info.text(61_000, None).contains("savepoint   s3://b/sp\n"));
    assert_eq!(info.json()["ended"]["outcome"], "stopped");
}
