//! How many requests are in progress, and how many bytes they hold: from the message that brings one until its answer has
//! left, or nobody waits for that any more.
//!
//! A ticket is a request's share of both. The channel that the request came on hears when it goes, so the way to the channels
//! is here, too.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::listener::config::ListenerConfig;
use crate::listener::machine::{ChannelInput, LinkId};
use crate::sync::lock;

/// What a channel's task is told.
pub enum ChannelOrder {
    /// Something for its machine.
    Input(ChannelInput<'static>),
    /// An answer to a request that came on this link.
    Answer(LinkId, PendingAnswer),
}

/// An answer on its way to the relay.
pub struct PendingAnswer {
    /// The number of its exchange.
    pub(super) number: u64,
    /// The id of the request.
    pub(super) id: String,
    /// Where the request's rendezvous is, should it be needed: unchecked.
    pub(super) address: Option<String>,
    /// The answer to a HEAD request has no body, whatever it says.
    pub(super) bodiless: bool,
    /// As Node has written it, in Latin-1.
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) ticket: Ticket,
}

/// Lets requests in as far as the limits allow, and counts them.
pub(in crate::listener) struct Tickets {
    max_pending: usize,
    max_bytes: usize,
    /// Each hears which of its links' requests need the link no longer.
    channels: Vec<UnboundedSender<ChannelOrder>>,
    /// Wakes the supervisor.
    changed: Arc<Notify>,
    counts: Mutex<TicketCounts>,
}

#[derive(Default)]
struct TicketCounts {
    pending: usize,
    held: usize,
    closing: bool,
}

impl Tickets {
    pub(in crate::listener) fn new(
        config: &ListenerConfig,
        channels: Vec<UnboundedSender<ChannelOrder>>,
        changed: Arc<Notify>,
    ) -> Arc<Self> {
        let (max_pending, max_bytes) = (config.max_pending_requests, config.max_request_bytes);
        Arc::new(Self { max_pending, max_bytes, channels, changed, counts: Mutex::default() })
    }

    /// Lets a request of `bytes` bytes in that came on a link of a channel, or on a rendezvous. `None` where there is no
    /// room, or the listener is closing.
    pub(in crate::listener) fn admit(
        self: &Arc<Self>,
        link: Option<(u16, LinkId)>,
        bytes: usize,
    ) -> Option<Ticket> {
        let mut counts = lock(&self.counts);
        let crowded =
            counts.pending >= self.max_pending || counts.held.saturating_add(bytes) > self.max_bytes;
        if crowded || counts.closing {
            return None;
        }
        counts.pending += 1;
        counts.held += bytes;
        drop(counts);
        Some(Ticket { tickets: self.clone(), link, bytes })
    }

    /// Tells a channel something; gives it back where the channel has ended.
    pub(in crate::listener) fn tell(&self, channel: u16, order: ChannelOrder) -> Option<ChannelOrder> {
        match self.channels.get(usize::from(channel)) {
            Some(sender) => sender.send(order).err().map(|failed| failed.0),
            None => Some(order),
        }
    }

    /// Lets nobody in any more.
    pub(super) fn close(&self) {
        lock(&self.counts).closing = true;
        self.changed.notify_one();
    }

    /// The supervisor has to look again.
    pub(super) fn changed(&self) {
        self.changed.notify_one();
    }

    /// Requests in progress.
    pub(super) fn pending(&self) -> usize {
        lock(&self.counts).pending
    }

    /// Whether no request comes any more, and none is in progress.
    pub(super) fn is_drained(&self) -> bool {
        let counts = lock(&self.counts);
        counts.closing && counts.pending == 0
    }
}

/// One request's place; dropped, it is free again. Never dropped under a lock of the listener's.
pub(in crate::listener) struct Ticket {
    tickets: Arc<Tickets>,
    /// The link that is not to go before the request is answered.
    link: Option<(u16, LinkId)>,
    bytes: usize,
}

impl Ticket {
    /// The link that the request came on.
    pub(super) fn link(&self) -> Option<(u16, LinkId)> {
        self.link
    }

    /// The answer holds `bytes` more.
    pub(super) fn hold(&mut self, bytes: usize) {
        self.bytes += bytes;
        lock(&self.tickets.counts).held += bytes;
    }

    /// The channel knows already that its link may go.
    pub(in crate::listener) fn forget_link(&mut self) {
        self.link = None;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = lock(&self.tickets.counts);
        counts.pending -= 1;
        counts.held -= self.bytes;
        let drained = counts.closing && counts.pending == 0;
        drop(counts);
        if drained {
            self.tickets.changed.notify_one();
        }
        if let Some((channel, link)) = self.link {
            self.tickets.tell(channel, ChannelOrder::Input(ChannelInput::Answered(link)));
        }
    }
}
