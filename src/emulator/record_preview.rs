//! How a message or a body begins.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// The first bytes of a message or body. As text they may be cut within a character; in JSON bytes that are no text are one
/// character each, with `raw` beside them, for the secrets are taken out before they are encoded.
#[derive(Debug, Default)]
pub struct RecordPreview {
    /// Some more of them than are shown.
    pub bytes: Vec<u8>,
    /// They are text.
    pub text: bool,
}

impl Serialize for RecordPreview {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.text {
            map.serialize_entry("preview", String::from_utf8_lossy(whole_text(&self.bytes)).as_ref())?;
        } else {
            map.serialize_entry("preview", &self.bytes.iter().copied().map(char::from).collect::<String>())?;
            map.serialize_entry("raw", &true)?;
        }
        map.end()
    }
}

/// Without a character at the end of which the rest is missing.
fn whole_text(bytes: &[u8]) -> &[u8] {
    match str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.get(..error.valid_up_to()).unwrap_or_default(),
        _ => bytes,
    }
}

/// Whether they are text, but for a character that is cut off at the end.
pub fn is_text(bytes: &[u8]) -> bool {
    simdutf8::basic::from_utf8(whole_text(bytes)).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn preview(bytes: &[u8], text: bool) -> Value {
        serde_json::to_value(RecordPreview { bytes: bytes.to_vec(), text }).unwrap()
    }

    #[test]
    fn text_is_shown_as_text_and_bytes_one_by_one() {
        assert_eq!(preview("aü".as_bytes(), true), serde_json::json!({ "preview": "aü" }));
        assert_eq!(preview(b"a\xc3", true), serde_json::json!({ "preview": "a" }));
        assert_eq!(preview(b"a\xffb", true), serde_json::json!({ "preview": "a\u{fffd}b" }));
        assert_eq!(preview(b"\0\xff", false), serde_json::json!({ "preview": "\0\u{ff}", "raw": true }));
        assert!(is_text(b"") && is_text(b"a\xc3") && !is_text(b"\xff") && !is_text(b"a\xff\xc3"));
    }
}
