//! TLS: the client configuration and the handshake.
//!
//! Trust works as in Node, with the differences that rustls has by nature: TLS 1.2 and 1.3 only; a
//! certificate given as `ca` is an anchor even if it is not self-signed (Node calls that
//! `allowPartialTrustChain`); X.509 version 1 server certificates, and CA certificates used as server
//! certificates, are accepted only if they are in `ca` themselves or a certificate of `ca` issued them directly.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use rustls::client::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{RootCertStore, SupportedProtocolVersion};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;

use super::tcp;
use crate::error::{ErrorKind, RelayError};

mod failure;
mod handshake;
mod identity;
mod issued;
mod names;
pub mod records;
mod stream;
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
    /// The client's private key, PEM, not encrypted.
    pub key: Option<String>,
    /// PKCS #12: key and chain, used where `cert` and `key` are not given; its other certificates are
    /// trusted.
    pub pfx: Option<Vec<u8>>,
    /// The passphrase of `pfx`.
    pub passphrase: Option<String>,
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
            pfx: None,
            passphrase: None,
            reject_unauthorized: true,
            min_version: None,
            max_version: None,
        }
    }
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = |is: bool| is.then_some("***");
        f.debug_struct("TlsOptions")
            .field("ca", &self.ca.len())
            .field("cert", &self.cert.as_ref().map(String::len))
            .field("key", &given(self.key.is_some()))
            .field("pfx", &given(self.pfx.is_some()))
            .field("passphrase", &given(self.passphrase.is_some()))
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
    let mut trust = Trust { roots: RootCertStore::empty(), digests: HashSet::new() };
    options.ca.iter().for_each(|pem| trust.add_pem(pem));
    if trust.roots.is_empty() && !options.ca.is_empty() {
        return Err(invalid("There is no usable certificate in \"ca\""));
    }
    let identity = identity::load(options, &provider)?;
    if let Some(identity) = &identity {
        identity.others.iter().for_each(|certificate| trust.add(certificate));
    }
    let verifier = verifier::Verifier::new(trust, &provider, options.reject_unauthorized);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(options)?)
        .map_err(|error| invalid("The TLS versions cannot be used").caused_by(error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(identity.resolver()),
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

/// The certificates that count as anchors.
#[derive(Debug)]
struct Trust {
    roots: RootCertStore,
    /// SHA-256 of each: to know one again when the server itself presents it.
    digests: HashSet<[u8; 32]>,
}

impl Trust {
    /// Adds every block that can be read: one odd root of a bundle must not take the others with it.
    fn add_pem(&mut self, pem: &str) {
        CertificateDer::pem_slice_iter(pem.as_bytes())
            .flatten()
            .for_each(|certificate| self.add(&certificate));
    }

    fn add(&mut self, certificate: &CertificateDer<'_>) {
        if self.roots.add(certificate.clone().into_owned()).is_ok() {
            self.digests.insert(Sha256::digest(certificate).into());
        }
    }

    fn contains(&self, certificate: &CertificateDer<'_>) -> bool {
        let digest: [u8; 32] = Sha256::digest(certificate).into();
        self.digests.contains(&digest)
    }
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
