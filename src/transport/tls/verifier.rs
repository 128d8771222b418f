//! Whom to trust: webpki's rules, plus what Node accepts and webpki does not.

use std::cell::OnceCell;
use std::net::IpAddr;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage, RawPublicKeyEntity, VerifiedPath};

use super::certificate::Certificate;
use super::failure::CertificateFailure;
use super::names::Names;
use super::trust::Trust;
use super::uses::{Dates, Uses, limits_names};

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

    /// Node's order: first the chain, then the name.
    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), CertificateFailure> {
        let leaf = Certificate::parse(end_entity)?;
        let uses = Uses::of(&leaf)?;
        if self.trust.contains(end_entity) {
            // The user has vouched for exactly these bytes, so there is no issuer to look for.
            Dates::of(&leaf).check(now)?;
        } else {
            self.verify_chain(end_entity, &leaf, intermediates, now)?;
        }
        if !uses.may_serve() {
            return Err(CertificateFailure::invalid_purpose());
        }
        self.verify_name(end_entity, &leaf, intermediates, server_name)
    }

    fn verify_chain(
        &self,
        end_entity: &CertificateDer<'_>,
        leaf: &Certificate<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), CertificateFailure> {
        // What is wrong with a path that ended in an anchor. webpki goes on to look for another one.
        let complaint = OnceCell::new();
        let check = |path: &VerifiedPath<'_>| {
            self.check_path(path, now).map_err(|failure| {
                let _ = complaint.set(failure);
                webpki::Error::UnknownIssuer
            })
        };
        let verified = EndEntityCert::try_from(end_entity).and_then(|readable| {
            let usage = KeyUsage::server_auth();
            let anchors = self.trust.anchors();
            readable
                .verify_for_usage(self.algorithms.all, anchors, intermediates, now, usage, None, Some(&check))
                .map(drop)
        });
        verified.map_err(|error| {
            complaint.into_inner().unwrap_or_else(|| self.explain(&error, leaf, intermediates))
        })
    }

    /// What OpenSSL asks of the issuers besides, and of the anchor at all.
    fn check_path(&self, path: &VerifiedPath<'_>, now: UnixTime) -> Result<(), CertificateFailure> {
        let mut between = 0;
        for issuer in path.intermediate_certificates() {
            let der = issuer.der();
            let parsed = Certificate::parse(&der)?;
            if !Uses::of(&parsed)?.may_issue() {
                return Err(CertificateFailure::invalid_purpose());
            }
            between += 1;
        }
        self.trust.check(path.anchor(), between, now)
    }

    fn verify_name(
        &self,
        end_entity: &CertificateDer<'_>,
        leaf: &Certificate<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
    ) -> Result<(), CertificateFailure> {
        // Version 1 has no subjectAltName, and webpki does not read it: its common name is all there is.
        if EndEntityCert::try_from(end_entity)
            .is_ok_and(|readable| readable.verify_is_valid_for_subject_name(server_name).is_ok())
        {
            return Ok(());
        }
        let names = Names::of(leaf)?;
        match server_name {
            ServerName::DnsName(host)
                if names.common_name_matches(host.as_ref()) && self.common_names_are_free(intermediates) =>
            {
                Ok(())
            }
            ServerName::DnsName(host) => Err(names.mismatch(host.as_ref())),
            ServerName::IpAddress(ip) => Err(names.mismatch_ip(IpAddr::from(*ip))),
            _ => Err(CertificateFailure::rejected("the server has a name of an unknown kind")),
        }
    }

    /// webpki applies name constraints to subjectAltName only: where an issuer has any, a common name proves
    /// nothing.
    fn common_names_are_free(&self, intermediates: &[CertificateDer<'_>]) -> bool {
        intermediates
            .iter()
            .all(|issuer| Certificate::parse(issuer).is_ok_and(|issuer| !limits_names(&issuer)))
            && self.trust.anchors().iter().all(|anchor| anchor.name_constraints.is_none())
    }

    /// webpki's view of a refused certificate in Node's code and text.
    fn explain(
        &self,
        error: &webpki::Error,
        leaf: &Certificate<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> CertificateFailure {
        use webpki::Error as E;
        let self_issued = leaf.is_self_issued();
        match error {
            E::CertExpired { .. } => CertificateFailure::expired(),
            E::CertNotValidYet { .. } => CertificateFailure::not_yet_valid(),
            E::PathLenConstraintViolated => CertificateFailure::path_length_exceeded(),
            E::EndEntityUsedAsCa | E::RequiredEkuNotFoundContext(_) => CertificateFailure::invalid_purpose(),
            E::UnknownIssuer => untrusted(leaf, intermediates),
            // An anchor of the same name but another key: OpenSSL sees that it is another issuer.
            E::InvalidSignatureForPublicKey if self_issued => untrusted(leaf, intermediates),
            E::InvalidSignatureForPublicKey => {
                CertificateFailure::new("CERT_SIGNATURE_FAILURE", "certificate signature failure")
            }
            // Node would first miss the issuer.
            E::CaUsedAsEndEntity if self_issued => untrusted(leaf, intermediates),
            E::CaUsedAsEndEntity => CertificateFailure::new(
                "INVALID_PURPOSE",
                "unsuitable certificate purpose: a CA certificate is used as the server's certificate",
            ),
            _ if leaf.is_old() && self.knows_issuer(leaf, intermediates) => CertificateFailure::new(
                "UNSUPPORTED_CERTIFICATE_VERSION",
                "the server's certificate is X.509 version 1, which is trusted only if it is in \"ca\" \
                 itself; issue it as version 3 with subjectAltName",
            ),
            _ if leaf.is_old() => untrusted(leaf, intermediates),
            E::UnsupportedSignatureAlgorithmContext(_)
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
                CertificateFailure::rejected("a signature or a key is of a kind that is not supported")
            }
            other => CertificateFailure::rejected(other),
        }
    }

    /// Whether an anchor bears the name of the issuer of `leaf`, or of an issuer of that one: Node might trust it.
    fn knows_issuer(&self, leaf: &Certificate<'_>, intermediates: &[CertificateDer<'_>]) -> bool {
        let between = climb(leaf, intermediates);
        !leaf.is_self_issued()
            && between.iter().chain([leaf]).any(|below| {
                let name = below.issuer;
                // An anchor's name is kept without its tag and length.
                self.trust
                    .anchors()
                    .iter()
                    .any(|anchor| name.ends_with(&anchor.subject) && name.len() - anchor.subject.len() <= 4)
            })
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
            self.verify(end_entity, intermediates, server_name, now)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match key_alone(cert) {
            Some(key) => verify_tls12_signature_with_raw_key(message, &key, dss, &self.algorithms),
            None => verify_tls12_signature(message, cert, dss, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match key_alone(cert) {
            Some(key) => verify_tls13_signature_with_raw_key(message, &key, dss, &self.algorithms),
            None => verify_tls13_signature(message, cert, dss, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The key of a version 1 certificate, which rustls does not read. Whether to trust it has been decided before.
fn key_alone(certificate: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let parsed = Certificate::parse(certificate).ok().filter(Certificate::is_old)?;
    Some(parsed.public_key())
}

/// rustls has this for TLS 1.3 only. In TLS 1.2 a scheme does not name the curve, so each algorithm is tried that
/// fits the key.
fn verify_tls12_signature_with_raw_key(
    message: &[u8],
    key: &SubjectPublicKeyInfoDer<'_>,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    use webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext as OtherKind;
    let (_, possible) = algorithms
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == dss.scheme)
        .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    let key = RawPublicKeyEntity::try_from(key).map_err(|_| CertificateError::BadEncoding)?;
    possible
        .iter()
        .map(|algorithm| key.verify_signature(*algorithm, message, dss.signature()))
        .find(|verified| !matches!(verified, Err(OtherKind(_))))
        .is_some_and(|verified| verified.is_ok())
        .then(HandshakeSignatureValid::assertion)
        .ok_or_else(|| CertificateError::BadSignature.into())
}

/// Walks up the presented chain as OpenSSL does, to tell which of its four complaints it would make.
fn untrusted(leaf: &Certificate<'_>, intermediates: &[CertificateDer<'_>]) -> CertificateFailure {
    if leaf.is_self_issued() {
        return CertificateFailure::new("DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate");
    }
    let between = climb(leaf, intermediates);
    match between.last() {
        None => CertificateFailure::new(
            "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
            "unable to verify the first certificate",
        ),
        Some(last) if last.is_self_issued() => CertificateFailure::new(
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
fn climb<'a>(leaf: &Certificate<'_>, intermediates: &'a [CertificateDer<'_>]) -> Vec<Certificate<'a>> {
    let mut offered: Vec<_> = intermediates.iter().filter_map(|der| Certificate::parse(der).ok()).collect();
    let mut climbed: Vec<Certificate<'a>> = Vec::new();
    loop {
        let below = climbed.last().unwrap_or(leaf);
        let wanted = below.issuer;
        let found = offered.iter().position(|issuer| issuer.subject == wanted);
        match found.filter(|_| !below.is_self_issued()) {
            Some(index) => climbed.push(offered.swap_remove(index)),
            None => return climbed,
        }
    }
}

#[cfg(test)]
mod tests;
