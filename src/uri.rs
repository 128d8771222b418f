//! Relay URIs, byte for byte as hyco-ws and hyco-https build them.

#![forbid(unsafe_code)]

mod legacy;

pub use legacy::{LegacyUrl, decode_component};

use crate::error::RelayError;

/// What a WebSocket URI asks the relay for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayAction {
    /// To be a listener of the hybrid connection.
    Listen,
    /// To be brought to a listener.
    Connect,
}

impl RelayAction {
    /// As the parameter `sb-hc-action` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            RelayAction::Listen => "listen",
            RelayAction::Connect => "connect",
        }
    }

    /// What a URI for this one must not ask for.
    pub fn opposite(self) -> Self {
        match self {
            RelayAction::Listen => RelayAction::Connect,
            RelayAction::Connect => RelayAction::Listen,
        }
    }
}

/// `wss://{namespace}:443/$hc/{path}`: the address of a hybrid connection.
pub fn base_uri(namespace: &str, path: &str) -> String {
    format!("wss://{namespace}:443/$hc/{path}")
}

/// The URI on which a listener opens its control channel.
pub fn listen_uri(namespace: &str, path: &str, token: Option<&str>, id: Option<&str>) -> String {
    with_action(base_uri(namespace, path), RelayAction::Listen, token, id)
}

/// The URI to which a sender connects.
pub fn send_uri(namespace: &str, path: &str, token: Option<&str>, id: Option<&str>) -> String {
    with_action(base_uri(namespace, path), RelayAction::Connect, token, id)
}

/// The same of an address such as [`base_uri`] makes, with or without a query.
pub fn with_action(mut uri: String, action: RelayAction, token: Option<&str>, id: Option<&str>) -> String {
    uri.reserve(room_for(token, id) + 24);
    uri.push_str(if uri.contains('?') { "&sb-hc-action=" } else { "?sb-hc-action=" });
    uri.push_str(action.as_str());
    for (name, value) in [("&sb-hc-token=", token), ("&sb-hc-id=", id)] {
        if let Some(value) = value {
            uri.push_str(name);
            push_component(&mut uri, value);
        }
    }
    uri
}

/// The URI of a hybrid connection for plain HTTPS requests, as hyco-https builds it.
pub fn https_uri(namespace: &str, path: &str, token: Option<&str>, id: Option<&str>) -> String {
    let mut uri = format!("https://{namespace}/{path}");
    uri.reserve(room_for(token, id));
    for (name, value) in [("sb-hc-token=", token), ("sb-hc-id=", id)] {
        if let Some(value) = value {
            uri.push(if uri.contains('?') { '&' } else { '?' });
            uri.push_str(name);
            push_component(&mut uri, value);
        }
    }
    uri
}

/// `uri` with `token` as its `sb-hc-token` parameter.
///
/// # Errors
/// `InvalidFormat` where `uri` is not absolute or not readable.
pub fn append_token(uri: &str, token: &str) -> Result<String, RelayError> {
    Ok(append_token_to(&LegacyUrl::parse(uri)?, token))
}

/// The same for a URI that has been parsed already.
pub fn append_token_to(url: &LegacyUrl<'_>, token: &str) -> String {
    let mut search = String::with_capacity(url.search().len() + token.len() * 2 + 16);
    search.push_str(url.search());
    // hyco-ws wrote `?null&sb-hc-token=` for a URI without a query; an empty one (`?`) it kept, and so do we.
    search.push_str(if search.is_empty() { "?sb-hc-token=" } else { "&sb-hc-token=" });
    push_component(&mut search, token);
    url.format_with_search(&search)
}

/// Appends `text` as JavaScript's `encodeURIComponent` writes it.
pub fn push_component(out: &mut String, text: &str) {
    const STEP: usize = 64;
    // Without a branch for each byte: a token changes between kept and escaped every few of them.
    for chunk in text.as_bytes().chunks(STEP) {
        let mut block = [0; STEP * 3 + 4];
        let mut length = 0;
        for &byte in chunk {
            let piece = PIECES[usize::from(byte)];
            if let Some(slot) = block.get_mut(length..length + 4) {
                slot.copy_from_slice(&piece);
            }
            length += usize::from(piece[3]);
        }
        let encoded = block.get(..length).and_then(|bytes| str::from_utf8(bytes).ok());
        out.push_str(encoded.unwrap_or_default());
    }
}

/// What becomes of a byte: up to three bytes, and their number, which the next piece overwrites.
static PIECES: [[u8; 4]; 256] = {
    let kept = ByteSet::alphanumeric_and(b"-_.!~*'()");
    let mut pieces = [[0; 4]; 256];
    let mut byte = 0;
    while byte < 256 {
        pieces[byte] =
            if kept.0[byte] { [byte as u8, 0, 0, 1] } else { [b'%', HEX[byte >> 4], HEX[byte & 15], 3] };
        byte += 1;
    }
    pieces
};

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Bytes that an encoder leaves alone.
struct ByteSet([bool; 256]);

impl ByteSet {
    const fn alphanumeric_and(others: &[u8]) -> Self {
        let mut kept = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            kept[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let mut index = 0;
        while index < others.len() {
            kept[others[index] as usize] = true;
            index += 1;
        }
        Self(kept)
    }

    const fn all_but(others: &[u8]) -> Self {
        let mut kept = [true; 256];
        let mut index = 0;
        while index < others.len() {
            kept[others[index] as usize] = false;
            index += 1;
        }
        Self(kept)
    }

    fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }
}

/// Appends `text`, every byte outside of `kept` as `%XX`; `kept` must hold all non-ASCII bytes or none.
fn push_escaped(out: &mut String, text: &str, kept: &ByteSet) {
    let mut plain_from = 0;
    for (index, byte) in text.bytes().enumerate() {
        if kept.contains(byte) {
            continue;
        }
        out.push_str(text.get(plain_from..index).unwrap_or_default());
        out.extend(['%', char::from(HEX[usize::from(byte >> 4)]), char::from(HEX[usize::from(byte & 15)])]);
        plain_from = index + 1;
    }
    out.push_str(text.get(plain_from..).unwrap_or_default());
}

/// The room that the two take in a query, about.
fn room_for(token: Option<&str>, id: Option<&str>) -> usize {
    token.map_or(0, |token| token.len() + token.len() / 2 + 16) + id.map_or(0, |id| id.len() + 16)
}

#[cfg(test)]
mod tests;
