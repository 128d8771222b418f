//! TLS: the client configuration and the handshake.
//!
//! Trust works as in Node, with the differences to OpenSSL that `docs/websocket.md` lists. Of the certificates in
//! `ca`, those that may issue others are anchors; every other one is trusted only where the server presents that very
//! certificate.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use rustls::SupportedProtocolVersion;
use rustls::client::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::tcp;
use crate::error::{ErrorKind, RelayError};

mod certificate;
mod failure;
mod handshake;
mod identity;
mod names;
pub mod records;
mod stream;
mod trust;
mod verifier;

pub(crate) use failure::failure_in;
pub use stream::TlsStream;

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

/// What the user decides about TLS, under Node's names.
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

/// Builds a configuration. Keep it and share it: sessions are resumed only within one configuration, and
/// reading a full set of roots takes milliseconds.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`], naming the option at fault.
pub fn client_config(options: &TlsOptions) -> Result<Arc<ClientConfig>, RelayError> {
    let provider = provider();
    let mut trust = trust::Trust::default();
    options.ca.iter().for_each(|pem| trust.add_pem(pem));
    if trust.is_empty() && !options.ca.is_empty() {
        return Err(invalid("There is no usable certificate in \"ca\""));
    }
    let identity = identity::load(options)?;
    let verifier = verifier::Verifier::new(trust, &provider, options.reject_unauthorized);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(options)?)
        .map_err(|error| invalid("The TLS versions cannot be used").caused_by(error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity))),
        None => builder.with_no_client_auth(),
    };
    // For `records`. Sessions are kept in memory: rustls's default store, 256 servers.
    config.enable_secret_extraction = true;
    Ok(Arc::new(config))
}

fn invalid(text: &str) -> RelayError {
    RelayError::new(ErrorKind::InvalidArgument, text)
}

/// ring, named explicitly: a process default may belong to somebody else.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())).clone()
}

fn versions(options: &TlsOptions) -> Result<Vec<&'static SupportedProtocolVersion>, RelayError> {
    let min = options.min_version.unwrap_or(TlsVersion::Tls12);
    let max = options.max_version.unwrap_or(TlsVersion::Tls13);
    let all = [(TlsVersion::Tls13, &rustls::version::TLS13), (TlsVersion::Tls12, &rustls::version::TLS12)];
    let kept: Vec<_> =
        all.into_iter().filter(|(version, _)| (min..=max).contains(version)).map(|(_, v)| v).collect();
    if kept.is_empty() {
        return Err(invalid("\"minVersion\" and \"maxVersion\" leave neither TLSv1.2 nor TLSv1.3"));
    }
    Ok(kept)
}

/// Performs the handshake as `name`, which may be an IP address (then without SNI).
///
/// # Errors
/// [`ErrorKind::Tls`] with Node's code: that of a refused certificate, `EPROTO` for everything else;
/// [`ErrorKind::Network`] where the connection broke.
pub async fn connect(
    config: Arc<ClientConfig>,
    name: &str,
    mut tcp: TcpStream,
) -> Result<TlsStream, RelayError> {
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| invalid("The server name is neither a host name nor an IP address"))?;
    let (session, kind) = handshake::perform(config, name, &mut tcp).await.map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return tcp::reset(
                "Client network socket disconnected before secure TLS connection was established",
            );
        }
        failure::handshake_failure_in(&error).unwrap_or_else(|| tcp::io_error("read", &error))
    })?;
    Ok(TlsStream::new(tcp, session, kind))
}

#[cfg(test)]
mod testdata;
#[cfg(test)]
mod tests;
