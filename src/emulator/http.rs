//! The little HTTP/1.1 that the relay speaks: request heads, request bodies, responses.

#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::refusal::header_safe;

/// The head of a request.
#[derive(Debug, Clone)]
pub struct Head {
    /// `GET` …
    pub method: String,
    /// As on the request line.
    pub target: String,
    /// True for HTTP/1.1.
    pub persistent: bool,
    /// In order, names in their own case.
    pub headers: Vec<(String, String)>,
}

/// Why there is no head.
#[derive(Debug)]
pub enum HeadError {
    /// The client went away or sent nothing.
    Gone,
    /// Answer with this status and text.
    Bad(u16, &'static str),
}

impl Head {
    /// Reads one head from `stream`; what follows it stays in `early`.
    ///
    /// # Errors
    /// It is not HTTP, it is too long, or the client is gone.
    pub async fn read(
        stream: &mut (impl AsyncRead + Unpin),
        early: &mut Vec<u8>,
        max: usize,
    ) -> Result<Self, HeadError> {
        loop {
            if let Some((head, length)) = Self::parse(early)? {
                early.drain(..length);
                return Ok(head);
            }
            if early.len() > max {
                return Err(HeadError::Bad(400, "Bad Request - Request Too Long"));
            }
            match stream.read_buf(early).await {
                Ok(0) | Err(_) => return Err(HeadError::Gone),
                Ok(_) => {}
            }
        }
    }

    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, HeadError> {
        let mut slots = [httparse::EMPTY_HEADER; 128];
        let mut request = httparse::Request::new(&mut slots);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(HeadError::Bad(400, "Bad Request - Too Many Headers"));
            }
            Err(_) => return Err(HeadError::Bad(400, "Bad Request")),
        };
        let headers = request.headers.iter().map(|header| (header.name.to_owned(), text_of(header.value)));
        let head = Self {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            persistent: request.version == Some(1),
            headers: headers.collect(),
        };
        Ok(Some((head, length)))
    }

    /// The values of `name`, joined as one list.
    pub fn get(&self, name: &str) -> Option<String> {
        let mut values = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let mut joined = values.next()?.1.clone();
        for (_, value) in values {
            joined.push_str(", ");
            joined.push_str(value);
        }
        Some(joined)
    }

    /// The members of the comma-separated list `name`.
    pub fn list(&self, name: &str) -> Vec<String> {
        let joined = self.get(name).unwrap_or_default();
        joined.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// True where the list `name` has `member`, in any case.
    pub fn lists(&self, name: &str, member: &str) -> bool {
        self.list(name).iter().any(|item| item.eq_ignore_ascii_case(member))
    }

    /// All headers but `left_out`, one pair a name, repeated ones joined, in the case of the first.
    pub fn pairs(&self, left_out: &[&str]) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in &self.headers {
            if left_out.iter().any(|out| out.eq_ignore_ascii_case(name)) {
                continue;
            }
            match pairs.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
                Some((_, joined)) => {
                    joined.push_str(", ");
                    joined.push_str(value);
                }
                None => pairs.push((name.clone(), value.clone())),
            }
        }
        pairs
    }
}

fn text_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Writes a response; without `content-length` among `headers` the body's own is given.
pub async fn respond(
    stream: &mut (impl AsyncWrite + Unpin),
    status: u16,
    reason: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> io::Result<()> {
    let mut out = response_head(status, reason, headers);
    // Some statuses have no body by definition, and a length would belong to one.
    if !matches!(status, 100..=199 | 204 | 304) {
        let _ = write!(out, "Content-Length: {}\r\n", body.len());
    }
    out.push_str("Connection: close\r\n\r\n");
    let mut bytes = out.into_bytes();
    bytes.extend_from_slice(body);
    stream.write_all(&bytes).await?;
    stream.flush().await
}

/// The status line and `headers`, without the blank line.
pub fn response_head(status: u16, reason: &str, headers: &[(String, String)]) -> String {
    let mut out = format!("HTTP/1.1 {status} {}\r\n", header_safe(reason));
    for (name, value) in headers {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if !name.is_empty() && name.bytes().all(token) {
            let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let _ = write!(out, "{name}: {value}\r\n");
        }
    }
    out
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
    pub fn of(head: &Head) -> Result<Self, (u16, &'static str)> {
        let wanted = head.lists("upgrade", "websocket") && head.lists("connection", "upgrade");
        if head.method != "GET" || !head.persistent || !wanted {
            return Err((400, "This endpoint is only for web-socket requests."));
        }
        if head.get("sec-websocket-version").as_deref() != Some("13") {
            return Err((426, "The version of the WebSocket protocol is not supported."));
        }
        let key = head.get("sec-websocket-key").unwrap_or_default();
        if key.len() != 24 || !key.ends_with("==") {
            return Err((400, "The Sec-WebSocket-Key header is missing or invalid."));
        }
        Ok(Self {
            key,
            protocols: head.list("sec-websocket-protocol"),
            extensions: head.get("sec-websocket-extensions"),
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
        let mut headers = vec![
            ("Upgrade".to_owned(), "websocket".to_owned()),
            ("Connection".to_owned(), "Upgrade".to_owned()),
            ("Sec-WebSocket-Accept".to_owned(), derive_accept_key(self.key.as_bytes())),
        ];
        for (name, value) in [("Sec-WebSocket-Protocol", protocol), ("Sec-WebSocket-Extensions", extensions)]
        {
            if let Some(value) = value {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        let head = response_head(101, "Switching Protocols", &headers) + "\r\n";
        stream.write_all(head.as_bytes()).await?;
        stream.flush().await
    }
}

/// How the length of a request body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none.
    None,
    /// `Content-Length`.
    Known(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

impl BodyLength {
    /// Reads it from `head`.
    ///
    /// # Errors
    /// The text for a 400.
    pub fn of(head: &Head) -> Result<Self, &'static str> {
        let length = head.get("content-length");
        match (head.get("transfer-encoding"), length) {
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Self::Chunked),
            (Some(_), _) => Err("The transfer coding is not supported."),
            (None, Some(text)) => match text.parse() {
                Ok(0) => Ok(Self::None),
                Ok(length) if !text.starts_with('+') => Ok(Self::Known(length)),
                _ => Err("The Content-Length header is invalid."),
            },
            (None, None) => Ok(Self::None),
        }
    }
}

/// Reads a request body piece by piece.
pub struct Body {
    length: BodyLength,
    remaining: u64,
    done: bool,
}

impl Body {
    /// A body of `length` that follows on `stream`.
    pub fn new(length: BodyLength) -> Self {
        let remaining = if let BodyLength::Known(length) = length { length } else { 0 };
        Self { length, remaining, done: length == BodyLength::None }
    }

    /// The next piece, of at most 32 KiB; none at the end.
    ///
    /// # Errors
    /// The client is gone or its chunks are malformed.
    pub async fn next(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        early: &mut Vec<u8>,
    ) -> io::Result<Option<Vec<u8>>> {
        if self.done {
            return Ok(None);
        }
        if self.length == BodyLength::Chunked && self.remaining == 0 {
            let size = line(stream, early).await?;
            let digits = size.split(';').next().unwrap_or_default().trim();
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let parsed = u64::from_str_radix(digits, 16).ok().filter(|_| plain);
            self.remaining = parsed.ok_or_else(invalid)?;
            if self.remaining == 0 {
                while !line(stream, early).await?.is_empty() {}
                self.done = true;
                return Ok(None);
            }
        }
        if early.is_empty() {
            early.reserve(32 * 1024);
            if stream.read_buf(early).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let limit = self.remaining.min(32 * 1024);
        let taken = usize::try_from(limit).unwrap_or(usize::MAX).min(early.len());
        let piece: Vec<u8> = early.drain(..taken).collect();
        self.remaining -= taken as u64;
        if self.remaining == 0 {
            match self.length {
                BodyLength::Chunked => {
                    if !line(stream, early).await?.is_empty() {
                        return Err(invalid());
                    }
                }
                _ => self.done = true,
            }
        }
        Ok(Some(piece))
    }
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed chunk")
}

async fn line(stream: &mut (impl AsyncRead + Unpin), early: &mut Vec<u8>) -> io::Result<String> {
    loop {
        if let Some(at) = early.iter().position(|byte| *byte == b'\n') {
            let bytes: Vec<u8> = early.drain(..=at).collect();
            return Ok(text_of(&bytes).trim_end_matches(['\r', '\n']).to_owned());
        }
        if early.len() > 8 * 1024 {
            return Err(invalid());
        }
        if stream.read_buf(early).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

#[cfg(test)]
mod tests;
