use rcgen::{CertificateParams, KeyPair};
use rustls::HandshakeKind;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::testdata::{V1_BY_V1, V1_BY_V1_KEY, V1_ROOT, V1_RSA, V1_RSA_KEY, certificate};
use super::*;
use crate::error::ErrorKind;

struct Made {
    cert: String,
    key: String,
    der: CertificateDer<'static>,
    pair: KeyPair,
}

fn self_signed(name: &str) -> Made {
    let pair = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&pair).unwrap();
    Made { cert: cert.pem(), key: pair.serialize_pem(), der: cert.der().clone(), pair }
}

fn trusting(ca: &str) -> TlsOptions {
    TlsOptions { ca: vec![ca.to_owned()], ..Default::default() }
}

fn server_config(made: &Made, clients: Option<&CertificateDer<'static>>) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(ca.clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots.into(), provider()).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let key = made.pair.serialize_der().try_into().unwrap();
    builder.with_single_cert(vec![made.der.clone()], key).unwrap()
}

/// A TLS server that greets each client with a byte.
async fn serve(config: ServerConfig) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.write_all(b"!").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    (port, server)
}

/// A server that answers the hello with `bytes` and ends.
async fn answer(bytes: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 8192]).await;
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    port
}

async fn dial(options: &TlsOptions, name: &str, port: u16) -> Result<TlsStream, RelayError> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    connect(client_config(options).unwrap(), name, tcp).await
}

fn code(error: &RelayError) -> &str {
    &error.system.as_ref().unwrap().code
}

fn refusal(options: &TlsOptions) -> String {
    let error = client_config(options).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
    error.message
}

#[tokio::test]
async fn a_server_is_verified_by_name_or_address() {
    for name in ["localhost", "127.0.0.1", "::1"] {
        let made = self_signed(name);
        let (port, server) = serve(server_config(&made, None)).await;
        let mut stream = dial(&trusting(&made.cert), name, port).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'!');
        let error = dial(&trusting(&made.cert), "other.example", port).await.unwrap_err();
        assert_eq!((error.kind, code(&error)), (ErrorKind::Tls, "ERR_TLS_CERT_ALTNAME_INVALID"));
        server.abort();
    }
}

#[tokio::test]
async fn an_unknown_server_is_refused_unless_that_is_switched_off() {
    let made = self_signed("localhost");
    let (port, server) = serve(server_config(&made, None)).await;
    let error = dial(&TlsOptions::default(), "localhost", port).await.unwrap_err();
    assert_eq!((error.kind, code(&error)), (ErrorKind::Tls, "DEPTH_ZERO_SELF_SIGNED_CERT"));
    assert_eq!(error.message, "self-signed certificate");
    let careless = TlsOptions { reject_unauthorized: false, ..Default::default() };
    assert!(dial(&careless, "other.example", port).await.is_ok());
    server.abort();
}

#[tokio::test]
async fn sessions_are_resumed_within_one_configuration() {
    let made = self_signed("localhost");
    for max_version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let (port, server) = serve(server_config(&made, None)).await;
        let options = TlsOptions { max_version: Some(max_version), ..trusting(&made.cert) };
        let config = client_config(&options).unwrap();
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let mut stream = connect(config.clone(), "localhost", tcp).await.unwrap();
            // TLS 1.3 sends its tickets behind the handshake.
            stream.read_to_end(&mut Vec::new()).await.unwrap();
            kinds.push(stream.handshake_kind().unwrap());
        }
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed], "{max_version:?}");
        server.abort();
    }
}

#[tokio::test]
async fn as_many_sessions_are_resumed_as_are_dialled_at_once() {
    let made = self_signed("localhost");
    let mut generous = server_config(&made, None);
    generous.send_tls13_tickets = sessions::TICKETS + 1;
    // It knows the other's sessions and gives no tickets of its own, as if all were dialled at the same moment.
    let mut silent = generous.clone();
    silent.send_tls13_tickets = 0;
    let config = client_config(&trusting(&made.cert)).unwrap();
    let dial = async |port| {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut stream = connect(config.clone(), "localhost", tcp).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        stream.handshake_kind().unwrap()
    };
    let (port, server) = serve(generous).await;
    assert_eq!(dial(port).await, HandshakeKind::Full);
    server.abort();
    let (port, server) = serve(silent).await;
    for _ in 0..sessions::TICKETS {
        assert_eq!(dial(port).await, HandshakeKind::Resumed);
    }
    assert_eq!(dial(port).await, HandshakeKind::Full);
    server.abort();
}

#[tokio::test]
async fn a_server_without_tls_is_recognised() {
    let port = answer(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let error = dial(&TlsOptions::default(), "localhost", port).await.unwrap_err();
    assert_eq!((error.kind, code(&error)), (ErrorKind::Tls, "EPROTO"));
    assert_eq!(error.message, "write EPROTO error:0A00010B:SSL routines::wrong version number");
}

#[tokio::test]
async fn a_server_that_hangs_up_is_a_reset() {
    let port = answer(b"").await;
    let error = dial(&TlsOptions::default(), "localhost", port).await.unwrap_err();
    assert_eq!((error.kind, code(&error)), (ErrorKind::Network, "ECONNRESET"));
    assert_eq!(
        error.message,
        "Client network socket disconnected before secure TLS connection was established"
    );
}

#[tokio::test]
async fn an_alert_has_openssls_name() {
    let port = answer(&[21, 3, 3, 0, 2, 2, 40]).await;
    let error = dial(&TlsOptions::default(), "localhost", port).await.unwrap_err();
    assert_eq!(code(&error), "EPROTO");
    assert!(error.message.ends_with("::sslv3 alert handshake failure:SSL alert number 40"));
}

#[tokio::test]
async fn versions_without_overlap_fail() {
    let made = self_signed("localhost");
    let key = made.pair.serialize_der().try_into().unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.der.clone()], key)
        .unwrap();
    let (port, server) = serve(config).await;
    let options = TlsOptions { min_version: Some(TlsVersion::Tls13), ..trusting(&made.cert) };
    let error = dial(&options, "localhost", port).await.unwrap_err();
    assert_eq!(code(&error), "EPROTO");
    assert!(error.message.ends_with("::tlsv1 alert protocol version:SSL alert number 70"));
    server.abort();
}

#[test]
fn version_limits_are_checked() {
    let limits = |min, max| {
        versions(&TlsOptions { min_version: min, max_version: max, ..Default::default() })
            .map(|kept| kept.len())
    };
    assert_eq!(limits(None, None).unwrap(), 2);
    assert_eq!(limits(TlsVersion::parse("TLSv1"), None).unwrap(), 2);
    assert_eq!(limits(TlsVersion::parse("TLSv1.3"), None).unwrap(), 1);
    assert_eq!(limits(None, TlsVersion::parse("TLSv1.2")).unwrap(), 1);
    assert!(limits(None, TlsVersion::parse("TLSv1.1")).is_err());
    assert!(limits(TlsVersion::parse("TLSv1.3"), TlsVersion::parse("TLSv1.2")).is_err());
    assert_eq!(TlsVersion::parse("SSLv3"), None);
}

#[test]
fn one_bad_root_does_not_spoil_a_bundle() {
    let good = self_signed("localhost").cert;
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let torn = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    for ca in [vec![format!("# a comment\n{bad}{torn}{good}")], vec![bad.to_owned(), good.clone()]] {
        assert!(client_config(&TlsOptions { ca, ..Default::default() }).is_ok());
    }
    for ca in [bad, torn, "", "no PEM at all"] {
        assert_eq!(refusal(&trusting(ca)), "There is no usable certificate in \"ca\"", "{ca}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_presented() {
    let server_side = self_signed("localhost");
    let client = self_signed("client");
    let (port, server) = serve(server_config(&server_side, Some(&client.der))).await;
    let options = TlsOptions {
        cert: Some(client.cert.clone()),
        key: Some(client.key.clone().into()),
        ..trusting(&server_side.cert)
    };
    let mut stream = dial(&options, "localhost", port).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'!');

    // In TLS 1.3 the refusal comes behind the handshake; a certificate without its key is not used, as in
    // Node.
    let keyless = TlsOptions { key: None, ..options };
    let error = match dial(&keyless, "localhost", port).await {
        Ok(mut stream) => failure_in(&stream.read_u8().await.unwrap_err()).unwrap(),
        Err(error) => error,
    };
    assert_eq!(code(&error), "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED");
    server.abort();
}

#[test]
fn unusable_identities_name_the_option() {
    let (one, two) = (self_signed("a"), self_signed("b"));
    let with = |cert: &str, key: &str| TlsOptions {
        cert: Some(cert.into()),
        key: Some(key.to_owned().into()),
        ..Default::default()
    };
    assert!(client_config(&with(&one.cert, &one.key)).is_ok());
    assert!(client_config(&with(&format!("{}{}", one.key, one.cert), &one.key)).is_ok());
    assert_eq!(refusal(&with(&one.cert, &two.key)), "\"key\" is not the key of \"cert\"");
    assert_eq!(refusal(&with("", &one.key)), "\"cert\" holds no PEM certificate");
    assert_eq!(refusal(&with(&one.cert, "x")), "\"key\" holds no PEM private key");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert_eq!(
        refusal(&with(&one.cert, encrypted)),
        "\"key\" is encrypted, and there is no \"passphrase\" for it"
    );
}

/// A server that presents `cert` and signs with `key`, whether they belong together or not.
fn old_server(cert: &str, key: &str, version: TlsVersion) -> ServerConfig {
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let signer = provider().key_provider.load_private_key(key).unwrap();
    let identity = SingleCertAndKey::from(CertifiedKey::new(vec![certificate(cert)], signer));
    let options = TlsOptions { min_version: Some(version), max_version: Some(version), ..Default::default() };
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions(&options).unwrap())
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(identity))
}

#[tokio::test]
async fn a_version_1_server_proves_that_it_has_the_key() {
    let careless = TlsOptions { reject_unauthorized: false, ..Default::default() };
    let stranger = KeyPair::generate().unwrap().serialize_pem();
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        for (cert, key) in [(V1_BY_V1, V1_BY_V1_KEY), (V1_RSA, V1_RSA_KEY)] {
            let (port, server) = serve(old_server(cert, key, version)).await;
            for (options, name) in [(&careless, "other.example"), (&trusting(cert), "localhost")] {
                let mut stream = dial(options, name, port).await.unwrap();
                assert_eq!(stream.read_u8().await.unwrap(), b'!');
            }
            let error = dial(&TlsOptions::default(), "localhost", port).await.unwrap_err();
            assert!(
                ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "DEPTH_ZERO_SELF_SIGNED_CERT"].contains(&code(&error))
            );
            server.abort();
        }
        // Nobody is trusted blindly: the handshake must be signed with the key of the certificate.
        for (cert, key) in [(V1_BY_V1, stranger.as_str()), (V1_RSA, &stranger), (V1_BY_V1, V1_RSA_KEY)] {
            let (port, server) = serve(old_server(cert, key, version)).await;
            let error = dial(&careless, "localhost", port).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Tls, "{error}");
            server.abort();
        }
    }
}

#[test]
fn a_version_1_client_certificate_is_presented_with_its_own_key_only() {
    let options = TlsOptions {
        cert: Some(format!("{V1_BY_V1}{V1_ROOT}")),
        key: Some(V1_BY_V1_KEY.to_owned().into()),
        ..Default::default()
    };
    let config = client_config(&options).unwrap();
    let schemes = provider().signature_verification_algorithms.supported_schemes();
    let presented = config.client_auth_cert_resolver.resolve(&[], &schemes).unwrap();
    assert_eq!(presented.cert, [certificate(V1_BY_V1), certificate(V1_ROOT)]);
    let strangers = TlsOptions { key: Some(V1_RSA_KEY.to_owned().into()), ..options };
    assert_eq!(client_config(&strangers).unwrap_err().message, "\"key\" is not the key of \"cert\"");
}

#[tokio::test]
async fn a_name_that_is_no_name_is_refused() {
    let port = answer(b"").await;
    let error = dial(&TlsOptions::default(), "no name", port).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
}

#[test]
fn secrets_do_not_show_in_debug() {
    let made = self_signed("localhost");
    let options = TlsOptions { cert: Some(made.cert), key: Some(made.key.into()), ..Default::default() };
    let shown = format!("{options:?}");
    assert!(shown.contains("***") && !shown.contains("PRIVATE"), "{shown}");
}
