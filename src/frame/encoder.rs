//! Frames on their way out.

#![forbid(unsafe_code)]

use std::fmt;
use std::ops::Deref;

use super::{
    Deflate, FrameError, MAX_CLOSE_REASON, MAX_CONTROL_PAYLOAD, MAX_HEADER, OpCode, header,
    is_valid_close_code, mask,
};

/// Appends a frame. A client passes a fresh key for each ([`mask::random_key`], [`super::MaskKeys`]).
#[inline]
pub fn encode(
    out: &mut Vec<u8>,
    opcode: OpCode,
    fin: bool,
    rsv1: bool,
    key: Option<[u8; 4]>,
    payload: &[u8],
) {
    out.reserve(frame_len(payload.len(), key.is_some()));
    encode_head(out, opcode, fin, rsv1, key, payload.len());
    encode_part(out, key, payload);
}

/// Appends the header of a frame, whose payload follows in parts through [`encode_part`].
#[inline]
pub fn encode_head(
    out: &mut Vec<u8>,
    opcode: OpCode,
    fin: bool,
    rsv1: bool,
    key: Option<[u8; 4]>,
    payload_len: usize,
) {
    let mut head = [0; MAX_HEADER];
    let size = header::write(&mut head, opcode, fin, rsv1, key, payload_len);
    out.extend_from_slice(&head[..size]);
}

/// Appends a part of a payload. All parts but the last are a multiple of four bytes long, as the key is.
#[inline]
pub fn encode_part(out: &mut Vec<u8>, key: Option<[u8; 4]>, part: &[u8]) {
    match key {
        Some(key) => mask::append(out, part, key),
        None => out.extend_from_slice(part),
    }
}

/// Bytes that [`encode`] appends for a payload of `payload_len` bytes.
#[inline]
pub fn frame_len(payload_len: usize, masked: bool) -> usize {
    header::size(payload_len, masked) + payload_len
}

/// Compresses `payload` and appends it as a frame; RSV1 marks the first frame of the message.
///
/// # Errors
/// If zlib fails, which no input makes it do. `out` is then as it was.
pub fn encode_compressed(
    out: &mut Vec<u8>,
    deflate: &mut Deflate,
    opcode: OpCode,
    fin: bool,
    key: Option<[u8; 4]>,
    payload: &[u8],
) -> Result<(), FrameError> {
    // The header's size is not known before: leave room for the longest and close the gap.
    let start = out.len();
    let body = start + MAX_HEADER;
    out.resize(body, 0);
    if let Err(error) = deflate.compress(payload, fin, out) {
        out.truncate(start);
        return Err(error);
    }
    let len = out.len() - body;
    let mut head = [0; MAX_HEADER];
    let rsv1 = opcode != OpCode::Continuation;
    let size = header::write(&mut head, opcode, fin, rsv1, key, len);
    out[start..start + size].copy_from_slice(&head[..size]);
    out.copy_within(body.., start + size);
    out.truncate(start + size + len);
    if let Some(key) = key {
        mask::apply(&mut out[start + size..], key, 0);
    }
    Ok(())
}

/// The payload of a close frame, without an allocation.
#[derive(Debug, Clone, Copy)]
pub struct ClosePayload {
    bytes: [u8; MAX_CONTROL_PAYLOAD],
    len: usize,
}

impl Deref for ClosePayload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Why there is no such close frame. The texts are those of ws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseError {
    /// A `TypeError`: the code may not stand in a close frame.
    Code,
    /// A `RangeError`: the reason does not fit.
    Reason,
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseError::Code => "First argument must be a valid error code number",
            CloseError::Reason => "The message must not be greater than 123 bytes",
        })
    }
}

impl std::error::Error for CloseError {}

/// Builds the payload of a close frame: nothing without a code, even if there is a reason.
///
/// # Errors
/// If the code is not allowed on the wire or the reason is longer than 123 bytes.
pub fn close_payload(code: Option<u16>, reason: &[u8]) -> Result<ClosePayload, CloseError> {
    let mut payload = ClosePayload { bytes: [0; MAX_CONTROL_PAYLOAD], len: 0 };
    let Some(code) = code else { return Ok(payload) };
    if !is_valid_close_code(code) {
        return Err(CloseError::Code);
    }
    if reason.len() > MAX_CLOSE_REASON {
        return Err(CloseError::Reason);
    }
    payload.len = 2 + reason.len();
    payload.bytes[..2].copy_from_slice(&code.to_be_bytes());
    payload.bytes[2..payload.len].copy_from_slice(reason);
    Ok(payload)
}

#[cfg(test)]
mod tests;
