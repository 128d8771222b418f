//! What a certificate is good for, and when, by OpenSSL's rules: webpki asks some of it of some certificates only.

use der::asn1::BitStringRef;
use der::{Reader, SliceReader, Tag};
use rustls::pki_types::UnixTime;

use super::certificate::{Certificate, all, value};
use super::failure::CertificateFailure;
use super::names::{Names, SUBJECT_ALT_NAME};

/// Extensions, by their object identifiers: all of them begin with 2.5.29.
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
const CRL_DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 31];
const CERTIFICATE_POLICIES: &[u8] = &[0x55, 0x1d, 32];
const POLICY_MAPPINGS: &[u8] = &[0x55, 0x1d, 33];
const POLICY_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 36];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
const INHIBIT_ANY_POLICY: &[u8] = &[0x55, 0x1d, 54];

/// The critical extensions that OpenSSL acts on. It refuses certificates with others, in `ca` too.
const UNDERSTOOD: [&[u8]; 10] = [
    BASIC_CONSTRAINTS,
    KEY_USAGE,
    EXTENDED_KEY_USAGE,
    SUBJECT_ALT_NAME,
    CERTIFICATE_POLICIES,
    CRL_DISTRIBUTION_POINTS,
    INHIBIT_ANY_POLICY,
    NAME_CONSTRAINTS,
    POLICY_CONSTRAINTS,
    POLICY_MAPPINGS,
];

/// The extended key usage of TLS servers, 1.3.6.1.5.5.7.3.1.
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];

/// From when to when a certificate is good.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dates {
    from: u64,
    to: u64,
}

impl Dates {
    pub(super) fn of(certificate: &Certificate<'_>) -> Self {
        Self { from: certificate.not_before, to: certificate.not_after }
    }

    pub(super) fn check(self, now: UnixTime) -> Result<(), CertificateFailure> {
        if now.as_secs() < self.from {
            Err(CertificateFailure::not_yet_valid())
        } else if now.as_secs() > self.to {
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

/// RFC 5280 section 4.2.1.9.
#[derive(Debug)]
struct BasicConstraints {
    authority: bool,
    path_length: Option<u32>,
}

/// RFC 5280 section 4.2.1.3.
#[derive(Debug)]
struct KeyUsage {
    /// Signatures or the agreement on a key: what TLS servers do with theirs.
    handshakes: bool,
    certificates: bool,
}

impl Uses {
    /// # Errors
    /// An extension that OpenSSL could not read or would not understand.
    pub(super) fn of(certificate: &Certificate<'_>) -> Result<Self, CertificateFailure> {
        if certificate.extensions.iter().any(|found| found.critical && !UNDERSTOOD.contains(&found.id)) {
            return Err(CertificateFailure::rejected("it has a critical extension that is not known"));
        }
        Names::of(certificate)?;
        Ok(Self {
            basic: certificate.extension(BASIC_CONSTRAINTS, basic_constraints)?,
            key: certificate.extension(KEY_USAGE, key_usage)?,
            tls_server: certificate.extension(EXTENDED_KEY_USAGE, for_tls_servers)?.unwrap_or(true),
            old_root: certificate.is_old() && certificate.is_self_issued(),
        })
    }

    /// Whether it may issue certificates of TLS servers.
    pub(super) fn may_issue(&self) -> bool {
        let authority = match (&self.basic, &self.key) {
            (Some(basic), _) => basic.authority,
            // As OpenSSL does of old roots.
            (None, Some(_)) => true,
            (None, None) => self.old_root,
        };
        authority && self.key.as_ref().is_none_or(|usage| usage.certificates) && self.tls_server
    }

    /// Whether it may be that of a TLS server.
    pub(super) fn may_serve(&self) -> bool {
        self.tls_server && self.key.as_ref().is_none_or(|usage| usage.handshakes)
    }

    /// How many issuers may stand between it and a server's certificate.
    pub(super) fn path_length(&self) -> Option<u32> {
        self.basic.as_ref()?.path_length
    }
}

/// True if a certificate limits the names below it.
pub(super) fn limits_names(certificate: &Certificate<'_>) -> bool {
    certificate.extensions.iter().any(|found| found.id == NAME_CONSTRAINTS)
}

fn basic_constraints(reader: &mut SliceReader<'_>) -> der::Result<BasicConstraints> {
    reader.sequence(|reader| {
        Ok(BasicConstraints {
            authority: reader.decode::<Option<bool>>()?.unwrap_or(false),
            path_length: reader.decode()?,
        })
    })
}

fn key_usage(reader: &mut SliceReader<'_>) -> der::Result<KeyUsage> {
    const SIGNATURES: usize = 0;
    const ENCIPHERS_KEYS: usize = 2;
    const AGREES_ON_KEYS: usize = 4;
    const SIGNS_CERTIFICATES: usize = 5;
    let bits: BitStringRef<'_> = reader.decode()?;
    let has = |bit| bits.get(bit) == Some(true);
    Ok(KeyUsage {
        handshakes: has(SIGNATURES) || has(ENCIPHERS_KEYS) || has(AGREES_ON_KEYS),
        certificates: has(SIGNS_CERTIFICATES),
    })
}

fn for_tls_servers(reader: &mut SliceReader<'_>) -> der::Result<bool> {
    let purposes = all(value(reader, Tag::Sequence)?, |reader| value(reader, Tag::ObjectIdentifier))?;
    Ok(purposes.contains(&SERVER_AUTH))
}
