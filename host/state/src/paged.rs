//! A growing array that is made page by page, where something is put: an empty one costs nothing, whatever number comes first.

/// The bytes of a page, about.
const PAGE_BYTES: usize = 16 << 10;

/// Items by number; those never put are the default.
#[derive(Debug)]
pub(crate) struct Paged<T> {
    pages: Vec<Option<Box<[T]>>>,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T: Default> Paged<T> {
    /// Items on one page: a power of two, so that finding one is two shifts.
    const PAGE: usize = (PAGE_BYTES / size_of::<T>()).next_power_of_two();

    /// The item, if its page has been made.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        self.pages.get(at / Self::PAGE)?.as_deref()?.get(at % Self::PAGE)
    }

    /// The item, if its page has been made.
    #[inline]
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.pages.get_mut(at / Self::PAGE)?.as_deref_mut()?.get_mut(at % Self::PAGE)
    }

    /// The item, on a new page if need be. There always is one: an option, so that nothing can panic.
    #[inline]
    pub(crate) fn make(&mut self, at: usize) -> Option<&mut T> {
        if self.get(at).is_none() {
            self.make_page(at / Self::PAGE);
        }
        self.get_mut(at)
    }

    #[cold]
    #[inline(never)]
    fn make_page(&mut self, number: usize) {
        if number >= self.pages.len() {
            self.pages.resize_with(number + 1, || None);
        }
        if let Some(page) = self.pages.get_mut(number) {
            *page = Some(std::iter::repeat_with(T::default).take(Self::PAGE).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_found_and_nothing_else_is_made() {
        const PAGE: usize = Paged::<usize>::PAGE;
        let mut paged = Paged::default();
        for at in [1_000_000, 0, PAGE - 1, PAGE] {
            *paged.make(at).unwrap() = at + 1;
        }
        let found = |at| paged.get(at).copied();
        assert_eq!([0, 1, PAGE - 1, PAGE, 1_000_000].map(found), [Some(1), Some(0), Some(PAGE), Some(PAGE + 1), Some(1_000_001)]);
        assert_eq!((found(2 * PAGE), found(2_000_000)), (None, None));
        assert_eq!(paged.pages.iter().flatten().count(), 3);
    }
}
