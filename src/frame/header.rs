//! The first bytes of a frame: reading them under ws's rules, and writing them.

use super::{FrameError, MAX_CONTROL_PAYLOAD, MAX_HEADER, OpCode, Role};

/// 2^53 - 1, the largest length that JavaScript can count.
const MAX_SAFE_LENGTH: u64 = (1 << 53) - 1;

/// What the connection allows the next frame to be.
#[derive(Debug, Clone, Copy)]
pub struct Expect {
    /// Our side.
    pub role: Role,
    /// Whether permessage-deflate was negotiated.
    pub deflate: bool,
    /// The type of the message that is under way, if one is.
    pub message: Option<OpCode>,
    /// Announced bytes of that message so far.
    pub total: u64,
    /// Most bytes that a message may announce; `u64::MAX` for no limit.
    pub max_payload: u64,
}

/// A header that was read in full and breaks no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// As on the wire: continuation frames say so.
    pub opcode: OpCode,
    /// Last frame of its message.
    pub fin: bool,
    /// First frame of a compressed message.
    pub rsv1: bool,
    /// The key, if the payload is masked.
    pub key: Option<[u8; 4]>,
    /// Bytes of payload.
    pub len: u64,
    /// Bytes of this header.
    pub size: usize,
}

/// Reads a header from the start of `bytes`; `None` if it is not all there yet.
///
/// # Errors
/// As soon as the bytes that break a rule are there, in ws's order: flags, opcode, control frames' shape, mask,
/// length, limit.
#[inline]
pub fn parse(bytes: &[u8], expect: &Expect) -> Result<Option<Header>, FrameError> {
    let Some((&[first, second], tail)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
    let opcode = check(first, second, expect)?;

    let (len, mut size) = match second & 0x7f {
        126 => match tail.first_chunk::<2>() {
            Some(len) => (u64::from(u16::from_be_bytes(*len)), 4),
            None => return Ok(None),
        },
        127 => match tail.first_chunk::<8>() {
            Some(len) => (u64::from_be_bytes(*len), 10),
            None => return Ok(None),
        },
        len => (u64::from(len), 2),
    };
    if len > MAX_SAFE_LENGTH {
        return Err(FrameError::limit(
            "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH",
            "Unsupported WebSocket frame: payload length > 2^53 - 1",
            1009,
        ));
    }
    if !opcode.is_control() && expect.total.saturating_add(len) > expect.max_payload {
        return Err(FrameError::too_big());
    }

    let key = if second & 0x80 != 0 {
        let Some(key) = bytes.get(size..).and_then(|rest| rest.first_chunk::<4>()) else { return Ok(None) };
        size += 4;
        Some(*key)
    } else {
        None
    };
    Ok(Some(Header { opcode, fin: first & 0x80 != 0, rsv1: first & 0x40 != 0, key, len, size }))
}

/// The rules that the first two bytes can break.
#[inline]
fn check(first: u8, second: u8, expect: &Expect) -> Result<OpCode, FrameError> {
    if first & 0x30 != 0 {
        let what = format_args!("RSV2 and RSV3 must be clear");
        return Err(FrameError::invalid("WS_ERR_UNEXPECTED_RSV_2_3", what));
    }
    let (fin, rsv1) = (first & 0x80 != 0, first & 0x40 != 0);
    if rsv1 && !expect.deflate {
        return Err(unexpected_rsv1());
    }
    let opcode = match first & 0x0f {
        0 if rsv1 => return Err(unexpected_rsv1()),
        0 if expect.message.is_none() => return Err(FrameError::invalid_opcode(0)),
        0 => OpCode::Continuation,
        code @ (1 | 2) if expect.message.is_some() => return Err(FrameError::invalid_opcode(code)),
        1 => OpCode::Text,
        2 => OpCode::Binary,
        8 => control(OpCode::Close, fin, rsv1, second)?,
        9 => control(OpCode::Ping, fin, rsv1, second)?,
        10 => control(OpCode::Pong, fin, rsv1, second)?,
        code => return Err(FrameError::invalid_opcode(code)),
    };
    match (expect.role, second & 0x80 != 0) {
        (Role::Client, true) => {
            Err(FrameError::invalid("WS_ERR_UNEXPECTED_MASK", format_args!("MASK must be clear")))
        }
        (Role::Server, false) => {
            Err(FrameError::invalid("WS_ERR_EXPECTED_MASK", format_args!("MASK must be set")))
        }
        _ => Ok(opcode),
    }
}

fn control(opcode: OpCode, fin: bool, rsv1: bool, second: u8) -> Result<OpCode, FrameError> {
    if !fin {
        return Err(FrameError::invalid("WS_ERR_EXPECTED_FIN", format_args!("FIN must be set")));
    }
    if rsv1 {
        return Err(unexpected_rsv1());
    }
    let len = second & 0x7f;
    // A close frame holds nothing or at least a status.
    if usize::from(len) > MAX_CONTROL_PAYLOAD || (opcode == OpCode::Close && len == 1) {
        let what = format_args!("invalid payload length {len}");
        return Err(FrameError::invalid("WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH", what));
    }
    Ok(opcode)
}

#[cold]
fn unexpected_rsv1() -> FrameError {
    FrameError::invalid("WS_ERR_UNEXPECTED_RSV_1", format_args!("RSV1 must be clear"))
}

/// Bytes of the header for a payload of `len` bytes.
#[inline]
pub fn size(len: usize, masked: bool) -> usize {
    let length = match len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    };
    length + if masked { 4 } else { 0 }
}

/// Writes a header to the start of `bytes` and returns its size.
#[inline]
pub fn write(
    bytes: &mut [u8; MAX_HEADER],
    opcode: OpCode,
    fin: bool,
    rsv1: bool,
    key: Option<[u8; 4]>,
    len: usize,
) -> usize {
    let mask = if key.is_some() { 0x80 } else { 0 };
    bytes[0] = u8::from(fin) << 7 | u8::from(rsv1) << 6 | opcode as u8;
    let size = match len {
        0..=125 => {
            bytes[1] = mask | len as u8;
            2
        }
        126..=0xffff => {
            bytes[1] = mask | 126;
            bytes[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            4
        }
        _ => {
            bytes[1] = mask | 127;
            bytes[2..10].copy_from_slice(&(len as u64).to_be_bytes());
            10
        }
    };
    match key {
        Some(key) => {
            bytes[size..size + 4].copy_from_slice(&key);
            size + 4
        }
        None => size,
    }
}

#[cfg(test)]
mod tests;
