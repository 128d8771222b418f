//! What streams have carried.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// The bytes of one stream.
#[derive(Debug, Default)]
pub(super) struct StreamTally {
    received: AtomicU64,
    sent: AtomicU64,
}

impl StreamTally {
    pub(super) fn received(&self, count: usize) {
        self.received.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, count: usize) {
        self.sent.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Received, and sent.
    pub(super) fn read(&self) -> (u64, u64) {
        (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed))
    }
}

/// What a forwarder has done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForwardStats {
    /// Streams that are open now.
    pub open: u64,
    /// Streams that were opened.
    pub opened: u64,
    /// Those that never were.
    pub refused: u64,
    /// Those that ended before both sides had.
    pub cut: u64,
    /// Bytes from the relay to this side.
    pub bytes_received: u64,
    /// Bytes from this side to the relay.
    pub bytes_sent: u64,
}
