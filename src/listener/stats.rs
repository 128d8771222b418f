//! Counters of a listener, and the way of its events past them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use super::events::{ListenerEvent, ListenerSink};
use super::latency::LatencyHistogram;
use super::outlet::{BodyOutlet, BodyWaker};

/// A snapshot of what a listener has counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStats {
    /// Control dials.
    pub dials: u64,
    /// Times that a control channel came up.
    pub listening: u64,
    /// Times that a control channel had to be dialled again.
    pub reconnects: u64,
    /// Control channels that are up now.
    pub online: u64,
    /// Senders that came. Each ends in exactly one of `accepted`, `rejected` and `failed`.
    pub offers: u64,
    /// Offers that wait for a verdict or their dial now.
    pub pending: u64,
    /// Senders whose connection opened.
    pub accepted: u64,
    /// Senders that were turned away, by the owner, by one of its limits or for want of time.
    pub rejected: u64,
    /// Senders that could not be met at the rendezvous.
    pub failed: u64,
    /// Rejections that did not get through.
    pub reject_failures: u64,
    /// Rejections that were not even tried, because too many were under way.
    pub rejects_dropped: u64,
    /// Of the rejected, those that nobody decided about in time.
    pub expired: u64,
    /// HTTP requests that came.
    pub requests: u64,
    /// Requests that are in progress now.
    pub requests_pending: u64,
    /// Requests that got 503 at once, for want of room or because the listener was closing.
    pub requests_refused: u64,
    /// Requests whose answer was lost, given up or too late.
    pub requests_failed: u64,
    /// Answers that went by a control channel.
    pub answers_by_channel: u64,
    /// Answers that went by a rendezvous.
    pub answers_by_rendezvous: u64,
    /// Bytes of the bodies of requests.
    pub request_bytes: u64,
    /// Bytes of the bodies of answers.
    pub answer_bytes: u64,
    /// Control messages that could not be used and were reported.
    pub malformed: u64,
    /// Times that the owner was asked for a token.
    pub tokens: u64,
    /// Tokens renewed on a channel that was up.
    pub renewals: u64,
    /// The last round trip of a ping in milliseconds, over all channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt: Option<f64>,
    /// From the offer to the open connection.
    pub accept_latency: LatencyHistogram,
    /// From the request to the head of its answer.
    pub answer_latency: LatencyHistogram,
}

/// What counts up.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn bump(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(super) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) dials: Counter,
    pub(super) offers: Counter,
    pub(super) accepted: Counter,
    pub(super) rejected: Counter,
    pub(super) failed: Counter,
    pub(super) rejects_dropped: Counter,
    pub(super) expired: Counter,
    pub(super) requests: Counter,
    pub(super) requests_refused: Counter,
    pub(super) requests_failed: Counter,
    pub(super) answers_by_channel: Counter,
    pub(super) answers_by_rendezvous: Counter,
    pub(super) request_bytes: Counter,
    pub(super) answer_bytes: Counter,
    listening: Counter,
    reconnects: Counter,
    reject_failures: Counter,
    malformed: Counter,
    tokens: Counter,
    renewals: Counter,
}

impl Counters {
    pub(super) fn count(&self, event: &ListenerEvent) {
        let counter = match event {
            ListenerEvent::Listening { .. } => &self.listening,
            ListenerEvent::Reconnecting { .. } => &self.reconnects,
            ListenerEvent::Token => &self.tokens,
            ListenerEvent::RejectFailed { .. } => &self.reject_failures,
            ListenerEvent::Malformed { .. } => &self.malformed,
            ListenerEvent::TokenRenewed { .. } => &self.renewals,
            _ => return,
        };
        counter.bump();
    }

    /// What is counted; what is measured or holds now is somebody else's to add.
    pub(super) fn snapshot(&self) -> ListenerStats {
        ListenerStats {
            dials: self.dials.get(),
            listening: self.listening.get(),
            reconnects: self.reconnects.get(),
            offers: self.offers.get(),
            accepted: self.accepted.get(),
            rejected: self.rejected.get(),
            failed: self.failed.get(),
            reject_failures: self.reject_failures.get(),
            rejects_dropped: self.rejects_dropped.get(),
            expired: self.expired.get(),
            requests: self.requests.get(),
            requests_refused: self.requests_refused.get(),
            requests_failed: self.requests_failed.get(),
            answers_by_channel: self.answers_by_channel.get(),
            answers_by_rendezvous: self.answers_by_rendezvous.get(),
            request_bytes: self.request_bytes.get(),
            answer_bytes: self.answer_bytes.get(),
            malformed: self.malformed.get(),
            tokens: self.tokens.get(),
            renewals: self.renewals.get(),
            ..ListenerStats::default()
        }
    }
}

/// Where everything that happens is told: counted, then passed on to the owner.
pub(super) struct CountingSink {
    pub(super) counters: Counters,
    owner: Arc<dyn ListenerSink>,
}

impl CountingSink {
    pub(super) fn new(owner: Arc<dyn ListenerSink>) -> Self {
        Self { counters: Counters::default(), owner }
    }

    /// See [`ListenerSink::outlet`].
    pub(super) fn outlet(&self, number: u64, wake: BodyWaker) -> Arc<dyn BodyOutlet> {
        self.owner.outlet(number, wake)
    }

    /// Never under a lock: the owner may call back.
    pub(super) fn emit(&self, event: ListenerEvent) {
        self.counters.count(&event);
        self.owner.event(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, RelayError};

    type Happening = Box<dyn Fn(&Counters)>;

    #[test]
    fn each_thing_that_happens_moves_one_number() {
        use ListenerEvent as E;
        let error = || RelayError::new(ErrorKind::Network, "x");
        let text = String::new;
        let lost = E::Reconnecting { channel: 0, attempt: 1, delay: 0, reason: text(), error: error() };
        let counted: [(&str, Happening); 20] = [
            ("dials", Box::new(|counters| counters.dials.bump())),
            ("offers", Box::new(|counters| counters.offers.bump())),
            ("accepted", Box::new(|counters| counters.accepted.bump())),
            ("rejected", Box::new(|counters| counters.rejected.bump())),
            ("failed", Box::new(|counters| counters.failed.bump())),
            ("rejectsDropped", Box::new(|counters| counters.rejects_dropped.bump())),
            ("expired", Box::new(|counters| counters.expired.bump())),
            ("listening", of(E::Listening { channel: 0, replaced: false })),
            ("reconnects", of(lost)),
            ("tokens", of(E::Token)),
            ("requests", Box::new(|counters| counters.requests.bump())),
            ("requestsRefused", Box::new(|counters| counters.requests_refused.bump())),
            ("requestsFailed", Box::new(|counters| counters.requests_failed.bump())),
            ("answersByChannel", Box::new(|counters| counters.answers_by_channel.bump())),
            ("answersByRendezvous", Box::new(|counters| counters.answers_by_rendezvous.bump())),
            ("requestBytes", Box::new(|counters| counters.request_bytes.add(1))),
            ("answerBytes", Box::new(|counters| counters.answer_bytes.add(1))),
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
            let mut stats = serde_json::to_value(counters.snapshot()).unwrap();
            for histogram in ["acceptLatency", "answerLatency"] {
                stats.as_object_mut().unwrap().remove(histogram);
            }
            let moved: Vec<_> = stats.as_object().unwrap().iter().filter(|(_, count)| **count != 0).collect();
            assert_eq!(moved, [(&name.to_owned(), &serde_json::json!(2))]);
        }
    }

    fn of(event: ListenerEvent) -> Happening {
        Box::new(move |counters| counters.count(&event))
    }
}
