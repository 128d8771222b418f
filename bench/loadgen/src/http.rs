//! Just enough of HTTP/1.1 for opening handshakes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tungstenite::handshake::derive_accept_key;

/// Of the addon: its codec asks what a token is.
#[allow(dead_code)]
#[path = "../../../src/http/headers.rs"]
pub mod headers;

pub struct Head {
    pub start: String,
    headers: Vec<(String, String)>,
    /// Where the bytes behind the head begin.
    pub size: usize,
}

impl Head {
    /// `None` until the head is complete.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_string();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_string()))
            .collect();
        Some(Self { start, headers, size: end + 4 })
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The target of a request.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }
}

pub fn offers_deflate(head: &Head) -> bool {
    head.get("sec-websocket-extensions").is_some_and(|offers| offers.contains("permessage-deflate"))
}

pub fn switching_protocols(head: &Head, deflate: bool) -> String {
    let accept = derive_accept_key(head.get("sec-websocket-key").unwrap_or_default().as_bytes());
    let mut response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n"
    );
    if let Some(protocols) = head.get("sec-websocket-protocol") {
        let first = protocols.split(',').next().unwrap_or_default().trim();
        response += &format!("Sec-WebSocket-Protocol: {first}\r\n");
    }
    if deflate {
        // Without context takeover towards the peer, so that one compressed message can be sent many times.
        response += "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n";
    }
    response + "\r\n"
}

pub fn upgrade_request(host: &str, target: &str, extensions: Option<&str>) -> String {
    let mut key = [0; 16];
    let _ = getrandom::fill(&mut key);
    let key = STANDARD.encode(key);
    let extensions =
        extensions.map(|value| format!("Sec-WebSocket-Extensions: {value}\r\n")).unwrap_or_default();
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n"
    )
}

/// The value of a parameter of a target's query.
pub fn query<'a>(target: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = target.split_once('?')?;
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// The last segment of a target's path.
pub fn entity(target: &str) -> &str {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    path.rsplit('/').next().unwrap_or_default()
}

pub struct Url {
    pub secure: bool,
    pub authority: String,
    pub target: String,
}

/// Only what the load generator itself hands out.
pub fn parse_url(url: &str) -> Option<Url> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_once('/')?;
    Some(Url { secure: scheme == "wss", authority: authority.to_string(), target: format!("/{path}") })
}
