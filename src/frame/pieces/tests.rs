use proptest::prelude::*;

use super::*;
use crate::frame::{encode, encode_head};

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// What whoever passes frames on would send, and the control frames that came between.
#[derive(Default, Debug, PartialEq, Clone)]
struct Passed {
    out: Vec<u8>,
    controls: Vec<(OpCode, Vec<u8>)>,
    frames: usize,
}

impl Passed {
    fn read(&mut self, reader: &mut FrameReader, mut input: &mut [u8]) -> Result<(), FrameError> {
        while let Some(piece) = reader.next(&mut input)? {
            match piece {
                FramePiece::Head(Header { opcode, fin, rsv1, len, .. }) => {
                    encode_head(&mut self.out, opcode, fin, rsv1, None, len as usize);
                    self.frames += usize::from(!reader.in_payload());
                }
                FramePiece::Payload(bytes) => {
                    assert!(!bytes.is_empty());
                    self.out.extend_from_slice(bytes);
                    self.frames += usize::from(!reader.in_payload());
                }
                FramePiece::Control(opcode, payload) => self.controls.push((opcode, payload)),
            }
        }
        assert!(input.is_empty(), "nothing is left over");
        Ok(())
    }
}

/// A client's frame; `first` is its first byte.
fn masked(first: u8, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out, OpCode::Binary, true, false, Some(key), payload);
    out[0] = first;
    out
}

fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out, OpCode::Binary, true, false, None, payload);
    out[0] = first;
    out
}

fn read(input: &[u8], pieces: &[usize], deflate: bool) -> Result<Passed, FrameError> {
    let (mut reader, mut passed) = (FrameReader::new(Role::Server, deflate), Passed::default());
    let mut input = input.to_vec();
    let mut rest: &mut [u8] = &mut input;
    for size in pieces.iter().chain([&usize::MAX]) {
        passed.read(&mut reader, take(&mut rest, *size))?;
    }
    Ok(passed)
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;

#[test]
fn every_length_form_is_read_and_written() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_001] {
        let payload: Vec<u8> = (0..length).map(|n| n as u8).collect();
        let passed = read(&masked(FIN | BINARY, &payload, [1, 2, 3, 4]), &[], false).unwrap();
        assert_eq!(passed.out, plain(FIN | BINARY, &payload));
        assert_eq!(passed.frames, 1);
    }
}

#[test]
fn control_frames_come_out_between_fragments() {
    let mut input = masked(TEXT, b"He", [9; 4]);
    input.extend(masked(FIN | PING, b"?", [7; 4]));
    input.extend(masked(FIN, b"llo", [1, 0, 0, 1]));
    input.extend(masked(FIN | CLOSE, b"\x0f\xa1bye", [5; 4]));
    input.extend([0xff; 30]);
    let passed = read(&input, &[3, 1, 1], false).unwrap();
    assert_eq!(passed.out, [plain(TEXT, b"He"), plain(FIN, b"llo")].concat());
    assert_eq!(passed.controls, [(OpCode::Ping, b"?".to_vec()), (OpCode::Close, b"\x0f\xa1bye".to_vec())]);
}

#[test]
fn breaches_are_found() {
    let key = [1, 2, 3, 4];
    let bad = [
        plain(FIN | TEXT, b"unmasked"),
        masked(FIN | RSV1 | TEXT, b"", key),
        masked(FIN, b"", key),
        [masked(TEXT, b"a", key), masked(FIN | TEXT, b"b", key)].concat(),
        masked(FIN | 0x3, b"", key),
        masked(FIN | 0xb, b"", key),
        masked(PING, b"", key),
        masked(FIN | PING, &[0; 126], key),
        masked(FIN | CLOSE, b"x", key),
        masked(FIN | CLOSE, &1005u16.to_be_bytes(), key),
        masked(FIN | CLOSE, &999u16.to_be_bytes(), key),
        masked(FIN | CLOSE, b"\x03\xe8\xff", key),
        vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
    ];
    for input in bad {
        assert!(read(&input, &[], false).is_err(), "{input:x?}");
    }
}

#[test]
fn rsv1_passes_only_where_it_was_agreed_and_only_on_the_first_frame() {
    let first = masked(RSV1 | TEXT, b"a", [0; 4]);
    let rest = masked(FIN, b"b", [0; 4]);
    let passed = read(&[first.clone(), rest].concat(), &[], true).unwrap();
    assert_eq!(passed.out[0], RSV1 | TEXT);
    let bad = masked(FIN | RSV1, b"b", [0; 4]);
    assert!(read(&[first, bad].concat(), &[], true).is_err());
}

#[test]
fn nothing_is_read_behind_a_breach() {
    let (mut reader, mut passed) = (FrameReader::new(Role::Server, false), Passed::default());
    let mut input = [masked(FIN | TEXT, b"before", [0; 4]), masked(FIN | 3, b"", [0; 4])].concat();
    assert!(passed.read(&mut reader, &mut input).is_err());
    let before = passed.clone();
    assert_eq!(before.frames, 1);
    for _ in 0..3 {
        assert_eq!(passed.read(&mut reader, &mut masked(FIN | TEXT, b"behind", [0; 4])), Ok(()));
    }
    assert_eq!(passed, before);
    assert!(reader.is_finished());
}

proptest! {
    #[test]
    fn how_the_bytes_arrive_makes_no_difference(
        messages in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<[u8; 4]>()), 1..6),
        pieces in prop::collection::vec(0usize..50, 0..40),
    ) {
        let input: Vec<u8> = messages.iter().flat_map(|(p, m)| masked(FIN | BINARY, p, *m)).collect();
        let output: Vec<u8> = messages.iter().flat_map(|(p, _)| plain(FIN | BINARY, p)).collect();
        let passed = read(&input, &pieces, false).unwrap();
        prop_assert_eq!(passed.out, output);
        prop_assert_eq!(passed.frames, messages.len());
    }

    #[test]
    fn noise_never_panics(input in prop::collection::vec(any::<u8>(), 0..200), deflate: bool) {
        let _ = read(&input, &[1, 2, 3], deflate);
    }
}
