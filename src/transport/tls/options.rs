//! What the user decides about TLS.

use std::fmt;

use zeroize::Zeroizing;

use crate::error::{ErrorKind, RelayError};

/// A version of TLS that can be a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// Only useful as a lower limit: rustls begins at 1.2.
    Tls10,
    /// Only useful as a lower limit: rustls begins at 1.2.
    Tls11,
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl TlsVersion {
    /// Reads Node's name (`TLSv1.2`).
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "TLSv1" => Self::Tls10,
            "TLSv1.1" => Self::Tls11,
            "TLSv1.2" => Self::Tls12,
            "TLSv1.3" => Self::Tls13,
            _ => return None,
        })
    }
}

/// The options, under Node's names.
#[derive(Clone)]
pub struct TlsOptions {
    /// Trusted certificates, each text one or more PEM blocks. Empty: nothing is trusted.
    pub ca: Vec<String>,
    /// The client's certificate and its chain, PEM. Without `key` it is not used, as in Node.
    pub cert: Option<String>,
    /// The client's private key, PEM, not encrypted. This text is wiped when it is dropped; rustls's own form of the
    /// key is not.
    pub key: Option<Zeroizing<String>>,
    /// Refuse a certificate that cannot be verified. Default true.
    pub reject_unauthorized: bool,
    /// The oldest version to speak. Default TLS 1.2.
    pub min_version: Option<TlsVersion>,
    /// The newest version to speak. Default TLS 1.3.
    pub max_version: Option<TlsVersion>,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            ca: Vec::new(),
            cert: None,
            key: None,
            reject_unauthorized: true,
            min_version: None,
            max_version: None,
        }
    }
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("ca", &self.ca.len())
            .field("cert", &self.cert.as_ref().map(String::len))
            .field("key", &self.key.as_ref().map(|_| "***"))
            .field("reject_unauthorized", &self.reject_unauthorized)
            .field("min_version", &self.min_version)
            .field("max_version", &self.max_version)
            .finish()
    }
}

/// An option that cannot be used.
pub(super) fn invalid(text: &str) -> RelayError {
    RelayError::new(ErrorKind::InvalidArgument, text)
}
