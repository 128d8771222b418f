//! The JSON messages of the control channel, of both sides: read tolerantly (unknown fields and commands are no
//! error), written exactly as the protocol guide has them.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::fields::{as_endpoint, as_header_map, endpoint, header_map, status, tolerant_text};
use crate::error::{ErrorKind, RelayError};
use crate::http::headers::HeaderList;

/// Longest control message in bytes that is parsed. The service allows 32 KiB of header text; JSON escapes can
/// blow that up sixfold.
pub const MAX_MESSAGE: usize = 256 * 1024;

/// Names and values of the headers of a request or a response, in bytes: what the service takes at most.
pub const MAX_METADATA: usize = 32 * 1024;

/// Longest id in bytes of a request, which its answer repeats: no longer than all headers together.
pub const MAX_ID: usize = MAX_METADATA;

/// Longest body in bytes that goes by a control channel, either way.
pub const MAX_INLINE: usize = 64 * 1024;

/// What the relay said.
#[derive(Debug, Clone, PartialEq)]
pub enum ControlMessage {
    /// A sender wants a WebSocket.
    Accept(Accept),
    /// A sender made a plain HTTP request.
    Request(Request),
    /// A command that this version does not know, by name.
    Unknown(String),
}

/// A sender waits for a WebSocket at `address`.
#[derive(Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Accept {
    /// Where to dial; holds the credentials for this one connection. Opaque.
    pub address: String,
    /// The sender's tracking id, or the service's.
    #[serde(default, deserialize_with = "tolerant_text")]
    pub id: String,
    /// The headers of the sender's handshake.
    #[serde(default, deserialize_with = "header_map", serialize_with = "as_header_map")]
    pub connect_headers: HeaderList,
    /// Address and port of the sender as the service sees them.
    #[serde(default, deserialize_with = "endpoint", serialize_with = "as_endpoint")]
    pub remote_endpoint: Option<(String, u16)>,
}

/// Without the address and the headers: both may hold credentials.
impl fmt::Debug for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A plain HTTP request that was relayed to this listener.
#[derive(Clone, PartialEq)]
pub struct Request {
    /// The request's id; empty in a short form that has none.
    pub id: String,
    /// Where a long request is read, and a long response written. Opaque, with credentials.
    pub address: Option<String>,
    /// The request itself; absent in the short form, where it waits at `address`.
    pub head: Option<RequestHead>,
}

/// Without the address and the headers: both may hold credentials.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("id", &self.id)
            .field("short", &self.head.is_none())
            .finish_non_exhaustive()
    }
}

/// Request line and headers of a relayed HTTP request.
#[derive(Clone, PartialEq)]
pub struct RequestHead {
    /// `GET`, `POST` …
    pub method: String,
    /// Path and query.
    pub target: String,
    /// End-to-end headers.
    pub headers: HeaderList,
    /// Address and port of the sender as the service sees them.
    pub remote_endpoint: Option<(String, u16)>,
    /// True if the next binary message is the body.
    pub body: bool,
}

impl RequestHead {
    /// Bytes of its texts, near enough.
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.method.len() + self.target.len() + headers
    }
}

/// A request as it is on the wire, where both forms are one object.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct RawRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(deserialize_with = "tolerant_text")]
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(
        deserialize_with = "header_map",
        serialize_with = "as_header_map",
        skip_serializing_if = "Vec::is_empty"
    )]
    request_headers: HeaderList,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<bool>,
    #[serde(
        deserialize_with = "endpoint",
        serialize_with = "as_endpoint",
        skip_serializing_if = "Option::is_none"
    )]
    remote_endpoint: Option<(String, u16)>,
}

impl From<Request> for RawRequest {
    fn from(request: Request) -> Self {
        let Request { id, address, head } = request;
        let Some(head) = head else { return Self { id, address, ..Self::default() } };
        Self {
            id,
            address,
            request_target: Some(head.target),
            method: Some(head.method),
            request_headers: head.headers,
            body: Some(head.body),
            remote_endpoint: head.remote_endpoint,
        }
    }
}

impl RawRequest {
    /// Full where there is a method. SDKs tell the short form by that or by `body`, and the service leaves out neither.
    fn checked(self) -> Result<Request, &'static str> {
        let head = self.method.map(|method| RequestHead {
            method,
            target: self.request_target.unwrap_or_default(),
            headers: self.request_headers,
            remote_endpoint: self.remote_endpoint,
            body: self.body.unwrap_or_default(),
        });
        match (&head, &self.address) {
            (None, None) => Err("a request with neither a method nor an address"),
            (Some(_), _) if self.id.is_empty() => Err("a request without an id"),
            _ if self.id.len() > MAX_ID => Err("a request with an id that is too long"),
            _ => Ok(Request { id: self.id, address: self.address, head }),
        }
    }
}

/// Reads one text message of the control channel.
///
/// # Errors
/// `Protocol` for a message that is too long (not parsed at all), not JSON, not an object with a command, or a
/// known command without its required fields. The text never quotes the message.
pub fn parse(text: &str) -> Result<ControlMessage, RelayError> {
    if text.len() > MAX_MESSAGE {
        let why = format!("A control message of {} bytes is longer than {MAX_MESSAGE}", text.len());
        return Err(RelayError::new(ErrorKind::Protocol, why));
    }
    let malformed =
        |why: String| RelayError::new(ErrorKind::Protocol, format!("Malformed control message: {why}"));
    match serde_json::from_str::<Envelope>(text) {
        Ok(Envelope::Accept(accept)) if accept.address.is_empty() => Err(malformed("no address".into())),
        Ok(Envelope::Accept(accept)) => Ok(ControlMessage::Accept(accept)),
        Ok(Envelope::Request(raw)) => {
            raw.checked().map(ControlMessage::Request).map_err(|why| malformed(why.to_owned()))
        }
        Ok(Envelope::Unknown(name)) => Ok(ControlMessage::Unknown(name)),
        Ok(Envelope::Empty) => Err(malformed("no command".into())),
        // serde's own text may quote a value: only its place and class are safe to show.
        Err(error) => {
            let class = match error.classify() {
                serde_json::error::Category::Data => "unexpected content",
                serde_json::error::Category::Eof => "cut short",
                _ => "not JSON",
            };
            Err(malformed(format!("{class} at line {}, column {}", error.line(), error.column())))
        }
    }
}

/// The message that offers a sender.
pub fn accept(accept: &Accept) -> String {
    #[derive(Serialize)]
    struct AcceptText<'a> {
        accept: &'a Accept,
    }
    write(&AcceptText { accept })
}

/// The message that hands on an HTTP request.
pub fn request(request: Request) -> String {
    #[derive(Serialize)]
    struct RequestText {
        request: RawRequest,
    }
    write(&RequestText { request: request.into() })
}

/// The top-level object: the first known command counts, everything else is skipped.
enum Envelope {
    Accept(Accept),
    Request(RawRequest),
    Unknown(String),
    Empty,
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EnvelopeVisitor;

        impl<'de> Visitor<'de> for EnvelopeVisitor {
            type Value = Envelope;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with one command")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope, A::Error> {
                let mut found = Envelope::Empty;
                while let Some(key) = map.next_key::<String>()? {
                    let open = matches!(found, Envelope::Empty | Envelope::Unknown(_));
                    match key.as_str() {
                        "accept" if open => found = Envelope::Accept(map.next_value()?),
                        "request" if open => found = Envelope::Request(map.next_value()?),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            if matches!(found, Envelope::Empty) {
                                found = Envelope::Unknown(key.chars().take(64).collect());
                            }
                        }
                    }
                }
                Ok(found)
            }
        }

        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

/// What a listener says on its control channel: one of the two, or what this version does not know.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListenerMessage {
    /// Replaces the channel's token. Nobody answers.
    pub renew_token: Option<RenewToken>,
    /// Answers a `request`.
    pub response: Option<Response>,
}

/// See [`ListenerMessage::renew_token`].
#[derive(PartialEq, Deserialize, Serialize)]
pub struct RenewToken {
    /// The new token.
    pub token: String,
}

/// Without the token.
impl fmt::Debug for RenewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenewToken").finish_non_exhaustive()
    }
}

/// The answer to a `request`, as the relay reads it; a listener's is written by [`super::answer`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The request's id, suffixes included.
    pub request_id: String,
    /// HTTP status, as a number.
    #[serde(deserialize_with = "status")]
    pub status_code: u16,
    /// Reason phrase.
    #[serde(default, deserialize_with = "tolerant_text")]
    pub status_description: String,
    /// End-to-end headers.
    #[serde(default, deserialize_with = "header_map")]
    pub response_headers: HeaderList,
    /// True if a binary message with the body follows.
    #[serde(default)]
    pub body: bool,
}

/// Reads one text message of a listener; none for what is no JSON object, or a command without what it needs.
pub fn parse_listener_message(text: &[u8]) -> Option<ListenerMessage> {
    // An array would be taken for the fields in turn.
    let is_object = text.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(text).ok()).flatten()
}

/// The message that replaces the channel's token.
pub fn renew_token(token: &str) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct RenewTokenText {
        renew_token: RenewToken,
    }
    write(&RenewTokenText { renew_token: RenewToken { token: token.to_owned() } })
}

/// A message as JSON.
pub(super) fn write(message: &impl Serialize) -> String {
    // Strings, numbers and flags under string keys: there is nothing that could fail.
    serde_json::to_string(message).unwrap_or_default()
}

#[cfg(test)]
mod tests;
