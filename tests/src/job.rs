//! A job file in a folder of its own, and what came out of the job.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Ended, Weir};
use crate::s3::S3Server;

/// The table of the plugin that counts words.
pub const WORD_COUNT: &str = "[plugins.word-count]\npath = \"${PLUGINS}/word_count.wasm\"\n";
/// The table of the plugin that misbehaves, under tight limits.
pub const FAULTY: &str = "[plugins.faulty]\npath = \"${PLUGINS}/faulty.wasm\"\nmemory = \"16MiB\"\ncall-timeout = \"100ms\"\n";

/// A word count from a source to a sink, given the keys of both.
#[must_use]
pub fn word_count(source: &str, sink: &str) -> String {
    format!(
        "[job]\nname = \"test\"\n{WORD_COUNT}[sources.lines]\n{source}\n\
         [operators.tokenize]\nplugin = \"word-count\"\nfunction = \"tokenize\"\ninput = \"lines\"\n\
         [operators.count]\nplugin = \"word-count\"\nfunction = \"count\"\ninput = \"tokenize\"\n\
         [sinks.counts]\n{sink}\ninput = \"count\"\n"
    )
}

/// A folder that goes away with the test.
#[derive(Debug)]
pub struct JobFolder {
    /// Goes before the folder that it serves.
    s3: Option<S3Server>,
    temp: TempDir,
}

impl JobFolder {
    /// An empty one.
    ///
    /// # Panics
    /// When it can't be made.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes a folder on the disk")]
    pub fn new() -> Self {
        Self { s3: None, temp: TempDir::new().unwrap() }
    }

    /// One whose subfolders of these names are buckets for every `weir` that runs in it.
    ///
    /// # Panics
    /// When it can't be made or served.
    #[must_use]
    pub fn with_buckets(buckets: &[&str]) -> Self {
        let folder = Self::new();
        buckets.iter().for_each(|bucket| std::fs::create_dir(folder.path().join(bucket)).unwrap());
        Self { s3: Some(S3Server::start(folder.path())), ..folder }
    }

    /// The server of its buckets, if it has any.
    #[must_use]
    pub fn s3(&self) -> Option<&S3Server> {
        self.s3.as_ref()
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.temp.path()
    }

    /// Leaves it there for somebody to look at.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        self.temp.keep()
    }

    /// Writes a file, in folders that are made for it.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// `weir` with these arguments, in this folder.
    #[must_use]
    pub fn weir(&self, arguments: &[&str]) -> Weir {
        let variables = self.s3.iter().flat_map(S3Server::variables);
        variables.fold(Weir::new(self.path(), arguments), |weir, (name, value)| weir.env(name, value))
    }

    /// `weir run` of this job file, its summary in `summary.json`, with further arguments.
    ///
    /// # Panics
    /// When the job file can't be written.
    #[must_use]
    pub fn job(&self, toml: &str, arguments: &[&str]) -> Weir {
        self.write("job.toml", toml);
        let words = ["run", "job.toml", "--summary", "summary.json"];
        self.weir(&[&words[..], arguments].concat())
    }

    /// Runs the job to its end.
    ///
    /// # Panics
    /// As [`crate::process::Running::wait`].
    #[must_use]
    pub fn run(&self, toml: &str, arguments: &[&str]) -> Ended {
        self.job(toml, arguments).run()
    }

    /// The names of all files in a folder, sorted; none if there is no such folder.
    #[must_use]
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().join(folder)).into_iter().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The contents of the part files of a folder, in the order of their names.
    ///
    /// # Panics
    /// When one can't be read, is unfinished, or isn't UTF-8.
    #[must_use]
    pub fn parts(&self, folder: &str) -> Vec<String> {
        let names = self.names(folder);
        let read = |name: &String| {
            assert!(!name.ends_with(".inprogress"), "{names:?}");
            std::fs::read_to_string(self.path().join(folder).join(name)).unwrap()
        };
        names.iter().map(read).collect()
    }

    /// The same, without those that are unfinished.
    ///
    /// # Panics
    /// When one can't be read, or isn't UTF-8.
    #[must_use]
    pub fn parts_finished(&self, folder: &str) -> Vec<String> {
        let names = self.names(folder).into_iter().filter(|name| !name.ends_with(".inprogress"));
        names.map(|name| std::fs::read_to_string(self.path().join(folder).join(name)).unwrap()).collect()
    }

    /// What the job wrote as its summary.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary(serde_json::from_slice(&std::fs::read(self.path().join("summary.json")).unwrap()).unwrap())
    }
}

/// The closing summary of a job, as data.
#[derive(Debug)]
pub struct Summary(pub Value);

impl Summary {
    /// A figure of a node, such as `records_in`; checked to be the sum over its subtasks.
    ///
    /// # Panics
    /// When there is no such node or figure, or it isn't that sum.
    #[must_use]
    pub fn figure(&self, uid: &str, figure: &str) -> u64 {
        let nodes = self.0.get("nodes").and_then(Value::as_array).unwrap();
        let node = nodes.iter().find(|node| node.get("uid").is_some_and(|name| name == uid)).unwrap();
        let of = |value: &Value| value.get(figure).and_then(Value::as_u64).unwrap();
        let subtasks = node.get("subtasks").and_then(Value::as_array).unwrap();
        assert_eq!(subtasks.iter().map(of).sum::<u64>(), of(node), "{uid} {figure}");
        of(node)
    }

    /// How the job ended.
    ///
    /// # Panics
    /// When it doesn't say.
    #[must_use]
    pub fn outcome(&self) -> &str {
        self.0.get("outcome").and_then(Value::as_str).unwrap()
    }

    /// Checks that what each of these nodes emitted is what the next one took in; gives how many records the last one took.
    ///
    /// # Panics
    /// When a record was lost or doubled between two of them.
    pub fn check_flow(&self, uids: &[&str]) -> u64 {
        let out_and_in = uids.iter().zip(uids.iter().skip(1));
        out_and_in.for_each(|(from, to)| assert_eq!(self.figure(from, "records_out"), self.figure(to, "records_in"), "{from} to {to}"));
        uids.last().map_or(0, |last| self.figure(last, "records_in"))
    }
}

/// A line of a word count: the word and its count so far.
fn word_and_count(line: &str) -> (&str, u64) {
    let (word, count) = line.split_once('\t').unwrap_or_else(|| panic!("not a word and a count: {line:?}"));
    (word, count.parse().unwrap_or_else(|_| panic!("not a count: {line:?}")))
}

/// The total of each word, from the running counts of all subtasks, in whatever order they come.
///
/// # Panics
/// Unless the running counts of each word are 1 to its total, each once: otherwise something was lost or doubled.
#[must_use]
pub fn final_counts<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<String, u64> {
    let mut running: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (word, count) in lines.map(word_and_count) {
        running.entry(word).or_default().push(count);
    }
    let total = |(word, mut counts): (&str, Vec<u64>)| {
        counts.sort_unstable();
        assert!(counts.iter().copied().eq(1..=counts.len() as u64), "the running counts of {word:?} are {}", shorten(&counts));
        (word.to_owned(), counts.len() as u64)
    };
    running.into_iter().map(total).collect()
}

/// The total of each word, where the running counts of a word come one after the other.
///
/// # Panics
/// When one is lost, doubled or overtaken.
#[must_use]
pub fn final_counts_in_order<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (word, count) in lines.map(word_and_count) {
        let before = counts.entry(word).or_default();
        assert_eq!(*before + 1, count, "the count of {word:?} jumps from {before} to {count}");
        *before = count;
    }
    counts.into_iter().map(|(word, count)| (word.to_owned(), count)).collect()
}

/// Checks counts against the recount, naming only what differs.
///
/// # Panics
/// When something differs.
pub fn check_counts(found: &BTreeMap<String, u64>, expected: &BTreeMap<String, u64>, of: &str) {
    let mut differences = String::new();
    let words: std::collections::BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    for word in words.into_iter().filter(|word| found.get(*word) != expected.get(*word)).take(10) {
        writeln!(differences, "{word:?}: {:?} for {:?}", found.get(word), expected.get(word)).unwrap();
    }
    assert!(differences.is_empty(), "{of}: {} words for {}\n{differences}", found.len(), expected.len());
}

/// Both ends of a long list.
fn shorten(counts: &[u64]) -> String {
    match counts {
        [start @ .., last] if start.len() > 20 => format!("{:?} … {last}", start.iter().take(20).collect::<Vec<_>>()),
        all => format!("{all:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(lines: &[&str], count: fn(std::vec::IntoIter<&'static str>) -> BTreeMap<String, u64>) -> Option<Vec<(String, u64)>> {
        let lines: Vec<&'static str> = lines.iter().map(|line| -> &'static str { Box::leak((*line).to_owned().into_boxed_str()) }).collect();
        std::panic::catch_unwind(|| count(lines.into_iter()).into_iter().collect()).ok()
    }

    #[test]
    fn running_counts_must_be_whole() {
        let check = |lines: &[&str], any: bool, in_order: bool| {
            assert_eq!(totals(lines, final_counts).is_some(), any, "{lines:?}");
            assert_eq!(totals(lines, final_counts_in_order).is_some(), in_order, "{lines:?}");
        };
        check(&["a\t1", "b\t1", "a\t2"], true, true);
        check(&["a\t2", "a\t1"], true, false);
        check(&["a\t1", "a\t1"], false, false);
        check(&["a\t1", "a\t3"], false, false);
        check(&["a"], false, false);
        assert_eq!(totals(&["a\t2", "b\t1", "a\t1"], final_counts), Some(vec![("a".to_owned(), 2), ("b".to_owned(), 1)]));
    }
}
