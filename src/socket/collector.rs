//! From what the decoder finds to the records that JavaScript gets.

#![forbid(unsafe_code)]

use std::sync::atomic::Ordering;

use super::Socket;
use super::delivery::{Batch, Kind};
use super::tally::Yield;
use crate::frame::{FrameError, Payload, Sink};

/// Turns what the decoder finds into records.
pub(super) struct Collector<'a> {
    socket: &'a Socket,
    batch: &'a mut Batch,
    found: Yield,
}

impl<'a> Collector<'a> {
    pub(super) fn new(socket: &'a Socket, batch: &'a mut Batch) -> Self {
        batch.reserve();
        Self { socket, batch, found: Yield::default() }
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
            Payload::Borrowed(payload) => self.batch.push(slot, kind, 0, payload),
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
    batch.push_owned(slot, Kind::Error, 0, json);
}
