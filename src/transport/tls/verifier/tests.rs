use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints, SanType, date_time_ymd,
};
use std::time::Duration;

use super::super::provider;
use super::super::testdata::{
    V1_BY_INTERMEDIATE, V1_BY_V1, V1_BY_V3, V1_ROOT, V3_INTERMEDIATE, V3_ROOT, certificate,
};
use super::*;

mod rules;

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn named(common: &str, sans: &[&str]) -> CertificateParams {
    let sans: Vec<String> = sans.iter().map(|&san| san.to_owned()).collect();
    let mut params = CertificateParams::new(sans).unwrap();
    params.distinguished_name.remove(DnType::CommonName);
    if !common.is_empty() {
        params.distinguished_name.push(DnType::CommonName, common);
    }
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn root(name: &str) -> Issuer {
    Issuer::self_signed(authority(name), KeyPair::generate().unwrap()).unwrap()
}

fn intermediate(name: &str, by: &Issuer) -> Issuer {
    Issuer::signed_by(authority(name), KeyPair::generate().unwrap(), by).unwrap()
}

fn leaf(params: CertificateParams, by: &Issuer) -> CertificateDer<'static> {
    params.signed_by(&KeyPair::generate().unwrap(), by).unwrap().der().clone()
}

fn self_signed(params: CertificateParams) -> CertificateDer<'static> {
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
}

fn verifier(anchors: &[&CertificateDer<'static>]) -> Verifier {
    let mut trust = Trust::default();
    anchors.iter().for_each(|anchor| trust.add(anchor));
    Verifier::new(trust, &provider(), true)
}

fn verify(
    anchors: &[&CertificateDer<'static>],
    chain: &[CertificateDer<'static>],
    host: &str,
) -> Result<(), (String, String)> {
    verify_at(anchors, chain, host, UnixTime::now())
}

fn verify_at(
    anchors: &[&CertificateDer<'static>],
    chain: &[CertificateDer<'static>],
    host: &str,
    now: UnixTime,
) -> Result<(), (String, String)> {
    let name = ServerName::try_from(host).unwrap();
    match verifier(anchors).verify_server_cert(&chain[0], &chain[1..], &name, &[], now) {
        Ok(_) => Ok(()),
        Err(error) => {
            let io = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
            let error = super::super::failure_in(&io).unwrap();
            Err((error.system.unwrap().code.into_owned(), error.message))
        }
    }
}

fn code(result: Result<(), (String, String)>) -> String {
    result.unwrap_err().0
}

#[test]
fn a_chain_to_a_given_root_is_accepted() {
    let root = root("Root");
    let middle = intermediate("Middle", &root);
    let server = leaf(named("s", &["relay.example", "*.wild.example", "127.0.0.1", "::1"]), &middle);
    let chain = [server, middle.der().clone()];
    for host in ["relay.example", "RELAY.example", "a.wild.example", "127.0.0.1", "::1"] {
        assert_eq!(verify(&[root.der()], &chain, host), Ok(()), "{host}");
    }
}

#[test]
fn an_untrusted_chain_is_named_as_openssl_names_it() {
    let (root, other) = (root("Root"), root("Other"));
    let middle = intermediate("Middle", &root);
    let server = leaf(named("s", &["relay.example"]), &middle);
    let verify =
        |chain: &[CertificateDer<'static>]| verify(&[other.der()], chain, "relay.example").unwrap_err();
    assert_eq!(
        verify(std::slice::from_ref(&server)),
        ("UNABLE_TO_VERIFY_LEAF_SIGNATURE".into(), "unable to verify the first certificate".into())
    );
    assert_eq!(
        verify(&[server.clone(), middle.der().clone()]),
        ("UNABLE_TO_GET_ISSUER_CERT_LOCALLY".into(), "unable to get local issuer certificate".into())
    );
    assert_eq!(
        verify(&[server, root.der().clone(), middle.der().clone()]),
        ("SELF_SIGNED_CERT_IN_CHAIN".into(), "self-signed certificate in certificate chain".into())
    );
    let alone = self_signed(named("s", &["relay.example"]));
    assert_eq!(verify(&[alone]), ("DEPTH_ZERO_SELF_SIGNED_CERT".into(), "self-signed certificate".into()));
    // With basicConstraints CA, as `openssl req -x509` makes it.
    let mut params = authority("s");
    params.subject_alt_names = named("s", &["relay.example"]).subject_alt_names;
    assert_eq!(verify(&[self_signed(params)]).0, "DEPTH_ZERO_SELF_SIGNED_CERT");
}

#[test]
fn without_any_root_nothing_is_trusted() {
    let alone = self_signed(named("s", &["relay.example"]));
    assert_eq!(code(verify(&[], &[alone], "relay.example")), "DEPTH_ZERO_SELF_SIGNED_CERT");
}

#[test]
fn a_self_signed_certificate_given_as_ca_is_accepted() {
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let mut params = named("s", &["relay.example"]);
        params.is_ca = is_ca;
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2030, 1, 1);
        let certificate = self_signed(params);
        let at = |year: u64| {
            let now = UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_557_600));
            verify_at(&[&certificate], std::slice::from_ref(&certificate), "relay.example", now)
        };
        assert_eq!(at(2025), Ok(()));
        assert_eq!(at(2031).unwrap_err().0, "CERT_HAS_EXPIRED");
        assert_eq!(at(2019).unwrap_err().0, "CERT_NOT_YET_VALID");
        let name = verify(&[&certificate], std::slice::from_ref(&certificate), "else.example");
        assert_eq!(code(name), "ERR_TLS_CERT_ALTNAME_INVALID");
    }
    // Another certificate of the same name is not the same certificate.
    let (one, two) =
        (self_signed(named("s", &["relay.example"])), self_signed(named("s", &["relay.example"])));
    assert_eq!(code(verify(&[&one], &[two], "relay.example")), "DEPTH_ZERO_SELF_SIGNED_CERT");
}

#[test]
fn dates_are_checked() {
    let root = root("Root");
    let dated = |from: i32, to: i32| {
        let mut params = named("s", &["relay.example"]);
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        verify(&[root.der()], &[leaf(params, &root)], "relay.example").unwrap_err()
    };
    assert_eq!(dated(2000, 2001), ("CERT_HAS_EXPIRED".into(), "certificate has expired".into()));
    assert_eq!(dated(2900, 2901), ("CERT_NOT_YET_VALID".into(), "certificate is not yet valid".into()));
}

#[test]
fn a_wrong_name_is_told_in_nodes_words() {
    let root = root("Root");
    let check = |params: CertificateParams, host: &str| {
        let (code, message) = verify(&[root.der()], &[leaf(params, &root)], host).unwrap_err();
        assert_eq!(code, "ERR_TLS_CERT_ALTNAME_INVALID");
        message.strip_prefix("Hostname/IP does not match certificate's altnames: ").unwrap().to_owned()
    };
    assert_eq!(
        check(named("else", &["a.example", "10.0.0.1"]), "else"),
        "Host: else. is not in the cert's altnames: DNS:a.example, IP Address:10.0.0.1"
    );
    assert_eq!(check(named("else", &[]), "relay.example"), "Host: relay.example. is not cert's CN: else");
    assert_eq!(check(named("", &[]), "relay.example"), "Cert does not contain a DNS name");
    assert_eq!(
        check(named("127.0.0.1", &["10.0.0.1", "10.0.0.2"]), "127.0.0.1"),
        "IP: 127.0.0.1 is not in the cert's list: 10.0.0.1, 10.0.0.2"
    );
}

#[test]
fn the_common_name_counts_where_there_is_no_dns_name() {
    let root = root("Root");
    let verify = |params, host| verify(&[root.der()], &[leaf(params, &root)], host);
    assert_eq!(verify(named("relay.example", &[]), "relay.example"), Ok(()));
    assert_eq!(verify(named("*.relay.example", &["10.0.0.1"]), "a.relay.example"), Ok(()));
    assert!(verify(named("relay.example", &["other.example"]), "relay.example").is_err());
    let mut mail_only = named("relay.example", &[]);
    mail_only.subject_alt_names.push(SanType::Rfc822Name("a@b".try_into().unwrap()));
    assert_eq!(verify(mail_only, "relay.example"), Ok(()));
}

#[test]
fn a_common_name_cannot_escape_name_constraints() {
    let constrained = || {
        let mut params = authority("Middle");
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("corp.example".into())],
            excluded_subtrees: Vec::new(),
        });
        params
    };
    let root = root("Root");
    let middle = Issuer::signed_by(constrained(), KeyPair::generate().unwrap(), &root).unwrap();
    let chain = [leaf(named("relay.example", &[]), &middle), middle.der().clone()];
    assert_eq!(code(verify(&[root.der()], &chain, "relay.example")), "ERR_TLS_CERT_ALTNAME_INVALID");
    let top = Issuer::self_signed(constrained(), KeyPair::generate().unwrap()).unwrap();
    let chain = [leaf(named("relay.example", &[]), &top)];
    assert_eq!(code(verify(&[top.der()], &chain, "relay.example")), "ERR_TLS_CERT_ALTNAME_INVALID");
}

#[test]
fn a_certificate_made_for_something_else_is_refused() {
    let root = root("Root");
    let mut params = named("s", &["relay.example"]);
    params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ClientAuth);
    let refused = verify(&[root.der()], &[leaf(params, &root)], "relay.example").unwrap_err();
    assert_eq!(refused, ("INVALID_PURPOSE".into(), "unsuitable certificate purpose".into()));
}

#[test]
fn a_forged_signature_is_refused() {
    let (root, impostor) = (root("Root"), root("Root"));
    let server = leaf(named("s", &["relay.example"]), &impostor);
    assert_eq!(code(verify(&[root.der()], &[server], "relay.example")), "CERT_SIGNATURE_FAILURE");
}

#[test]
fn a_version_1_certificate_issued_by_an_anchor_is_refused_in_plain_words() {
    for (anchor, server) in [(V1_ROOT, V1_BY_V1), (V3_ROOT, V1_BY_V3), (V3_INTERMEDIATE, V1_BY_INTERMEDIATE)]
    {
        let (anchor, server) = (certificate(anchor), certificate(server));
        let other = root("Other");
        for chain in [vec![server.clone()], vec![server.clone(), anchor.clone()]] {
            let (code, message) = verify(&[other.der(), &anchor], &chain, "localhost").unwrap_err();
            assert_eq!(code, "UNSUPPORTED_CERTIFICATE_VERSION");
            assert!(message.contains("version 1"), "{message}");
        }
    }
    let chain = [V1_BY_INTERMEDIATE, V3_INTERMEDIATE].map(certificate);
    let refused = verify(&[&certificate(V3_ROOT)], &chain, "localhost");
    assert_eq!(code(refused), "UNSUPPORTED_CERTIFICATE_VERSION");
}

#[test]
fn a_version_1_certificate_given_as_ca_is_accepted() {
    let server = certificate(V1_BY_V1);
    assert_eq!(verify(&[&server], std::slice::from_ref(&server), "localhost"), Ok(()));
    assert_eq!(
        code(verify(&[&server], std::slice::from_ref(&server), "else.example")),
        "ERR_TLS_CERT_ALTNAME_INVALID"
    );
}

#[test]
fn a_version_1_certificate_of_nobody_is_named_as_openssl_names_it() {
    let other = root("Other");
    let verify = |chain: &[&str]| {
        let chain: Vec<_> = chain.iter().copied().map(certificate).collect();
        code(verify(&[other.der()], &chain, "localhost"))
    };
    assert_eq!(verify(&[V1_ROOT]), "DEPTH_ZERO_SELF_SIGNED_CERT");
    assert_eq!(verify(&[V1_BY_V1]), "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
    assert_eq!(verify(&[V1_BY_V1, V1_ROOT]), "SELF_SIGNED_CERT_IN_CHAIN");
    assert_eq!(verify(&[V1_BY_INTERMEDIATE, V3_INTERMEDIATE]), "UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
}

#[test]
fn a_ca_certificate_is_a_servers_only_if_it_is_given_itself() {
    let (root, middle) = (root("Root"), intermediate("Middle", &root("Root")));
    for issuer in [&root, &middle] {
        let mut params = authority("s");
        params.subject_alt_names = named("s", &["relay.example"]).subject_alt_names;
        let server = leaf(params, issuer);
        let verify = |anchor: &CertificateDer<'static>, host| {
            verify(&[anchor], &[server.clone(), issuer.der().clone()], host)
        };
        let (refused, message) = verify(issuer.der(), "relay.example").unwrap_err();
        assert_eq!(refused, "INVALID_PURPOSE");
        assert!(message.contains("CA certificate"), "{message}");
        assert_eq!(verify(&server, "relay.example"), Ok(()));
        assert_eq!(code(verify(&server, "else.example")), "ERR_TLS_CERT_ALTNAME_INVALID");
    }
}

#[test]
fn garbage_is_refused() {
    let root = root("Root");
    let refused = verify(&[root.der()], &[CertificateDer::from(vec![0x30, 0x80, 1])], "h");
    assert_eq!(code(refused), "CERT_REJECTED");
}

#[test]
fn unauthorized_servers_are_accepted_only_on_request() {
    let careless = Verifier::new(Trust::default(), &provider(), false);
    let leaf = self_signed(named("s", &[]));
    let name = ServerName::try_from("relay.example").unwrap();
    assert!(careless.verify_server_cert(&leaf, &[], &name, &[], UnixTime::now()).is_ok());
}
