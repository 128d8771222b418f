//! The frames that the relay itself sends.

use crate::frame::{self, OpCode};

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::{FramePiece, FrameReader, Role};

    proptest! {
        #[test]
        fn fragments_are_one_message_and_none_is_long(length in 0usize..5 * FRAGMENT, odd in any::<bool>()) {
            // Whole fragments and what lies beside them.
            let length = if odd { length } else { length / FRAGMENT * FRAGMENT };
            let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut wire = Vec::new();
            put_fragments(&mut wire, &payload);
            let (mut reader, mut heads, mut got) = (FrameReader::new(Role::Client, false), Vec::new(), Vec::new());
            let mut rest = wire.as_mut_slice();
            while let Some(piece) = reader.next(&mut rest).unwrap() {
                match piece {
                    FramePiece::Head(head) => heads.push(head),
                    FramePiece::Payload(bytes) => got.extend_from_slice(bytes),
                    FramePiece::Control(..) => prop_assert!(false),
                }
            }
            prop_assert_eq!(got, payload);
            prop_assert_eq!(heads.len(), length.div_ceil(FRAGMENT).max(1));
            prop_assert!(heads.iter().all(|head| head.len <= FRAGMENT as u64));
            prop_assert_eq!(heads.iter().filter(|head| head.fin).count(), 1);
            prop_assert!(heads[0].opcode == OpCode::Binary && heads[heads.len() - 1].fin);
        }
    }
}
