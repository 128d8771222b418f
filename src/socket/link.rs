//! The bytes of one connection: a TCP stream, plain or under TLS, used by two threads at once.
//!
//! The IO thread reads; whoever has something to write writes, which is usually the JavaScript thread.

use std::ffi::c_int;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::task::{Context, Poll};

use bytes::BufMut;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::options::Tuning;
use super::outgoing::Outgoing;
use crate::transport::tls::records::TlsSession;

/// Segments written with one system call.
const SLICES: usize = 16;
/// `MSG_MORE` of Linux: a close frame and the end of the stream behind it are one segment then, and one for the peer to
/// wake for.
const MORE: c_int = if cfg!(target_os = "linux") { 0x8000 } else { 0 };

/// One connection.
pub struct SocketLink {
    tcp: TcpStream,
    /// Boxed, for plain connections need not carry its size.
    tls: Option<Box<TlsSession>>,
    tuning: Tuning,
}

/// What a read step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadStep {
    /// Bytes came; so many of them by way of the shared buffer.
    Bytes(usize),
    /// Nothing there for now.
    Blocked,
    /// The peer ended its side.
    End,
}

/// A piece of what a read brought.
pub enum Chunk<'a> {
    /// All of it, as it came. The buffer may be kept, if another is left in its place.
    Buffer(&'a mut Vec<u8>),
    /// What one record of TLS carried; there may be more.
    Record(&'a [u8]),
}

impl SocketLink {
    /// Takes over a stream whose handshakes are done.
    pub fn new(tcp: TcpStream, tls: Option<TlsSession>, tuning: Tuning) -> Self {
        Self { tcp, tls: tls.map(Box::new), tuning }
    }

    /// Ready to be read, as far as the selector knows.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_read_ready(cx)
    }

    /// Ready to be written. Works from any thread; the task behind `cx` is woken when it becomes so.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_write_ready(cx)
    }

    /// Writes what `queue` holds; true when the kernel has everything, false when it takes no more for now. With `last`,
    /// [`SocketLink::shutdown`] follows at once, and the kernel may wait for it.
    pub fn write(&self, queue: &mut Outgoing, last: bool) -> io::Result<bool> {
        match &self.tls {
            None => self.write_plain(queue, last),
            Some(tls) => self.write_tls(tls, queue, last),
        }
    }

    fn write_plain(&self, queue: &mut Outgoing, last: bool) -> io::Result<bool> {
        while queue.ready() > 0 {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = queue.slices(&mut slices);
            match self.send(&slices[..count], last) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    queue.advance(written);
                    queue.settle();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn write_tls(&self, tls: &TlsSession, queue: &mut Outgoing, last: bool) -> io::Result<bool> {
        let mut writer = tls.writer();
        while writer.flush(|slices| self.send(slices, last))? {
            queue.settle();
            if queue.ready() == 0 {
                return Ok(true);
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = queue.slices(&mut slices);
            let slices: [&[u8]; SLICES] = std::array::from_fn(|at| &*slices[at]);
            let taken = writer.seal(tls.keys(), &slices[..count]).map_err(io::Error::other)?;
            queue.advance(taken);
        }
        Ok(false)
    }

    fn send(&self, slices: &[IoSlice<'_>], last: bool) -> io::Result<usize> {
        match (self.tuning.short_io, slices.iter().find(|slice| !slice.is_empty())) {
            (true, Some(slice)) => self.tcp.try_write(&slice[..1]),
            _ if last && MORE != 0 => self.tcp.try_io(Interest::WRITABLE, || {
                SockRef::from(&self.tcp).send_vectored_with_flags(slices, MORE)
            }),
            _ => self.tcp.try_write_vectored(slices),
        }
    }

    /// Ends our side: close_notify under TLS, then FIN.
    pub fn shutdown(&self) -> io::Result<bool> {
        if let Some(tls) = &self.tls {
            let mut writer = tls.writer();
            writer.close();
            if !writer.flush(|slices| self.send(slices, true))? {
                return Ok(false);
            }
        }
        SockRef::from(&self.tcp).shutdown(Shutdown::Write)?;
        Ok(true)
    }

    /// Whether [`SocketLink::read_into`] may be used: bytes come as they are.
    pub fn reads_direct(&self) -> bool {
        self.tls.is_none() && self.tuning.direct_read
    }

    /// Reads up to `most` bytes into `buffer`, behind what it holds.
    pub fn read_into(&self, buffer: &mut Vec<u8>, most: usize) -> io::Result<ReadStep> {
        let most = if self.tuning.short_io { 1 } else { most };
        match self.tcp.try_read_buf(&mut buffer.limit(most)) {
            Ok(0) => Ok(ReadStep::End),
            Ok(_) => Ok(ReadStep::Bytes(0)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(ReadStep::Blocked),
            Err(error) => Err(error),
        }
    }

    /// Reads up to `room` bytes at once by way of `wire`, and hands out what came.
    pub fn read(
        &self,
        room: usize,
        wire: &mut Vec<u8>,
        mut take: impl FnMut(Chunk<'_>),
    ) -> io::Result<ReadStep> {
        wire.clear();
        if let Some(tls) = &self.tls {
            return self.read_tls(tls, room, wire, take);
        }
        match self.receive(wire, room)? {
            None => Ok(ReadStep::Blocked),
            Some(0) => Ok(ReadStep::End),
            Some(count) => {
                take(Chunk::Buffer(wire));
                Ok(ReadStep::Bytes(count))
            }
        }
    }

    fn read_tls(
        &self,
        tls: &TlsSession,
        room: usize,
        wire: &mut Vec<u8>,
        mut take: impl FnMut(Chunk<'_>),
    ) -> io::Result<ReadStep> {
        let mut reader = tls.reader();
        let wanted = reader.wanted(room);
        wire.extend_from_slice(&reader.take_pending());
        let count = match self.receive(wire, wanted) {
            Ok(Some(count @ 1..)) => count,
            other => {
                // Then what was pending is so still.
                reader.keep(wire);
                return Ok(if other?.is_some() { ReadStep::End } else { ReadStep::Blocked });
            }
        };
        if let Err(error) = reader.open(tls.keys(), wire, |bytes| take(Chunk::Record(bytes))) {
            tls.writer().refuse(&error, |slices| self.send(slices, false));
            return Err(io::Error::other(error));
        }
        Ok(if reader.closed() { ReadStep::End } else { ReadStep::Bytes(count) })
    }

    /// The peer's end came with the handshake's answer already.
    pub fn ended(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.reader().closed())
    }

    /// Receives up to `room` bytes; `None` where there is nothing.
    ///
    /// A short read has emptied the kernel's buffer: telling tokio so at once saves the empty second call that
    /// would otherwise find it out. A FIN that comes later is announced by an event of its own.
    fn receive(&self, buffer: &mut Vec<u8>, room: usize) -> io::Result<Option<usize>> {
        let room = if self.tuning.short_io { 1 } else { room };
        match self.tcp.try_read_buf(&mut buffer.limit(room)) {
            Ok(count) => {
                if count > 0 && count < room {
                    let drained = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                    let _ = self.tcp.try_io(Interest::READABLE, drained);
                }
                Ok(Some(count))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}
