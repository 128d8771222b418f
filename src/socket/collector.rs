//! From what the decoder finds to the records that JavaScript gets.

#![forbid(unsafe_code)]

use std::ops::Range;
use std::sync::atomic::Ordering;

use serde::Serialize;

use super::Socket;
use super::delivery::{Batch, CHUNK, Kind};
use super::driver::Cause;
use super::tally::Yield;
use crate::error::{ErrorKind, RelayError};
use crate::frame::{Decoder, FrameError, Payload, Sink};

/// Turns what the decoder finds into records.
pub(super) struct Collector<'a> {
    socket: &'a Socket,
    batch: &'a mut Batch,
    /// The addresses of what is being decoded, while it stays where it is.
    within: Range<usize>,
    found: Yield,
}

impl<'a> Collector<'a> {
    pub(super) fn new(socket: &'a Socket, batch: &'a mut Batch) -> Self {
        Self { socket, batch, within: 0..0, found: Yield::default() }
    }

    /// Decodes what was read, and leaves an empty buffer. If it is a lot, JavaScript gets the very bytes.
    pub(super) fn decode(&mut self, decoder: &mut Decoder, read: &mut Vec<u8>) -> Result<(), FrameError> {
        // Under TLS the rest of a large message leaves nothing here, and needs no room.
        if read.is_empty() {
            return Ok(());
        }
        let in_place = read.len() >= CHUNK && self.batch.is_empty();
        if in_place {
            let start = read.as_ptr() as usize;
            self.within = start..start + read.len();
            self.batch.begin_in_place();
        } else {
            self.batch.reserve(read.len());
        }
        let result = decoder.decode(read, self);
        if in_place {
            self.within = 0..0;
            self.batch.end_in_place(read);
        }
        read.clear();
        result
    }

    fn message_bytes(&mut self, kind: Kind, payload: &[u8]) {
        let slot = self.socket.slot;
        let at = payload.as_ptr() as usize;
        if self.within.contains(&at) {
            self.batch.push_within(slot, kind, at - self.within.start, payload.len());
        } else {
            self.batch.push(slot, kind, 0, payload);
        }
    }

    /// What was found, for the counters.
    pub(super) fn finish(self) -> Yield {
        self.found
    }
}

impl Sink for Collector<'_> {
    fn message(&mut self, binary: bool, payload: Payload<'_>, fragments: &[u32]) {
        let slot = self.socket.slot;
        self.found.messages += 1;
        self.found.bytes += payload.len() as u64;
        if binary && !fragments.is_empty() {
            let lengths: Vec<u8> = fragments.iter().flat_map(|length| length.to_le_bytes()).collect();
            self.batch.push(slot, Kind::Fragments, 0, &lengths);
        }
        let kind = if binary { Kind::Binary } else { Kind::Text };
        match payload {
            Payload::Borrowed(payload) => self.message_bytes(kind, payload),
            Payload::Owned(payload) => self.batch.push_owned(slot, kind, 0, payload),
        }
    }

    fn ping(&mut self, payload: &[u8]) {
        self.batch.push(self.socket.slot, Kind::Ping, 0, payload);
    }

    fn pong(&mut self, payload: &[u8]) {
        if payload.is_empty() && self.socket.options.keep_alive.is_some() {
            let pings = &self.socket.user_pings;
            if pings.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1)).is_err()
            {
                self.found.ponged = true;
                return;
            }
        }
        self.batch.push(self.socket.slot, Kind::Pong, 0, payload);
    }

    fn close(&mut self, code: u16, reason: &[u8]) {
        self.batch.push(self.socket.slot, Kind::Close, code, reason);
    }
}

pub(super) fn push_frame_error(batch: &mut Batch, slot: u32, error: &FrameError) {
    let json = serde_json::to_vec(error).unwrap_or_default();
    batch.push_apart(slot, Kind::Error, 0, json);
}

/// Too much is held of unfinished messages, and most of it of this socket's.
#[cold]
pub(super) fn outgrown() -> FrameError {
    let message = "Unfinished messages take too much memory: maxAssembling was exceeded".into();
    FrameError { code: ErrorKind::Limit.code(), range: false, message, status: 1009, errno: None }
}

/// What ended the connection without the peer's doing, in the form of a protocol error or of a failed dial.
pub(super) fn report_fault(batch: &mut Batch, slot: u32, cause: Cause, opened: bool) {
    let (kind, message, status) = match cause {
        Cause::Backlog => (ErrorKind::Limit, "The peer does not read: maxBufferedAmount was exceeded", 1008),
        Cause::Internal => (ErrorKind::Internal, "The connection was lost by a fault of this package", 1011),
        _ => return,
    };
    let error = RelayError::new(kind, message);
    if opened {
        let report = FaultReport { code: kind.code(), message, status };
        batch.push_apart(slot, Kind::Error, 0, serde_json::to_vec(&report).unwrap_or_default());
    } else {
        let report = serde_json::json!({ "error": error.report() });
        batch.push_owned(slot, Kind::Failed, 0, report.to_string().into_bytes());
    }
}

#[derive(Serialize)]
struct FaultReport {
    code: &'static str,
    message: &'static str,
    status: u16,
}
