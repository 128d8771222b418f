//! A non-blocking connection, plain or TLS, that moves bytes in large pieces.

use std::io::{self, Read, Write};

use mio::net::TcpStream;
use rustls::Connection;

/// Bytes asked for in one system call.
pub const READ: usize = 256 * 1024;
/// Plaintext turned into records at once.
const TLS_WRITE: usize = 256 * 1024;

pub struct Conn {
    pub socket: TcpStream,
    tls: Option<Box<Connection>>,
}

/// Buffers that all connections share.
pub struct Scratch {
    raw: Vec<u8>,
    plain: Vec<u8>,
}

impl Scratch {
    pub fn new() -> Self {
        Self { raw: vec![0; READ], plain: Vec::with_capacity(READ) }
    }
}

pub enum Chunk<'a> {
    /// `more`: the kernel may have more.
    Data { bytes: &'a mut [u8], more: bool },
    /// Nothing for now.
    Empty,
    /// The peer is gone.
    End,
}

impl Conn {
    pub fn new(socket: TcpStream, tls: Option<Connection>) -> Self {
        let tls = tls.map(|mut tls| {
            tls.set_buffer_limit(Some(2 * TLS_WRITE));
            Box::new(tls)
        });
        Self { socket, tls }
    }

    pub fn read<'a>(&mut self, scratch: &'a mut Scratch) -> io::Result<Chunk<'a>> {
        let n = match self.socket.read(&mut scratch.raw) {
            Ok(0) => return Ok(Chunk::End),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Chunk::Empty),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return Ok(Chunk::Data { bytes: &mut [], more: true });
            }
            Err(_) => return Ok(Chunk::End),
        };
        let more = n == scratch.raw.len();
        let Some(tls) = &mut self.tls else {
            return Ok(Chunk::Data { bytes: &mut scratch.raw[..n], more });
        };
        scratch.plain.clear();
        let mut records = &scratch.raw[..n];
        while !records.is_empty() {
            tls.read_tls(&mut records)?;
            let state = tls.process_new_packets().map_err(io::Error::other)?;
            let had = scratch.plain.len();
            scratch.plain.resize(had + state.plaintext_bytes_to_read(), 0);
            if scratch.plain.len() > had {
                tls.reader().read_exact(&mut scratch.plain[had..])?;
            }
            if state.peer_has_closed() {
                break;
            }
        }
        // Handshake messages and tickets; what the socket does not take waits for the next write.
        self.flush()?;
        Ok(Chunk::Data { bytes: &mut scratch.plain, more })
    }

    /// Takes as much of `bytes` as fits; 0 if the socket is full.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.flush()? {
            return Ok(0);
        }
        match &mut self.tls {
            None => some(self.socket.write(bytes)),
            Some(tls) => {
                let taken = tls.writer().write(&bytes[..bytes.len().min(TLS_WRITE)])?;
                self.flush()?;
                Ok(taken)
            }
        }
    }

    /// Whether all records are with the kernel.
    pub fn flush(&mut self) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else { return Ok(true) };
        while tls.wants_write() {
            if some(tls.write_tls(&mut self.socket))? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    pub fn send_close_notify(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        let _ = self.flush();
    }
}

fn some(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        other => other,
    }
}
