//! What webpki does not ask, of the certificates in `ca` and of the others. `__test__/certificates.test.js` compares with OpenSSL.

use super::*;

fn not_issuing(change: impl FnOnce(&mut CertificateParams)) -> Issuer {
    let mut params = authority("Root");
    change(&mut params);
    Issuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

#[test]
fn what_may_not_issue_is_no_anchor() {
    for anchor in [
        not_issuing(|params| params.is_ca = IsCa::NoCa),
        not_issuing(|params| params.is_ca = IsCa::ExplicitNoCa),
        not_issuing(|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]),
        not_issuing(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
        not_issuing(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]),
    ] {
        let server = leaf(named("s", &["relay.example"]), &anchor);
        let middle = intermediate("Middle", &anchor);
        let below = leaf(named("s", &["relay.example"]), &middle);
        for chain in [vec![server], vec![below, middle.der().clone()]] {
            assert!(verify(&[anchor.der()], &chain, "relay.example").is_err());
        }
    }
    let anchor = not_issuing(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    assert_eq!(
        verify(&[anchor.der()], &[leaf(named("s", &["relay.example"]), &anchor)], "relay.example"),
        Ok(())
    );
}

#[test]
fn an_anchors_own_dates_and_path_length_count() {
    let dated = |from, to| {
        not_issuing(|params| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
        })
    };
    for (anchor, expected) in
        [(dated(2000, 2001), "CERT_HAS_EXPIRED"), (dated(2900, 2901), "CERT_NOT_YET_VALID")]
    {
        let server = leaf(named("s", &["relay.example"]), &anchor);
        assert_eq!(code(verify(&[anchor.der()], &[server], "relay.example")), expected);
    }
    for length in [0, 1] {
        let anchor = not_issuing(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(length)));
        let direct = leaf(named("s", &["relay.example"]), &anchor);
        assert_eq!(verify(&[anchor.der()], &[direct], "relay.example"), Ok(()));
        let (upper, name) = (intermediate("Upper", &anchor), || named("s", &["relay.example"]));
        let verified = verify(&[anchor.der()], &[leaf(name(), &upper), upper.der().clone()], "relay.example");
        assert_eq!(verified.is_ok(), length == 1);
        let lower = intermediate("Lower", &upper);
        let chain = [leaf(name(), &lower), lower.der().clone(), upper.der().clone()];
        assert_eq!(code(verify(&[anchor.der()], &chain, "relay.example")), "PATH_LENGTH_EXCEEDED");
    }
}

#[test]
fn another_anchor_may_do_where_one_may_not() {
    // A root that was renewed, with its old certificate still in the bundle.
    let key = KeyPair::generate().unwrap();
    let mut old = authority("Root");
    old.not_after = date_time_ymd(2001, 1, 1);
    let old = old.self_signed(&key).unwrap();
    let new = Issuer::self_signed(authority("Root"), key).unwrap();
    let server = leaf(named("s", &["relay.example"]), &new);
    for anchors in [[old.der(), new.der()], [new.der(), old.der()]] {
        assert_eq!(verify(&anchors, std::slice::from_ref(&server), "relay.example"), Ok(()));
    }
    assert_eq!(code(verify(&[old.der()], &[server], "relay.example")), "CERT_HAS_EXPIRED");
}

#[test]
fn an_intermediate_that_may_not_sign_certificates_is_refused() {
    let root = root("Root");
    let mut params = authority("Middle");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let middle = Issuer::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
    let chain = [leaf(named("s", &["relay.example"]), &middle), middle.der().clone()];
    assert_eq!(code(verify(&[root.der()], &chain, "relay.example")), "INVALID_PURPOSE");
}

#[test]
fn a_given_certificate_is_trusted_for_servers_only() {
    let check = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = named("s", &["relay.example"]);
        change(&mut params);
        let certificate = self_signed(params);
        verify(&[&certificate], std::slice::from_ref(&certificate), "relay.example")
    };
    assert_eq!(
        check(&|params| params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth)),
        Ok(())
    );
    for purpose in [ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Any] {
        let refused = check(&|params| params.insert_extended_key_usage(purpose.clone()));
        assert_eq!(code(refused), "INVALID_PURPOSE");
    }
    let refused = check(&|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    assert_eq!(code(refused), "INVALID_PURPOSE");
}

fn with_extension(oid: &[u64], content: &[u8], critical: bool) -> CertificateParams {
    let mut params = named("relay.example", &[]);
    let mut extension = CustomExtension::from_oid_content(oid, content.to_vec());
    extension.set_criticality(critical);
    params.custom_extensions.push(extension);
    params
}

#[test]
fn what_cannot_be_read_is_not_absent() {
    let root = root("Root");
    let torn: &[u8] = &[0x30, 5, 0x82, 9, b'a'];
    // subjectAltName, keyUsage, extKeyUsage, basicConstraints.
    for last in [17, 15, 37, 19] {
        for content in [torn, &[1, 2, 3, 4], &[]] {
            let params = || with_extension(&[2, 5, 29, last], content, false);
            let refused = verify(&[root.der()], &[leaf(params(), &root)], "relay.example");
            assert_eq!(code(refused), "CERT_REJECTED", "{last} {content:?}");
            // Nor may it be an anchor, or be trusted as it is.
            let given = self_signed(params());
            assert!(verify(&[&given], std::slice::from_ref(&given), "relay.example").is_err());
        }
    }
    // A name of a kind that does not exist, beside the right one.
    let names = [&[0x30, 18, 0x82, 13][..], b"relay.example", &[0x8f, 1, b'a']].concat();
    let refused = verify(
        &[root.der()],
        &[leaf(with_extension(&[2, 5, 29, 17], &names, false), &root)],
        "relay.example",
    );
    assert_eq!(code(refused), "CERT_REJECTED");
    // A DNS name that is no text is a DNS name, and so the common name does not count.
    let names = [0x30, 4, 0x82, 2, 0xff, 0xfe];
    let refused = verify(
        &[root.der()],
        &[leaf(with_extension(&[2, 5, 29, 17], &names, false), &root)],
        "relay.example",
    );
    assert_eq!(code(refused), "ERR_TLS_CERT_ALTNAME_INVALID");
}

#[test]
fn no_certificate_is_trusted_once_it_is_touched() {
    let root = root("Root");
    let middle = intermediate("Middle", &root);
    let chain = [leaf(named("s", &["relay.example"]), &middle), middle.der().clone()];
    let touched = |certificate: &CertificateDer<'_>, index: usize, bit: u32| {
        let mut bytes = certificate.to_vec();
        bytes[index] ^= 1 << bit;
        CertificateDer::from(bytes)
    };
    for position in 0..2 {
        for index in 0..chain[position].len() {
            let mut other = chain.clone();
            other[position] = touched(&chain[position], index, index as u32 % 8);
            assert!(verify(&[root.der()], &other, "relay.example").is_err(), "byte {index} of {position}");
        }
    }
    // Of a root only what it says counts; whatever that is, nothing panics.
    for index in 0..root.der().len() {
        let anchor = touched(root.der(), index, index as u32 % 8);
        let _ = verify(&[&anchor], &chain, "relay.example");
        let _ = verify(&[&anchor], std::slice::from_ref(&anchor), "relay.example");
    }
}

#[test]
fn a_given_certificate_with_an_unknown_critical_extension_is_not_trusted() {
    for critical in [false, true] {
        let given = self_signed(with_extension(&[1, 2, 3, 4], &[5, 0], critical));
        let verified = verify(&[&given], std::slice::from_ref(&given), "relay.example");
        assert_eq!(verified.is_ok(), !critical);
    }
}
