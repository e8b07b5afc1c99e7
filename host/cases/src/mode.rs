//! The ways in which each case is run: a stream may be cut anywhere, and nothing may come of that.

/// A way to run a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As the case says.
    Written,
    /// Each record alone.
    BatchOfOne,
    /// All records between two events at once.
    BatchOfAll,
    /// A checkpoint, a new instance and a restore after every record.
    Restarts,
}

/// Calls of a batch of one, about: cases of more records are cut into so many batches.
const CALLS_MAX: usize = 10_000;
/// Restarts, at the most.
const RESTARTS_MAX: usize = 100;

impl Mode {
    /// All of them; the case as it is written comes first.
    pub const ALL: [Self; 4] = [Self::Written, Self::BatchOfOne, Self::BatchOfAll, Self::Restarts];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Written => "as written",
            Self::BatchOfOne => "batches of one",
            Self::BatchOfAll => "one batch of all",
            Self::Restarts => "a restart after every record",
        }
    }

    /// Records in a batch, of a case of so many whose own batches are of `written`.
    pub(crate) fn batch(self, written: usize, records: usize) -> usize {
        match self {
            Self::Written | Self::Restarts => written,
            Self::BatchOfOne => records.div_ceil(CALLS_MAX).max(1),
            Self::BatchOfAll => usize::MAX,
        }
    }

    /// Whether there is a restart behind this record: after each, or evenly spread.
    pub(crate) fn restarts_behind(self, record: usize, records: usize) -> bool {
        let share = |record: usize| record.saturating_mul(RESTARTS_MAX) / records.max(1);
        self == Self::Restarts && (records <= RESTARTS_MAX || share(record + 1) != share(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_come_after_every_record_or_evenly_spread() {
        let check = |records: usize, expected: usize| {
            let places: Vec<usize> = (0..records).filter(|record| Mode::Restarts.restarts_behind(*record, records)).collect();
            assert_eq!(places.len(), expected, "of {records}");
            let gaps = places.windows(2).map(|pair| pair[1] - pair[0]);
            assert!(gaps.clone().max().unwrap_or(0) <= gaps.min().unwrap_or(0) + 1, "of {records}: {places:?}");
            assert_eq!(places.last().copied(), records.checked_sub(1), "the end counts too");
        };
        check(0, 0);
        check(1, 1);
        check(100, 100);
        check(101, 100);
        check(100_000, 100);
        assert!(!Mode::Written.restarts_behind(0, 1));
    }

    #[test]
    fn batches_of_one_have_more_records_only_in_large_cases() {
        let check = |records: usize, expected: usize| assert_eq!(Mode::BatchOfOne.batch(1024, records), expected, "of {records}");
        check(0, 1);
        check(10_000, 1);
        check(10_001, 2);
        check(100_000, 10);
    }
}
