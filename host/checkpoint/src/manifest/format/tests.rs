//! What is written is read again; what was changed is refused by name.

use proptest::prelude::*;

use super::*;
use crate::manifest::sample;

#[test]
fn a_manifest_survives_the_disk() {
    for kind in [ManifestKind::Checkpoint, ManifestKind::Drain, ManifestKind::Stop, ManifestKind::Savepoint] {
        let mut manifest = sample::manifest(41, 3, &["shared/count/3-40-0-full.state", "shared/count/3-41-0-changes.state"]);
        manifest.kind = kind;
        let uids = vec![OperatorUid::new("count").unwrap()];
        manifest.probation = Some(Probation { since: CheckpointId(40), left: 2, uids, thresholds: Thresholds::default() });
        manifest.retained = vec![CheckpointId(40), CheckpointId(38)];
        assert_eq!(decode(&encode(&manifest).unwrap()), Ok(manifest));
    }
}

#[test]
fn the_first_version_s_bytes_are_read_for_ever() {
    // The form may only change together with its version.
    let mut manifest = sample::manifest(41, 3, &["shared/count/3-41-0-full.state"]);
    let first = postcard::to_allocvec(&stored_first(&manifest)).unwrap();
    let bytes = envelope(1, first.len() as u64, &first);
    assert_eq!((bytes.len(), xxh3_64(&bytes)), (338, 0xe050_6bb1_b25b_d847));
    for operator in &mut manifest.operators {
        (operator.file_digest, operator.next, operator.key_codec) = (None, None, None);
        (operator.is_swapped, operator.has_component) = (false, false);
        operator.file_function = None;
        operator.imports.clear();
    }
    assert_eq!(decode(&bytes), Ok(manifest));
}

/// Bytes with a right checksum around any body.
fn envelope(version: u32, announced: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&xxh3_64(body).to_le_bytes());
    bytes.extend_from_slice(&announced.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

#[test]
fn what_is_wrong_with_a_manifest_is_named() {
    let check = |bytes: &[u8], why: &str| {
        let error = decode(bytes).unwrap_err().to_string();
        assert!(error.contains(why), "{error}, expected {why}");
    };
    let whole = encode(&sample::manifest(1, 1, &[])).unwrap();
    check(b"", "has 0 bytes");
    check(&whole[..27], "has 27 bytes");
    check(b"#!/bin/sh\necho something else altogether\n", "mark of a manifest");
    check(&envelope(3, 3, b"abc"), "format version is 3");
    check(&envelope(1, u64::MAX, b"abc"), "announces 18446744073709551615 bytes");
    check(&whole[..whole.len() - 1], "announces");
    check(&[whole.as_slice(), b"x"].concat(), "announces");
    // Lengths that no memory could hold.
    let body = [1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    check(&envelope(1, body.len() as u64, &body), "can't be read");
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    check(&changed, "checksum");
    let (mut longer, start) = (whole[HEADER_BYTES..].to_vec(), HEADER_BYTES);
    longer.push(0);
    check(&envelope(2, longer.len() as u64, &longer), "1 bytes follow");
    assert_eq!(start, 28);
}

#[test]
fn a_manifest_that_contradicts_itself_is_neither_written_nor_read() {
    let check = |change: fn(&mut Manifest), why: &str| {
        let mut manifest = sample::manifest(5, 1, &["shared/count/a", "shared/count/b"]);
        change(&mut manifest);
        let error = encode(&manifest).unwrap_err().to_string();
        assert!(error.contains(why), "{error}, expected {why}");
        let body = postcard::to_allocvec(&stored(&manifest)).unwrap();
        let error = decode(&envelope(2, body.len() as u64, &body)).unwrap_err().to_string();
        assert!(error.contains(why), "{error}, expected {why}");
    };
    check(|manifest| manifest.checkpoint = CheckpointId(0), "count from 1");
    check(|manifest| manifest.max_parallelism = 40_000, "max-parallelism is 40000");
    check(|manifest| manifest.retained = vec![CheckpointId(5)], "said to be older");
    check(|manifest| manifest.operators[1].uid = manifest.operators[0].uid.clone(), "lines is there twice");
    check(|manifest| manifest.operators[0].parallelism = 3, "lines has parallelism 3 and 1 subtasks");
    check(|manifest| manifest.operators[1].subtasks[0].files[0].path = "../../etc/passwd".to_owned(), "leads out");
    check(|manifest| manifest.operators[1].subtasks[0].files[0].key_groups = 0..129, "key groups 0 to 129");
    check(|manifest| manifest.operators[1].subtasks[0].files.reverse(), "behind one with changes");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, ..ProptestConfig::default() })]
    #[test]
    fn a_mutated_manifest_is_refused(what in 0u8..5, at: prop::sample::Index, to: prop::sample::Index, byte: u8, bit in 0u8..8) {
        let whole = encode(&sample::manifest(41, 3, &["shared/count/a", "shared/count/b"])).unwrap();
        let mut bytes = whole.clone();
        let (at, to) = (at.index(whole.len()), to.index(whole.len()));
        match what {
            0 => bytes[at] ^= 1 << bit,
            1 => bytes[at] = byte,
            2 => bytes.truncate(at),
            3 => bytes.insert(at, byte),
            _ => bytes.copy_within(at.min(to)..at.max(to), 0),
        }
        match decode(&bytes) {
            Ok(_) => prop_assert_eq!(bytes, whole),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn a_body_of_anything_is_no_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(manifest) = decode(&envelope(1, body.len() as u64, &body)) {
            prop_assert_eq!(decode(&encode(&manifest).unwrap()), Ok(manifest));
        }
    }
}
