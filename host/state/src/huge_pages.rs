//! A hint to the operating system, for tables that are read at random: large pages take fewer faults to fill and fewer table walks to find.

/// The memory that is worth it.
const BYTES_MIN: usize = 8 << 20;

/// Asks for the room of `items`, used or not, to lie in large pages; a hint that changes nothing but time, and that
/// a system without large pages refuses.
pub(crate) fn prefer_huge_pages<T>(items: &mut Vec<T>) {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{Advice, madvise};
        let room = items.spare_capacity_mut().as_mut_ptr_range();
        let start = items.as_mut_ptr().cast::<u8>();
        let (first, end) = (start.addr().next_multiple_of(PAGE_BYTES), room.end.addr() / PAGE_BYTES * PAGE_BYTES);
        if end.saturating_sub(first) < BYTES_MIN {
            return;
        }
        // SAFETY: the range is whole pages of memory that `items` owns, and this advice keeps what is in them.
        #[expect(unsafe_code, reason = "the standard library can't advise; see SAFETY")]
        let _ = unsafe { madvise(start.wrapping_add(first - start.addr()).cast(), end - first, Advice::LinuxHugepage) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = items;
}

/// The smallest page of any machine is a divisor of this, and no machine that has large pages has larger small ones.
#[cfg(target_os = "linux")]
const PAGE_BYTES: usize = 64 << 10;
