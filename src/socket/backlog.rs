//! Bounds what is sent to peers that do not read.

#![forbid(unsafe_code)]

use super::Side;
use super::delivery::Delivery;
use super::driver::Cause;

/// Bytes that may wait for all peers of an environment together. Beyond it those sockets are given up that go on
/// sending although their own peer has left them with more than `BACKLOG_FAIR`.
const BACKLOG_LIMIT: usize = 512 * 1024 * 1024;
const BACKLOG_FAIR: usize = 1024 * 1024;

impl Side {
    /// Enters what waits for the peer in the total of all sockets, and gives up a peer that leaves too much waiting.
    pub(super) fn book(&mut self, delivery: &Delivery, limit: usize) {
        let waits = self.outgoing.len();
        if waits == self.booked || limit == 0 {
            return;
        }
        let total = delivery.book(self.booked, waits);
        let grows = waits > self.booked;
        self.booked = waits;
        let limit = if total > BACKLOG_LIMIT { limit.min(BACKLOG_FAIR) } else { limit };
        if grows && waits > limit {
            self.broken.get_or_insert(Cause::Backlog);
        }
    }
}
