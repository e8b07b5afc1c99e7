//! What a command makes of what a job says, and of a job that says nothing more.

use weir_model::ErrorKind;

use super::*;
use crate::registry::Failure;

/// What a client makes of these bytes, after which the job ends; with the progress that it has shown.
fn hear(bytes: &[u8]) -> (Result<()>, Vec<(u64, u64)>) {
    let mut shown = Vec::new();
    let result = run(async {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(bytes).await.unwrap();
        drop(far);
        let mut client = Client { stream: BufReader::new(near), name: "job 3f2a (words)".to_owned() };
        client.ask(&Ask::Cancel).await;
        client.answer(|done, total, _| shown.push((done, total)), |answer| (answer == Answer::Cancelled).then_some(())).await
    });
    (result, shown)
}

#[test]
fn an_answer_is_taken_after_the_progress_that_came_before_it() {
    let progress = |done| encode(&Answer::Progress { done, total: 9, phase: None });
    let (result, shown) = hear(&[progress(3), progress(9), encode(&Answer::Cancelled), progress(0)].concat());
    assert_eq!((result, shown), (Ok(()), vec![(3, 9), (9, 9)]));
}

#[test]
fn what_goes_wrong_is_told_with_its_kind() {
    let check = |bytes: &[u8], kind: ErrorKind, why: &str| {
        let error = hear(bytes).0.unwrap_err();
        assert!(error.kind == kind && error.why.contains(why), "{error:?} for {why}");
    };
    let refused = |kind| encode(&Answer::Error(Failure::from(&Error::new(kind, "count", "it doesn't fit", "take another"))));
    check(&refused(ErrorKind::Incompatible), ErrorKind::Incompatible, "it doesn't fit");
    check(&refused(ErrorKind::Usage), ErrorKind::Usage, "it doesn't fit");
    // The job was interrupted, not the command: an interruption would be passed over in silence.
    check(&refused(ErrorKind::Interrupted), ErrorKind::Job, "it doesn't fit");
    check(b"", ErrorKind::Job, "it ended before it answered");
    check(&encode(&Answer::Progress { done: 0, total: 0, phase: None }), ErrorKind::Job, "it ended before it answered");
    check(b"{\"version\":1,\"answer\":\"canc", ErrorKind::Job, "it ended before it answered");
    check(&encode(&Answer::Status(Box::default())), ErrorKind::Job, "it answered something else");
    check(b"rubbish\n", ErrorKind::Usage, "not JSON");
    check(&[b'x'; 50_000], ErrorKind::Job, "it ended");
}
