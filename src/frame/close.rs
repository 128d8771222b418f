//! The payload of close frames.

use super::{MAX_CONTROL_PAYLOAD, NO_STATUS};

/// The payload of a close frame, with any code; the reason is cut to what fits.
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    // Two bytes are the code.
    let mut end = reason.len().min(MAX_CONTROL_PAYLOAD - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    [&code.to_be_bytes(), &reason.as_bytes()[..end]].concat()
}

/// Code and reason of a close frame's payload, of which nothing is checked here; [`NO_STATUS`] where it is empty.
pub fn split_close(payload: &[u8]) -> (u16, &[u8]) {
    payload
        .split_first_chunk()
        .map_or((NO_STATUS, &[][..]), |(code, reason)| (u16::from_be_bytes(*code), reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_reasons_are_cut_at_a_character() {
        let payload = close_payload(1011, &"ü".repeat(100));
        assert_eq!(payload.len(), 2 + 122);
        assert_eq!(payload[2..], *"ü".repeat(61).as_bytes());
        assert_eq!(split_close(&payload).0, 1011);
        assert_eq!(split_close(&[]), (1005, &[][..]));
    }
}
