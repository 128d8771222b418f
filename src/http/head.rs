//! The heads of requests and responses, read as Node's parser reads them: httparse, and what it forgives and Node does
//! not.
//!
//! The reason phrase is kept as it came, for the relay puts its text and the TrackingId there.

use std::mem::MaybeUninit;

use httparse::ParserConfig;
use serde::Serialize;

use super::headers::{self, HeaderList};
use super::malformed::Malformed;

/// More header lines than any honest peer sends.
pub const MAX_HEADERS: usize = 200;

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequestHead {
    /// `GET` …
    pub method: String,
    /// As on the request line.
    pub target: String,
    /// `1.1` or `1.0`.
    pub version: &'static str,
    /// Bytes outside ASCII are read as Latin-1.
    pub headers: HeaderList,
}

/// The head of a response. Bytes outside ASCII are read as Latin-1, as Node does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResponseHead {
    /// `1.1` or `1.0`.
    pub version: &'static str,
    /// The status code.
    pub status: u16,
    /// The reason phrase, verbatim.
    pub reason: String,
    /// The header lines.
    pub headers: HeaderList,
}

impl ResponseHead {
    /// Whether this ends HTTP on the connection, by the same rule as Node's parser: what it does not take for an
    /// upgrade is a response like any other, even with status 101.
    pub fn is_upgrade(&self) -> bool {
        self.status == 101
            && headers::values(&self.headers, "upgrade").next().is_some()
            && headers::has_member(&self.headers, "connection", "upgrade")
    }

    /// Whether another response follows to the same request.
    fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
}

/// A head and where it ends, once all of it is there.
type Parsed<H> = Result<Option<(H, usize)>, Malformed>;

/// Takes the bytes of a connection until they hold a head.
#[derive(Debug)]
pub struct HeadReader<H> {
    parse: fn(&[u8]) -> Parsed<H>,
    buffer: Vec<u8>,
    max: usize,
}

impl HeadReader<HttpRequestHead> {
    /// A reader for a request's head of at most `max` bytes.
    pub fn request(max: usize) -> Self {
        Self { parse: parse_request, buffer: Vec::new(), max }
    }
}

impl HeadReader<ResponseHead> {
    /// A reader for a response's head; `max` counts interim (1xx) responses too, which are skipped but for 101.
    pub fn response(max: usize) -> Self {
        Self { parse: parse_response, buffer: Vec::new(), max }
    }
}

impl<H> HeadReader<H> {
    /// Takes what was read next; gives the head and what follows it, after which there is nothing more to push.
    ///
    /// # Errors
    /// It is no HTTP, or too much of it.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<(H, Vec<u8>)>, Malformed> {
        // Parsing starts over each time: worth it only where a line has ended, or to refuse garbage early.
        let worth_it = self.buffer.is_empty() || bytes.contains(&b'\n');
        self.buffer.extend_from_slice(bytes);
        let parsed = if worth_it { (self.parse)(&self.buffer)? } else { None };
        let length = parsed.as_ref().map_or(self.buffer.len(), |(_, length)| *length);
        match parsed {
            Some((head, _)) if length <= self.max => {
                self.buffer.drain(..length);
                Ok(Some((head, std::mem::take(&mut self.buffer))))
            }
            None if length < self.max => Ok(None),
            _ => Err(Malformed::OVERFLOW),
        }
    }

    /// The connection has ended before the head did.
    ///
    /// # Errors
    /// What came of it is no HTTP.
    pub fn end(&self) -> Result<(), Malformed> {
        (self.parse)(&self.buffer).map(drop)
    }
}

fn parse_request(bytes: &[u8]) -> Parsed<HttpRequestHead> {
    let start = blank_lines(bytes);
    let bytes = bytes.get(start..).unwrap_or_default();
    let mut slots = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(bytes, &mut slots);
    let Some(length) = complete(parsed, bytes)? else { return Ok(None) };
    let head = HttpRequestHead {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        version: version(request.version),
        headers: list(request.headers),
    };
    Ok(Some((head, start + length)))
}

fn parse_response(bytes: &[u8]) -> Parsed<ResponseHead> {
    let mut start = 0;
    loop {
        let bytes = bytes.get(start..).unwrap_or_default();
        let blank = blank_lines(bytes);
        let bytes = bytes.get(blank..).unwrap_or_default();
        let mut slots = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let parsed =
            ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut slots);
        let Some(length) = complete(parsed, bytes)? else { return Ok(None) };
        let status = response.code.unwrap_or_default();
        if !(100..=999).contains(&status) {
            return Err(INVALID_STATUS);
        }
        let head = ResponseHead {
            version: version(response.version),
            status,
            // httparse gives up a reason that has bytes outside ASCII.
            reason: latin1(first_line(bytes).get("HTTP/1.1 404 ".len()..).unwrap_or_default()),
            headers: list(response.headers),
        };
        start += blank + length;
        if !head.is_interim() {
            return Ok(Some((head, start)));
        }
    }
}

/// How many bytes of empty lines come before a head; they are no part of it.
fn blank_lines(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// The length of the head in `bytes`, of which httparse has said so much.
fn complete(parsed: httparse::Result<usize>, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(malformed(error, bytes)),
    };
    // httparse forgives a bare LF; Node does not, and proxies that disagree about line ends are how requests are
    // smuggled.
    let head = bytes.get(..length).unwrap_or_default();
    let mut before = 0;
    for (index, &byte) in head.iter().enumerate() {
        if byte == b'\n' && before != b'\r' {
            let first = index <= first_line(head).len();
            let text = if first {
                "Missing expected CR after response line"
            } else {
                "Missing expected CR after header value"
            };
            return Err(Malformed::new("HPE_CR_EXPECTED", text));
        }
        before = byte;
    }
    Ok(Some(length))
}

fn version(minor: Option<u8>) -> &'static str {
    if minor == Some(0) { "1.0" } else { "1.1" }
}

fn first_line(head: &[u8]) -> &[u8] {
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn list(headers: &[httparse::Header<'_>]) -> HeaderList {
    headers.iter().map(|header| (header.name.to_owned(), latin1(header.value))).collect()
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

const INVALID_STATUS: Malformed = Malformed::new("HPE_INVALID_STATUS", "Invalid status code");

fn malformed(error: httparse::Error, bytes: &[u8]) -> Malformed {
    use httparse::Error as E;
    match error {
        E::TooManyHeaders => Malformed::OVERFLOW,
        E::HeaderName => Malformed::new("HPE_INVALID_HEADER_TOKEN", "Invalid header token"),
        E::HeaderValue => Malformed::new("HPE_INVALID_HEADER_TOKEN", "Invalid header value char"),
        E::NewLine => Malformed::new("HPE_LF_EXPECTED", "Missing expected LF after header value"),
        E::Status => INVALID_STATUS,
        E::Version if bytes.starts_with(b"HTTP/") => {
            Malformed::new("HPE_INVALID_VERSION", "Invalid HTTP version")
        }
        E::Version | E::Token => Malformed::new("HPE_INVALID_CONSTANT", "Expected HTTP/, RTSP/ or ICE/"),
    }
}

#[cfg(test)]
mod tests;
