//! A sender's WebSocket: offered to a listener, and joined with the one that accepts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::admission::TOKEN_HEADER;
use super::event::RelayEvent;
use super::fault::{Hold, RequestedAction};
use super::http::Upgrade;
use super::namespace::channel::{ChannelHandle, ChannelMessage};
use super::namespace::offers::{eligible, rendezvous_address};
use super::namespace::{Namespace, Pending, RendezvousVerdict};
use super::pipe;
use super::record::{RecordDetail, RecordedHandshake, millis_since};
use super::refusal::RelayRefusal;
use super::stream::InboundConnection;
use super::token_fate::TokenFate;
use crate::http::HttpRequestHead;
use crate::http::headers::merged;
use crate::protocol::control::{self, Accept};
use crate::protocol::target::RequestTarget;

/// Runs an admitted sender to its end.
pub async fn run(
    namespace: &Arc<Namespace>,
    mut connection: InboundConnection,
    head: &HttpRequestHead,
    target: &RequestTarget<'_>,
    (path, token): (String, TokenFate),
    upgrade: Upgrade,
) {
    let came = Instant::now();
    namespace.count(|totals| &mut totals.senders);
    let id = match target.parameter("id") {
        Some(own) => format!("{own}_G{}", namespace.front_end),
        None => namespace.tracking_id(),
    };
    namespace.emit(&RelayEvent::Sender { path: path.clone(), id: id.clone() });
    let peer = connection.peer;
    namespace.record(&path, &id, || RecordDetail::Sender(Box::new(RecordedHandshake::of(peer, head, token))));

    let met = tokio::select! {
        met = meet(namespace, peer, head, target, &path, &id, &upgrade) => met,
        () = connection.gone() => return,
        () = namespace.closing.cancelled() => Err(RelayRefusal::new(503, "The relay is shutting down.")),
    };
    match met {
        Ok(met) => {
            let meeting = Meeting { path, id, listener: met.id, came };
            join(namespace, connection, upgrade, *met.connection, met.upgrade, meeting).await;
        }
        Err(refusal) if !refusal.tracked => {
            namespace.count(|totals| &mut totals.rejected);
            let (status, reason) = (refusal.status, refusal.text.clone());
            namespace.record(&path, &id, || {
                let (reason, duration) = (reason.clone(), millis_since(came));
                RecordDetail::Rejected { status, reason, duration }
            });
            namespace.emit(&RelayEvent::Rejected { path, id, status, reason });
            namespace.pass_on_rejection(connection, target.path, &refusal).await;
        }
        Err(refusal) => namespace.refuse(connection, target.path, Some(head), &refusal).await,
    }
}

/// A listener that has dialled the rendezvous.
struct ListenerMet {
    id: String,
    connection: Box<InboundConnection>,
    upgrade: Upgrade,
}

/// What a rendezvous is known by.
struct Meeting {
    path: String,
    id: String,
    /// The listener that it was offered to last.
    listener: String,
    /// When the sender came.
    came: Instant,
}

/// Offers the sender to a listener and waits for the verdict.
async fn meet(
    namespace: &Arc<Namespace>,
    peer: SocketAddr,
    head: &HttpRequestHead,
    target: &RequestTarget<'_>,
    path: &str,
    id: &str,
    upgrade: &Upgrade,
) -> Result<ListenerMet, RelayRefusal> {
    let options = &namespace.options;
    let timeout = Duration::from_millis(options.accept_timeout);
    let none = || {
        RelayRefusal::new(
            404,
            "None of the connected listeners accepted the connection within the allowed timeout.",
        )
    };
    // Without a listener the answer comes at once, even while accepts are held back.
    namespace.listeners(path, eligible(head))?;
    let mut offered_to = String::new();
    let meeting = async {
        held(namespace).await;
        let lifetime = Duration::from_millis(options.rendezvous_lifetime);
        let (verdict, wait) = oneshot::channel();
        let waiting = namespace.open_rendezvous(Pending {
            action: RequestedAction::Accept,
            protocols: upgrade.protocols.clone(),
            expires: Instant::now() + lifetime,
            verdict,
        });
        let mut accept = Accept {
            address: String::new(),
            id: id.to_owned(),
            connect_headers: merged(&head.headers, &[TOKEN_HEADER]),
            remote_endpoint: Some((peer.ip().to_string(), peer.port())),
        };
        loop {
            let mut told = None;
            let offer = |listener: &ChannelHandle| {
                offered_to.clone_from(&listener.id);
                accept.address =
                    rendezvous_address(namespace, listener, target, "accept", id, &waiting.secret);
                let (sent, left) = oneshot::channel();
                told = Some(left);
                ChannelMessage::Offer { text: control::accept(&accept), body: None, sent }
            };
            if !namespace.offer(path, eligible(head), offer).await? {
                return Err(none());
            }
            let Some(left) = told else { return Err(none()) };
            // If it never left the relay, because its channel ended, the next listener is asked.
            if left.await.is_ok() {
                return wait.await.map_err(|_| none());
            }
        }
    };
    match tokio::time::timeout(timeout, meeting).await {
        Ok(Ok(RendezvousVerdict::Accepted { connection, upgrade })) => {
            Ok(ListenerMet { id: offered_to, connection, upgrade })
        }
        Ok(Ok(RendezvousVerdict::Rejected(refusal))) => Err(refusal),
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => {
            namespace.count(|totals| &mut totals.timed_out);
            namespace.emit(&RelayEvent::TimedOut { path: path.to_owned(), id: id.to_owned() });
            namespace.record(path, id, || RecordDetail::TimedOut {});
            Err(none())
        }
    }
}

async fn held(namespace: &Namespace) {
    let mut signals = namespace.signals.subscribe();
    let hold = signals.borrow_and_update().hold;
    let released = signals.wait_for(|signals| signals.hold == Hold::Off);
    match hold {
        Hold::Off => {}
        Hold::On => drop(released.await),
        Hold::For(time) => drop(tokio::time::timeout(time, released).await),
    }
}

/// Completes both handshakes and pipes until the end.
async fn join(
    namespace: &Arc<Namespace>,
    mut sender: InboundConnection,
    sender_upgrade: Upgrade,
    mut listener: InboundConnection,
    listener_upgrade: Upgrade,
    meeting: Meeting,
) {
    let Meeting { path, id, listener: listener_id, came } = meeting;
    let protocol = listener_upgrade.protocols.first().map(String::as_str);
    let offered = sender_upgrade.extensions.is_some() && namespace.options.grant_extensions;
    let extensions = listener_upgrade.extensions.as_deref().filter(|_| offered);
    let seat = namespace.enter_pipe("websocket", &path, &id, &listener_id);
    if sender_upgrade.accept(&mut sender.stream, protocol, extensions).await.is_err() {
        let refusal = RelayRefusal::new(403, "The sender is gone.");
        return namespace.refuse(listener, &path, None, &refusal).await;
    }
    if listener_upgrade.accept(&mut listener.stream, protocol, extensions).await.is_err() {
        return;
    }
    namespace.emit(&RelayEvent::Rendezvous { path: path.clone(), id: id.clone() });
    namespace.record(&path, &id, || RecordDetail::Accepted {
        duration: millis_since(came),
        listener: listener_id,
    });
    let end = pipe::run(namespace, sender, listener, extensions.is_some(), seat, (&path, &id)).await;
    let (sender_code, listener_code) = (end.sender_code, end.listener_code);
    namespace.record(&path, &id, || RecordDetail::Closed(Box::new(end)));
    namespace.emit(&RelayEvent::RendezvousClosed { path, id, sender_code, listener_code });
}
