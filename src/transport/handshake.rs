//! The client's opening handshake (RFC 6455 §4): the request, the head of its answer, and ws's checks of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use zeroize::Zeroizing;

use super::{tcp, tls};
use crate::error::{ErrorKind, RelayError};
use crate::http::headers::joined;
use crate::http::{HeadReader, HeaderLines, Malformed, ResponseHead};

const READ_SIZE: usize = 4096;

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
    if !joined(&head.headers, "upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
        return Err("Invalid Upgrade header");
    }
    if joined(&head.headers, "sec-websocket-accept").as_deref() != Some(&derive_accept_key(key.as_bytes())) {
        return Err("Invalid Sec-WebSocket-Accept header");
    }
    let protocol = joined(&head.headers, "sec-websocket-protocol");
    match &protocol {
        Some(_) if protocols.is_empty() => return Err("Server sent a subprotocol but none was requested"),
        Some(chosen) if !protocols.contains(chosen) => return Err("Server sent an invalid subprotocol"),
        None if !protocols.is_empty() => return Err("Server sent no subprotocol"),
        _ => {}
    }
    let extensions = joined(&head.headers, "sec-websocket-extensions");
    if extensions.is_some() && !offered {
        return Err("Server sent a Sec-WebSocket-Extensions header but no extension was requested");
    }
    Ok(Negotiated { protocol, extensions })
}

/// A fresh `Sec-WebSocket-Key`.
pub(super) fn new_key() -> String {
    STANDARD.encode(rand::random::<[u8; 16]>())
}

/// The request as it goes out; `head` has room for the key, so that it need not be copied and wiped once more.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] where the parts would make another request than the one meant.
pub(super) fn request(
    target: &str,
    head: &mut HeaderLines,
    key: &str,
) -> Result<Zeroizing<Vec<u8>>, RelayError> {
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
    let mut reader = HeadReader::response(max_head);
    let mut buffer = Vec::with_capacity(READ_SIZE);
    loop {
        buffer.clear();
        if stream.read_buf(&mut buffer).await.map_err(|error| failed("read", &error))? == 0 {
            reader.end()?;
            return Err(hang_up());
        }
        if let Some(done) = reader.push(&buffer)? {
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

impl From<Malformed> for RelayError {
    fn from(malformed: Malformed) -> Self {
        RelayError::new(ErrorKind::Handshake, format!("Parse Error: {}", malformed.text))
            .with_system(tcp::bare(malformed.code))
    }
}

#[cfg(test)]
mod tests;
