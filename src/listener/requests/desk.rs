//! What all rendezvous of requests share.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::registry::Registry;
use super::tickets::Tickets;
use crate::error::RelayError;
use crate::listener::events::ListenerEvent;
use crate::listener::stats::CountingSink;

/// Rendezvous that are kept for the next request of their sender; further ones are closed after their answer.
const MAX_IDLE: usize = 256;

/// Known to each of them.
pub(super) struct LegDesk {
    pub(super) registry: Arc<Registry>,
    pub(super) tickets: Arc<Tickets>,
    pub(super) sink: Arc<CountingSink>,
    pub(super) idle: Arc<Semaphore>,
    /// No further requests: whoever is idle goes.
    pub(super) closing: CancellationToken,
    /// And whoever waits for a request does, too.
    pub(super) at_once: CancellationToken,
}

impl LegDesk {
    pub(super) fn new(registry: Arc<Registry>, tickets: Arc<Tickets>, sink: Arc<CountingSink>) -> Self {
        Self {
            registry,
            tickets,
            sink,
            idle: Arc::new(Semaphore::new(MAX_IDLE)),
            closing: CancellationToken::new(),
            at_once: CancellationToken::new(),
        }
    }

    /// A request has come to nothing of which the owner has not heard.
    pub(super) fn lost(&self, error: RelayError) {
        self.sink.counters.requests_failed.bump();
        self.sink.emit(ListenerEvent::RequestLost { error });
    }
}
