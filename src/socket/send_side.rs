//! The half of a socket that either thread may change, under the socket's lock: what it has to write, and how it ends.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::delivery::Delivery;
use super::link::SocketLink;
use super::outgoing::Outgoing;
use super::report::Cause;
use super::tally::Sent;

/// Bytes that may wait for all peers of an environment together. Beyond it those sockets are given up that go on
/// sending although their own peer has left them with more than `BACKLOG_FAIR`.
const BACKLOG_LIMIT: usize = 512 * 1024 * 1024;
const BACKLOG_FAIR: usize = 1024 * 1024;

/// How far JavaScript wants the connection ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WantedEnd {
    /// Not at all.
    #[default]
    No,
    /// Our side, once everything is written.
    Shutdown,
    /// At once.
    Terminate,
}

/// What either thread may change of a socket.
#[derive(Default)]
pub(super) struct SendSide {
    pub(super) link: Option<Arc<SocketLink>>,
    pub(super) outgoing: Outgoing,
    pub(super) sent: Sent,
    pub(super) ending: WantedEnd,
    /// What has ended the connection beside the IO thread, which has to notice. What is sent from here on is dropped.
    pub(super) broken: Option<Cause>,
    /// Bytes that were dropped.
    pub(super) lost: usize,
    /// When the closing handshake is given up.
    pub(super) close_by: Option<Instant>,
    /// JavaScript sent its close frame: no keep-alive after it.
    pub(super) closing: bool,
    /// JavaScript wants the body of a response that is not an upgrade.
    pub(super) wants_body: bool,
    /// The task's waker, with which the JavaScript thread asks to be continued when the kernel takes more.
    pub(super) waker: Option<Waker>,
    /// Bytes that the delivery's total of what waits for peers has from this socket.
    pub(super) booked: usize,
}

impl SendSide {
    /// Writes what can be written; receipts that became due are counted.
    pub(super) fn write(&mut self) -> u32 {
        if let Err(error) = self.try_write() {
            self.broken.get_or_insert(error.into());
        }
        self.outgoing.due_receipts()
    }

    fn try_write(&mut self) -> io::Result<()> {
        let Some(link) = self.link.clone() else { return Ok(()) };
        self.outgoing.attempt();
        let last = self.ending == WantedEnd::Shutdown && !self.outgoing.is_waiting();
        while !link.write(&mut self.outgoing, last)? {
            let Some(waker) = &self.waker else { return Ok(()) };
            match link.poll_writable(&mut Context::from_waker(waker)) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => return Ok(()),
            }
        }
        Ok(())
    }

    /// Bytes that the kernel has not taken, and will not where they are lost.
    pub(super) fn unwritten(&self) -> usize {
        self.outgoing.len() + self.lost
    }

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

    /// The connection is gone: what is sent until JavaScript hears of it goes nowhere.
    pub(super) fn bury(&mut self, cause: Cause) {
        self.link = None;
        self.sent.settle(self.outgoing.settled());
        self.outgoing = Outgoing::default();
        self.broken.get_or_insert(cause);
        self.waker = None;
    }
}
