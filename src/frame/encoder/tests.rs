use proptest::prelude::*;

use super::*;

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
