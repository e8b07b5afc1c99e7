//! The names of part files: by subtask and counter, with a suffix until they are committed.

use std::fmt;

/// What is behind the name of a file that isn't committed.
pub(super) const UNFINISHED: &str = ".inprogress";
/// The empty file that says that the job has ended and everything is committed.
pub(super) const END_MARKER: &str = "_SUCCESS";

/// The final name of a part: `part-<subtask>-<counter>.<extension>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PartName(String);

impl PartName {
    pub(super) fn new(subtask: u32, counter: u64, extension: &str) -> Self {
        Self(format!("part-{subtask}-{counter}.{extension}"))
    }

    /// `None` unless a sink gives files such names: no other file is ever touched, whoever names it.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (numbers, extension) = name.strip_prefix("part-")?.split_once('.')?;
        let (subtask, counter) = numbers.split_once('-')?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(subtask) && is_number(counter) && ["txt", "csv", "jsonl"].contains(&extension)).then(|| Self(name.to_owned()))
    }

    /// The same for a name with the suffix of one that isn't committed.
    pub(super) fn parse_unfinished(name: &str) -> Option<Self> {
        Self::parse(name.strip_suffix(UNFINISHED)?)
    }

    /// Its subtask and its counter.
    pub(super) fn numbers(&self) -> (u64, u64) {
        let mut numbers = self.0.split(['-', '.']).skip(1).map(|number| number.parse().unwrap_or(u64::MAX));
        (numbers.next().unwrap_or(u64::MAX), numbers.next().unwrap_or(u64::MAX))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name until the commit.
    pub(super) fn unfinished(&self) -> String {
        format!("{}{UNFINISHED}", self.0)
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a file of that name is part of a sink's finished output.
pub(super) fn is_finished(name: &str) -> bool {
    name == END_MARKER || PartName::parse(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_sink_gives_are_its_own() {
        let name = PartName::new(3, 17, "csv");
        assert_eq!((name.as_str(), name.unfinished().as_str()), ("part-3-17.csv", "part-3-17.csv.inprogress"));
        assert_eq!(PartName::parse("part-3-17.csv"), Some(name.clone()));
        assert_eq!(PartName::parse_unfinished("part-3-17.csv.inprogress"), Some(name));
        for foreign in ["part-3.csv", "part--1.csv", "part-1-.csv", "part-1-2.exe", "part-1-2", "../part-1-2.csv", "part-1-2.csv.inprogress", "x"] {
            assert_eq!(PartName::parse(foreign), None, "{foreign}");
        }
        assert_eq!(PartName::parse_unfinished("part-3-17.csv"), None);
        assert!(is_finished("_SUCCESS") && is_finished("part-0-0.txt") && !is_finished("part-0-0.txt.inprogress"));
    }
}
