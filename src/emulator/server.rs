//! Accepts connections, reads their request heads, and hands them to the session that they are for.

#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::admission::{self, Admission};
use super::event::Event;
use super::fault::Action;
use super::http::{self, HeadError};
use super::namespace::{Namespace, Verdict};
use super::refusal::Refusal;
use super::stream::{Connection, Stream};
use super::target::Target;
use super::{control, request, sender};
use crate::http::HttpRequestHead;
use crate::http::headers::joined;

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
        tasks.spawn(async move {
            let opened = tokio::select! {
                () = namespace.closing.cancelled() => return,
                opened = open(&namespace, tls, stream, peer) => opened,
            };
            if let Some((connection, head, target, admission)) = opened {
                hand_over(&namespace, connection, head, target, admission).await;
            }
        });
    }
}

/// TLS, head, planned faults, admission; a refusal is answered here.
async fn open(
    namespace: &Arc<Namespace>,
    tls: Option<TlsAcceptor>,
    tcp: TcpStream,
    peer: SocketAddr,
) -> Option<(Connection, HttpRequestHead, Target, Admission)> {
    let _ = tcp.set_nodelay(true);
    loud(namespace).await;
    let time = Duration::from_millis(namespace.options.handshake_timeout);
    let deadline = tokio::time::Instant::now() + time;
    let stream = match tls {
        Some(tls) => {
            let handshake = tokio::time::timeout_at(deadline, tls.accept(tcp)).await;
            Stream::Tls(Box::new(handshake.ok()?.ok()?))
        }
        None => Stream::Plain(tcp),
    };
    let authority = namespace.authority.clone();
    let mut connection = Connection { stream, early: Vec::new(), peer, authority };
    let reading = http::read_head(&mut connection.stream, namespace.options.max_head);
    let head = match tokio::time::timeout_at(deadline, reading).await {
        Ok(Ok((head, early))) => {
            connection.early = early;
            head
        }
        Ok(Err(HeadError::Gone)) => return None,
        Ok(Err(HeadError::Bad(status, text))) => {
            refuse(namespace, connection, "", &Refusal::verbatim(status, text)).await;
            return None;
        }
        Err(_) => {
            refuse(namespace, connection, "", &Refusal::verbatim(408, "Request Timeout")).await;
            return None;
        }
    };
    if let Some(host) = joined(&head.headers, "host").filter(|host| sensible(host)) {
        connection.authority = host;
    }
    let Some(target) = Target::parse(&head.target) else {
        refuse(namespace, connection, "", &Refusal::verbatim(400, "Bad Request - Invalid URL")).await;
        return None;
    };
    let action = admission::action_of(&target).unwrap_or(Action::Connect);
    if let Some(delay) = namespace.planned_delay(action) {
        tokio::time::sleep(delay).await;
    }
    loud(namespace).await;
    let admitted = match namespace.planned_refusal(action) {
        Some(refusal) => Err(refusal),
        None => admission::admit(namespace, &head, &target, &connection.authority),
    };
    match admitted {
        Ok(admission) => Some((connection, head, target, admission)),
        Err(refusal) => {
            refuse(namespace, connection, &target.path, &refusal).await;
            None
        }
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

async fn hand_over(
    namespace: &Arc<Namespace>,
    mut connection: Connection,
    head: HttpRequestHead,
    target: Target,
    admission: Admission,
) {
    match admission {
        Admission::Listen { path, expires_at, upgrade } => {
            let id = target.get("id").map_or_else(super::refusal::guid, str::to_owned);
            match namespace.register(&path, id, connection.authority.clone()) {
                Ok(seat) => {
                    if upgrade.accept(&mut connection.stream, None, None).await.is_ok() {
                        control::run(namespace, connection, &target.path, seat, expires_at).await;
                    }
                }
                Err(refusal) => refuse(namespace, connection, &target.path, &refusal).await,
            }
        }
        Admission::Connect { path, upgrade } => {
            sender::run(namespace, connection, &head, &target, path, upgrade).await;
        }
        Admission::Accept { pending, upgrade } => {
            let verdict = Verdict::Accepted { connection: Box::new(connection), upgrade };
            if let Err(Verdict::Accepted { connection, .. }) = pending.verdict.send(verdict) {
                let refusal = Refusal::new(403, "The sender is gone.");
                refuse(namespace, *connection, &target.path, &refusal).await;
            }
        }
        Admission::Reject { pending, verdict } => {
            let _ = pending.verdict.send(Verdict::Rejected(verdict));
            // 410 is how success is told here, so it is no refusal of ours.
            let _ = http::respond(&mut connection.stream, 410, "Gone", &[], b"").await;
            connection.finish().await;
        }
        Admission::Request { path, consumed } => {
            request::run(namespace, connection, &head, &target, path, consumed).await;
        }
    }
}

/// Answers with a refusal and ends the connection.
pub async fn refuse(namespace: &Namespace, mut connection: Connection, path: &str, refusal: &Refusal) {
    let resource = format!("{}{path}", connection.authority);
    let reason = refusal.reason(namespace.front_end, &resource);
    if refusal.tracked {
        namespace.count(|totals| &mut totals.refused);
    }
    namespace.emit(&Event::Refused {
        target: path.to_owned(),
        status: refusal.status,
        reason: reason.clone(),
    });
    let mut headers = Vec::new();
    if refusal.status == 426 {
        headers.push(("Sec-WebSocket-Version".to_owned(), "13".to_owned()));
    }
    let _ = http::respond(&mut connection.stream, refusal.status, &reason, &headers, b"").await;
    connection.finish().await;
}
