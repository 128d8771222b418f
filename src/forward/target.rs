//! The end of a stream that is on this machine, or near it: a TCP connection or a unix socket.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Shutdown};
#[cfg(unix)]
use std::path::PathBuf;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BufMut;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::error::{ErrorKind, RelayError};
use crate::transport::tcp;

/// Where bytes are forwarded to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamTarget {
    /// Name, or IP literal without brackets, and port.
    Tcp(String, u16),
    /// The same, to be reached from this address.
    TcpFrom(IpAddr, String, u16),
    /// A unix socket.
    #[cfg(unix)]
    Unix(PathBuf),
}

impl StreamTarget {
    /// Dials it.
    ///
    /// # Errors
    /// [`ErrorKind::Network`] with the system's error in Node's shape, or [`ErrorKind::Timeout`].
    pub async fn connect(&self, limit: Duration) -> Result<LocalStream, RelayError> {
        let dial = async {
            match self {
                StreamTarget::Tcp(host, port) => tcp::connect(host, *port).await.map(LocalStream::from),
                StreamTarget::TcpFrom(from, host, port) => {
                    tcp::connect_from(*from, host, *port).await.map(LocalStream::from)
                }
                #[cfg(unix)]
                StreamTarget::Unix(path) => UnixStream::connect(path)
                    .await
                    .map(LocalStream::from)
                    .map_err(|error| tcp::path_error("connect", path, &error)),
            }
        };
        tokio::time::timeout(limit, dial)
            .await
            .unwrap_or_else(|_| Err(RelayError::new(ErrorKind::Timeout, "The target did not answer in time")))
    }
}

/// A connection on this side. Dropped before it was ended it is reset, so that nobody takes what came for all of it.
#[derive(Debug)]
pub struct LocalStream {
    io: LocalIo,
    ended: bool,
}

#[derive(Debug)]
enum LocalIo {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Does the same to whichever of them it is.
macro_rules! each {
    ($stream:expr, $name:ident => $act:expr) => {
        match &$stream.io {
            LocalIo::Tcp($name) => $act,
            #[cfg(unix)]
            LocalIo::Unix($name) => $act,
        }
    };
}

impl LocalStream {
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_read_ready(cx))
    }

    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_write_ready(cx))
    }

    /// Reads up to `most` bytes behind what `buffer` holds; `None` where nothing is there.
    pub(super) fn read(&self, buffer: &mut Vec<u8>, most: usize) -> io::Result<Option<usize>> {
        match each!(self, stream => stream.try_read_buf(&mut buffer.limit(most))) {
            Ok(count) => {
                if count > 0 && count < most {
                    // A short read has emptied the kernel's buffer: saves the empty one that would find it out.
                    let drained = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                    let _ = each!(self, stream => stream.try_io(Interest::READABLE, drained));
                }
                Ok(Some(count))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes as much as the kernel takes; 0 where that is nothing for now.
    pub(super) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match each!(self, stream => stream.try_write_vectored(slices)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            written => written,
        }
    }

    /// Ends our side: what was written arrives, and the end of it.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.ended = true;
        each!(self, stream => SockRef::from(stream).shutdown(Shutdown::Write))
    }

    /// Ends it so that it cannot be taken for a complete one: a reset. Of unix sockets there is none.
    pub(super) fn reset(mut self) {
        self.ended = false;
    }
}

impl Drop for LocalStream {
    fn drop(&mut self) {
        if let LocalIo::Tcp(tcp) = &self.io
            && !self.ended
        {
            let _ = tcp.set_zero_linger();
        }
    }
}

impl From<TcpStream> for LocalStream {
    fn from(tcp: TcpStream) -> Self {
        Self { io: LocalIo::Tcp(tcp), ended: false }
    }
}

#[cfg(unix)]
impl From<UnixStream> for LocalStream {
    fn from(unix: UnixStream) -> Self {
        Self { io: LocalIo::Unix(unix), ended: false }
    }
}
