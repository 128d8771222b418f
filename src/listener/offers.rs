//! The one record of every sender, from its arrival to the open connection or the refusal: limits, time, numbers.
//!
//! Offers belong to the listener, not to the channel that brought them: they survive its loss.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::config::ListenerConfig;
use super::dialer::{NetworkDialer, request_to};
use super::hosts::Admission;
use super::latency::LatencyHistogram;
use super::stats::CountingSink;
use crate::http::headers::values;
use crate::protocol::accept::rendezvous_head;
use crate::protocol::address::Address;
use crate::protocol::control::Accept;
use crate::sync::lock;
use crate::transport::DialRequest;

/// Bytes of all senders that wait, however many may.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// One sender that waits for a verdict.
pub(super) struct Offer {
    pub(super) id: u64,
    pub(super) address: Address,
    /// The extensions that the sender offers.
    pub(super) extensions: Option<String>,
    /// Bytes of its message, near enough: the owner has it while the sender waits.
    size: usize,
    received: Instant,
}

/// A sender for whom there is no room.
pub(super) struct Refused {
    pub(super) id: u64,
    pub(super) address: Address,
    /// Whether the owner hears of it. Of those who wait too many there can be any number.
    pub(super) told: bool,
}

/// All senders that are being let in, numbered here: the relay's ids need not be unique.
pub(super) struct Offers {
    max_pending: usize,
    max_connections: usize,
    /// For the verdict, and what is left of it for the dial.
    time: Duration,
    sink: Arc<CountingSink>,
    state: Mutex<OffersState>,
    /// Wakes the supervisor.
    changed: Arc<Notify>,
}

#[derive(Default)]
struct OffersState {
    last: u64,
    bytes: usize,
    /// In the order in which they came.
    waiting: BTreeMap<u64, Offer>,
    /// Accepted, and neither open nor failed.
    dialling: usize,
    /// Open, as far as the owner says so: it tells who has left.
    connections: usize,
    latency: LatencyHistogram,
    closing: Closing,
    /// The supervisor looks again before the next one is overdue.
    timed: bool,
}

#[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closing {
    #[default]
    No,
    /// Whoever is here may be let in.
    Draining,
    /// Whoever waits is turned away.
    AtOnce,
}

impl OffersState {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.dialling == 0
    }

    fn take(&mut self, id: u64) -> Option<Offer> {
        let offer = self.waiting.remove(&id)?;
        self.bytes -= offer.size;
        Some(offer)
    }
}

impl Offers {
    pub(super) fn new(config: &ListenerConfig, sink: Arc<CountingSink>, changed: Arc<Notify>) -> Self {
        Self {
            max_pending: config.max_pending_accepts,
            max_connections: config.max_connections,
            time: config.accept_timeout,
            sink,
            state: Mutex::default(),
            changed,
        }
    }

    /// A sender has come: its number.
    ///
    /// # Errors
    /// Where there is no room for it, or the listener is closing.
    pub(super) fn receive(&self, accept: &Accept, address: Address) -> Result<u64, Refused> {
        self.sink.counters.offers.bump();
        let mut state = lock(&self.state);
        state.last += 1;
        let id = state.last;
        let pending = state.waiting.len() + state.dialling;
        let crowded = pending >= self.max_pending || state.bytes >= MAX_BYTES;
        let full = state.connections.saturating_add(pending) >= self.max_connections;
        if crowded || full || state.closing != Closing::No {
            drop(state);
            self.sink.counters.rejected.bump();
            return Err(Refused { id, address, told: !crowded });
        }
        let extensions =
            values(&accept.connect_headers, "sec-websocket-extensions").next().map(str::to_owned);
        let headers: usize =
            accept.connect_headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let size = accept.address.len() + accept.id.len() + headers + address.target.len();
        state.bytes += size;
        state.waiting.insert(id, Offer { id, address, extensions, size, received: Instant::now() });
        let wake = !mem::replace(&mut state.timed, true);
        drop(state);
        if wake {
            self.changed.notify_one();
        }
        Ok(id)
    }

    /// The owner lets a sender in. `None` if there is none of that number any more, as in the following.
    pub(super) fn accept(self: &Arc<Self>, id: u64) -> Option<(Offer, Duration, PendingAccept)> {
        let mut state = lock(&self.state);
        let offer = state.take(id)?;
        state.dialling += 1;
        drop(state);
        let left = self.time.saturating_sub(offer.received.elapsed());
        let pending = PendingAccept { offers: Arc::clone(self), received: offer.received, opened: false };
        Some((offer, left, pending))
    }

    /// The owner turns a sender away.
    pub(super) fn reject(&self, id: u64) -> Option<Offer> {
        let offer = self.take(id)?;
        self.sink.counters.rejected.bump();
        Some(offer)
    }

    /// The owner could not even try to let a sender in.
    pub(super) fn fail(&self, id: u64) -> Option<Offer> {
        let offer = self.take(id)?;
        self.sink.counters.failed.bump();
        Some(offer)
    }

    fn take(&self, id: u64) -> Option<Offer> {
        let mut state = lock(&self.state);
        let offer = state.take(id)?;
        self.drained(&state);
        Some(offer)
    }

    fn settle(&self, latency: Option<Duration>) {
        let counters = &self.sink.counters;
        let mut state = lock(&self.state);
        state.dialling -= 1;
        match latency {
            Some(latency) => {
                state.connections += 1;
                state.latency.record(latency);
                counters.accepted.bump();
            }
            None => counters.failed.bump(),
        }
        self.drained(&state);
    }

    /// An open connection has gone, as the owner sees it.
    pub(super) fn left(&self) {
        let mut state = lock(&self.state);
        state.connections = state.connections.saturating_sub(1);
    }

    /// The next sender who waits no longer, and the status that it gets: the one limit on the wait for a verdict and for the
    /// dial that follows.
    pub(super) fn overdue(&self, now: Instant) -> Option<(Offer, u16)> {
        let mut state = lock(&self.state);
        let (id, oldest) = state.waiting.first_key_value()?;
        let closing = state.closing == Closing::AtOnce;
        if !closing && now.saturating_duration_since(oldest.received) < self.time {
            return None;
        }
        let id = *id;
        let offer = state.take(id)?;
        drop(state);
        let counters = &self.sink.counters;
        counters.rejected.bump();
        if closing {
            return Some((offer, 503));
        }
        counters.expired.bump();
        Some((offer, 504))
    }

    /// When the next one is overdue, if nothing changes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let mut state = lock(&self.state);
        let oldest = state.waiting.first_key_value().map(|(_, offer)| offer.received + self.time);
        state.timed = oldest.is_some();
        oldest
    }

    /// Lets nobody in any more; unless those who are here may still be let in, they wait no longer.
    pub(super) fn close(&self, drain: bool) {
        let mut state = lock(&self.state);
        state.closing = state.closing.max(if drain { Closing::Draining } else { Closing::AtOnce });
        drop(state);
        self.changed.notify_one();
    }

    fn drained(&self, state: &OffersState) {
        if state.closing == Closing::Draining && state.is_idle() {
            self.changed.notify_one();
        }
    }

    /// Whether nobody comes any more and nobody is being let in.
    pub(super) fn is_drained(&self) -> bool {
        let state = lock(&self.state);
        state.closing != Closing::No && state.is_idle()
    }

    /// How many wait, and how long accepting took.
    pub(super) fn numbers(&self) -> (usize, LatencyHistogram) {
        let state = lock(&self.state);
        (state.waiting.len(), state.latency.clone())
    }
}

/// A sender that was accepted: dropped, it has failed, unless its connection has opened.
pub struct PendingAccept {
    offers: Arc<Offers>,
    received: Instant,
    opened: bool,
}

impl PendingAccept {
    /// The connection is open.
    pub fn opened(mut self) {
        self.opened = true;
    }
}

impl Drop for PendingAccept {
    fn drop(&mut self) {
        self.offers.settle(self.opened.then(|| self.received.elapsed()));
    }
}

/// An accepted offer: everything that the socket engine needs to dial the rendezvous.
pub struct PreparedRendezvous {
    /// The offer's number.
    pub id: u64,
    /// Where to dial; path and query verbatim as the relay gave them.
    pub address: Address,
    /// The extensions that the sender offers.
    pub extensions: Option<String>,
    /// What is left of `accept_timeout` for the dial.
    pub remaining: Duration,
    /// What the dial has to wait for, and to obey, if hosts are the owner's to decide.
    pub(super) admission: Option<Admission>,
    /// To be told when the connection is open, and dropped when it will not be.
    pub pending: PendingAccept,
    pub(super) dialer: Arc<NetworkDialer>,
}

impl fmt::Debug for PreparedRendezvous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedRendezvous")
            .field("id", &self.id)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl PreparedRendezvous {
    /// The dial of the rendezvous, with the listener's TLS and proxies, what is left of the time and the word on its host.
    ///
    /// `extra` are the program's own `Name: value` lines; those that belong to the handshake are left out.
    pub fn dial_request(
        &mut self,
        protocol: Option<&str>,
        extensions: Option<&str>,
        extra: &[String],
    ) -> DialRequest {
        let head = rendezvous_head(&self.address.host_header(), protocol, extensions, extra);
        let timeout = self.remaining.max(Duration::from_millis(1));
        let request = request_to(self.address.clone(), head, timeout);
        DialRequest { admission: self.admission.take(), ..self.dialer.complete(request) }
    }
}
