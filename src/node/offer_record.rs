//! A sender's offer as a packed record. Its two numbers: the status that it was refused with, and whether it offers
//! subprotocols. Its first text is the address.

use super::packed_record::PackedRecord;
use crate::http::headers::values;
use crate::protocol::control::Accept;

pub(super) fn pack(id: u64, host: &str, target: &str, accept: &Accept, refused: Option<u16>) -> Vec<u8> {
    let offers_protocols = values(&accept.connect_headers, "sec-websocket-protocol").next().is_some();
    let record = PackedRecord {
        number: id,
        remote: &accept.remote_endpoint,
        numbers: [refused.unwrap_or_default().into(), offers_protocols.into()],
        first: &accept.address,
        texts: [target, host, &accept.id],
        headers: &accept.connect_headers,
    };
    record.pack()
}
