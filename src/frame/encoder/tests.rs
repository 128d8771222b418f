use proptest::prelude::*;

use super::*;
use crate::frame::{DeflateParams, Inflate, Role};

#[test]
fn frames_have_the_bytes_of_the_rfc() {
    let mut out = Vec::new();
    encode(&mut out, OpCode::Text, true, false, None, b"Hello");
    assert_eq!(out, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);

    out.clear();
    encode(&mut out, OpCode::Text, true, false, Some([0x37, 0xfa, 0x21, 0x3d]), b"Hello");
    assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);

    out.clear();
    encode(&mut out, OpCode::Text, false, true, None, b"Hel");
    encode(&mut out, OpCode::Continuation, true, false, None, b"lo");
    assert_eq!(out, [0x41, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f]);

    out.clear();
    encode(&mut out, OpCode::Binary, true, false, None, &[7; 256]);
    assert_eq!(&out[..5], [0x82, 0x7e, 0x01, 0x00, 7]);

    out.clear();
    encode(&mut out, OpCode::Binary, true, false, None, &vec![7; 65_536]);
    assert_eq!(&out[..11], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0, 7]);
}

proptest! {
    #[test]
    fn frame_len_is_what_encode_appends(len in 0usize..70_000, key: Option<[u8; 4]>) {
        let mut out = vec![1];
        encode(&mut out, OpCode::Binary, true, false, key, &vec![0; len]);
        prop_assert_eq!(out.len() - 1, frame_len(len, key.is_some()));
    }
}

#[test]
fn a_compressed_frame_is_a_frame_around_compressed_bytes() {
    let payload = b"abcabcabcabcabcabcabcabcabcabcabcabc".repeat(100);
    let params = DeflateParams::default();
    let mut compressed = Vec::new();
    Deflate::new(Role::Client, &params, 6).compress(&payload, true, &mut compressed).unwrap();
    let key = Some([1, 2, 3, 4]);

    let mut expected = b"before".to_vec();
    encode(&mut expected, OpCode::Text, true, true, key, &compressed);
    let mut out = b"before".to_vec();
    let mut deflate = Deflate::new(Role::Client, &params, 6);
    encode_compressed(&mut out, &mut deflate, OpCode::Text, true, key, &payload).unwrap();
    assert_eq!(out, expected);
}

#[test]
fn only_the_first_frame_of_a_compressed_message_is_marked() {
    let params = DeflateParams::default();
    let mut deflate = Deflate::new(Role::Server, &params, 6);
    let mut out = Vec::new();
    encode_compressed(&mut out, &mut deflate, OpCode::Binary, false, None, b"one ").unwrap();
    assert_eq!(out[0], 0x42);
    let second = out.len();
    encode_compressed(&mut out, &mut deflate, OpCode::Continuation, true, None, b"two").unwrap();
    assert_eq!(out[second], 0x80);

    let mut inflate = Inflate::new(Role::Client, &params);
    let mut plain = Vec::new();
    inflate.inflate(&out[2..second], false, &mut plain, 0).unwrap();
    inflate.inflate(&out[second + 2..], true, &mut plain, 0).unwrap();
    assert_eq!(plain, b"one two");
}

#[test]
fn close_payloads_follow_ws() {
    assert!(close_payload(None, b"dropped").unwrap().is_empty());
    assert_eq!(&*close_payload(Some(1000), b"bye").unwrap(), b"\x03\xe8bye");
    assert_eq!(close_payload(Some(4999), &[b'x'; 123]).unwrap().len(), 125);
    assert_eq!(close_payload(Some(1000), &[b'x'; 124]).unwrap_err(), CloseError::Reason);
    for code in [0, 999, 1004, 1005, 1006, 1015, 1100, 2999, 5000] {
        assert_eq!(close_payload(Some(code), b"").unwrap_err(), CloseError::Code, "{code}");
    }
    for code in [1000, 1003, 1007, 1014, 3000, 4999] {
        assert!(close_payload(Some(code), b"").is_ok(), "{code}");
    }
    assert_eq!(CloseError::Code.to_string(), "First argument must be a valid error code number");
    assert_eq!(CloseError::Reason.to_string(), "The message must not be greater than 123 bytes");
}
