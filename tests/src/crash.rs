//! Jobs that are killed: what they are made of, what must come out of them, and the runs that end before they do.

pub mod case;
pub mod mutation;
pub mod points;
pub mod random;
pub mod swaps;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;
use weir_connect::zipf_text::write_zipf_text;

use crate::job::{JobFolder, WORD_COUNT};
use crate::oracle::count_words;

/// Bytes of made-up text in each of [`FILES`] files.
const TEXT_BYTES: u64 = 250_000;
const FILES: u64 = 3;
/// Distinct words of a text.
const DISTINCT: u32 = 2000;
/// A generator's lines, and how many come in a second: it decides how long its job takes.
const GENERATED: &str = "connector = \"generator\"\nkind = \"zipf-words\"\ndistinct = 500\nlines = 1500\nrate = 5000\nparallelism = 2\n";

/// Where the records of a scenario come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// Text files, cut into small splits.
    Text,
    /// The same files, packed.
    Gzip,
    /// A generator with a rate.
    Generator,
    /// Text files and a generator that meet in one operator.
    Joined,
}

/// Where checkpoints and output go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Into folders.
    Folders,
    /// Into the same folders as buckets, through a server.
    S3,
}

/// What a scenario promises about each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// It comes out once.
    ExactlyOnce,
    /// It comes out.
    AtLeastOnce,
}

/// A job that counts words and also passes its lines straight on, each into a folder of its own.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// What it is called in reports.
    pub name: &'static str,
    /// Where its records come from.
    pub input: Input,
    /// Where it keeps its checkpoints and puts its output.
    pub storage: Storage,
    /// Subtasks of a node, unless a run says otherwise.
    pub parallelism: u32,
    /// What it promises.
    pub promise: Promise,
    /// Further keys of `[checkpointing]`.
    pub checkpointing: &'static str,
    /// Keys of `[state]`.
    pub state: &'static str,
    /// Keys of the sink of counts.
    pub sink: &'static str,
}

/// A job like many.
const PLAIN: Scenario = Scenario {
    name: "text",
    input: Input::Text,
    storage: Storage::Folders,
    parallelism: 2,
    promise: Promise::ExactlyOnce,
    checkpointing: "",
    state: "",
    sink: "",
};

/// What is killed. The first is enough for most points.
pub const SCENARIOS: &[Scenario] = &[
    PLAIN,
    Scenario { name: "text, one subtask", parallelism: 1, ..PLAIN },
    Scenario { name: "gzip, full checkpoints", input: Input::Gzip, state: "incremental = false", ..PLAIN },
    Scenario { name: "generator, three retained", input: Input::Generator, checkpointing: "num-retained = 3", ..PLAIN },
    Scenario { name: "joined", input: Input::Joined, ..PLAIN },
    Scenario { name: "joined, unaligned", input: Input::Joined, checkpointing: "unaligned = true", ..PLAIN },
    Scenario { name: "text, unaligned into one sink", checkpointing: "unaligned = true", sink: "parallelism = 1", ..PLAIN },
    Scenario { name: "text, unaligned after a while", checkpointing: "unaligned = true\naligned-checkpoint-timeout = \"2ms\"", ..PLAIN },
    Scenario {
        name: "joined, at least once",
        input: Input::Joined,
        promise: Promise::AtLeastOnce,
        checkpointing: "mode = \"at-least-once\"",
        ..PLAIN
    },
    Scenario { name: "text, two at a time", checkpointing: "max-concurrent-checkpoints = 2", ..PLAIN },
    Scenario {
        name: "joined, two at a time",
        input: Input::Joined,
        checkpointing: "max-concurrent-checkpoints = 2\nnum-retained = 2",
        sink: "parallelism = 3",
        ..PLAIN
    },
    Scenario { name: "generator, short timeout", input: Input::Generator, checkpointing: "timeout = \"10ms\"", ..PLAIN },
    Scenario { name: "text, in S3", storage: Storage::S3, ..PLAIN },
    Scenario { name: "generator, unaligned, in S3", input: Input::Generator, storage: Storage::S3, checkpointing: "unaligned = true", ..PLAIN },
    Scenario { name: "text, on disk", state: "backend = \"disk\"\nmemory = \"1MiB\"", ..PLAIN },
];

impl Scenario {
    /// The job file.
    #[must_use]
    pub fn job(&self) -> String {
        let at = if self.storage == Storage::S3 { "s3://" } else { "" };
        let mut toml = format!(
            "[job]\nname = \"crash\"\nmax-parallelism = 128\n\
             [checkpointing]\ndir = \"{at}checkpoints\"\ninterval = \"10ms\"\ntolerable-failed-checkpoints = 1000\n{}\n[state]\n{}\n\
             [restart]\nstrategy = \"fixed-delay\"\nattempts = 20\ndelay = \"1ms\"\n{WORD_COUNT}",
            self.checkpointing, self.state
        );
        let mut sources = Vec::new();
        if matches!(self.input, Input::Text | Input::Gzip | Input::Joined) {
            let ending = if self.input == Input::Gzip { "txt.gz" } else { "txt" };
            writeln!(toml, "[sources.lines]\nconnector = \"file\"\npath = \"in/*.{ending}\"\nsplit-size = \"16KiB\"").unwrap();
            sources.push("lines");
        }
        if matches!(self.input, Input::Generator | Input::Joined) {
            writeln!(toml, "[sources.more]\n{GENERATED}").unwrap();
            sources.push("more");
        }
        write!(
            toml,
            "[operators.tokenize]\nplugin = \"word-count\"\nfunction = \"tokenize\"\ninputs = {sources:?}\n\
             [operators.count]\nplugin = \"word-count\"\nfunction = \"count\"\ninput = \"tokenize\"\n\
             [sinks.counts]\nconnector = \"file\"\npath = \"{at}out/counts\"\ninput = \"count\"\n{}\n\
             [sinks.copy]\nconnector = \"file\"\npath = \"{at}out/copy\"\ninputs = {sources:?}\n",
            self.sink
        )
        .unwrap();
        toml
    }

    /// A folder with the job file and its input.
    #[must_use]
    pub fn folder(&self) -> JobFolder {
        let folder = match self.storage {
            Storage::Folders => JobFolder::new(),
            Storage::S3 => JobFolder::with_buckets(&["checkpoints", "out"]),
        };
        folder.write("job.toml", self.job());
        for number in 0..FILES {
            match self.input {
                Input::Text | Input::Joined => drop(folder.write(&format!("in/{number}.txt"), text(number))),
                Input::Gzip => drop(folder.write(&format!("in/{number}.txt.gz"), gzip(&text(number)))),
                Input::Generator => {}
            }
        }
        folder
    }

    /// What must come out, recounted from the input.
    #[must_use]
    pub fn expected(&self) -> Expected {
        let mut text = String::new();
        if self.input != Input::Generator {
            (0..FILES).for_each(|number| text.push_str(&self::text(number)));
        }
        if matches!(self.input, Input::Generator | Input::Joined) {
            text.push_str(&generated());
        }
        Expected::of(&text, self.promise)
    }
}

/// The made-up text of one file.
#[must_use]
pub fn text(number: u64) -> String {
    let mut bytes = Vec::new();
    write_zipf_text(&mut bytes, TEXT_BYTES, DISTINCT, number).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// The generator's lines, as a job without checkpoints prints them.
fn generated() -> String {
    static LINES: Mutex<Option<String>> = Mutex::new(None);
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let print = || {
        let folder = JobFolder::new();
        let toml = format!("[job]\nname = \"lines\"\n[sources.more]\n{GENERATED}[sinks.out]\nconnector = \"print\"\ninput = \"more\"\n");
        folder.run(&toml, &[]).with_code(0).text().to_owned()
    };
    lines.get_or_insert_with(print).clone()
}

/// What the committed output must be.
#[derive(Debug)]
pub struct Expected {
    promise: Promise,
    /// How often each word occurs.
    counts: BTreeMap<String, u64>,
    /// How often each line occurs.
    lines: BTreeMap<String, u64>,
}

impl Expected {
    /// The recount of a text.
    #[must_use]
    pub fn of(text: &str, promise: Promise) -> Self {
        let mut lines: BTreeMap<String, u64> = BTreeMap::new();
        text.lines().for_each(|line| *lines.entry(line.to_owned()).or_default() += 1);
        Self { promise, counts: count_words(text), lines }
    }

    /// Holds the part files against it.
    ///
    /// # Errors
    /// What is lost, doubled or out of order.
    pub fn check(&self, folder: &JobFolder) -> Result<(), String> {
        self.check_counts(&parts(folder, "out/counts")?).map_err(|why| format!("out/counts: {why}"))?;
        self.check_lines(&parts(folder, "out/copy")?).map_err(|why| format!("out/copy: {why}"))
    }

    /// The running counts of each word are 1 to its total, each once, and in order within a part.
    fn check_counts(&self, parts: &[(String, String)]) -> Result<(), String> {
        let mut found: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for (name, part) in parts {
            let mut before: BTreeMap<&str, u64> = BTreeMap::new();
            for line in part.lines() {
                let (word, count) = line.split_once('\t').ok_or_else(|| format!("{name}: {line:?} is no word with its count"))?;
                let count: u64 = count.parse().map_err(|_| format!("{name}: {line:?} is no word with its count"))?;
                if before.insert(word, count).is_some_and(|before| before >= count) && self.promise == Promise::ExactlyOnce {
                    return Err(format!("{name}: the counts of {word:?} are not in order at {count}"));
                }
                found.entry(word).or_default().push(count);
            }
        }
        let mut wrong = Vec::new();
        for (word, total) in &self.counts {
            let mut counts = found.remove(word.as_str()).unwrap_or_default();
            counts.sort_unstable();
            if self.promise == Promise::AtLeastOnce {
                counts.dedup();
                // State may have counted a record twice; it has lost none, and neither has the sink.
                counts.truncate(usize::try_from(*total).unwrap_or(usize::MAX));
            }
            if !counts.iter().copied().eq(1..=*total) {
                wrong.push(format!("{word:?} has {}, and its total is {total}", gaps(&counts, *total)));
            }
        }
        wrong.extend(found.keys().map(|word| format!("{word:?} doesn't occur in the input")));
        told(&wrong)
    }

    fn check_lines(&self, parts: &[(String, String)]) -> Result<(), String> {
        let mut found: BTreeMap<&str, u64> = BTreeMap::new();
        parts.iter().flat_map(|(_, part)| part.lines()).for_each(|line| *found.entry(line).or_default() += 1);
        let mut wrong = Vec::new();
        for (line, times) in &self.lines {
            let got = found.remove(line.as_str()).unwrap_or_default();
            if got < *times || got > *times && self.promise == Promise::ExactlyOnce {
                wrong.push(format!("{line:?} is there {got} times for {times}"));
            }
        }
        wrong.extend(found.keys().map(|line| format!("{line:?} doesn't occur in the input")));
        told(&wrong)
    }
}

/// The finished part files of a folder with their contents; one that is unfinished, or another name, is an error.
fn parts(folder: &JobFolder, name: &str) -> Result<Vec<(String, String)>, String> {
    let read = |part: String| {
        if !part.starts_with("part-") || !part.ends_with(".txt") {
            return Err(format!("{name}/{part} has been left behind"));
        }
        let text = std::fs::read_to_string(folder.path().join(name).join(&part)).map_err(|error| format!("{name}/{part}: {error}"))?;
        Ok((part, text))
    };
    folder.names(name).into_iter().map(read).collect()
}

/// What is missing of 1 to `total`, and what is there too often.
fn gaps(counts: &[u64], total: u64) -> String {
    let mut times: BTreeMap<u64, i64> = (1..=total).map(|count| (count, -1)).collect();
    counts.iter().for_each(|count| *times.entry(*count).or_default() += 1);
    let list = |sign: i64| {
        let all: Vec<u64> = times.iter().filter(|(_, times)| times.signum() == sign).map(|(count, _)| *count).collect();
        format!("{} counts, {:?}…", all.len(), all.iter().take(5).collect::<Vec<_>>())
    };
    format!("lost {}, doubled {}", list(-1), list(1))
}

fn told(wrong: &[String]) -> Result<(), String> {
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("{} are wrong: {}", wrong.len(), wrong.iter().take(4).cloned().collect::<Vec<_>>().join("; ")))
    }
}

#[cfg(test)]
mod tests;
