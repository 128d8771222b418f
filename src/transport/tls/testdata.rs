//! Certificates that rcgen cannot make: see `testdata/README.md`.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub(super) const V1_ROOT: &str = include_str!("testdata/v1-root.pem");
pub(super) const V1_BY_V1: &str = include_str!("testdata/v1-by-v1-root.pem");
pub(super) const V1_BY_V1_KEY: &str = include_str!("testdata/v1-by-v1-root-key.pem");
pub(super) const V1_RSA: &str = include_str!("testdata/v1-rsa.pem");
pub(super) const V1_RSA_KEY: &str = include_str!("testdata/v1-rsa-key.pem");
pub(super) const V3_ROOT: &str = include_str!("testdata/v3-root.pem");
pub(super) const V1_BY_V3: &str = include_str!("testdata/v1-by-v3-root.pem");
pub(super) const V3_INTERMEDIATE: &str = include_str!("testdata/v3-intermediate.pem");
pub(super) const V1_BY_INTERMEDIATE: &str = include_str!("testdata/v1-by-v3-intermediate.pem");

pub(super) fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}
