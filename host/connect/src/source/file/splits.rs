//! Cuts files into pieces that readers take one after another.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use weir_model::id::Parallelism;

use super::Format;
use super::paths::InputFile;

/// Pieces are made smaller than asked for, so that every reader gets a few of them and they end at the same time; but not below this.
const SPLIT_BYTES_FLOOR: u64 = 1 << 20;
/// The pieces that each reader should get at least.
const SPLITS_PER_READER: u64 = 4;

/// A piece of a file: the records that start in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    /// The file.
    pub(super) file: Arc<InputFile>,
    /// Its first byte.
    pub(super) start: u64,
    /// The byte after its last; `None`: the rest of the file, however long.
    pub(super) end: Option<u64>,
}

/// The pieces that no reader has taken yet, in the order of the files. They are cut when they are taken.
#[derive(Debug)]
pub(super) struct SplitQueue {
    files: Mutex<VecDeque<(Arc<InputFile>, u64)>>,
    split_bytes: u64,
    splittable: bool,
}

impl SplitQueue {
    /// All of `files`, cut for `parallelism` readers into pieces of at most `split_bytes_max`.
    pub(super) fn new(files: Vec<InputFile>, format: &Format, split_bytes_max: u64, parallelism: Parallelism) -> Self {
        let total: u64 = files.iter().map(|file| file.bytes).sum();
        let share = total / (u64::from(parallelism.get()) * SPLITS_PER_READER);
        let files = files.into_iter().map(|file| (Arc::new(file), 0)).collect();
        let split_bytes = share.max(SPLIT_BYTES_FLOOR).min(split_bytes_max).max(1);
        Self { files: Mutex::new(files), split_bytes, splittable: matches!(format, Format::Lines(_)) }
    }

    /// Takes the next piece.
    pub(super) fn next(&self) -> Option<Split> {
        // Nothing can panic while the lock is held.
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, start) = files.pop_front()?;
        // Some files of size 0 have content, such as those under /proc.
        let cut = self.splittable && !file.gzip && file.bytes > 0;
        let end = cut.then(|| file.bytes.min(start.saturating_add(self.split_bytes)));
        if let Some(end) = end.filter(|end| *end < file.bytes) {
            files.push_front((Arc::clone(&file), end));
        }
        Some(Split { file, start, end })
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
            let queue = SplitQueue::new(files.clone(), format, split_bytes, Parallelism::ONE);
            std::iter::from_fn(|| queue.next()).map(|split| (split.file.path.display().to_string(), split.start, split.end)).collect()
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
            let queue = SplitQueue::new(vec![file], &Format::Lines(LineFormat::Utf8), 64 << 20, Parallelism::new(parallelism).unwrap());
            std::iter::from_fn(|| queue.next()).count()
        };
        assert_eq!(pieces(200 << 20, 1), 4);
        assert_eq!(pieces(200 << 20, 2), 8);
        assert_eq!(pieces(2 << 30, 2), 32);
        assert_eq!(pieces(3 << 20, 8), 3);
    }
}
