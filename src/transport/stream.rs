//! The connection that a handshake leaves behind.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::tls::TlsStream;
use super::tls::records::TlsSession;

/// A connection, with or without TLS.
#[derive(Debug)]
pub enum DialledStream {
    /// `ws:`
    Plain(TcpStream),
    /// `wss:`
    Tls(Box<TlsStream>),
}

impl DialledStream {
    /// The parts, for somebody who drives TLS himself, and what was decrypted with the last read and not asked for.
    pub fn into_parts(self) -> (TcpStream, Option<TlsSession>, Vec<u8>) {
        match self {
            DialledStream::Plain(tcp) => (tcp, None, Vec::new()),
            DialledStream::Tls(tls) => {
                let (tcp, session, plain) = tls.into_parts();
                (tcp, Some(session), plain)
            }
        }
    }
}

impl AsyncRead for DialledStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            DialledStream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            DialledStream::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for DialledStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            DialledStream::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            DialledStream::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            DialledStream::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            DialledStream::Tls(tls) => Pin::new(tls.as_mut()).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            DialledStream::Plain(tcp) => tcp.is_write_vectored(),
            DialledStream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            DialledStream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            DialledStream::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            DialledStream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            DialledStream::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}
