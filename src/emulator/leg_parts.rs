//! What a listener says on the rendezvous of an HTTP request, without IO: whole texts, and binary messages as they come.

use crate::frame::{FramePiece, FrameReader, OpCode, Role, split_close};

/// The longest text in bytes.
const MAX_TEXT: usize = 256 * 1024;

/// The close code for a message that is too long.
const TOO_BIG: u16 = 1009;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum LegPart {
    /// A whole text message.
    Text(Vec<u8>),
    /// A piece of a binary message, which was put where the caller said.
    Binary,
    /// The end of a binary message.
    BinaryEnd,
    /// A ping, to be answered.
    Ping(Vec<u8>),
    /// The listener closes, with this code.
    Close(u16),
}

/// Takes bytes, gives parts.
pub struct LegParts {
    frames: FrameReader,
    /// What was read last; `used` bytes of it are done with.
    pub buffer: Vec<u8>,
    used: usize,
    /// The message at hand: its kind, its text so far, whether its last frame has begun, and has ended.
    is_text: bool,
    text: Vec<u8>,
    last: bool,
    ended: bool,
}

impl LegParts {
    /// At the start of the frames, of which `early` has come already.
    pub fn new(early: Vec<u8>) -> Self {
        Self {
            frames: FrameReader::new(Role::Server, false),
            buffer: early,
            used: 0,
            is_text: false,
            text: Vec::new(),
            last: false,
            ended: false,
        }
    }

    /// The next part; what it has of a binary message goes to the end of `data`. None where all that was read is used up:
    /// then the buffer is empty.
    ///
    /// # Errors
    /// The listener breaks the framing rules, or its text is too long: the code to close with.
    pub fn next(&mut self, data: &mut Vec<u8>) -> Result<Option<LegPart>, u16> {
        loop {
            if std::mem::take(&mut self.ended) {
                let text = std::mem::take(&mut self.text);
                return Ok(Some(if self.is_text { LegPart::Text(text) } else { LegPart::BinaryEnd }));
            }
            let mut unread = self.buffer.get_mut(self.used..).unwrap_or_default();
            let before = unread.len();
            let piece = self.frames.next(&mut unread).map_err(|error| error.status)?;
            self.used += before - unread.len();
            match piece {
                Some(FramePiece::Head(header)) => {
                    if header.opcode != OpCode::Continuation {
                        self.is_text = header.opcode == OpCode::Text;
                    }
                    self.last = header.fin;
                    self.ended = self.last && !self.frames.in_payload();
                }
                Some(FramePiece::Payload(bytes)) => {
                    self.ended = self.last && !self.frames.in_payload();
                    if !self.is_text {
                        data.extend_from_slice(bytes);
                        return Ok(Some(LegPart::Binary));
                    }
                    if self.text.len() + bytes.len() > MAX_TEXT {
                        return Err(TOO_BIG);
                    }
                    self.text.extend_from_slice(bytes);
                }
                Some(FramePiece::Control(OpCode::Ping, payload)) => {
                    return Ok(Some(LegPart::Ping(payload)));
                }
                Some(FramePiece::Control(OpCode::Close, payload)) => {
                    return Ok(Some(LegPart::Close(split_close(&payload).0)));
                }
                Some(FramePiece::Control(..)) => {}
                None => {
                    self.buffer.clear();
                    self.used = 0;
                    return Ok(None);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::encode;

    const KEY: Option<[u8; 4]> = Some([1, 2, 3, 4]);

    /// All that `wire` says, read in pieces of `step` bytes; binary messages whole.
    fn parts(wire: &[u8], step: usize) -> Result<Vec<(LegPart, Vec<u8>)>, u16> {
        let (mut parts, mut all, mut data) = (LegParts::new(Vec::new()), Vec::new(), Vec::new());
        for bytes in wire.chunks(step) {
            parts.buffer.extend_from_slice(bytes);
            while let Some(part) = parts.next(&mut data)? {
                match part {
                    LegPart::Binary => {}
                    LegPart::BinaryEnd => all.push((part, std::mem::take(&mut data))),
                    other => all.push((other, Vec::new())),
                }
            }
        }
        Ok(all)
    }

    #[test]
    fn a_text_without_end_is_refused() {
        let mut wire = Vec::new();
        for number in 0..5 {
            let opcode = if number == 0 { OpCode::Text } else { OpCode::Continuation };
            encode(&mut wire, opcode, false, false, KEY, &vec![b' '; 64 * 1024]);
        }
        assert_eq!(parts(&wire, 1000), Err(TOO_BIG));
    }

    proptest! {
        #[test]
        fn any_fragments_with_any_pings_between_give_the_message(
            fragments in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..8),
            pings in proptest::collection::vec(any::<bool>(), 8),
            text in any::<bool>(),
            step in 1usize..50,
        ) {
            let mut wire = Vec::new();
            for (number, fragment) in fragments.iter().enumerate() {
                let kind = if text { OpCode::Text } else { OpCode::Binary };
                let opcode = if number == 0 { kind } else { OpCode::Continuation };
                encode(&mut wire, opcode, number + 1 == fragments.len(), false, KEY, fragment);
                if pings[number] {
                    encode(&mut wire, OpCode::Ping, true, false, KEY, b"p");
                    encode(&mut wire, OpCode::Pong, true, false, KEY, b"");
                }
            }
            encode(&mut wire, OpCode::Close, true, false, KEY, &1000u16.to_be_bytes());
            let mut seen = parts(&wire, step).unwrap();
            prop_assert_eq!(seen.pop(), Some((LegPart::Close(1000), Vec::new())));
            let (told, rest): (Vec<_>, Vec<_>) =
                seen.into_iter().partition(|(part, _)| *part == LegPart::Ping(b"p".to_vec()));
            prop_assert_eq!(told.len(), pings[..fragments.len()].iter().filter(|own| **own).count());
            let whole = fragments.concat();
            let expected = if text { (LegPart::Text(whole), Vec::new()) } else { (LegPart::BinaryEnd, whole) };
            prop_assert_eq!(rest, vec![expected]);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic_and_alike(wire in proptest::collection::vec(any::<u8>(), 0..200), step in 1usize..9) {
            // Masked frames, mostly, or nothing would get through.
            let wire: Vec<u8> = wire.iter().enumerate().map(|(at, byte)| if at % 3 == 1 { byte | 0x80 } else { *byte }).collect();
            prop_assert_eq!(parts(&wire, step).ok(), parts(&wire, 1000).ok());
        }
    }
}
