//! The records of a connection whose handshake is done (RFC 8446 section 5, RFC 5246 section 6.2).
//!
//! rustls's connection is one object for both directions: reading and writing wait for each other, and what it decrypts
//! is copied twice before anybody sees it. Here each direction is a half of its own, and records are decrypted where
//! they were received. The cryptography stays rustls's: its ciphers protect one record at a time, with nonces, padding
//! and the checks of both; its `kernel` interface, made for those who move records themselves, keeps session tickets
//! and derives the next keys.

#![forbid(unsafe_code)]

use std::sync::{Mutex, MutexGuard};

use rustls::Error;
use rustls::client::UnbufferedClientConnection;

use crate::sync::unpoisoned;

mod header;
mod keys;
mod reader;
mod writer;

pub use header::record_length;
pub use keys::Keys;
pub use reader::RecordReader;
pub use writer::RecordWriter;

/// The two directions of one connection. They may be used by two threads at once.
pub struct TlsSession {
    reader: Mutex<RecordReader>,
    writer: Mutex<RecordWriter>,
    keys: Keys,
}

impl TlsSession {
    /// Takes over from rustls. `received` is what it has not looked at yet.
    ///
    /// # Errors
    /// rustls's, for a connection that is still in its handshake or has something to send.
    pub fn new(connection: UnbufferedClientConnection, received: Vec<u8>) -> Result<Self, Error> {
        let (secrets, connection) = connection.dangerous_into_kernel_connection()?;
        let keys = Keys::new(connection);
        Ok(Self {
            reader: Mutex::new(RecordReader::new(&keys, secrets.rx, received)?),
            writer: Mutex::new(RecordWriter::new(&keys, secrets.tx)?),
            keys,
        })
    }

    /// The half that decrypts.
    pub fn reader(&self) -> MutexGuard<'_, RecordReader> {
        unpoisoned(self.reader.lock())
    }

    /// The half that encrypts.
    pub fn writer(&self) -> MutexGuard<'_, RecordWriter> {
        unpoisoned(self.writer.lock())
    }

    /// The keys, which both halves need.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }
}

#[cfg(test)]
mod tests;
