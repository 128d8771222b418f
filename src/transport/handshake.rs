//! The client's opening handshake (RFC 6455 §4) and the HTTP response head.
//!
//! The head is read by hand because the relay puts its text and the TrackingId in the reason phrase, which
//! HTTP libraries throw away.

#![forbid(unsafe_code)]

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use zeroize::Zeroizing;

use super::{tcp, tls};
use crate::error::{ErrorKind, RelayError};
use crate::head::Head;

/// More header lines than any honest peer sends.
const MAX_HEADERS: usize = 200;
const READ_SIZE: usize = 4096;

/// The head of an HTTP response. Bytes outside ASCII are read as Latin-1, as Node does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResponseHead {
    /// `1.1` or `1.0`.
    pub version: &'static str,
    /// The status code.
    pub status: u16,
    /// The reason phrase, verbatim.
    pub reason: String,
    /// Names in the peer's own case, in the order received.
    pub headers: Vec<(String, String)>,
}

impl ResponseHead {
    /// All values of `name`, joined with `, ` as Node joins repeated headers.
    pub fn get(&self, name: &str) -> Option<String> {
        let mut values = self.get_all(name);
        let mut joined = values.next()?.to_owned();
        for value in values {
            joined.push_str(", ");
            joined.push_str(value);
        }
        Some(joined)
    }

    /// The values of `name`, one for each header line.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether this ends HTTP on the connection, by the same rule as Node's parser: what it does not take for an
    /// upgrade is a response like any other, even with status 101.
    pub fn is_upgrade(&self) -> bool {
        let mut options = self.get_all("connection").flat_map(|line| line.split(','));
        self.status == 101
            && self.get_all("upgrade").next().is_some()
            && options.any(|option| option.trim().eq_ignore_ascii_case("upgrade"))
    }
}

/// What a 101 response agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Negotiated {
    /// The subprotocol.
    pub protocol: Option<String>,
    /// `Sec-WebSocket-Extensions` as received; the frame codec reads it.
    pub extensions: Option<String>,
}

/// Checks a 101 response: ws's rules, ws's messages, in ws's order. `offered` tells whether an extension was.
///
/// # Errors
/// ws's message.
pub fn check_upgrade(
    head: &ResponseHead,
    key: &str,
    protocols: &[String],
    offered: bool,
) -> Result<Negotiated, &'static str> {
    if !head.get("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
        return Err("Invalid Upgrade header");
    }
    if head.get("sec-websocket-accept").as_deref() != Some(&derive_accept_key(key.as_bytes())) {
        return Err("Invalid Sec-WebSocket-Accept header");
    }
    let protocol = head.get("sec-websocket-protocol");
    match &protocol {
        Some(_) if protocols.is_empty() => return Err("Server sent a subprotocol but none was requested"),
        Some(chosen) if !protocols.contains(chosen) => return Err("Server sent an invalid subprotocol"),
        None if !protocols.is_empty() => return Err("Server sent no subprotocol"),
        _ => {}
    }
    let extensions = head.get("sec-websocket-extensions");
    if extensions.is_some() && !offered {
        return Err("Server sent a Sec-WebSocket-Extensions header but no extension was requested");
    }
    Ok(Negotiated { protocol, extensions })
}

/// A fresh `Sec-WebSocket-Key`.
pub(super) fn new_key() -> Result<String, RelayError> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce)
        .map_err(|_| RelayError::new(ErrorKind::Handshake, "The system has no random numbers to give"))?;
    Ok(STANDARD.encode(nonce))
}

/// The request as it goes out.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] where the parts would make another request than the one meant.
pub(super) fn request(target: &str, head: &Head, key: &str) -> Result<Zeroizing<Vec<u8>>, RelayError> {
    let mut head = head.clone();
    head.push("Sec-WebSocket-Key", key);
    head.request("GET", target)
}

/// Writes `request` and reads the response head; also gives what came after the head.
pub(super) async fn exchange<S>(
    stream: &mut S,
    request: &[u8],
    max_head: usize,
) -> Result<(ResponseHead, Vec<u8>), RelayError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(request).await.map_err(|error| failed("write", &error))?;
    stream.flush().await.map_err(|error| failed("write", &error))?;
    read_head(stream, max_head).await
}

/// Reads one response head of at most `max_head` bytes, skipping interim (1xx) responses other than 101; also gives what
/// came after it.
///
/// # Errors
/// What Node's parser would say of it, or the stream's own error.
pub async fn read_head<S>(stream: &mut S, max_head: usize) -> Result<(ResponseHead, Vec<u8>), RelayError>
where
    S: AsyncRead + Unpin,
{
    let mut parser = HeadParser::new(max_head);
    let mut buffer = vec![0; READ_SIZE];
    loop {
        let room = parser.room();
        if room == 0 {
            return Err(overflow());
        }
        let chunk = &mut buffer[..room.min(READ_SIZE)];
        let count = stream.read(chunk).await.map_err(|error| failed("read", &error))?;
        if count == 0 {
            return Err(parser.end());
        }
        if let Some(done) = parser.push(&chunk[..count])? {
            return Ok(done);
        }
    }
}

fn failed(syscall: &'static str, error: &std::io::Error) -> RelayError {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        return hang_up();
    }
    tls::failure_in(error).unwrap_or_else(|| tcp::io_error(syscall, error))
}

fn hang_up() -> RelayError {
    tcp::reset("socket hang up")
}

/// The incremental parser, without IO.
#[derive(Debug)]
struct HeadParser {
    buffer: Vec<u8>,
    /// Bytes that may still come, interim responses included.
    room: usize,
    started: bool,
}

impl HeadParser {
    fn new(max_head: usize) -> Self {
        Self { buffer: Vec::new(), room: max_head, started: false }
    }

    fn room(&self) -> usize {
        self.room
    }

    /// Takes at most [`Self::room`] bytes; answers with the head and what follows it.
    fn push(&mut self, bytes: &[u8]) -> Result<Option<(ResponseHead, Vec<u8>)>, RelayError> {
        let bytes = &bytes[..bytes.len().min(self.room)];
        self.room -= bytes.len();
        self.buffer.extend_from_slice(bytes);
        // Parsing starts over each time: worth it only where a line has ended, or to refuse garbage early.
        if self.started && !bytes.contains(&b'\n') {
            return Ok(None);
        }
        self.started = true;
        loop {
            let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.buffer.drain(..blank);
            let Some((head, length)) = parse(&self.buffer)? else { return Ok(None) };
            self.buffer.drain(..length);
            if head.status == 101 || head.status >= 200 {
                return Ok(Some((head, std::mem::take(&mut self.buffer))));
            }
        }
    }

    /// The error of a stream that ended before the head did.
    fn end(&self) -> RelayError {
        parse(&self.buffer).err().unwrap_or_else(hang_up)
    }
}

fn parse(buffer: &[u8]) -> Result<Option<(ResponseHead, usize)>, RelayError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(buffer) {
        Ok(httparse::Status::Partial) => return Ok(None),
        Ok(httparse::Status::Complete(length)) => length,
        Err(error) => return Err(malformed(error, buffer)),
    };
    let (Some(head), Some(status), Some(minor)) = (buffer.get(..length), response.code, response.version)
    else {
        return Ok(None);
    };
    // httparse forgives a bare LF; Node does not, and proxies that disagree about line ends are how requests
    // are smuggled.
    let mut before = 0;
    for (index, &byte) in head.iter().enumerate() {
        if byte == b'\n' && before != b'\r' {
            let place = if index < status_line(head).len() + 1 { "response line" } else { "header value" };
            return Err(parse_error("HPE_CR_EXPECTED", &format!("Missing expected CR after {place}")));
        }
        before = byte;
    }
    if !(100..=999).contains(&status) {
        return Err(parse_error("HPE_INVALID_STATUS", "Invalid status code"));
    }
    Ok(Some((
        ResponseHead {
            version: if minor == 0 { "1.0" } else { "1.1" },
            status,
            reason: reason_of(status_line(head)),
            headers: response
                .headers
                .iter()
                .map(|header| (header.name.to_owned(), latin1(header.value)))
                .collect(),
        },
        length,
    )))
}

fn status_line(head: &[u8]) -> &[u8] {
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// What follows `HTTP/1.1 404 `; httparse gives up a reason that has bytes outside ASCII.
fn reason_of(line: &[u8]) -> String {
    latin1(line.get("HTTP/1.1 404 ".len()..).unwrap_or_default())
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

fn malformed(error: httparse::Error, buffer: &[u8]) -> RelayError {
    use httparse::Error as E;
    match error {
        E::TooManyHeaders => overflow(),
        E::HeaderName => parse_error("HPE_INVALID_HEADER_TOKEN", "Invalid header token"),
        E::HeaderValue => parse_error("HPE_INVALID_HEADER_TOKEN", "Invalid header value char"),
        E::NewLine => parse_error("HPE_LF_EXPECTED", "Missing expected LF after header value"),
        E::Status => parse_error("HPE_INVALID_STATUS", "Invalid status code"),
        E::Version if buffer.starts_with(b"HTTP/") => {
            parse_error("HPE_INVALID_VERSION", "Invalid HTTP version")
        }
        E::Version | E::Token => parse_error("HPE_INVALID_CONSTANT", "Expected HTTP/, RTSP/ or ICE/"),
    }
}

fn overflow() -> RelayError {
    parse_error("HPE_HEADER_OVERFLOW", "Header overflow")
}

pub(super) fn parse_error(code: &'static str, text: &str) -> RelayError {
    RelayError::new(ErrorKind::Handshake, format!("Parse Error: {text}")).with_system(tcp::bare(code))
}

#[cfg(test)]
mod tests;
