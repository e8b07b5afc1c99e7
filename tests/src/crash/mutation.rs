//! Checkpoint files that were damaged between two runs: the second one refuses and says which file, or is exact; and nothing is lost by that.

use std::fmt;
use std::fs;
use std::path::Path;

use weir_connect::random::Random;

use crate::crash::case::{Disturbance, How, Run, last_run, last_run_from};
use crate::crash::{Expected, Scenario};
use crate::job::JobFolder;
use crate::process::RUN_DIR;

/// A job that was killed when it had several checkpoints and output that only a manifest names.
#[derive(Debug)]
pub struct Base {
    folder: JobFolder,
    expected: Expected,
    parallelism: u32,
    /// What can be damaged: everything in the checkpoint folder, and the parts that wait for their commit.
    files: Vec<String>,
}

/// What is done to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Damage {
    Flipped { byte: u64, bit: u32 },
    Truncated { to: u64 },
    Lengthened { by: u64 },
    Zeroed { from: u64, length: u64 },
    Missing,
    SwappedWith(String),
}

/// A file and what is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    file: String,
    damage: Damage,
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        match &self.damage {
            Damage::Flipped { byte, bit } => write!(f, "bit {bit} of byte {byte} flipped"),
            Damage::Truncated { to } => write!(f, "cut off at {to} bytes"),
            Damage::Lengthened { by } => write!(f, "{by} bytes longer"),
            Damage::Zeroed { from, length } => write!(f, "{length} zeros at byte {from}"),
            Damage::Missing => f.write_str("missing"),
            Damage::SwappedWith(other) => write!(f, "swapped with {other}"),
        }
    }
}

/// What a damaged folder led to; both are fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// An error that names the file; with the file as it was, the job went on exactly.
    Refused,
    /// The output is exact all the same.
    Exact,
}

impl Base {
    /// Runs the scenario until it is killed at `point`, such as `two-coordinators=kill@4`.
    ///
    /// # Panics
    /// When the job ends before that.
    #[must_use]
    pub fn new(scenario: &Scenario, point: &str) -> Self {
        let folder = scenario.folder();
        let run = Run { disturbance: Disturbance::Points(point.to_owned()), parallelism: scenario.parallelism };
        assert_eq!(run.run(&folder), Ok(How::Killed), "{point} wasn't reached");
        let mut files = Vec::new();
        list(folder.path(), "checkpoints", &mut files);
        list(folder.path(), "out", &mut files);
        files.retain(|file| file.starts_with("checkpoints") || file.ends_with(".inprogress"));
        assert!(files.iter().any(|file| file.ends_with("_metadata")) && files.iter().any(|file| file.ends_with(".state")), "{files:?}");
        Self { folder, expected: scenario.expected(), parallelism: scenario.parallelism, files }
    }

    /// The files that can be damaged.
    #[must_use]
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// The mutation of a seed.
    #[must_use]
    pub fn mutation(&self, seed: u64) -> Mutation {
        let mut random = Random::new(seed);
        let mut below = |end: u64| random.next_u64() % end.max(1);
        let file = self.files.get(below(self.files.len() as u64) as usize).cloned().unwrap_or_default();
        let length = fs::metadata(self.folder.path().join(&file)).map_or(0, |metadata| metadata.len());
        let damage = match below(8) {
            0..3 if length > 0 => Damage::Flipped { byte: below(length), bit: below(8) as u32 },
            3 => Damage::Zeroed { from: below(length), length: 1 + below(64) },
            4 => Damage::Lengthened { by: 1 + below(4096) },
            5 => Damage::Missing,
            6 => Damage::SwappedWith(self.files.get(below(self.files.len() as u64) as usize).cloned().unwrap_or_default()),
            _ => Damage::Truncated { to: below(length) },
        };
        Mutation { file, damage }
    }

    /// Runs a copy of the folder with that damage.
    ///
    /// # Errors
    /// The violation.
    ///
    /// # Panics
    /// When a run hangs or panics.
    pub fn check(&self, mutation: &Mutation) -> Result<Verdict, String> {
        let folder = JobFolder::new();
        copy(self.folder.path(), folder.path());
        let files = mutation.files();
        let before: Vec<Vec<u8>> = files.iter().map(|file| fs::read(folder.path().join(file)).unwrap()).collect();
        mutation.apply(&folder, &before);
        let ended = last_run(&folder, self.parallelism);
        if ended.code == 0 {
            return self.expected.check(&folder).map(|()| Verdict::Exact);
        }
        let told = ended.told();
        let text = format!("{}\n{}\n{}", told.what, told.why, told.remedy);
        // Nothing tells that there was a newest manifest, except what it has committed.
        let was_newest = mutation.damage == Damage::Missing && text.contains("a newer checkpoint has committed");
        if !was_newest && !files.iter().any(|file| text.contains(name_of(file))) {
            return Err(format!("the error names none of {files:?}: {}", ended.stderr));
        }
        for (file, bytes) in files.iter().zip(&before) {
            folder.write(file, bytes);
        }
        // The refused run has recorded that it goes on from the older one: the user has to name the checkpoint that was brought back.
        let checkpoint = files.first().and_then(|file| file.split('/').rev().nth(1)).filter(|_| was_newest);
        let again = last_run_from(&folder, self.parallelism, checkpoint);
        if again.code != 0 {
            return Err(format!("with the file as it was, it ended with code {}: {}\nBefore that: {}", again.code, again.stderr, ended.stderr));
        }
        self.expected
            .check(&folder)
            .map(|()| Verdict::Refused)
            .map_err(|why| format!("with the file as it was: {why}; before that: {}", ended.stderr))
    }
}

impl Mutation {
    /// What isn't as it was: one file, or two that were swapped.
    fn files(&self) -> Vec<&str> {
        match &self.damage {
            Damage::SwappedWith(other) if *other != self.file => vec![&self.file, other],
            _ => vec![&self.file],
        }
    }

    fn apply(&self, folder: &JobFolder, before: &[Vec<u8>]) {
        let mut bytes = before.first().cloned().unwrap_or_default();
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        match &self.damage {
            Damage::Flipped { byte, bit } => bytes.iter_mut().skip(place(*byte)).take(1).for_each(|byte| *byte ^= 1 << bit),
            Damage::Truncated { to } => bytes.truncate(place(*to)),
            Damage::Lengthened { by } => bytes.resize(bytes.len() + place(*by), b'x'),
            Damage::Zeroed { from, length } => bytes.iter_mut().skip(place(*from)).take(place(*length)).for_each(|byte| *byte = 0),
            Damage::Missing => return fs::remove_file(folder.path().join(&self.file)).unwrap(),
            Damage::SwappedWith(other) => {
                if let [own, others] = before {
                    folder.write(other, own);
                    bytes.clone_from(others);
                }
            }
        }
        folder.write(&self.file, bytes);
    }
}

/// What an error may call a file: its last two names, or the last one where that says enough.
fn name_of(file: &str) -> &str {
    let parent = file.rfind('/').and_then(|last| file.get(..last)?.rfind('/')).map_or(0, |at| at + 1);
    file.get(parent..).unwrap_or(file)
}

/// Every file below a folder, as paths from `top`, sorted.
fn list(top: &Path, below: &str, found: &mut Vec<String>) {
    let mut names: Vec<String> = fs::read_dir(top.join(below)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    for path in names.iter().map(|name| format!("{below}/{name}")) {
        if top.join(&path).is_dir() { list(top, &path, found) } else { found.push(path) }
    }
}

/// Copies a folder; input is linked, because nobody writes to it.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        // Where running jobs are registered: sockets, which belong to their processes.
        if entry.file_name() == RUN_DIR {
            continue;
        }
        if source.is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&source, &target);
        } else if from.ends_with("in") {
            fs::hard_link(&source, &target).unwrap();
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}
