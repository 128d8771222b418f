//! The certificates given as `ca`: those that may issue others, and what each is good for by itself.

use std::collections::HashSet;
use std::ptr;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use sha2::{Digest, Sha256};

use super::certificate::Certificate;
use super::failure::CertificateFailure;
use super::uses::{Dates, Uses};

#[derive(Debug, Default)]
pub(super) struct Trust {
    /// What may issue the certificates of TLS servers.
    anchors: Vec<TrustAnchor<'static>>,
    /// What webpki does not ask of an anchor: one for each.
    limits: Vec<Limits>,
    /// SHA-256 of every certificate, to know it again when the server itself presents it.
    given: HashSet<[u8; 32]>,
}

#[derive(Debug)]
struct Limits {
    dates: Dates,
    path_length: Option<u32>,
}

impl Trust {
    /// Adds every block that can be read: one odd root of a bundle must not take the others with it.
    pub(super) fn add_pem(&mut self, pem: &str) {
        CertificateDer::pem_slice_iter(pem.as_bytes())
            .flatten()
            .for_each(|certificate| self.add(&certificate));
    }

    pub(super) fn add(&mut self, certificate: &CertificateDer<'_>) {
        let Ok(parsed) = Certificate::parse(certificate) else { return };
        let Ok(uses) = Uses::of(&parsed) else { return };
        self.given.insert(Sha256::digest(certificate).into());
        if uses.may_issue()
            && let Ok(anchor) = webpki::anchor_from_trusted_cert(certificate)
        {
            self.anchors.push(anchor.to_owned());
            self.limits.push(Limits { dates: Dates::of(&parsed), path_length: uses.path_length() });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    pub(super) fn contains(&self, certificate: &CertificateDer<'_>) -> bool {
        let digest: [u8; 32] = Sha256::digest(certificate).into();
        self.given.contains(&digest)
    }

    pub(super) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// Whether `anchor`, one of [`Trust::anchors`], may stand at the top of a chain now, with so many issuers
    /// between it and the server.
    pub(super) fn check(
        &self,
        anchor: &TrustAnchor<'_>,
        between: u32,
        now: UnixTime,
    ) -> Result<(), CertificateFailure> {
        let limits = self.anchors.iter().zip(&self.limits).find(|(known, _)| ptr::eq(*known, anchor));
        // It is always one of them; if it were not, it would not be trusted.
        let Some((_, limits)) = limits else {
            return Err(CertificateFailure::rejected("nobody vouches for it"));
        };
        limits.dates.check(now)?;
        if limits.path_length.is_some_and(|most| between > most) {
            return Err(CertificateFailure::path_length_exceeded());
        }
        Ok(())
    }
}
