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

/// What each of them needs of its listener.
pub(super) struct LegContext {
    pub(super) registry: Arc<Registry>,
    pub(super) tickets: Arc<Tickets>,
    pub(super) sink: Arc<CountingSink>,
    pub(super) idle: Arc<Semaphore>,
    /// The listener closes: idle rendezvous end, the others after the request that they are at.
    pub(super) closing: CancellationToken,
    /// It does so at once: those that wait for their first request end, too.
    pub(super) at_once: CancellationToken,
}

impl LegContext {
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
