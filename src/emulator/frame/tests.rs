use proptest::prelude::*;

use super::*;

#[derive(Default, Debug, PartialEq, Clone)]
struct Record {
    out: Vec<u8>,
    controls: Vec<(u8, Vec<u8>)>,
    frames: usize,
}

impl Sink for Record {
    fn begin(&mut self, first: u8, length: u64) {
        put_head(&mut self.out, first, length);
    }
    fn payload(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }
    fn end(&mut self) {
        self.frames += 1;
    }
    fn control(&mut self, opcode: u8, payload: &[u8]) {
        self.controls.push((opcode, payload.to_vec()));
    }
}

/// A client's frame.
fn masked(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut out = Vec::new();
    put_head(&mut out, first, payload.len() as u64);
    out[1] |= 0x80;
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_head(&mut out, first, payload.len() as u64);
    out.extend_from_slice(payload);
    out
}

fn decode(input: &[u8], pieces: &[usize], extended: bool) -> Result<Record, Violation> {
    let (mut decoder, mut record, mut input) = (Decoder::new(extended), Record::default(), input.to_vec());
    let mut rest: &mut [u8] = &mut input;
    for size in pieces.iter().chain([&usize::MAX]) {
        let taken = (*size).min(rest.len());
        let (piece, after) = std::mem::take(&mut rest).split_at_mut(taken);
        rest = after;
        decoder.feed(piece, &mut record)?;
    }
    Ok(record)
}

#[test]
fn every_length_form_is_read_and_written() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_001] {
        let payload: Vec<u8> = (0..length).map(|n| n as u8).collect();
        let record = decode(&masked(FIN | BINARY, &payload, [1, 2, 3, 4]), &[], false).unwrap();
        assert_eq!(record.out, plain(FIN | BINARY, &payload));
        assert_eq!(record.frames, 1);
    }
}

#[test]
fn control_frames_come_out_between_fragments() {
    let mut input = masked(TEXT, b"He", [9; 4]);
    input.extend(masked(FIN | PING, b"?", [7; 4]));
    input.extend(masked(FIN | CONTINUATION, b"llo", [1, 0, 0, 1]));
    input.extend(masked(FIN | CLOSE, &close_payload(4001, "bye"), [5; 4]));
    input.extend([0xff; 30]);
    let record = decode(&input, &[3, 1, 1], false).unwrap();
    assert_eq!(record.out, [plain(TEXT, b"He"), plain(FIN | CONTINUATION, b"llo")].concat());
    assert_eq!(record.controls, [(PING, b"?".to_vec()), (CLOSE, b"\x0f\xa1bye".to_vec())]);
}

#[test]
fn breaches_are_found() {
    let mask = [1, 2, 3, 4];
    let bad = [
        plain(FIN | TEXT, b"unmasked"),
        masked(FIN | RSV1 | TEXT, b"", mask),
        masked(FIN | CONTINUATION, b"", mask),
        [masked(TEXT, b"a", mask), masked(FIN | TEXT, b"b", mask)].concat(),
        masked(FIN | 0x3, b"", mask),
        masked(FIN | 0xb, b"", mask),
        masked(PING, b"", mask),
        masked(FIN | PING, &[0; 126], mask),
        masked(FIN | CLOSE, b"x", mask),
        masked(FIN | CLOSE, &close_payload(1005, ""), mask),
        masked(FIN | CLOSE, &close_payload(999, ""), mask),
        masked(FIN | CLOSE, b"\x03\xe8\xff", mask),
        vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
    ];
    for input in bad {
        assert!(decode(&input, &[], false).is_err(), "{input:x?}");
    }
}

#[test]
fn rsv1_passes_only_where_it_was_agreed_and_only_on_the_first_frame() {
    let first = masked(RSV1 | TEXT, b"a", [0; 4]);
    let rest = masked(FIN | CONTINUATION, b"b", [0; 4]);
    let record = decode(&[first.clone(), rest].concat(), &[], true).unwrap();
    assert_eq!(record.out[0], RSV1 | TEXT);
    let bad = masked(FIN | RSV1 | CONTINUATION, b"b", [0; 4]);
    assert!(decode(&[first, bad].concat(), &[], true).is_err());
}

#[test]
fn close_reasons_are_cut_at_a_character() {
    let payload = close_payload(1011, &"ü".repeat(100));
    assert_eq!(payload.len(), 2 + 122);
    assert_eq!(close_reason(&payload), (1011, "ü".repeat(61)));
    assert_eq!(close_reason(&[]), (1005, String::new()));
}

#[test]
fn nothing_is_read_behind_a_breach() {
    let (mut decoder, mut record) = (Decoder::new(false), Record::default());
    let mut input = [masked(FIN | TEXT, b"before", [0; 4]), masked(FIN | 3, b"", [0; 4])].concat();
    assert!(decoder.feed(&mut input, &mut record).is_err());
    let before = record.clone();
    assert_eq!(before.frames, 1);
    for _ in 0..3 {
        assert_eq!(decoder.feed(&mut masked(FIN | TEXT, b"behind", [0; 4]), &mut record), Ok(()));
    }
    assert_eq!(record, before);
    assert!(decoder.closed());
}

proptest! {
    #[test]
    fn how_the_bytes_arrive_makes_no_difference(
        messages in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<[u8; 4]>()), 1..6),
        pieces in prop::collection::vec(0usize..50, 0..40),
    ) {
        let input: Vec<u8> = messages.iter().flat_map(|(p, m)| masked(FIN | BINARY, p, *m)).collect();
        let output: Vec<u8> = messages.iter().flat_map(|(p, _)| plain(FIN | BINARY, p)).collect();
        let record = decode(&input, &pieces, false).unwrap();
        prop_assert_eq!(record.out, output);
        prop_assert_eq!(record.frames, messages.len());
    }

    #[test]
    fn noise_never_panics(input in prop::collection::vec(any::<u8>(), 0..200), extended: bool) {
        let _ = decode(&input, &[1, 2, 3], extended);
    }
}
