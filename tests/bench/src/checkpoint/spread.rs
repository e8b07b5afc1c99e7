//! Which keys come when, natively: an order that follows the clock is no operator's business.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use key_count::{key_of, place_in_fill};
use weir_model::rows::{NO_TIMESTAMP, RowReader, push_row};
use weir_plugin::{Breakage, Call, Services, Work};
use weir_runtime::GuestMaker;

use crate::stateless::Stateless;

/// The parts that each second changes of all keys: a window of half of that moves on by its own width, so that every second, whenever it begins, sees
/// the whole.
const CHANGED_A_SECOND: f64 = 0.05;

/// The index of record `number`, so long after the start: first each one once, then at random out of a window that moves with the clock.
fn index(number: u64, keys: u64, since_ms: u64) -> u64 {
    if number < keys {
        return place_in_fill(number, keys);
    }
    let width = ((keys as f64 * CHANGED_A_SECOND / 2.0) as u64).max(1);
    // A number's key serves as its random number.
    let in_window = ((u128::from(key_of(number)) * u128::from(width)) >> 64) as u64;
    (since_ms * width / 1000 + in_window) % keys
}

/// Makes guests that give each number a key, and keep the newest number in `newest`: a job of one subtask has counted the records up to that one.
pub(crate) fn guests(keys: u64, start_ms: i64, newest: &Arc<AtomicU64>) -> GuestMaker {
    let newest = Arc::clone(newest);
    Arc::new(move |_, _| {
        let spread = Spread { keys, start_ms, newest: Arc::clone(&newest) };
        Ok(Box::new(Stateless(move |call: &Call<'_>, services: &mut Services| match call.work {
            Work::Process { rows, .. } => services.emit(0, spread.rows(rows, call.context.processing_time)?),
            Work::Finish => Ok(()),
        })))
    })
}

struct Spread {
    keys: u64,
    start_ms: i64,
    newest: Arc<AtomicU64>,
}

impl Spread {
    fn rows(&self, input: &[u8], now_ms: i64) -> Result<Vec<u8>, Breakage> {
        let since_ms = now_ms.saturating_sub(self.start_ms).unsigned_abs();
        let broken = || Breakage::Contract("a record isn't a number".to_owned());
        let (mut rows, mut newest) = (Vec::with_capacity(input.len() * 2), 0);
        for row in RowReader::new(input) {
            let number = row.ok().and_then(|row| row.value.try_into().ok()).map(u64::from_le_bytes).ok_or_else(broken)?;
            newest = number;
            let key = key_of(index(number, self.keys, since_ms)).to_le_bytes();
            push_row(&mut rows, Some(&key), &1u64.to_le_bytes(), NO_TIMESTAMP).map_err(|_| broken())?;
        }
        self.newest.store(newest, Ordering::Relaxed);
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_second_changes_the_twentieth_part_of_the_keys_whenever_it_begins() {
        let keys = 20_000;
        for start_ms in [0, 333, 500, 123_456] {
            let records = (0..1000).flat_map(|ms| (0..100).map(move |n| (start_ms + ms, n)));
            let seen: BTreeSet<u64> = records.map(|(ms, n)| index(keys + ms * 100 + n, keys, ms)).collect();
            assert!((900..=1001).contains(&seen.len()), "{} from {start_ms} ms on", seen.len());
        }
    }
}
