//! A hint to the processor, for lookups whose cache misses should overlap.

/// Starts to bring the cache line of `item`; a hint that changes nothing but time.
#[inline]
pub(crate) fn prefetch<T>(item: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the address is that of a live reference, and a prefetch doesn't access memory as the language sees it.
        #[expect(unsafe_code, reason = "the standard library has no prefetch; see SAFETY")]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(item).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = item;
}
