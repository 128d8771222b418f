//! The bytes of one connection: a TCP stream, plain or under TLS, used by two threads at once.
//!
//! The IO thread reads; whoever has something to write writes, which is usually the JavaScript thread.

#![forbid(unsafe_code)]

use std::io::{self, IoSlice};
use std::mem;
use std::net::Shutdown;
use std::task::{Context, Poll};

use bytes::BufMut;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::Tuning;
use super::collector::Collector;
use super::delivery::LARGE;
use super::outgoing::Outgoing;
use crate::buffers;
use crate::frame::{Decoder, FrameError};
use crate::transport::tls::records::TlsSession;

/// What a record carries at most: an incomplete one may come before what is received.
const RECORD: usize = 16 * 1024;
/// Segments written with one system call.
const SLICES: usize = 16;

/// One connection.
pub struct Link {
    tcp: TcpStream,
    /// Boxed, for plain connections need not carry its size.
    tls: Option<Box<TlsSession>>,
    tuning: Tuning,
}

/// What a read step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadStep {
    /// Bytes went to the decoder; so many came by way of the shared buffer.
    Bytes(usize),
    /// Nothing there for now.
    Blocked,
    /// The peer ended its side.
    End,
}

/// Why reading stopped.
pub enum ReadError {
    /// The connection broke.
    Io(io::Error),
    /// The peer broke the protocol.
    Frame(FrameError),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        ReadError::Io(error)
    }
}

impl From<FrameError> for ReadError {
    fn from(error: FrameError) -> Self {
        ReadError::Frame(error)
    }
}

impl Link {
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

    /// Writes what `queue` holds; true when the kernel has everything, false when it takes no more for now.
    pub fn write(&self, queue: &mut Outgoing) -> io::Result<bool> {
        match &self.tls {
            None => self.write_plain(queue),
            Some(tls) => self.write_tls(tls, queue),
        }
    }

    fn write_plain(&self, queue: &mut Outgoing) -> io::Result<bool> {
        while queue.ready() > 0 {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = queue.slices(&mut slices);
            match self.send(&slices[..count]) {
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

    fn write_tls(&self, tls: &TlsSession, queue: &mut Outgoing) -> io::Result<bool> {
        let mut writer = tls.writer();
        while writer.flush(|slices| self.send(slices))? {
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

    fn send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match (self.tuning.short_io, slices.iter().find(|slice| !slice.is_empty())) {
            (true, Some(slice)) => self.tcp.try_write(&slice[..1]),
            _ => self.tcp.try_write_vectored(slices),
        }
    }

    /// Ends our side: close_notify under TLS, then FIN.
    pub fn shutdown(&self) -> io::Result<bool> {
        if let Some(tls) = &self.tls {
            let mut writer = tls.writer();
            writer.close();
            if !writer.flush(|slices| self.send(slices))? {
                return Ok(false);
            }
        }
        SockRef::from(&self.tcp).shutdown(Shutdown::Write)?;
        Ok(true)
    }

    /// Reads up to `room` bytes at once, but for a large payload, and decodes what came.
    pub fn read(
        &self,
        room: usize,
        scratch: &mut Scratch,
        decoder: &mut Decoder,
        inbox: &mut Collector<'_>,
    ) -> Result<ReadStep, ReadError> {
        match &self.tls {
            None => self.read_plain(room, scratch, decoder, inbox),
            Some(tls) => self.read_tls(tls, room, scratch, decoder, inbox),
        }
    }

    fn read_plain(
        &self,
        room: usize,
        scratch: &mut Scratch,
        decoder: &mut Decoder,
        inbox: &mut Collector<'_>,
    ) -> Result<ReadStep, ReadError> {
        // A large payload goes straight into its final buffer.
        if self.tuning.direct_read
            && let Some((buffer, missing)) = decoder.direct()
        {
            let missing = if self.tuning.short_io { 1 } else { missing };
            return match self.tcp.try_read_buf(&mut buffer.limit(missing)) {
                Ok(0) => Ok(ReadStep::End),
                Ok(_) => {
                    decoder.direct_advance(inbox)?;
                    Ok(ReadStep::Bytes(0))
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(ReadStep::Blocked),
                Err(error) => Err(error.into()),
            };
        }
        let wire = scratch.wire(room);
        match self.receive(wire, room)? {
            None => Ok(ReadStep::Blocked),
            Some(0) => Ok(ReadStep::End),
            Some(count) => {
                inbox.decode(decoder, wire)?;
                Ok(ReadStep::Bytes(count))
            }
        }
    }

    fn read_tls(
        &self,
        tls: &TlsSession,
        room: usize,
        scratch: &mut Scratch,
        decoder: &mut Decoder,
        inbox: &mut Collector<'_>,
    ) -> Result<ReadStep, ReadError> {
        let mut reader = tls.reader();
        let wanted = reader.wanted(room);
        let wire = scratch.wire(room);
        wire.extend_from_slice(&reader.take_pending());
        let count = match self.receive(wire, wanted) {
            Ok(Some(count @ 1..)) => count,
            other => {
                // Then what was pending is so still.
                reader.keep(wire);
                return Ok(if other?.is_some() { ReadStep::End } else { ReadStep::Blocked });
            }
        };
        let Scratch { wire, plain } = scratch;
        let mut decoded = Ok(());
        let opened = reader.open(tls.keys(), wire, |bytes| {
            // The decoder ignores what follows a broken rule, but TLS must not miss any of it.
            if decoded.is_ok() {
                decoded = take_plaintext(bytes, room + RECORD, plain, decoder, inbox);
            }
        });
        // In any case: what the next socket decrypts goes there too.
        let decoded = inbox.decode(decoder, plain).and(decoded);
        if let Err(error) = opened {
            tls.writer().refuse(&error, |slices| self.send(slices));
            decoded?;
            return Err(io::Error::other(error).into());
        }
        decoded?;
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

/// Takes what one record carried: a large payload goes straight into its final buffer, the rest into `plain`, up to
/// `most` of it, which the caller decodes.
fn take_plaintext(
    mut bytes: &[u8],
    most: usize,
    plain: &mut Vec<u8>,
    decoder: &mut Decoder,
    inbox: &mut Collector<'_>,
) -> Result<(), FrameError> {
    while !bytes.is_empty() {
        let direct = if plain.is_empty() { decoder.direct() } else { None };
        let count = match direct {
            Some((buffer, missing)) => {
                let count = bytes.len().min(missing);
                buffer.extend_from_slice(&bytes[..count]);
                decoder.direct_advance(inbox)?;
                count
            }
            None if plain.len() + bytes.len() <= most => {
                if plain.is_empty() {
                    fit(plain, most);
                }
                plain.extend_from_slice(bytes);
                bytes.len()
            }
            None => {
                inbox.decode(decoder, plain)?;
                0
            }
        };
        bytes = &bytes[count..];
    }
    Ok(())
}

/// The buffers of one IO thread, shared by all of its sockets, and empty between two reads.
#[derive(Default)]
pub struct Scratch {
    wire: Vec<u8>,
    plain: Vec<u8>,
}

impl Scratch {
    /// A buffer to receive `room` bytes into.
    fn wire(&mut self, room: usize) -> &mut Vec<u8> {
        self.wire.clear();
        fit(&mut self.wire, room);
        &mut self.wire
    }
}

/// Makes `buffer`, an empty one, hold `size` bytes and the message which the read before had begun, and not much more,
/// for it may go to JavaScript. The last one may have gone there.
fn fit(buffer: &mut Vec<u8>, size: usize) {
    let size = size + LARGE;
    if !(size..=2 * size).contains(&buffer.capacity()) {
        buffers::give(mem::replace(buffer, buffers::take(size)));
    }
}
