//! The rendezvous of requests: dialled for an answer that is large or streams, for a request that waits there, or early.

use std::sync::Arc;
use std::time::Duration;

use super::lost;
use super::post::LegPost;
use super::prepared::PreparedAnswer;
use super::registry::Registry;
use super::tickets::Tickets;
use crate::listener::answers::Answers;
use crate::listener::config::ListenerConfig;
use crate::listener::dialer::Dialer;
use crate::protocol::address::Address;

/// Dials them.
pub(super) struct Legs {
    dialer: Arc<dyn Dialer>,
    answers: Arc<Answers>,
    registry: Arc<Registry>,
    tickets: Arc<Tickets>,
    /// For a dial.
    limit: Duration,
}

impl Legs {
    pub(super) fn new(
        config: &ListenerConfig,
        dialer: Arc<dyn Dialer>,
        answers: Arc<Answers>,
        registry: Arc<Registry>,
        tickets: Arc<Tickets>,
    ) -> Self {
        Self { dialer, answers, registry, tickets, limit: config.accept_timeout }
    }

    pub(super) fn fetch(&self, _address: Address) {}

    pub(super) fn deliver(&self, answer: PreparedAnswer) {
        self.registry.fail(answer.number, lost("no rendezvous yet"));
    }

    pub(super) fn dial(&self, number: u64, _address: Option<String>, _leg: Arc<LegPost>) {
        self.registry.fail(number, lost("no rendezvous yet"));
    }

    pub(super) fn close_idle(&self) {}
}
