//! What one certificate says of itself, by OpenSSL's rules: webpki reads some of it only of some certificates.

#![forbid(unsafe_code)]

use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use x509_parser::oid_registry::{
    OID_X509_EXT_BASIC_CONSTRAINTS as BASIC_CONSTRAINTS, OID_X509_EXT_CERTIFICATE_POLICIES,
    OID_X509_EXT_CRL_DISTRIBUTION_POINTS, OID_X509_EXT_EXTENDED_KEY_USAGE as EXTENDED_KEY_USAGE,
    OID_X509_EXT_INHIBIT_ANY_POLICY, OID_X509_EXT_KEY_USAGE as KEY_USAGE, OID_X509_EXT_NAME_CONSTRAINTS,
    OID_X509_EXT_POLICY_CONSTRAINTS, OID_X509_EXT_POLICY_MAPPINGS,
    OID_X509_EXT_SUBJECT_ALT_NAME as SUBJECT_ALT_NAME, Oid,
};
use x509_parser::prelude::{
    BasicConstraints, FromDer, KeyUsage, ParsedExtension, X509Certificate, X509Version,
};

use super::failure::CertificateFailure;
use super::names::Names;

/// The critical extensions that OpenSSL acts on. It refuses certificates with others, in `ca` too.
const UNDERSTOOD: [Oid<'static>; 10] = [
    BASIC_CONSTRAINTS,
    KEY_USAGE,
    EXTENDED_KEY_USAGE,
    SUBJECT_ALT_NAME,
    OID_X509_EXT_CERTIFICATE_POLICIES,
    OID_X509_EXT_CRL_DISTRIBUTION_POINTS,
    OID_X509_EXT_INHIBIT_ANY_POLICY,
    OID_X509_EXT_NAME_CONSTRAINTS,
    OID_X509_EXT_POLICY_CONSTRAINTS,
    OID_X509_EXT_POLICY_MAPPINGS,
];

/// Reads a certificate that is nothing but a certificate.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, CertificateFailure> {
    match X509Certificate::from_der(der) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(CertificateFailure::rejected("it cannot be read")),
    }
}

/// True for a certificate from before X.509 version 3, when there were no extensions: `openssl x509 -req` still
/// makes them.
pub(super) fn is_old(certificate: &X509Certificate<'_>) -> bool {
    matches!(certificate.version(), X509Version::V1 | X509Version::V2) && certificate.extensions().is_empty()
}

/// True if it names itself as its issuer.
pub(super) fn is_self_issued(certificate: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == certificate.subject().as_raw()
}

/// The public key of a certificate of any version.
pub(super) fn public_key(certificate: &X509Certificate<'_>) -> SubjectPublicKeyInfoDer<'static> {
    SubjectPublicKeyInfoDer::from(certificate.public_key().raw.to_vec())
}

/// From when to when a certificate is good.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dates {
    from: i64,
    to: i64,
}

impl Dates {
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self { from: validity.not_before.timestamp(), to: validity.not_after.timestamp() }
    }

    pub(super) fn check(self, now: UnixTime) -> Result<(), CertificateFailure> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if now < self.from {
            Err(CertificateFailure::not_yet_valid())
        } else if now > self.to {
            Err(CertificateFailure::expired())
        } else {
            Ok(())
        }
    }
}

/// What a certificate may be used for.
#[derive(Debug)]
pub(super) struct Uses {
    basic: Option<BasicConstraints>,
    key: Option<KeyUsage>,
    /// Its extended key usage, if it has any, names TLS servers.
    tls_server: bool,
    /// Version 1 and issued by itself.
    old_root: bool,
}

impl Uses {
    /// # Errors
    /// An extension that OpenSSL could not read or would not understand: what cannot be read is not absent.
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Result<Self, CertificateFailure> {
        if certificate.iter_extensions().any(|found| found.critical && !UNDERSTOOD.contains(&found.oid)) {
            return Err(CertificateFailure::rejected("it has a critical extension that is not known"));
        }
        Names::of(certificate)?;
        let basic = match extension(certificate, &BASIC_CONSTRAINTS)? {
            Some(ParsedExtension::BasicConstraints(basic)) => Some(basic.clone()),
            _ => None,
        };
        let key = match extension(certificate, &KEY_USAGE)? {
            Some(ParsedExtension::KeyUsage(usage)) => Some(*usage),
            _ => None,
        };
        let tls_server = match extension(certificate, &EXTENDED_KEY_USAGE)? {
            Some(ParsedExtension::ExtendedKeyUsage(usage)) => usage.server_auth,
            _ => true,
        };
        let old_root = is_old(certificate) && is_self_issued(certificate);
        Ok(Self { basic, key, tls_server, old_root })
    }

    /// Whether it may issue certificates of TLS servers.
    pub(super) fn may_issue(&self) -> bool {
        let authority = match (&self.basic, &self.key) {
            (Some(basic), _) => basic.ca,
            // As OpenSSL does of old roots.
            (None, Some(_)) => true,
            (None, None) => self.old_root,
        };
        authority && self.key.is_none_or(|usage| usage.key_cert_sign()) && self.tls_server
    }

    /// Whether it may be that of a TLS server.
    pub(super) fn may_serve(&self) -> bool {
        self.tls_server
            && self.key.is_none_or(|usage| {
                usage.digital_signature() || usage.key_encipherment() || usage.key_agreement()
            })
    }

    /// How many issuers may stand between it and a server's certificate.
    pub(super) fn path_length(&self) -> Option<u32> {
        self.basic.as_ref()?.path_len_constraint
    }
}

/// The extension `oid`.
///
/// # Errors
/// It is there, but cannot be read, or more than once.
pub(super) fn extension<'a>(
    certificate: &'a X509Certificate<'_>,
    oid: &Oid<'_>,
) -> Result<Option<&'a ParsedExtension<'a>>, CertificateFailure> {
    let unreadable = || CertificateFailure::rejected("it has an extension that cannot be read");
    let Some(found) = certificate.get_extension_unique(oid).map_err(|_| unreadable())? else {
        return Ok(None);
    };
    match found.parsed_extension() {
        ParsedExtension::ParseError { .. }
        | ParsedExtension::UnsupportedExtension { .. }
        | ParsedExtension::Unparsed => Err(unreadable()),
        parsed => Ok(Some(parsed)),
    }
}
