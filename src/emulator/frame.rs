//! The server's half of RFC 6455 framing, without IO: masked frames in, plain frames out.
//!
//! Payloads are handed on piece by piece as they arrive; no message is ever assembled here.

#![forbid(unsafe_code)]

/// Continuation frame.
pub const CONTINUATION: u8 = 0x0;
/// Text frame.
pub const TEXT: u8 = 0x1;
/// Binary frame.
pub const BINARY: u8 = 0x2;
/// Close frame.
pub const CLOSE: u8 = 0x8;
/// Ping frame.
pub const PING: u8 = 0x9;
/// Pong frame.
pub const PONG: u8 = 0xa;
/// The final frame of a message.
pub const FIN: u8 = 0x80;
const RSV: u8 = 0x70;
const RSV1: u8 = 0x40;

/// A breach of the framing rules; the connection is closed with 1002.
pub type Violation = &'static str;

/// What a decoder calls as it reads.
pub trait Sink {
    /// A data frame begins: its first byte (FIN, RSV, opcode) and its length.
    fn begin(&mut self, first: u8, length: u64);
    /// A piece of its payload, unmasked.
    fn payload(&mut self, bytes: &[u8]);
    /// The frame is complete.
    fn end(&mut self);
    /// A whole control frame.
    fn control(&mut self, opcode: u8, payload: &[u8]);
}

enum State {
    Head,
    Data { remaining: u64 },
    Control { opcode: u8, length: usize, payload: Vec<u8> },
    Closed,
}

/// Reads the frames of one client.
pub struct Decoder {
    state: State,
    head: [u8; 14],
    have: usize,
    mask: [u8; 4],
    fragmented: bool,
    last: bool,
    /// RSV1 is in use by an extension that was negotiated from end to end.
    extended: bool,
}

impl Decoder {
    /// A decoder; `extended` lets RSV1 pass.
    pub fn new(extended: bool) -> Self {
        Self {
            state: State::Head,
            head: [0; 14],
            have: 0,
            mask: [0; 4],
            fragmented: false,
            last: false,
            extended,
        }
    }

    /// True inside the payload of a data frame, where nothing else may be sent on to the other side.
    pub fn in_payload(&self) -> bool {
        matches!(self.state, State::Data { .. })
    }

    /// True after a close frame or a breach of the rules; whatever follows is ignored.
    pub fn closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Reads `input`, unmasking it in place.
    ///
    /// # Errors
    /// The client broke the framing rules. This is told once: what follows has no frames that could be trusted.
    pub fn feed(&mut self, input: &mut [u8], sink: &mut impl Sink) -> Result<(), Violation> {
        let read = self.read(input, sink);
        if read.is_err() {
            self.state = State::Closed;
        }
        read
    }

    fn read(&mut self, mut input: &mut [u8], sink: &mut impl Sink) -> Result<(), Violation> {
        while !input.is_empty() {
            match &mut self.state {
                State::Closed => return Ok(()),
                State::Head => {
                    let wanted = self.head_length() - self.have;
                    let taken = wanted.min(input.len());
                    let (bytes, rest) = std::mem::take(&mut input).split_at_mut(taken);
                    input = rest;
                    for byte in bytes {
                        if let Some(slot) = self.head.get_mut(self.have) {
                            *slot = *byte;
                        }
                        self.have += 1;
                    }
                    // The second byte says how long the head is.
                    if self.have >= 2 && self.have == self.head_length() {
                        self.have = 0;
                        self.begin(sink)?;
                    }
                }
                State::Data { remaining } => {
                    let taken = usize::try_from(*remaining).unwrap_or(usize::MAX).min(input.len());
                    let (bytes, rest) = std::mem::take(&mut input).split_at_mut(taken);
                    input = rest;
                    *remaining -= taken as u64;
                    let done = *remaining == 0;
                    apply_mask(bytes, &mut self.mask);
                    sink.payload(bytes);
                    if done {
                        self.state = State::Head;
                        sink.end();
                    }
                }
                State::Control { length, payload, .. } => {
                    let taken = (*length - payload.len()).min(input.len());
                    let (bytes, rest) = std::mem::take(&mut input).split_at_mut(taken);
                    input = rest;
                    apply_mask(bytes, &mut self.mask);
                    payload.extend_from_slice(bytes);
                    self.finish_control(sink)?;
                }
            }
        }
        Ok(())
    }

    fn head_length(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let extra = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + extra + if self.head[1] & 0x80 == 0 { 0 } else { 4 }
    }

    fn begin(&mut self, sink: &mut impl Sink) -> Result<(), Violation> {
        let [first, second, rest @ ..] = self.head;
        if second & 0x80 == 0 {
            return Err("A frame of a client must be masked");
        }
        let (length, mask) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes([rest[0], rest[1]])), [rest[2], rest[3], rest[4], rest[5]]),
            127 => {
                let [a, b, c, d, e, f, g, h, m0, m1, m2, m3] = rest;
                (u64::from_be_bytes([a, b, c, d, e, f, g, h]), [m0, m1, m2, m3])
            }
            short => (u64::from(short), [rest[0], rest[1], rest[2], rest[3]]),
        };
        self.mask = mask;
        let (opcode, last) = (first & 0x0f, first & FIN != 0);
        let reserved = first & RSV;
        let new_message = opcode == TEXT || opcode == BINARY;
        if reserved != 0 && !(self.extended && reserved == RSV1 && new_message) {
            return Err("Reserved bits are set");
        }
        match opcode {
            CONTINUATION | TEXT | BINARY => {
                if new_message == self.fragmented {
                    return Err("A fragment is out of sequence");
                }
                if length >> 63 != 0 {
                    return Err("A frame is too long");
                }
                self.last = last;
                self.fragmented = !last;
                sink.begin(first, length);
                if length == 0 {
                    sink.end();
                } else {
                    self.state = State::Data { remaining: length };
                }
            }
            CLOSE | PING | PONG => {
                if !last || length > 125 {
                    return Err("A control frame is fragmented or too long");
                }
                let length = usize::try_from(length).unwrap_or_default();
                self.state = State::Control { opcode, length, payload: Vec::with_capacity(length) };
                self.finish_control(sink)?;
            }
            _ => return Err("An opcode is reserved"),
        }
        Ok(())
    }

    fn finish_control(&mut self, sink: &mut impl Sink) -> Result<(), Violation> {
        let State::Control { opcode, length, payload } = &mut self.state else { return Ok(()) };
        if payload.len() < *length {
            return Ok(());
        }
        let (opcode, payload) = (*opcode, std::mem::take(payload));
        self.state = State::Head;
        if opcode == CLOSE {
            check_close(&payload)?;
            self.state = State::Closed;
        }
        sink.control(opcode, &payload);
        Ok(())
    }
}

fn check_close(payload: &[u8]) -> Result<(), Violation> {
    match payload {
        [] => Ok(()),
        [a, b, text @ ..] => {
            let code = u16::from_be_bytes([*a, *b]);
            let valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            if !valid {
                return Err("A close code is not allowed");
            }
            std::str::from_utf8(text).map(drop).map_err(|_| "A close reason is not UTF-8")
        }
        [_] => Err("A close frame is cut short"),
    }
}

/// Unmasks `bytes` in lanes and turns `mask` to where the next piece continues.
fn apply_mask(bytes: &mut [u8], mask: &mut [u8; 4]) {
    let [a, b, c, d] = *mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let turn = bytes.len() % 4;
    let (lanes, tail) = bytes.as_chunks_mut::<8>();
    for lane in lanes {
        *lane = (u64::from_ne_bytes(*lane) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip([a, b, c, d, a, b, c, d]) {
        *byte ^= key;
    }
    mask.rotate_left(turn);
}

/// Appends an unmasked frame head.
pub fn put_head(out: &mut Vec<u8>, first: u8, length: u64) {
    out.push(first);
    match length {
        0..=125 => out.push(length as u8),
        126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
}

/// Appends a whole, final, unmasked frame.
pub fn put_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    put_head(out, FIN | opcode, payload.len() as u64);
    out.extend_from_slice(payload);
}

/// The payload of a close frame; the reason is cut to what fits.
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(reason.get(..end).unwrap_or_default().as_bytes());
    payload
}

/// Takes the code and reason out of a close frame's payload; 1005 where there is none.
pub fn close_reason(payload: &[u8]) -> (u16, String) {
    match payload {
        [a, b, text @ ..] => (u16::from_be_bytes([*a, *b]), String::from_utf8_lossy(text).into_owned()),
        _ => (1005, String::new()),
    }
}

#[cfg(test)]
mod tests;
