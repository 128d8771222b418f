//! An answer as it goes out: the program's head read, the text for the relay written.

use bytes::Bytes;

use super::tickets::{PendingAnswer, Ticket};
use crate::error::RelayError;
use crate::protocol::answer::{AnswerHead, bare_response, latin1};

/// A text message, and the binary one that follows.
pub(in crate::listener) struct PreparedAnswer {
    pub(in crate::listener) number: u64,
    pub(in crate::listener) text: String,
    /// The whole body, if it has one and does not stream.
    pub(in crate::listener) body: Option<Bytes>,
    /// The body streams.
    pub(super) streams: bool,
    /// Nothing is still to be said of it.
    pub(super) whole: bool,
    /// The owner's answer could not be sent, and knows it: this is another.
    pub(super) failed: bool,
    pub(super) address: Option<String>,
    pub(in crate::listener) ticket: Ticket,
}

/// Reads what the program has answered. What cannot be sent becomes 500, and comes with the reason.
pub(super) fn prepare(answer: PendingAnswer, streams: bool) -> (PreparedAnswer, Option<RelayError>) {
    let PendingAnswer { number, id, address, bodiless, head, body, ticket } = answer;
    let head = latin1(&head);
    match AnswerHead::parse(&head) {
        Ok(head) => {
            let takes_body = !bodiless && head.takes_body();
            let (whole, streams) = (!streams, streams && takes_body);
            let body = (takes_body && !body.is_empty()).then(|| Bytes::from(body));
            let text = head.text(&id, streams || body.is_some());
            (PreparedAnswer { number, text, body, streams, whole, failed: false, address, ticket }, None)
        }
        Err(mut error) => {
            let text = bare_response(&id, 500);
            error.tracking_id = Some(id);
            let (body, streams, whole, failed) = (None, false, true, true);
            (PreparedAnswer { number, text, body, streams, whole, failed, address, ticket }, Some(error))
        }
    }
}
