//! Frames on their way in: the same messages, refusals and limits as ws's receiver.

mod assembly;

use std::cell::Cell;

use self::assembly::{PartialFrame, PartialMessage};
use super::header::{self, Expect, Header};
use super::{
    DEFAULT_LARGE, FrameError, Inflate, MAX_HEADER, MAX_MESSAGE, NO_STATUS, OpCode, Payload, Role, Sink,
    is_valid_close_code, mask,
};

/// Largest buffer that a thread keeps for inflating into.
const MAX_SCRATCH: usize = 64 * 1024;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What is decoded, and how far the peer may go.
#[derive(Debug)]
pub struct DecoderOptions {
    /// Our side.
    pub role: Role,
    /// Most bytes of a message, on the wire as well as inflated; 0 for no limit but [`MAX_MESSAGE`].
    pub max_payload: u64,
    /// Most frames of a message; 0 for no limit but 2^30 - 1.
    pub max_fragments: u32,
    /// Takes text and close reasons as they are.
    pub skip_utf8: bool,
    /// The incoming compression context, if permessage-deflate was negotiated.
    pub inflate: Option<Inflate>,
    /// From this many bytes on a payload is received into a buffer of its own.
    pub large: usize,
}

impl DecoderOptions {
    /// No limits, UTF-8 checked, no compression.
    pub fn new(role: Role) -> Self {
        Self { role, max_payload: 0, max_fragments: 0, skip_utf8: false, inflate: None, large: DEFAULT_LARGE }
    }
}

/// Reads frames from chunks of any size. Between messages it owns no buffer.
#[derive(Debug)]
pub struct Decoder {
    max_payload: u64,
    large: usize,
    max_fragments: u32,
    role: Role,
    skip_utf8: bool,
    finished: bool,
    fed: u64,
    /// Start of a header whose rest has not come yet.
    head: [u8; MAX_HEADER],
    head_len: u8,
    /// The frame whose payload is arriving.
    body: Option<Box<PartialFrame>>,
    /// The message of which at least one frame is complete.
    message: Option<Box<PartialMessage>>,
    inflate: Option<Box<Inflate>>,
}

impl Decoder {
    /// A decoder at the start of the connection's frames.
    pub fn new(options: DecoderOptions) -> Self {
        Self {
            max_payload: effective_payload(options.max_payload),
            large: options.large,
            max_fragments: effective_fragments(options.max_fragments),
            role: options.role,
            skip_utf8: options.skip_utf8,
            finished: false,
            fed: 0,
            head: [0; MAX_HEADER],
            head_len: 0,
            body: None,
            message: None,
            inflate: options.inflate.map(Box::new),
        }
    }

    /// Whether a close frame was seen or a rule was broken: what follows is ignored.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Bytes that have come so far.
    pub fn fed(&self) -> u64 {
        self.fed
    }

    /// Bytes that it holds of what is not complete yet: buffers with all their room, for a peer need only announce a
    /// payload to have some reserved. The decompressor's own window (some 40 KiB) is not among them.
    #[inline]
    pub fn held(&self) -> usize {
        let body = self.body.as_ref().map_or(0, |body| body.buf.capacity());
        body + self.message.as_ref().map_or(0, |message| message.held())
    }

    /// Gives up what is not complete, and ignores what follows, as after an error.
    pub fn give_up(&mut self) {
        self.finish();
    }

    /// Feeds what was read. Masked payloads are unmasked in place.
    ///
    /// # Errors
    /// Once, at the first frame that breaks a rule; what came before it has reached the sink. Later calls do
    /// nothing, as after a close frame.
    pub fn decode(&mut self, chunk: &mut [u8], sink: &mut impl Sink) -> Result<(), FrameError> {
        self.fed += chunk.len() as u64;
        if self.finished {
            return Ok(());
        }
        let result = self.run(chunk, sink);
        if result.is_err() {
            self.finish();
        }
        result
    }

    /// While a large payload is arriving: the buffer to read it into and how many bytes may be appended before
    /// the next call of [`Decoder::direct_advance`]. That many are reserved; the bytes missing may be more.
    pub fn direct(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        let body = self.body.as_deref_mut()?;
        if body.header.len < self.large as u64 {
            return None;
        }
        let room = body.room();
        Some((&mut body.buf, room))
    }

    /// Takes note of the bytes appended to what [`Decoder::direct`] gave out, and completes the frame if they
    /// were the last ones.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    pub fn direct_advance(&mut self, sink: &mut impl Sink) -> Result<(), FrameError> {
        let Some(body) = &mut self.body else { return Ok(()) };
        self.fed += body.settle() as u64;
        if body.missing() > 0 {
            return Ok(());
        }
        let result = self.complete_body(sink);
        if result.is_err() {
            self.finish();
        }
        result
    }

    fn run(&mut self, chunk: &mut [u8], sink: &mut impl Sink) -> Result<(), FrameError> {
        let mut rest = self.resume(chunk, sink)?;
        while !rest.is_empty() && !self.finished {
            rest = self.whole_messages(rest, sink)?;
            let Some(header) = self.parse(rest)? else {
                self.keep_head(rest);
                break;
            };
            let (_, tail) = rest.split_at_mut(header.size);
            rest = self.payload(header, tail, sink)?;
        }
        Ok(())
    }

    /// The fast path: messages of one frame, uncompressed, up to 64 KiB, whole in the chunk. Leaves everything
    /// else, and headers that break a rule, to the general path.
    #[inline]
    fn whole_messages<'a>(
        &self,
        mut rest: &'a mut [u8],
        sink: &mut impl Sink,
    ) -> Result<&'a mut [u8], FrameError> {
        if self.message.is_some() {
            return Ok(rest);
        }
        let (mask_bit, key_len) = match self.role {
            Role::Client => (0x00, 0),
            Role::Server => (0x80, 4),
        };
        loop {
            let (binary, len, start) = match *rest {
                [first @ (0x81 | 0x82), second, ..] if second ^ mask_bit < 126 => {
                    (first == 0x82, usize::from(second ^ mask_bit), 2)
                }
                [first @ (0x81 | 0x82), second, high, low, ..] if second ^ mask_bit == 126 => {
                    (first == 0x82, usize::from(u16::from_be_bytes([high, low])), 4)
                }
                _ => return Ok(rest),
            };
            let end = start + key_len + len;
            if end > rest.len() || len as u64 > self.max_payload {
                return Ok(rest);
            }
            let (frame, tail) = rest.split_at_mut(end);
            let (head, payload) = frame.split_at_mut(start + key_len);
            if let Some(key) = head.get(start..).and_then(|key| key.first_chunk::<4>()) {
                mask::apply(payload, *key, 0);
            }
            if !binary {
                self.check_text(OpCode::Text, payload)?;
            }
            sink.message(binary, Payload::Borrowed(payload), &[]);
            rest = tail;
        }
    }

    fn parse(&self, bytes: &[u8]) -> Result<Option<Header>, FrameError> {
        let message = self.message.as_deref();
        let expect = Expect {
            role: self.role,
            deflate: self.inflate.is_some(),
            message: message.map(|message| message.opcode),
            total: message.map_or(0, |message| message.total),
            max_payload: self.max_payload,
        };
        let header = header::parse(bytes, &expect)?;
        // ws counts a frame after its payload; nothing can come between, so there is no need to wait for it.
        if let (Some(Header { opcode: OpCode::Continuation, .. }), Some(message)) = (&header, message)
            && message.frames >= self.max_fragments
        {
            return Err(FrameError::too_many_fragments());
        }
        Ok(header)
    }

    #[cold]
    fn keep_head(&mut self, bytes: &[u8]) {
        let len = bytes.len().min(MAX_HEADER);
        for (to, from) in self.head.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.head_len = len as u8;
    }

    /// Goes on with the frame that the last chunk broke off in, and returns what comes behind it.
    #[inline]
    fn resume<'a>(&mut self, chunk: &'a mut [u8], sink: &mut impl Sink) -> Result<&'a mut [u8], FrameError> {
        if self.body.is_some() {
            return self.resume_body(chunk, sink);
        }
        if self.head_len > 0 { self.resume_head(chunk, sink) } else { Ok(chunk) }
    }

    fn resume_head<'a>(
        &mut self,
        chunk: &'a mut [u8],
        sink: &mut impl Sink,
    ) -> Result<&'a mut [u8], FrameError> {
        let had = usize::from(self.head_len);
        let mut head = self.head;
        let mut len = had;
        for (to, from) in head.iter_mut().skip(had).zip(chunk.iter()) {
            *to = *from;
            len += 1;
        }
        let known = head.get(..len).unwrap_or_default();
        match self.parse(known)? {
            None => {
                self.keep_head(known);
                Ok(&mut [])
            }
            Some(header) => {
                self.head_len = 0;
                let used = header.size.saturating_sub(had).min(chunk.len());
                self.payload(header, chunk.split_at_mut(used).1, sink)
            }
        }
    }

    fn resume_body<'a>(
        &mut self,
        chunk: &'a mut [u8],
        sink: &mut impl Sink,
    ) -> Result<&'a mut [u8], FrameError> {
        let Some(body) = &mut self.body else { return Ok(chunk) };
        let take = body.missing().min(chunk.len() as u64) as usize;
        let (bytes, rest) = chunk.split_at_mut(take);
        body.append(bytes);
        if body.missing() == 0 {
            self.complete_body(sink)?;
        }
        Ok(rest)
    }

    /// Takes the payload of a frame from `bytes`, or as much of it as there is, and returns what is left.
    fn payload<'a>(
        &mut self,
        header: Header,
        bytes: &'a mut [u8],
        sink: &mut impl Sink,
    ) -> Result<&'a mut [u8], FrameError> {
        if header.len > bytes.len() as u64 {
            self.begin_body(header, bytes);
            return Ok(&mut []);
        }
        let (payload, rest) = bytes.split_at_mut(header.len as usize);
        if let Some(key) = header.key {
            mask::apply(payload, key, 0);
        }
        if header.opcode.is_control() {
            self.control(header.opcode, payload, sink)?;
        } else {
            self.data(&header, payload, sink)?;
        }
        Ok(rest)
    }

    fn begin_body(&mut self, header: Header, bytes: &[u8]) {
        let buf = match &mut self.message {
            Some(message) if !message.compressed && !header.opcode.is_control() => {
                std::mem::take(&mut message.data)
            }
            _ => Vec::new(),
        };
        let mut body = Box::new(PartialFrame::new(header, buf));
        body.append(bytes);
        self.body = Some(body);
    }

    fn complete_body(&mut self, sink: &mut impl Sink) -> Result<(), FrameError> {
        let Some(body) = self.body.take() else { return Ok(()) };
        let PartialFrame { header, buf, start, .. } = *body;
        if header.opcode.is_control() {
            return self.control(header.opcode, &buf, sink);
        }
        let compressed = self.message.as_ref().map_or(header.rsv1, |message| message.compressed);
        if compressed {
            return self.data(&header, &buf, sink);
        }
        if self.message.is_none() && header.fin {
            return self.deliver(header.opcode, buf, &[], sink);
        }
        let message = self.message.get_or_insert_with(|| Box::new(PartialMessage::new(&header)));
        message.data = buf;
        message.note(&header, start);
        self.end_fragment(&header, sink)
    }

    /// A data frame whose unmasked payload lies elsewhere.
    fn data(&mut self, header: &Header, payload: &[u8], sink: &mut impl Sink) -> Result<(), FrameError> {
        if self.message.is_none() && header.fin {
            if header.rsv1 {
                return self.inflate_whole(header.opcode, payload, sink);
            }
            self.check_text(header.opcode, payload)?;
            sink.message(header.opcode == OpCode::Binary, Payload::Borrowed(payload), &[]);
            return Ok(());
        }
        let message = self.message.get_or_insert_with(|| Box::new(PartialMessage::new(header)));
        let before = message.data.len();
        match &mut self.inflate {
            Some(inflate) if message.compressed => {
                inflate.inflate(payload, header.fin, &mut message.data, self.max_payload)?;
            }
            _ => message.data.extend_from_slice(payload),
        }
        message.note(header, before);
        self.end_fragment(header, sink)
    }

    fn end_fragment(&mut self, header: &Header, sink: &mut impl Sink) -> Result<(), FrameError> {
        if !header.fin {
            return Ok(());
        }
        let Some(message) = self.message.take() else { return Ok(()) };
        let PartialMessage { opcode, data, lengths, .. } = *message;
        self.deliver(opcode, data, &lengths, sink)
    }

    fn inflate_whole(
        &mut self,
        opcode: OpCode,
        payload: &[u8],
        sink: &mut impl Sink,
    ) -> Result<(), FrameError> {
        let Some(inflate) = &mut self.inflate else { return Ok(()) };
        let mut data = SCRATCH.take();
        data.clear();
        inflate.inflate(payload, true, &mut data, self.max_payload)?;
        if data.len() >= self.large {
            return self.deliver(opcode, data, &[], sink);
        }
        let checked = self.check_text(opcode, &data);
        if checked.is_ok() {
            sink.message(opcode == OpCode::Binary, Payload::Borrowed(&data), &[]);
        }
        if data.capacity() <= MAX_SCRATCH {
            SCRATCH.set(data);
        }
        checked
    }

    fn deliver(
        &mut self,
        opcode: OpCode,
        mut data: Vec<u8>,
        fragments: &[u32],
        sink: &mut impl Sink,
    ) -> Result<(), FrameError> {
        self.check_text(opcode, &data)?;
        let payload = if data.len() >= self.large {
            // The sink may keep it for long: do not let it keep much more than the message.
            if data.capacity() - data.len() > data.len() / 8 {
                data.shrink_to_fit();
            }
            Payload::Owned(data)
        } else {
            Payload::Borrowed(&data)
        };
        sink.message(opcode == OpCode::Binary, payload, fragments);
        Ok(())
    }

    fn control(&mut self, opcode: OpCode, payload: &[u8], sink: &mut impl Sink) -> Result<(), FrameError> {
        match opcode {
            OpCode::Ping => sink.ping(payload),
            OpCode::Pong => sink.pong(payload),
            _ => {
                let (code, reason) = read_close(payload)?;
                self.check_text(OpCode::Text, reason)?;
                self.finish();
                sink.close(code, reason);
            }
        }
        Ok(())
    }

    #[inline]
    fn check_text(&self, opcode: OpCode, text: &[u8]) -> Result<(), FrameError> {
        if opcode == OpCode::Text && !self.skip_utf8 && !is_utf8(text) {
            return Err(FrameError::invalid_utf8());
        }
        Ok(())
    }

    /// Nothing more will be read: gives back all memory.
    fn finish(&mut self) {
        self.finished = true;
        self.head_len = 0;
        self.body = None;
        self.message = None;
        self.inflate = None;
    }
}

/// Status and reason of a close frame; [`NO_STATUS`] for an empty one.
pub(super) fn read_close(payload: &[u8]) -> Result<(u16, &[u8]), FrameError> {
    let Some((code, reason)) = payload.split_first_chunk() else { return Ok((NO_STATUS, payload)) };
    let code = u16::from_be_bytes(*code);
    if is_valid_close_code(code) {
        return Ok((code, reason));
    }
    Err(FrameError::invalid("WS_ERR_INVALID_CLOSE_CODE", format_args!("invalid status code {code}")))
}

fn effective_payload(limit: u64) -> u64 {
    if limit == 0 { MAX_MESSAGE } else { limit.min(MAX_MESSAGE) }
}

/// A message's lengths go into a record of their own, which is no longer than a message.
fn effective_fragments(limit: u32) -> u32 {
    const MOST: u32 = u32::MAX / size_of::<u32>() as u32;
    if limit == 0 { MOST } else { limit.min(MOST) }
}

/// The most that [`Decoder::held`] says of one message of the longest kind, under limits as [`DecoderOptions`] has them:
/// what grows may have twice the room that it needs.
pub fn most_held(max_payload: u64, max_fragments: u32) -> u64 {
    let payload = effective_payload(max_payload);
    let lengths = payload.min(effective_fragments(max_fragments).into()) * size_of::<u32>() as u64;
    2 * (payload + lengths)
}

#[inline]
fn is_utf8(text: &[u8]) -> bool {
    simdutf8::basic::from_utf8(text).is_ok()
}

#[cfg(test)]
mod tests;
