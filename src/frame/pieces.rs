//! Frames piece by piece, for whoever passes payloads on as they arrive and never puts a message together.

use super::decoder::read_close;
use super::header::{self, Expect, Header};
use super::{FrameError, OpCode, Role, mask};

/// What comes next of a connection's frames.
#[derive(Debug)]
pub enum FramePiece<'a> {
    /// A data frame begins.
    Head(Header),
    /// The next bytes of its payload, unmasked.
    Payload(&'a [u8]),
    /// A whole control frame.
    Control(OpCode, Vec<u8>),
}

/// Reads frames from chunks of any size; holds no more than the start of a header and a control frame.
#[derive(Debug)]
pub struct FrameReader {
    expect: Expect,
    /// Start of a header whose rest has not come yet.
    head: Vec<u8>,
    /// The frame whose payload is arriving, and how much of it has come.
    frame: Option<Header>,
    got: u64,
    /// The payload of a control frame so far.
    control: Vec<u8>,
    finished: bool,
}

impl FrameReader {
    /// A reader at the start of the connection's frames; `deflate` where permessage-deflate was negotiated.
    pub fn new(role: Role, deflate: bool) -> Self {
        let expect = Expect { role, deflate, message: None, total: 0, max_payload: usize::MAX as u64 };
        Self { expect, head: Vec::new(), frame: None, got: 0, control: Vec::new(), finished: false }
    }

    /// Whether the payload of a data frame is arriving, in which no other frame may be sent on.
    pub fn in_payload(&self) -> bool {
        self.frame.is_some_and(|header| !header.opcode.is_control())
    }

    /// Whether a close frame was seen or a rule was broken: what follows is ignored.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Takes the next piece from the front of `input`; none where all of it is used up.
    ///
    /// # Errors
    /// Once, at the first frame that breaks a rule.
    pub fn next<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<FramePiece<'a>>, FrameError> {
        if self.finished {
            *input = &mut [];
            return Ok(None);
        }
        let piece = self.read(input);
        self.finished = matches!(piece, Err(_) | Ok(Some(FramePiece::Control(OpCode::Close, _))));
        piece
    }

    fn read<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<FramePiece<'a>>, FrameError> {
        let header = match self.frame {
            Some(header) => header,
            None => {
                let Some(header) = self.header(input)? else { return Ok(None) };
                self.got = 0;
                if !header.opcode.is_control() {
                    let kind = self.expect.message.unwrap_or(header.opcode);
                    self.expect.message = (!header.fin).then_some(kind);
                    self.frame = (header.len > 0).then_some(header);
                    return Ok(Some(FramePiece::Head(header)));
                }
                *self.frame.insert(header)
            }
        };
        let bytes = take(input, (header.len - self.got).min(input.len() as u64) as usize);
        if let Some(key) = header.key {
            mask::apply(bytes, key, self.got as usize);
        }
        self.got += bytes.len() as u64;
        let complete = self.got == header.len;
        if complete {
            self.frame = None;
        }
        if !header.opcode.is_control() {
            return Ok((!bytes.is_empty()).then_some(FramePiece::Payload(bytes)));
        }
        self.control.extend_from_slice(bytes);
        if !complete {
            return Ok(None);
        }
        let payload = std::mem::take(&mut self.control);
        if header.opcode == OpCode::Close {
            let (_, reason) = read_close(&payload)?;
            simdutf8::basic::from_utf8(reason).map_err(|_| FrameError::invalid_utf8())?;
        }
        Ok(Some(FramePiece::Control(header.opcode, payload)))
    }

    fn header(&mut self, input: &mut &mut [u8]) -> Result<Option<Header>, FrameError> {
        if self.head.is_empty()
            && let Some(header) = header::parse(input, &self.expect)?
        {
            take(input, header.size);
            return Ok(Some(header));
        }
        while let [byte] = *take(input, 1) {
            self.head.push(byte);
            if let Some(header) = header::parse(&self.head, &self.expect)? {
                self.head.clear();
                return Ok(Some(header));
            }
        }
        Ok(None)
    }
}

/// Takes `count` bytes, or as many as there are, from the front of `input`.
fn take<'a>(input: &mut &'a mut [u8], count: usize) -> &'a mut [u8] {
    let count = count.min(input.len());
    let (taken, rest) = std::mem::take(input).split_at_mut(count);
    *input = rest;
    taken
}

#[cfg(test)]
mod tests;
