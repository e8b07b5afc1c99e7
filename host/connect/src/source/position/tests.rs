//! Positions come back as they were written, and nothing else is taken for one.

use proptest::prelude::*;

use super::*;

fn uid() -> OperatorUid {
    OperatorUid::new("in").unwrap()
}

fn positions() -> Vec<Position> {
    let piece = |file, resume| PiecePosition { file, start: 0, end: None, resume };
    let resume = ResumePosition { offset: 300, lines_before: 4, discarding: true };
    let rest = RestPosition {
        files: vec![FileEntry { path: b"in/\xff.txt".to_vec(), bytes: u64::MAX }, FileEntry { path: b"b".to_vec(), bytes: 0 }],
        pieces: vec![piece(1, None), PiecePosition { file: 0, start: 5, end: Some(9), resume: None }],
    };
    vec![
        Position::File(FilePosition { records_skipped: 1, bytes_done: 2, current: Some(piece(1, Some(resume))), rest: Some(rest) }),
        Position::File(FilePosition { records_skipped: 0, bytes_done: 0, current: None, rest: None }),
        Position::Generator(GeneratorPosition {
            bytes_made: 7,
            streams: vec![
                StreamPosition::Words { random: [1, 2, 3, u64::MAX], line: 4, lines_end: 5, bytes_left: 6 },
                StreamPosition::Numbers { next: Some(1), to: 2, step: 3 },
            ],
        }),
        Position::Stdin(StdinPosition { records_skipped: 3, bytes_read: 4 }),
    ]
}

#[test]
fn a_position_comes_back_and_a_damaged_one_is_refused() {
    for position in positions() {
        let bytes = encode(&position);
        assert_eq!(decode(&bytes), Ok(position));
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_err(), "{cut} of {}", bytes.len());
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn the_bytes_of_version_1_stay_what_they_are() {
    let bytes = encode(&Position::Stdin(StdinPosition { records_skipped: 3, bytes_read: 300 }));
    assert_eq!(bytes[..5], [1, 2, 3, 0xac, 2]);
}

/// A body with the checksum that belongs to it.
fn sealed(body: &[u8]) -> Vec<u8> {
    [body, &checksum(body).to_le_bytes()].concat()
}

#[test]
fn an_error_says_which_source_it_is_and_what_to_do() {
    let check = |bytes: Vec<u8>, why: &str| {
        let error = decode_files(&uid(), &[bytes]).unwrap_err();
        assert_eq!((error.what.as_str(), error.why.as_str()), ("source `in`: its position in the checkpoint", why));
        assert!(error.remedy.contains("--fresh"), "{error}");
    };
    let [.., generator, stdin] = &positions()[..] else { panic!() };
    check(encode(generator), "it is one of another connector");
    check(encode(stdin), "it is one of another connector");
    check(sealed(&[9, 0]), "it has format version 9, and this version of weir reads up to 1");
    check(sealed(&[]), "its bytes make no sense");
    check(sealed(&[VERSION, 2, 0, 0, 0]), "its bytes make no sense");
    check(vec![1, 2, 3], "its bytes make no sense");
    check(vec![0; 20], "its checksum doesn't match");
    // A list of 2^60 files.
    let huge = [&[VERSION, 0, 0, 0, 0, 1][..], &[0x80; 8], &[0x10]].concat();
    check(sealed(&huge), "its bytes make no sense");
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read_without_a_panic(mut body in proptest::collection::vec(any::<u8>(), 0..200)) {
        body.insert(0, VERSION);
        drop(decode(&sealed(&body)));
    }
}
