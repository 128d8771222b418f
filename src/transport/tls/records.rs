//! The records of a connection whose handshake is done (RFC 8446 section 5, RFC 5246 section 6.2).
//!
//! rustls's connection is one object for both directions: reading and writing wait for each other, and what it decrypts
//! is copied twice before anybody sees it. Here each direction is a half of its own, and records are decrypted where
//! they were received. The cryptography stays rustls's: its ciphers protect one record at a time, with nonces, padding
//! and the checks of both; its `kernel` interface, made for those who move records themselves, keeps session tickets
//! and derives the next keys.

#![forbid(unsafe_code)]

use std::sync::{Mutex, MutexGuard};

use rustls::client::UnbufferedClientConnection;
use rustls::{AlertDescription, Error, InvalidMessage};

use crate::sync::unpoisoned;

mod keys;
mod reader;
mod writer;

pub use keys::Keys;
pub use reader::{Reader, record_length};
pub use writer::Writer;

/// Type, version and length, in front of each record.
const HEADER: usize = 5;
/// The longest plaintext of a record.
const MAX_FRAGMENT: usize = 16 * 1024;

/// The two directions of one connection. They may be used by two threads at once.
pub struct Session {
    reader: Mutex<Reader>,
    writer: Mutex<Writer>,
    keys: Keys,
}

impl Session {
    /// Takes over from rustls. `received` is what it has not looked at yet.
    ///
    /// # Errors
    /// rustls's, for a connection that is still in its handshake or has something to send.
    pub fn new(connection: UnbufferedClientConnection, received: Vec<u8>) -> Result<Self, Error> {
        let (secrets, connection) = connection.dangerous_into_kernel_connection()?;
        let keys = Keys::new(connection);
        Ok(Self {
            reader: Mutex::new(Reader::new(&keys, secrets.rx, received)?),
            writer: Mutex::new(Writer::new(&keys, secrets.tx)?),
            keys,
        })
    }

    /// The half that decrypts.
    pub fn reader(&self) -> MutexGuard<'_, Reader> {
        unpoisoned(self.reader.lock())
    }

    /// The half that encrypts.
    pub fn writer(&self) -> MutexGuard<'_, Writer> {
        unpoisoned(self.writer.lock())
    }

    /// What both halves need at times.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }
}

/// What the peer is told of an error that it made; nothing where it was the peer who told us.
fn alert_for(error: &Error) -> Option<AlertDescription> {
    Some(match error {
        Error::AlertReceived(_) => return None,
        Error::DecryptError => AlertDescription::BadRecordMac,
        Error::PeerSentOversizedRecord | Error::InvalidMessage(InvalidMessage::MessageTooLarge) => {
            AlertDescription::RecordOverflow
        }
        Error::InvalidMessage(_) => AlertDescription::DecodeError,
        Error::PeerMisbehaved(_) | Error::InappropriateMessage { .. } => AlertDescription::UnexpectedMessage,
        _ => AlertDescription::InternalError,
    })
}

#[cfg(test)]
mod tests;
