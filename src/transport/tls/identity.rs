//! The client's own certificate and key, from PEM.

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use zeroize::Zeroizing;

use super::certificate::Certificate;
use super::options::{TlsOptions, invalid};
use crate::error::RelayError;

/// The identity that `options` give, if any.
///
/// # Errors
/// `InvalidArgument`, naming the option, or `Tls` for a key that is not the certificate's; the key's text never
/// shows.
pub(super) fn load(options: &TlsOptions) -> Result<Option<CertifiedKey>, RelayError> {
    match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => from_pem(cert, key).map(Some),
        _ => Ok(None),
    }
}

fn from_pem(cert: &str, key: &str) -> Result<CertifiedKey, RelayError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert.as_bytes()).collect();
    let chain = chain.map_err(|_| invalid("\"cert\" holds a malformed PEM block"))?;
    let Some(own) = chain.first() else { return Err(invalid("\"cert\" holds no PEM certificate")) };
    if key.contains("ENCRYPTED") {
        return Err(invalid("\"key\" is encrypted, and there is no \"passphrase\" for it"));
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| invalid("\"key\" holds no PEM private key"))?;
    let signer = any_supported_type(&key)
        .map_err(|_| invalid("The private key in \"key\" is of a kind that cannot be used"))?;
    match belongs(signer.as_ref(), own)? {
        true => Ok(CertifiedKey::new(chain, signer)),
        false => Err(invalid("\"key\" is not the key of \"cert\"")),
    }
}

/// Compares a private key with a certificate of any version: `CertifiedKey::keys_match` reads version 3 only. A kind
/// of key that cannot be compared passes.
fn belongs(key: &dyn SigningKey, own: &CertificateDer<'_>) -> Result<bool, RelayError> {
    let own = Certificate::parse(own).map_err(|error| invalid("\"cert\" cannot be used").caused_by(error))?;
    Ok(key.public_key().is_none_or(|public| public == own.public_key()))
}
