//! A TLS connection as a stream of bytes, for whoever does not care about records.

use std::fmt;
use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::HandshakeKind;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::records::{RecordWriter, TlsSession};

/// Received at once: this stream carries heads and control messages.
const READ: usize = 4 * 1024;

/// A client's end of a TLS connection.
pub struct TlsStream {
    tcp: TcpStream,
    session: TlsSession,
    kind: Option<HandshakeKind>,
    /// What the handshake left has been looked at.
    begun: bool,
    /// Decrypted and not yet read, from `at` on.
    plain: Vec<u8>,
    at: usize,
}

impl TlsStream {
    pub(super) fn new(tcp: TcpStream, session: TlsSession, kind: Option<HandshakeKind>) -> Self {
        Self { tcp, session, kind, begun: false, plain: Vec::new(), at: 0 }
    }

    /// Whether the session was resumed.
    pub fn handshake_kind(&self) -> Option<HandshakeKind> {
        self.kind
    }

    /// The parts, with what has been decrypted and not been read.
    pub fn into_parts(mut self) -> (TcpStream, TlsSession, Vec<u8>) {
        self.plain.drain(..self.at);
        (self.tcp, self.session, self.plain)
    }

    /// Receives and decrypts once. True at the end of the connection.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.plain.clear();
        self.at = 0;
        let mut reader = self.session.reader();
        let begun = mem::replace(&mut self.begun, true);
        if begun && !reader.closed() {
            ready!(self.tcp.poll_read_ready(cx))?;
            match self.tcp.try_read_buf(reader.room(READ)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Ready(Ok(false)),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let plain = &mut self.plain;
        let mut received = reader.take_pending();
        let opened = reader.open(self.session.keys(), &mut received, |bytes| plain.extend_from_slice(bytes));
        if let Err(error) = opened {
            self.session.writer().refuse(&error, |slices| self.tcp.try_write_vectored(slices));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
        Poll::Ready(Ok(reader.closed() && plain.is_empty()))
    }

    fn poll_records(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writer = self.session.writer();
        while !flush(&self.tcp, &mut writer)? {
            ready!(self.tcp.poll_write_ready(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_send(&self, cx: &mut Context<'_>, slices: &[&[u8]]) -> Poll<io::Result<usize>> {
        ready!(self.poll_records(cx))?;
        let mut writer = self.session.writer();
        let taken = writer.seal(self.session.keys(), slices).map_err(io::Error::other)?;
        // What the kernel does not take waits for the next write or flush.
        flush(&self.tcp, &mut writer)?;
        Poll::Ready(Ok(taken))
    }
}

/// Writes what has been encrypted; false where the kernel takes no more for now.
fn flush(tcp: &TcpStream, writer: &mut RecordWriter) -> io::Result<bool> {
    writer.flush(|slices| tcp.try_write_vectored(slices))
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("tcp", &self.tcp).finish_non_exhaustive()
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.at == self.plain.len() {
            if ready!(self.poll_fill(cx))? {
                return Poll::Ready(Ok(()));
            }
        }
        let rest = &self.plain[self.at..];
        let count = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..count]);
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, &[buf])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let slices: Vec<&[u8]> = bufs.iter().map(|buf| &**buf).collect();
        self.poll_send(cx, &slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_records(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.session.writer().close();
        ready!(self.poll_records(cx))?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
