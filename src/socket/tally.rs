//! What a socket has carried: counted for each read and each frame sent, where their locks and cache lines are held
//! anyway.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::Serialize;

use super::outgoing::Outline;

/// No round trip has been measured.
const UNKNOWN: u64 = u64::MAX;

/// The numbers of one socket at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SocketStats {
    /// Whole messages that were handed over for sending.
    pub messages_sent: u64,
    /// Their payloads, uncompressed.
    pub bytes_sent: u64,
    /// Bytes of frames that the kernel took: headers, control frames and compression included, TLS not.
    pub wire_bytes_sent: u64,
    /// Whole messages that were decoded.
    pub messages_received: u64,
    /// Their payloads, uncompressed.
    pub bytes_received: u64,
    /// Bytes of frames that were decoded.
    pub wire_bytes_received: u64,
    /// What JavaScript has not drained yet, bookkeeping included.
    pub held: usize,
    /// The last round trip of a keep-alive ping.
    pub rtt: Option<Duration>,
}

/// The sums over sockets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Carried {
    messages_sent: u64,
    bytes_sent: u64,
    wire_bytes_sent: u64,
    messages_received: u64,
    bytes_received: u64,
    wire_bytes_received: u64,
}

impl Carried {
    /// Adds what one socket has carried.
    pub fn add(&mut self, stats: &SocketStats) {
        self.messages_sent += stats.messages_sent;
        self.bytes_sent += stats.bytes_sent;
        self.wire_bytes_sent += stats.wire_bytes_sent;
        self.messages_received += stats.messages_received;
        self.bytes_received += stats.bytes_received;
        self.wire_bytes_received += stats.wire_bytes_received;
    }
}

/// The sending side, under the socket's lock.
#[derive(Debug, Default)]
pub(super) struct Sent {
    messages: u64,
    bytes: u64,
    /// Of an outgoing queue that is gone.
    wire: u64,
}

impl Sent {
    #[inline]
    pub(super) fn frame(&mut self, outline: Outline, payload: usize) {
        if !outline.opcode.is_control() {
            self.messages += u64::from(outline.fin);
            self.bytes += payload as u64;
        }
    }

    /// The outgoing queue goes, and this is how far it got.
    pub(super) fn settle(&mut self, wire: u64) {
        self.wire += wire;
    }
}

/// What one read yielded.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Yield {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    /// A keep-alive ping was answered.
    pub(super) ponged: bool,
}

/// The receiving side: written by the IO thread alone, read by JavaScript.
#[derive(Debug)]
pub(super) struct Received {
    messages: AtomicU64,
    bytes: AtomicU64,
    wire: AtomicU64,
    /// In nanoseconds.
    rtt: AtomicU64,
}

impl Default for Received {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self { messages: zero(), bytes: zero(), wire: zero(), rtt: AtomicU64::new(UNKNOWN) }
    }
}

impl Received {
    /// Adds what a read yielded; `wire` is the decoder's own count. With a single writer nothing has to be locked.
    pub(super) fn add(&self, read: Yield, wire: u64) {
        self.messages.store(self.messages.load(Relaxed) + read.messages, Relaxed);
        self.bytes.store(self.bytes.load(Relaxed) + read.bytes, Relaxed);
        self.wire.store(wire, Relaxed);
    }

    pub(super) fn measured(&self, rtt: Duration) {
        self.rtt.store(rtt.as_nanos().try_into().unwrap_or(UNKNOWN), Relaxed);
    }
}

impl SocketStats {
    /// The sums, where the kernel has `settled` bytes of the outgoing queue, and JavaScript still `held` to drain.
    pub(super) fn new(sent: &Sent, settled: u64, received: &Received, held: usize) -> Self {
        let rtt = received.rtt.load(Relaxed);
        Self {
            messages_sent: sent.messages,
            bytes_sent: sent.bytes,
            wire_bytes_sent: sent.wire + settled,
            messages_received: received.messages.load(Relaxed),
            bytes_received: received.bytes.load(Relaxed),
            wire_bytes_received: received.wire.load(Relaxed),
            held,
            rtt: (rtt != UNKNOWN).then(|| Duration::from_nanos(rtt)),
        }
    }
}
