//! The sending half: from plaintext to records, and what the kernel has not taken of them.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::{
    AlertDescription, ConnectionTrafficSecrets, ContentType, Error, InvalidMessage, ProtocolVersion,
};

use super::header::MAX_FRAGMENT;
use super::keys::Keys;

/// Plaintext that is encrypted at once. What is written soon after is still in the cache.
const TURN: usize = 4 * MAX_FRAGMENT;
/// Records written with one system call; a turn's, and what was before them.
const SLICES: usize = 8;
/// `KeyUpdate(update_not_requested)`: our key changes, the peer's need not.
const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];
const WARNING: u8 = 1;
const FATAL: u8 = 2;

/// The sending half of a connection.
pub struct RecordWriter {
    encrypter: Box<dyn MessageEncrypter>,
    sequence: u64,
    /// Records that may be made with one key.
    pub(super) limit: u64,
    records: VecDeque<Vec<u8>>,
    /// So many bytes of the first record the kernel has taken.
    head: usize,
    /// An alert ended the connection: no record may follow it.
    closed: bool,
}

impl RecordWriter {
    pub(super) fn new(
        keys: &Keys,
        (sequence, secrets): (u64, ConnectionTrafficSecrets),
    ) -> Result<Self, Error> {
        Ok(Self {
            encrypter: keys.encrypter(secrets)?,
            sequence,
            limit: keys.limit(),
            records: VecDeque::new(),
            head: 0,
            closed: false,
        })
    }

    /// Encrypts the beginning of `slices`, and says how much of it.
    ///
    /// # Errors
    /// Where the connection was closed, or the key is used up and TLS 1.2 has no other.
    pub fn seal(&mut self, keys: &Keys, slices: &[&[u8]]) -> Result<usize, Error> {
        let (mut rest, _) = OutboundChunks::new(slices).split_at(TURN);
        let taken = rest.len();
        while !rest.is_empty() {
            if self.closed {
                return Err(Error::EncryptError);
            }
            if keys.take_update() || self.sequence >= self.limit {
                self.update(keys)?;
            }
            let (fragment, behind) = rest.split_at(MAX_FRAGMENT);
            self.push(ContentType::ApplicationData, fragment)?;
            rest = behind;
        }
        Ok(taken)
    }

    /// Says that nothing more will follow (close_notify). Once is enough.
    pub fn close(&mut self) {
        self.end(WARNING, AlertDescription::CloseNotify);
    }

    /// Tells the peer why the connection ends, in one attempt to write.
    pub fn refuse(&mut self, error: &Error, write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) {
        if let Some(description) = alert_for(error) {
            self.end(FATAL, description);
            let _ = self.flush(write);
        }
    }

    /// Hands the records to `write` until it takes no more (`WouldBlock`, then false) or has all.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn flush(&mut self, mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<bool> {
        while !self.records.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = slices
                .iter_mut()
                .zip(&self.records)
                .map(|(slice, record)| *slice = IoSlice::new(record))
                .count();
            slices[0].advance(self.head);
            match write(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn advance(&mut self, written: usize) {
        self.head += written;
        while let Some(first) = self.records.front()
            && self.head >= first.len()
        {
            self.head -= first.len();
            self.records.pop_front();
        }
    }

    fn end(&mut self, level: u8, description: AlertDescription) {
        if !self.closed {
            // There is nobody left to be told of a failure.
            let _ = self.push(ContentType::Alert, OutboundChunks::Single(&[level, description.into()]));
            self.closed = true;
        }
    }

    fn update(&mut self, keys: &Keys) -> Result<(), Error> {
        if !keys.tls13() {
            self.close();
            return Err(Error::EncryptError);
        }
        self.push(ContentType::Handshake, OutboundChunks::Single(&KEY_UPDATE))?;
        self.encrypter = keys.next_encrypter()?;
        self.sequence = 0;
        Ok(())
    }

    fn push(&mut self, kind: ContentType, payload: OutboundChunks<'_>) -> Result<(), Error> {
        let message = OutboundPlainMessage { typ: kind, version: ProtocolVersion::TLSv1_2, payload };
        let record = self.encrypter.encrypt(message, self.sequence)?;
        self.sequence += 1;
        self.records.push_back(record.encode());
        Ok(())
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
