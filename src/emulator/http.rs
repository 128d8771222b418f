//! HTTP/1.1 on the relay's connections: request heads and bodies read, responses written.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use zeroize::Zeroizing;

use super::refusal::header_safe;
use crate::http::headers::{has_member, is_token, joined, members};
use crate::http::{BodyLength, HeadReader, HeaderLines, HttpRequestHead, Malformed};

/// How much of a head is read at a time.
const HEAD_READ: usize = 4 * 1024;

/// Why there is no head.
#[derive(Debug)]
pub enum HeadError {
    /// The client went away or sent nothing.
    Gone,
    /// Answer with this status and text.
    Bad(u16, &'static str),
}

/// Reads one head of at most `max` bytes from `stream`, `early` first; also gives what came after it.
///
/// # Errors
/// It is not HTTP, it is too long, or the client is gone.
pub async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
    early: Vec<u8>,
    max: usize,
) -> Result<(HttpRequestHead, Vec<u8>), HeadError> {
    let mut reader = HeadReader::request(max);
    let mut buffer = early;
    loop {
        if buffer.is_empty() {
            buffer.reserve(HEAD_READ);
            match stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return Err(HeadError::Gone),
                Ok(_) => {}
            }
        }
        match reader.push(&buffer) {
            Ok(Some(done)) => return Ok(done),
            Ok(None) => {}
            Err(Malformed::OVERFLOW) => {
                return Err(HeadError::Bad(400, "Bad Request - Request Too Long"));
            }
            Err(_) => return Err(HeadError::Bad(400, "Bad Request")),
        }
        buffer.clear();
    }
}

/// Writes a response without a body, after which the connection ends.
pub async fn respond(
    stream: &mut (impl AsyncWrite + Unpin),
    status: u16,
    reason: &str,
    headers: &[(String, String)],
) -> io::Result<()> {
    let body = has_body(status).then_some(BodyLength::None);
    let head = response_head(status, reason, headers, body, false)?;
    stream.write_all(&head).await?;
    stream.flush().await
}

/// Whether a response may have a body at all; to HEAD none has.
pub fn has_body(status: u16) -> bool {
    !matches!(status, 100..=199 | 204 | 304)
}

/// The head of a response; `body` tells how its body ends, and is none where there can be no body.
pub fn response_head(
    status: u16,
    reason: &str,
    headers: &[(String, String)],
    body: Option<BodyLength>,
    keep_alive: bool,
) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut lines = lines(headers);
    match body {
        Some(BodyLength::None) => lines.push("Content-Length", "0"),
        Some(BodyLength::Known(length)) => lines.push("Content-Length", &length.to_string()),
        Some(BodyLength::Chunked) => lines.push("Transfer-Encoding", "chunked"),
        Some(BodyLength::UntilClose) | None => {}
    }
    if !keep_alive {
        lines.push("Connection", "close");
    }
    head_bytes(&lines, status, reason)
}

fn head_bytes(lines: &HeaderLines, status: u16, reason: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    lines.response(status, &header_safe(reason)).map_err(io::Error::other)
}

/// What of a listener's headers can stand in a head.
fn lines(headers: &[(String, String)]) -> HeaderLines {
    let mut lines = HeaderLines::default();
    for (name, value) in headers.iter().filter(|(name, _)| is_token(name)) {
        lines.push(name, &header_value(value));
    }
    lines
}

fn header_value(text: &str) -> String {
    let safe = |c: char| match c {
        c if c.is_control() => ' ',
        c if c > '\u{ff}' => '?',
        c => c,
    };
    text.chars().map(safe).collect()
}

/// What a client asks for with a WebSocket handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    key: String,
    /// Subprotocols, in order.
    pub protocols: Vec<String>,
    /// The `Sec-WebSocket-Extensions` header.
    pub extensions: Option<String>,
}

impl Upgrade {
    /// Reads the upgrade in `head`.
    ///
    /// # Errors
    /// The status and text for a request that is none, or not a valid one.
    pub fn of(head: &HttpRequestHead) -> Result<Self, (u16, &'static str)> {
        let headers = &head.headers;
        let wanted =
            has_member(headers, "upgrade", "websocket") && has_member(headers, "connection", "upgrade");
        if head.method != "GET" || head.version != "1.1" || !wanted {
            return Err((400, "This endpoint is only for web-socket requests."));
        }
        if joined(headers, "sec-websocket-version").as_deref() != Some("13") {
            return Err((426, "The version of the WebSocket protocol is not supported."));
        }
        let key = joined(headers, "sec-websocket-key").unwrap_or_default();
        if key.len() != 24 || !key.ends_with("==") {
            return Err((400, "The Sec-WebSocket-Key header is missing or invalid."));
        }
        Ok(Self {
            key,
            protocols: members(headers, "sec-websocket-protocol").map(str::to_owned).collect(),
            extensions: joined(headers, "sec-websocket-extensions"),
        })
    }

    /// Completes the handshake.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn accept(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        protocol: Option<&str>,
        extensions: Option<&str>,
    ) -> io::Result<()> {
        let mut lines = HeaderLines::default();
        lines.push("Upgrade", "websocket");
        lines.push("Connection", "Upgrade");
        lines.push("Sec-WebSocket-Accept", &derive_accept_key(self.key.as_bytes()));
        for (name, value) in [("Sec-WebSocket-Protocol", protocol), ("Sec-WebSocket-Extensions", extensions)]
        {
            if let Some(value) = value {
                lines.push(name, &header_value(value));
            }
        }
        stream.write_all(&head_bytes(&lines, 101, "Switching Protocols")?).await?;
        stream.flush().await
    }
}

#[cfg(test)]
mod tests;
