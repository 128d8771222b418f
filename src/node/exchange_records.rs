//! The records of relayed HTTP requests. A request is packed as an offer is; its two numbers are flags and 0, its
//! first text is the method. The others begin with the number of the exchange in eight bytes.

use super::packed_record::PackedRecord;
use crate::error::RelayError;
use crate::listener::RelayedRequest;
use crate::socket::delivery::{Batch, Kind};

/// A request's flag: it has a body.
pub(super) const HAS_BODY: u32 = 1;
/// A request's flag: its body is the record behind it.
pub(super) const WHOLE_BODY: u32 = 2;
/// A request's flag: senders address the relay by TLS.
pub(super) const SECURE: u32 = 4;

/// Detail of the last piece of a body.
pub(super) const LAST: u16 = 1;
/// Detail of an end that nobody has asked for.
pub(super) const FAILED: u16 = 1;

/// Adds a request, and its body if that is here.
pub(super) fn push_request(batch: &mut Batch, slot: u32, request: &RelayedRequest) {
    let RelayedRequest { number, id, method, target, host, headers, remote_endpoint, .. } = request;
    let body = if request.streams { HAS_BODY } else { 0 };
    let whole = if request.body.is_some() { HAS_BODY | WHOLE_BODY } else { 0 };
    let secure = if request.secure { SECURE } else { 0 };
    let record = PackedRecord {
        number: *number,
        remote: remote_endpoint,
        numbers: [body | whole | secure, 0],
        first: method,
        texts: [target, host, id],
        headers,
    };
    batch.push_owned(slot, Kind::Request, 0, record.pack());
    if let Some(body) = &request.body {
        push_body(batch, slot, *number, &[&body[..]], true);
    }
}

/// Adds a piece of a body.
pub(super) fn push_body(batch: &mut Batch, slot: u32, number: u64, pieces: &[&[u8]], last: bool) {
    let size = pieces.iter().map(|piece| piece.len()).sum::<usize>() + 8;
    let mut payload = crate::buffers::take(size);
    payload.extend_from_slice(&number.to_le_bytes());
    for piece in pieces {
        payload.extend_from_slice(piece);
    }
    batch.push_owned(slot, Kind::RequestBody, if last { LAST } else { 0 }, payload);
}

/// Adds that so much more of an answer has left.
pub(super) fn push_sent(batch: &mut Batch, slot: u32, number: u64, bytes: u32) {
    let payload = [&number.to_le_bytes()[..], &bytes.to_le_bytes()].concat();
    batch.push_owned(slot, Kind::AnswerSent, 0, payload);
}

/// Adds the end of an exchange.
pub(super) fn push_end(batch: &mut Batch, slot: u32, number: u64, error: Option<&RelayError>) {
    let mut payload = number.to_le_bytes().to_vec();
    if let Some(error) = error {
        payload.extend(serde_json::to_vec(&error.report()).unwrap_or_default());
    }
    batch.push_owned(slot, Kind::ExchangeEnd, if error.is_some() { FAILED } else { 0 }, payload);
}
