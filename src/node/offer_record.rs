//! A sender's offer as one record, which `lib/listener/offer-record.js` reads once. Thirty strings through napi would cost
//! more than all else about an accept, and so would JSON: it is read whole before anything of it can be used.
//!
//! ```text
//!   u32 x 7   number of the offer (low, high), port of the sender, status that it was refused with, whether it offers
//!             subprotocols, bytes of the address, count of the texts behind it
//!   UTF-8     the address, which outlives the others
//!   UTF-8     length of each text in UTF-16 units, as three characters of seven bits, the lowest first; then the texts, one
//!             behind the other: path and query, the relay's host, tracking id, the sender's address, then names and
//!             values of the headers in turn
//! ```

use crate::http::headers::values;
use crate::protocol::control::Accept;

/// Packs an offer; all numbers are little-endian.
pub(super) fn pack(id: u64, host: &str, target: &str, accept: &Accept, refused: Option<u16>) -> Vec<u8> {
    let Accept { address, id: tracking_id, connect_headers, remote_endpoint } = accept;
    let (remote, port) =
        remote_endpoint.as_ref().map_or(("", 0), |(address, port)| (address.as_str(), *port));
    let first = [target, host, tracking_id, remote];
    let headers = connect_headers.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    let texts = || first.into_iter().chain(headers.clone());
    let bytes: usize = texts().map(|text| text.len() + 3).sum();
    let mut record = Vec::with_capacity(28 + address.len() + bytes);
    let mut number = |number: u32| record.extend_from_slice(&number.to_le_bytes());
    number(id as u32);
    number((id >> 32) as u32);
    number(port.into());
    number(refused.unwrap_or_default().into());
    number(values(connect_headers, "sec-websocket-protocol").next().is_some().into());
    number(address.len() as u32);
    number((first.len() + 2 * connect_headers.len()) as u32);
    record.extend_from_slice(address.as_bytes());
    for text in texts() {
        // A control message has 256 KiB at most.
        let length = utf16_len(text);
        record.extend([length, length >> 7, length >> 14].map(|bits| bits as u8 & 0x7f));
    }
    texts().for_each(|text| record.extend_from_slice(text.as_bytes()));
    record
}

fn utf16_len(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}
