//! A plain HTTP request: offered to a listener as `request`, answered by its `response`.
//!
//! Small ones travel on the control channel; a large or chunked body, and any response that the listener
//! prefers to send so, on a rendezvous of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::admission::TOKEN_HEADER;
use super::event::RelayEvent;
use super::fault::RequestedAction;
use super::http::{self, RequestBody};
use super::namespace::channel::{ChannelHandle, ChannelMessage};
use super::namespace::offers::{eligible, rendezvous_address};
use super::namespace::{Namespace, Pending, RendezvousVerdict};
use super::refusal::RelayRefusal;
use super::request_leg::RequestLeg;
use super::stream::InboundConnection;
use crate::http::headers::{HeaderList, has_member, merged};
use crate::http::write::put_chunk;
use crate::http::{BodyLength, HttpRequestHead};
use crate::protocol::control::{self, Request, RequestHead, Response, parse_listener_message};
use crate::protocol::target::RequestTarget;

/// What fits on the control channel.
const MAX_INLINE: usize = 64 * 1024;
/// Headers that end at each hop.
const HOP_BY_HOP: [&str; 9] = [
    "Connection",
    "Content-Length",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Close",
];

struct HttpExchange<'a> {
    namespace: &'a Arc<Namespace>,
    head: &'a HttpRequestHead,
    target: &'a RequestTarget<'a>,
    path: String,
    id: String,
    headers: HeaderList,
    body: RequestBody,
    /// The body, where it is small enough to have been read in advance.
    inline: Option<Vec<u8>>,
    time: Duration,
}

/// Runs an admitted request to its end.
pub async fn run(
    namespace: &Arc<Namespace>,
    mut connection: InboundConnection,
    head: &HttpRequestHead,
    target: &RequestTarget<'_>,
    path: String,
    consumed: bool,
) {
    namespace.count(|totals| &mut totals.requests);
    let id = namespace.tracking_id();
    let method = head.method.clone();
    namespace.emit(&RelayEvent::Request { path: path.clone(), id: id.clone(), method });

    let length = match BodyLength::of_request(head) {
        Ok(length) => length,
        Err(_) => {
            let refusal = RelayRefusal::new(400, "The length of the body is not valid.");
            return namespace.refuse(connection, target.path, &refusal).await;
        }
    };
    let mut left_out = HOP_BY_HOP.to_vec();
    left_out.extend(["Host", "Expect", TOKEN_HEADER]);
    if consumed {
        left_out.push("Authorization");
    }
    let mut headers = merged(&head.headers, &left_out);
    add_via(&mut headers, &connection.authority);
    let time = Duration::from_millis(namespace.options.response_timeout);
    let body = RequestBody::new(length);
    let mut exchange = HttpExchange { namespace, head, target, path, id, headers, body, inline: None, time };
    if let Err(refusal) = exchange.run(&mut connection, length).await {
        match refusal {
            Some(refusal) => return namespace.refuse(connection, target.path, &refusal).await,
            // The head of a response is already out: only the end of the connection can tell of the failure.
            None => return,
        }
    }
    connection.finish().await;
}

impl HttpExchange<'_> {
    /// Offers the request and sends the response to `sender`.
    async fn run(
        &mut self,
        sender: &mut InboundConnection,
        length: BodyLength,
    ) -> Result<(), Option<RelayRefusal>> {
        // Without a listener there is no point in reading a body.
        self.namespace.listeners(&self.path, eligible(self.head)).map_err(Some)?;
        if length != BodyLength::None && has_member(&self.head.headers, "expect", "100-continue") {
            let _ = sender.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        }
        let head_size: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.inline = match length {
            BodyLength::None if head_size <= MAX_INLINE => Some(Vec::new()),
            BodyLength::Known(size) if size.saturating_add(head_size as u64) <= MAX_INLINE as u64 => {
                Some(self.read_body(sender).await.ok_or(None)?)
            }
            _ => None,
        };

        let (verdict, met) = oneshot::channel();
        let mut waiting = self.namespace.open_rendezvous(Pending {
            action: RequestedAction::Request,
            protocols: Vec::new(),
            expires: Instant::now() + self.time,
            verdict,
        });
        let response = waiting.expect_response(&self.id);
        let late = || Some(RelayRefusal::new(504, "The listener did not respond in time."));
        let away = || Some(RelayRefusal::new(502, "The listener did not respond."));
        let offer = |own: &ChannelHandle| {
            let address =
                rendezvous_address(self.namespace, own, self.target, "request", &self.id, &waiting.secret);
            match &self.inline {
                None => ChannelMessage::Text(self.offer_of(address, None)),
                Some(body) if body.is_empty() => ChannelMessage::Text(self.describe(address, sender)),
                Some(body) => ChannelMessage::WithBody(self.describe(address, sender), body.clone()),
            }
        };
        let offered = timeout(self.time, self.namespace.offer(&self.path, eligible(self.head), offer)).await;
        if !offered.map_err(|_| late())?.map_err(Some)? {
            return Err(late());
        }
        let answered = async {
            tokio::select! {
                Ok(response) = response => Ok(ResponseWay::Here(response)),
                Ok(verdict) = met => Ok(ResponseWay::There(verdict)),
                else => Err(away()),
            }
        };
        match timeout(self.time, answered).await.map_err(|_| late())?? {
            ResponseWay::Here((response, body)) => {
                let headers = self.response_headers(&response, &sender.authority);
                let (status, text) = check_status(&response)?;
                let body: &[u8] = if self.is_bodiless(status) { &[] } else { &body };
                http::respond(&mut sender.stream, status, text, &headers, body).await.map_err(|_| None)
            }
            ResponseWay::There(RendezvousVerdict::Accepted { connection, upgrade }) => {
                let mut leg = RequestLeg::open(*connection, &upgrade).await.map_err(|_| away())?;
                let result = self.over_leg(sender, &mut leg).await;
                leg.close(if result.is_ok() { 1000 } else { 1001 }).await;
                result
            }
            ResponseWay::There(RendezvousVerdict::Rejected(refusal)) => Err(Some(refusal)),
        }
    }

    /// The long form of the `request`, which says all but the body.
    fn describe(&self, address: String, sender: &InboundConnection) -> String {
        let head = RequestHead {
            method: self.head.method.clone(),
            target: self.target.logical(),
            headers: self.headers.clone(),
            remote_endpoint: Some((sender.peer.ip().to_string(), sender.peer.port())),
            body: self.inline.as_ref().is_none_or(|body| !body.is_empty()),
        };
        self.offer_of(address, Some(head))
    }

    fn offer_of(&self, address: String, head: Option<RequestHead>) -> String {
        control::request(Request { id: self.id.clone(), address: Some(address), head })
    }

    async fn read_body(&mut self, sender: &mut InboundConnection) -> Option<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let next = self.body.next(&mut sender.stream, &mut sender.early);
            match timeout(self.time, next).await.ok()?.ok()? {
                Some(piece) => all.extend(piece),
                None => return Some(all),
            }
        }
    }

    /// Sends the request, unless the listener has it, and relays the response.
    async fn over_leg(
        &mut self,
        sender: &mut InboundConnection,
        leg: &mut RequestLeg,
    ) -> Result<(), Option<RelayRefusal>> {
        let gone = |_| Some(RelayRefusal::new(502, "The listener closed the rendezvous."));
        let late = |_| Some(RelayRefusal::new(504, "The listener did not respond in time."));
        if self.inline.is_none() {
            let text = self.describe(String::new(), sender);
            leg.send_text(&text).await.map_err(gone)?;
            let mut first = true;
            loop {
                let next = self.body.next(&mut sender.stream, &mut sender.early);
                let piece = timeout(self.time, next).await.map_err(|_| None)?.map_err(|_| None)?;
                leg.send_piece(first, piece.as_deref()).await.map_err(gone)?;
                first = false;
                if piece.is_none() {
                    break;
                }
            }
        }
        let text = timeout(self.time, leg.next_text()).await.map_err(late)?.map_err(gone)?;
        let Some(response) = parse_listener_message(&text).and_then(|message| message.response) else {
            return Err(Some(RelayRefusal::new(502, "The response of the listener is not valid.")));
        };
        let (status, text) = check_status(&response)?;
        let headers = self.response_headers(&response, &sender.authority);
        if !response.body || self.is_bodiless(status) {
            return http::respond(&mut sender.stream, status, text, &headers, b"").await.map_err(|_| None);
        }
        // Without chunks, for HTTP/1.0, the end of the connection is the end of the body.
        let chunked = self.head.version == "1.1";
        let head = http::streaming_head(status, text, &headers, chunked).map_err(|_| None)?;
        sender.stream.write_all(&head).await.map_err(|_| None)?;
        loop {
            let next = timeout(self.time, leg.next_piece()).await.map_err(|_| None)?;
            let piece = next.map_err(|_| None)?;
            let mut out = Vec::new();
            match &piece {
                Some(bytes) if chunked && !bytes.is_empty() => put_chunk(&mut out, bytes),
                Some(bytes) => out.extend_from_slice(bytes),
                None if chunked => put_chunk(&mut out, b""),
                None => {}
            }
            sender.stream.write_all(&out).await.map_err(|_| None)?;
            sender.stream.flush().await.map_err(|_| None)?;
            if piece.is_none() {
                return Ok(());
            }
        }
    }

    fn is_bodiless(&self, status: u16) -> bool {
        self.head.method == "HEAD" || matches!(status, 204 | 304)
    }

    fn response_headers(&self, response: &Response, authority: &str) -> HeaderList {
        let ends_here = |name: &str| HOP_BY_HOP.iter().any(|own| own.eq_ignore_ascii_case(name));
        let mut headers: Vec<_> =
            response.response_headers.iter().filter(|(name, _)| !ends_here(name)).cloned().collect();
        add_via(&mut headers, authority);
        headers
    }
}

enum ResponseWay {
    /// On the control channel.
    Here((Response, Vec<u8>)),
    /// On a rendezvous.
    There(RendezvousVerdict),
}

fn check_status(response: &Response) -> Result<(u16, &str), Option<RelayRefusal>> {
    if response.status_code < 200 {
        return Err(Some(RelayRefusal::new(502, "The status of the listener's response is not valid.")));
    }
    Ok((response.status_code, &response.status_description))
}

fn add_via(headers: &mut Vec<(String, String)>, authority: &str) {
    let own = format!("1.1 {authority}");
    match headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("via")) {
        Some((_, value)) => *value = format!("{value}, {own}"),
        None => headers.push(("Via".to_owned(), own)),
    }
}
