//! Frames on their way out.

use super::{MAX_HEADER, OpCode, header, mask};

/// Appends a frame. A client passes a fresh key for each ([`super::MaskKeys`]).
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

#[cfg(test)]
mod tests;
