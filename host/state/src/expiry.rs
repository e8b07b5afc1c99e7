//! When an entry was written, and from when on it counts as gone: time to live, in whole seconds.
//!
//! A write counts as of the next full second, a look as of the last, and a time to live is rounded up: so nothing expires early, and
//! nothing is seen for more than two seconds too long.

use weir_model::describe::StateDescriptor;

/// The time of writes and reads, and what it means for each state.
#[derive(Debug, Clone)]
pub(crate) struct Expiry {
    ttls_s: Vec<Option<u32>>,
    /// By state: an entry that was written before this second is expired. 0 where nothing is.
    live_from_s: Vec<u32>,
    now_s: u32,
    /// The time of writes.
    pub(crate) write_s: u32,
}

const MS_PER_S: u64 = 1000;

impl Expiry {
    pub(crate) fn new(descriptors: &[StateDescriptor]) -> Self {
        let ttl_s = |ttl_ms: u64| (ttl_ms > 0).then(|| clamp(ttl_ms.div_ceil(MS_PER_S)));
        let ttls_s: Vec<_> = descriptors.iter().map(|descriptor| ttl_s(descriptor.ttl_ms)).collect();
        Self { live_from_s: vec![0; ttls_s.len()], ttls_s, now_s: 0, write_s: 0 }
    }

    /// Follows a change of the function's states; the time stays.
    pub(crate) fn follow(&mut self, descriptors: &[StateDescriptor]) {
        let Self { now_s, write_s, .. } = *self;
        *self = Self { now_s, write_s, ..Self::new(descriptors) };
        self.expire();
    }

    /// Sets the time, in milliseconds since 1970.
    pub(crate) fn set_time(&mut self, now_ms: i64) {
        let now_ms = u64::try_from(now_ms).unwrap_or(0);
        self.write_s = clamp(now_ms.div_ceil(MS_PER_S));
        let now_s = clamp(now_ms / MS_PER_S);
        if now_s == self.now_s {
            return;
        }
        self.now_s = now_s;
        self.expire();
    }

    /// Computes from when on entries are live.
    fn expire(&mut self) {
        let now_s = self.now_s;
        for (live_from_s, ttl_s) in self.live_from_s.iter_mut().zip(&self.ttls_s) {
            // Expired: written_s + ttl_s <= now_s.
            *live_from_s = ttl_s.and_then(|ttl_s| now_s.checked_sub(ttl_s)).map_or(0, |newest_expired_s| newest_expired_s.saturating_add(1));
        }
    }

    /// An entry of `state` that was written before this second is expired.
    #[inline]
    pub(crate) fn live_from_s(&self, state: usize) -> u32 {
        self.live_from_s.get(state).copied().unwrap_or(0)
    }

    /// Whether any entry could ever expire.
    pub(crate) fn is_needed(&self) -> bool {
        self.ttls_s.iter().any(Option::is_some)
    }
}

fn clamp(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
