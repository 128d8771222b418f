use proptest::prelude::*;

use super::*;

fn client() -> Expect {
    Expect { role: Role::Client, deflate: false, message: None, total: 0, max_payload: u64::MAX }
}

fn refusal(bytes: &[u8], expect: &Expect) -> (&'static str, String, u16) {
    let error = parse(bytes, expect).unwrap_err();
    assert!(error.range);
    (error.code, error.message.into_owned(), error.status)
}

#[test]
fn reserved_bits_come_before_everything_else() {
    // RSV2 on an unknown opcode, masked, without FIN.
    let (code, message, status) = refusal(&[0x23, 0x80], &client());
    assert_eq!(code, "WS_ERR_UNEXPECTED_RSV_2_3");
    assert_eq!(message, "Invalid WebSocket frame: RSV2 and RSV3 must be clear");
    assert_eq!(status, 1002);
}

#[test]
fn rsv1_needs_the_extension_and_a_messages_first_frame() {
    let deflate = Expect { deflate: true, ..client() };
    let inside = Expect { message: Some(OpCode::Text), ..deflate };
    for (first, expect) in [(0xc1, client()), (0xc0, inside), (0xc0, deflate), (0xc9, deflate)] {
        let (code, message, _) = refusal(&[first, 0], &expect);
        assert_eq!(code, "WS_ERR_UNEXPECTED_RSV_1");
        assert_eq!(message, "Invalid WebSocket frame: RSV1 must be clear");
    }
    assert!(parse(&[0xc1, 0], &deflate).unwrap().unwrap().rsv1);
}

#[test]
fn opcodes_must_exist_and_fit_the_message() {
    let inside = Expect { message: Some(OpCode::Binary), ..client() };
    for (first, expect, opcode) in
        [(0x80, client(), 0), (0x81, inside, 1), (0x82, inside, 2), (0x83, client(), 3), (0x8b, inside, 11)]
    {
        let (code, message, _) = refusal(&[first, 0], &expect);
        assert_eq!(code, "WS_ERR_INVALID_OPCODE");
        assert_eq!(message, format!("Invalid WebSocket frame: invalid opcode {opcode}"));
    }
    assert_eq!(parse(&[0x00, 0], &inside).unwrap().unwrap().opcode, OpCode::Continuation);
}

#[test]
fn control_frames_are_final_then_uncompressed_then_short() {
    let deflate = Expect { deflate: true, ..client() };
    assert_eq!(refusal(&[0x49, 126], &deflate).0, "WS_ERR_EXPECTED_FIN");
    assert_eq!(refusal(&[0x09, 0], &client()).1, "Invalid WebSocket frame: FIN must be set");
    assert_eq!(refusal(&[0xc9, 126], &deflate).0, "WS_ERR_UNEXPECTED_RSV_1");
    for (first, second, len) in [(0x89, 126, 126), (0x8a, 127, 127), (0x88, 1, 1), (0x88, 126, 126)] {
        let (code, message, _) = refusal(&[first, second], &client());
        assert_eq!(code, "WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH");
        assert_eq!(message, format!("Invalid WebSocket frame: invalid payload length {len}"));
    }
}

#[test]
fn masks_are_for_servers_only() {
    let (code, message, _) = refusal(&[0x81, 0x80], &client());
    assert_eq!((code, &*message), ("WS_ERR_UNEXPECTED_MASK", "Invalid WebSocket frame: MASK must be clear"));
    let server = Expect { role: Role::Server, ..client() };
    let (code, message, _) = refusal(&[0x81, 0x00], &server);
    assert_eq!((code, &*message), ("WS_ERR_EXPECTED_MASK", "Invalid WebSocket frame: MASK must be set"));
}

#[test]
fn lengths_beyond_two_to_the_53_are_refused() {
    let mut bytes = vec![0x82, 127, 0, 0x20, 0, 0, 0, 0, 0, 0];
    let (code, message, status) = refusal(&bytes, &client());
    assert_eq!(code, "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH");
    assert_eq!(message, "Unsupported WebSocket frame: payload length > 2^53 - 1");
    assert_eq!(status, 1009);

    bytes[3] = 0x1f;
    assert_eq!(parse(&bytes, &client()).unwrap().unwrap().len, 0x001f_0000_0000_0000);
}

#[test]
fn the_limit_counts_announced_bytes_of_the_whole_message() {
    let expect = Expect { max_payload: 10, total: 4, message: Some(OpCode::Text), ..client() };
    assert!(parse(&[0x80, 6], &expect).unwrap().is_some());
    let (code, message, status) = refusal(&[0x80, 7], &expect);
    assert_eq!(code, "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH");
    assert_eq!((&*message, status), ("Max payload size exceeded", 1009));
    // Control frames do not count.
    assert!(parse(&[0x89, 100], &expect).unwrap().is_some());
    // Nor does the key have to be there.
    let server = Expect { role: Role::Server, ..expect };
    assert_eq!(refusal(&[0x80, 0x87], &server).0, "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH");
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        len in prop_oneof![
            0usize..200, 65_500usize..65_600, Just(125), Just(126), Just(65_535), Just(65_536),
            Just(MAX_SAFE_LENGTH as usize)
        ],
        key: Option<[u8; 4]>, fin: bool, rsv1: bool, binary: bool
    ) {
        let opcode = if binary { OpCode::Binary } else { OpCode::Text };
        let mut bytes = [0; MAX_HEADER];
        let written = write(&mut bytes, opcode, fin, rsv1, key, len);
        prop_assert_eq!(written, size(len, key.is_some()));

        let role = if key.is_some() { Role::Server } else { Role::Client };
        let expect = Expect { role, deflate: true, ..client() };
        for short in 0..written {
            prop_assert_eq!(parse(&bytes[..short], &expect), Ok(None));
        }
        let header = Header { opcode, fin, rsv1, key, len: len as u64, size: written };
        prop_assert_eq!(parse(&bytes[..written], &expect), Ok(Some(header)));
    }

    #[test]
    fn more_bytes_never_change_a_verdict(bytes: [u8; MAX_HEADER], deflate: bool, server: bool, inside: bool) {
        let expect = Expect {
            role: if server { Role::Server } else { Role::Client },
            deflate,
            message: inside.then_some(OpCode::Text),
            total: 0,
            max_payload: 70_000,
        };
        let whole = parse(&bytes, &expect);
        for short in 0..MAX_HEADER {
            let verdict = parse(&bytes[..short], &expect);
            prop_assert!(verdict == Ok(None) || verdict == whole);
        }
    }
}
