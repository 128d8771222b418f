//! A plain HTTP request: offered to a listener as `request`, answered by its `response`.
//!
//! Small ones travel on the control channel. A large or chunked body, one that is not there at once, and any response that
//! the listener prefers to send so, go over a rendezvous, and from then on so does all that comes on the same connection
//! of the sender.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot::{self, error::RecvError};
use tokio::time::{Instant, timeout, timeout_at};

use super::event::RelayEvent;
use super::exchange::{AdmittedRequest, ExchangeEnd, HttpExchange, late, shutting_down};
use super::fault::{BodySide, RequestedAction};
use super::namespace::channel::{ChannelHandle, ChannelMessage};
use super::namespace::offers::{eligible, rendezvous_address};
use super::namespace::{Namespace, Pending, RendezvousVerdict, RequestOutcome};
use super::record::{RecordDetail, RecordedHandshake, RecordedRequest};
use super::refusal::RelayRefusal;
use super::request_leg::RequestLeg;
use super::request_pump;
use super::request_tap::RequestTap;
use super::stream::InboundConnection;
use crate::http::{BodyLength, HttpRequestHead};
use crate::protocol::control::{MAX_INLINE, Response};
use crate::protocol::target::RequestTarget;

/// How long a body may take that is "at once available".
const AT_ONCE: Duration = Duration::from_millis(500);

/// What a listener did about a request.
enum RequestMet {
    /// It answered on the control channel.
    Answered(Response, Vec<u8>),
    /// It opened a rendezvous; `told` where the offer had all of the request.
    Opened { leg: Box<RequestLeg>, told: bool },
}

/// Runs an admitted request to its end, over `leg` if there is one; leaves there what was opened.
pub async fn run(
    namespace: &Arc<Namespace>,
    sender: &mut InboundConnection,
    leg: &mut Option<Box<RequestLeg>>,
    head: &HttpRequestHead,
    target: &RequestTarget<'_>,
    admitted: AdmittedRequest,
) -> ExchangeEnd {
    namespace.count(|totals| &mut totals.requests);
    let peer = (sender.peer.ip().to_string(), sender.peer.port());
    let AdmittedRequest { path, consumed, token } = admitted;
    let mut exchange =
        match HttpExchange::new(namespace, head, target, path, consumed, peer, &sender.authority) {
            Ok(exchange) => exchange,
            Err(refusal) => return ExchangeEnd::Refused(refusal),
        };
    let (path, id) = (exchange.path.clone(), exchange.id.clone());
    namespace.record(&path, &id, || {
        let handshake = RecordedHandshake::of(sender.peer, head, token);
        let length = exchange.known_length();
        RecordDetail::Request(Box::new(RecordedRequest { method: head.method.clone(), handshake, length }))
    });
    namespace.emit(&RelayEvent::Request { path, id, method: head.method.clone() });
    let end = carry_out(&mut exchange, sender, leg).await;
    let (status, failure) = end.told();
    exchange.seen(|tap| tap.end(status, failure));
    end
}

async fn carry_out(
    exchange: &mut HttpExchange<'_>,
    sender: &mut InboundConnection,
    leg: &mut Option<Box<RequestLeg>>,
) -> ExchangeEnd {
    let (namespace, head) = (exchange.namespace, exchange.head);
    let (path, id) = (exchange.path.clone(), exchange.id.clone());

    // Another hybrid connection, or a request that is not for this listener, has to find a rendezvous of its own.
    if let Some(other) = leg.take_if(|own| own.path != path || !eligible(head)(&own.listener)) {
        other.close(1001, "").await;
    }
    // Without a listener there is no point in reading a body.
    if leg.is_none()
        && let Err(refusal) = namespace.listeners(&path, eligible(head))
    {
        return ExchangeEnd::Refused(refusal);
    }
    if exchange.expects_continue() && ask_for_body(sender).await.is_err() {
        return ExchangeEnd::SenderGone;
    }
    let (seat, mut outcome) = namespace.await_response(&path, &id);
    let mut told = false;
    if leg.is_none() {
        match meet(exchange, sender, &mut outcome).await {
            Err(end) => return end,
            Ok(RequestMet::Answered(response, body)) => {
                drop(seat);
                return answer(exchange, sender, &response, &body).await;
            }
            Ok(RequestMet::Opened { leg: opened, told: by_offer }) => {
                *leg = Some(opened);
                told = by_offer;
            }
        }
    }
    match leg {
        Some(leg) => request_pump::run(exchange, sender, leg, told, outcome).await,
        None => ExchangeEnd::SenderGone,
    }
}

/// Asks a sender for the body that it holds back.
async fn ask_for_body(sender: &mut InboundConnection) -> io::Result<()> {
    sender.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    sender.stream.flush().await
}

/// Offers the request and waits for what becomes of it.
async fn meet(
    exchange: &mut HttpExchange<'_>,
    sender: &mut InboundConnection,
    outcome: &mut oneshot::Receiver<RequestOutcome>,
) -> Result<RequestMet, ExchangeEnd> {
    let body = read_at_once(exchange, sender).await?;
    tokio::select! {
        met = offer(exchange, body, outcome) => met.map_err(ExchangeEnd::Refused),
        () = sender.gone() => Err(ExchangeEnd::SenderGone),
    }
}

/// The body, where it is small, of a known length, and there.
async fn read_at_once(
    exchange: &mut HttpExchange<'_>,
    sender: &mut InboundConnection,
) -> Result<Option<Vec<u8>>, ExchangeEnd> {
    let size = match exchange.length {
        BodyLength::None => return Ok(Some(Vec::new())),
        BodyLength::Known(size) => usize::try_from(size).unwrap_or(usize::MAX),
        BodyLength::Chunked | BodyLength::UntilClose => return Ok(None),
    };
    // The service counts the head of a request, too.
    if size.saturating_add(exchange.head_size()) > MAX_INLINE {
        return Ok(None);
    }
    match timeout(AT_ONCE, sender.read_early(size)).await {
        Err(_) => Ok(None),
        Ok(Err(_)) => Err(ExchangeEnd::SenderGone),
        Ok(Ok(())) => {
            let (early, mut body) = (std::mem::take(&mut sender.early), Vec::new());
            // Of a body whose length is known nothing can be malformed.
            let rest = exchange.upload.push(&early, &mut body).unwrap_or_default();
            sender.early = rest.to_vec();
            exchange.seen(|tap| tap.upload(&body));
            Ok(Some(body))
        }
    }
}

/// Offers the request, in full form where its body is there, and waits for what a listener does about it.
async fn offer(
    exchange: &HttpExchange<'_>,
    body: Option<Vec<u8>>,
    outcome: &mut oneshot::Receiver<RequestOutcome>,
) -> Result<RequestMet, RelayRefusal> {
    let HttpExchange { namespace, time, .. } = exchange;
    let deadline = Instant::now() + *time;
    let (verdict, met) = oneshot::channel();
    let waiting = namespace.open_rendezvous(Pending {
        action: RequestedAction::Rendezvous,
        protocols: Vec::new(),
        expires: (Instant::now() + *time).into_std(),
        verdict,
    });
    let offering = bring(exchange, body.as_ref(), &waiting.secret);
    let listener = tokio::select! {
        offered = timeout_at(deadline, offering) => offered.unwrap_or_else(|_| Err(late()))?,
        // A quick listener answers before the relay knows that the offer is out.
        settled = &mut *outcome => return settle(settled),
    };
    let answered = async {
        tokio::select! {
            settled = &mut *outcome => settle(settled),
            verdict = met => {
                let leg = open(exchange, verdict, listener).await?;
                Ok(RequestMet::Opened { leg: Box::new(leg), told: body.is_some() })
            }
        }
    };
    timeout_at(deadline, answered).await.unwrap_or_else(|_| Err(late()))
}

/// Brings the offer to a listener: the id of the one that has it.
async fn bring(
    exchange: &HttpExchange<'_>,
    body: Option<&Vec<u8>>,
    secret: &str,
) -> Result<String, RelayRefusal> {
    let HttpExchange { namespace, head, target, path, id, .. } = exchange;
    let mut listener = String::new();
    loop {
        let mut told = None;
        let message = |own: &ChannelHandle| {
            let address = rendezvous_address(namespace, own, target, "request", id, secret);
            listener.clone_from(&own.id);
            let (sent, left) = oneshot::channel();
            told = Some(left);
            let text = match body {
                None => exchange.short_form(address),
                Some(body) => exchange.full_form(Some(address), !body.is_empty()),
            };
            ChannelMessage::Offer { text, body: body.filter(|body| !body.is_empty()).cloned(), sent }
        };
        if !namespace.offer(path, eligible(head), message).await? {
            return Err(RelayRefusal::new(503, "The listeners have too many requests waiting."));
        }
        // If it never left the relay, because its channel ended, the next listener is asked.
        if let Some(left) = told
            && left.await.is_ok()
        {
            exchange.seen(|tap| tap.queued(&listener));
            return Ok(listener);
        }
    }
}

/// Opens the rendezvous that a listener has dialled.
async fn open(
    exchange: &HttpExchange<'_>,
    verdict: Result<RendezvousVerdict, RecvError>,
    listener: String,
) -> Result<RequestLeg, RelayRefusal> {
    let HttpExchange { namespace, path, id, .. } = exchange;
    match verdict {
        Ok(RendezvousVerdict::Accepted { connection, upgrade }) => {
            let seat = namespace.enter_pipe("http", path, id, &listener);
            let signals = namespace.signals.subscribe();
            exchange.seen(RequestTap::accepted);
            let opened =
                RequestLeg::open(*connection, &upgrade, (path.clone(), listener), seat, signals).await;
            opened.map_err(|_| RelayRefusal::new(502, "The listener closed the rendezvous."))
        }
        Ok(RendezvousVerdict::Rejected(refusal)) => Err(refusal),
        Err(_) => Err(shutting_down()),
    }
}

fn settle(outcome: Result<RequestOutcome, RecvError>) -> Result<RequestMet, RelayRefusal> {
    match outcome {
        Ok(RequestOutcome::Answered(response, body)) => Ok(RequestMet::Answered(response, body)),
        Ok(RequestOutcome::Unusable(why)) => Err(RelayRefusal::new(502, why)),
        Ok(RequestOutcome::Expired) => Err(late()),
        Err(_) => Err(shutting_down()),
    }
}

/// Writes a response that came on the control channel.
async fn answer(
    exchange: &HttpExchange<'_>,
    sender: &mut InboundConnection,
    response: &Response,
    body: &[u8],
) -> ExchangeEnd {
    if body.len() > MAX_INLINE {
        let text = "The listener's response is longer than 64 kB and came on the control channel.";
        return ExchangeEnd::Refused(RelayRefusal::new(502, text));
    }
    let body = if exchange.takes_body(response) { body } else { &[] };
    // What is unread of the request would be taken for the next one.
    let keep_alive = exchange.keep_alive() && exchange.upload.is_done();
    let framing = if body.is_empty() { BodyLength::None } else { BodyLength::Known(body.len() as u64) };
    exchange.seen(RequestTap::accepted);
    let mut bytes = match exchange.response_head(response, framing, keep_alive) {
        Ok(head) => head,
        Err(refusal) => return ExchangeEnd::Refused(refusal),
    };
    exchange.seen(|tap| tap.responded(response, "channel"));
    let left = if body.is_empty() { None } else { exchange.namespace.planned_cut(BodySide::Response) };
    let whole = left.is_none();
    let passed =
        left.map_or(body.len(), |left| usize::try_from(left).unwrap_or(usize::MAX).min(body.len() - 1));
    let passed = body.get(..passed).unwrap_or_default();
    bytes.extend_from_slice(passed);
    exchange.seen(|tap| tap.download(passed));
    let write = async {
        sender.stream.write_all(&bytes).await?;
        sender.stream.flush().await
    };
    match timeout(exchange.time, write).await {
        Ok(Ok(())) if !whole => ExchangeEnd::Cut { reset: false },
        Ok(Ok(())) if keep_alive => ExchangeEnd::Next,
        Ok(Ok(())) => ExchangeEnd::Done,
        _ => ExchangeEnd::SenderGone,
    }
}
