//! What the relay tells whoever watches it, and what it counts.

use std::collections::BTreeMap;

use serde::Serialize;

/// Something that happened at the relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[allow(missing_docs, reason = "the fields are the same few everywhere: path, id, and what the name says")]
pub enum RelayEvent {
    /// A control channel is up.
    Listener { path: String, id: String },
    /// A control channel is gone.
    ListenerClosed { path: String, id: String },
    /// A listener renewed its token.
    Renewed { path: String, id: String },
    /// A listener pinged on its control channel.
    Ping { path: String, id: String },
    /// A sender waits for a listener; its `accept` may still be held back.
    Sender { path: String, id: String },
    /// A sender and a listener were brought together.
    Rendezvous { path: String, id: String },
    /// A rendezvous ended; the codes are what each side sent, 1006 for nothing.
    RendezvousClosed { path: String, id: String, sender_code: u16, listener_code: u16 },
    /// A listener rejected a sender.
    Rejected { path: String, id: String, status: u16, reason: String },
    /// No listener took a sender in time.
    TimedOut { path: String, id: String },
    /// An HTTP request came.
    Request { path: String, id: String, method: String },
    /// A connection was not admitted.
    Refused { target: String, status: u16, reason: String },
    /// The relay has stopped; nothing follows.
    Closed,
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Control channels opened.
    pub listeners: u64,
    /// Senders that were admitted.
    pub senders: u64,
    /// Rendezvous established.
    pub rendezvous: u64,
    /// Senders rejected by a listener.
    pub rejected: u64,
    /// Senders and requests that had to wait, for every control channel was being closed.
    pub waited: u64,
    /// Senders that nobody took in time.
    pub timed_out: u64,
    /// Connections not admitted.
    pub refused: u64,
    /// Tokens renewed.
    pub renewals: u64,
    /// HTTP requests admitted.
    pub requests: u64,
    /// Pings from listeners on control channels.
    pub pings: u64,
}

/// A snapshot of the relay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RelayStats {
    /// Control channels that are up.
    pub listeners: usize,
    /// Senders with an established rendezvous.
    pub senders: usize,
    /// Senders and requests that wait for a listener.
    pub pending: usize,
    /// Control channels per hybrid connection.
    pub paths: BTreeMap<String, usize>,
    /// Counts since the start.
    pub totals: Totals,
}
