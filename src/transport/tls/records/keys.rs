//! The keys of a connection: ciphers out of secrets, and the next ones of both.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use rustls::client::ClientConnectionData;
use rustls::crypto::cipher::{AeadKey, Iv, MessageDecrypter, MessageEncrypter};
use rustls::kernel::KernelConnection;
use rustls::{ConnectionTrafficSecrets, Error, SupportedCipherSuite};

use crate::sync::lock;

/// What remains of rustls's connection, and what the receiving half asks of the sending one.
pub struct Keys {
    suite: SupportedCipherSuite,
    connection: Mutex<KernelConnection<ClientConnectionData>>,
    /// The peer has asked for new keys of ours.
    update_due: AtomicBool,
}

impl Keys {
    pub(super) fn new(connection: KernelConnection<ClientConnectionData>) -> Self {
        Self {
            suite: connection.negotiated_cipher_suite(),
            connection: Mutex::new(connection),
            update_due: AtomicBool::new(false),
        }
    }

    pub(super) fn tls13(&self) -> bool {
        self.suite.tls13().is_some()
    }

    /// Records that may be encrypted with one key.
    pub(super) fn limit(&self) -> u64 {
        match self.suite {
            SupportedCipherSuite::Tls12(suite) => suite.common.confidentiality_limit,
            SupportedCipherSuite::Tls13(suite) => suite.common.confidentiality_limit,
        }
    }

    pub(super) fn decrypter(
        &self,
        secrets: ConnectionTrafficSecrets,
    ) -> Result<Box<dyn MessageDecrypter>, Error> {
        let (key, iv) = parts(secrets)?;
        Ok(match self.suite {
            SupportedCipherSuite::Tls13(suite) => suite.aead_alg.decrypter(key, iv),
            SupportedCipherSuite::Tls12(suite) => {
                let fixed = suite.aead_alg.key_block_shape().fixed_iv_len;
                suite.aead_alg.decrypter(key, &iv.as_ref()[..fixed])
            }
        })
    }

    pub(super) fn encrypter(
        &self,
        secrets: ConnectionTrafficSecrets,
    ) -> Result<Box<dyn MessageEncrypter>, Error> {
        let (key, iv) = parts(secrets)?;
        Ok(match self.suite {
            SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
            SupportedCipherSuite::Tls12(suite) => {
                let (fixed, explicit) = iv.as_ref().split_at(suite.aead_alg.key_block_shape().fixed_iv_len);
                suite.aead_alg.encrypter(key, fixed, explicit)
            }
        })
    }

    /// The peer's next key.
    pub(super) fn next_decrypter(&self) -> Result<Box<dyn MessageDecrypter>, Error> {
        let (_, secrets) = self.connection().update_rx_secret()?;
        self.decrypter(secrets)
    }

    /// Our next key.
    pub(super) fn next_encrypter(&self) -> Result<Box<dyn MessageEncrypter>, Error> {
        let (_, secrets) = self.connection().update_tx_secret()?;
        self.encrypter(secrets)
    }

    /// Keeps a session ticket for the next connection.
    pub(super) fn keep_ticket(&self, ticket: &[u8]) -> Result<(), Error> {
        self.connection().handle_new_session_ticket(ticket)
    }

    /// Has our key changed before the next record.
    pub(super) fn ask_for_update(&self) {
        self.update_due.store(true, Ordering::Release);
    }

    pub(super) fn take_update(&self) -> bool {
        self.update_due.load(Ordering::Acquire) && self.update_due.swap(false, Ordering::AcqRel)
    }

    fn connection(&self) -> MutexGuard<'_, KernelConnection<ClientConnectionData>> {
        lock(&self.connection)
    }
}

fn parts(secrets: ConnectionTrafficSecrets) -> Result<(AeadKey, Iv), Error> {
    match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => Ok((key, iv)),
        _ => Err(Error::General("The cipher of this connection is not known here".into())),
    }
}
