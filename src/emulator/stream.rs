//! One accepted connection: TCP, with TLS or without, and what was read of it too early.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::options::EmulatorTls;
use crate::error::{ErrorKind, RelayError};

/// What a client may say before it is asked: to a handshake that is not answered, or behind a request.
pub const MAX_EARLY: usize = 64 * 1024;

/// The bytes of a connection.
pub enum InboundStream {
    /// ws:// and http://
    Plain(TcpStream),
    /// wss:// and https://
    Tls(Box<TlsStream<TcpStream>>),
}

impl InboundStream {
    fn tcp(&self) -> &TcpStream {
        match self {
            InboundStream::Plain(tcp) => tcp,
            InboundStream::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl AsyncRead for InboundStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            InboundStream::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            InboundStream::Tls(tls) => Pin::new(tls).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for InboundStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            InboundStream::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            InboundStream::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            InboundStream::Plain(tcp) => Pin::new(tcp).poll_write_vectored(context, slices),
            InboundStream::Tls(tls) => Pin::new(tls).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            InboundStream::Plain(tcp) => tcp.is_write_vectored(),
            InboundStream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            InboundStream::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            InboundStream::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            InboundStream::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            InboundStream::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}

/// A connection and what belongs to it.
pub struct InboundConnection {
    /// The bytes.
    pub stream: InboundStream,
    /// Bytes read past the request head.
    pub early: Vec<u8>,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// `host[:port]` by which the client knows this relay.
    pub authority: String,
}

impl InboundConnection {
    /// Returns when the client gives up; what it says too early is kept.
    pub async fn gone(&mut self) {
        while self.early.len() < MAX_EARLY {
            match self.stream.read_buf(&mut self.early).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        std::future::pending().await
    }

    /// Reads ahead until so many bytes are there.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn read_early(&mut self, count: usize) -> io::Result<()> {
        while self.early.len() < count {
            if self.stream.read_buf(&mut self.early).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// See [`cut`].
    pub fn cut(self, reset: bool) {
        let (reader, writer) = tokio::io::split(self.stream);
        cut(reader, writer, reset);
    }

    /// Ends the connection so that what was written still arrives: closing with unread bytes would reset it.
    pub async fn finish(self) {
        let (reader, writer) = tokio::io::split(self.stream);
        finish(reader, writer).await;
    }
}

/// See [`InboundConnection::finish`].
pub async fn finish(mut reader: ReadHalf<InboundStream>, mut writer: WriteHalf<InboundStream>) {
    let drain = async {
        writer.shutdown().await?;
        let mut sink = vec![0; 16 * 1024];
        while reader.read(&mut sink).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), drain).await;
}

/// Ends the connection without ceremony; `reset` makes it an RST even where nothing is unread.
pub fn cut(reader: ReadHalf<InboundStream>, writer: WriteHalf<InboundStream>, reset: bool) {
    let stream = reader.unsplit(writer);
    if reset {
        let _ = stream.tcp().set_zero_linger();
    }
}

/// Reads certificate and key for the accepting side.
///
/// # Errors
/// They cannot be read or do not belong together.
pub fn acceptor(options: &EmulatorTls) -> Result<tokio_rustls::TlsAcceptor, RelayError> {
    let failed = |text: &str| RelayError::new(ErrorKind::Tls, text);
    let chain = CertificateDer::pem_slice_iter(options.cert.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed("The certificate in tls.cert cannot be read").caused_by(error))?;
    if chain.is_empty() {
        return Err(failed("There is no certificate in tls.cert"));
    }
    let key = PrivateKeyDer::from_pem_slice(options.key.as_bytes())
        .map_err(|error| failed("The private key in tls.key cannot be read").caused_by(error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed("TLS cannot be set up").caused_by(error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| failed("tls.cert and tls.key do not belong together").caused_by(error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tokio_rustls::TlsAcceptor::from(Arc::new(config)))
}
