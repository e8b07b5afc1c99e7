//! What weir needs of an object store, against a server that speaks S3. `exactly_once` kills whole jobs over the same server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what went wrong by panicking")]

use std::collections::BTreeMap;

use bytes::Bytes;
use weir_checkpoint::store::Store;
use weir_tests::job::{JobFolder, check_counts, final_counts, word_count};

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// The job's folder in a bucket.
fn store(folder: &JobFolder) -> Store {
    Store::over(folder.s3().unwrap().bucket("checkpoints"), "job").unwrap()
}

#[test]
fn each_of_many_claims_at_once_has_a_number_of_its_own() {
    const PROCESSES: u64 = 16;
    const CLAIMS: u64 = 10;
    let folder = JobFolder::with_buckets(&["checkpoints"]);
    let claims = (0..PROCESSES).map(|process| {
        let store = store(&folder);
        async move {
            let mut numbers = Vec::new();
            for claim in 0..CLAIMS {
                numbers.push(store.claim(&format!("{process} {claim}")).await.unwrap().0);
            }
            numbers
        }
    });
    let mut numbers = run(futures_util::future::join_all(claims)).concat();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(1..=PROCESSES * CLAIMS), "{numbers:?}");
}

#[test]
fn a_file_that_is_sent_in_parts_comes_back_whole_and_in_ranges() {
    let folder = JobFolder::with_buckets(&["checkpoints"]);
    let store = store(&folder);
    let check = |bytes: u64| {
        let path = format!("shared/count/1-1-0-{bytes}.state");
        let content: Vec<u8> = (0..bytes).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        run(async {
            store.put_file(&path, Bytes::from(content.clone())).await.unwrap();
            assert_eq!(store.size(&path).await.unwrap(), Some(bytes));
            assert!(store.get(&path, bytes).await.unwrap().unwrap() == content, "{bytes} bytes");
            let (near_start, near_end) = (bytes / 10..bytes / 9, bytes - bytes / 7..bytes);
            let ranges = store.get_ranges(&path, &[near_start.clone(), near_end.clone()]).await.unwrap();
            let expected = [near_start, near_end].map(|range| &content[range.start as usize..range.end as usize]);
            assert!(ranges.iter().map(|range| &range[..]).eq(expected), "ranges of {bytes} bytes");
            assert!(store.get_ranges(&path, std::slice::from_ref(&(0..bytes + 1))).await.is_err());
        });
    };
    check(1000);
    check(8 << 20);
    check((8 << 20) + 1);
    check(21_000_003);
}

const LINES: &str = "connector = \"generator\"\nkind = \"zipf-words\"\ndistinct = 200\nlines = 6000\nparallelism = 1";

/// A word count with its checkpoints and its output in buckets.
fn job() -> String {
    let checkpointing = "[checkpointing]\ninterval = \"20ms\"\ndir = \"s3://checkpoints\"\n";
    word_count(LINES, "connector = \"file\"\npath = \"s3://out/counts\"") + checkpointing
}

/// The same, so slow that it runs until something ends it.
fn slow() -> String {
    job().replace(LINES, &format!("{LINES}\nrate = 100"))
}

/// What a job counts that nobody disturbs.
fn undisturbed() -> BTreeMap<String, u64> {
    let folder = JobFolder::with_buckets(&["checkpoints", "out"]);
    drop(folder.run(&job(), &[]).with_code(0));
    counts(&folder)
}

fn counts(folder: &JobFolder) -> BTreeMap<String, u64> {
    let parts = folder.parts("out/counts");
    final_counts(parts.iter().flat_map(|part| part.lines()))
}

#[test]
fn a_job_that_another_process_takes_over_commits_nothing_more() {
    let folder = JobFolder::with_buckets(&["checkpoints", "out"]);
    let first = folder.job(&slow(), &["-q"]).start();
    first.until_poll(|| !folder.names("out/counts").is_empty());
    let second = folder.job(&job(), &["-q"]).run();
    let first = first.wait();
    assert_eq!((first.code, second.code), (1, 0), "{}\n{}", first.stderr, second.stderr);
    assert!(first.stderr.contains("another process runs the same job on s3://checkpoints/test"), "{}", first.stderr);
    check_counts(&counts(&folder), &undisturbed(), "after the job was taken over");
}

#[test]
fn a_store_that_refuses_or_isn_t_there_is_told_in_three_parts() {
    let folder = JobFolder::with_buckets(&["out"]);
    let check = |variables: &[(&str, &str)], words: &[&str]| {
        folder.write("job.toml", job());
        let weir = variables.iter().fold(folder.weir(&["run", "job.toml", "-q"]), |weir, (name, value)| weir.env(name, value));
        let ended = weir.run();
        assert!(ended.code != 0 && words.iter().all(|word| ended.stderr.contains(word)), "{}: {}", ended.code, ended.stderr);
        drop(ended.told());
    };
    check(&[], &["s3://checkpoints/test", "NoSuchBucket"]);
    check(&[("AWS_SECRET_ACCESS_KEY", "wrong")], &["s3://checkpoints/test", "SignatureDoesNotMatch"]);
}

#[test]
fn a_savepoint_in_a_bucket_is_whole_and_a_job_goes_on_from_it() {
    let folder = JobFolder::with_buckets(&["checkpoints", "out", "savepoints"]);
    let savepoints = "savepoint-dir = \"s3://savepoints/words\"\n";
    let running = folder.job(&(slow() + savepoints), &[]).start();
    running.until_stderr(|bytes| String::from_utf8_lossy(bytes).lines().any(|line| line.starts_with("job ")));
    running.until_poll(|| !folder.names("out/counts").is_empty());
    let take = |words: &[&str]| folder.weir(words).run().with_code(0).text().trim().to_owned();
    let first = take(&["savepoint", "test", "--include-plugins"]);
    let last = take(&["stop", "test"]);
    drop(running.wait().with_code(4));
    for savepoint in [&first, &last] {
        assert!(savepoint.starts_with("s3://savepoints/words/savepoint-"), "{savepoint}");
        drop(folder.weir(&["savepoint", "verify", savepoint]).run().with_code(0));
        drop(folder.weir(&["state", "ls", savepoint]).run().with_code(0));
    }
    drop(folder.job(&job(), &["-q", "-s", &last]).run().with_code(0));
    check_counts(&counts(&folder), &undisturbed(), "from a savepoint in a bucket");
    drop(folder.weir(&["savepoint", "dispose", &first]).run().with_code(0));
    drop(folder.weir(&["savepoint", "verify", &first]).run().with_code(2));
}
