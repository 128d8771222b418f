//! The client's own certificate and key, from PEM or PKCS #12.

#![forbid(unsafe_code)]

use std::sync::Arc;

use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as Pkcs12Error;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};

use super::{TlsOptions, invalid, issued};
use crate::error::{ErrorKind, RelayError};
use crate::transport::tcp;

pub(super) struct Identity {
    key: CertifiedKey,
    /// The certificates of a PKCS #12 file besides the client's own; Node trusts them.
    pub(super) others: Vec<CertificateDer<'static>>,
}

impl Identity {
    pub(super) fn resolver(self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(SingleCertAndKey::from(self.key))
    }
}

/// The identity that `options` give, if any.
///
/// # Errors
/// `InvalidArgument`, naming the option, or `Tls` for a key that is not the certificate's; the key's text never
/// shows.
pub(super) fn load(options: &TlsOptions, provider: &CryptoProvider) -> Result<Option<Identity>, RelayError> {
    match (&options.cert, &options.key, &options.pfx) {
        (Some(cert), Some(key), _) => from_pem(cert, key, provider).map(Some),
        (_, _, Some(pfx)) => {
            from_pfx(pfx, options.passphrase.as_deref().unwrap_or_default(), provider).map(Some)
        }
        _ => Ok(None),
    }
}

fn from_pem(cert: &str, key: &str, provider: &CryptoProvider) -> Result<Identity, RelayError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert.as_bytes()).collect();
    let chain = chain.map_err(|_| invalid("\"cert\" holds a malformed PEM block"))?;
    if chain.is_empty() {
        return Err(invalid("\"cert\" holds no PEM certificate"));
    }
    if key.contains("ENCRYPTED") {
        return Err(invalid("\"key\" is encrypted and has to be decrypted first"));
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| invalid("\"key\" holds no PEM private key"))?;
    let signer = signing_key(key, provider, "key")?;
    let mine = chain.first().map_or(Ok(None), |certificate| belongs(signer.as_ref(), certificate));
    match mine {
        // Unknown only says that this kind of key cannot be compared.
        Ok(Some(true) | None) => Ok(Identity { key: CertifiedKey::new(chain, signer), others: Vec::new() }),
        // The kind lets JavaScript see the code as Node has it.
        Ok(Some(false)) => Err(RelayError::new(
            ErrorKind::Tls,
            "error:05800074:x509 certificate routines::key values mismatch",
        )
        .with_system(tcp::bare("ERR_OSSL_X509_KEY_VALUES_MISMATCH"))),
        Err(error) => Err(invalid("\"cert\" cannot be used").caused_by(error)),
    }
}

/// Compares a private key with a certificate of any version: `CertifiedKey::keys_match` reads version 3 only.
fn belongs(key: &dyn SigningKey, certificate: &CertificateDer<'_>) -> Result<Option<bool>, rustls::Error> {
    let public = issued::public_key(certificate)?;
    Ok(key.public_key().map(|own| own == public))
}

fn from_pfx(pfx: &[u8], passphrase: &str, provider: &CryptoProvider) -> Result<Identity, RelayError> {
    let archive = Pkcs12Archive::from_pkcs12(pfx, passphrase).map_err(|error| match error {
        Pkcs12Error::MacError(_) | Pkcs12Error::UnpadError => {
            invalid("\"pfx\" cannot be opened: mac verify failure (wrong passphrase?)")
        }
        other => invalid(&format!("\"pfx\" cannot be read: {other}")),
    })?;
    let Some(bag) = archive.keys.first() else { return Err(invalid("\"pfx\" holds no private key")) };
    let der = PrivatePkcs8KeyDer::from(bag.key.as_der().to_vec());
    let signer = signing_key(der.into(), provider, "pfx")?;
    let mut others: Vec<_> =
        archive.certs.iter().map(|bag| CertificateDer::from(bag.cert.as_der().to_vec())).collect();
    // Not every tool links key and certificate by id, so ask the keys themselves.
    let own = others
        .iter()
        .position(|cert| matches!(belongs(signer.as_ref(), cert), Ok(Some(true))))
        .ok_or_else(|| invalid("\"pfx\" holds no certificate for its private key"))?;
    let mut links: Vec<_> = archive.certs.iter().map(|bag| &bag.cert).collect();
    let mut last = links.remove(own);
    let mut chain = vec![others.remove(own)];
    // The chain upwards, in order; a self-signed root closes it.
    while last.issuer() != last.subject() {
        let Some(index) = links.iter().position(|cert| cert.subject() == last.issuer()) else { break };
        last = links.remove(index);
        chain.push(CertificateDer::from(last.as_der().to_vec()));
    }
    Ok(Identity { key: CertifiedKey::new(chain, signer), others })
}

fn signing_key(
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
    option: &str,
) -> Result<Arc<dyn SigningKey>, RelayError> {
    provider
        .key_provider
        .load_private_key(key)
        .map_err(|_| invalid(&format!("The private key in \"{option}\" is of a kind that cannot be used")))
}
