//! The file of batches that a barrier has overtaken: written with an unaligned checkpoint, worked off first after a restore.
//!
//! Little-endian: 8 bytes magic and format version, 4 bytes number of batches; each batch is 4 bytes input port, 8 bytes length, and the rows. The
//! file's checksum (XXH3-64 of all of it) is in the manifest.

use weir_model::rows::Batch;
use xxhash_rust::xxh3::xxh3_64;

/// The first bytes of such a file; the last one is the version of the format.
const MAGIC: &[u8; 8] = b"weirflt\x01";

/// The bytes of the file for these batches.
pub(crate) fn encode(batches: &[(u32, Batch)]) -> Vec<u8> {
    let bytes: usize = batches.iter().map(|(_, batch)| batch.bytes().len() + 12).sum();
    let mut out = Vec::with_capacity(bytes + 12);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&(batches.len() as u32).to_le_bytes());
    for (input, batch) in batches {
        out.extend_from_slice(&input.to_le_bytes());
        out.extend_from_slice(&(batch.bytes().len() as u64).to_le_bytes());
        out.extend_from_slice(batch.bytes());
    }
    out
}

/// What the manifest says of a file with these bytes.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// The batches of a file, in order.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn decode(bytes: &[u8], expected_checksum: u64) -> Result<Vec<(u32, Batch)>, &'static str> {
    const SHORT: &str = "it ends too early";
    if checksum(bytes) != expected_checksum {
        return Err("its checksum is not the one in the manifest");
    }
    let rest = bytes.strip_prefix(MAGIC).ok_or("it is no file of batches, or one of another version")?;
    let (count, mut rest) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
    let mut batches = Vec::new();
    for _ in 0..u32::from_le_bytes(*count) {
        let (input, after) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
        let (length, after) = after.split_first_chunk::<8>().ok_or(SHORT)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| SHORT)?;
        let (rows, after) = after.split_at_checked(length).ok_or(SHORT)?;
        let batch = Batch::from_bytes(rows.to_vec()).map_err(|_| "it has a row that isn't whole")?;
        batches.push((u32::from_le_bytes(*input), batch));
        rest = after;
    }
    if rest.is_empty() { Ok(batches) } else { Err("it has more bytes than its batches") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_read_back_and_no_changed_byte_goes_unnoticed() {
        let mut rows = Vec::new();
        weir_model::rows::push_row(&mut rows, Some(b"key"), b"value", 7).unwrap();
        let batch = Batch::from_bytes(rows).unwrap();
        let batches = vec![(0, batch.clone()), (1, Batch::default()), (1, batch)];
        let bytes = encode(&batches);
        let sum = checksum(&bytes);
        assert_eq!(decode(&bytes, sum), Ok(batches));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(decode(&changed, sum).is_err(), "byte {at}");
            assert!(decode(&bytes[..at], sum).is_err(), "{at} bytes");
            // Whoever forges the checksum too still can't make it panic.
            drop(decode(&changed, checksum(&changed)));
        }
    }
}
