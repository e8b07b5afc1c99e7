//! When the next checkpoint may begin: interval, pause and the number under way, as Flink's `CheckpointRequestDecider` has them.

use weir_model::settings::CheckpointSettings;

/// The timetable of periodic checkpoints. Times are monotonic milliseconds.
#[derive(Debug, Clone)]
pub struct Timetable {
    /// `None`: nothing is periodic.
    interval_ms: Option<u64>,
    min_pause_ms: u64,
    concurrent_max: usize,
    /// The next checkpoint's time by the interval alone.
    due_ms: u64,
    /// The earliest time by the pause alone.
    rested_ms: u64,
}

impl Timetable {
    /// The first checkpoint is due one interval from now.
    #[must_use]
    pub fn new(settings: &CheckpointSettings, now_ms: u64) -> Self {
        let interval_ms = settings.interval.map(|interval| whole_ms(interval).max(1));
        Self {
            interval_ms,
            min_pause_ms: whole_ms(settings.min_pause),
            // Barriers that overtake can't overtake each other: Flink allows one at a time, too.
            concurrent_max: if settings.unaligned { 1 } else { settings.max_concurrent.max(1) as usize },
            due_ms: now_ms.saturating_add(interval_ms.unwrap_or_default()),
            rested_ms: now_ms,
        }
    }

    /// When the next one may begin; `None`: not before one of those under way has ended, or never.
    #[must_use]
    pub fn next_ms(&self, under_way: usize) -> Option<u64> {
        (self.interval_ms.is_some() && under_way < self.concurrent_max).then(|| self.due_ms.max(self.rested_ms))
    }

    /// One begins now. Times stay on the grid of the interval unless the pause has moved this one: then the grid moves with it.
    pub fn begun(&mut self, now_ms: u64) {
        let grid_ms = if self.min_pause_ms > 0 { self.due_ms.max(self.rested_ms) } else { self.due_ms };
        let Some(interval_ms) = self.interval_ms else { return };
        let passed = now_ms.saturating_sub(grid_ms) / interval_ms;
        self.due_ms = grid_ms.saturating_add(interval_ms.saturating_mul(passed + 1));
    }

    /// One has ended now, well or not.
    pub fn ended(&mut self, now_ms: u64) {
        self.rested_ms = now_ms.saturating_add(self.min_pause_ms);
    }
}

/// As milliseconds, as long as there can be.
pub(crate) fn whole_ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::tests::settings;

    /// Begins as soon as possible, each taking `takes_ms`, one at a time unless `concurrent_max` says more; the times of the first five.
    #[track_caller]
    fn check(interval_ms: u64, min_pause_ms: u64, takes_ms: u64, expected: [u64; 5]) {
        let mut timetable = Timetable::new(&settings(interval_ms, min_pause_ms, 1), 0);
        let begun = expected.map(|_| {
            let now_ms = timetable.next_ms(0).unwrap();
            timetable.begun(now_ms);
            assert_eq!(timetable.next_ms(1), None, "one is under way");
            timetable.ended(now_ms + takes_ms);
            now_ms
        });
        assert_eq!(begun, expected);
    }

    #[test]
    fn checkpoints_begin_at_each_interval_or_when_there_is_room_or_after_the_pause() {
        check(10, 0, 3, [10, 20, 30, 40, 50]);
        check(10, 5, 3, [10, 20, 30, 40, 50]);
        check(10, 8, 3, [10, 21, 32, 43, 54]);
        check(10, 30, 3, [10, 43, 76, 109, 142]);
    }

    #[test]
    fn a_late_checkpoint_doesn_t_move_the_grid() {
        let mut timetable = Timetable::new(&settings(10, 0, 1), 0);
        timetable.begun(10);
        timetable.ended(35);
        assert_eq!(timetable.next_ms(0), Some(35));
        timetable.begun(36);
        timetable.ended(37);
        assert_eq!(timetable.next_ms(0), Some(40));
    }
}
