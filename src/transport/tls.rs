//! TLS: the client configuration and the handshake.
//!
//! Trust works as in Node, with the differences to OpenSSL that `docs/websocket.md` lists. Of the certificates in
//! `ca`, those that may issue others are anchors; every other one is trusted only where the server presents that very
//! certificate.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::SupportedProtocolVersion;
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use tokio::net::TcpStream;

use super::tcp;
use crate::error::RelayError;

mod certificate;
mod failure;
mod handshake;
mod identity;
mod names;
mod options;
pub mod records;
mod sessions;
mod stream;
mod trust;
mod uses;
mod verifier;

use options::invalid;
use sessions::SessionStore;

pub(crate) use failure::failure_in;
pub use options::{TlsOptions, TlsVersion};
pub use stream::TlsStream;

/// Builds a configuration. Keep it and share it: sessions are resumed only within one configuration, and
/// reading a full set of roots takes milliseconds.
///
/// # Errors
/// [`InvalidArgument`](crate::error::ErrorKind), naming the option at fault.
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
    // For `records`.
    config.enable_secret_extraction = true;
    config.resumption = Resumption::store(Arc::new(SessionStore::default()));
    Ok(Arc::new(config))
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
/// [`Tls`](crate::error::ErrorKind) with Node's code: that of a refused certificate, `EPROTO` for everything else;
/// [`Network`](crate::error::ErrorKind) where the connection broke.
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
