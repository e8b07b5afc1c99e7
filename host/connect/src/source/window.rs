//! The part of an input that is in memory: read at the end, handed out from the front, with its place in the input.

/// Bytes asked for at once: large enough that a system call costs nothing, small enough to stay in the second-level cache.
pub(super) const BLOCK_BYTES: usize = 1 << 18;

/// A run of bytes of an input.
#[derive(Debug)]
pub(super) struct Window {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Where `bytes[0]` is in the input.
    base: u64,
}

impl Window {
    /// An empty window.
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, end: 0, base: 0 }
    }

    /// Empties the window and moves it to `offset` of another input; the memory is kept.
    pub(super) fn restart(&mut self, offset: u64) {
        (self.start, self.end, self.base) = (0, 0, offset);
    }

    /// What is read and not yet handed out.
    #[inline]
    pub(super) fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Where [`Self::unread`] starts in the input.
    #[inline]
    pub(super) fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Hands out the next `count` bytes, or all that there are.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Room for `1..=want` bytes behind the unread ones. It doubles when they fill it, so whoever keeps bytes unread bounds it.
    pub(super) fn room(&mut self, want: usize) -> &mut [u8] {
        self.bytes.copy_within(self.start..self.end, 0);
        self.base += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        if self.end == self.bytes.len() {
            self.bytes.resize((self.bytes.len() * 2).max(BLOCK_BYTES), 0);
        }
        let to = self.bytes.len().min(self.end.saturating_add(want.max(1)));
        self.bytes.get_mut(self.end..to).unwrap_or_default()
    }

    /// Counts `count` bytes of the last [`Self::room`] as read.
    pub(super) fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_with_their_place() {
        let mut window = Window::new();
        window.restart(1000);
        let put = |window: &mut Window, bytes: &[u8]| {
            window.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
            window.filled(bytes.len());
        };
        put(&mut window, b"hello");
        window.consume(2);
        put(&mut window, b" you");
        assert_eq!((window.unread(), window.offset()), (&b"llo you"[..], 1002));
        window.consume(99);
        assert_eq!((window.unread(), window.offset()), (&b""[..], 1009));
    }

    #[test]
    fn the_window_grows_only_when_it_is_full_of_unread_bytes() {
        let mut window = Window::new();
        for _ in 0..3 {
            let room = window.room(usize::MAX).len();
            assert_eq!(room, BLOCK_BYTES);
            window.filled(room);
            window.consume(room);
        }
        let room = window.room(usize::MAX).len();
        window.filled(room);
        assert_eq!(window.room(usize::MAX).len(), BLOCK_BYTES);
        assert_eq!(window.unread().len(), BLOCK_BYTES);
    }
}
