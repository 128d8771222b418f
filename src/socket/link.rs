//! The bytes of one connection: a TCP stream, plain or under TLS, used by two threads at once.
//!
//! The IO thread reads; whoever has something to write writes, which is usually the JavaScript thread.

#![forbid(unsafe_code)]

use std::io::{self, BufRead, IoSlice, Write};
use std::net::Shutdown;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::BufMut;
use rustls::ClientConnection;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::Tuning;
use super::collector::Collector;
use super::delivery::{BUFFER, LARGE, READ};
use super::outgoing::Outgoing;
use crate::buffers;
use crate::frame::{Decoder, FrameError};

/// Decrypted bytes that are decoded at once: what one receive yields, with a record before it that was incomplete.
const PLAIN: usize = READ + 16 * 1024;
/// Segments written with one system call.
const SLICES: usize = 16;

/// One connection.
pub struct Link {
    tcp: TcpStream,
    /// Boxed, for it is a kilobyte, which plain connections need not carry.
    tls: Option<Box<Mutex<ClientConnection>>>,
    tuning: Tuning,
}

/// What a read step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadStep {
    /// Bytes went to the decoder.
    Bytes,
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
    pub fn new(tcp: TcpStream, tls: Option<ClientConnection>, tuning: Tuning) -> Self {
        Self { tcp, tls: tls.map(|tls| Box::new(Mutex::new(tls))), tuning }
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
            Some(tls) => self.write_tls(&mut lock(tls), queue),
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

    fn write_tls(&self, tls: &mut ClientConnection, queue: &mut Outgoing) -> io::Result<bool> {
        loop {
            if !self.flush_tls(tls)? {
                return Ok(false);
            }
            queue.settle();
            if queue.ready() == 0 {
                return Ok(true);
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = queue.slices(&mut slices);
            let taken = tls.writer().write_vectored(&slices[..count])?;
            queue.advance(taken);
        }
    }

    /// Sends the records that rustls has made; false when the kernel takes no more for now.
    fn flush_tls(&self, tls: &mut ClientConnection) -> io::Result<bool> {
        while tls.wants_write() {
            match tls.write_tls(&mut Wire(self)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
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
            let mut tls = lock(tls);
            tls.send_close_notify();
            if !self.flush_tls(&mut tls)? {
                return Ok(false);
            }
        }
        SockRef::from(&self.tcp).shutdown(Shutdown::Write)?;
        Ok(true)
    }

    /// Bytes that arrived with the handshake's answer are under TLS already decrypted: see `drain_plaintext`.
    pub fn read(
        &self,
        scratch: &mut Scratch,
        decoder: &mut Decoder,
        inbox: &mut Collector<'_>,
    ) -> Result<ReadStep, ReadError> {
        match &self.tls {
            None => self.read_plain(scratch, decoder, inbox),
            Some(tls) => self.read_tls(tls, scratch, decoder, inbox),
        }
    }

    fn read_plain(
        &self,
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
                    Ok(ReadStep::Bytes)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(ReadStep::Blocked),
                Err(error) => Err(error.into()),
            };
        }
        let wire = scratch.wire();
        match self.receive(wire)? {
            None => Ok(ReadStep::Blocked),
            Some(0) => Ok(ReadStep::End),
            Some(_) => {
                inbox.decode(decoder, wire)?;
                Ok(ReadStep::Bytes)
            }
        }
    }

    fn read_tls(
        &self,
        tls: &Mutex<ClientConnection>,
        scratch: &mut Scratch,
        decoder: &mut Decoder,
        inbox: &mut Collector<'_>,
    ) -> Result<ReadStep, ReadError> {
        // Not under the lock: JavaScript may be encrypting meanwhile.
        let Some(count) = self.receive(scratch.wire())? else { return Ok(ReadStep::Blocked) };
        let Scratch { wire, plain } = scratch;
        let tls = &mut *lock(tls);
        if count == 0 {
            tls.read_tls(&mut &wire[..])?;
            return Ok(ReadStep::End);
        }
        let step = self.decrypt(tls, wire, plain, decoder, inbox);
        // In any case: what the next socket decrypts goes there too.
        inbox.decode(decoder, plain).map_err(ReadError::from).and(step)
    }

    fn decrypt(
        &self,
        tls: &mut ClientConnection,
        mut records: &[u8],
        plain: &mut Vec<u8>,
        decoder: &mut Decoder,
        inbox: &mut Collector<'_>,
    ) -> Result<ReadStep, ReadError> {
        let mut outcome = Ok(ReadStep::Bytes);
        while !records.is_empty() {
            tls.read_tls(&mut records)?;
            if let Err(error) = tls.process_new_packets() {
                // The alert that says why is worth one attempt.
                let _ = self.flush_tls(tls);
                return Err(io::Error::other(error).into());
            }
            let step = drain_plaintext(tls, plain, decoder, inbox);
            let ended = matches!(step, Ok(ReadStep::End));
            // The decoder ignores what follows a broken rule, but TLS must not miss any of it.
            outcome = outcome.and(step);
            if ended {
                break;
            }
        }
        outcome
    }

    /// Decodes what rustls had decrypted together with the end of the handshake.
    pub fn read_early(
        &self,
        scratch: &mut Scratch,
        decoder: &mut Decoder,
        inbox: &mut Collector<'_>,
    ) -> Result<ReadStep, ReadError> {
        match &self.tls {
            Some(tls) => {
                let step = drain_plaintext(&mut lock(tls), &mut scratch.plain, decoder, inbox);
                inbox.decode(decoder, &mut scratch.plain).map_err(ReadError::from).and(step)
            }
            None => Ok(ReadStep::Bytes),
        }
    }

    /// One receive into an empty buffer with room; `None` where there is nothing.
    ///
    /// A short read has emptied the kernel's buffer: telling tokio so at once saves the empty second call that
    /// would otherwise find it out. A FIN that comes later is announced by an event of its own.
    fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
        let room = if self.tuning.short_io { 1 } else { READ };
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

/// Takes all that rustls has decrypted: large payloads straight into their final buffer, the rest into `plain`, which
/// the caller decodes. The end is the peer's close_notify.
fn drain_plaintext(
    tls: &mut ClientConnection,
    plain: &mut Vec<u8>,
    decoder: &mut Decoder,
    inbox: &mut Collector<'_>,
) -> Result<ReadStep, ReadError> {
    let mut outcome = Ok(());
    loop {
        let mut reader = tls.reader();
        let decrypted = match reader.fill_buf() {
            Ok([]) => return outcome.map(|()| ReadStep::End),
            Ok(decrypted) => decrypted,
            // Without close_notify the end is an error here; the read that saw the FIN reports it as the end.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::UnexpectedEof) =>
            {
                return outcome.map(|()| ReadStep::Bytes);
            }
            Err(error) => return Err(error.into()),
        };
        let direct = if plain.is_empty() { decoder.direct() } else { None };
        let (count, decoded) = match direct {
            Some((buffer, missing)) => {
                let count = decrypted.len().min(missing);
                buffer.extend_from_slice(&decrypted[..count]);
                (count, decoder.direct_advance(inbox))
            }
            None if plain.len() + decrypted.len() <= PLAIN => {
                if plain.capacity() < PLAIN {
                    *plain = buffers::take(PLAIN + LARGE);
                }
                plain.extend_from_slice(decrypted);
                (decrypted.len(), Ok(()))
            }
            None => (0, inbox.decode(decoder, plain)),
        };
        reader.consume(count);
        outcome = outcome.and(decoded.map_err(ReadError::from));
    }
}

/// The buffers of one IO thread, shared by all of its sockets, and empty between two reads.
#[derive(Default)]
pub struct Scratch {
    wire: Vec<u8>,
    plain: Vec<u8>,
}

impl Scratch {
    /// A buffer to receive into. The last one may have gone to JavaScript.
    fn wire(&mut self) -> &mut Vec<u8> {
        if self.wire.capacity() < BUFFER {
            self.wire = buffers::take(BUFFER);
        }
        self.wire.clear();
        &mut self.wire
    }
}

/// rustls writes its records through this: many with one system call.
struct Wire<'a>(&'a Link);

impl Write for Wire<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.send(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.send(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock(tls: &Mutex<ClientConnection>) -> MutexGuard<'_, ClientConnection> {
    tls.lock().unwrap_or_else(PoisonError::into_inner)
}
