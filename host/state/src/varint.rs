//! Numbers in as few bytes as they need: seven bits a byte, the lowest first (LEB128).

/// The most bytes that a number takes.
const BYTES_MAX: usize = 10;

/// Appends a number.
#[inline]
pub(crate) fn write_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The number that `bytes` starts with, which is taken off; `None` where there is none.
#[inline]
pub(crate) fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for at in 0..BYTES_MAX {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        number |= bits << (7 * at);
        if *byte < 0x80 {
            // The tenth byte has room for one bit.
            return (at + 1 < BYTES_MAX || bits <= 1).then_some(number);
        }
    }
    None
}

/// The bytes that a number takes.
pub(crate) fn varint_bytes(number: u64) -> usize {
    (u64::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reads_back_and_takes_the_bytes_it_says() {
        let check = |number: u64, bytes: usize| {
            let mut out = Vec::new();
            write_varint(number, &mut out);
            assert_eq!((out.len(), varint_bytes(number)), (bytes, bytes), "{number}");
            let mut rest = out.as_slice();
            assert_eq!(read_varint(&mut rest), Some(number));
            assert!(rest.is_empty());
            assert_eq!(read_varint(&mut &out[..bytes - 1]), None, "{number} cut short");
        };
        for (number, bytes) in [(0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (u64::from(u32::MAX), 5), (u64::MAX, 10)] {
            check(number, bytes);
        }
        assert_eq!(read_varint(&mut [0xff; 11].as_slice()), None, "a number without an end");
        assert_eq!(read_varint(&mut [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2].as_slice()), None, "a number of 65 bits");
    }
}
