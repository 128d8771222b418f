//! Guards: a place in the namespace is held as long as its guard lives.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::channel::{ChannelHandle, ChannelQueue, EndOrder, ListenerOrigin, QueuedMessage};
use super::pipe_entry::PipeEntry;
use super::{Namespace, Pending, RequestOutcome};
use crate::emulator::entity_path::segments;
use crate::emulator::event::RelayEvent;
use crate::emulator::message_tap::PipeFigures;
use crate::emulator::refusal::{RelayRefusal, unix_millis};
use crate::uuid::random_uuid;

impl Namespace {
    /// Registers a control channel until the seat is dropped.
    ///
    /// # Errors
    /// The hybrid connection has as many as it admits, or is gone.
    pub fn register(
        self: &Arc<Self>,
        path: &str,
        id: String,
        authority: String,
        (remote_address, expires_at): (String, i64),
    ) -> Result<ListenerSeat, RelayRefusal> {
        let max = self.options.max_listeners;
        let (queue, inbox) = ChannelQueue::new();
        let (endings, ends) = mpsc::unbounded_channel();
        let mut guard = self.state();
        let state = &mut *guard;
        let entity =
            state.entities.get_mut(&segments(path).join("/")).ok_or_else(RelayRefusal::no_endpoint)?;
        if entity.listeners.iter().filter(|own| !own.is_closing()).count() >= max {
            return Err(RelayRefusal::new(
                403,
                format!("QuotaExceeded: MaximumListenersPerEndpoint quota of {max} was exceeded."),
            ));
        }
        let key = state.next_key;
        state.next_key += 1;
        state.totals.listeners += 1;
        let path = entity.path.clone();
        let since = unix_millis();
        let origin = Arc::new(ListenerOrigin { remote_address, since, expires_at: expires_at.into() });
        entity.listeners.push(ChannelHandle {
            key,
            id: id.clone(),
            authority,
            origin: Arc::clone(&origin),
            queue,
            endings,
            ending: Arc::default(),
        });
        drop(guard);
        self.roster.send_replace(());
        let namespace = Arc::clone(self);
        Ok(ListenerSeat { namespace, key, path, id, origin, messages: inbox, endings: ends })
    }

    /// Opens a rendezvous address; its secret goes into the address, the guard closes it.
    pub fn open_rendezvous(self: &Arc<Self>, pending: Pending) -> RendezvousSeat {
        let secret = random_uuid().replace('-', "");
        self.state().pending.insert(secret.clone(), pending);
        RendezvousSeat { namespace: Arc::clone(self), secret }
    }

    /// Waits for what becomes of the request `id` until the guard is dropped; what comes for it later is dropped.
    pub fn await_response(
        self: &Arc<Self>,
        path: &str,
        id: &str,
    ) -> (RequestSeat, oneshot::Receiver<RequestOutcome>) {
        let (settled, outcome) = oneshot::channel();
        self.state().requests.insert(id.to_owned(), (path.to_owned(), settled));
        (RequestSeat { namespace: Arc::clone(self), id: id.to_owned() }, outcome)
    }

    /// Enters an established rendezvous until the guard is dropped.
    pub fn enter_pipe(
        self: &Arc<Self>,
        kind: &'static str,
        path: &str,
        id: &str,
        listener: &str,
    ) -> PipeSeat {
        let (orders, endings) = mpsc::unbounded_channel();
        let mut state = self.state();
        let key = state.next_key;
        state.next_key += 1;
        state.totals.rendezvous += 1;
        let figures = Arc::<PipeFigures>::default();
        let entry = PipeEntry {
            kind,
            path: path.to_owned(),
            id: id.to_owned(),
            listener: listener.to_owned(),
            since: unix_millis(),
            orders,
            figures: Arc::clone(&figures),
        };
        state.pipes.insert(key, entry);
        PipeSeat { namespace: Arc::clone(self), key, figures, endings }
    }
}

/// A registered control channel.
pub struct ListenerSeat {
    namespace: Arc<Namespace>,
    key: u64,
    /// The hybrid connection, as it was named when made.
    pub path: String,
    /// The id under which it registered.
    pub id: String,
    /// Who listens there.
    pub origin: Arc<ListenerOrigin>,
    /// What to send.
    pub messages: mpsc::Receiver<QueuedMessage>,
    /// How to end.
    pub endings: mpsc::UnboundedReceiver<EndOrder>,
}

impl Drop for ListenerSeat {
    fn drop(&mut self) {
        let key = segments(&self.path).join("/");
        if let Some(entity) = self.namespace.state().entities.get_mut(&key) {
            entity.listeners.retain(|own| own.key != self.key);
        }
        self.namespace.roster.send_replace(());
        let (path, id) = (self.path.clone(), self.id.clone());
        self.namespace.emit(&RelayEvent::ListenerClosed { path, id });
    }
}

/// An open rendezvous address.
pub struct RendezvousSeat {
    namespace: Arc<Namespace>,
    /// What makes the address unguessable.
    pub secret: String,
}

impl Drop for RendezvousSeat {
    fn drop(&mut self) {
        self.namespace.state().pending.remove(&self.secret);
    }
}

/// A request without a response.
pub struct RequestSeat {
    namespace: Arc<Namespace>,
    id: String,
}

impl Drop for RequestSeat {
    fn drop(&mut self) {
        self.namespace.state().requests.remove(&self.id);
    }
}

/// An established rendezvous.
pub struct PipeSeat {
    namespace: Arc<Namespace>,
    key: u64,
    /// What passes, as long as somebody records.
    pub figures: Arc<PipeFigures>,
    /// How to end.
    pub endings: mpsc::UnboundedReceiver<EndOrder>,
}

impl Drop for PipeSeat {
    fn drop(&mut self) {
        self.namespace.state().pipes.remove(&self.key);
    }
}
