//! A new version on trial: whether it may stay, decided from what it has counted.

use weir_model::id::{CheckpointId, OperatorUid};

use crate::manifest::{Probation, Thresholds};

/// What an operator has counted since it runs the new version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Records that came in.
    pub records: u64,
    /// Records that were refused: skipped, or set aside.
    pub refused: u64,
    /// Instances that trapped or missed their deadline.
    pub traps: u64,
    /// The longest call, milliseconds.
    pub call_ms: u64,
}

/// Fewer records say nothing about a share of errors.
const RECORDS_MIN: u64 = 100;

/// Why an operator's new version must go; `None`: it may stay.
#[must_use]
pub fn violation(uid: &OperatorUid, facts: Facts, thresholds: Thresholds) -> Option<String> {
    let Thresholds { traps_max, errors_ppm_max, call_ms_max } = thresholds;
    if facts.traps > traps_max {
        return Some(format!("`{uid}` trapped or missed its deadline {} times, and {traps_max} are allowed", facts.traps));
    }
    let is_too_often = u128::from(facts.refused) * 1_000_000 > u128::from(facts.records) * u128::from(errors_ppm_max);
    if facts.records >= RECORDS_MIN && is_too_often {
        let percent = |ppm: f64| ppm / 1e4;
        let found = percent(facts.refused as f64 * 1e6 / facts.records as f64);
        return Some(format!(
            "`{uid}` refused {} of {} records, {found:.2} %, and {:.2} % are allowed",
            facts.refused,
            facts.records,
            percent(errors_ppm_max.into())
        ));
    }
    let is_slow = call_ms_max.is_some_and(|call_ms_max| facts.call_ms > call_ms_max);
    is_slow.then(|| format!("a call of `{uid}` took {} ms, and {} are allowed", facts.call_ms, call_ms_max.unwrap_or_default()))
}

impl Probation {
    /// As it stands after one more checkpoint; `None`: it is over, and everything may be committed.
    #[must_use]
    pub fn after(&self, checkpoint: CheckpointId) -> Option<Self> {
        if checkpoint == self.since {
            return Some(self.clone());
        }
        (self.left > 1).then(|| Self { left: self.left - 1, ..self.clone() })
    }

    /// Whether a checkpoint in whose manifest this stands may be committed.
    #[must_use]
    pub fn lets_commit(&self, checkpoint: CheckpointId) -> bool {
        checkpoint == self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_threshold_is_held() {
        let check = |facts: Facts, thresholds: Thresholds, expected: Option<&str>| {
            let found = violation(&OperatorUid::new("count").unwrap(), facts, thresholds);
            match (&found, expected) {
                (None, None) => {}
                (Some(why), Some(text)) => assert!(why.contains(text), "{why}"),
                _ => panic!("{found:?}, expected {expected:?}"),
            }
        };
        let none = Facts::default();
        let default = Thresholds::default();
        check(none, default, None);
        check(Facts { traps: 1, ..none }, default, Some("1 times, and 0 are allowed"));
        check(Facts { traps: 1, ..none }, Thresholds { traps_max: 1, ..default }, None);
        check(Facts { records: 1000, refused: 10, ..none }, default, None);
        check(Facts { records: 1000, refused: 11, ..none }, default, Some("11 of 1000 records, 1.10 %, and 1.00 % are allowed"));
        check(Facts { records: 99, refused: 99, ..none }, default, None);
        check(Facts { records: 100, refused: 1, ..none }, Thresholds { errors_ppm_max: 0, ..default }, Some("0.00 %"));
        check(Facts { call_ms: 51, ..none }, default, None);
        check(Facts { call_ms: 51, ..none }, Thresholds { call_ms_max: Some(50), ..default }, Some("took 51 ms, and 50"));
    }

    #[test]
    fn a_trial_ends_with_its_last_checkpoint() {
        let trial = Probation { since: CheckpointId(4), left: 2, uids: Vec::new(), thresholds: Thresholds::default() };
        assert_eq!(trial.after(CheckpointId(4)), Some(trial.clone()));
        let later = trial.after(CheckpointId(5)).unwrap();
        assert_eq!((later.left, later.after(CheckpointId(6))), (1, None));
        assert!(trial.lets_commit(CheckpointId(4)) && !later.lets_commit(CheckpointId(5)));
    }
}
