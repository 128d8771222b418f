//! One HTTP request as the service sees it: what of it reaches the listener, and what of the response the sender.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::admission::TOKEN_HEADER;
use super::http;
use super::namespace::Namespace;
use super::namespace::channel::EndOrder;
use super::refusal::RelayRefusal;
use super::request_tap::RequestTap;
use super::token_fate::TokenFate;
use super::written_target::as_passed_on;
use crate::http::headers::{HOP_BY_HOP, HeaderList, has_member, joined, members, merged};
use crate::http::{BodyLength, BodyReader, HttpRequestHead};
use crate::protocol::control::{self, MAX_METADATA, Request, RequestHead, Response};
use crate::protocol::target::RequestTarget;

/// What comes after a request.
#[derive(Debug)]
pub enum ExchangeEnd {
    /// The sender's next one.
    Next,
    /// The end of the connection: the response is out, and all of it.
    Done,
    /// The end of the connection, since nobody is there to read a response.
    SenderGone,
    /// The end of the connection in the middle of a response. With `reset` there is no other sign of that.
    Cut {
        /// RST instead of FIN.
        reset: bool,
    },
    /// An answer of the service's own; nothing of another one is out.
    Refused(RelayRefusal),
    /// The end of both connections, by order.
    Ordered(EndOrder),
}

impl ExchangeEnd {
    /// What a record says of it: the status of the relay's own answer, and why there is no whole response.
    pub fn told(&self) -> (Option<u16>, Option<String>) {
        let failure = match self {
            ExchangeEnd::Next | ExchangeEnd::Done => return (None, None),
            ExchangeEnd::Refused(refusal) => return (Some(refusal.status), Some(refusal.text.clone())),
            ExchangeEnd::SenderGone => "The sender is gone, or does not read.",
            ExchangeEnd::Cut { .. } => "The response ended before its end.",
            ExchangeEnd::Ordered(_) => "The relay was told to end the connection.",
        };
        (None, Some(failure.to_owned()))
    }
}

/// What a request was admitted as.
pub struct AdmittedRequest {
    /// The hybrid connection.
    pub path: String,
    /// `Authorization` was used up as the relay's token.
    pub consumed: bool,
    /// What became of its token.
    pub token: TokenFate,
}

/// A request that was admitted.
pub struct HttpExchange<'a> {
    /// Where it came in.
    pub namespace: &'a Arc<Namespace>,
    /// As the sender sent it.
    pub head: &'a HttpRequestHead,
    /// What it asks for.
    pub target: &'a RequestTarget<'a>,
    /// The hybrid connection.
    pub path: String,
    /// Its own.
    pub id: String,
    /// How the sender's body ends.
    pub length: BodyLength,
    /// The sender's body.
    pub upload: BodyReader,
    /// What the listener may take at each step.
    pub time: Duration,
    /// There while somebody records.
    pub tap: Option<RequestTap>,
    headers: HeaderList,
    remote_endpoint: (String, u16),
    authority: String,
}

impl<'a> HttpExchange<'a> {
    /// `path` is the hybrid connection, `consumed` where `Authorization` was the relay's token; `authority` is the relay's name for the sender.
    ///
    /// # Errors
    /// The sender's head cannot be passed on.
    pub fn new(
        namespace: &'a Arc<Namespace>,
        head: &'a HttpRequestHead,
        target: &'a RequestTarget<'a>,
        path: String,
        consumed: bool,
        remote_endpoint: (String, u16),
        authority: &str,
    ) -> Result<Self, RelayRefusal> {
        let length = BodyLength::of_request(head)
            .map_err(|_| RelayRefusal::new(400, "The length of the body is not valid."))?;
        let mut left_out = vec!["Host", "Expect", TOKEN_HEADER];
        if consumed {
            left_out.push("Authorization");
        }
        let headers = end_to_end(&head.headers, &left_out, authority);
        if size_of(&headers) > MAX_METADATA {
            return Err(RelayRefusal::new(431, "The headers of the request are longer than 32 kB."));
        }
        let id = namespace.tracking_id();
        let store = namespace.recorder().cloned();
        let tap = store.map(|store| RequestTap::new(store, &path, &id, &head.headers));
        Ok(Self {
            namespace,
            head,
            target,
            path,
            id,
            tap,
            length,
            upload: BodyReader::new(length),
            time: Duration::from_millis(namespace.options.response_timeout),
            headers,
            remote_endpoint,
            authority: authority.to_owned(),
        })
    }

    /// Tells whoever records.
    pub fn seen(&self, act: impl FnOnce(&RequestTap)) {
        if let Some(tap) = &self.tap {
            act(tap);
        }
    }

    /// What counts of the head towards what fits on a control channel.
    pub fn head_size(&self) -> usize {
        size_of(&self.headers)
    }

    /// The short form, which only tells the address.
    pub fn short_form(&self, address: String) -> String {
        control::request(Request { id: self.id.clone(), address: Some(address), head: None })
    }

    /// The form that tells all but the body. On a rendezvous there is no address.
    pub fn full_form(&self, address: Option<String>, body: bool) -> String {
        let head = RequestHead {
            method: self.head.method.clone(),
            target: as_passed_on(&self.target.logical()),
            headers: self.headers.clone(),
            remote_endpoint: Some(self.remote_endpoint.clone()),
            body,
        };
        control::request(Request { id: self.id.clone(), address, head: Some(head) })
    }

    /// The length of the sender's body, where it says so.
    pub fn known_length(&self) -> Option<u64> {
        match self.length {
            BodyLength::None => Some(0),
            BodyLength::Known(length) => Some(length),
            BodyLength::Chunked | BodyLength::UntilClose => None,
        }
    }

    /// Whether the sender's connection may outlive this, as far as the sender is concerned.
    pub fn keep_alive(&self) -> bool {
        self.head.version == "1.1" && !has_member(&self.head.headers, "connection", "close")
    }

    /// Whether the sender waits with its body until it is asked for it.
    pub fn expects_continue(&self) -> bool {
        self.length != BodyLength::None && has_member(&self.head.headers, "expect", "100-continue")
    }

    /// Whether the response can have a body.
    pub fn takes_body(&self, response: &Response) -> bool {
        self.head.method != "HEAD" && http::has_body(response.status_code)
    }

    /// The head of the response, whose body ends as `body` tells.
    ///
    /// # Errors
    /// The listener's head cannot be passed on.
    pub fn response_head(
        &self,
        response: &Response,
        body: BodyLength,
        keep_alive: bool,
    ) -> Result<Zeroizing<Vec<u8>>, RelayRefusal> {
        if response.status_code < 200 {
            return Err(RelayRefusal::new(502, "The status of the listener's response is not valid."));
        }
        let headers = end_to_end(&response.response_headers, &[], &self.authority);
        if size_of(&headers) > MAX_METADATA {
            return Err(RelayRefusal::new(
                502,
                "The headers of the listener's response are longer than 32 kB.",
            ));
        }
        let body = self.takes_body(response).then_some(body);
        http::response_head(response.status_code, &response.status_description, &headers, body, keep_alive)
            .map_err(|_: io::Error| RelayRefusal::new(502, "The listener's response is not valid."))
    }
}

/// The refusal where the listener takes too long.
pub fn late() -> RelayRefusal {
    RelayRefusal::new(504, "The listener did not respond in time.")
}

/// The refusal at the end of the relay.
pub fn shutting_down() -> RelayRefusal {
    RelayRefusal::new(503, "The relay is shutting down.")
}

/// What of `headers` goes beyond this hop, one pair a name, with this hop in `Via`.
fn end_to_end(headers: &[(String, String)], left_out: &[&str], authority: &str) -> HeaderList {
    let named: Vec<&str> = members(headers, "connection").collect();
    let mut passed = merged(headers, &[&HOP_BY_HOP, left_out, &named].concat());
    let own = format!("1.1 {authority}");
    let via = joined(&passed, "via").map_or_else(|| own.clone(), |before| format!("{before}, {own}"));
    match passed.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("via")) {
        Some((_, value)) => *value = via,
        None => passed.push(("Via".to_owned(), via)),
    }
    passed
}

fn size_of(headers: &[(String, String)]) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(headers: &[(&str, &str)]) -> HeaderList {
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_hop_takes_its_own_headers_off_and_names_itself() {
        let sent = list(&[
            ("Host", "h"),
            ("connection", "X-Hop, keep-alive, via"),
            ("X-hop", "1"),
            ("X-A", "1"),
            ("Cookie", "a=b"),
            ("x-a", "2"),
            ("Transfer-Encoding", "chunked"),
            ("ServiceBusAuthorization", "secret"),
        ]);
        let expected = list(&[("X-A", "1, 2"), ("Cookie", "a=b"), ("Via", "1.1 ns")]);
        assert_eq!(end_to_end(&sent, &["Host", TOKEN_HEADER], "ns"), expected);
        let twice = list(&[("via", "1.0 a"), ("Via", "1.1 b")]);
        assert_eq!(end_to_end(&twice, &[], "ns"), list(&[("via", "1.0 a, 1.1 b, 1.1 ns")]));
    }

    proptest! {
        #[test]
        fn nothing_that_ends_here_goes_on(
            headers in proptest::collection::vec(("(?i)connection|upgrade|te|x-[a-c]|close|via", "[a-z, -]{0,12}"), 0..8)
        ) {
            let passed = end_to_end(&headers, &["X-B"], "ns");
            let named: Vec<_> = members(&headers, "connection").collect();
            for (name, _) in &passed {
                let is = |other: &&str| other.eq_ignore_ascii_case(name);
                prop_assert!(!HOP_BY_HOP.iter().any(is) && !is(&"X-B"));
                prop_assert!(is(&"Via") || !named.iter().any(is));
                prop_assert_eq!(passed.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).count(), 1);
            }
        }
    }
}
