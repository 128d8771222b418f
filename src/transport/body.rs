//! The body of a response that is not an upgrade: Content-Length, chunked or until the connection ends.

#![forbid(unsafe_code)]

use tokio::io::{AsyncRead, AsyncReadExt};

use super::handshake::{ResponseHead, parse_error};
use super::{tcp, tls};
use crate::error::{ErrorKind, RelayError};

const READ_SIZE: usize = 16 * 1024;
/// Chunk extensions and trailers of one body; nobody reads them.
const MAX_OVERHEAD: usize = 16 * 1024;

/// Takes the transfer coding off a response body, without IO.
#[derive(Debug)]
pub struct BodyReader {
    state: State,
    overhead: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// This many bytes are to come.
    Sized(u64),
    UntilClose,
    ChunkSize {
        value: u64,
        digits: u8,
    },
    ChunkExtension(u64),
    ChunkData(u64),
    /// The line end behind a chunk's data.
    ChunkEnd,
    /// In the trailers; `empty` while the current line has no character yet.
    Trailer {
        empty: bool,
    },
    Done,
}

impl BodyReader {
    /// The reader for the body that `head` announces.
    ///
    /// # Errors
    /// [`ErrorKind::Handshake`] where the announced length makes no sense.
    pub fn new(head: &ResponseHead) -> Result<Self, RelayError> {
        let state = if matches!(head.status, 100..=199 | 204 | 304) {
            State::Done
        } else if let Some(coding) = head.get("transfer-encoding") {
            let last = coding.rsplit(',').next().unwrap_or_default().trim();
            if last.eq_ignore_ascii_case("chunked") {
                State::ChunkSize { value: 0, digits: 0 }
            } else {
                State::UntilClose
            }
        } else {
            match content_length(head)? {
                Some(0) => State::Done,
                Some(length) => State::Sized(length),
                None => State::UntilClose,
            }
        };
        Ok(Self { state, overhead: 0 })
    }

    /// True when the body is complete.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Decodes `input` onto the end of `out`. What follows the body is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Handshake`] with Node's `HPE_…` code where the chunking is malformed.
    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), RelayError> {
        while let Some((&byte, rest)) = input.split_first() {
            match self.state {
                State::Done => return Ok(()),
                State::UntilClose => {
                    out.extend_from_slice(input);
                    return Ok(());
                }
                State::Sized(left) | State::ChunkData(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let (data, tail) = input.split_at(take);
                    out.extend_from_slice(data);
                    input = tail;
                    let left = left - take as u64;
                    self.state = match (self.state, left) {
                        (State::Sized(_), 0) => State::Done,
                        (State::Sized(_), left) => State::Sized(left),
                        (_, 0) => State::ChunkEnd,
                        (_, left) => State::ChunkData(left),
                    };
                }
                _ => {
                    self.state = self.framing(byte)?;
                    input = rest;
                }
            }
        }
        Ok(())
    }

    /// The connection has ended.
    ///
    /// # Errors
    /// Node's `aborted` where the body is not complete.
    pub fn end(&mut self) -> Result<(), RelayError> {
        match self.state {
            State::Done => Ok(()),
            State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(tcp::reset("aborted")),
        }
    }

    /// One byte of chunk framing.
    fn framing(&mut self, byte: u8) -> Result<State, RelayError> {
        let bad = |text| Err(parse_error("HPE_INVALID_CHUNK_SIZE", text));
        Ok(match self.state {
            State::ChunkSize { value, digits } => match char::from(byte).to_digit(16) {
                Some(digit) if digits < 15 => {
                    State::ChunkSize { value: value * 16 + u64::from(digit), digits: digits + 1 }
                }
                Some(_) => return bad("Chunk size overflow"),
                None if digits == 0 => return bad("Invalid character in chunk size"),
                None => match byte {
                    b'\n' => after_size(value),
                    b'\r' | b';' | b' ' | b'\t' => State::ChunkExtension(value),
                    _ => return bad("Invalid character in chunk size"),
                },
            },
            State::ChunkExtension(value) if byte == b'\n' => after_size(value),
            State::ChunkEnd if byte == b'\n' => State::ChunkSize { value: 0, digits: 0 },
            State::ChunkEnd if byte != b'\r' => return bad("Expected LF after chunk data"),
            State::Trailer { empty: true } if byte == b'\n' => State::Done,
            State::Trailer { .. } if byte == b'\n' => State::Trailer { empty: true },
            same => {
                self.overhead += 1;
                if self.overhead > MAX_OVERHEAD {
                    return Err(parse_error("HPE_CHUNK_EXTENSIONS_OVERFLOW", "Chunk extensions overflow"));
                }
                match same {
                    State::Trailer { empty } => State::Trailer { empty: empty && byte == b'\r' },
                    same => same,
                }
            }
        })
    }
}

fn after_size(value: u64) -> State {
    if value == 0 { State::Trailer { empty: true } } else { State::ChunkData(value) }
}

fn content_length(head: &ResponseHead) -> Result<Option<u64>, RelayError> {
    let mut length = None;
    for value in head.get_all("content-length").flat_map(|line| line.split(',')) {
        let value = value.trim();
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let parsed = value.parse::<u64>().ok().filter(|_| digits);
        match parsed {
            Some(parsed) if length.is_none_or(|known| known == parsed) => length = Some(parsed),
            _ => {
                return Err(parse_error("HPE_INVALID_CONTENT_LENGTH", "Invalid character in Content-Length"));
            }
        }
    }
    Ok(length)
}

/// A body being read from its connection.
#[derive(Debug)]
pub struct Body<S> {
    stream: S,
    reader: BodyReader,
    leftover: Vec<u8>,
    room: usize,
}

/// Reads the body behind `head`; `leftover` came with the head. At most `limit` bytes of body are given out.
///
/// # Errors
/// As [`BodyReader::new`].
pub fn read_body<S>(
    stream: S,
    head: &ResponseHead,
    leftover: Vec<u8>,
    limit: usize,
) -> Result<Body<S>, RelayError>
where
    S: AsyncRead + Unpin,
{
    Ok(Body { stream, reader: BodyReader::new(head)?, leftover, room: limit })
}

impl<S: AsyncRead + Unpin> Body<S> {
    /// What of the body came together with the head, and whether that is all of it.
    ///
    /// # Errors
    /// Those of [`BodyReader::push`].
    pub fn early(&mut self) -> Result<(Vec<u8>, bool), RelayError> {
        let mut piece = Vec::new();
        self.reader.push(&std::mem::take(&mut self.leftover), &mut piece)?;
        Ok((piece, self.reader.is_done()))
    }

    /// The next piece, never empty; `None` at the end of the body.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] beyond the limit, [`ErrorKind::Network`] where the connection broke, and those of
    /// [`BodyReader::push`].
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, RelayError> {
        let mut piece = Vec::new();
        self.reader.push(&std::mem::take(&mut self.leftover), &mut piece)?;
        if piece.is_empty() && !self.reader.is_done() {
            let mut buffer = vec![0; READ_SIZE];
            while piece.is_empty() && !self.reader.is_done() {
                match self.stream.read(&mut buffer).await {
                    Ok(0) => self.reader.end()?,
                    Ok(count) => {
                        self.reader.push(buffer.get(..count).unwrap_or_default(), &mut piece)?;
                    }
                    // A server that ends without TLS's close_notify.
                    Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => self.reader.end()?,
                    Err(error) => {
                        return Err(tls::failure_in(&error).unwrap_or_else(|| tcp::io_error("read", &error)));
                    }
                }
            }
        }
        if piece.is_empty() {
            return Ok(None);
        }
        self.room = self.room.checked_sub(piece.len()).ok_or_else(|| {
            RelayError::new(ErrorKind::Limit, "The body of the response is larger than the limit")
        })?;
        Ok(Some(piece))
    }
}

#[cfg(test)]
mod tests;
