//! The header of a record, which is never encrypted.

use rustls::{ContentType, Error, InvalidMessage};

/// Type, version and length.
pub(super) const HEADER: usize = 5;
/// The longest plaintext of a record.
pub(super) const MAX_FRAGMENT: usize = 16 * 1024;
/// What protection may add to a plaintext (RFC 5246 section 6.2.3).
const MAX_EXPANSION: usize = 2048;

/// The length of the record that `bytes` begin with, header included; `None` where that is not known yet.
///
/// # Errors
/// The header is none of TLS.
pub fn record_length(bytes: &[u8]) -> Result<Option<usize>, Error> {
    let &[kind, major, _, high, low, ..] = bytes else { return Ok(None) };
    if matches!(ContentType::from(kind), ContentType::Unknown(_)) {
        return Err(InvalidMessage::InvalidContentType.into());
    }
    if major != 3 {
        return Err(InvalidMessage::UnknownProtocolVersion.into());
    }
    let body = usize::from(u16::from_be_bytes([high, low]));
    if body > MAX_FRAGMENT + MAX_EXPANSION {
        return Err(InvalidMessage::MessageTooLarge.into());
    }
    Ok(Some(HEADER + body))
}
