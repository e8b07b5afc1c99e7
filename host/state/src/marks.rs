//! Which version each value of a state has: nothing at all while all have the current one.

use crate::paged::Paged;

/// The versions of the values at one place, by entry, as positions in the versions of a [`crate::layout::Family`].
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// The version that is written.
    pub(crate) current: u8,
    /// `None`: there is only that one, in position 0.
    of_entries: Option<Paged<u8>>,
}

impl Marks {
    /// Follows a change of versions: whether there are older ones, and which is the current one now. It takes no time, for until now all had the first.
    pub(crate) fn follow(&mut self, has_older: bool, current: u8) {
        if has_older {
            self.of_entries.get_or_insert_default();
            self.current = current;
        } else {
            *self = Self::default();
        }
    }

    /// The version of an entry's value, if it has one.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> u8 {
        self.of_entries.as_ref().and_then(|marks| marks.get(at)).copied().unwrap_or_default()
    }

    #[inline]
    pub(crate) fn set(&mut self, at: usize, version: u8) {
        if self.of_entries.is_some() {
            self.mark(at, version);
        }
    }

    /// Apart, so that little stands in the loops of jobs whose functions have never changed.
    #[cold]
    #[inline(never)]
    fn mark(&mut self, at: usize, version: u8) {
        if let Some(mark) = self.of_entries.as_mut().and_then(|marks| marks.make(at)) {
            *mark = version;
        }
    }

    /// Whether an entry's value, if it has one, has an older version.
    #[inline]
    pub(crate) fn is_old(&self, at: usize) -> bool {
        self.get(at) != self.current
    }
}
