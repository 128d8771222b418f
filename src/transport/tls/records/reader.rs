//! The receiving half: from bytes to records to plaintext.

use std::mem;

use rustls::crypto::cipher::{InboundOpaqueMessage, MessageDecrypter};
use rustls::{
    AlertDescription, ConnectionTrafficSecrets, ContentType, Error, HandshakeType, InvalidMessage,
    PeerMisbehaved, ProtocolVersion,
};

use super::header::{HEADER, record_length};
use super::keys::Keys;

/// The longest handshake message, as rustls has it.
const MAX_HANDSHAKE: usize = 0xffff;
/// Records below this size say nothing about the size of the next one.
const BULK: usize = 4 * 1024;

/// How much of what is pointless, but allowed, is put up with; as in rustls and BoringSSL.
struct Patience {
    warnings: u8,
    empty_records: u8,
    key_updates: u8,
}

impl Patience {
    const EMPTY_RECORDS: u8 = 32;
    const KEY_UPDATES: u8 = 32;

    fn new() -> Self {
        Self { warnings: 4, empty_records: Self::EMPTY_RECORDS, key_updates: Self::KEY_UPDATES }
    }

    fn spend(left: &mut u8, fault: PeerMisbehaved) -> Result<(), Error> {
        *left = left.checked_sub(1).ok_or(fault)?;
        Ok(())
    }
}

/// The receiving half of a connection.
pub struct RecordReader {
    decrypter: Box<dyn MessageDecrypter>,
    sequence: u64,
    /// What has been received and not decrypted: the beginning of a record.
    pending: Vec<u8>,
    /// The beginning of a handshake message that goes on in the next record.
    handshake: Vec<u8>,
    /// The size of the last record, if it was a large one.
    stride: usize,
    patience: Patience,
    closed: bool,
}

impl RecordReader {
    pub(super) fn new(
        keys: &Keys,
        (sequence, secrets): (u64, ConnectionTrafficSecrets),
        received: Vec<u8>,
    ) -> Result<Self, Error> {
        Ok(Self {
            decrypter: keys.decrypter(secrets)?,
            sequence,
            pending: received,
            handshake: Vec::new(),
            stride: 0,
            patience: Patience::new(),
            closed: false,
        })
    }

    /// The peer has said that nothing more will follow (close_notify).
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// A buffer to receive up to `size` bytes into, behind what is pending.
    pub fn room(&mut self, size: usize) -> &mut Vec<u8> {
        self.pending.reserve(size);
        &mut self.pending
    }

    /// What was received and is still to be decrypted. It belongs in front of what is received next.
    pub fn take_pending(&mut self) -> Vec<u8> {
        mem::take(&mut self.pending)
    }

    /// Makes `bytes`, what was received last, pending.
    pub fn keep(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Bytes to receive behind what is pending, at most `limit`. Where the peer sends full records, as it does in the
    /// middle of much data, this ends where a record ends: no part of the next one needs to be kept.
    pub fn wanted(&self, limit: usize) -> usize {
        if self.stride == 0 {
            return limit;
        }
        let missing = match record_length(&self.pending) {
            Ok(Some(length)) => length.saturating_sub(self.pending.len()),
            _ => self.stride.saturating_sub(self.pending.len()),
        };
        match limit.checked_sub(missing) {
            Some(room) if missing > 0 || room >= self.stride => missing + room / self.stride * self.stride,
            _ => limit,
        }
    }

    /// Decrypts the records of `received` in place and hands out what they carry. What is left is pending.
    ///
    /// # Errors
    /// The first record that breaks the protocol; nothing behind it is looked at.
    pub fn open(
        &mut self,
        keys: &Keys,
        mut received: &mut [u8],
        mut sink: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        while !self.closed
            && let Some(length) = record_length(received)?
            && length <= received.len()
        {
            let (record, rest) = received.split_at_mut(length);
            self.record(keys, record, &mut sink)?;
            self.stride = if length >= BULK { length } else { 0 };
            received = rest;
        }
        if !self.closed {
            self.keep(received);
        }
        Ok(())
    }

    fn record(&mut self, keys: &Keys, record: &mut [u8], sink: &mut impl FnMut(&[u8])) -> Result<(), Error> {
        let (header, body) = record.split_at_mut(HEADER);
        let kind = ContentType::from(header[0]);
        // It is never encrypted, and has no place behind the handshake.
        if kind == ContentType::ChangeCipherSpec {
            return Err(unexpected(kind));
        }
        let version = ProtocolVersion::from(u16::from_be_bytes([header[1], header[2]]));
        let message = InboundOpaqueMessage::new(kind, version, body);
        let plain = self.decrypter.decrypt(message, self.sequence)?;
        self.sequence += 1;
        if !self.handshake.is_empty() && plain.typ != ContentType::Handshake {
            return Err(PeerMisbehaved::MessageInterleavedWithHandshakeMessage.into());
        }
        if plain.payload.is_empty() {
            let left = &mut self.patience.empty_records;
            Patience::spend(left, PeerMisbehaved::TooManyEmptyFragments)?;
        } else {
            self.patience.empty_records = Patience::EMPTY_RECORDS;
        }
        match plain.typ {
            ContentType::ApplicationData => {
                self.patience.key_updates = Patience::KEY_UPDATES;
                sink(plain.payload);
                Ok(())
            }
            ContentType::Alert => self.alert(keys, plain.payload),
            ContentType::Handshake => self.handshake(keys, plain.payload),
            other => Err(unexpected(other)),
        }
    }

    /// RFC 8446 section 6, RFC 5246 section 7.2.
    fn alert(&mut self, keys: &Keys, alert: &[u8]) -> Result<(), Error> {
        const WARNING: u8 = 1;
        let &[level, description] = alert else {
            return Err(InvalidMessage::MessageTooShort.into());
        };
        let description = AlertDescription::from(description);
        match description {
            AlertDescription::CloseNotify => {
                self.closed = true;
                Ok(())
            }
            // TLS 1.3 has only one that is not the end.
            _ if level == WARNING && (!keys.tls13() || description == AlertDescription::UserCanceled) => {
                let left = &mut self.patience.warnings;
                Patience::spend(left, PeerMisbehaved::TooManyWarningAlertsReceived)
            }
            _ => Err(Error::AlertReceived(description)),
        }
    }

    /// Puts messages together and takes what may come after the handshake.
    fn handshake(&mut self, keys: &Keys, fragment: &[u8]) -> Result<(), Error> {
        self.handshake.extend_from_slice(fragment);
        while let Some(&[kind, a, b, c]) = self.handshake.first_chunk() {
            let end = 4 + u32::from_be_bytes([0, a, b, c]) as usize;
            if end > 4 + MAX_HANDSHAKE {
                return Err(InvalidMessage::HandshakePayloadTooLarge.into());
            }
            let Some(body) = self.handshake.get(4..end) else { break };
            match HandshakeType::from(kind) {
                HandshakeType::NewSessionTicket if keys.tls13() => keys.keep_ticket(body)?,
                HandshakeType::KeyUpdate if keys.tls13() => {
                    let update = <[u8; 1]>::try_from(body).map_err(|_| InvalidMessage::InvalidKeyUpdate)?;
                    // What follows in the same record would be under the wrong key.
                    if self.handshake.len() > end {
                        return Err(PeerMisbehaved::KeyEpochWithPendingFragment.into());
                    }
                    self.update(keys, update[0])?;
                }
                // A wish to renegotiate may be ignored (RFC 5246 section 7.4.1.1).
                HandshakeType::HelloRequest if !keys.tls13() && body.is_empty() => {
                    let left = &mut self.patience.warnings;
                    Patience::spend(left, PeerMisbehaved::TooManyRenegotiationRequests)?;
                }
                _ => return Err(unexpected(ContentType::Handshake)),
            }
            self.handshake.drain(..end);
        }
        if self.handshake.is_empty() {
            self.handshake = Vec::new();
        }
        Ok(())
    }

    /// RFC 8446 section 4.6.3.
    fn update(&mut self, keys: &Keys, request: u8) -> Result<(), Error> {
        Patience::spend(&mut self.patience.key_updates, PeerMisbehaved::TooManyKeyUpdateRequests)?;
        match request {
            0 => {}
            1 => keys.ask_for_update(),
            _ => return Err(InvalidMessage::InvalidKeyUpdate.into()),
        }
        self.decrypter = keys.next_decrypter()?;
        self.sequence = 0;
        Ok(())
    }
}

fn unexpected(got: ContentType) -> Error {
    let expected = vec![ContentType::ApplicationData, ContentType::Alert];
    Error::InappropriateMessage { expect_types: expected, got_type: got }
}
