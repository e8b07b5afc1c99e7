//! Which job a user means: by its id, the start of it, or its name.

use weir_model::{Error, Result};

use super::record::Record;

/// Which jobs may be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Only those that run.
    Running,
    /// Those that have ended too; one that runs comes first.
    Any,
}

/// Jobs that an error lists.
const LISTED_MAX: usize = 8;

/// The job that `text` names among `jobs`, which are sorted as [`super::jobs`] sorts them.
///
/// # Errors
/// When no job or more than one is meant; the error lists them.
pub(crate) fn find<'a>(text: &str, wanted: Wanted, jobs: &'a [Record]) -> Result<&'a Record> {
    let is_meant = |job: &&Record| job.name == text || (!text.is_empty() && job.id.as_str().starts_with(&text.to_lowercase()));
    let (running, ended): (Vec<_>, Vec<_>) = jobs.iter().filter(is_meant).partition(|job| job.ended.is_none());
    match (running.as_slice(), ended.as_slice()) {
        ([job], _) => Ok(job),
        ([_, _, ..], _) => Err(ambiguous(text, &running)),
        ([], []) => Err(unknown(text, wanted, jobs)),
        ([], [newest, ..]) if wanted == Wanted::Running => {
            let outcome = newest.ended.as_ref().map_or("ended", |ended| ended.outcome.name());
            Err(Error::usage(format!("job `{text}`"), format!("it has ended ({outcome})"), "`weir list` shows the jobs that run"))
        }
        // The last run of a job is the one that is meant by its name.
        ([], [newest, older @ ..]) if older.iter().all(|job| job.name == newest.name) && newest.name == text => Ok(newest),
        ([], [job]) => Ok(job),
        ([], _) => Err(ambiguous(text, &ended)),
    }
}

fn unknown(text: &str, wanted: Wanted, jobs: &[Record]) -> Error {
    let known: Vec<_> = jobs.iter().filter(|job| wanted == Wanted::Any || job.ended.is_none()).collect();
    let (why, remedy) = match (known.is_empty(), wanted) {
        (true, Wanted::Running) => {
            ("no job of yours is running".to_owned(), "start one with `weir run JOB.toml`, as the same user and with the same WEIR_RUN_DIR")
        }
        (true, Wanted::Any) => {
            ("no job of yours is known".to_owned(), "start one with `weir run JOB.toml`, as the same user and with the same WEIR_RUN_DIR")
        }
        (false, Wanted::Running) => {
            (format!("no running job has this name or an id that starts so; there are:\n{}", list(&known)), "name one of these")
        }
        (false, Wanted::Any) => (format!("no job has this name or an id that starts so; there are:\n{}", list(&known)), "name one of these"),
    };
    Error::usage(format!("job `{text}`"), why, remedy)
}

fn ambiguous(text: &str, jobs: &[&Record]) -> Error {
    Error::usage(format!("job `{text}`"), format!("it could be any of these:\n{}", list(jobs)), "give enough of the id to tell them apart")
}

fn list(jobs: &[&Record]) -> String {
    let line = |job: &&Record| {
        let ended = job.ended.as_ref().map(|ended| format!(", {}", ended.outcome.name())).unwrap_or_default();
        format!("{} ({}{ended})", job.id, job.name)
    };
    let mut lines: Vec<String> = jobs.iter().take(LISTED_MAX).map(line).collect();
    if jobs.len() > LISTED_MAX {
        lines.push(format!("and {} more", jobs.len() - LISTED_MAX));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Ended, JobId, Outcome};

    fn job(high: u64, name: &str, outcome: Option<Outcome>) -> Record {
        let ended = outcome.map(|outcome| Ended { ended_ms: 0, outcome, savepoint: None, error: None });
        Record { ended, ..Record::new(JobId::of(high << 32, 0), name, 1, 0) }
    }

    #[test]
    fn a_job_is_meant_by_the_start_of_its_id_or_by_its_name() {
        let jobs = [
            job(0x3f2a_0001, "words", None),
            job(0x3f2b_0002, "clicks", None),
            job(0xabcd_0003, "clicks", None),
            job(0xabc0_0004, "words", Some(Outcome::Failed)),
            job(0xdddd_0005, "old", Some(Outcome::Killed)),
            job(0xdddd_0006, "old", Some(Outcome::Done)),
            job(0xdd00_0007, "3f2a", Some(Outcome::Done)),
        ];
        let check = |text: &str, wanted: Wanted, expected: Result<usize, &str>| match (find(text, wanted, &jobs), expected) {
            (Ok(job), Ok(at)) => assert_eq!(job.id, jobs[at].id, "{text}"),
            (Err(error), Err(why)) => assert!(error.why.contains(why), "{text}: {error}"),
            (found, expected) => panic!("{text}: {found:?} for {expected:?}"),
        };
        use Wanted::{Any, Running};
        check("3f2a", Running, Ok(0));
        check("3F2A", Any, Ok(0));
        check(jobs[1].id.as_str(), Running, Ok(1));
        check("words", Running, Ok(0));
        check("abcd", Running, Ok(2));
        check("clicks", Running, Err("3f2b000200000000"));
        check("3f", Running, Err("(words)\n3f2b"));
        check("abc", Any, Ok(2));
        check("abc0", Any, Ok(3));
        check("abc0", Running, Err("it has ended (failed)"));
        // Its last run.
        check("old", Any, Ok(4));
        check("old", Running, Err("it has ended (killed)"));
        check("dddd", Any, Err("killed)\ndddd"));
        check("dddd0006", Any, Ok(5));
        check("wrds", Running, Err("there are:\n3f2a"));
        check("", Any, Err("there are:"));
        assert!(find("x", Running, &[]).unwrap_err().why.contains("no job of yours is running"));
        assert!(find("wrds", Running, &jobs).unwrap_err().why.matches("clicks").count() == 2);
        assert!(!find("wrds", Running, &jobs).unwrap_err().why.contains("old"));
    }

    #[test]
    fn a_long_list_is_cut() {
        let jobs: Vec<_> = (0..20).map(|at| job(at, "many", None)).collect();
        let why = find("many", Wanted::Running, &jobs).unwrap_err().why;
        assert!(why.ends_with("and 12 more") && why.lines().count() == 10, "{why}");
    }
}
