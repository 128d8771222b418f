//! Whom to trust: webpki's rules, plus what Node accepts and webpki does not.

#![forbid(unsafe_code)]

use std::net::IpAddr;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use x509_parser::oid_registry::OID_X509_EXT_NAME_CONSTRAINTS;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Trust;
use super::failure::CertificateFailure;
use super::issued;
use super::names::Names;

#[derive(Debug)]
pub(super) struct Verifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
    reject_unauthorized: bool,
}

impl Verifier {
    pub(super) fn new(trust: Trust, provider: &CryptoProvider, reject_unauthorized: bool) -> Self {
        Self { trust, algorithms: provider.signature_verification_algorithms, reject_unauthorized }
    }

    fn verify_trust(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        // A self-signed certificate that is itself given as `ca`: webpki sees no issuer, or a CA where it
        // wants a server. The user has vouched for exactly these bytes, so only the dates are left to check.
        if self.trust.contains(end_entity) {
            let parsed = issued::parse(end_entity).ok_or(CertificateError::BadEncoding)?;
            return issued::check_dates(&parsed, now);
        }
        let parsed = match ParsedCertificate::try_from(end_entity) {
            Ok(parsed) => parsed,
            Err(error) => {
                return match issued::parse(end_entity).filter(issued::is_old) {
                    Some(old) => self.verify_old(&old, intermediates, now),
                    None => Err(error),
                };
            }
        };
        let verified = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.trust.roots,
            intermediates,
            now,
            self.algorithms.all,
        );
        // webpki refuses every CA certificate here, OpenSSL only those that are not made for servers too.
        if verified.is_err()
            && let Some(leaf) = issued::parse(end_entity).filter(|leaf| leaf.is_ca())
            && let Some(result) = self.issued_directly(&leaf, now)
        {
            return result;
        }
        verified
    }

    fn issued_directly(&self, leaf: &X509Certificate<'_>, now: UnixTime) -> Option<Result<(), Error>> {
        issued::by_anchor(leaf, &self.trust.roots.roots, &self.algorithms, now)
    }

    /// Version 1, which webpki does not read: trusted where an anchor itself has issued it.
    fn verify_old(
        &self,
        leaf: &X509Certificate<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if let Some(result) = self.issued_directly(leaf, now) {
            return result;
        }
        let is_anchor = |certificate: &X509Certificate<'_>| {
            issued::issuer_name(certificate).is_some_and(|name| {
                self.trust.roots.roots.iter().any(|anchor| anchor.subject.as_ref() == name)
            })
        };
        let self_issued = leaf.issuer() == leaf.subject();
        let between = climb(leaf, intermediates);
        // An intermediate between the two, or an anchor that limits names: Node might accept it.
        if !self_issued && (is_anchor(leaf) || between.iter().any(is_anchor)) {
            return Err(CertificateFailure::new(
                "UNSUPPORTED_CERTIFICATE_VERSION",
                "the server's certificate is X.509 version 1, which is verified only if a certificate of \"ca\" \
                 has issued it directly; issue it as version 3 with subjectAltName",
            )
            .into());
        }
        Err(CertificateError::UnknownIssuer.into())
    }

    fn verify_name(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
    ) -> Result<(), Error> {
        let (error, unread) = match ParsedCertificate::try_from(end_entity) {
            Ok(end_entity) => match verify_server_name(&end_entity, server_name) {
                Err(error @ Error::InvalidCertificate(_)) => (error, false),
                other => return other,
            },
            Err(error) => (error, true),
        };
        // Version 1 has no subjectAltName: its common name is all there is to look at.
        let parsed = issued::parse(end_entity).filter(|parsed| !unread || issued::is_old(parsed));
        let Some(parsed) = parsed else { return Err(error) };
        let names = Names::of(&parsed);
        match server_name {
            ServerName::DnsName(host)
                if names.common_name_matches(host.as_ref()) && self.common_names_are_free(intermediates) =>
            {
                Ok(())
            }
            ServerName::DnsName(host) => Err(names.mismatch(host.as_ref()).into()),
            ServerName::IpAddress(ip) => Err(names.mismatch_ip(IpAddr::from(*ip)).into()),
            _ => Err(error),
        }
    }

    /// webpki applies name constraints to subjectAltName only: where an issuer has any, a common name proves
    /// nothing.
    fn common_names_are_free(&self, intermediates: &[CertificateDer<'_>]) -> bool {
        !intermediates.iter().any(limits_names)
            && self.trust.roots.roots.iter().all(|anchor| anchor.name_constraints.is_none())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.reject_unauthorized {
            // Node's order: first the chain, then the name.
            self.verify_trust(end_entity, intermediates, now)
                .map_err(|error| explain(error, end_entity, intermediates))?;
            self.verify_name(end_entity, intermediates, server_name)
                .map_err(|error| explain(error, end_entity, intermediates))?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // Whether to trust the certificate is decided above; here only its key counts, whatever its version.
        if ParsedCertificate::try_from(cert).is_ok() {
            verify_tls12_signature(message, cert, dss, &self.algorithms)
        } else {
            issued::public_key(cert)
                .and_then(|key| issued::verify_tls12_signature(message, &key, dss, &self.algorithms))
                .map(|()| HandshakeSignatureValid::assertion())
        }
        .map_err(|error| explain(error, cert, &[]))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if ParsedCertificate::try_from(cert).is_ok() {
            verify_tls13_signature(message, cert, dss, &self.algorithms)
        } else {
            issued::public_key(cert)
                .and_then(|key| verify_tls13_signature_with_raw_key(message, &key, dss, &self.algorithms))
        }
        .map_err(|error| explain(error, cert, &[]))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// True if `issuer`'s certificate limits the names below it.
fn limits_names(issuer: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(issuer).map_or(true, |(_, parsed)| {
        parsed.iter_extensions().any(|extension| extension.oid == OID_X509_EXT_NAME_CONSTRAINTS)
    })
}

/// Puts Node's code and text in the place of rustls's view of a refused certificate.
fn explain(error: Error, end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Error {
    use CertificateError as C;
    let Error::InvalidCertificate(reason) = &error else { return error };
    let parsed = X509Certificate::from_der(end_entity).ok().map(|(_, parsed)| parsed);
    let self_issued = parsed.as_ref().is_some_and(|leaf| leaf.issuer() == leaf.subject());
    let failure = match reason {
        C::Other(other) if other.0.is::<CertificateFailure>() => return error,
        C::Expired | C::ExpiredContext { .. } => {
            CertificateFailure::new("CERT_HAS_EXPIRED", "certificate has expired")
        }
        C::NotValidYet | C::NotValidYetContext { .. } => {
            CertificateFailure::new("CERT_NOT_YET_VALID", "certificate is not yet valid")
        }
        C::Revoked => CertificateFailure::new("CERT_REVOKED", "certificate revoked"),
        // An anchor of the same name but another key: OpenSSL sees that it is another issuer.
        C::BadSignature if self_issued => untrusted(parsed.as_ref(), intermediates),
        C::BadSignature => CertificateFailure::new("CERT_SIGNATURE_FAILURE", "certificate signature failure"),
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => {
            CertificateFailure::new("INVALID_PURPOSE", "unsuitable certificate purpose")
        }
        C::UnknownIssuer => untrusted(parsed.as_ref(), intermediates),
        // webpki's CaUsedAsEndEntity, which rustls has no name for: Node would first miss the issuer.
        C::Other(_) if parsed.as_ref().is_some_and(|leaf| leaf.is_ca()) => {
            if self_issued {
                untrusted(parsed.as_ref(), intermediates)
            } else {
                CertificateFailure::new(
                    "INVALID_PURPOSE",
                    "unsuitable certificate purpose: a CA certificate is used as the server's certificate",
                )
            }
        }
        other => CertificateFailure::new("CERT_REJECTED", format!("certificate rejected: {other}")),
    };
    failure.into()
}

/// Walks up the presented chain as OpenSSL does, to tell which of its four complaints it would make.
fn untrusted(leaf: Option<&X509Certificate<'_>>, intermediates: &[CertificateDer<'_>]) -> CertificateFailure {
    let leaf_only = || {
        CertificateFailure::new("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate")
    };
    let Some(leaf) = leaf else { return leaf_only() };
    if leaf.issuer() == leaf.subject() {
        return CertificateFailure::new("DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate");
    }
    let between = climb(leaf, intermediates);
    match between.last() {
        None => leaf_only(),
        Some(last) if last.issuer() == last.subject() => CertificateFailure::new(
            "SELF_SIGNED_CERT_IN_CHAIN",
            "self-signed certificate in certificate chain",
        ),
        Some(_) => CertificateFailure::new(
            "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
            "unable to get local issuer certificate",
        ),
    }
}

/// The issuers of `leaf` among what the server presented, upwards by name; a self-signed one is the last.
fn climb<'a>(
    leaf: &X509Certificate<'_>,
    intermediates: &'a [CertificateDer<'_>],
) -> Vec<X509Certificate<'a>> {
    let mut offered: Vec<_> = intermediates.iter().filter_map(issued::parse).collect();
    let mut climbed: Vec<X509Certificate<'a>> = Vec::new();
    loop {
        let below = climbed.last().unwrap_or(leaf);
        let wanted = below.issuer().as_raw();
        let found = offered.iter().position(|issuer| issuer.subject().as_raw() == wanted);
        match found.filter(|_| below.issuer() != below.subject()) {
            Some(index) => climbed.push(offered.swap_remove(index)),
            None => return climbed,
        }
    }
}

#[cfg(test)]
mod tests;
