//! Signatures checked without webpki, for what it will not look at: certificates of X.509 version 1, and CA
//! certificates that a server uses as its own.
//!
//! Only one case of trust is decided here: a certificate that one of the anchors has issued directly.

#![forbid(unsafe_code)]

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{
    CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, TrustAnchor, UnixTime,
};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved};
use x509_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::prelude::{X509Certificate, X509Version};

use super::failure::CertificateFailure;

/// Reads a certificate that is nothing but a certificate.
pub(super) fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    let (rest, parsed) = <X509Certificate as x509_parser::prelude::FromDer<_>>::from_der(der).ok()?;
    rest.is_empty().then_some(parsed)
}

/// True for a certificate from before X.509 version 3, when there were no extensions: `openssl x509 -req` still
/// makes them.
pub(super) fn is_old(certificate: &X509Certificate<'_>) -> bool {
    matches!(certificate.version(), X509Version::V1 | X509Version::V2) && certificate.extensions().is_empty()
}

/// The public key of a certificate of any version.
pub(super) fn public_key(
    certificate: &CertificateDer<'_>,
) -> Result<SubjectPublicKeyInfoDer<'static>, Error> {
    let parsed = parse(certificate).ok_or(CertificateError::BadEncoding)?;
    Ok(SubjectPublicKeyInfoDer::from(parsed.public_key().raw.to_vec()))
}

/// rustls has this for TLS 1.3 only. In TLS 1.2 a scheme does not name the curve, so each algorithm is tried that
/// fits the key.
pub(super) fn verify_tls12_signature(
    message: &[u8],
    key: &SubjectPublicKeyInfoDer<'_>,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), Error> {
    let (_, possible) = algorithms
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == dss.scheme)
        .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    let key = whole(key, Tag::Sequence).and_then(Key::read).ok_or(CertificateError::BadEncoding)?;
    match possible.iter().find(|algorithm| key.fits(**algorithm)) {
        Some(algorithm) => key.verify(*algorithm, message, dss.signature()),
        None => Err(unsupported("key and signature are of different kinds")),
    }
}

/// Asks the anchors that bear the name of `certificate`'s issuer. `None`: there is none, or it limits the names
/// below it, which is webpki's business. A certificate that names itself as its issuer has no other.
///
/// # Errors
/// A signature that no such anchor made; dates; a purpose that excludes TLS servers.
pub(super) fn by_anchor(
    certificate: &X509Certificate<'_>,
    anchors: &[TrustAnchor<'_>],
    algorithms: &WebPkiSupportedAlgorithms,
    now: UnixTime,
) -> Option<Result<(), Error>> {
    if certificate.issuer().as_raw() == certificate.subject().as_raw() {
        return None;
    }
    let issuer = issuer_name(certificate)?;
    let mut candidates = anchors
        .iter()
        .filter(|anchor| anchor.subject.as_ref() == issuer && anchor.name_constraints.is_none())
        .peekable();
    candidates.peek()?;
    let Some(signed) = Signed::of(certificate) else {
        return Some(Err(CertificateError::BadEncoding.into()));
    };
    let mut refused = None;
    for anchor in candidates {
        match signed.verify(&anchor.subject_public_key_info, algorithms.all) {
            Ok(()) => return Some(check_dates(certificate, now).and_then(|()| check_purpose(certificate))),
            Err(error) => refused = Some(error),
        }
    }
    refused.map(Err)
}

/// The issuer's name as a trust anchor holds its own: without the tag.
pub(super) fn issuer_name<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    whole(certificate.issuer().as_raw(), Tag::Sequence)
}

pub(super) fn check_dates(certificate: &X509Certificate<'_>, now: UnixTime) -> Result<(), Error> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < certificate.validity().not_before.timestamp() {
        Err(CertificateError::NotValidYet.into())
    } else if now > certificate.validity().not_after.timestamp() {
        Err(CertificateError::Expired.into())
    } else {
        Ok(())
    }
}

/// OpenSSL's rules for a TLS server's certificate. Version 1 has no extensions to say no with.
fn check_purpose(certificate: &X509Certificate<'_>) -> Result<(), Error> {
    let extended = match certificate.extended_key_usage() {
        Ok(usage) => usage.is_none_or(|usage| usage.value.server_auth),
        Err(_) => false,
    };
    let basic = match certificate.key_usage() {
        Ok(usage) => usage.is_none_or(|usage| {
            usage.value.digital_signature() || usage.value.key_encipherment() || usage.value.key_agreement()
        }),
        Err(_) => false,
    };
    if extended && basic { Ok(()) } else { Err(CertificateError::InvalidPurpose.into()) }
}

fn unsupported(text: &str) -> Error {
    CertificateFailure::new("CERT_REJECTED", format!("certificate rejected: {text}")).into()
}

/// The parts of a certificate that its issuer's signature is about.
struct Signed<'a> {
    message: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    fn of(certificate: &X509Certificate<'a>) -> Option<Self> {
        // What is signed must name the same algorithm as what is beside it.
        if certificate.tbs_certificate.signature != certificate.signature_algorithm {
            return None;
        }
        let parts = whole(certificate.as_raw(), Tag::Sequence)?;
        let (rest, message) = Any::from_der(parts).ok()?;
        let message_len = parts.len().checked_sub(rest.len())?;
        let (rest, algorithm) = first(rest, Tag::Sequence)?;
        let signature = bits(whole(rest, Tag::BitString)?)?;
        (message.tag() == Tag::Sequence).then_some(Self {
            message: parts.get(..message_len)?,
            algorithm,
            signature,
        })
    }

    /// `key` is a SubjectPublicKeyInfo without its tag, as anchors hold it.
    fn verify(&self, key: &[u8], algorithms: &[&dyn SignatureVerificationAlgorithm]) -> Result<(), Error> {
        let key = Key::read(key).ok_or(CertificateError::BadEncoding)?;
        algorithms
            .iter()
            .find(|algorithm| {
                algorithm.signature_alg_id().as_ref() == self.algorithm && key.fits(**algorithm)
            })
            .ok_or_else(|| unsupported("its signature is of an unsupported kind"))
            .and_then(|algorithm| key.verify(*algorithm, self.message, self.signature))
    }
}

/// A public key in two parts.
struct Key<'a> {
    algorithm: &'a [u8],
    bits: &'a [u8],
}

impl<'a> Key<'a> {
    fn read(content: &'a [u8]) -> Option<Self> {
        let (rest, algorithm) = first(content, Tag::Sequence)?;
        Some(Self { algorithm, bits: bits(whole(rest, Tag::BitString)?)? })
    }

    fn fits(&self, algorithm: &dyn SignatureVerificationAlgorithm) -> bool {
        algorithm.public_key_alg_id().as_ref() == self.algorithm
    }

    fn verify(
        &self,
        algorithm: &dyn SignatureVerificationAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        algorithm
            .verify_signature(self.bits, message, signature)
            .map_err(|_| CertificateError::BadSignature.into())
    }
}

/// The first element's content, and what follows it.
fn first(der: &[u8], tag: Tag) -> Option<(&[u8], &[u8])> {
    let (rest, any) = Any::from_der(der).ok()?;
    (any.tag() == tag).then_some((rest, any.data))
}

/// The content of the one element that `der` is.
fn whole(der: &[u8], tag: Tag) -> Option<&[u8]> {
    first(der, tag).filter(|(rest, _)| rest.is_empty()).map(|(_, content)| content)
}

/// The bytes of a bit string that is made of bytes.
fn bits(content: &[u8]) -> Option<&[u8]> {
    content.split_first().filter(|(unused, _)| **unused == 0).map(|(_, bytes)| bytes)
}
