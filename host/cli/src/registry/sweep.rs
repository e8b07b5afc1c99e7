//! The jobs in the folder, with those that were killed found out and those that ended long ago removed.
//!
//! Nothing is locked. A process that is gone writes no more, so a file that is read after that is final but for others who notice the same.

use weir_model::Result;

use super::folder::RunFolder;
use super::process::stamp;
use super::record::{Ended, JobId, Outcome, Record};
use super::socket;

/// Ended jobs that are remembered.
const ENDED_MAX: usize = 100;
/// How long they are remembered.
const ENDED_MS_MAX: i64 = 7 * 24 * 3_600_000;
/// A socket without a file, or a file that was never finished, is older than anything that is just being made.
const DRAFT_MS_MAX: i64 = 3_600_000;

/// All jobs: those that run, then those that have ended; of each, the newest first.
///
/// # Errors
/// When the folder can't be read.
pub(crate) async fn jobs(folder: &RunFolder, now_ms: i64) -> Result<Vec<Record>> {
    let names = folder.names()?;
    let mut jobs = Vec::new();
    for id in names.iter().filter_map(|name| JobId::read(name.strip_suffix(".json")?)) {
        jobs.extend(look(folder, &id, now_ms).await);
    }
    for name in &names {
        let is_known = |id: &str| names.contains(&format!("{id}.json"));
        let is_left = name.ends_with(".partial") || name.strip_suffix(".sock").is_some_and(|id| !is_known(id));
        if is_left && folder.age_ms(name, now_ms) > DRAFT_MS_MAX {
            folder.remove(name);
        }
    }
    jobs.sort_by_key(|job| {
        (job.ended.is_some(), std::cmp::Reverse((job.ended.as_ref().map(|ended| ended.ended_ms), job.started_ms)), job.id.clone())
    });
    let is_forgotten = |at: usize, ended: &Ended| at >= ENDED_MAX || now_ms.saturating_sub(ended.ended_ms) > ENDED_MS_MAX;
    let mut ended_before = 0;
    jobs.retain(|job| {
        let Some(ended) = &job.ended else { return true };
        let keeps = !is_forgotten(ended_before, ended);
        ended_before += 1;
        if !keeps {
            folder.remove(&format!("{}.json", job.id));
        }
        keeps
    });
    Ok(jobs)
}

/// What is true of a job now.
async fn look(folder: &RunFolder, id: &JobId, now_ms: i64) -> Option<Record> {
    let record = folder.read(id)?;
    if record.ended.is_some() || is_alive(folder, &record).await {
        return Some(record);
    }
    let mut record = folder.read(id)?;
    if record.ended.is_none() {
        record.ended = Some(Ended { ended_ms: now_ms, outcome: Outcome::Killed, savepoint: None, error: None });
        // On a full disk the next one to look finds it out again.
        drop(folder.write(&record));
    }
    folder.remove(&RunFolder::socket_name(id));
    Some(record)
}

/// Whether the job's process runs. One of another container has another number there, but answers.
async fn is_alive(folder: &RunFolder, record: &Record) -> bool {
    stamp(record.pid).is_some_and(|stamp| stamp == record.process)
        || socket::connect(folder.path(), &RunFolder::socket_name(&record.id)).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const NOW_MS: i64 = 1_800_000_000_000;

    /// A folder that goes away, and a runtime to look into it.
    struct Fixture {
        folder: RunFolder,
        runtime: tokio::runtime::Runtime,
    }

    impl Fixture {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("weir-cli-{name}-{}", std::process::id()));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            Self { folder: RunFolder::make(&path).unwrap(), runtime }
        }

        fn write(&self, number: u64, pid: u32, process: &str, ended: Option<(i64, Outcome)>) -> JobId {
            let ended = ended.map(|(ended_ms, outcome)| Ended { ended_ms, outcome, savepoint: None, error: None });
            let record = Record { ended, process: process.to_owned(), ..Record::new(JobId::of(number, 0), "words", pid, 1) };
            self.folder.write(&record).unwrap();
            record.id
        }

        fn outcomes(&self) -> Vec<(JobId, Option<Outcome>)> {
            let jobs = self.runtime.block_on(jobs(&self.folder, NOW_MS)).unwrap();
            jobs.into_iter().map(|job| (job.id, job.ended.map(|ended| ended.outcome))).collect()
        }
    }

    impl Drop for Fixture {
        fn drop(&mut self) {
            fs::remove_dir_all(self.folder.path()).unwrap();
        }
    }

    #[test]
    fn a_process_that_is_gone_was_killed_and_its_socket_is_removed() {
        let fixture = Fixture::new("stale");
        let own = stamp(std::process::id()).unwrap();
        let runs = fixture.write(1, std::process::id(), &own, None);
        // Nobody has this number; and this process has it now, but hadn't when the job was started.
        let gone = fixture.write(2, u32::MAX, "boot/1", None);
        let reused = fixture.write(3, std::process::id(), "boot/1", None);
        let done = fixture.write(4, u32::MAX, "boot/1", Some((NOW_MS - 1, Outcome::Done)));
        for id in [&runs, &gone, &reused] {
            // A file in the socket's place: nobody answers.
            fs::write(fixture.folder.path().join(RunFolder::socket_name(id)), "").unwrap();
        }
        for _ in 0..2 {
            let mut found = fixture.outcomes();
            assert_eq!(found.remove(0), (runs.clone(), None));
            found.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(found, [(gone.clone(), Some(Outcome::Killed)), (reused.clone(), Some(Outcome::Killed)), (done.clone(), Some(Outcome::Done))]);
            let is_there = |id: &JobId| fixture.folder.path().join(RunFolder::socket_name(id)).exists();
            assert_eq!([&runs, &gone, &reused].map(is_there), [true, false, false]);
        }
    }

    #[test]
    fn a_job_that_answers_runs_whatever_its_number_says() {
        let fixture = Fixture::new("answers");
        let id = fixture.write(1, u32::MAX, "another container", None);
        let _guard = fixture.runtime.enter();
        let listener = socket::listen(fixture.folder.path(), &RunFolder::socket_name(&id)).unwrap();
        assert_eq!(fixture.outcomes(), [(id.clone(), None)]);
        drop(listener);
        assert_eq!(fixture.outcomes(), [(id, Some(Outcome::Killed))]);
    }

    #[test]
    fn jobs_that_ended_long_ago_or_before_many_others_are_forgotten() {
        let fixture = Fixture::new("old");
        let old = fixture.write(1, 1, "", Some((NOW_MS - ENDED_MS_MAX - 1, Outcome::Done)));
        let kept: Vec<JobId> = (0..ENDED_MAX as u64).map(|at| fixture.write(10 + at, 1, "", Some((NOW_MS - at as i64, Outcome::Failed)))).collect();
        let over = fixture.write(9, 1, "", Some((NOW_MS - 5_000, Outcome::Done)));
        let found: Vec<JobId> = fixture.outcomes().into_iter().map(|(id, _)| id).collect();
        assert_eq!(found, kept);
        assert!([&old, &over].iter().all(|id| !fixture.folder.record_path(id).exists()));
    }

    #[test]
    fn what_is_left_of_a_start_that_failed_is_removed_when_it_is_old_and_nothing_else_is() {
        let fixture = Fixture::new("foreign");
        let (socket, draft) = (format!("{}.sock", JobId::of(8, 8)), format!("{}.json.9.partial", JobId::of(7, 7)));
        let names = ["notes.txt".to_owned(), "x.json".to_owned(), format!("{}.json", JobId::of(7, 7)), socket.clone(), draft.clone()];
        let check = |age_ms: i64, is_removed: bool| {
            for name in &names {
                let file = fs::File::create(fixture.folder.path().join(name)).unwrap();
                let written = std::time::UNIX_EPOCH + std::time::Duration::from_millis(u64::try_from(NOW_MS - age_ms).unwrap());
                file.set_modified(written).unwrap();
            }
            assert!(fixture.outcomes().is_empty());
            let left = fixture.folder.names().unwrap();
            names
                .iter()
                .for_each(|name| assert_eq!(left.contains(name), !(is_removed && [&socket, &draft].contains(&name)), "{name}, {age_ms} ms old"));
        };
        check(1_000, false);
        check(DRAFT_MS_MAX + 2_000, true);
    }
}
