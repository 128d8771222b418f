//! A plain HTTP request: offered to a listener as `request`, answered by its `response`.
//!
//! Small ones travel on the control channel; a large or chunked body, and any response that the listener
//! prefers to send so, on a rendezvous of their own.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::admission::TOKEN_HEADER;
use super::event::Event;
use super::fault::Action;
use super::http::{self, RequestBody};
use super::namespace::{Listener, Message, Namespace, Pending, Verdict};
use super::protocol::{self, Headers, RequestDetails, Response};
use super::refusal::Refusal;
use super::request_leg::RequestLeg;
use super::sender::{eligible, rendezvous_address};
use super::server::refuse;
use super::stream::Connection;
use super::target::Target;
use crate::http::headers::{has_member, merged};
use crate::http::write::put_chunk;
use crate::http::{BodyLength, HttpRequestHead};

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

struct Request<'a> {
    namespace: &'a Arc<Namespace>,
    head: &'a HttpRequestHead,
    target: &'a Target,
    path: String,
    id: String,
    headers: Headers,
    body: RequestBody,
    /// The body, where it is small enough to have been read in advance.
    inline: Option<Vec<u8>>,
    time: Duration,
}

/// Runs an admitted request to its end.
pub async fn run(
    namespace: &Arc<Namespace>,
    mut connection: Connection,
    head: &HttpRequestHead,
    target: &Target,
    path: String,
    consumed: bool,
) {
    namespace.count(|totals| &mut totals.requests);
    let id = namespace.tracking_id();
    let method = head.method.clone();
    namespace.emit(&Event::Request { path: path.clone(), id: id.clone(), method });

    let length = match BodyLength::of_request(head) {
        Ok(length) => length,
        Err(_) => {
            let refusal = Refusal::new(400, "The length of the body is not valid.");
            return refuse(namespace, connection, &target.path, &refusal).await;
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
    let (body, headers) = (RequestBody::new(length), Headers(headers));
    let mut request = Request { namespace, head, target, path, id, headers, body, inline: None, time };
    if let Err(refusal) = request.exchange(&mut connection, length).await {
        match refusal {
            Some(refusal) => return refuse(namespace, connection, &target.path, &refusal).await,
            // The head of a response is already out: only the end of the connection can tell of the failure.
            None => return,
        }
    }
    connection.finish().await;
}

impl Request<'_> {
    /// Offers the request and sends the response to `sender`.
    async fn exchange(&mut self, sender: &mut Connection, length: BodyLength) -> Result<(), Option<Refusal>> {
        // Without a listener there is no point in reading a body.
        self.namespace.listeners(&self.path, eligible(self.head)).map_err(Some)?;
        if length != BodyLength::None && has_member(&self.head.headers, "expect", "100-continue") {
            let _ = sender.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        }
        let head_size: usize = self.headers.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.inline = match length {
            BodyLength::None if head_size <= MAX_INLINE => Some(Vec::new()),
            BodyLength::Known(size) if size.saturating_add(head_size as u64) <= MAX_INLINE as u64 => {
                Some(self.read_body(sender).await.ok_or(None)?)
            }
            _ => None,
        };

        let (verdict, met) = oneshot::channel();
        let mut waiting = self.namespace.open_rendezvous(Pending {
            action: Action::Request,
            protocols: Vec::new(),
            expires: Instant::now() + self.time,
            verdict,
        });
        let response = waiting.expect_response(&self.id);
        let late = || Some(Refusal::new(504, "The listener did not respond in time."));
        let away = || Some(Refusal::new(502, "The listener did not respond."));
        let offer = |own: &Listener| {
            let address =
                rendezvous_address(self.namespace, own, self.target, "request", &self.id, &waiting.secret);
            match &self.inline {
                None => Message::Text(protocol::request(&address, &self.id, None)),
                Some(body) if body.is_empty() => Message::Text(self.describe(&address, sender)),
                Some(body) => Message::WithBody(self.describe(&address, sender), body.clone()),
            }
        };
        let offered = timeout(self.time, self.namespace.offer(&self.path, eligible(self.head), offer)).await;
        if !offered.map_err(|_| late())?.map_err(Some)? {
            return Err(late());
        }
        let answered = async {
            tokio::select! {
                Ok(response) = response => Ok(Answer::Here(response)),
                Ok(verdict) = met => Ok(Answer::There(verdict)),
                else => Err(away()),
            }
        };
        match timeout(self.time, answered).await.map_err(|_| late())?? {
            Answer::Here(response) => {
                let headers = self.response_headers(&response, &sender.authority);
                let bodiless = self.head.method == "HEAD" || matches!(response.status, 204 | 304);
                let body: &[u8] = if bodiless { &[] } else { &response.body };
                let (status, text) = check_status(&response)?;
                http::respond(&mut sender.stream, status, text, &headers, body).await.map_err(|_| None)
            }
            Answer::There(Verdict::Accepted { connection, upgrade }) => {
                let mut leg = RequestLeg::open(*connection, &upgrade).await.map_err(|_| away())?;
                let result = self.over_leg(sender, &mut leg).await;
                leg.close(if result.is_ok() { 1000 } else { 1001 }).await;
                result
            }
            Answer::There(Verdict::Rejected(refusal)) => Err(Some(refusal)),
        }
    }

    fn describe(&self, address: &str, sender: &Connection) -> String {
        let request_target = self.target.logical();
        let details = RequestDetails {
            request_target: &request_target,
            method: &self.head.method,
            request_headers: &self.headers,
            body: self.inline.as_ref().is_none_or(|body| !body.is_empty()),
            remote_endpoint: sender.peer,
        };
        protocol::request(address, &self.id, Some(details))
    }

    async fn read_body(&mut self, sender: &mut Connection) -> Option<Vec<u8>> {
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
        sender: &mut Connection,
        leg: &mut RequestLeg,
    ) -> Result<(), Option<Refusal>> {
        let gone = |_| Some(Refusal::new(502, "The listener closed the rendezvous."));
        let late = |_| Some(Refusal::new(504, "The listener did not respond in time."));
        if self.inline.is_none() {
            let text = self.describe("", sender);
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
        let protocol::FromListener::Response(response) = protocol::parse(&text) else {
            return Err(Some(Refusal::new(502, "The response of the listener is not valid.")));
        };
        let (status, text) = check_status(&response)?;
        let headers = self.response_headers(&response, &sender.authority);
        let bodiless = self.head.method == "HEAD" || matches!(status, 204 | 304);
        if !response.has_body || bodiless {
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

    fn response_headers(&self, response: &Response, authority: &str) -> Vec<(String, String)> {
        let ends_here = |name: &str| HOP_BY_HOP.iter().any(|own| own.eq_ignore_ascii_case(name));
        let mut headers: Vec<_> =
            response.headers.iter().filter(|(name, _)| !ends_here(name)).cloned().collect();
        add_via(&mut headers, authority);
        headers
    }
}

enum Answer {
    /// On the control channel.
    Here(Response),
    /// On a rendezvous.
    There(Verdict),
}

fn check_status(response: &Response) -> Result<(u16, &str), Option<Refusal>> {
    if response.status < 200 {
        return Err(Some(Refusal::new(502, "The status of the listener's response is not valid.")));
    }
    Ok((response.status, &response.description))
}

fn add_via(headers: &mut Vec<(String, String)>, authority: &str) {
    let own = format!("1.1 {authority}");
    match headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("via")) {
        Some((_, value)) => *value = format!("{value}, {own}"),
        None => headers.push(("Via".to_owned(), own)),
    }
}
