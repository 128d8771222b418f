//! Accepts connections, reads their request heads, and hands them to the session that they are for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::admission::{self, AdmittedAs, AdmittedSocket};
use super::exchange::{AdmittedRequest, ExchangeEnd};
use super::fault::RequestedAction;
use super::http::{self, HeadError};
use super::namespace::channel::EndOrder;
use super::namespace::{Namespace, RendezvousVerdict};
use super::refusal::RelayRefusal;
use super::request_leg::RequestLeg;
use super::stream::{InboundConnection, InboundStream};
use super::{control, request, sender};
use crate::http::HttpRequestHead;
use crate::http::headers::joined;
use crate::protocol::target::RequestTarget;
use crate::uuid::random_uuid;

/// Serves until the namespace closes.
pub async fn serve(
    namespace: Arc<Namespace>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    tasks: TaskTracker,
) {
    loop {
        let (stream, peer) = tokio::select! {
            () = namespace.closing.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(_) => {
                    // Out of descriptors, most likely: give others time to close some.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let (namespace, tls) = (Arc::clone(&namespace), tls.clone());
        tasks.spawn(async move { attend(&namespace, tls, stream, peer).await });
    }
}

/// How long a connection may be idle between two requests, as in the service's front end.
const IDLE: Duration = Duration::from_secs(120);

/// One connection, to its end. HTTP requests come one after the other, everything else takes the connection over.
async fn attend(namespace: &Arc<Namespace>, tls: Option<TlsAcceptor>, tcp: TcpStream, peer: SocketAddr) {
    let opened = tokio::select! {
        () = namespace.closing.cancelled() => return,
        opened = open(namespace, tls, tcp, peer) => opened,
    };
    let Some((mut connection, mut head)) = opened else { return };
    // A rendezvous stays with its sender's connection, and both end together.
    let mut leg = None;
    loop {
        match serve_one(namespace, &mut connection, &mut leg, &head).await {
            HeadOutcome::Next => {}
            HeadOutcome::Ended(end) => return finish(namespace, connection, leg, &head, end).await,
            HeadOutcome::TakenOver(socket) => {
                if let Some(leg) = leg {
                    leg.close(1001, "").await;
                }
                if let Some(target) = RequestTarget::parse(&head.target) {
                    hand_over(namespace, connection, &head, &target, socket).await;
                }
                return;
            }
        }
        match next_head(namespace, &mut connection, &mut leg).await {
            Ok(next) => head = next,
            Err(end) => return finish(namespace, connection, leg, &head, end).await,
        }
    }
}

/// What became of a request head.
enum HeadOutcome {
    /// It was a request, and another one may follow.
    Next,
    /// The connection ends.
    Ended(ExchangeEnd),
    /// It wants the connection for itself.
    TakenOver(AdmittedSocket),
}

async fn serve_one(
    namespace: &Arc<Namespace>,
    connection: &mut InboundConnection,
    leg: &mut Option<Box<RequestLeg>>,
    head: &HttpRequestHead,
) -> HeadOutcome {
    if let Some(host) = joined(&head.headers, "host").filter(|host| sensible(host)) {
        connection.authority = host;
    }
    let Some(target) = RequestTarget::parse(&head.target) else {
        return HeadOutcome::Ended(ExchangeEnd::Refused(RelayRefusal::verbatim(
            400,
            "Bad Request - Invalid URL",
        )));
    };
    let admitted = tokio::select! {
        () = namespace.closing.cancelled() => return HeadOutcome::Ended(ExchangeEnd::Done),
        admitted = admit(namespace, head, &target, &connection.authority) => admitted,
    };
    match admitted {
        Ok(AdmittedAs::Request { path, consumed, token }) => {
            let admitted = AdmittedRequest { path, consumed, token };
            match request::run(namespace, connection, leg, head, &target, admitted).await {
                ExchangeEnd::Next => HeadOutcome::Next,
                end => HeadOutcome::Ended(end),
            }
        }
        Ok(AdmittedAs::WebSocket(socket)) => HeadOutcome::TakenOver(socket),
        Err(refusal) => HeadOutcome::Ended(ExchangeEnd::Refused(refusal)),
    }
}

/// Waits for the sender's next request.
async fn next_head(
    namespace: &Namespace,
    connection: &mut InboundConnection,
    leg: &mut Option<Box<RequestLeg>>,
) -> Result<HttpRequestHead, ExchangeEnd> {
    let left = async {
        match leg {
            Some(leg) => leg.idle().await,
            None => std::future::pending().await,
        }
    };
    let early = std::mem::take(&mut connection.early);
    let reading = http::read_head(&mut connection.stream, early, namespace.options.max_head);
    tokio::select! {
        () = namespace.closing.cancelled() => Err(ExchangeEnd::Done),
        end = left => Err(end),
        read = tokio::time::timeout(IDLE, reading) => match read {
            Ok(Ok((head, early))) => {
                connection.early = early;
                Ok(head)
            }
            Ok(Err(HeadError::Gone)) => Err(ExchangeEnd::SenderGone),
            Ok(Err(HeadError::Bad(status, text))) => {
                Err(ExchangeEnd::Refused(RelayRefusal::verbatim(status, text)))
            }
            Err(_) => Err(ExchangeEnd::Done),
        },
    }
}

/// Ends a sender's connection, and the rendezvous that belongs to it.
async fn finish(
    namespace: &Namespace,
    connection: InboundConnection,
    leg: Option<Box<RequestLeg>>,
    head: &HttpRequestHead,
    end: ExchangeEnd,
) {
    let (code, reason) = match end {
        ExchangeEnd::Next | ExchangeEnd::Done => (1000, ""),
        _ => (1001, "The sender is gone."),
    };
    let order = if let ExchangeEnd::Ordered(order) = &end { Some(order.clone()) } else { None };
    let leaving = async {
        match (leg, order) {
            (Some(leg), Some(order)) => leg.obey(order).await,
            (Some(leg), None) => leg.close(code, reason).await,
            (None, _) => {}
        }
    };
    let ending = async {
        match end {
            ExchangeEnd::Next | ExchangeEnd::Done => connection.finish().await,
            ExchangeEnd::Refused(refusal) => {
                let target = RequestTarget::parse(&head.target);
                let path = target.map_or("", |target| target.path);
                namespace.refuse(connection, path, Some(head), &refusal).await;
            }
            ExchangeEnd::SenderGone | ExchangeEnd::Ordered(EndOrder::Close(..)) => connection.cut(false),
            ExchangeEnd::Cut { reset } | ExchangeEnd::Ordered(EndOrder::Cut { reset, .. }) => {
                connection.cut(reset)
            }
        }
    };
    tokio::join!(leaving, ending);
}

/// TLS and the first head; what is no request is answered here.
async fn open(
    namespace: &Namespace,
    tls: Option<TlsAcceptor>,
    tcp: TcpStream,
    peer: SocketAddr,
) -> Option<(InboundConnection, HttpRequestHead)> {
    let _ = tcp.set_nodelay(true);
    loud(namespace).await;
    let time = Duration::from_millis(namespace.options.handshake_timeout);
    let deadline = tokio::time::Instant::now() + time;
    let stream = match tls {
        Some(tls) => {
            let handshake = tokio::time::timeout_at(deadline, tls.accept(tcp)).await;
            InboundStream::Tls(Box::new(handshake.ok()?.ok()?))
        }
        None => InboundStream::Plain(tcp),
    };
    let authority = namespace.authority.clone();
    let mut connection = InboundConnection { stream, early: Vec::new(), peer, authority };
    let reading = http::read_head(&mut connection.stream, Vec::new(), namespace.options.max_head);
    let refusal = match tokio::time::timeout_at(deadline, reading).await {
        Ok(Ok((head, early))) => {
            connection.early = early;
            return Some((connection, head));
        }
        Ok(Err(HeadError::Gone)) => return None,
        Ok(Err(HeadError::Bad(status, text))) => RelayRefusal::verbatim(status, text),
        Err(_) => RelayRefusal::verbatim(408, "Request Timeout"),
    };
    namespace.refuse(connection, "", None, &refusal).await;
    None
}

/// Planned faults, then the checks.
async fn admit(
    namespace: &Namespace,
    head: &HttpRequestHead,
    target: &RequestTarget<'_>,
    host: &str,
) -> Result<AdmittedAs, RelayRefusal> {
    let action = admission::action_of(target).unwrap_or(RequestedAction::Connect);
    if let Some(delay) = namespace.planned_delay(action) {
        tokio::time::sleep(delay).await;
    }
    loud(namespace).await;
    match namespace.planned_refusal(action) {
        Some(refusal) => Err(refusal),
        None => admission::admit(namespace, head, target, host),
    }
}

/// Only what may stand in an address that is given out again.
fn sensible(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
}

async fn loud(namespace: &Namespace) {
    let mut signals = namespace.signals.subscribe();
    let _ = signals.wait_for(|signals| !signals.silence.handshakes).await;
}

/// Gives a connection to whoever it was admitted for.
async fn hand_over(
    namespace: &Arc<Namespace>,
    mut connection: InboundConnection,
    head: &HttpRequestHead,
    target: &RequestTarget<'_>,
    socket: AdmittedSocket,
) {
    match socket {
        AdmittedSocket::Listen { path, token, upgrade } => {
            let id = target.parameter("id").unwrap_or_else(random_uuid);
            let expires_at = token.expires_at.unwrap_or(i64::MAX);
            let origin = (connection.peer.to_string(), expires_at);
            match namespace.register(&path, id, connection.authority.clone(), origin) {
                Ok(seat) => {
                    if upgrade.accept(&mut connection.stream, None, None).await.is_ok() {
                        namespace.record_listener(&seat, &connection, head, token);
                        control::run(namespace, connection, target.path, seat, expires_at).await;
                    }
                }
                Err(refusal) => namespace.refuse(connection, target.path, Some(head), &refusal).await,
            }
        }
        AdmittedSocket::Connect { path, token, upgrade } => {
            sender::run(namespace, connection, head, target, (path, token), upgrade).await;
        }
        AdmittedSocket::Accept { pending, upgrade } => {
            let verdict = RendezvousVerdict::Accepted { connection: Box::new(connection), upgrade };
            if let Err(RendezvousVerdict::Accepted { connection, .. }) = pending.verdict.send(verdict) {
                let refusal = RelayRefusal::new(403, "The sender is gone.");
                namespace.refuse(*connection, target.path, Some(head), &refusal).await;
            }
        }
        AdmittedSocket::Reject { pending, verdict } => {
            let _ = pending.verdict.send(RendezvousVerdict::Rejected(verdict));
            // 410 is the protocol's answer to a rejection that was delivered, so it does not count as a refusal.
            let _ = http::respond(&mut connection.stream, 410, "Gone", &[]).await;
            connection.finish().await;
        }
    }
}
