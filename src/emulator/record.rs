//! Records of what passes, for whoever looks on. They hold headers, targets and bytes as they came: what takes the secrets
//! out of them is `lib/inspector/redaction.js`, through which each one goes before anybody sees it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::fault::RequestedAction;
use super::record_preview::RecordPreview;
use super::token_fate::TokenFate;
use crate::http::HttpRequestHead;
use crate::http::headers::HeaderList;

/// What a record takes beside its texts, about.
const OVERHEAD: usize = 256;

/// One thing that happened.
#[derive(Debug, Serialize)]
pub struct RelayRecord {
    /// Ascending, without gaps.
    pub seq: u64,
    /// Microseconds since 1970; in JSON milliseconds with a fraction.
    #[serde(serialize_with = "milliseconds")]
    pub time: u64,
    /// The hybrid connection.
    #[serde(skip_serializing_if = "is_empty", serialize_with = "shared_text")]
    pub path: Arc<str>,
    /// The tracking id.
    #[serde(skip_serializing_if = "is_empty", serialize_with = "shared_text")]
    pub id: Arc<str>,
    /// What happened.
    #[serde(flatten)]
    pub detail: RecordDetail,
}

/// What happened. Large ones are boxed, for most records are messages.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[allow(missing_docs, reason = "docs/emulator.md and lib/inspector/records.schema.json tell the fields")]
pub enum RecordDetail {
    Listener(Box<ListenerHandshake>),
    ListenerClosed {
        code: u16,
        reason: String,
        by: &'static str,
    },
    Renewed {
        token: Box<TokenFate>,
    },
    Sender(Box<RecordedHandshake>),
    Accepted {
        duration: f64,
        listener: String,
    },
    Rejected {
        status: u16,
        reason: String,
        duration: f64,
    },
    TimedOut {},
    Refused(Box<RecordedRefusal>),
    Message(PassedMessage),
    Closed(Box<PipeEnd>),
    Request(Box<RecordedRequest>),
    Response {
        status: u16,
        reason: String,
        headers: HeaderList,
        by: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        listener: Option<String>,
    },
    RequestDone(Box<RequestResult>),
    RequestFailed(Box<RequestResult>),
    Fault {
        fault: String,
        details: Map<String, Value>,
        struck: usize,
    },
}

/// The handshake of a client, and what came of its token.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedHandshake {
    /// Where it came from.
    pub remote_address: String,
    /// As on the request line.
    pub target: String,
    /// As they came.
    pub headers: HeaderList,
    /// What came of it.
    pub token: TokenFate,
}

/// That of a listener.
#[derive(Debug, Serialize)]
pub struct ListenerHandshake {
    /// As any other.
    #[serde(flatten)]
    pub handshake: RecordedHandshake,
    /// How many listeners its hybrid connection has now.
    pub listeners: usize,
}

/// Somebody who was not admitted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedRefusal {
    /// Who it wanted to be.
    pub role: &'static str,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_address: Option<String>,
    /// As on the request line.
    pub target: String,
    /// As they came.
    pub headers: HeaderList,
    /// The answer.
    pub status: u16,
    /// The answer's text.
    pub reason: String,
    /// What was wrong with its token, where it was that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenFate>,
}

/// An HTTP request that was admitted.
#[derive(Debug, Serialize)]
pub struct RecordedRequest {
    /// `GET` …
    pub method: String,
    /// As any other handshake.
    #[serde(flatten)]
    pub handshake: RecordedHandshake,
    /// Of its body, in bytes; none where that comes in chunks.
    pub length: Option<u64>,
}

/// What became of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestResult {
    /// Of the response, or of the relay's own answer.
    pub status: Option<u16>,
    /// Why there is no whole response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How the response came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<&'static str>,
    /// What of it came by.
    pub request_body: RecordedBody,
    /// What of it came by.
    pub response_body: RecordedBody,
    /// When what happened.
    pub timing: RequestTiming,
}

/// Milliseconds since the request came.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestTiming {
    /// It was on its way to a listener.
    pub queued: Option<f64>,
    /// A listener answered, or dialled the rendezvous.
    pub accepted: Option<f64>,
    /// The head of the response was there.
    pub first_byte: Option<f64>,
    /// All was over.
    pub end: Option<f64>,
}

/// The beginning of a body.
#[derive(Debug, Serialize)]
pub struct RecordedBody {
    /// So many bytes of it passed.
    pub size: u64,
    /// The first of them.
    #[serde(flatten)]
    pub preview: RecordPreview,
    /// They are text.
    pub text: bool,
    /// There are more than the preview shows.
    pub cut: bool,
    /// How it is encoded; then there is no preview.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
}

/// How a pipe ended, and the close frames of both ends.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PipeEnd {
    /// 1006 for none.
    pub sender_code: u16,
    /// What it said.
    pub sender_reason: String,
    /// 1006 for none.
    pub listener_code: u16,
    /// What it said.
    pub listener_reason: String,
    /// What came first.
    pub cause: &'static str,
    /// In milliseconds.
    pub duration: f64,
}

/// A message that passed a pipe, or a control frame that the relay answered there.
#[derive(Debug, Serialize)]
pub struct PassedMessage {
    /// `toListener` or `toSender`.
    pub direction: &'static str,
    /// `text`, `binary`, `ping` or `pong`.
    #[serde(rename = "type")]
    pub opcode: &'static str,
    /// In bytes, as they passed.
    pub size: u64,
    /// The first of them.
    #[serde(flatten)]
    pub preview: RecordPreview,
    /// There are more than the preview shows.
    pub cut: bool,
    /// In so many frames.
    #[serde(skip_serializing_if = "is_one")]
    pub fragments: u32,
    /// By permessage-deflate: there is no preview.
    #[serde(skip_serializing_if = "is_false")]
    pub compressed: bool,
    /// The connection ended before it did.
    #[serde(skip_serializing_if = "is_false")]
    pub incomplete: bool,
}

/// Milliseconds, to the microsecond.
pub fn millis_since(start: Instant) -> f64 {
    (start.elapsed().as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// Who came for `action`.
pub fn role_of(action: Option<RequestedAction>) -> &'static str {
    match action {
        Some(RequestedAction::Listen) => "listener",
        Some(RequestedAction::Connect) => "sender",
        Some(RequestedAction::Accept | RequestedAction::Rendezvous) => "rendezvous",
        Some(RequestedAction::Request) => "request",
        None => "unknown",
    }
}

impl RecordedRefusal {
    /// A token that was to renew another one, on a control channel dialled with `target`.
    pub fn of_renewal(target: &str, status: u16, reason: &str, token: Option<TokenFate>) -> Self {
        Self {
            role: "renewal",
            remote_address: None,
            target: target.to_owned(),
            headers: Vec::new(),
            status,
            reason: reason.to_owned(),
            token,
        }
    }
}

impl RelayRecord {
    /// What it takes of the memory, about. A client may make any of its texts as long as a request's head.
    pub fn size(&self) -> usize {
        OVERHEAD + self.path.len() + self.id.len() + self.detail.size()
    }
}

impl RecordDetail {
    fn size(&self) -> usize {
        match self {
            Self::Message(message) => message.preview.bytes.capacity(),
            Self::Listener(own) => own.handshake.size(),
            Self::Sender(own) => own.size(),
            Self::Request(own) => own.method.len() + own.handshake.size(),
            Self::Refused(own) => {
                let token = own.token.as_ref().map_or(0, TokenFate::size);
                own.target.len() + size_of_headers(&own.headers) + own.reason.len() + token
            }
            Self::Response { reason, headers, listener, .. } => {
                reason.len() + size_of_headers(headers) + listener.as_ref().map_or(0, String::len)
            }
            Self::RequestDone(own) | Self::RequestFailed(own) => {
                let reason = own.reason.as_ref().map_or(0, String::len);
                reason + own.request_body.size() + own.response_body.size()
            }
            Self::Fault { fault, details, .. } => {
                fault.len() + details.values().filter_map(Value::as_str).map(str::len).sum::<usize>()
            }
            Self::Rejected { reason: text, .. }
            | Self::ListenerClosed { reason: text, .. }
            | Self::Accepted { listener: text, .. } => text.len(),
            Self::Renewed { token } => token.size(),
            Self::Closed(own) => own.sender_reason.len() + own.listener_reason.len(),
            Self::TimedOut {} => 0,
        }
    }
}

impl RecordedBody {
    fn size(&self) -> usize {
        self.preview.bytes.capacity() + self.encoding.as_ref().map_or(0, String::len)
    }
}

impl RecordedHandshake {
    /// What came of `head` from `peer`.
    pub fn of(peer: SocketAddr, head: &HttpRequestHead, token: TokenFate) -> Self {
        let (target, headers) = (head.target.clone(), head.headers.clone());
        Self { remote_address: peer.to_string(), target, headers, token }
    }

    fn size(&self) -> usize {
        self.target.len() + size_of_headers(&self.headers) + self.token.size()
    }
}

fn size_of_headers(headers: &HeaderList) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.len() + 48).sum()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_one(count: &u32) -> bool {
    *count == 1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_empty(text: &Arc<str>) -> bool {
    text.is_empty()
}

fn shared_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn milliseconds<S: Serializer>(micros: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(*micros as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::token_fate::{TokenFlaw, TokenResult};

    #[test]
    fn whatever_a_client_has_made_long_counts() {
        let long = || "x".repeat(60_000);
        let flaw = TokenFlaw { part: "sr", expected: String::new(), found: long(), remedy: "" };
        let token = TokenFate::flawed(TokenResult::WrongAudience, flaw);
        for detail in [
            RecordDetail::Rejected { status: 400, reason: long(), duration: 1.0 },
            RecordDetail::Accepted { duration: 1.0, listener: long() },
            RecordDetail::Refused(Box::new(RecordedRefusal::of_renewal("", 401, "", Some(token)))),
            RecordDetail::Refused(Box::new(RecordedRefusal::of_renewal("", 401, &long(), None))),
        ] {
            let record = RelayRecord { seq: 1, time: 1, path: "".into(), id: "".into(), detail };
            assert!(record.size() > 60_000, "{record:?}");
        }
        let (path, id) = ("".into(), long().into());
        assert!(RelayRecord { seq: 1, time: 1, path, id, detail: RecordDetail::TimedOut {} }.size() > 60_000);
    }

    #[test]
    fn a_record_is_one_flat_object() {
        let message = PassedMessage {
            direction: "toSender",
            opcode: "text",
            size: 1,
            preview: RecordPreview { bytes: b"x".to_vec(), text: true },
            cut: false,
            fragments: 1,
            compressed: false,
            incomplete: true,
        };
        let (path, id) = ("hyco".into(), "".into());
        let record =
            RelayRecord { seq: 7, time: 1_500_250, path, id, detail: RecordDetail::Message(message) };
        assert_eq!(
            serde_json::to_value(&record).unwrap(),
            serde_json::json!({
                "seq": 7, "time": 1500.25, "path": "hyco", "kind": "message", "direction": "toSender",
                "type": "text", "size": 1, "preview": "x", "cut": false, "incomplete": true
            })
        );
    }
}
