//! The JSON messages of the control channel: read tolerantly (unknown fields and commands are no error), written
//! exactly as the protocol guide has them.

#![forbid(unsafe_code)]

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::error::{ErrorKind, RelayError};
use crate::http::headers::HeaderList;

/// Longest control message in bytes that is parsed. The service allows 32 KiB of header text; JSON escapes can
/// blow that up sixfold.
pub const MAX_MESSAGE: usize = 256 * 1024;

/// Longest id in bytes of a request: what its answer repeats. Part of the 32 KiB of header text at most.
pub const MAX_ID: usize = 32 * 1024;

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
    #[serde(default, deserialize_with = "header_map", serialize_with = "as_lines")]
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRequest {
    #[serde(default)]
    address: Option<String>,
    #[serde(default, deserialize_with = "tolerant_text")]
    id: String,
    #[serde(default)]
    request_target: Option<String>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default, deserialize_with = "endpoint")]
    remote_endpoint: Option<(String, u16)>,
    #[serde(default, deserialize_with = "header_map")]
    request_headers: HeaderList,
    #[serde(default)]
    body: Option<bool>,
}

impl RawRequest {
    /// Full only with both `method` and `body`: the SDKs tell the short form by the one or the other.
    fn checked(self) -> Result<Request, &'static str> {
        let head = match (self.method, self.body) {
            (Some(method), Some(body)) => Some(RequestHead {
                method,
                target: self.request_target.unwrap_or_default(),
                headers: self.request_headers,
                remote_endpoint: self.remote_endpoint,
                body,
            }),
            _ => None,
        };
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

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(items) => Some(items.iter().filter_map(plain).collect::<Vec<_>>().join(", ")),
        Value::Null | Value::Object(_) => None,
    }
}

fn tolerant_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(plain(&Value::deserialize(deserializer)?).unwrap_or_default())
}

/// `{"address": "…", "port": n}`; anything else counts as unknown.
fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<(String, u16)>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let address = value.get("address").and_then(Value::as_str).map(str::to_owned);
    let port = value.get("port").and_then(|port| match port {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|number| u16::try_from(number).ok()),
    });
    Ok(address.filter(|text| !text.is_empty()).map(|text| (text, port.unwrap_or(0))))
}

/// Names and values in turn, as Node has them in `rawHeaders`.
fn as_lines<S: Serializer>(headers: &HeaderList, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(headers.iter().flat_map(|(name, value)| [name, value]))
}

/// As it came, but always with both fields and of the right types.
fn as_endpoint<S: Serializer>(endpoint: &Option<(String, u16)>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Endpoint<'a> {
        address: &'a str,
        port: u16,
    }
    endpoint.as_ref().map(|(address, port)| Endpoint { address, port: *port }).serialize(serializer)
}

/// An object of headers, in its own order; `null` and a missing object are an empty list.
fn header_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderList, D::Error> {
    struct HeadersVisitor;

    impl<'de> Visitor<'de> for HeadersVisitor {
        type Value = HeaderList;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of headers")
        }

        fn visit_unit<E>(self) -> Result<HeaderList, E> {
            Ok(HeaderList::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeaderList, A::Error> {
            let mut headers = HeaderList::new();
            while let Some((name, value)) = map.next_entry::<String, Value>()? {
                headers.extend(plain(&value).map(|value| (name, value)));
            }
            Ok(headers)
        }
    }

    deserializer.deserialize_any(HeadersVisitor)
}

/// The message that replaces the channel's token.
pub fn renew_token(token: &str) -> String {
    serde_json::json!({ "renewToken": { "token": token } }).to_string()
}

/// The answer to a `request`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response<'a> {
    /// The request's id, suffixes included.
    pub request_id: &'a str,
    /// HTTP status, as a number.
    pub status_code: u16,
    /// Reason phrase.
    pub status_description: &'a str,
    /// End-to-end headers.
    #[serde(serialize_with = "as_object")]
    pub response_headers: &'a [(String, String)],
    /// True if a binary message with the body follows.
    pub body: bool,
}

fn as_object<S: Serializer>(headers: &&[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, value)| (name, value)))
}

/// The text message that starts a response.
pub fn response(response: &Response<'_>) -> String {
    #[derive(Serialize)]
    struct Message<'a> {
        response: &'a Response<'a>,
    }
    serde_json::to_string(&Message { response }).unwrap_or_default()
}

/// The answer of a listener without an HTTP handler.
pub fn not_implemented(request_id: &str) -> String {
    response(&Response {
        request_id,
        status_code: 501,
        status_description: "Not Implemented",
        response_headers: &[],
        body: false,
    })
}

#[cfg(test)]
mod tests;
