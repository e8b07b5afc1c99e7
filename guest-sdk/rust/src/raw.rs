//! The only unsafe code of the SDK: short copies, unchecked row writing, fast UTF-8 checks, and services lent for one call.

#![expect(unsafe_code, reason = "the SDK's one place for it: each block says why it is sound")]

use std::cell::Cell;
use std::ptr::NonNull;

use crate::error::{Error, Result};
use crate::native::Services;
use crate::rows::{NO_KEY, ROW_HEADER_BYTES};

/// Longer copies go to `memcpy`: in Wasm it is a call into the runtime, which only pays off on long runs.
const COPY_INLINE_BYTES_MAX: usize = 256;

/// Copies `length` bytes by overlapping loads and stores, without the call that `memcpy` is in Wasm.
///
/// # Safety
/// `from` is readable and `to` is writable for `length` bytes, and the two don't overlap.
#[inline(always)]
unsafe fn copy_short(from: *const u8, to: *mut u8, length: usize) {
    // SAFETY: every load and store below stays within the first `length` bytes, which the caller vouches for.
    unsafe {
        if length >= 16 {
            if length > COPY_INLINE_BYTES_MAX {
                std::ptr::copy_nonoverlapping(from, to, length);
                return;
            }
            let last = length - 16;
            let mut at = 0;
            while at < last {
                copy_as::<[u8; 16]>(from.add(at), to.add(at));
                at += 16;
            }
            copy_as::<[u8; 16]>(from.add(last), to.add(last));
        } else if length >= 8 {
            let (head, tail) = (from.cast::<u64>().read_unaligned(), from.add(length - 8).cast::<u64>().read_unaligned());
            to.cast::<u64>().write_unaligned(head);
            to.add(length - 8).cast::<u64>().write_unaligned(tail);
        } else if length >= 4 {
            let (head, tail) = (from.cast::<u32>().read_unaligned(), from.add(length - 4).cast::<u32>().read_unaligned());
            to.cast::<u32>().write_unaligned(head);
            to.add(length - 4).cast::<u32>().write_unaligned(tail);
        } else if length > 0 {
            // One to three bytes: first, middle and last cover them all.
            let (first, middle, last) = (*from, *from.add(length / 2), *from.add(length - 1));
            *to = first;
            *to.add(length / 2) = middle;
            *to.add(length - 1) = last;
        }
    }
}

/// Copies one `T`, at any alignment.
///
/// # Safety
/// `from` is readable and `to` is writable for the size of `T`.
#[inline(always)]
unsafe fn copy_as<T: Copy>(from: *const u8, to: *mut u8) {
    // SAFETY: the caller vouches for both pointers; alignment is not needed.
    unsafe { to.cast::<T>().write_unaligned(from.cast::<T>().read_unaligned()) }
}

/// Appends one row, reserving once.
///
/// # Errors
/// When the key or the value has 2^32 - 1 bytes or more.
#[inline(always)]
pub(crate) fn push_row(rows: &mut Vec<u8>, key: Option<&[u8]>, value: &[u8], timestamp: i64) -> Result<()> {
    let key_bytes = key.map_or(0, <[u8]>::len);
    if key_bytes.max(value.len()) >= NO_KEY as usize {
        return Err(oversized());
    }
    let key_length = if key.is_some() { key_bytes as u32 } else { NO_KEY };
    rows.reserve(ROW_HEADER_BYTES + key_bytes + value.len());
    let start = rows.len();
    // SAFETY: the reserved room holds header, key and value; `rows` is borrowed mutably, so neither key nor value lies in it; every byte up
    // to the new length is written.
    unsafe {
        let to = rows.as_mut_ptr().add(start);
        to.cast::<u64>().write_unaligned((u64::from(key_length) | (value.len() as u64) << 32).to_le());
        to.add(8).cast::<u64>().write_unaligned((timestamp as u64).to_le());
        if let Some(key) = key {
            copy_short(key.as_ptr(), to.add(ROW_HEADER_BYTES), key_bytes);
        }
        copy_short(value.as_ptr(), to.add(ROW_HEADER_BYTES + key_bytes), value.len());
        rows.set_len(start + ROW_HEADER_BYTES + key_bytes + value.len());
    }
    Ok(())
}

#[cold]
fn oversized() -> Error {
    Error::new("a key or a value has 4 GiB or more, which a record can't hold")
}

/// Appends bytes without the call that `Vec::extend_from_slice` is in Wasm.
#[inline(always)]
pub(crate) fn push_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    to.reserve(bytes.len());
    let start = to.len();
    // SAFETY: the room is reserved, `to` is borrowed mutably so `bytes` doesn't lie in it, and all of the new length is written.
    unsafe {
        copy_short(bytes.as_ptr(), to.as_mut_ptr().add(start), bytes.len());
        to.set_len(start + bytes.len());
    }
}

/// `bytes` as text: ASCII is recognized a word at a time, everything else is left to the standard library.
#[inline(always)]
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str> {
    if is_ascii(bytes) {
        // SAFETY: ASCII is UTF-8.
        return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    utf8_slow(bytes)
}

#[inline(never)]
fn utf8_slow(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| Error::new(format!("not UTF-8: {error}")))
}

/// Whether no byte is above 127.
#[inline(always)]
pub(crate) fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    let (from, length) = (bytes.as_ptr(), bytes.len());
    // SAFETY: every load stays within the first `length` bytes of the slice.
    unsafe {
        if length >= 8 {
            let last = length - 8;
            let mut seen = from.add(last).cast::<u64>().read_unaligned();
            let mut at = 0;
            while at < last {
                seen |= from.add(at).cast::<u64>().read_unaligned();
                at += 8;
            }
            seen & HIGH_BITS == 0
        } else if length >= 4 {
            let both = from.cast::<u32>().read_unaligned() | from.add(length - 4).cast::<u32>().read_unaligned();
            both & HIGH_BITS as u32 == 0
        } else if length > 0 {
            (*from | *from.add(length / 2) | *from.add(length - 1)) < 0x80
        } else {
            true
        }
    }
}

/// Appends `text` with its ASCII letters lower-cased; everything else stays as it is.
#[inline]
pub(crate) fn push_ascii_lowercase(text: &str, to: &mut String) {
    // SAFETY: lower-casing ASCII letters byte by byte keeps UTF-8 valid: bytes above 127 are copied, others stay below 128.
    unsafe { to.as_mut_vec() }.extend(text.bytes().map(|byte| byte | (u8::from(byte.wrapping_sub(b'A') < 26) << 5)));
}

/// The services of the call that is running, for the state handles that live inside an operator.
#[derive(Default)]
pub(crate) struct ServicesCell(Cell<Option<NonNull<dyn Services>>>);

/// Puts a value back into its cell, also when a panic unwinds.
struct Restore<'a>(&'a Cell<Option<NonNull<dyn Services>>>, Option<NonNull<dyn Services>>);

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

impl ServicesCell {
    /// Lends `services` to whoever calls [`Self::with`] while `call` runs, and to nobody after.
    pub(crate) fn lend<R>(&self, services: &mut dyn Services, call: impl FnOnce() -> R) -> R {
        let lent = NonNull::from(services);
        // SAFETY: only the lifetime changes. The pointer is taken out of the cell before this function returns, by return or by panic, and
        // `services` stays mutably borrowed until then.
        let lent: NonNull<dyn Services> = unsafe { std::mem::transmute::<NonNull<dyn Services + '_>, NonNull<dyn Services + 'static>>(lent) };
        let _restore = Restore(&self.0, self.0.replace(Some(lent)));
        call()
    }

    /// Runs `f` with the services of the running call; `None` outside of a call, and inside of another `with`.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut dyn Services) -> R) -> Option<R> {
        let mut lent = self.0.take()?;
        let _restore = Restore(&self.0, Some(lent));
        // SAFETY: `lend` keeps the services alive and borrowed; the cell is empty meanwhile, so this is the only reference.
        Some(f(unsafe { lent.as_mut() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{NO_TIMESTAMP, Rows};

    #[test]
    fn rows_of_every_length_read_back_as_written() {
        let bytes: Vec<u8> = (0..700u32).map(|i| (i * 7 + i / 256) as u8).collect();
        for length in (0..300).chain([511, 512, 700]) {
            let mut rows = Vec::new();
            push_row(&mut rows, Some(&bytes[..length]), &bytes[700 - length..], 5).unwrap();
            push_row(&mut rows, None, &bytes[..length], NO_TIMESTAMP).unwrap();
            push_bytes(&mut rows, &[]);
            let read: Vec<_> = Rows::new(&rows).map(|row| row.map(|r| (r.key, r.value, r.timestamp)).unwrap()).collect();
            assert_eq!(read, [(Some(&bytes[..length]), &bytes[700 - length..], 5), (None, &bytes[..length], NO_TIMESTAMP)], "length {length}");
        }
    }

    #[test]
    fn the_fast_utf8_check_agrees_with_the_standard_library_wherever_the_bad_byte_is() {
        for length in 0..80 {
            let ascii = vec![b'a'; length];
            assert!(is_ascii(&ascii));
            assert_eq!(utf8(&ascii).unwrap().len(), length);
            for at in 0..length {
                let mut bad = ascii.clone();
                bad[at] = 0xff;
                assert!(!is_ascii(&bad), "length {length}, at {at}");
                assert!(utf8(&bad).is_err());
            }
        }
        assert_eq!(utf8("Straße".as_bytes()).unwrap(), "Straße");
    }

    #[test]
    fn ascii_is_lower_cased_and_nothing_else() {
        let all: String = (0..0x250u32).filter_map(char::from_u32).collect();
        let mut lowered = String::from("X");
        push_ascii_lowercase(&all, &mut lowered);
        assert_eq!(lowered, format!("X{}", all.to_ascii_lowercase()));
    }
}
