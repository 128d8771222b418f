//! The opening of one socket: the dial, the checks of its answer, and what JavaScript hears of both.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::compression::{Agreed, Compression};
use super::delivery::{Batch, Kind};
use super::ends::Ends;
use super::handle::Socket;
use super::link::SocketLink;
use super::report::{self, OpenReport};
use super::send_side::WantedEnd;
use crate::error::ErrorKind;
use crate::transport::body::read_body;
use crate::transport::{self, DialRequest, Opened};

/// How a socket is to be opened.
pub struct Opening {
    /// Where to, and with which request.
    pub request: DialRequest,
    /// The subprotocols that the request offers.
    pub protocols: Vec<String>,
    /// What the request says about permessage-deflate.
    pub compression: Option<Compression>,
    /// How hard to compress, 0 to 9.
    pub level: u8,
    /// Whether JavaScript wants the head of an answer that opens the socket.
    pub tells_head: bool,
    /// Called when the connection is open, or dropped when there will be none: before JavaScript hears of either.
    pub opened: Option<Box<dyn FnOnce() + Send>>,
}

/// A connection whose handshake is done.
pub(super) struct Established {
    pub(super) link: Arc<SocketLink>,
    /// The compression that was agreed.
    pub(super) agreed: Option<Agreed>,
    /// How hard to compress, 0 to 9.
    pub(super) level: u8,
    /// Bytes that came with the handshake's answer.
    pub(super) early: Vec<u8>,
}

/// Opens; `None` where no WebSocket came of it, which has then been reported.
pub(super) async fn open(socket: &Arc<Socket>, opening: Opening) -> Option<Established> {
    let Opening { mut request, protocols, compression, level, tells_head, opened: on_open } = opening;
    let limit = request.handshake_timeout;
    let opened = match unless_terminated(socket, Box::pin(transport::open(&mut request))).await? {
        Ok(opened) => opened,
        Err(error) => {
            drop(on_open);
            socket.tell(|batch, slot| report::push_failure(batch, slot, &error));
            return None;
        }
    };
    if !opened.response.is_upgrade() {
        drop(on_open);
        Box::pin(answer(socket, opened, limit)).await;
        return None;
    }
    let checked = transport::check_upgrade(&opened.response, &opened.key, &protocols, compression.is_some());
    let agreed = checked.and_then(|negotiated| {
        let answer = compression.as_ref().zip(negotiated.extensions.as_deref());
        let agreed = answer.map(|(compression, header)| compression.agree(header)).transpose()?;
        Ok((negotiated.protocol, agreed))
    });
    let (protocol, agreed) = match agreed {
        Ok(agreed) => agreed,
        Err(reason) => {
            drop(on_open);
            socket.tell(|batch, slot| report::push_bad_upgrade(batch, slot, &opened.response, reason));
            return None;
        }
    };
    let (tcp, tls, decrypted) = opened.stream.into_parts();
    let mut early = opened.leftover;
    early.extend(decrypted);
    let report = OpenReport {
        response: tells_head.then_some(&opened.response),
        protocol: protocol.as_deref(),
        extensions: agreed.map(|agreed| agreed.params),
        forgets: agreed.is_some_and(|agreed| agreed.forgets()),
        secure: tls.is_some(),
    };
    let _ = socket.ends.set(Ends::new(tcp.local_addr().ok(), tcp.peer_addr().ok()));
    let link = Arc::new(SocketLink::new(tcp, tls, socket.tuning));
    // Before JavaScript hears of it: what it sends in `open` is to go out at once.
    socket.side().link = Some(Arc::clone(&link));
    if let Some(on_open) = on_open {
        on_open();
    }
    socket.tell(|batch, slot| report.push(batch, slot));
    Some(Established { link, agreed, level, early })
}

/// The server answered, but not with an upgrade. JavaScript says whether it wants the body.
/// As in ws, `limit` is the handshake's, and holds for each wait for a piece of it.
async fn answer(socket: &Arc<Socket>, opened: Opened, limit: Option<Duration>) {
    socket.tell(|batch, slot| report::push_answer(batch, slot, &opened.response));
    let asked = poll_fn(|cx| {
        socket.task.register(cx.waker());
        let side = socket.side();
        if side.wants_body || side.ending != WantedEnd::No {
            Poll::Ready(side.wants_body)
        } else {
            Poll::Pending
        }
    });
    if !asked.await {
        return;
    }
    // A body that cannot be read is no different from one that breaks off.
    let Ok(mut body) = read_body(opened.stream, &opened.response, opened.leftover) else {
        return;
    };
    // What is here already is the reader's, even where the attempt has been given up meanwhile.
    let Ok((early, mut done)) = body.early() else { return };
    push_body(socket, early);
    while !done {
        let room = poll_fn(|cx| {
            socket.task.register(cx.waker());
            if socket.may_read() { Poll::Ready(()) } else { Poll::Pending }
        });
        if unless_terminated(socket, Box::pin(room)).await.is_none() {
            return;
        }
        match unless_terminated(socket, Box::pin(transport::within(limit, body.chunk()))).await {
            Some(Ok(Some(chunk))) => push_body(socket, chunk),
            Some(Ok(None)) => done = true,
            Some(Err(error)) if error.kind == ErrorKind::Timeout => {
                return socket.tell(|batch, slot| report::push_failure(batch, slot, &error));
            }
            None | Some(Err(_)) => return,
        }
    }
    socket.tell(|batch, slot| batch.push(slot, Kind::BodyEnd, 0, &[]));
}

fn push_body(socket: &Arc<Socket>, chunk: Vec<u8>) {
    if !chunk.is_empty() {
        let mut batch = Batch::default();
        batch.push_owned(socket.slot, Kind::Body, 0, chunk);
        socket.deliver(&mut batch);
    }
}

/// Waits for `future`, or until JavaScript terminates the socket.
async fn unless_terminated<F: Future>(socket: &Socket, mut future: Pin<Box<F>>) -> Option<F::Output> {
    poll_fn(|cx| {
        socket.task.register(cx.waker());
        if socket.side().ending == WantedEnd::Terminate {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}
