//! The frames that the relay itself sends.

use crate::frame::{self, MAX_CONTROL_PAYLOAD, NO_STATUS, OpCode};

/// Appends a whole frame.
pub fn put_frame(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8]) {
    frame::encode(out, opcode, true, false, None, payload);
}

/// How much of a body goes into one frame.
const FRAGMENT: usize = 16 * 1024;

/// Appends a binary message, in fragments where it is long.
pub fn put_fragments(out: &mut Vec<u8>, payload: &[u8]) {
    let mut rest = payload;
    while rest.len() > FRAGMENT {
        let (fragment, behind) = rest.split_at(FRAGMENT);
        let opcode = if rest.len() == payload.len() { OpCode::Binary } else { OpCode::Continuation };
        frame::encode(out, opcode, false, false, None, fragment);
        rest = behind;
    }
    let opcode = if rest.len() == payload.len() { OpCode::Binary } else { OpCode::Continuation };
    put_frame(out, opcode, rest);
}

/// The payload of a close frame, with any code that a fault may ask for; the reason is cut to what fits.
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    // Two bytes are the code.
    let mut end = reason.len().min(MAX_CONTROL_PAYLOAD - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    [&code.to_be_bytes(), &reason.as_bytes()[..end]].concat()
}

/// The code in a close frame's payload.
pub fn close_code(payload: &[u8]) -> u16 {
    payload.first_chunk().map_or(NO_STATUS, |code| u16::from_be_bytes(*code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_reasons_are_cut_at_a_character() {
        let payload = close_payload(1011, &"ü".repeat(100));
        assert_eq!(payload.len(), 2 + 122);
        assert_eq!(payload[2..], *"ü".repeat(61).as_bytes());
        assert_eq!(close_code(&payload), 1011);
        assert_eq!(close_code(&[]), 1005);
    }
}
