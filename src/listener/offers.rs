//! Senders that wait for a verdict, and the rendezvous that an accepted one becomes.
//!
//! Offers belong to the listener, not to the channel that brought them: they survive its loss.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::dialer::{NetworkDialer, request_to};
use super::hosts::Admission;
use crate::error::RelayError;
use crate::protocol::accept::rendezvous_head;
use crate::protocol::address::Address;
use crate::protocol::control::Accept;
use crate::transport::DialRequest;

/// Bytes of all senders that wait, however many may.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// One sender that waits.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) id: u64,
    pub(super) accept: Accept,
    pub(super) address: Address,
    pub(super) received: Instant,
}

impl Offer {
    /// Bytes that it holds, near enough.
    fn size(&self) -> usize {
        let Accept { address, id, connect_headers, .. } = &self.accept;
        let headers: usize = connect_headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        address.len() + id.len() + headers + self.address.target.len()
    }
}

/// All senders that wait, in the order in which they came. Numbered here: the relay's ids need not be unique.
#[derive(Debug)]
pub(super) struct Offers {
    last: u64,
    max: usize,
    bytes: usize,
    pending: BTreeMap<u64, Offer>,
}

impl Offers {
    pub(super) fn new(max: usize) -> Self {
        Self { last: 0, max, bytes: 0, pending: BTreeMap::new() }
    }

    /// A number for an offer, kept or not.
    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= self.max || self.bytes >= MAX_BYTES
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn push(&mut self, offer: Offer) {
        self.bytes += offer.size();
        self.pending.insert(offer.id, offer);
    }

    pub(super) fn take(&mut self, id: u64) -> Option<Offer> {
        let offer = self.pending.remove(&id)?;
        self.bytes -= offer.size();
        Some(offer)
    }

    /// When the oldest one came.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.pending.first_key_value().map(|(_, offer)| offer.received)
    }

    /// Takes the oldest one if it came at or before `limit`.
    pub(super) fn take_older(&mut self, limit: Instant) -> Option<Offer> {
        let (id, _) = self.pending.first_key_value().filter(|(_, offer)| offer.received <= limit)?;
        self.take(*id)
    }
}

/// An accepted offer: everything that the socket engine needs to dial the rendezvous.
pub struct PreparedRendezvous {
    /// The offer's number.
    pub id: u64,
    /// Where to dial; path and query verbatim as the relay gave them.
    pub address: Address,
    /// The control message.
    pub accept: Accept,
    /// What is left of `accept_timeout` for the dial.
    pub remaining: Duration,
    /// What the dial has to wait for, and to obey, if hosts are the owner's to decide.
    pub(super) admission: Option<Admission>,
    pub(super) dialer: std::sync::Arc<NetworkDialer>,
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
    ///
    /// # Errors
    /// `InvalidArgument` for a subprotocol that is no token or a line that is no header. Reject the sender then,
    /// with `Listener::reject_prepared`.
    pub fn dial_request(
        &mut self,
        protocol: Option<&str>,
        extensions: Option<&str>,
        extra: &[String],
    ) -> Result<DialRequest, RelayError> {
        let head = rendezvous_head(&self.address.host_header(), protocol, extensions, extra)?;
        let timeout = self.remaining.max(Duration::from_millis(1));
        let request = request_to(self.address.clone(), head, timeout);
        Ok(DialRequest { admission: self.admission.take(), ..self.dialer.complete(request) })
    }
}
