//! A column of numbers in a block: runs where numbers repeat, else a fixed width above the smallest.

use crate::varint::{read_varint, varint_bytes, write_varint};

/// The first byte of a column of runs: a value and how often it comes, again and again. Any other first byte is the width of the numbers.
const RUNS: u8 = 0;

/// Appends a column.
pub(super) fn write_ints(ints: &[u32], out: &mut Vec<u8>) {
    let (smallest, largest) = (ints.iter().min().copied().unwrap_or(0), ints.iter().max().copied().unwrap_or(0));
    let width = varint_width(largest - smallest);
    let runs = || ints.chunk_by(|a, b| a == b).map(|run| (run.first().copied().unwrap_or(0), run.len() as u64));
    let fixed_bytes = varint_bytes(smallest.into()) + width * ints.len();
    let mut runs_bytes = 0;
    let runs_are_shorter = runs().all(|(value, count)| {
        runs_bytes += varint_bytes(value.into()) + varint_bytes(count);
        runs_bytes <= fixed_bytes
    });
    if runs_are_shorter {
        out.push(RUNS);
        for (value, count) in runs() {
            write_varint(value.into(), out);
            write_varint(count, out);
        }
        return;
    }
    out.push(width as u8);
    write_varint(smallest.into(), out);
    for int in ints {
        out.extend((int - smallest).to_le_bytes().iter().take(width));
    }
}

/// The bytes that a number needs, at least one.
fn varint_width(largest: u32) -> usize {
    (u32::BITS - (largest | 1).leading_zeros()).div_ceil(u8::BITS) as usize
}

/// Reads a column of `count` numbers, which the caller has bounded, and takes it off `bytes`; `None` when that isn't what is there.
pub(super) fn read_ints(bytes: &mut &[u8], count: usize) -> Option<Vec<u32>> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    let mut ints = Vec::with_capacity(count);
    if *first == RUNS {
        while ints.len() < count {
            let value = u32::try_from(read_varint(bytes)?).ok()?;
            let run = usize::try_from(read_varint(bytes)?).ok()?;
            if run == 0 || run > count - ints.len() {
                return None;
            }
            ints.resize(ints.len() + run, value);
        }
        return Some(ints);
    }
    let smallest = u32::try_from(read_varint(bytes)?).ok()?;
    let width = usize::from(*first);
    if width > size_of::<u32>() {
        return None;
    }
    let (fixed, rest) = bytes.split_at_checked(count.checked_mul(width)?)?;
    *bytes = rest;
    for item in fixed.chunks_exact(width) {
        let above = item.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte));
        ints.push(smallest.checked_add(above)?);
    }
    Some(ints)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(ints: &[u32], bytes_max: usize) {
        let mut out = Vec::new();
        write_ints(ints, &mut out);
        assert!(out.len() <= bytes_max, "{} bytes", out.len());
        let mut rest = [out.as_slice(), b"behind"].concat();
        let mut rest = rest.as_mut_slice() as &[u8];
        assert_eq!(read_ints(&mut rest, ints.len()).as_deref(), Some(ints));
        assert_eq!(rest, b"behind");
        for cut in 0..out.len() {
            assert_eq!(read_ints(&mut &out[..cut], ints.len()), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_column_takes_what_its_numbers_need() {
        check(&[], 1);
        check(&[7; 10_000], 4);
        check(&(0..200).map(|number| 1_700_000_000 + number * 7 % 256).collect::<Vec<_>>(), 1 + 5 + 200);
        check(&(0..200).map(|number| number * 300).collect::<Vec<_>>(), 1 + 1 + 400);
        check(&[0, u32::MAX, 1], 1 + 1 + 12);
    }

    proptest! {
        #[test]
        fn any_column_reads_back(ints in proptest::collection::vec(prop_oneof![0..4u32, any::<u32>()], 0..50)) {
            check(&ints, 1 + 5 + 4 * ints.len());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..50), count in 0..100usize) {
            prop_assert!(read_ints(&mut bytes.as_slice(), count).is_none_or(|ints| ints.len() == count));
        }
    }
}
