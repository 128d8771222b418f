//! A sender's WebSocket: offered to a listener, and joined with the one that accepts.

#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;

use super::admission::TOKEN_HEADER;
use super::event::Event;
use super::fault::{Action, Hold};
use super::http::Upgrade;
use super::namespace::{Listener, Message, Namespace, Pending, Verdict};
use super::pipe;
use super::protocol::{self, Headers};
use super::refusal::Refusal;
use super::server::refuse;
use super::stream::Connection;
use super::target::Target;
use super::{auth, refusal};
use crate::http::HttpRequestHead;
use crate::http::headers::{members, merged, values};

/// What a sender may say before its handshake is answered.
const MAX_EARLY: usize = 64 * 1024;

/// The address at which `listener` meets whoever waits behind `secret`.
pub fn rendezvous_address(
    namespace: &Namespace,
    listener: &Listener,
    target: &Target,
    action: &str,
    id: &str,
    secret: &str,
) -> String {
    let scheme = if namespace.options.tls.is_some() { "wss" } else { "ws" };
    let host = namespace.options.public_host.as_deref().unwrap_or(&listener.authority);
    let query = target.query.as_deref().map(|query| format!("{query}&")).unwrap_or_default();
    format!(
        "{scheme}://{host}/$hc{}?{query}sb-hc-action={action}&sb-hc-id={}&sb-hc-rendezvous={secret}",
        target.path,
        auth::encode_component(id)
    )
}

/// Tells whether a listener may be chosen, by the headers in which a sender names some.
pub fn eligible(head: &HttpRequestHead) -> impl Fn(&str) -> bool {
    let named = |name| members(&head.headers, name).map(str::to_owned).collect::<Vec<_>>();
    let restricted = values(&head.headers, "Microsoft-Relay-AllowedListeners").next().is_some();
    let allowed = restricted.then(|| named("Microsoft-Relay-AllowedListeners"));
    let disallowed = named("Microsoft-Relay-DisallowedListeners");
    move |id| {
        let is_it = |other: &String| other.eq_ignore_ascii_case(id);
        allowed.as_ref().is_none_or(|list| list.iter().any(is_it)) && !disallowed.iter().any(is_it)
    }
}

/// Runs an admitted sender to its end.
pub async fn run(
    namespace: &Arc<Namespace>,
    mut connection: Connection,
    head: &HttpRequestHead,
    target: &Target,
    path: String,
    upgrade: Upgrade,
) {
    namespace.count(|totals| &mut totals.senders);
    let id = match target.get("id") {
        Some(own) => format!("{own}_G{}", namespace.front_end),
        None => format!("{}_G{}", refusal::guid(), namespace.front_end),
    };
    namespace.emit(&Event::Sender { path: path.clone(), id: id.clone() });

    let peer = connection.peer;
    let met = tokio::select! {
        met = meet(namespace, peer, head, target, &path, &id, &upgrade) => met,
        () = gone(&mut connection) => return,
        () = namespace.closing.cancelled() => Err(Refusal::new(503, "The relay is shutting down.")),
    };
    match met {
        Ok((listener, listener_upgrade)) => {
            join(namespace, connection, upgrade, *listener, listener_upgrade, path, id).await;
        }
        Err(refusal) => {
            if !refusal.tracked {
                namespace.count(|totals| &mut totals.rejected);
                let (status, reason) = (refusal.status, refusal.text.clone());
                namespace.emit(&Event::Rejected { path, id, status, reason });
            }
            refuse(namespace, connection, &target.path, &refusal).await;
        }
    }
}

/// Offers the sender to a listener and waits for the verdict.
async fn meet(
    namespace: &Arc<Namespace>,
    peer: SocketAddr,
    head: &HttpRequestHead,
    target: &Target,
    path: &str,
    id: &str,
    upgrade: &Upgrade,
) -> Result<(Box<Connection>, Upgrade), Refusal> {
    let options = &namespace.options;
    let timeout = Duration::from_millis(options.accept_timeout);
    let none = || {
        Refusal::new(
            404,
            "None of the connected listeners accepted the connection within the allowed timeout.",
        )
    };
    // Nobody to ask is told at once, held back or not.
    namespace.listeners(path, eligible(head))?;
    let meeting = async {
        held(namespace).await;
        let lifetime = Duration::from_millis(options.rendezvous_lifetime);
        let (verdict, wait) = oneshot::channel();
        let waiting = namespace.open_rendezvous(Pending {
            action: Action::Accept,
            protocols: upgrade.protocols.clone(),
            expires: Instant::now() + lifetime,
            verdict,
        });
        let headers = Headers(merged(&head.headers, &[TOKEN_HEADER]));
        loop {
            let mut told = None;
            let offer = |listener: &Listener| {
                let address = rendezvous_address(namespace, listener, target, "accept", id, &waiting.secret);
                let (sent, left) = oneshot::channel();
                told = Some(left);
                Message::Offer(protocol::accept(&address, id, &headers, peer), sent)
            };
            if !namespace.offer(path, eligible(head), offer).await? {
                return Err(none());
            }
            let Some(left) = told else { return Err(none()) };
            // If it never left the relay, for its channel ended, the next one may have it.
            if left.await.is_ok() {
                return wait.await.map_err(|_| none());
            }
        }
    };
    match tokio::time::timeout(timeout, meeting).await {
        Ok(Ok(Verdict::Accepted { connection, upgrade })) => Ok((connection, upgrade)),
        Ok(Ok(Verdict::Rejected(refusal))) => Err(refusal),
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => {
            namespace.count(|totals| &mut totals.timed_out);
            namespace.emit(&Event::TimedOut { path: path.to_owned(), id: id.to_owned() });
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

/// Returns when the sender gives up; what it says too early is kept.
async fn gone(connection: &mut Connection) {
    while connection.early.len() < MAX_EARLY {
        match connection.stream.read_buf(&mut connection.early).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    std::future::pending().await
}

/// Completes both handshakes and pipes until the end.
async fn join(
    namespace: &Arc<Namespace>,
    mut sender: Connection,
    sender_upgrade: Upgrade,
    mut listener: Connection,
    listener_upgrade: Upgrade,
    path: String,
    id: String,
) {
    let protocol = listener_upgrade.protocols.first().map(String::as_str);
    let offered = sender_upgrade.extensions.is_some() && namespace.options.grant_extensions;
    let extensions = listener_upgrade.extensions.as_deref().filter(|_| offered);
    let seat = namespace.enter_pipe(&path);
    if sender_upgrade.accept(&mut sender.stream, protocol, extensions).await.is_err() {
        let refusal = Refusal::new(403, "The sender is gone.");
        return refuse(namespace, listener, &path, &refusal).await;
    }
    if listener_upgrade.accept(&mut listener.stream, protocol, extensions).await.is_err() {
        return;
    }
    namespace.emit(&Event::Rendezvous { path: path.clone(), id: id.clone() });
    let (sender_code, listener_code) =
        pipe::run(namespace, sender, listener, extensions.is_some(), seat).await;
    namespace.emit(&Event::RendezvousClosed { path, id, sender_code, listener_code });
}
