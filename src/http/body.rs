//! Bodies: where they end, and what is in their chunks.

use super::head::{HttpRequestHead, ResponseHead};
use super::headers;
use super::malformed::Malformed;

/// Chunk extensions and trailers of one body; nobody reads them.
pub const MAX_OVERHEAD: usize = 16 * 1024;

/// How a body tells its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none.
    None,
    /// After so many bytes.
    Known(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

impl BodyLength {
    /// The body behind a request's head. What could be read in two ways is refused, for a request can be smuggled in it.
    ///
    /// # Errors
    /// The length or the coding makes no sense.
    pub fn of_request(head: &HttpRequestHead) -> Result<Self, Malformed> {
        let coding = headers::joined(&head.headers, "transfer-encoding");
        match (coding, headers::joined(&head.headers, "content-length")) {
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Self::Chunked),
            (Some(_), _) => Err(Malformed::new("HPE_INVALID_TRANSFER_ENCODING", "Invalid Transfer-Encoding")),
            (None, Some(length)) => Self::known(&length),
            (None, None) => Ok(Self::None),
        }
    }

    /// The body behind a response's head.
    ///
    /// # Errors
    /// The length makes no sense.
    pub fn of_response(head: &ResponseHead) -> Result<Self, Malformed> {
        if matches!(head.status, 100..=199 | 204 | 304) {
            return Ok(Self::None);
        }
        if let Some(coding) = headers::joined(&head.headers, "transfer-encoding") {
            let last = coding.rsplit(',').next().unwrap_or_default().trim();
            return Ok(if last.eq_ignore_ascii_case("chunked") { Self::Chunked } else { Self::UntilClose });
        }
        let mut told = None;
        for value in headers::values(&head.headers, "content-length").flat_map(|line| line.split(',')) {
            let length = Self::known(value.trim())?;
            if told.is_some_and(|told| told != length) {
                return Err(INVALID_LENGTH);
            }
            told = Some(length);
        }
        Ok(told.unwrap_or(Self::UntilClose))
    }

    fn known(digits: &str) -> Result<Self, Malformed> {
        let length = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
        match length.ok_or(INVALID_LENGTH)? {
            0 => Ok(Self::None),
            length => Ok(Self::Known(length)),
        }
    }
}

const INVALID_LENGTH: Malformed =
    Malformed::new("HPE_INVALID_CONTENT_LENGTH", "Invalid character in Content-Length");

/// Takes a body out of the bytes of a connection.
#[derive(Debug)]
pub struct BodyReader {
    state: BodyState,
    overhead: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyState {
    /// This many bytes are to come.
    Sized(u64),
    UntilClose,
    ChunkSize {
        value: u64,
        digits: u8,
    },
    ChunkExtension(u64),
    ChunkData(u64),
    /// The line end behind a chunk's data; `cr` where its first half is there.
    ChunkEnd {
        cr: bool,
    },
    /// In the trailers; `empty` while the current line has no character yet.
    Trailer {
        empty: bool,
    },
    Done,
}

impl BodyReader {
    /// The reader for a body of this length.
    pub fn new(length: BodyLength) -> Self {
        let state = match length {
            BodyLength::None | BodyLength::Known(0) => BodyState::Done,
            BodyLength::Known(length) => BodyState::Sized(length),
            BodyLength::Chunked => BodyState::ChunkSize { value: 0, digits: 0 },
            BodyLength::UntilClose => BodyState::UntilClose,
        };
        Self { state, overhead: 0 }
    }

    /// True when the body is complete.
    pub fn is_done(&self) -> bool {
        self.state == BodyState::Done
    }

    /// Decodes `input` onto the end of `out`; gives what follows the body.
    ///
    /// # Errors
    /// The chunking is malformed.
    pub fn push<'a>(&mut self, mut input: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], Malformed> {
        while let Some((&byte, rest)) = input.split_first() {
            match self.state {
                BodyState::Done => break,
                BodyState::UntilClose => {
                    out.extend_from_slice(input);
                    input = &[];
                }
                BodyState::Sized(left) | BodyState::ChunkData(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let (data, tail) = input.split_at(take);
                    out.extend_from_slice(data);
                    input = tail;
                    let left = left - take as u64;
                    self.state = match (self.state, left) {
                        (BodyState::Sized(_), 0) => BodyState::Done,
                        (BodyState::Sized(_), left) => BodyState::Sized(left),
                        (_, 0) => BodyState::ChunkEnd { cr: false },
                        (_, left) => BodyState::ChunkData(left),
                    };
                }
                _ => {
                    self.state = self.framing(byte)?;
                    input = rest;
                }
            }
        }
        Ok(input)
    }

    /// The connection has ended; false where the body is not complete.
    pub fn end(&mut self) -> bool {
        if self.state == BodyState::UntilClose {
            self.state = BodyState::Done;
        }
        self.is_done()
    }

    /// One byte of chunk framing.
    fn framing(&mut self, byte: u8) -> Result<BodyState, Malformed> {
        let bad = |text| Err(Malformed::new("HPE_INVALID_CHUNK_SIZE", text));
        Ok(match self.state {
            BodyState::ChunkSize { value, digits } => match char::from(byte).to_digit(16) {
                Some(digit) if digits < 15 => {
                    BodyState::ChunkSize { value: value * 16 + u64::from(digit), digits: digits + 1 }
                }
                Some(_) => return bad("Chunk size overflow"),
                None if digits == 0 => return bad("Invalid character in chunk size"),
                None => match byte {
                    b'\n' => after_size(value),
                    b'\r' | b';' | b' ' | b'\t' => BodyState::ChunkExtension(value),
                    _ => return bad("Invalid character in chunk size"),
                },
            },
            BodyState::ChunkExtension(value) if byte == b'\n' => after_size(value),
            BodyState::ChunkEnd { .. } if byte == b'\n' => BodyState::ChunkSize { value: 0, digits: 0 },
            BodyState::ChunkEnd { cr: false } if byte == b'\r' => BodyState::ChunkEnd { cr: true },
            BodyState::ChunkEnd { .. } => return bad("Expected LF after chunk data"),
            BodyState::Trailer { empty: true } if byte == b'\n' => BodyState::Done,
            BodyState::Trailer { .. } if byte == b'\n' => BodyState::Trailer { empty: true },
            same => {
                self.overhead += 1;
                if self.overhead > MAX_OVERHEAD {
                    return Err(Malformed::new("HPE_CHUNK_EXTENSIONS_OVERFLOW", "Chunk extensions overflow"));
                }
                match same {
                    BodyState::Trailer { empty } => BodyState::Trailer { empty: empty && byte == b'\r' },
                    same => same,
                }
            }
        })
    }
}

fn after_size(value: u64) -> BodyState {
    if value == 0 { BodyState::Trailer { empty: true } } else { BodyState::ChunkData(value) }
}

#[cfg(test)]
mod tests;
