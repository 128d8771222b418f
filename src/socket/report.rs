//! What JavaScript hears of a socket beside its messages: how a dial came out, and what ended a connection.

use std::io;

use serde::Serialize;

use super::delivery::{Batch, Kind};
use crate::error::{ErrorKind, ErrorReport, RelayError};
use crate::frame::{DeflateParams, FrameError};
use crate::http::ResponseHead;

/// What a connection broke of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nothing: it was ended in order, or by JavaScript.
    None = 0,
    Reset = 1,
    Pipe = 2,
    Timeout = 3,
    /// The peer left more waiting than may wait.
    Backlog = 4,
    /// The task panicked.
    Internal = 5,
}

/// Node's codes for causes, by their numbers; empty where it is told in another way.
pub const CAUSE_CODES: [&str; 6] = ["", "ECONNRESET", "EPIPE", "ETIMEDOUT", "", ""];

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Cause::Pipe,
            io::ErrorKind::TimedOut => Cause::Timeout,
            _ => Cause::Reset,
        }
    }
}

/// The head of an answer that opened the socket, and what was agreed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OpenReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<&'a ResponseHead>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) protocol: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extensions: Option<DeflateParams>,
    pub(super) forgets: bool,
    pub(super) secure: bool,
}

impl OpenReport<'_> {
    /// Whether there is nothing that JavaScript does not take for granted.
    fn is_plain(&self) -> bool {
        self.response.is_none() && self.protocol.is_none() && self.extensions.is_none() && !self.secure
    }

    /// The record, which has no payload where that is plain.
    pub(super) fn push(&self, batch: &mut Batch, slot: u32) {
        let payload = if self.is_plain() { Vec::new() } else { json(self) };
        batch.push_owned(slot, Kind::Open, 0, payload);
    }
}

/// Why no WebSocket came of a dial, with the head of the answer where that is why.
#[derive(Serialize)]
struct DialReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<&'a ResponseHead>,
    error: ErrorReport<'a>,
}

/// An answer came, but not an upgrade: the error is what it means where the relay gave it.
pub(super) fn push_answer(batch: &mut Batch, slot: u32, response: &ResponseHead) {
    let refusal = RelayError::refused(response.status, &response.reason);
    push_dial(batch, slot, Kind::Response, Some(response), &refusal);
}

/// The dial failed.
pub(super) fn push_failure(batch: &mut Batch, slot: u32, error: &RelayError) {
    push_dial(batch, slot, Kind::Failed, None, error);
}

/// The answer was an upgrade, but not to what was asked for.
pub(super) fn push_bad_upgrade(batch: &mut Batch, slot: u32, response: &ResponseHead, reason: &str) {
    let error = RelayError::new(ErrorKind::Handshake, reason);
    push_dial(batch, slot, Kind::Failed, Some(response), &error);
}

fn push_dial(batch: &mut Batch, slot: u32, kind: Kind, response: Option<&ResponseHead>, error: &RelayError) {
    batch.push_owned(slot, kind, 0, json(&DialReport { response, error: error.report() }));
}

/// The peer broke the protocol.
pub(super) fn push_frame_error(batch: &mut Batch, slot: u32, error: &FrameError) {
    batch.push_apart(slot, Kind::Error, 0, json(error));
}

/// Too much is held of unfinished messages, and most of it of this socket's.
#[cold]
pub(super) fn push_outgrown(batch: &mut Batch, slot: u32) {
    let message = "Unfinished messages take too much memory: maxAssembling was exceeded".into();
    let code = ErrorKind::Limit.code();
    push_frame_error(batch, slot, &FrameError { code, range: false, message, status: 1009, errno: None });
}

/// The last record of a slot, and before it what ended the connection, if that was not the peer's doing: as a protocol
/// error where it was `opened`, or else as a failed dial.
pub(super) fn push_closed(batch: &mut Batch, slot: u32, cause: Cause, opened: bool, unwritten: usize) {
    if let Some((error, status)) = fault(cause) {
        if opened {
            let code = error.kind.code();
            let message = error.message.into();
            push_frame_error(batch, slot, &FrameError { code, range: false, message, status, errno: None });
        } else {
            push_failure(batch, slot, &error);
        }
    }
    batch.push_count(slot, Kind::Closed, cause as u16, unwritten.try_into().unwrap_or(u32::MAX));
}

/// The error, and the close status that goes with it.
fn fault(cause: Cause) -> Option<(RelayError, u16)> {
    match cause {
        Cause::Backlog => {
            let text = "The peer does not read: maxBufferedAmount was exceeded";
            Some((RelayError::new(ErrorKind::Limit, text), 1008))
        }
        Cause::Internal => Some((RelayError::fault("connection"), 1011)),
        _ => None,
    }
}

/// Strings and numbers only: this cannot fail, and an empty payload would still be a valid record.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
