//! The pieces of files that readers take one after another, and what a checkpoint must know of them.
//!
//! Readers reach a barrier at different times, and what a reader takes behind its own barrier is, for that checkpoint, not taken. So the
//! last reader to reach a barrier writes down what waits then, and with it what the others have taken behind theirs. It knows everything:
//! all others have told what they were at, and what is found later is found again after a restore.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use weir_model::id::{CheckpointId, Parallelism};

use super::Format;
use super::paths::InputFile;
use crate::source::lines::Place;

/// Pieces are made smaller than asked for, so that every reader gets a few of them and they end at the same time; but not below this.
const SPLIT_BYTES_FLOOR: u64 = 1 << 20;
/// The pieces that each reader should get at least.
const SPLITS_PER_READER: u64 = 4;

/// A piece of a file: the records that start in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    /// The file.
    pub(super) file: Arc<InputFile>,
    /// The place of the file among all that were found.
    pub(super) number: usize,
    /// Its first byte.
    pub(super) start: u64,
    /// The byte after its last; `None`: the rest of the file, however long.
    pub(super) end: Option<u64>,
    /// How far a file without an end was read before a restart.
    pub(super) resume: Option<Place>,
}

impl Split {
    /// The bytes on the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.end.unwrap_or(self.file.bytes).saturating_sub(self.start)
    }
}

/// What no reader had taken before its own barrier, and all files found by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) files: Vec<Arc<InputFile>>,
    /// In the order of the files.
    pub(super) splits: Vec<Split>,
}

/// The pieces that no reader has taken yet, in the order of the files. They are cut when they are taken.
#[derive(Debug)]
pub(super) struct Splits {
    files: Vec<Arc<InputFile>>,
    paths: BTreeSet<PathBuf>,
    waiting: VecDeque<Split>,
    /// The last barrier that each reader has passed.
    passed: Vec<Option<CheckpointId>>,
    /// What was taken behind a barrier that other readers hadn't passed, with that barrier.
    taken_behind: Vec<(Split, Option<CheckpointId>)>,
    split_bytes: u64,
    splittable: bool,
}

impl Splits {
    /// `rest`, cut for `parallelism` readers into pieces of at most `split_bytes_max`.
    pub(super) fn new(rest: Rest, format: &Format, split_bytes_max: u64, parallelism: Parallelism) -> Self {
        let total = rest.splits.iter().map(Split::bytes).fold(0, u64::saturating_add);
        let share = total / (u64::from(parallelism.get()) * SPLITS_PER_READER);
        Self {
            paths: rest.files.iter().map(|file| file.path.clone()).collect(),
            files: rest.files,
            waiting: rest.splits.into(),
            passed: parallelism.subtasks().map(|_| None).collect(),
            taken_behind: Vec::new(),
            split_bytes: share.max(SPLIT_BYTES_FLOOR).min(split_bytes_max).max(1),
            splittable: matches!(format, Format::Lines(_)),
        }
    }

    /// `files`, cut for `parallelism` readers.
    pub(super) fn of_files(files: Vec<InputFile>, format: &Format, split_bytes_max: u64, parallelism: Parallelism) -> Self {
        let mut splits = Self::new(Rest { files: Vec::new(), splits: Vec::new() }, format, split_bytes_max, parallelism);
        splits.add(files);
        let rest = Rest { files: splits.files, splits: splits.waiting.into() };
        Self::new(rest, format, split_bytes_max, parallelism)
    }

    /// Adds those files that are new; whether there are any.
    pub(super) fn add(&mut self, files: Vec<InputFile>) -> bool {
        let known = self.files.len();
        for file in files {
            if self.paths.insert(file.path.clone()) {
                // Some files of size 0 have content, such as those under /proc.
                let cut = self.splittable && !file.gzip && file.bytes > 0;
                let (number, end, file) = (self.files.len(), cut.then_some(file.bytes), Arc::new(file));
                self.files.push(Arc::clone(&file));
                self.waiting.push_back(Split { file, number, start: 0, end, resume: None });
            }
        }
        self.files.len() > known
    }

    /// The bytes that wait, as they lie on the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.waiting.iter().map(Split::bytes).fold(0, u64::saturating_add)
    }

    /// Whether no piece waits for a reader.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes the next piece for a reader.
    pub(super) fn take(&mut self, reader: usize) -> Option<Split> {
        let mut split = self.waiting.pop_front()?;
        let cut = split.start.saturating_add(self.split_bytes);
        if split.end.is_some_and(|end| cut < end) {
            self.waiting.push_front(Split { start: cut, ..split.clone() });
            split.end = Some(cut);
        }
        let behind = self.passed.get(reader).copied().flatten();
        if self.passed.iter().any(|passed| *passed < behind) {
            self.taken_behind.push((split.clone(), behind));
        }
        Some(split)
    }

    /// A reader passes a barrier. The last one to do so gets what has to be written down beside what each of them is at.
    pub(super) fn pass(&mut self, reader: usize, checkpoint: CheckpointId) -> Option<Rest> {
        if let Some(passed) = self.passed.get_mut(reader) {
            *passed = Some(checkpoint);
        }
        let slowest = self.passed.iter().min().copied().flatten();
        let rest = (slowest == Some(checkpoint)).then(|| {
            let behind = self.taken_behind.iter().filter(|(_, behind)| *behind >= slowest).map(|(split, _)| split);
            let mut splits: Vec<_> = behind.chain(&self.waiting).cloned().collect();
            splits.sort_by_key(|split| (split.number, split.start));
            Rest { files: self.files.clone(), splits }
        });
        // Nobody is still to come to an older barrier.
        self.taken_behind.retain(|(_, behind)| *behind > slowest);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::csv::CsvFormat;
    use crate::source::lines::LineFormat;

    #[test]
    fn files_are_cut_in_order_and_whole_where_they_must_be() {
        let file = |name: &str, bytes: u64| InputFile { path: name.into(), bytes, gzip: name.ends_with("gz") };
        let files = vec![file("a", 10), file("b.gz", 9), file("empty", 0), file("c", 4)];
        let cut = |format: &Format, split_bytes: u64| -> Vec<(String, u64, Option<u64>)> {
            let mut splits = Splits::of_files(files.clone(), format, split_bytes, Parallelism::ONE);
            std::iter::from_fn(|| splits.take(0)).map(|split| (split.file.path.display().to_string(), split.start, split.end)).collect()
        };
        let expect = |cuts: &[(&str, u64, Option<u64>)]| cuts.iter().map(|(name, start, end)| ((*name).to_owned(), *start, *end)).collect::<Vec<_>>();
        let whole = [("b.gz", 0, None), ("empty", 0, None)];
        let lines = Format::Lines(LineFormat::Utf8);
        let fours = [&[("a", 0, Some(4)), ("a", 4, Some(8)), ("a", 8, Some(10))], &whole[..], &[("c", 0, Some(4))]].concat();
        assert_eq!(cut(&lines, 4), expect(&fours));
        assert_eq!(cut(&lines, 100), expect(&[&[("a", 0, Some(10))], &whole[..], &[("c", 0, Some(4))]].concat()));
        let csv = Format::Csv(CsvFormat { delimiter: b',', header: true, key: None });
        assert_eq!(cut(&csv, 4), expect(&[&[("a", 0, None)], &whole[..], &[("c", 0, None)]].concat()));
    }

    #[test]
    fn every_reader_gets_some_pieces_of_a_large_file() {
        let pieces = |bytes: u64, parallelism: u32| {
            let file = InputFile { path: "a".into(), bytes, gzip: false };
            let parallelism = Parallelism::new(parallelism).unwrap();
            let mut splits = Splits::of_files(vec![file], &Format::Lines(LineFormat::Utf8), 64 << 20, parallelism);
            std::iter::from_fn(|| splits.take(0)).count()
        };
        assert_eq!(pieces(200 << 20, 1), 4);
        assert_eq!(pieces(200 << 20, 2), 8);
        assert_eq!(pieces(2 << 30, 2), 32);
        assert_eq!(pieces(3 << 20, 8), 3);
    }
}
