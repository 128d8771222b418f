//! Counters of a listener.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use super::events::ListenerEvent;

/// Counts events as they pass.
#[derive(Debug, Default)]
pub(super) struct Counters {
    dials: AtomicU64,
    listening: AtomicU64,
    reconnects: AtomicU64,
    offers: AtomicU64,
    turned_away: AtomicU64,
    accepted: AtomicU64,
    rejected: AtomicU64,
    reject_failures: AtomicU64,
    rejects_dropped: AtomicU64,
    expired: AtomicU64,
    requests: AtomicU64,
    malformed: AtomicU64,
    tokens: AtomicU64,
    renewals: AtomicU64,
}

/// A snapshot of a listener's counters.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Control dials.
    pub dials: u64,
    /// Times that a control channel came up.
    pub listening: u64,
    /// Times that a control channel had to be dialled again.
    pub reconnects: u64,
    /// Control channels that are up now.
    pub online: u64,
    /// Senders offered to the owner.
    pub offers: u64,
    /// Senders that were answered 503 without being offered: too many were waiting, or the listener was closing.
    pub turned_away: u64,
    /// Offers that wait for a verdict now.
    pub pending: u64,
    /// Offers that the owner took.
    pub accepted: u64,
    /// Rejections that the relay confirmed.
    pub rejected: u64,
    /// Rejections that did not get through.
    pub reject_failures: u64,
    /// Rejections that were not even tried, because too many were under way.
    pub rejects_dropped: u64,
    /// Offers that nobody decided in time.
    pub expired: u64,
    /// HTTP requests, all answered with 501.
    pub requests: u64,
    /// Control messages that could not be used and were reported.
    pub malformed: u64,
    /// Times that the owner was asked for a token.
    pub tokens: u64,
    /// Tokens renewed on a channel that was up.
    pub renewals: u64,
    /// The last round trip of a ping in milliseconds, over all channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt: Option<f64>,
}

impl Counters {
    pub(super) fn dialled(&self) {
        self.dials.fetch_add(1, Relaxed);
    }

    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(super) fn rejected(&self) {
        self.rejected.fetch_add(1, Relaxed);
    }

    pub(super) fn turned_away(&self) {
        self.turned_away.fetch_add(1, Relaxed);
    }

    pub(super) fn reject_dropped(&self) {
        self.rejects_dropped.fetch_add(1, Relaxed);
    }

    pub(super) fn count(&self, event: &ListenerEvent) {
        let counter = match event {
            ListenerEvent::Listening { .. } => &self.listening,
            ListenerEvent::Reconnecting { .. } => &self.reconnects,
            ListenerEvent::Token { .. } => &self.tokens,
            ListenerEvent::Offer { .. } => &self.offers,
            ListenerEvent::OfferExpired { .. } => &self.expired,
            ListenerEvent::Request { .. } => &self.requests,
            ListenerEvent::RejectFailed { .. } => &self.reject_failures,
            ListenerEvent::Malformed { .. } => &self.malformed,
            ListenerEvent::TokenRenewed { .. } => &self.renewals,
            _ => return,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(super) fn snapshot(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        Stats {
            dials: read(&self.dials),
            listening: read(&self.listening),
            reconnects: read(&self.reconnects),
            offers: read(&self.offers),
            turned_away: read(&self.turned_away),
            accepted: read(&self.accepted),
            rejected: read(&self.rejected),
            reject_failures: read(&self.reject_failures),
            rejects_dropped: read(&self.rejects_dropped),
            expired: read(&self.expired),
            requests: read(&self.requests),
            malformed: read(&self.malformed),
            tokens: read(&self.tokens),
            renewals: read(&self.renewals),
            ..Stats::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, RelayError};
    use crate::listener::events::TokenReason;
    use crate::protocol::control::Accept;

    type Happening = Box<dyn Fn(&Counters)>;

    #[test]
    fn each_thing_that_happens_moves_one_number() {
        use ListenerEvent as E;
        let error = || RelayError::new(ErrorKind::Network, "x");
        let text = String::new;
        let accept = Accept { address: text(), id: text(), connect_headers: vec![], remote_endpoint: None };
        let lost = E::Reconnecting { channel: 0, attempt: 1, delay: 0, reason: text(), error: error() };
        let counted: [(&str, Happening); 14] = [
            ("dials", Box::new(Counters::dialled)),
            ("accepted", Box::new(Counters::accepted)),
            ("rejected", Box::new(Counters::rejected)),
            ("turnedAway", Box::new(Counters::turned_away)),
            ("rejectsDropped", Box::new(Counters::reject_dropped)),
            ("listening", of(E::Listening { channel: 0, replaced: false })),
            ("reconnects", of(lost)),
            ("tokens", of(E::Token { refresh: false, reason: TokenReason::Connect })),
            ("offers", of(E::Offer { id: 1, host: text(), target: text(), accept: Box::new(accept) })),
            ("expired", of(E::OfferExpired { id: 1 })),
            ("requests", of(E::Request { id: text(), method: None, target: None })),
            ("rejectFailures", of(E::RejectFailed { id: 1, error: error() })),
            ("malformed", of(E::Malformed { channel: 0, message: text() })),
            ("renewals", of(E::TokenRenewed { channel: 0, expires_in: None })),
        ];
        for (name, happen) in counted {
            let counters = Counters::default();
            happen(&counters);
            happen(&counters);
            counters.count(&E::Connecting { channel: 0, attempt: 0 });
            counters.count(&E::Closed);
            let stats = serde_json::to_value(counters.snapshot()).unwrap();
            let moved: Vec<_> = stats.as_object().unwrap().iter().filter(|(_, count)| **count != 0).collect();
            assert_eq!(moved, [(&name.to_owned(), &serde_json::json!(2))]);
        }
    }

    fn of(event: ListenerEvent) -> Happening {
        Box::new(move |counters| counters.count(&event))
    }
}
