//! HTTP/1.1 on the relay's connections: request heads and bodies read, responses written.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use zeroize::Zeroizing;

use super::refusal::header_safe;
use crate::http::headers::{has_member, is_token, joined, members};
use crate::http::{BodyLength, BodyReader, HeadReader, HeaderLines, HttpRequestHead, Malformed};

const READ_SIZE: usize = 32 * 1024;

/// Why there is no head.
#[derive(Debug)]
pub enum HeadError {
    /// The client went away or sent nothing.
    Gone,
    /// Answer with this status and text.
    Bad(u16, &'static str),
}

/// Reads one head of at most `max` bytes from `stream`; also gives what came after it.
///
/// # Errors
/// It is not HTTP, it is too long, or the client is gone.
pub async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
    max: usize,
) -> Result<(HttpRequestHead, Vec<u8>), HeadError> {
    let mut reader = HeadReader::request(max);
    let mut buffer = Vec::with_capacity(4096);
    loop {
        buffer.clear();
        match stream.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return Err(HeadError::Gone),
            Ok(_) => {}
        }
        match reader.push(&buffer) {
            Ok(Some(done)) => return Ok(done),
            Ok(None) => {}
            Err(Malformed::OVERFLOW) => {
                return Err(HeadError::Bad(400, "Bad Request - Request Too Long"));
            }
            Err(_) => return Err(HeadError::Bad(400, "Bad Request")),
        }
    }
}

/// Writes a response.
pub async fn respond(
    stream: &mut (impl AsyncWrite + Unpin),
    status: u16,
    reason: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> io::Result<()> {
    let mut lines = lines(headers);
    // Some statuses have no body by definition, and a length would belong to one.
    if !matches!(status, 100..=199 | 204 | 304) {
        lines.push("Content-Length", &body.len().to_string());
    }
    let mut bytes = closing_head(lines, status, reason)?;
    bytes.extend_from_slice(body);
    stream.write_all(&bytes).await?;
    stream.flush().await
}

/// The head of a response whose body follows in chunks, or until the end of the connection.
pub fn streaming_head(
    status: u16,
    reason: &str,
    headers: &[(String, String)],
    chunked: bool,
) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut lines = lines(headers);
    if chunked {
        lines.push("Transfer-Encoding", "chunked");
    }
    closing_head(lines, status, reason)
}

fn closing_head(mut lines: HeaderLines, status: u16, reason: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    lines.push("Connection", "close");
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

/// The body of a request, read piece by piece.
pub struct RequestBody(BodyReader);

impl RequestBody {
    /// A body of `length` that follows on the connection.
    pub fn new(length: BodyLength) -> Self {
        Self(BodyReader::new(length))
    }

    /// The next piece, never empty; none at the end. `early` is what was read too early.
    ///
    /// # Errors
    /// The client is gone or its chunks are malformed.
    pub async fn next(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        early: &mut Vec<u8>,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut piece = Vec::new();
        let mut input = std::mem::take(early);
        loop {
            let malformed = |error: Malformed| io::Error::new(io::ErrorKind::InvalidData, error.text);
            self.0.push(&input, &mut piece).map_err(malformed)?;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
            if self.0.is_done() {
                return Ok(None);
            }
            input.clear();
            input.reserve(READ_SIZE);
            if stream.read_buf(&mut input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

#[cfg(test)]
mod tests;
