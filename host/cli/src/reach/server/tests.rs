//! What a client sees of a request that takes long, and that the request doesn't need the client.

use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;
use weir_model::ErrorKind;

use super::*;

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

fn progress() -> Answer {
    Answer::Progress { done: 1, total: 4, phase: None }
}

async fn line(reader: &mut (impl AsyncBufRead + Unpin)) -> Option<Answer> {
    next_line(reader, LINE_BYTES_MAX).await.unwrap().map(|line| decode(&line).unwrap())
}

#[test]
fn a_client_hears_how_far_its_request_is_and_then_what_came_of_it() {
    for (result, expected) in [
        (Ok(Answer::Cancelled), Answer::Cancelled),
        (
            Err(Error::incompatible("count", "its state is newer", "take the newer plugin")),
            Answer::Error(Failure::from(&Error::new(ErrorKind::Incompatible, "count", "its state is newer", "take the newer plugin"))),
        ),
    ] {
        run(async {
            let (near, far) = UnixStream::pair().unwrap();
            let (done, finish) = oneshot::channel::<Result<Answer>>();
            let served = tokio::spawn(async move {
                let mut near = near;
                long(&mut near, progress, false, async move { finish.await.unwrap() }).await
            });
            let mut reader = BufReader::new(far);
            assert_eq!((line(&mut reader).await, line(&mut reader).await), (Some(progress()), Some(progress())));
            done.send(result).unwrap();
            let answer = loop {
                match line(&mut reader).await {
                    Some(Answer::Progress { .. }) => {}
                    other => break other,
                }
            };
            assert_eq!(answer, Some(expected));
            assert_eq!(served.await.unwrap(), Some(()), "the connection is good for another request");
        });
    }
}

#[test]
fn what_is_asked_is_done_when_the_client_has_gone() {
    run(async {
        let (near, far) = UnixStream::pair().unwrap();
        let (done, finish) = oneshot::channel::<()>();
        let (told, finished) = oneshot::channel::<()>();
        let served = tokio::spawn(async move {
            let mut near = near;
            let work = async move {
                finish.await.unwrap();
                told.send(()).unwrap();
                Ok(Answer::Cancelled)
            };
            long(&mut near, progress, false, work).await
        });
        drop(far);
        assert_eq!(served.await.unwrap(), None, "nobody is served any more");
        done.send(()).unwrap();
        finished.await.unwrap();
    });
}

#[test]
fn whoever_ends_the_job_is_told_until_it_has_ended() {
    run(async {
        let (near, far) = UnixStream::pair().unwrap();
        let served = tokio::spawn(async move {
            let mut near = near;
            long(&mut near, progress, true, async { Ok(Answer::Cancelled) }).await
        });
        let mut reader = BufReader::new(far);
        assert_eq!(line(&mut reader).await, Some(Answer::Cancelled));
        assert_eq!((line(&mut reader).await, line(&mut reader).await), (Some(progress()), Some(progress())));
        // The process ends, and all its tasks with it.
        served.abort();
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).await.unwrap();
    });
}
