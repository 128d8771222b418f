//! Frames of a data socket: the same messages and refusals, however they are cut.
//!
//! The first byte says how the rest is cut, and whether messages may be compressed.
#![no_main]

use core_under_test::frame::{
    Decoder, DecoderOptions, DeflateParams, FrameError, Inflate, Payload, Role, Sink,
};
use libfuzzer_sys::fuzz_target;

const MAX_PAYLOAD: u64 = 64 * 1024;

#[derive(Debug, PartialEq)]
enum Seen {
    Message(bool, Vec<u8>, Vec<u32>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, Vec<u8>),
}

#[derive(Default)]
struct Log(Vec<Seen>);

impl Sink for Log {
    fn message(&mut self, binary: bool, payload: Payload<'_>, fragments: &[u32]) {
        assert!(payload.len() as u64 <= MAX_PAYLOAD);
        assert!(binary || std::str::from_utf8(&payload).is_ok());
        self.0.push(Seen::Message(binary, payload.to_vec(), fragments.to_vec()));
    }

    fn ping(&mut self, payload: &[u8]) {
        self.0.push(Seen::Ping(payload.to_vec()));
    }

    fn pong(&mut self, payload: &[u8]) {
        self.0.push(Seen::Pong(payload.to_vec()));
    }

    fn close(&mut self, code: u16, reason: &[u8]) {
        self.0.push(Seen::Close(code, reason.to_vec()));
    }
}

fn decode(bytes: &[u8], size: usize, compressed: bool) -> (Vec<Seen>, Result<(), FrameError>) {
    let mut decoder = Decoder::new(DecoderOptions {
        max_payload: MAX_PAYLOAD,
        max_fragments: 16,
        inflate: compressed.then(|| Inflate::new(Role::Client, &DeflateParams::default())),
        large: 512,
        ..DecoderOptions::new(Role::Client)
    });
    let mut log = Log::default();
    for piece in bytes.chunks(size) {
        if let Err(error) = decoder.decode(&mut piece.to_vec(), &mut log) {
            return (log.0, Err(error));
        }
    }
    (log.0, Ok(()))
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, bytes)) = data.split_first() else { return };
    let compressed = first & 1 != 0;
    let (seen, result) = decode(bytes, bytes.len().max(1), compressed);
    let (other, same) = decode(bytes, usize::from(first >> 1) + 1, compressed);
    assert_eq!(seen, other);
    // Not the text: which of its complaints zlib has depends on how much it saw at once.
    let essence = |error: FrameError| (error.code, error.status);
    assert_eq!(result.map_err(essence), same.map_err(essence));
});
