//! Guards: a place in the namespace is held as long as its guard lives.

#![forbid(unsafe_code)]

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::{Ending, Namespace, Queued};
use crate::emulator::event::Event;
use crate::emulator::protocol::Response;
use crate::emulator::target::segments;

/// A registered control channel.
pub struct Seat {
    pub(super) namespace: Arc<Namespace>,
    pub(super) key: u64,
    /// The hybrid connection, as it was named when made.
    pub path: String,
    /// The id under which it registered.
    pub id: String,
    /// What to send.
    pub messages: mpsc::Receiver<Queued>,
    /// How to end.
    pub endings: mpsc::UnboundedReceiver<Ending>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let key = segments(&self.path).join("/");
        if let Some(entity) = self.namespace.state().entities.get_mut(&key) {
            entity.listeners.retain(|own| own.key != self.key);
        }
        self.namespace.roster.send_replace(());
        let (path, id) = (self.path.clone(), self.id.clone());
        self.namespace.emit(&Event::ListenerClosed { path, id });
    }
}

/// An open rendezvous address.
pub struct Waiting {
    pub(super) namespace: Arc<Namespace>,
    /// What makes the address unguessable.
    pub secret: String,
    pub(super) request: Option<String>,
}

impl Waiting {
    /// Also waits for a `response` to the request `id` on the control channel.
    pub fn expect_response(&mut self, id: &str) -> oneshot::Receiver<Response> {
        let (answer, response) = oneshot::channel();
        self.namespace.state().responses.insert(id.to_owned(), answer);
        self.request = Some(id.to_owned());
        response
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.namespace.state();
        state.pending.remove(&self.secret);
        if let Some(id) = &self.request {
            state.responses.remove(id);
        }
    }
}

/// An established rendezvous.
pub struct PipeSeat {
    pub(super) namespace: Arc<Namespace>,
    pub(super) key: u64,
    /// How to end.
    pub endings: mpsc::UnboundedReceiver<Ending>,
}

impl Drop for PipeSeat {
    fn drop(&mut self) {
        self.namespace.state().pipes.remove(&self.key);
    }
}
