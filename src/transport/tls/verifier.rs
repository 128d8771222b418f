//! Whom to trust: webpki's rules, plus what Node accepts and webpki does not.

#![forbid(unsafe_code)]

use std::net::IpAddr;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use x509_parser::oid_registry::OID_X509_EXT_NAME_CONSTRAINTS;
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

use super::Trust;
use super::failure::CertificateFailure;
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
            return check_dates(end_entity, now);
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.trust.roots,
            intermediates,
            now,
            self.algorithms.all,
        )
    }

    fn verify_name(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
    ) -> Result<(), Error> {
        let error = match verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name) {
            Err(error @ Error::InvalidCertificate(_)) => error,
            other => return other,
        };
        let Ok((_, parsed)) = X509Certificate::from_der(end_entity) else { return Err(error) };
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
        verify_tls12_signature(message, cert, dss, &self.algorithms)
            .map_err(|error| explain(error, cert, &[]))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
            .map_err(|error| explain(error, cert, &[]))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn check_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < parsed.validity().not_before.timestamp() {
        Err(CertificateError::NotValidYet.into())
    } else if now > parsed.validity().not_after.timestamp() {
        Err(CertificateError::Expired.into())
    } else {
        Ok(())
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
    if parsed.as_ref().is_some_and(|leaf| leaf.version() != X509Version::V3) {
        return CertificateFailure::new(
            "UNSUPPORTED_CERTIFICATE_VERSION",
            "the server's certificate is X.509 version 1, which cannot be verified; issue it as version 3 with \
             subjectAltName",
        )
        .into();
    }
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
    let mut offered: Vec<_> =
        intermediates.iter().filter_map(|der| X509Certificate::from_der(der).ok()).map(|(_, c)| c).collect();
    let mut wanted = leaf.issuer().as_raw().to_vec();
    let mut found_any = false;
    while let Some(index) = offered.iter().position(|issuer| issuer.subject().as_raw() == wanted) {
        let issuer = offered.swap_remove(index);
        if issuer.issuer() == issuer.subject() {
            return CertificateFailure::new(
                "SELF_SIGNED_CERT_IN_CHAIN",
                "self-signed certificate in certificate chain",
            );
        }
        found_any = true;
        wanted = issuer.issuer().as_raw().to_vec();
    }
    if found_any {
        CertificateFailure::new("UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "unable to get local issuer certificate")
    } else {
        leaf_only()
    }
}

#[cfg(test)]
mod tests;
