//! The records of a connection whose handshake is done (RFC 8446 section 5, RFC 5246 section 6.2).
//!
//! Each direction is a half of its own, and records are decrypted where they were received. The cryptography stays
//! rustls's: its ciphers protect one record at a time, with nonces, padding and the checks of both; its `kernel`
//! interface, made for those who move records themselves, keeps session tickets and derives the next keys.
//!
//! Why not rustls's own record layer: behind the same interface, `UnbufferedClientConnection` was to replace this where it
//! cost 5 % at most. It copies each record once more, into memory of its own, and it is one object, so that the thread that
//! encrypts waits for the one that decrypts. CPU time for a message, as multiples of what it takes here (AES-256-GCM; a
//! record or, of 1 MiB, 64 of them; November 2026):
//!
//! |           | 32 B | 1 KiB | 16 KiB | 1 MiB |
//! | --------- | ---- | ----- | ------ | ----- |
//! | decrypted | 2.0  | 1.4   | 1.1    | 1.1   |
//! | encrypted | 1.3  | 1.2   | 1.2    | 1.1   |
//!
//! With ChaCha20 the factors are smaller (1.04 to 1.8), because the cipher takes more of the time.
//!
//! The bench's wss rows (seven interleaved rounds, two cores) with rustls's in the place of this: echoes of 32 B 0.96 and,
//! on 50 sockets, 0.99; received of 32 B 1.09, of 1 KiB 0.94, of 1 MiB 0.96; sent of 32 B 0.92, of 1 KiB 0.99; echoes of 1 MiB
//! 0.94. Three of the eight cost more than 5 %, so this stays.

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
