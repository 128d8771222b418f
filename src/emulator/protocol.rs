//! The control channel's JSON, from the service's side.

#![forbid(unsafe_code)]

use std::net::SocketAddr;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// Headers as a JSON object in their own order.
pub struct Headers(pub Vec<(String, String)>);

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Endpoint {
    address: String,
    port: u16,
}

impl From<SocketAddr> for Endpoint {
    fn from(peer: SocketAddr) -> Self {
        Self { address: peer.ip().to_string(), port: peer.port() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Command<'a> {
    #[serde(rename_all = "camelCase")]
    Accept { address: &'a str, id: &'a str, connect_headers: &'a Headers, remote_endpoint: Endpoint },
    #[serde(rename_all = "camelCase")]
    Request {
        address: &'a str,
        id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none", flatten)]
        details: Option<RequestDetails<'a>>,
    },
}

/// What the long form of a `request` says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestDetails<'a> {
    /// Path and query.
    pub request_target: &'a str,
    /// `GET` …
    pub method: &'a str,
    /// The sender's headers.
    pub request_headers: &'a Headers,
    /// Whether binary frames follow.
    pub body: bool,
    #[serde(serialize_with = "endpoint")]
    /// Where the sender is.
    pub remote_endpoint: SocketAddr,
}

fn endpoint<S: Serializer>(peer: &SocketAddr, serializer: S) -> Result<S::Ok, S::Error> {
    Endpoint::from(*peer).serialize(serializer)
}

/// The `accept` message.
pub fn accept(address: &str, id: &str, headers: &Headers, peer: SocketAddr) -> String {
    write(&Command::Accept { address, id, connect_headers: headers, remote_endpoint: peer.into() })
}

/// The `request` message; without details its short form.
pub fn request(address: &str, id: &str, details: Option<RequestDetails<'_>>) -> String {
    write(&Command::Request { address, id, details })
}

fn write(command: &Command<'_>) -> String {
    // Strings and numbers under string keys: there is nothing that could fail.
    serde_json::to_string(command).unwrap_or_default()
}

/// A listener's `response`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The request that it answers.
    pub request_id: String,
    /// The HTTP status.
    pub status: u16,
    /// The reason phrase.
    pub description: String,
    /// The headers; the service's protocol has one value a name.
    pub headers: Vec<(String, String)>,
    /// Whether binary frames follow.
    pub has_body: bool,
    /// What they carried.
    pub body: Vec<u8>,
}

/// What a listener says on its control channel.
#[derive(Debug, PartialEq, Eq)]
pub enum FromListener {
    /// A fresh token.
    RenewToken(String),
    /// The answer to a request.
    Response(Response),
    /// Something that this relay does not know.
    Unknown,
    /// No JSON object, or a known command that lacks what it needs.
    Malformed,
}

#[derive(Deserialize)]
struct RenewToken {
    token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawResponse {
    request_id: String,
    status_code: Value,
    #[serde(default)]
    status_description: Option<String>,
    #[serde(default)]
    response_headers: Option<Map<String, Value>>,
    #[serde(default)]
    body: bool,
}

impl TryFrom<RawResponse> for Response {
    type Error = ();

    fn try_from(raw: RawResponse) -> Result<Self, ()> {
        // The protocol guide calls the status a number and prints it as a string.
        let status = match &raw.status_code {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let status = status.filter(|status| (100..=999).contains(status)).ok_or(())?;
        let headers = raw.response_headers.unwrap_or_default().into_iter().map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name, value)
        });
        Ok(Self {
            request_id: raw.request_id,
            status: u16::try_from(status).map_err(drop)?,
            description: raw.status_description.unwrap_or_default(),
            headers: headers.collect(),
            has_body: raw.body,
            body: Vec::new(),
        })
    }
}

/// Reads a text message of a listener.
pub fn parse(text: &[u8]) -> FromListener {
    let Ok(Value::Object(mut message)) = serde_json::from_slice(text) else { return FromListener::Malformed };
    if let Some(command) = message.remove("renewToken") {
        return match serde_json::from_value::<RenewToken>(command) {
            Ok(renew) => FromListener::RenewToken(renew.token),
            Err(_) => FromListener::Malformed,
        };
    }
    if let Some(command) = message.remove("response") {
        let response = serde_json::from_value::<RawResponse>(command).ok();
        return match response.and_then(|raw| Response::try_from(raw).ok()) {
            Some(response) => FromListener::Response(response),
            None => FromListener::Malformed,
        };
    }
    FromListener::Unknown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_accept_keeps_the_order_and_case_of_headers() {
        let headers = Headers(vec![("X-B".into(), "1".into()), ("a".into(), "\"2\"".into())]);
        let text = accept("ws://h/$hc/p?x", "id_G1", &headers, ([127, 0, 0, 1], 7).into());
        assert_eq!(
            text,
            r#"{"accept":{"address":"ws://h/$hc/p?x","id":"id_G1","connectHeaders":{"X-B":"1","a":"\"2\""},"remoteEndpoint":{"address":"127.0.0.1","port":7}}}"#
        );
    }

    #[test]
    fn a_request_has_two_forms() {
        assert_eq!(request("a", "i", None), r#"{"request":{"address":"a","id":"i"}}"#);
        let headers = Headers(vec![]);
        let details = RequestDetails {
            request_target: "/p",
            method: "GET",
            request_headers: &headers,
            body: false,
            remote_endpoint: ([1, 2, 3, 4], 5).into(),
        };
        let value: Value = serde_json::from_str(&request("a", "i", Some(details))).unwrap();
        assert_eq!(value["request"]["requestTarget"], "/p");
        assert_eq!(value["request"]["remoteEndpoint"]["port"], 5);
        assert_eq!(value["request"]["body"], false);
    }

    #[test]
    fn listeners_are_understood() {
        assert_eq!(parse(br#"{"renewToken":{"token":"t"}}"#), FromListener::RenewToken("t".into()));
        assert_eq!(parse(br#"{"ping":{}}"#), FromListener::Unknown);
        for bad in ["", "[]", "{", r#"{"renewToken":{"token":1}}"#, r#"{"response":{"requestId":"x"}}"#] {
            assert_eq!(parse(bad.as_bytes()), FromListener::Malformed, "{bad}");
        }
        let text = br#"{"response":{"requestId":"r","statusCode":"404","responseHeaders":{"A":"b","N":1},"body":true}}"#;
        let FromListener::Response(response) = parse(text) else { panic!("no response") };
        assert_eq!((response.status, response.has_body), (404, true));
        assert_eq!(response.headers, [("A".into(), "b".into()), ("N".into(), "1".into())]);
        assert_eq!(parse(br#"{"response":{"requestId":"r","statusCode":1000}}"#), FromListener::Malformed);
    }

    proptest! {
        #[test]
        fn noise_never_panics(text in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse(&text);
        }
    }
}
